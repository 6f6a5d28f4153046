/** What features keep for as long as the process lives, whatever the configuration: ledgers, desks with one writer, open pages. */
import type { KeptPart } from './feature.ts';

export class KeptParts {
  /** By feature, in the order in which they were made. */
  readonly #parts = new Map<string, KeptPart>();
  #stopped = false;

  /** What is kept under `key`, made where there is nothing yet. A key is one feature's, and a feature keeps one kind of thing. */
  keep<Kept extends KeptPart>(key: string, make: () => Kept): Kept {
    const kept = this.#parts.get(key) ?? make();
    this.#parts.set(key, kept);
    return kept as Kept;
  }

  kept<Kept extends KeptPart>(key: string): Kept | undefined {
    return this.#parts.get(key) as Kept | undefined;
  }

  /** The process is about to end. Said again, it does nothing. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    for (const part of [...this.#parts.values()].reverse()) await part.stop?.();
  }

  /** The last one first. */
  async close(): Promise<void> {
    for (const part of [...this.#parts.values()].reverse()) await part.close();
  }
}
