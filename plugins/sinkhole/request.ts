/**
 * From what somebody asks for to a rule, or to everything that is wrong with it at once: at three in the morning nobody
 * wants to learn of five missing statements one after the other.
 */
import { parseDurationMs } from '../../src/config/units.ts';
import { SekishoError } from '../../src/errors.ts';
import {
  GROUND_TERMS,
  type Ground,
  ground,
  instantMs,
  legitimateBusiness,
  necessity,
  selfDefence,
} from '../../src/grounds/ground.ts';
import { z } from '../../src/plugin.ts';
import { type DeskRule, MAX_EMERGENCY_MS, MAX_REVIEW_MS, MIN_DURATION_MS } from './rule.ts';
import { type RuleName, RuleNameError, ruleName, suffixBelow } from './rule-name.ts';

/** What has been asked for and is complete. */
export type Draft = Pick<DeskRule, 'name' | 'subtree' | 'dryRun' | 'ground' | 'endsAtMs' | 'reviewAtMs'>;

/** What a renewal states anew. */
export type Renewal = Pick<DeskRule, 'ground' | 'endsAtMs' | 'reviewAtMs'>;

const GROUNDS = { 'self-defence': selfDefence, necessity, 'legitimate-business': legitimateBusiness } as const;
/** Longest statement, in characters: enough for a ticket's summary; the ticket itself is kept elsewhere. */
export const MAX_STATEMENT = 2000;

const draftSchema = z.strictObject({
  name: z.string(),
  subtree: z.boolean().default(false),
  'dry-run': z.boolean().default(false),
  ground: z.record(z.string(), z.unknown()).default({}),
});

/** The rule that `body` asks for. Throws SekishoError SEKISHO_SINKHOLE_REFUSED with every problem. */
export function readDraft(body: unknown, wallMs: number): Draft {
  const problems: string[] = [];
  const parsed = draftSchema.safeParse(body);
  if (!parsed.success) for (const issue of parsed.error.issues) problems.push(issueText(issue, undefined));
  const given = (body ?? {}) as Record<string, unknown>;
  const name = typeof given['name'] === 'string' ? checkedName(given['name'], problems) : undefined;
  const suffix = name && given['subtree'] === true ? suffixBelow(name) : undefined;
  if (suffix !== undefined)
    problems.push(`subtree: public suffixes lie below '${name?.text}', such as '${suffix}': names of many owners`);
  const stated = readGround(given['ground'], wallMs, problems);
  if (problems.length > 0 || !parsed.success || !name || !stated) throw refused('no rule was added', problems);
  return { name, subtree: parsed.data.subtree, dryRun: parsed.data['dry-run'], ...stated };
}

/**
 * The ground of `rule` for another term: what `body` states replaces what was stated. Throws SekishoError with every
 * problem; whether the evidence is fresh is the desk's to say, who knows what was said before.
 */
export function readRenewal(body: unknown, rule: DeskRule, wallMs: number): Renewal {
  const problems: string[] = [];
  const given = (body ?? {}) as Record<string, unknown>;
  const emergency = rule.ground.kind !== 'legitimate-business';
  // Renewing an emergency measure needs fresh evidence (R1); a standing one needs to be argued for again.
  const anew = emergency ? ['evidence', 'approver', 'expires'] : ['necessity', 'approver', 'review'];
  for (const key of anew) if (given[key] === undefined) problems.push(missing(key, rule.ground.kind));
  // What is missing was named; the rest is looked at as if it were there.
  const stated = readGround({ ...rule.ground, [emergency ? 'expires' : 'review']: '1h', ...given }, wallMs, problems);
  if (problems.length > 0 || !stated) throw refused(`'${rule.name.text}' was not renewed`, problems);
  return stated;
}

export function refused(what: string, found: readonly string[]): SekishoError {
  const problems = [...new Set(found)];
  const count = problems.length === 1 ? problems[0] : `${problems.length} problems`;
  return new SekishoError('SEKISHO_SINKHOLE_REFUSED', `${what}: ${count}`, {
    details: problems.length > 1 ? problems : [],
  });
}

function checkedName(text: string, problems: string[]): RuleName | undefined {
  try {
    return ruleName(text);
  } catch (error) {
    if (!(error instanceof RuleNameError)) throw error;
    problems.push(`name: '${text.slice(0, 80)}' ${error.message}`);
    return undefined;
  }
}

function readGround(given: unknown, wallMs: number, problems: string[]): Renewal | undefined {
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
    for (const issue of parsed.error.issues) problems.push(issueText(issue, ofKind));
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
  const [most, words] =
    kind === 'legitimate-business'
      ? [MAX_REVIEW_MS, 'a standing measure is reviewed at least once a year (366d)']
      : [MAX_EMERGENCY_MS, `${GROUND_TERMS[kind]} answers an attack that is going on: at most 7d, then renew it`];
  // Instants are written to the second.
  return ms > most + 1000 ? `${key}: too far ahead; ${words}` : undefined;
}

/** `2h` → the instant in two hours, to the second; anything else as it is. */
function asInstant(given: unknown, wallMs: number): unknown {
  const ms = typeof given === 'string' ? parseDurationMs(given) : undefined;
  if (ms === undefined || ms > 100 * MAX_REVIEW_MS) return given;
  return `${new Date(Math.ceil((wallMs + ms) / 1000) * 1000).toISOString().slice(0, 19)}Z`;
}

function issueText(issue: z.core.$ZodIssue, kind: Ground['kind'] | undefined): string {
  const key = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    const why = kind === undefined ? 'is unknown' : `does not belong to the ground ${kind}`;
    return `${issue.keys.join(', ')}: ${why}`;
  }
  if (issue.code === 'invalid_type' && issue.input === undefined && /undefined/.test(issue.message))
    return missing(key, kind);
  if (key === 'expires' || key === 'review')
    return `${key}: write a duration (2h, 3d), a date (2026-12-31) or an instant with its zone (2026-12-31T18:00:00+09:00)`;
  return `${key || 'rule'}: ${issue.message}`;
}

function missing(key: string, kind: Ground['kind'] | undefined): string {
  const shape: Record<string, z.ZodType> = kind === undefined ? {} : GROUNDS[kind].shape;
  const meaning = shape[key]?.description?.replace(/\.$/, '');
  return `${key}: missing${meaning ? `; ${meaning[0]?.toLowerCase()}${meaning.slice(1)}` : ''}`;
}
