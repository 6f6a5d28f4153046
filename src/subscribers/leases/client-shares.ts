/**
 * Room that clients share: none may take more than its share, so that one that goes wrong, or whose secret is known to others, leaves
 * room for the rest. A client is the address that messages come from (session-name.ts), or 0 for the API.
 */

/** Three quarters: where one proxy speaks for all subscribers, it must not be refused long before the room is full. */
const SHARE = 0.75;

export class ClientShares {
  readonly #room: number;
  readonly #ofClient: number;
  readonly #taken = new Map<number, number>();
  #all = 0;

  constructor(room: number) {
    this.#room = room;
    this.#ofClient = Math.floor(room * SHARE);
  }

  /** Why nothing more can be taken; undefined where it can. */
  refusal(client: number): 'full' | 'client-full' | undefined {
    if ((this.#taken.get(client) ?? 0) >= this.#ofClient) return 'client-full';
    return this.#all >= this.#room ? 'full' : undefined;
  }

  take(client: number): void {
    this.#all++;
    this.#taken.set(client, (this.#taken.get(client) ?? 0) + 1);
  }

  letGo(client: number): void {
    this.#all--;
    const left = (this.#taken.get(client) ?? 0) - 1;
    if (left > 0) this.#taken.set(client, left);
    else this.#taken.delete(client);
  }
}
