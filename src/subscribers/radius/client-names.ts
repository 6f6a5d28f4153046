/**
 * What RADIUS clients call themselves, to say how many NAS there are and to notice one that makes names up. Nothing depends on
 * it: sessions carry their reporter themselves (session-name.ts). So each client has room for its own names only, and what was
 * silent longest gives way.
 */
import { REPORTER_WORDS, type Reporter } from '../leases/session-name.ts';

const MAX_CLIENTS = 4096;
/** A proxy speaks for many. */
const MAX_NAMES_OF_A_CLIENT = 1024;

export class ClientNames {
  /** By client, both in the order in which they were heard last. */
  readonly #clients = new Map<number, Set<number>>();
  #count = 0;
  #lastClient = 0;
  #lastName = 0;

  get count(): number {
    return this.#count;
  }

  /** Returns false where an older name had to give way. */
  heard(reporter: Reporter): boolean {
    const client = reporter[0]!;
    const name = nameOf(reporter);
    // Packets of one come in a row.
    if (client === this.#lastClient && name === this.#lastName) return true;
    this.#lastClient = client;
    this.#lastName = name;
    let names = this.#clients.get(client);
    if (names === undefined) {
      names = new Set();
      if (this.#clients.size >= MAX_CLIENTS) this.#forgetClient();
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

  #forgetClient(): void {
    const [oldest, names] = this.#clients.entries().next().value!;
    this.#clients.delete(oldest);
    this.#count -= names.size;
  }
}

/** All that it says of itself, in one number that tells it from others for counting. */
function nameOf(reporter: Reporter): number {
  let name = 0;
  for (let i = 1; i < REPORTER_WORDS; i++) name = Math.imul(name ^ reporter[i]!, 0x9e3779b1) + i;
  return name | 0;
}
