/** One step of the fleet's schema. */
export interface Migration {
  /** In a few words, kept in the database. */
  readonly name: string;
  /** Statements without values, run in one transaction. Tables are named with their schema. */
  readonly sql: string;
  /** The oldest version of the schema whose programs can work with this one; the version before it, unless told otherwise. */
  readonly worksWith?: number;
}
