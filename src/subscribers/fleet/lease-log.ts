/** What reporters of leases said, shared by the nodes of a fleet: the last word of each session, in the order of commits. */

/** `key`: whose last word it is. `stamp`: by the reporter's clock, 0 where it does not say; an older one changes nothing. */
export interface SharedWord {
  readonly key: string;
  readonly stamp: number;
  readonly event: unknown;
}

export interface HeardWord {
  readonly change: number;
  /** Process that shared it. */
  readonly session: string;
  /** How long ago, by the engine's clock alone; a clock that stepped may make it negative. */
  readonly agoMs: number;
  /** As the database holds it: to be checked. */
  readonly event: unknown;
}

export interface LeasePage {
  /** The last change of all. */
  readonly end: number;
  readonly words: readonly HeardWord[];
}

export interface LeaseLog {
  read(after: number, most: number): Promise<LeasePage>;
  /** Resolves once they are durable. */
  append(words: readonly SharedWord[]): Promise<void>;
  /** What is older is believed by nobody. */
  forget(olderThanMs: number): Promise<void>;
}
