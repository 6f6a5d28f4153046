/**
 * What the control plane keeps up to date in every worker while it runs: compiled lists, rules, consent.
 *
 *   control plane            Publications                      each worker, between two packets
 *   publish(topic, value) ─▶ keeps the latest, numbers it ───▶ takes it, says so
 *   resolves           ◀──── all that serve hold it    ◀────── or is gone
 *
 * A worker that starts later, or replaces one that died, begins with the latest of every topic. Values are plain data and
 * shared memory: the first is copied to each worker, the second is not.
 */

export interface Publication {
  readonly topic: string;
  /** Counts up over all topics, from 1. */
  readonly serial: number;
  readonly value: unknown;
}

/** Brings a publication to its readers. Resolves when all hold it; rejects where one could not take it. */
export type Deliver = (publication: Publication) => Promise<void>;

export class Publications {
  readonly #latest = new Map<string, Publication>();
  readonly #readers = new Set<Deliver>();
  #serial = 0;

  /** From now on `value` is what `topic` stands for. Resolves when every reader holds it. */
  async publish(topic: string, value: unknown): Promise<void> {
    const publication = { topic, serial: ++this.#serial, value };
    this.#latest.set(topic, publication);
    await Promise.all([...this.#readers].map((deliver) => deliver(publication)));
  }

  /** The latest of every topic, for a reader that starts now. */
  latest(): Publication[] {
    return [...this.#latest.values()];
  }

  /** `deliver` is called for everything published from now on. Returns the function that ends it. */
  addReader(deliver: Deliver): () => void {
    this.#readers.add(deliver);
    return () => this.#readers.delete(deliver);
  }
}

/** The topic of what a plugin publishes. */
export function pluginTopic(plugin: string): string {
  return `plugin:${plugin}`;
}

/** The topic of what a feature publishes (feature.ts). */
export function featureTopic(feature: string): string {
  return `feature:${feature}`;
}
