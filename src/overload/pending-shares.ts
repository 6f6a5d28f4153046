/**
 * How many places for waiting queries each client holds, so that none can take all of them: asking what answers slowly
 * costs a client nothing, and the server one place for seconds.
 *
 * The bound moves with what is left (dynamic thresholds; Choudhury and Hahne 1998): a network may hold as many places as
 * are still free, a host half of that. One host alone gets a third of all, two busy networks a third each, and the more
 * are busy the less each may hold; while few wait, nobody is bounded by it.
 */

import type { PrefixSet } from '../address/prefix-set.ts';
import type { Metrics } from '../metrics/registry.ts';
import type { Query } from '../wire/query.ts';
import { ClientPlaces, PLACES } from './client-places.ts';

/** A host may hold this share of what is free. */
const HOST_SHARE = 0.5;
/** So many may always wait: where others have nearly filled the pool, everybody still gets a few in. */
const ALWAYS = 8;
/** Cells that a token is counted in. */
const CELLS = 4;
const NOT_COUNTED = -1;

const LIMITS = ['host', 'network'] as const;
const HOST = 0;
const NETWORK = 1;

export interface PendingSharesParts {
  /** How many queries may wait at most, ≤ 65 535: tokens are smaller. */
  readonly tokens: number;
  readonly key: readonly [number, number];
  /** Networks that are not counted. */
  readonly exempt?: PrefixSet | undefined;
  /** What a waiting query may need besides: questions that the source can still take. */
  readonly room: () => number;
  /** Only count what would be refused. */
  readonly dryRun: boolean;
  readonly metrics: Metrics;
}

export class PendingShares {
  readonly #parts: PendingSharesParts;
  readonly #client: ClientPlaces;
  readonly #hosts = new Uint16Array(2 * PLACES);
  readonly #networks = new Uint16Array(2 * PLACES);
  readonly #cells: Int32Array;
  readonly #values: Float64Array;
  readonly #refused: number;

  constructor(parts: PendingSharesParts) {
    this.#parts = parts;
    this.#client = new ClientPlaces(parts.key);
    this.#cells = new Int32Array(parts.tokens * CELLS).fill(NOT_COUNTED);
    this.#values = parts.metrics.values;
    this.#refused = parts.metrics.counters(
      'sekisho_overload_refused_total',
      'Queries not let wait, because so many of their client (host or network) did already.',
      'limit',
      LIMITS,
      { dry_run: String(parts.dryRun) },
    );
  }

  /** Count `token` for the client of `query`. False, and nothing counted, where it holds its share of the `free` places already. */
  take(token: number, query: Query, free: number): boolean {
    const { exempt, room, dryRun } = this.#parts;
    if (exempt?.has(query.clientWords)) return true;
    const client = this.#client;
    client.find(query.clientWords, query.family);
    const host0 = client.host0;
    const host1 = PLACES + client.host1;
    const network0 = client.network0;
    const network1 = PLACES + client.network1;
    const hosts = this.#hosts;
    const networks = this.#networks;
    const left = Math.min(free, room());
    let over = -1;
    if (Math.min(hosts[host0]!, hosts[host1]!) >= Math.max(ALWAYS, left * HOST_SHARE)) over = HOST;
    else if (Math.min(networks[network0]!, networks[network1]!) >= Math.max(ALWAYS, left)) over = NETWORK;
    if (over >= 0) {
      this.#values[this.#refused + over]! += 1;
      if (!dryRun) return false;
    }
    hosts[host0]!++;
    hosts[host1]!++;
    networks[network0]!++;
    networks[network1]!++;
    const at = token * CELLS;
    this.#cells[at] = host0;
    this.#cells[at + 1] = host1;
    this.#cells[at + 2] = network0;
    this.#cells[at + 3] = network1;
    return true;
  }

  /** `token` waits no longer. */
  release(token: number): void {
    const cells = this.#cells;
    const at = token * CELLS;
    if (cells[at] === NOT_COUNTED) return;
    this.#hosts[cells[at]!]!--;
    this.#hosts[cells[at + 1]!]!--;
    this.#networks[cells[at + 2]!]!--;
    this.#networks[cells[at + 3]!]!--;
    cells[at] = NOT_COUNTED;
  }
}
