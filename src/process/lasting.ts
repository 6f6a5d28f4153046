/**
 * What plugins keep beyond a reload. For a moment two configurations exist side by side, each with its plugins' halves in
 * the main thread; whatever only one may write to, or must not start over, belongs to neither:
 *
 *   configuration 1   take ──────────────── release
 *   configuration 2              take ───────────────────── release
 *                     make                                        close
 */
export interface Lasting {
  close(): void | Promise<void>;
}

export class LastingParts {
  readonly #held = new Map<string, { readonly value: Lasting; users: number }>();

  /** What is held under `key`, made where there is nothing yet. The one who releases it last closes it. */
  take<T extends Lasting>(key: string, make: () => T): { value: T; release: () => Promise<void> } {
    const held = this.#held.get(key) ?? { value: make(), users: 0 };
    this.#held.set(key, held);
    held.users++;
    let released = false;
    const release = async () => {
      if (released) return;
      released = true;
      if (--held.users > 0) return;
      this.#held.delete(key);
      await held.value.close();
    };
    // A key is one plugin's, and a plugin makes one kind of thing.
    return { value: held.value as T, release };
  }
}
