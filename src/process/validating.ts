/** The validating source of one worker, made of what the worker has; nothing where nothing is validated. */
import type { AnswerCache } from '../cache/cache.ts';
import { type FailureTable, NETWORK_FAILURE_SECONDS, SERVFAIL_SECONDS } from '../cache/failures.ts';
import type { Effort, Waiters } from '../chain/source.ts';
import type { SuspendedQueries } from '../chain/suspended.ts';
import { DNSSEC } from '../dnssec/feature.ts';
import type { ToldOfTrust } from '../dnssec/open.ts';
import type { DataHalves } from '../feature/data-halves.ts';
import type { Metrics } from '../metrics/registry.ts';
import { FAILED_TIMEOUT } from '../resolve/forward/forward.ts';
import { VALIDATION_ALLOWANCE } from '../resolve/validate/budget.ts';
import { VALIDATION_LIMITS } from '../resolve/validate/chain-of-trust.ts';
import { ImportedKeys } from '../resolve/validate/dns-key.ts';
import { ZoneTrustStore } from '../resolve/validate/zone-trust.ts';
import { CachedParts } from '../resolve/validating/cached-parts.ts';
import { DearChecks } from '../resolve/validating/dear-checks.ts';
import { ProvenDenials } from '../resolve/validating/proven-denials.ts';
import { ValidatingSource } from '../resolve/validating/validating-source.ts';
import type { Clock } from '../time/clock.ts';
import type { Answer } from '../wire/answer.ts';
import type { Question } from '../wire/question.ts';

/** What the chain and the plugins are told of answers and failures. */
export interface SourceReports {
  onAnswer(question: Question, answer: Answer, nowMs: number, effort: Effort): void;
  onFailure(question: Question, ede: number, nowMs: number, kind: number, effort: Effort): void;
}

export interface ValidatingWorkerParts {
  readonly features: DataHalves;
  readonly waiters: Waiters;
  readonly suspended: SuspendedQueries;
  readonly cache: AnswerCache;
  readonly failures: FailureTable;
  readonly reports: SourceReports;
  /** Microseconds of cryptography that one question may cost; undefined: as the validator thinks right. */
  readonly cryptoMicroseconds?: number | undefined;
  /** How long one question may take; what is validated needs several. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly hashKey: readonly [number, number];
  readonly nudge: () => void;
  /** The question goes to no servers of its own (`zones`). */
  readonly isPublic: (question: Question) => boolean;
  /** Tells the main thread's half of the feature something. */
  tell(feature: string, value: ToldOfTrust): void;
}

/** Questions for DS and DNSKEY that one answer may need behind each other, in times of `upstream.timeout`. */
const PATIENCE = 2.5;

/** Undefined where the configuration validates nothing: then nothing stands between the chain and its source. */
export function validatingSource(parts: ValidatingWorkerParts): ValidatingSource | undefined {
  const { features, cache, failures, clock, reports } = parts;
  const trust = features.of(DNSSEC);
  if (!trust.validate) return undefined;
  const cached = new CachedParts(cache, failures);
  const source = new ValidatingSource({
    trust: {
      get anchors() {
        return trust.anchors;
      },
      store: new ZoneTrustStore(),
      keys: new ImportedKeys(),
      limits: { ...VALIDATION_LIMITS, sha1Digests: trust.sha1Digests },
      insecurePoint: (name) => trust.insecurePoint(name, clock.nowMs()),
    },
    waiters: parts.waiters,
    suspendedNext: parts.suspended.next,
    onAnswer: reports.onAnswer,
    onFailure: reports.onFailure,
    onRejected: (question, ede, nowMs, effort) => {
      // POSITIVE … FAILURE, FAILED_ANSWERED: the servers answered, with what is not to be believed (RFC 9520 §2.5).
      reports.onFailure(question, ede, nowMs, 0, effort);
    },
    onPart: (question, answer, nowMs) => {
      cache.insert(question, answer, nowMs);
      failures.forget(question, nowMs);
    },
    onPartFailed: (question, ede, nowMs, kind) => {
      const seconds = kind === FAILED_TIMEOUT ? NETWORK_FAILURE_SECONDS : SERVFAIL_SECONDS;
      failures.record(question, ede, nowMs, seconds);
    },
    onAnchorKeys: (_zone, answer) =>
      parts.tell(DNSSEC.name, { type: 'keys', message: answer.bytes.slice(0, answer.length) }),
    onAnchor: (zone, failed, why) => parts.tell(DNSSEC.name, { type: 'anchor', zone, failed, why }),
    cached: (question, nowMs) => cached.find(question, nowMs),
    dearChecks: new DearChecks(),
    denials: trust.aggressiveNsec ? new ProvenDenials() : undefined,
    isPublic: parts.isPublic,
    allowance: {
      ...VALIDATION_ALLOWANCE,
      ...(parts.cryptoMicroseconds !== undefined && { micros: parts.cryptoMicroseconds }),
    },
    clock,
    metrics: parts.metrics,
    hashKey: parts.hashKey,
    limits: { deadlineMs: parts.timeoutMs * PATIENCE },
    nudge: parts.nudge,
  });
  trust.onChange = () => {
    source.forgetTrust();
    // What failed for want of trust may be well now.
    failures.clearAll();
  };
  trust.onForget = (name, subtree) => {
    source.forgetTrust(name, subtree);
    failures.clearAll();
  };
  return source;
}

/** What a source that the validating one wraps reports: to it, and no further. */
export function wrappedReports(source: ValidatingSource): SourceReports {
  return {
    onAnswer: (question, answer, nowMs, effort) => source.noteAnswer(question, answer, nowMs, effort),
    onFailure: (question, ede, nowMs, kind, effort) => source.noteFailure(question, ede, nowMs, kind, effort),
  };
}
