/** A view: who is in it, and what is different for them. Plain data that can be sent to a worker. */

export interface ViewConfig {
  readonly name: string;
  /** Networks in CIDR notation as written; none: every client. */
  readonly clients: readonly string[];
  /** Places in `server.listen`; none: every listener. */
  readonly listeners: readonly number[];
  /** Absent: `server.access` decides. */
  readonly access?: ViewAccess;
  /** Lists that apply, as a mask; -1 = all. */
  readonly lists: number;
  /** Plugins that do not act as they do elsewhere. */
  readonly plugins: Readonly<Record<string, ViewPluginMode>>;
  /** What has expired may be served to its clients (RFC 8767). */
  readonly serveStale: boolean;
  /** TTLs that its clients get are cut to this, in seconds. */
  readonly maxTtlSeconds?: number;
  /** What its questions are asked of: a place in the configuration's partitions, counted from 1; 0 = the top level's. */
  readonly partition: number;
}

/** `off`: none of its hooks runs. `dry-run`: its verdicts are counted and not carried out. */
export type ViewPluginMode = 'off' | 'dry-run';

/**
 * Who of a view's clients may ask. The most specific network decides; who is in none of them is an outsider where `allow` is
 * given, and otherwise up to `server.access`.
 */
export interface ViewAccess {
  /** Networks in CIDR notation as written. */
  readonly allow?: readonly string[];
  readonly refuse: readonly string[];
  readonly drop: readonly string[];
}
