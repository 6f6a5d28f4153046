/**
 * What is doubtful about leases, said aloud: counted, and in the log once a minute at most, with how often and never with
 * whose address.
 */
import type { Logger } from 'pino';
import type { Metrics } from '../../metrics/registry.ts';
import type { Clock } from '../../time/clock.ts';
import { LEASE_REFUSALS, type LeaseRefusal } from './lease-bounds.ts';

const MINUTE_MS = 60_000;

const DOUBTS = {
  refused:
    'leases of prefixes out of bounds were refused: see sekisho_subscribers_lease_prefixes_refused_total, and what the NAS or the provisioning system sends',
  contested:
    'sessions of several subscribers claim one address: nobody holds it until all but one have ended or been silent for subscribers.lease',
  names:
    'a RADIUS client calls itself by more names than are remembered: the one that was silent longest was forgotten; its leases stay',
  full: 'sessions were refused: their RADIUS client has taken its share of the room for sessions, or there is none left; addresses of those refused are known to nobody',
} as const;
type Doubt = keyof typeof DOUBTS;

export class LeaseDoubts {
  readonly #metrics: Metrics;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #refused: number;
  readonly #contested: number;
  readonly #names: number;
  readonly #full: number;
  readonly #since = new Map<Doubt, { count: number; saidMs: number }>();

  constructor(metrics: Metrics, log: Logger, clock: Clock) {
    this.#metrics = metrics;
    this.#log = log;
    this.#clock = clock;
    this.#refused = metrics.counters(
      'sekisho_subscribers_lease_prefixes_refused_total',
      'Addresses and prefixes in reports of leases that were refused, by why; the rest of the report was heard.',
      'reason',
      LEASE_REFUSALS,
    );
    this.#contested = metrics.counter(
      'sekisho_subscribers_lease_conflicts_total',
      'Reports of leases that left an address to nobody, because another subscriber is named for it too.',
    );
    this.#names = metrics.counter(
      'sekisho_radius_names_forgotten_total',
      'Names of RADIUS clients that gave way to newer ones of the same client.',
    );
    this.#full = metrics.counter(
      'sekisho_subscribers_sessions_refused_total',
      'Reports of sessions that were refused because there is no room: their client has taken its share, or all is taken.',
    );
  }

  refused(reason: LeaseRefusal): void {
    this.#metrics.values[this.#refused + LEASE_REFUSALS.indexOf(reason)]! += 1;
    this.#say('refused', { reason });
  }

  contested(): void {
    this.#metrics.values[this.#contested]! += 1;
    this.#say('contested', {});
  }

  /** `client`: the address that its packets come from. */
  nameForgotten(client: string): void {
    this.#metrics.values[this.#names]! += 1;
    this.#say('names', { client });
  }

  /** `client`: as above, or who reported over the API. */
  full(client: string): void {
    this.#metrics.values[this.#full]! += 1;
    this.#say('full', { client });
  }

  #say(doubt: Doubt, facts: object): void {
    const now = this.#clock.nowMs();
    const since = this.#since.get(doubt) ?? { count: 0, saidMs: Number.NEGATIVE_INFINITY };
    this.#since.set(doubt, since);
    since.count++;
    if (now - since.saidMs < MINUTE_MS) return;
    this.#log.warn({ ...facts, times: since.count }, DOUBTS[doubt]);
    since.count = 0;
    since.saidMs = now;
  }
}
