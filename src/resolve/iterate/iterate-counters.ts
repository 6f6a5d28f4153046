/** What the iterator counts. No name and no address is a label. */
import { isMapped } from '../../address/address.ts';
import type { Metrics } from '../../metrics/registry.ts';
import { BUDGET_PARTS, type BudgetPart } from './budget.ts';

/** Why a message was not taken for an answer. */
const MISMATCHES = [
  'short',
  'id',
  'source',
  'socket',
  'question',
  'case',
  'cookie',
  'query',
  'opcode',
  'malformed',
] as const;
const FALLBACKS = ['without-edns', 'without-cookie', 'same'] as const;
/** What became of a question. */
export const OUTCOMES = [
  'answer',
  'nxdomain',
  'nodata',
  'no-reachable-server',
  'servers-fail',
  'budget',
  'loop',
  'shed',
] as const;
export type Outcome = (typeof OUTCOMES)[number];
/** Why a server was passed over for a zone. */
const LAMENESS = ['refused', 'failed', 'not-authoritative', 'malformed'] as const;
export type Lameness = (typeof LAMENESS)[number];

export class IterateCounters {
  readonly #values: Float64Array;
  readonly #ipv4: number;
  readonly #ipv6: number;
  readonly #tcp: number;
  readonly #timeouts: number;
  readonly #truncated: number;
  readonly #mismatches: number;
  readonly #fallbacks: number;
  readonly #outcomes: number;
  readonly #exhausted: number;
  readonly #lame: number;
  readonly #referrals: number;
  readonly #questions: number;
  readonly #cuts: number;
  readonly #outstanding: number;
  readonly #zoneFull: number;

  constructor(metrics: Metrics) {
    this.#values = metrics.values;
    const sent = (transport: string) =>
      metrics.counter('sekisho_iterator_queries_total', 'Queries sent to authoritative servers.', { transport });
    this.#ipv4 = sent('udp4');
    this.#ipv6 = sent('udp6');
    this.#tcp = sent('tcp');
    this.#timeouts = metrics.counter(
      'sekisho_iterator_timeouts_total',
      'Queries that an authoritative server left unanswered.',
    );
    this.#truncated = metrics.counter('sekisho_iterator_truncated_total', 'Answers with TC, asked for again over TCP.');
    this.#mismatches = metrics.counters(
      'sekisho_iterator_mismatches_total',
      'Messages that were not taken for the answer of an authoritative server.',
      'reason',
      MISMATCHES,
    );
    this.#fallbacks = metrics.counters(
      'sekisho_iterator_fallbacks_total',
      'Queries sent again to the same server in another form.',
      'how',
      FALLBACKS,
    );
    this.#outcomes = metrics.counters(
      'sekisho_iterator_outcomes_total',
      'What became of questions that were asked of authoritative servers.',
      'outcome',
      OUTCOMES,
    );
    this.#exhausted = metrics.counters(
      'sekisho_iterator_budget_exhausted_total',
      'Questions whose budget ran out, by what of it ran out first.',
      'part',
      BUDGET_PARTS,
    );
    this.#lame = metrics.counters(
      'sekisho_iterator_lame_total',
      'Servers passed over for a zone after what they answered.',
      'reason',
      LAMENESS,
    );
    this.#referrals = metrics.counter('sekisho_iterator_referrals_total', 'Referrals followed.');
    this.#questions = metrics.counter(
      'sekisho_iterator_server_lookups_total',
      'Questions for addresses of name servers that a question made necessary.',
    );
    this.#cuts = metrics.counter(
      'sekisho_iterator_nxdomain_cuts_total',
      'Questions answered because a name above does not exist (RFC 8020).',
    );
    this.#zoneFull = metrics.counter(
      'sekisho_iterator_zone_share_total',
      'Questions not taken because their zone had its share of those outstanding.',
    );
    this.#outstanding = metrics.gauge('sekisho_iterator_outstanding', 'Questions that are being asked.');
  }

  sent(address: Int32Array): void {
    this.#values[isMapped(address) ? this.#ipv4 : this.#ipv6]! += 1;
  }
  sentTcp(): void {
    this.#values[this.#tcp]! += 1;
  }
  timedOut(): void {
    this.#values[this.#timeouts]! += 1;
  }
  truncated(): void {
    this.#values[this.#truncated]! += 1;
  }
  mismatch(reason: (typeof MISMATCHES)[number]): void {
    this.#values[this.#mismatches + MISMATCHES.indexOf(reason)]! += 1;
  }
  fallback(how: (typeof FALLBACKS)[number]): void {
    this.#values[this.#fallbacks + FALLBACKS.indexOf(how)]! += 1;
  }
  outcome(outcome: Outcome): void {
    this.#values[this.#outcomes + OUTCOMES.indexOf(outcome)]! += 1;
  }
  exhausted(part: BudgetPart): void {
    this.#values[this.#exhausted + BUDGET_PARTS.indexOf(part)]! += 1;
  }
  lame(reason: Lameness): void {
    this.#values[this.#lame + LAMENESS.indexOf(reason)]! += 1;
  }
  referral(): void {
    this.#values[this.#referrals]! += 1;
  }
  serverLookup(): void {
    this.#values[this.#questions]! += 1;
  }
  cut(): void {
    this.#values[this.#cuts]! += 1;
  }
  zoneFull(): void {
    this.#values[this.#zoneFull]! += 1;
  }
  outstanding(count: number): void {
    this.#values[this.#outstanding] = count;
  }
}
