/**
 * Exceptions from validation (negative trust anchors, RFC 7646): zones that are broken for a while, resolved unvalidated on
 * somebody's ground until an end. They are rules like any other: the rules desk keeps, renews, ends and logs them; here is
 * what an exception may be on, and how packet threads are told.
 */
import { z } from 'zod';
import { readGround } from '../grounds/stated.ts';
import type { CarriedRule, RuleCarrier } from '../rules/carriers.ts';
import type { RuleDraft } from '../rules/desk.ts';
import { NameError, nameToText, textToName } from '../wire/name.ts';
import { dnssecError } from './errors.ts';
import type { NegativeAnchor } from './trust-in-force.ts';

/** Under this name the rules desk keeps them. */
export const CARRIER = 'dnssec';
/** Exceptions at a time; more would be no exceptions. */
const MAX_EXCEPTIONS = 1000;
/** RFC 7646 §2.1, §4: days, at most a week; what takes longer needs fresh evidence. */
const LONGEST_MS = 7 * 86_400_000;

const draftSchema = z.strictObject({ zone: z.string(), ground: z.record(z.string(), z.unknown()).default({}) });

/** The exception that `body` asks for. Throws SekishoError with every problem. */
export function readException(body: unknown, wallMs: number): RuleDraft {
  const problems: string[] = [];
  const parsed = draftSchema.safeParse(body);
  if (!parsed.success)
    for (const { path, message } of parsed.error.issues) problems.push(`${path.join('.') || 'body'}: ${message}`);
  const given = (body ?? {}) as Record<string, unknown>;
  const zone = typeof given['zone'] === 'string' ? zoneOf(given['zone'], problems) : undefined;
  const stated = readGround(given['ground'], wallMs, problems);
  const endsAtMs = stated?.endsAtMs ?? stated?.reviewAtMs ?? 0;
  if (stated !== undefined && endsAtMs > wallMs + LONGEST_MS + 1000)
    problems.push(
      `${stated.endsAtMs === undefined ? 'review' : 'expires'}: an exception ends after 7d at the latest (RFC 7646)`,
    );
  if (problems.length > 0 || zone === undefined || stated === undefined) throw refused(problems);
  return {
    plugin: CARRIER,
    match: { domain: zone },
    dryRun: false,
    ground: stated.ground,
    endsAtMs,
    reviewAtMs: undefined,
  };
}

function refused(problems: readonly string[]): Error {
  const count = problems.length === 1 ? problems[0] : `${problems.length} problems`;
  return dnssecError('SEKISHO_EXCEPTION_REFUSED', `no exception was made: ${count}`, {
    details: problems.length > 1 ? problems : [],
  });
}

function zoneOf(text: string, problems: string[]): string | undefined {
  try {
    const zone = nameToText(textToName(text.toLowerCase()));
    if (zone !== '.') return zone;
    problems.push('zone: the root would be all of it; switch validation off in the configuration instead');
  } catch (error) {
    if (!(error instanceof NameError)) throw error;
    problems.push(`zone: '${text.slice(0, 80)}' ${error.message}`);
  }
  return undefined;
}

const REFUSALS = {
  refused: 'SEKISHO_EXCEPTION_REFUSED',
  conflict: 'SEKISHO_EXCEPTION_CONFLICT',
  unknown: 'SEKISHO_EXCEPTION_UNKNOWN',
} as const;

/** For the rules desk. `publish` resolves when every worker holds the exceptions. */
export function exceptionCarrier(publish: (exceptions: readonly NegativeAnchor[]) => Promise<void>): RuleCarrier {
  return {
    configured: [],
    capacity: MAX_EXCEPTIONS,
    publish: (rules) => publish(rules.flatMap(negativeAnchor)),
    refusal: (kind, message, details) => dnssecError(REFUSALS[kind], message, { details }),
  };
}

function negativeAnchor({ match, dryRun, endsMs, about }: CarriedRule): NegativeAnchor[] {
  if (dryRun || match.domain === undefined) return [];
  return [{ zone: textToName(match.domain), why: `excepted from validation: ${about}`, endsMs }];
}
