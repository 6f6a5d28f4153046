/** What the validating source counts. */
import type { Metrics } from '../../metrics/registry.ts';
import { EDE } from '../../wire/constants.ts';
import { STATUS_NAMES, type Status } from '../validate/verdict.ts';

/** Info codes (RFC 8914) that a verdict may carry, each with a counter. */
const CODES = [
  EDE.UNSUPPORTED_DNSKEY_ALGORITHM,
  EDE.UNSUPPORTED_DS_DIGEST,
  EDE.DNSSEC_INDETERMINATE,
  EDE.DNSSEC_BOGUS,
  EDE.SIGNATURE_EXPIRED,
  EDE.SIGNATURE_NOT_YET_VALID,
  EDE.DNSKEY_MISSING,
  EDE.RRSIGS_MISSING,
  EDE.NO_ZONE_KEY_BIT_SET,
  EDE.NSEC_MISSING,
  EDE.NO_REACHABLE_AUTHORITY,
  EDE.NETWORK_ERROR,
  EDE.SIGNATURE_EXPIRED_BEFORE_VALID,
  EDE.UNSUPPORTED_NSEC3_ITERATIONS,
] as const;

export class ValidationCounters {
  readonly values: Float64Array;
  readonly outstanding: number;
  readonly questions: number;
  readonly signatures: number;
  readonly hashes: number;
  readonly seconds: number;
  readonly dear: number;
  readonly overBudget: number;
  /** Two: NXDOMAIN, NODATA. */
  readonly proven: number;
  readonly denials: number;
  readonly denialBytes: number;
  readonly keysAndZones: readonly number[];
  readonly anchorsFailed: number;
  readonly #answers: number;
  readonly #codes: ReadonlyMap<number, number>;
  readonly #otherCodes: number;

  constructor(metrics: Metrics) {
    this.values = metrics.values;
    this.#answers = metrics.counters(
      'sekisho_dnssec_answers_total',
      'Answers that were validated, by outcome; those from the cache are not counted again.',
      'outcome',
      STATUS_NAMES,
    );
    const reason = (code: string) =>
      metrics.counter(
        'sekisho_dnssec_reasons_total',
        'Verdicts that carried an extended error (RFC 8914), by its code.',
        {
          code,
        },
      );
    this.#codes = new Map(CODES.map((code) => [code, reason(String(code))]));
    this.#otherCodes = reason('other');
    this.questions = metrics.counter(
      'sekisho_dnssec_questions_total',
      'Questions for DS and DNSKEY that validation asked, joined ones included; those answered by the cache are not counted.',
    );
    this.signatures = metrics.counter('sekisho_dnssec_signatures_total', 'Signatures checked.');
    this.hashes = metrics.counter('sekisho_dnssec_nsec3_hashes_total', 'SHA-1 blocks hashed for NSEC3 proofs.');
    this.seconds = metrics.counter(
      'sekisho_dnssec_crypto_seconds_total',
      'Processor time of signature checks and hashes, as the table of costs reckons it.',
    );
    this.dear = metrics.counter(
      'sekisho_dnssec_dear_checks_total',
      'Dear signatures checked outside the packet thread.',
    );
    this.overBudget = metrics.counter(
      'sekisho_dnssec_over_budget_total',
      'Answers given up because they needed more work than one query may cost.',
    );
    this.proven = metrics.counters(
      'sekisho_dnssec_proven_negative_total',
      'Questions answered from denials that other answers brought (RFC 8198), without asking anybody.',
      'outcome',
      ['nxdomain', 'nodata'],
    );
    this.denials = metrics.gauge('sekisho_dnssec_denials', 'NSEC and NSEC3 records kept to answer further questions.');
    this.denialBytes = metrics.gauge('sekisho_dnssec_denial_bytes', 'Memory that they take, estimated.');
    this.outstanding = metrics.gauge('sekisho_dnssec_outstanding', 'Answers that are being fetched or validated.');
    this.keysAndZones = ['secure', 'insecure', 'bogus', 'indeterminate'].map((trust) =>
      metrics.gauge(
        'sekisho_dnssec_zones',
        'Zones of which something is known, by trust, in one worker.',
        { trust },
        true,
      ),
    );
    this.anchorsFailed = metrics.gauge(
      'sekisho_dnssec_trust_anchors_failed',
      'Trust anchors that do not fit what their zone serves.',
      {},
      true,
    );
  }

  verdict(status: Status, ede: number): void {
    this.values[this.#answers + status]! += 1;
    if (ede !== EDE.NONE) this.values[this.#codes.get(ede) ?? this.#otherCodes]! += 1;
  }
}
