/**
 * A temporary rule: what it is on, which plugin matches it, on which ground, on what evidence, who takes the responsibility, and
 * when it ends. Every rule of the server is one of these, wherever it came from, and has the same life:
 *
 *     preview ─▶ dry run ─▶ in force ─▶ renewed … ─▶ lifted   (somebody, or the server because it is over)
 *                   └───────────┴──────────────────▶ expired  (its term was over; fresh evidence carries another)
 */
import { GROUND_TERMS, type Ground } from '../grounds/ground.ts';

/** What a rule matches; all that is given must hold. */
export interface RuleMatch {
  /** Exactly this name. */
  readonly name?: string;
  /** `*.zone`: every name below the zone, as deep as it may be; not the zone's own name. */
  readonly pattern?: string;
  /** The zone and everything below it: only where it was asked for expressly. */
  readonly domain?: string;
  /** Type of the question, e.g. ANY. */
  readonly type?: string;
  /** Network or address of the client. */
  readonly source?: string;
}

/** Who brought it in: the configuration, a person, or a diagnosis whose proposal a person put in force (a measure). */
export type RuleOrigin = 'configuration' | 'operator' | 'diagnosis';
export const RULE_ORIGINS: readonly RuleOrigin[] = ['configuration', 'operator', 'diagnosis'];

/** As it is kept. */
export type KeptState = 'in-force' | 'dry-run' | 'lifted' | 'expired';
/** `suspended`: whether it has ended cannot be said, because the clock is in doubt (`sekisho time`); it does not act. */
export type RuleState = KeptState | 'suspended';
export const RULE_STATES: readonly RuleState[] = ['in-force', 'dry-run', 'lifted', 'expired', 'suspended'];

/** What a diagnosis proposes, before somebody states a ground for it. */
export interface MeasureProposal extends Proposed {
  /** The plugin that carries it out. */
  readonly plugin: string;
  readonly match: RuleMatch;
  /** Queries a second, of the whole server, that still pass; 0: all are discarded. */
  readonly limitPerSecond: number;
}

/** What a diagnosis knew of its proposal. */
export interface Proposed {
  /** Why so many pass (no fixed threshold without a recorded rationale). */
  readonly limitRationale: string;
  /** It is on a whole zone. */
  readonly escalation: boolean;
  /** Queries a second that match: what is normal, and what was there when it was proposed. */
  readonly normalPerSecond: number;
  readonly startPerSecond: number;
  /** Share of the rise that it removes, and of the last day's normal traffic that it would have hit, 0–1. */
  readonly removes: number;
  readonly hits: number;
  /** The diagnosis that proposed it, and what it said. */
  readonly diagnosis: string;
  readonly cause: string;
}

export interface Rule {
  /** `m1`, `m2`, …: never used again. Empty for a rule of the configuration. */
  readonly id: string;
  readonly origin: RuleOrigin;
  /** Of a fleet: the node where it was put in force, which watches whether its incident is over. */
  readonly node?: string;
  readonly plugin: string;
  readonly match: RuleMatch;
  readonly limitPerSecond: number;
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
  readonly state: KeptState;
  /** When and why it ended; undefined while it has not. */
  readonly endedAtMs: number | undefined;
  readonly endedWhy: string;
  /** Of a diagnosis alone; with why a whole zone, in the words of whoever escalated (empty for any narrower rule). */
  readonly proposed: (Proposed & { readonly escalated: string }) | undefined;
}

const DAY_MS = 86_400_000;
/** An ended rule stays in sight so long, so that lists and `explain` can say why a name resolves again. */
export const KEEP_ENDED_MS = DAY_MS;
/** Somebody is warned when so much of the term is left, */
const WARN_SHARE = 0.1;
/** but never earlier than this before its end, and this before a review. */
const WARN_AT_MOST_MS = DAY_MS;
const WARN_REVIEW_AT_MOST_MS = 14 * DAY_MS;

export function idOf(number: number): string {
  return `m${number}`;
}

export function isRunning({ state }: Pick<Rule, 'state'>): boolean {
  return state === 'in-force' || state === 'dry-run';
}

/** From when on somebody has to be told that the rule ends, or that its review is due. */
export function warnAtMs({ endsAtMs, reviewAtMs, termFromMs }: Rule): number {
  const until = endsAtMs ?? reviewAtMs ?? Number.POSITIVE_INFINITY;
  const most = endsAtMs === undefined ? WARN_REVIEW_AT_MOST_MS : WARN_AT_MOST_MS;
  return until - Math.min((until - termFromMs) * WARN_SHARE, most);
}

/** `ANY queries for *.victim.example from 192.0.2.7`. */
export function matchText({ name, pattern, domain, type, source }: RuleMatch): string {
  const what = name ?? pattern ?? (domain === undefined ? undefined : `${domain} and everything below it`);
  return [type === undefined ? 'queries' : `${type} queries`, what && `for ${what}`, source && `from ${source}`]
    .filter(Boolean)
    .join(' ');
}

/** What there can be one rule on at a time. Where all is discarded that is a name, whether or not the rule reaches below it. */
export function keyOf({ plugin, match, limitPerSecond }: Pick<Rule, 'plugin' | 'match' | 'limitPerSecond'>): string {
  const { name, domain, type, source } = match;
  const onName = limitPerSecond === 0 && type === undefined && source === undefined ? (name ?? domain) : undefined;
  return `${plugin}: ${onName ?? matchText(match)}`;
}

/** The name that it is on, for logs and lists; in words where it is on something else. */
export function subjectOf(rule: Pick<Rule, 'plugin' | 'match' | 'limitPerSecond'>): string {
  return keyOf(rule).slice(rule.plugin.length + 2);
}

/** Ground, approver and end in one sentence, as `explain` shows it. */
export function aboutText(ground: Ground): string {
  const until = ground.kind === 'legitimate-business' ? `to be reviewed ${ground.review}` : `until ${ground.expires}`;
  return `ground ${ground.kind} (${GROUND_TERMS[ground.kind]}), approved by ${ground.approver}, ${until}`;
}
