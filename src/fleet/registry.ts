/** The nodes of a fleet as PostgreSQL keeps them: what the protocol asks of it, and nothing of how. */

/** What tells one history of the database from another: after a restart, a failover or a restore it is another text. */
export type EngineIdentity = string;

export interface NodeRow {
  readonly name: string;
  /** Of its data folder. */
  readonly id: string;
  /** Of its process. */
  readonly session: string;
  /** Renewals of its fence that were begun. */
  readonly beat: number;
  readonly fenceMs: number;
  /** It has no fence: it stopped in good order, or knows no subscribers. */
  readonly resting: boolean;
  /** Entries of the consent ledger that act on it. */
  readonly applied: number;
  /** Hash of the last of them. */
  readonly head: string;
  /** For people: version, host, configuration hash, … as the node says. */
  readonly facts: Readonly<Record<string, unknown>>;
  /** Engine's time of its last word, milliseconds since 1970. For people alone: that clock may step. */
  readonly seenMs: number;
}

/** A node remembers what the database lacks. */
export interface Objection {
  readonly node: string;
  readonly seq: number;
  readonly hash: string;
}

/** Said by one statement. */
export interface FleetView {
  readonly engine: EngineIdentity;
  /** Of the fleet, made with its schema. */
  readonly fleet: string;
  /** Engine's time, milliseconds since 1970. */
  readonly engineMs: number;
  readonly nodes: readonly NodeRow[];
  readonly objections: readonly Objection[];
}

export interface Report {
  readonly applied: number;
  readonly head: string;
}

export interface Registry {
  read(): Promise<FleetView>;
  /** A new row; false where the name is in use. */
  add(row: Omit<NodeRow, 'seenMs' | 'beat'>): Promise<boolean>;
  /** A new session of the node, in the place of the one that was seen; false where that has moved on. Durable. */
  succeed(row: Omit<NodeRow, 'seenMs' | 'beat'>, seen: Pick<NodeRow, 'session' | 'beat'>): Promise<boolean>;
  /**
   * Count a renewal that was begun. It is recorded, for all to see, before what comes next reads anything. Undefined where the row is
   * gone or another session's. Need not be durable: `engine` changes where it may have been lost.
   */
  beat(
    name: string,
    session: string,
    report: Report,
  ): Promise<Pick<FleetView, 'engine' | 'fleet' | 'objections' | 'engineMs'> | undefined>;
  /** So much acts now; whoever waits for it hears of it. */
  report(name: string, session: string, report: Report): Promise<void>;
  /** Durable. Said with its fence closed. False where the row is gone. */
  rest(name: string, session: string, resting: boolean): Promise<boolean>;
  facts(name: string, session: string, facts: Readonly<Record<string, unknown>>): Promise<void>;
  object(objection: Objection): Promise<void>;
  /** Its objection goes too. False where it has moved on since it was seen, or is gone. */
  forget(name: string, seen: Pick<NodeRow, 'session' | 'beat'>): Promise<boolean>;
  withdrawObjection(name: string): Promise<void>;
}
