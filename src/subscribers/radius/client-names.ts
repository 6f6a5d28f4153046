/**
 * What RADIUS clients call themselves, to say how many NAS there are and to notice one that makes names up. Nothing depends on
 * it: sessions carry their reporter themselves (session-name.ts). So each client has room for its own names only, and what was
 * silent longest gives way.
 */
import { REPORTER_WORDS, type Reporter } from '../session-name.ts';

const MAX_CLIENTS = 4096;
/** A proxy speaks for many. */
const MAX_NAMES_OF_A_CLIENT = 1024;

export class ClientNames {
  /** By client, both in the order in which they were heard last. */
  readonly #clients = new Map<number, Set<string>>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Returns false where an older name had to give way. */
  heard(reporter: Reporter): boolean {
    const client = reporter[0]!;
    const name = reporter.subarray(1, REPORTER_WORDS).join();
    let names = this.#clients.get(client);
    if (names === undefined) {
      names = new Set();
      if (this.#clients.size >= MAX_CLIENTS) this.#forget(this.#clients, (gone) => (this.#count -= gone.size));
    } else this.#clients.delete(client);
    this.#clients.set(client, names);
    if (names.delete(name)) {
      names.add(name);
      return true;
    }
    const isFull = names.size >= MAX_NAMES_OF_A_CLIENT;
    if (isFull) names.delete(names.values().next().value!);
    else this.#count++;
    names.add(name);
    return !isFull;
  }

  #forget(clients: Map<number, Set<string>>, forgotten: (names: Set<string>) => void): void {
    const [oldest, names] = clients.entries().next().value!;
    clients.delete(oldest);
    forgotten(names);
  }
}
