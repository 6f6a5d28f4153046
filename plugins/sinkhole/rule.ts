/**
 * A rule of the desk, and what follows from its dates.
 */
import { GROUND_TERMS, type Ground } from '../../src/contract/plugin.ts';
import type { RuleName } from './rule-name.ts';

export interface DeskRule {
  readonly name: RuleName;
  /** The name and everything below it; otherwise exactly the name. */
  readonly subtree: boolean;
  /** Only count what it would hit. */
  readonly dryRun: boolean;
  /** Stated in full. */
  readonly ground: Ground;
  /** Wall-clock milliseconds at which it ends by itself; undefined where it is only reviewed. */
  readonly endsAtMs: number | undefined;
  /** When it has to be reviewed; undefined where it ends by itself. */
  readonly reviewAtMs: number | undefined;
  /** Name of the token that brought it in, and when. */
  readonly addedBy: string;
  readonly addedAtMs: number;
  /** Since when the present term runs: later than `addedAtMs` where it was renewed. */
  readonly termFromMs: number;
  readonly renewals: number;
}

/** `suspended`: whether it has ended cannot be said, because the clock is in doubt (`sekisho time`); it does not act. */
export type RuleState = 'in-force' | 'dry-run' | 'expired' | 'suspended';
export const RULE_STATES: readonly RuleState[] = ['in-force', 'dry-run', 'expired', 'suspended'];

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** An ended rule stays in sight so long, so that `list` and `explain` can say why the name resolves again. */
export const KEEP_EXPIRED_MS = DAY_MS;

/** Somebody is warned when so much of the term is left, */
const WARN_SHARE = 0.1;
/** but never earlier than this before its end, and this before a review. */
const WARN_AT_MOST_MS = DAY_MS;
const WARN_REVIEW_AT_MOST_MS = 14 * DAY_MS;

/** From when on somebody has to be told that the rule ends, or that its review is due. */
export function warnAtMs(rule: DeskRule): number {
  const until = rule.endsAtMs ?? rule.reviewAtMs ?? Number.POSITIVE_INFINITY;
  const most = rule.endsAtMs === undefined ? WARN_REVIEW_AT_MOST_MS : WARN_AT_MOST_MS;
  return until - Math.min((until - rule.termFromMs) * WARN_SHARE, most);
}

/** Ground, approver and end in one sentence, as `explain` shows it. */
export function aboutText(ground: Ground): string {
  const until = ground.kind === 'legitimate-business' ? `to be reviewed ${ground.review}` : `until ${ground.expires}`;
  return `ground ${ground.kind} (${GROUND_TERMS[ground.kind]}), approved by ${ground.approver}, ${until}`;
}
