/**
 * Where a list comes from. A source brings a new version, whole, into a temporary file; what becomes of it (guard,
 * compile, install) is decided by whoever asked. Control plane only.
 *
 *      file ─┐
 *   http(s) ─┼─► fetch() ─► temporary file + provenance ─► guard, compiler ─► last-good.ts (current, previous)
 *  AXFR/IXFR ┘                                                                      │
 *      ▲                      Known: what is in force, what was delivered last      │
 *      └────────────────────────────────────────────────────────────────────────────┘
 */

/** SOA timers of a transferred zone, already within bounds (dns/soa-timers.ts). Milliseconds. */
export interface ZoneTimers {
  readonly refreshMs: number;
  readonly retryMs: number;
  /** How long the zone is good without the primary being heard. */
  readonly expireMs: number;
}

/** Where one version of a list came from. Kept as JSON beside it; holds no credentials. */
export interface Provenance {
  /** `file:…`, the URL or `axfr://…`, without user, password and query values. */
  readonly source: string;
  /** Wall-clock milliseconds since 1970. */
  readonly fetchedAtMs: number;
  /** Of the bytes in the file, hexadecimal. */
  readonly sha256: string;
  readonly bytes: number;
  readonly etag?: string;
  /** As the server wrote it. */
  readonly lastModified?: string;
  readonly contentType?: string;
  /** The zone's SOA serial. */
  readonly serial?: number;
  readonly timers?: ZoneTimers;
  /** `axfr`: the whole zone came. `ixfr`: only what changed, applied to the version in force. */
  readonly transfer?: 'axfr' | 'ixfr';
  /** What a person should know about how it came, e.g. that the server called it text/html. */
  readonly notes?: readonly string[];
}

/** What a source may build upon. */
export interface Known {
  /** The version in force, checksum verified when it was loaded. */
  readonly current?: { readonly path: string; readonly provenance: Provenance };
  /**
   * What was delivered last, even where it was refused or rolled back since: it is not fetched again until it changes.
   */
  readonly delivered?: Provenance;
}

export type FetchResult =
  /** Nothing newer than what was delivered last. `provenance`: what is known of it by now (validators, timers). */
  | { readonly kind: 'unchanged'; readonly provenance?: Provenance }
  /** A complete new version in a temporary file, synced to disk; whoever asked moves or removes it. */
  | { readonly kind: 'content'; readonly path: string; readonly provenance: Provenance }
  /** `reason` is for people. `retryAfterMs`: not before, because the other side said so. */
  | { readonly kind: 'failed'; readonly reason: string; readonly retryAfterMs?: number };

export interface FetchOptions {
  /** Deliver even what was delivered before or is older by its serial: somebody has looked at it and wants it. */
  readonly again?: boolean;
}

export interface ListSource {
  /** Names the source in logs and status, without credentials. */
  readonly description: string;
  /** Never rejects. After `signal` aborts, soon resolves to `failed` with nothing left on disk. One call at a time. */
  fetch(signal: AbortSignal, options?: FetchOptions): Promise<FetchResult>;
  /** Where the source can tell that it changed: begin to call `changed`. Returns the function that ends it. */
  watch?(changed: () => void): () => void;
}

/** Why a fetch did not work. Thrown inside sources only; `fetch` turns it into a result. */
export class FetchFailure extends Error {
  readonly retryAfterMs: number | undefined;
  /** False where trying again at once cannot help. */
  readonly transient: boolean;

  constructor(reason: string, options: { retryAfterMs?: number; transient?: boolean } = {}) {
    super(reason);
    this.retryAfterMs = options.retryAfterMs;
    this.transient = options.transient ?? false;
  }
}

/** Turns whatever was thrown into a result. */
export function failed(error: unknown): FetchResult {
  if (!(error instanceof FetchFailure)) return { kind: 'failed', reason: plainReason(error) };
  const { message: reason, retryAfterMs } = error;
  return retryAfterMs === undefined ? { kind: 'failed', reason } : { kind: 'failed', reason, retryAfterMs };
}

/** What the system said, in one line. */
export function plainReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Several addresses of one host were tried: node:net gives all errors and an empty message.
  if (error instanceof AggregateError && error.message === '') return error.errors.map(plainReason).join('; ');
  return error.message || error.name;
}

/** Unsigned 32-bit random integers (upstream/random.ts). */
export type Random = () => number;

/** Milliseconds in `ms` ± `share` of it. */
export function jittered(ms: number, share: number, random: Random): number {
  return Math.round(ms * (1 + share * ((random() / 2 ** 32) * 2 - 1)));
}

/** Delay before try number `attempt` (0 = the first repetition): doubling from `firstMs` up to `mostMs`, half of it random. */
export function backOff(attempt: number, firstMs: number, mostMs: number, random: Random): number {
  const ms = Math.min(mostMs, firstMs * 2 ** Math.min(attempt, 30));
  return Math.round(ms / 2 + (ms / 2) * (random() / 2 ** 32));
}
