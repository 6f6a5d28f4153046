/** What the lease history keeps of one lease, and what decides from it who held an address when. */

export const SPAN_OPEN = 0;
/** Its end is known. */
export const SPAN_ENDED = 1;
/** Something else took its place, and nobody knows when it ended. */
export const SPAN_LOST = 2;

export interface LeaseSpan {
  /** '' = a claim of which nobody knows whose it is. */
  readonly subscriber: string;
  readonly fromMs: number;
  /** When its session was alive for certain: the latest that a message tells of. */
  readonly lastMs: number;
  /** When the latest message came, which may tell of earlier. */
  readonly heardMs: number;
  /** Where `state` is SPAN_ENDED. */
  readonly endMs: number;
  readonly state: typeof SPAN_OPEN | typeof SPAN_ENDED | typeof SPAN_LOST;
  /** Its session has to say so again, because another one has claimed the address since. */
  readonly unsure: boolean;
  /** Recorded while the server's time was in doubt. */
  readonly clockDoubt: boolean;
  /** Bits of its prefix, and above 128 those of the block of ports. */
  readonly bits: number;
}

export const MATCH_PROBLEMS = [
  'nobody',
  'contested',
  'near-a-change',
  'unconfirmed',
  'port-missing',
  'time-ahead',
  'too-old',
  'clock-unsure',
  'ranges-changed',
  'group',
] as const;
export type MatchProblem = (typeof MATCH_PROBLEMS)[number];

/** Static ranges, as far as they speak of the address. */
export interface RangeClaim {
  /** '' = nobody, because rows contradict each other. A name that begins with `@` is a contract group. */
  readonly subscriber: string;
  readonly bits: number;
  /** The file is as it was since. */
  readonly sinceMs: number;
}

export interface MatchQuestion {
  /** The first and the last millisecond that the report may mean. */
  readonly fromMs: number;
  readonly toMs: number;
  /** The report names the port that the terminal used. */
  readonly hasPort: boolean;
  /** All leases that hold the address (and port, where there is one), or a part of its ports where there is none. */
  readonly spans: readonly LeaseSpan[];
  /** Leases held the address at some time that the history covers. */
  readonly everLeased: boolean;
  readonly range: RangeClaim | undefined;
}

export interface MatchRules {
  readonly nowMs: number;
  /** No term can be judged: the server's clock is in doubt. */
  readonly inDoubt: boolean;
  /** Clocks of reporters and of what hands out addresses may differ by so much. */
  readonly marginMs: number;
  /** `subscribers.lease`. */
  readonly lifetimeMs: number;
  /** `terminals.lease-history.keep`. */
  readonly keptMs: number;
  /** Since when nothing was missed: what was heard last before that may have ended unheard, while the server was down. */
  readonly watchedSinceMs: number;
}

/**
 * Who held the address, so that nobody else can have: the lease certainly goes over the whole time that the report may mean, with
 * the margin on both sides, and no other subscriber claims the address anywhere in it.
 *
 *     A ────────────────────┤ stop          certain: from the first message to the stop
 *     B ──────────┄┄┄┄┄┄┄┄┄┄┄               silent since: to the last message; the rest is doubt, of B and of everybody
 *            ├──┼──┤                        margin, report, margin
 */
export function matchLease(question: MatchQuestion, rules: MatchRules): { readonly subscriber: string } | MatchProblem {
  const { spans, range, hasPort } = question;
  if (rules.inDoubt) return 'clock-unsure';
  // What a clock ahead of ours says of the future, we cannot place.
  if (question.fromMs > rules.nowMs + rules.marginMs) return 'time-ahead';
  if (question.fromMs < rules.nowMs - rules.keptMs) return 'too-old';
  const fromMs = question.fromMs - rules.marginMs;
  const toMs = Math.min(question.toMs + rules.marginMs, rules.nowMs);
  const touching = spans.filter((span) => span.fromMs <= toMs && mayLastUntil(span, rules) >= fromMs);
  if (touching.some(({ bits }) => bits > 128) && !hasPort) return 'port-missing';
  const longest = Math.max(0, ...touching.map(({ bits }) => bits));
  if (range && range.bits > longest) {
    if (touching.length === 0 && question.everLeased) return 'nobody';
    return byRange(range, fromMs, hasPort);
  }
  if (touching.length === 0) return 'nobody';
  if (touching.some(({ clockDoubt }) => clockDoubt)) return 'clock-unsure';
  const [first] = touching;
  const subscriber = first!.subscriber;
  if (subscriber === '' || touching.some((span) => span.subscriber !== subscriber)) return 'contested';
  if (isCovered(touching, fromMs, toMs, rules)) return { subscriber };
  // Silent, or its beginning or end is too close.
  const isSilent = touching.some((span) => span.state !== SPAN_ENDED && certainUntil(span, rules) < toMs);
  return isSilent ? 'unconfirmed' : 'near-a-change';
}

function byRange({ subscriber, bits, sinceMs }: RangeClaim, fromMs: number, hasPort: boolean) {
  if (bits > 128 && !hasPort) return 'port-missing' as const;
  if (sinceMs > fromMs) return 'ranges-changed' as const;
  if (subscriber === '') return 'contested' as const;
  return subscriber.startsWith('@') ? ('group' as const) : { subscriber };
}

/** Their certain times together leave no gap from `fromMs` to `toMs`. */
function isCovered(spans: readonly LeaseSpan[], fromMs: number, toMs: number, rules: MatchRules): boolean {
  let reachedMs = fromMs;
  for (const span of [...spans].sort((one, other) => one.fromMs - other.fromMs)) {
    if (span.fromMs > reachedMs) break;
    reachedMs = Math.max(reachedMs, certainUntil(span, rules));
  }
  return reachedMs >= toMs;
}

function isInForce(span: LeaseSpan, { nowMs, lifetimeMs, watchedSinceMs }: MatchRules): boolean {
  const isHeard = span.heardMs >= watchedSinceMs && span.lastMs + lifetimeMs > nowMs;
  return span.state === SPAN_OPEN && !span.unsure && isHeard;
}

function certainUntil(span: LeaseSpan, rules: MatchRules): number {
  if (span.state === SPAN_ENDED) return span.endMs;
  return isInForce(span, rules) ? rules.nowMs : span.lastMs;
}

function mayLastUntil(span: LeaseSpan, { nowMs, lifetimeMs }: MatchRules): number {
  return span.state === SPAN_ENDED ? span.endMs : Math.min(nowMs, span.heardMs + lifetimeMs);
}
