/**
 * Sheds packets before they are parsed when the worker is behind, so that those who are answered are answered in time,
 * and a client that asks more than its share pays for it and not its neighbours.
 *
 *            a queue older than `target`, or its buffer half full, for 150 ms on end
 *     QUIET ──────────────────────────────────────────────────────────────────────▶ SHEDDING
 *       ▲                                                                            │  each epoch of 25 ms:
 *       └────────────── nothing was shed for 2 s and no queue is old ────────────────┘  behind, and not catching up → share down
 *                                                                                       on time → share up
 *
 * The share is how many packets of one host are served in an epoch; its network gets NETWORK_FACTOR times that. It
 * is found by control and not by counting clients: it falls until the queue does (CoDel's idea, RFC 8289: what is judged
 * is how long packets wait, not how many there are), and only those who ask more than it notice. Where sources are forged
 * at random no share helps; then what has waited longer than `limit` is thrown away unread: who asked it has asked again or
 * given up, and those that came last are answered in time.
 *
 * Quiet, it costs one comparison a batch, and where batches come full two system calls in four of them. It looks at the
 * source address alone. Nothing is allocated.
 */

import type { PrefixSet } from '../address/prefix-set.ts';
import type { Metrics } from '../metrics/registry.ts';
import { type Clock, systemClock } from '../time/clock.ts';
import type { Query } from '../wire/query.ts';
import { ClientPlaces } from './client-places.ts';
import { type DropSink, HeavySources } from './heavy-sources.ts';
import { QueueGauge } from './queue-gauge.ts';
import { MAX_COUNT, OVER_NETWORK_SHARE, SERVED, ShareSketch } from './share-sketch.ts';

/** Why a packet was shed, as the label of `sekisho_overload_shed_total`; by what `ShareSketch.serve` says. */
export const SHED_REASONS = ['queue-age', 'host-share', 'network-share'] as const;
const QUEUE_AGE = 0;

/** Full batches of which one is looked at while quiet. */
const LOOK_EVERY = 4;
/** How long a queue has to be behind without a break: a burst, or a pause of the machine, is worked off sooner. */
const BEHIND_FOR_MS = 150;
const FULL_BUFFER = 0.5;
const EPOCH_MS = 25;
/** Packets of a whole network that are served for one host's share. */
const NETWORK_FACTOR = 8;
/** A queue that is this much younger than an epoch ago is catching up: the share need not fall further. */
const CATCHING_UP = 0.9;
const CALM_MS = 2000;

export interface OverloadOptions {
  /** A queue whose packets wait for longer than this is behind. */
  readonly targetMs: number;
  /** What has waited longer is not answered any more. */
  readonly limitMs: number;
  readonly dryRun: boolean;
}

export interface ShedderParts extends OverloadOptions {
  /** Networks that have no share: never shed for asking much. */
  readonly exempt?: PrefixSet | undefined;
  /** Listening sockets of this worker. */
  readonly sockets: number;
  /** Queues of network interfaces that it may get besides. */
  readonly queues?: number;
  readonly key: readonly [number, number];
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Where the kernel is told to drop the heaviest; undefined where it cannot. Not asked in a dry run. */
  readonly drops?: DropSink | undefined;
  /** How a queue is looked at; a test has its own. */
  readonly gauge?: Pick<QueueGauge, 'read' | 'ageMs' | 'fill'>;
}

export class Shedder {
  readonly #parts: ShedderParts;
  readonly #gauge: Pick<QueueGauge, 'read' | 'ageMs' | 'fill'>;
  readonly #client: ClientPlaces;
  readonly #sketch = new ShareSketch();
  readonly #heavy: HeavySources | undefined;
  /** Age of each socket's queue when it was last looked at; 0 once a batch was not full. */
  readonly #ages: Float64Array;
  #fullBatches = 0;
  #shedding = false;
  /** The batch at hand has waited for longer than `limitMs`. */
  #late = false;
  #behindSinceMs = Number.POSITIVE_INFINITY;
  #epochEndsMs = 0.1;
  /** When the epoch began. */
  #nowMs = 0.1;
  /** Packets a host is served in an epoch. */
  #share = MAX_COUNT;
  #lastAgeMs = 0.1;
  #shedInEpoch = 0;
  #calmSinceMs = 0.1;
  readonly #values: Float64Array;
  readonly #shed: number;
  readonly #episodes: number;
  readonly #active: number;
  readonly #shareGauge: number;
  readonly #ageGauge: number;

  constructor(parts: ShedderParts) {
    this.#parts = parts;
    this.#gauge = parts.gauge ?? new QueueGauge(systemClock);
    this.#client = new ClientPlaces(parts.key);
    this.#ages = new Float64Array(Math.max(1, parts.sockets + (parts.queues ?? 0)));
    this.#heavy = parts.drops && !parts.dryRun ? new HeavySources(parts.drops) : undefined;
    const { metrics } = parts;
    this.#values = metrics.values;
    this.#shed = metrics.counters(
      'sekisho_overload_shed_total',
      'UDP packets dropped unread because the worker was behind.',
      'reason',
      SHED_REASONS,
      { dry_run: String(parts.dryRun) },
    );
    this.#episodes = metrics.counter('sekisho_overload_episodes_total', 'Times that a worker began to shed packets.');
    this.#active = metrics.gauge('sekisho_overload_shedding', 'Workers that shed packets now.');
    this.#shareGauge = metrics.gauge(
      'sekisho_overload_host_share',
      'Packets a second that a worker serves one host at most; 0 = no bound.',
      {},
      true,
    );
    this.#ageGauge = metrics.gauge(
      'sekisho_overload_queue_age_seconds',
      'How long packets waited in the receive queue, where batches come full.',
      {},
      true,
    );
  }

  /** A batch was read from socket `index`; `full`: there may be more. Returns true while its packets have to be asked about. */
  batch(index: number, fd: number, full: boolean, nowMs: number): boolean {
    if (!full) {
      this.#late = false;
      this.#ages[index] = 0;
      if (!this.#shedding) {
        if (this.#oldestMs() <= this.#parts.targetMs) this.#behindSinceMs = Number.POSITIVE_INFINITY;
        return false;
      }
    } else if (this.#shedding || ++this.#fullBatches % LOOK_EVERY === 0) {
      this.#gauge.read(fd);
      const { ageMs, fill } = this.#gauge;
      // A small buffer overflows before anything in it is old.
      this.#ages[index] = fill > FULL_BUFFER ? Math.max(ageMs, this.#parts.targetMs + 1) : ageMs;
      this.#late = ageMs > this.#parts.limitMs;
      if (!this.#shedding) this.#watch(nowMs);
    }
    if (this.#shedding && nowMs >= this.#epochEndsMs) this.#endEpoch(nowMs);
    return this.#shedding;
  }

  /**
   * A batch was taken from a queue of a network interface, `queue` counted from 0, whose ring is full by the share `fill`. Frames
   * carry no time, and a ring holds no more than a worker answers within milliseconds: what shows that it is behind is that
   * it overflows.
   */
  frames(queue: number, fill: number, nowMs: number): boolean {
    const index = this.#parts.sockets + queue;
    const behind = fill > FULL_BUFFER;
    if (index < this.#ages.length) this.#ages[index] = behind ? this.#parts.targetMs + 1 : 0;
    this.#late = false;
    if (this.#shedding) {
      if (nowMs >= this.#epochEndsMs) this.#endEpoch(nowMs);
    } else this.#watch(nowMs);
    return this.#shedding;
  }

  /** Is the packet of `query`, of which only the source is known yet, to be dropped? Counted here. */
  sheds(query: Query): boolean {
    let reason = QUEUE_AGE;
    if (!this.#late) {
      const { exempt } = this.#parts;
      if (exempt?.has(query.clientWords)) return false;
      this.#client.find(query.clientWords, query.family);
      reason = this.#sketch.serve(this.#client, this.#share, this.#share * NETWORK_FACTOR);
      if (reason === SERVED) return false;
      const network = reason === OVER_NETWORK_SHARE;
      this.#heavy?.shed(
        query.clientWords,
        query.family,
        this.#client,
        network,
        network ? this.#share * NETWORK_FACTOR : this.#share,
        this.#nowMs,
      );
    }
    this.#values[this.#shed + reason]! += 1;
    this.#shedInEpoch++;
    return !this.#parts.dryRun;
  }

  /** Time passes also where no packet comes: called about every 10 ms. */
  tick(nowMs: number): void {
    if (!this.#shedding || nowMs < this.#epochEndsMs) return;
    this.#endEpoch(nowMs);
  }

  #oldestMs(): number {
    let oldest = 0;
    for (let i = 0; i < this.#ages.length; i++) if (this.#ages[i]! > oldest) oldest = this.#ages[i]!;
    return oldest;
  }

  /** Quiet: has the worker been behind without a break? */
  #watch(nowMs: number): void {
    const ageMs = this.#oldestMs();
    this.#values[this.#ageGauge] = ageMs / 1000;
    if (ageMs <= this.#parts.targetMs) {
      this.#behindSinceMs = Number.POSITIVE_INFINITY;
      return;
    }
    if (this.#behindSinceMs === Number.POSITIVE_INFINITY) this.#behindSinceMs = nowMs;
    if (nowMs - this.#behindSinceMs < BEHIND_FOR_MS) return;
    this.#shedding = true;
    this.#values[this.#active] = 1;
    this.#values[this.#episodes]! += 1;
    // The first epoch finds out how much the heaviest gets.
    this.#share = MAX_COUNT;
    this.#lastAgeMs = 0;
    this.#calmSinceMs = nowMs;
    this.#beginEpoch(nowMs);
  }

  #beginEpoch(nowMs: number): void {
    this.#sketch.clear();
    this.#heavy?.clear(nowMs, this.#share, this.#share * NETWORK_FACTOR);
    this.#nowMs = nowMs;
    this.#shedInEpoch = 0;
    this.#epochEndsMs = nowMs + EPOCH_MS;
  }

  #endEpoch(nowMs: number): void {
    const ageMs = this.#oldestMs();
    const { heaviest } = this.#sketch;
    const { targetMs } = this.#parts;
    if (ageMs > targetMs) {
      // From what the heaviest did get: a share that nobody reaches bounds nobody.
      if (ageMs > this.#lastAgeMs * CATCHING_UP && heaviest > 0)
        this.#share = Math.max(1, Math.floor(Math.min(this.#share, heaviest) * (ageMs > 2 * targetMs ? 0.5 : 0.8)));
    } else if (this.#share < MAX_COUNT) {
      this.#share = Math.min(MAX_COUNT, this.#share + 1 + (this.#share >>> 4));
    }
    if (ageMs > targetMs || this.#shedInEpoch > 0) this.#calmSinceMs = nowMs;
    else if (nowMs - this.#calmSinceMs >= CALM_MS) this.#stop();
    this.#lastAgeMs = ageMs;
    this.#values[this.#ageGauge] = ageMs / 1000;
    this.#values[this.#shareGauge] = this.#shedding && this.#share < MAX_COUNT ? (this.#share * 1000) / EPOCH_MS : 0;
    this.#beginEpoch(nowMs);
  }

  #stop(): void {
    this.#shedding = false;
    this.#late = false;
    this.#heavy?.end();
    this.#behindSinceMs = Number.POSITIVE_INFINITY;
    this.#values[this.#active] = 0;
  }
}
