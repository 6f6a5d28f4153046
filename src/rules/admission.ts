/** What stands against putting a proposal of a diagnosis in force; everything is said at once. */
import { counted } from '../errors/counted.ts';
import type { SekishoError } from '../errors/errors.ts';
import { type Approval, approverProblem } from '../grounds/approval.ts';
import { readGround, type StatedGround } from '../grounds/stated.ts';
import { statementProblem } from '../grounds/statement.ts';
import type { Clock } from '../time/clock.ts';
import { compileMatch, MatchError } from './compile.ts';
import { discreetGround, discreetText } from './discreet.ts';
import { rulesError } from './errors.ts';
import { idOf, type MeasureProposal, type Rule } from './rule.ts';

/** What whoever applies a proposal states. */
export interface Statement {
  /** As the API takes it; read by src/grounds/stated.ts. */
  readonly ground: unknown;
  readonly dryRun: boolean;
  /** Why a whole zone; for a proposal that is none it means nothing. */
  readonly escalate: string;
}

const LAST_MS = 7 * 86_400_000;

/** A term that nobody can tell the end of is none. */
export function timeProblem(clock: Clock): string | undefined {
  if (Number.isFinite(clock.termMs())) return undefined;
  return 'the clock is in doubt: it is behind the latest time that the data folder has seen. Set it right, or say that it is: sekisho time accept --reason TEXT';
}

/** What somebody wants and may have, apart from who and when. */
export type Wanted = Pick<Rule, 'origin' | 'plugin' | 'match' | 'limitPerSecond' | 'dryRun' | 'proposed'> &
  StatedGround;

/** The rule that it becomes, whose life begins now. */
export function begunRule(wanted: Wanted, number: number, who: string, wallMs: number): Rule {
  return {
    ...wanted,
    id: idOf(number),
    addedBy: who,
    addedAtMs: wallMs,
    termFromMs: wallMs,
    renewals: 0,
    state: wanted.dryRun ? 'dry-run' : 'in-force',
    endedAtMs: undefined,
    endedWhy: '',
  };
}

/** A proposal with its ground. Throws SekishoError SEKISHO_MEASURE_REFUSED with everything that is wrong. */
export function admittedMeasure(
  proposal: MeasureProposal,
  { ground, escalate, dryRun }: Statement,
  parts: { readonly who: string; readonly clock: Clock; readonly approval: Approval; readonly carried: boolean },
): Wanted {
  const problems: string[] = [];
  const doubt = timeProblem(parts.clock);
  if (doubt !== undefined) problems.push(doubt);
  try {
    compileMatch(proposal.match);
  } catch (error) {
    if (!(error instanceof MatchError)) throw error;
    problems.push(error.message);
  }
  const { plugin, match, limitPerSecond, ...known } = proposal;
  if (!parts.carried)
    problems.push(
      `${plugin} is not in the configuration, so nothing would act on it: add \`${plugin}: {}\` below plugins, and reload`,
    );
  // The narrowest first; a whole zone only where somebody says why.
  if (proposal.escalation && statementProblem(escalate) !== undefined)
    problems.push('escalate: this is on a whole zone; say in a sentence why nothing narrower does');
  const read = readGround(ground, parts.clock.wallMs(), problems);
  const onePerson = read && approverProblem(read.ground.approver, parts.who, parts.approval);
  if (onePerson !== undefined) problems.push(onePerson);
  const stated = read && measureTerm(read, proposal, parts.clock, problems);
  if (!stated) throw refusedMeasure('nothing was put in force', problems);
  const escalated = proposal.escalation ? discreetText(escalate.trim(), match) : '';
  return { origin: 'diagnosis', plugin, match, limitPerSecond, dryRun, ...stated, proposed: { ...known, escalated } };
}

function refusedMeasure(what: string, found: readonly string[]): SekishoError {
  const problems = [...new Set(found)];
  const message = `${what}: ${problems.length === 1 ? problems[0] : counted(problems.length, 'problem')}`;
  return rulesError('SEKISHO_MEASURE_REFUSED', message, { details: problems.length > 1 ? problems : [] });
}

/** A measure is temporary, whatever its ground: a review is its end. */
export function measureTerm(
  stated: StatedGround,
  { match }: Pick<MeasureProposal, 'match'>,
  clock: Clock,
  problems: string[],
): (StatedGround & { readonly endsAtMs: number }) | undefined {
  const endsAtMs = stated.endsAtMs ?? stated.reviewAtMs ?? 0;
  if (stated.ground.kind === 'legitimate-business' && endsAtMs > clock.wallMs() + LAST_MS + 1000)
    problems.push('review: a measure of a diagnosis is temporary, whatever its ground: at most 7d');
  if (problems.length > 0) return undefined;
  return { ground: discreetGround(stated.ground, match), endsAtMs, reviewAtMs: undefined };
}
