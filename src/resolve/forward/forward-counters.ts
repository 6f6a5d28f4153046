/** What the forwarding source counts beside the counters of each server (upstream/servers.ts). */
import type { Metrics } from '../../metrics/registry.ts';

/** Why a reply was not taken for an answer. */
export const MISMATCH_REASONS = [
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
  'busy',
] as const;
export type MismatchReason = (typeof MISMATCH_REASONS)[number];

/** Why a question was not taken. */
const NO_ROOM_REASONS = ['questions', 'waiters'] as const;

/** Why a question stayed without an answer, by FAILED_… of upstream/forward.ts. */
const FAILURE_REASONS = ['answered', 'timeout', 'unreachable', 'shed'] as const;

export class ForwardCounters {
  readonly values: Float64Array;
  readonly retries: number;
  readonly retriesWithheld: number;
  readonly coalesced: number;
  readonly refreshes: number;
  readonly truncated: number;
  readonly wrongIds: number;
  readonly ednsFallbacks: number;
  readonly cookieFallbacks: number;
  readonly outstanding: number;
  readonly #mismatches: readonly number[];
  readonly #noRoom: readonly number[];
  readonly #failures: readonly number[];

  /** `labels`: of the gauge, which other sources would write over. */
  constructor(metrics: Metrics, labels: Record<string, string> = {}) {
    this.values = metrics.values;
    this.retries = metrics.counter(
      'sekisho_upstream_retries_total',
      'Questions sent again, to the same upstream or another.',
    );
    this.retriesWithheld = metrics.counter(
      'sekisho_upstream_retries_withheld_total',
      'Questions not sent again, because most of what is sent stays without an answer.',
    );
    this.coalesced = metrics.counter(
      'sekisho_upstream_coalesced_total',
      'Queries that joined an identical question already outstanding.',
    );
    this.refreshes = metrics.counter(
      'sekisho_upstream_refreshes_total',
      'Questions asked again because they are popular.',
    );
    this.truncated = metrics.counter('sekisho_upstream_truncated_total', 'Answers with TC, asked for again over TCP.');
    this.wrongIds = metrics.counter(
      'sekisho_upstream_wrong_id_tcp_total',
      'Questions asked over TCP because many answers with wrong ids had come to their port.',
    );
    this.ednsFallbacks = metrics.counter('sekisho_upstream_edns_fallbacks_total', 'Questions sent again without EDNS.');
    this.cookieFallbacks = metrics.counter(
      'sekisho_upstream_cookie_fallbacks_total',
      'Questions sent again without our cookie.',
    );
    this.outstanding = metrics.gauge('sekisho_upstream_outstanding', 'Questions outstanding.', labels);
    const perReason = (name: string, help: string, label: string, values: readonly string[]) =>
      values.map((value) => metrics.counter(name, help, { [label]: value }));
    this.#mismatches = perReason(
      'sekisho_upstream_mismatches_total',
      'Datagrams and messages that were not the answer to a query sent.',
      'reason',
      MISMATCH_REASONS,
    );
    this.#noRoom = perReason(
      'sekisho_upstream_no_room_total',
      'Queries shed, by the limit reached.',
      'limit',
      NO_ROOM_REASONS,
    );
    this.#failures = perReason(
      'sekisho_upstream_failures_total',
      'Questions left without an answer.',
      'reason',
      FAILURE_REASONS,
    );
  }

  mismatch(reason: MismatchReason): void {
    this.values[this.#mismatches[MISMATCH_REASONS.indexOf(reason)]!]! += 1;
  }

  noRoom(limit: (typeof NO_ROOM_REASONS)[number]): void {
    this.values[this.#noRoom[NO_ROOM_REASONS.indexOf(limit)]!]! += 1;
  }

  failure(kind: number): void {
    this.values[this.#failures[kind]!]! += 1;
  }
}
