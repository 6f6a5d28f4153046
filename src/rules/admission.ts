/** What stands against putting a proposal of a diagnosis in force; everything is said at once. */
import { type Approval, approverProblem } from '../grounds/approval.ts';
import { readGround, type StatedGround } from '../grounds/stated.ts';
import { statementProblem } from '../grounds/statement.ts';
import type { Clock } from '../time/clock.ts';
import { compileMatch, MatchError } from './compile.ts';
import { discreetGround } from './discreet.ts';
import type { MeasureProposal } from './rule.ts';

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

/** The ground as it is kept, with the end that follows from it; undefined with what is wrong added to `problems`. */
export function readMeasure(
  proposal: MeasureProposal,
  { ground, escalate }: Statement,
  parts: { readonly who: string; readonly clock: Clock; readonly approval: Approval; readonly carried: boolean },
  problems: string[],
): (StatedGround & { readonly endsAtMs: number }) | undefined {
  const doubt = timeProblem(parts.clock);
  if (doubt !== undefined) problems.push(doubt);
  try {
    compileMatch(proposal.match);
  } catch (error) {
    if (!(error instanceof MatchError)) throw error;
    problems.push(error.message);
  }
  const { plugin } = proposal;
  if (!parts.carried)
    problems.push(
      `${plugin} is not in the configuration, so nothing would act on it: add \`${plugin}: {}\` below plugins, and reload`,
    );
  // The narrowest first; a whole zone only where somebody says why.
  if (proposal.escalation && statementProblem(escalate) !== undefined)
    problems.push('escalate: this is on a whole zone; say in a sentence why nothing narrower does');
  const stated = readGround(ground, parts.clock.wallMs(), problems);
  const onePerson = stated && approverProblem(stated.ground.approver, parts.who, parts.approval);
  if (onePerson !== undefined) problems.push(onePerson);
  return stated && measureTerm(stated, proposal, parts.clock, problems);
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
