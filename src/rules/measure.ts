/**
 * A measure: a narrow rule that an operator puts in force for a while, because a diagnosis proposed it. What it is on,
 * on which ground, on what evidence, who takes the responsibility, when it ends, and what it is to end.
 */
import type { Ground } from '../grounds/ground.ts';

/** What a measure matches; all that is given must hold. */
export interface MeasureMatch {
  /** Exactly this name. */
  readonly name?: string;
  /** `*.zone`: every name below the zone, as deep as it may be; not the zone's own name. */
  readonly pattern?: string;
  /** The zone and everything below it: only where it was escalated. */
  readonly domain?: string;
  /** Type of the question, e.g. ANY. */
  readonly type?: string;
  /** Network or address of the client. */
  readonly source?: string;
}

export type MeasureState = 'in-force' | 'dry-run' | 'lifted' | 'expired';
export const MEASURE_STATES: readonly MeasureState[] = ['in-force', 'dry-run', 'lifted', 'expired'];

/** What is proposed, before somebody states a ground for it. */
export interface MeasureProposal {
  /** The plugin that carries it out. */
  readonly plugin: string;
  readonly match: MeasureMatch;
  /** Queries a second, of the whole server, that still pass. */
  readonly limitPerSecond: number;
  /** Why so many (no fixed threshold without a recorded rationale). */
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

export interface Measure extends MeasureProposal {
  /** `m1`, `m2`, …: never used again. */
  readonly id: string;
  /** Stated in full. */
  readonly ground: Ground;
  /** Why a whole zone, in the words of whoever escalated; empty for any narrower measure. */
  readonly escalated: string;
  /** Only count what it would hit. */
  readonly dryRun: boolean;
  /** Name of the token that put it in force, and when, in wall-clock milliseconds. */
  readonly appliedBy: string;
  readonly appliedAtMs: number;
  /** When it ends by itself, at the latest. */
  readonly endsAtMs: number;
  readonly state: MeasureState;
  /** When and why it ended; undefined while it has not. */
  readonly endedAtMs: number | undefined;
  readonly endedWhy: string;
}

export function isRunning({ state }: Measure): boolean {
  return state === 'in-force' || state === 'dry-run';
}

/** `ANY queries for *.victim.example from 192.0.2.7`. */
export function matchText({ name, pattern, domain, type, source }: MeasureMatch): string {
  const what = name ?? pattern ?? (domain === undefined ? undefined : `${domain} and everything below it`);
  return [type === undefined ? 'queries' : `${type} queries`, what && `for ${what}`, source && `from ${source}`]
    .filter(Boolean)
    .join(' ');
}

/** Two measures that are on the very same. */
export function sameMatch(one: Pick<Measure, 'plugin' | 'match'>, other: Pick<Measure, 'plugin' | 'match'>): boolean {
  return one.plugin === other.plugin && matchText(one.match) === matchText(other.match);
}
