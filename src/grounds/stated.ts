/**
 * A ground as somebody states it in a request, read in full: everything that is wrong with it is said at once, because at
 * three in the morning nobody wants to learn of five missing statements one after the other. Used by whatever takes measures
 * while the server runs.
 */
import type { z } from 'zod';
import { parseDurationMs } from '../settings/units.ts';
import { GROUND_TERMS, type Ground, ground, instantMs, legitimateBusiness, necessity, selfDefence } from './ground.ts';

/** A complete ground, and the instants that follow from it, in wall-clock milliseconds. */
export interface StatedGround {
  readonly ground: Ground;
  /** When the measure ends by itself; undefined where it is only reviewed. */
  readonly endsAtMs: number | undefined;
  /** When it has to be reviewed; undefined where it ends by itself. */
  readonly reviewAtMs: number | undefined;
}

const GROUNDS = { 'self-defence': selfDefence, necessity, 'legitimate-business': legitimateBusiness } as const;
/** Longest statement, in characters: enough for a ticket's summary; the ticket itself is kept elsewhere. */
export const MAX_STATEMENT = 2000;

const DAY_MS = 86_400_000;
/** Nobody can act on a shorter one. */
const MIN_DURATION_MS = 60_000;
/**
 * 正当防衛 and 緊急避難 answer an attack that is going on (Penal Code Art. 36, 37): whether it still does has to be looked
 * at and shown at least once a week. What has to last longer is 正当業務行為, with its purpose and proportionality.
 */
export const MAX_EMERGENCY_MS = 7 * DAY_MS;
/** A standing measure is looked at once a year. */
export const MAX_REVIEW_MS = 366 * DAY_MS;

/** The ground that `given` states, or undefined with what is wrong with it added to `problems`. */
export function readGround(given: unknown, wallMs: number, problems: string[]): StatedGround | undefined {
  const raw = (typeof given === 'object' && given !== null ? given : {}) as Record<string, unknown>;
  const kind = raw['kind'];
  if (typeof kind !== 'string' || !Object.hasOwn(GROUNDS, kind)) {
    // What is missing cannot be said before the ground is known; so what each ground needs is said now.
    const kinds = Object.entries(GROUNDS).map(([name, { shape }]) => {
      const needs = Object.keys(shape).filter((key) => key !== 'kind');
      return `${name} (${GROUND_TERMS[name as Ground['kind']]}; needs ${needs.join(', ')})`;
    });
    problems.push(`ground: ${kind === undefined ? 'missing' : `'${kind}' is none`}; state one of ${kinds.join(', ')}`);
    return undefined;
  }
  const ofKind = kind as Ground['kind'];
  for (const [key, value] of Object.entries(raw)) {
    if (typeof value === 'string' && value.length > MAX_STATEMENT)
      problems.push(`${key}: ${value.length} characters are too many; ${MAX_STATEMENT} is the limit`);
  }
  const dateKey = ofKind === 'legitimate-business' ? 'review' : 'expires';
  const parsed = ground.safeParse({ ...raw, [dateKey]: asInstant(raw[dateKey], wallMs) });
  if (!parsed.success) {
    // What is too long has been said; what else is wrong with it is no help.
    const tooLong = (key: unknown) => String(raw[String(key)] ?? '').length > MAX_STATEMENT;
    for (const issue of parsed.error.issues) if (!tooLong(issue.path[0])) problems.push(issueText(issue, ofKind));
    return undefined;
  }
  const stated = parsed.data;
  const until = instantMs(stated.kind === 'legitimate-business' ? stated.review : stated.expires);
  const problem = termProblem(stated.kind, dateKey, until - wallMs);
  if (problem !== undefined) problems.push(problem);
  const emergency = stated.kind !== 'legitimate-business';
  return { ground: stated, endsAtMs: emergency ? until : undefined, reviewAtMs: emergency ? undefined : until };
}

function termProblem(kind: Ground['kind'], key: string, ms: number): string | undefined {
  if (ms <= 0) return `${key}: lies in the past`;
  if (ms < MIN_DURATION_MS) return `${key}: must be at least a minute ahead`;
  return tooFar(kind, key, ms);
}

/** The bound on the term of a ground that ends `ms` from now, wherever it was stated. */
function tooFar(kind: Ground['kind'], key: string, ms: number): string | undefined {
  const [most, words] =
    kind === 'legitimate-business'
      ? [MAX_REVIEW_MS, 'a standing measure is reviewed at least once a year (366d)']
      : [MAX_EMERGENCY_MS, `${GROUND_TERMS[kind]} answers an attack that is going on: at most 7d, then renew it`];
  // Instants are written to the second.
  return ms > most + 1000 ? `${key}: too far ahead; ${words}` : undefined;
}

/**
 * What is wrong with the term of a ground that stands in a configuration: the bounds are those of the API. One that has ended
 * by itself is no error, because the file outlives it: it acts no more, which is said at every start. A review that is overdue
 * is one: the measure goes on, so somebody has to look at it.
 */
export function configuredTermProblem(of: Ground, wallMs: number): { key: string; message: string } | undefined {
  const key = of.kind === 'legitimate-business' ? 'review' : 'expires';
  const ms = instantMs(of.kind === 'legitimate-business' ? of.review : of.expires) - wallMs;
  if (ms <= 0)
    return key === 'review'
      ? {
          key,
          message: 'lies in the past: the review is overdue. Review the measure and state when the next one is due',
        }
      : undefined;
  const problem = tooFar(of.kind, key, ms);
  return problem === undefined ? undefined : { key, message: problem.slice(key.length + 2) };
}

/** `2h` → the instant in two hours, to the second; anything else as it is. */
function asInstant(given: unknown, wallMs: number): unknown {
  const ms = typeof given === 'string' ? parseDurationMs(given) : undefined;
  if (ms === undefined || ms > 100 * MAX_REVIEW_MS) return given;
  return `${new Date(Math.ceil((wallMs + ms) / 1000) * 1000).toISOString().slice(0, 19)}Z`;
}

/** One issue of a schema in words; `kind` is the ground that it is about. */
export function issueText(issue: z.core.$ZodIssue, kind: Ground['kind'] | undefined): string {
  const key = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    const why = kind === undefined ? 'is unknown' : `does not belong to the ground ${kind}`;
    return `${issue.keys.join(', ')}: ${why}`;
  }
  if (issue.code === 'invalid_type' && issue.input === undefined && /undefined/.test(issue.message))
    return missing(key, kind);
  if (key === 'expires' || key === 'review')
    return `${key}: write a duration (2h, 3d), a date (2026-12-31) or an instant with its zone (2026-12-31T18:00:00+09:00)`;
  return `${key || 'measure'}: ${issue.message}`;
}

/** That `key` of a ground is missing, and what it means. */
export function missing(key: string, kind: Ground['kind'] | undefined): string {
  const shape: Record<string, z.ZodType> = kind === undefined ? {} : GROUNDS[kind].shape;
  const meaning = shape[key]?.description?.replace(/\.$/, '');
  return `${key}: missing${meaning ? `; ${meaning[0]?.toLowerCase()}${meaning.slice(1)}` : ''}`;
}
