/** The features of one configuration in the main thread: opened, activated and closed in the order of the list. */
import type { AdminApi } from '../errors/api-schema.ts';
import { Metrics } from '../metrics/registry.ts';
import { DataHalves } from './data-halves.ts';
import type { Entrance } from './entrance.ts';
import type { AnyFeature, Close, Feature, FeatureContext, Opened, Prepared } from './feature.ts';
import type { KeptParts } from './kept-parts.ts';
import { featureTopic, type Publications } from './publications.ts';

/** What all features are given alike. */
export interface FeatureParts
  extends Omit<FeatureContext<unknown>, 'publish' | 'desk' | 'follow' | 'keep' | 'kept' | 'deletions'> {
  readonly publications: Publications;
  readonly keptParts: KeptParts;
  /** Takes what ends each of them; whoever holds it runs them, the last one first. */
  readonly closers: Close[];
}

export class OpenFeatures {
  readonly #features: readonly AnyFeature[];
  readonly #parts: FeatureParts;
  readonly #opened = new Map<AnyFeature, Opened>();

  constructor(features: readonly AnyFeature[], parts: FeatureParts) {
    this.#features = features;
    this.#parts = parts;
  }

  /** Rejects at the first that cannot be opened; what was opened before is among `closers`. */
  async open(): Promise<void> {
    for (const feature of this.#features) {
      const opened = (await feature.open?.(this.#contextOf(feature))) ?? { desk: undefined };
      this.#opened.set(feature, opened);
      if (opened.close) this.#parts.closers.push(opened.close);
    }
  }

  async afterPlugins(): Promise<void> {
    for (const { afterPlugins } of this.#opened.values()) {
      const close = await afterPlugins?.();
      if (close) this.#parts.closers.push(close);
    }
  }

  /** What a feature lends. Throws TypeError where it is not in the list, or stands later in it than who asks. */
  desk<Desk>(feature: Feature<never, Desk>): Desk {
    const opened = this.#opened.get(feature as AnyFeature);
    if (!opened)
      throw new TypeError(`the feature ${feature.name} is not open: is it in the list, and ahead of this one?`);
    return opened.desk as Desk;
  }

  /** Rejects with nothing left half ready. */
  async prepare(): Promise<Prepared> {
    const ready: Prepared[] = [];
    const discard = () => {
      for (const each of ready) each.discard();
    };
    try {
      for (const { prepare } of this.#opened.values()) {
        const prepared = await prepare?.();
        if (prepared) ready.push(prepared);
      }
    } catch (error) {
      discard();
      throw error;
    }
    return {
      commit: () => {
        for (const each of ready) each.commit();
      },
      discard,
    };
  }

  async activate(): Promise<void> {
    for (const { activate } of this.#opened.values()) await activate?.();
  }

  async deactivate(): Promise<void> {
    for (const { deactivate } of this.#opened.values()) await deactivate?.();
  }

  /** What registers the routes of each feature that has any. */
  routes(): ((app: AdminApi) => void)[] {
    return [...this.#opened.values()].flatMap(({ routes }) => (routes ? [routes] : []));
  }

  /** Other ways into the admin listener than a bearer token. */
  entrances(): Entrance[] {
    return [...this.#opened.values()].flatMap(({ entrance }) => (entrance ? [entrance] : []));
  }

  measure(): void {
    for (const { measure } of this.#opened.values()) measure?.();
  }

  /** A packet thread tells the feature of this name something. */
  heard(name: string, value: unknown, worker: number): void {
    for (const [feature, { heard }] of this.#opened) if (feature.name === name) heard?.(value, worker);
  }

  /** Somebody flushes a name. */
  async forget(name: Uint8Array, subtree: boolean): Promise<void> {
    for (const opened of this.#opened.values()) await opened.forget?.(name, subtree);
  }

  /** What `sekisho status` tells of them, besides their warnings. */
  status(): object {
    return Object.assign({}, ...[...this.#opened.values()].map(({ status }) => status?.()));
  }

  /** Fields of the log line that says that the server serves. */
  announced(): object {
    return Object.assign({}, ...[...this.#opened.values()].map(({ announced }) => announced?.()));
  }

  /** Why the server is not ready, for each that says so. */
  unready(): string[] {
    return [...this.#opened.values()].flatMap(({ unready }) => unready?.() ?? []);
  }

  warnings(): string[] {
    return [...this.#opened.values()].flatMap(({ warnings }) => warnings?.() ?? []);
  }

  #contextOf(feature: AnyFeature): FeatureContext<never> {
    const { publications, keptParts, closers: _, ...facts } = this.#parts;
    return {
      ...facts,
      config: facts.config as never,
      deletions: [...this.#features, ...facts.plugins].flatMap(({ deletions = [] }) => deletions),
      publish: (value) => publications.publish(featureTopic(feature.name), value),
      desk: (other) => this.desk(other),
      follow: (other) => this.#follow(other),
      keep: (make) => keptParts.keep(feature.name, make),
      kept: () => keptParts.kept(feature.name),
    };
  }

  #follow<Data>(feature: Feature<never, unknown, Data>): Data {
    const { config, server, publications } = this.#parts;
    // Nobody reads these counters.
    const metrics = new Metrics();
    const halves = new DataHalves([feature as AnyFeature], { config, workers: server.workers, worker: -1, metrics });
    halves.follow(publications);
    return halves.of(feature);
  }
}
