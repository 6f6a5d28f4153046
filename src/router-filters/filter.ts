/** What is filtered, before it is put into the words of a kind of router. */

/** One address family's part. */
export interface FamilyFilter {
  readonly family: 4 | 6;
  readonly dynamic: readonly string[];
  readonly fixed: readonly string[];
  readonly servers: readonly string[];
}

export interface Filter {
  /** Families that have dynamic networks; none where nothing is to be filtered. */
  readonly families: readonly FamilyFilter[];
  readonly inbound: readonly number[];
  readonly outbound: readonly number[];
}
