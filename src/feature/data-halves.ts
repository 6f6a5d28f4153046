/** The features' halves in one thread, each with what was published last. */
import type { AnyFeature, DataFacts, DataHalf, Feature } from './feature.ts';
import { featureTopic, type Publication, type Publications } from './publications.ts';

export class DataHalves {
  readonly #halves = new Map<AnyFeature, DataHalf<unknown>>();
  readonly #topics = new Map<string, DataHalf<unknown>>();

  constructor(features: readonly AnyFeature[], facts: DataFacts<unknown>) {
    for (const feature of features) {
      const half = feature.data?.({ ...facts, config: facts.config as never });
      if (!half) continue;
      this.#halves.set(feature, half);
      this.#topics.set(featureTopic(feature.name), half);
    }
  }

  /** What a feature lends in this thread. Throws TypeError where it is not in the list, or has no such half. */
  of<Data>(feature: Feature<never, unknown, Data>): Data {
    const half = this.#halves.get(feature as AnyFeature);
    if (!half) throw new TypeError(`the feature ${feature.name} has no half in this thread`);
    return half.data as Data;
  }

  /** Throws what the half does. What belongs to no feature is left alone. */
  take({ topic, value }: Publication): void {
    this.#topics.get(topic)?.take(value);
  }

  /** In the main thread: what is published from now on, and what has been. */
  follow(publications: Publications): void {
    publications.addReader(async (publication) => this.take(publication));
    for (const publication of publications.latest()) this.take(publication);
  }
}
