/**
 * Puts a proposal of a diagnosis in force. The diagnosis itself is the evidence; whoever applies it says on which ground,
 * until when, and who takes the responsibility. The rest is the measures desk's (src/rules/desk.ts).
 */

import type { ControlContext } from '../../src/contract/plugin.ts';
import type { Cause, CauseName } from './cause.ts';
import type { Diagnoses, KeptDiagnosis } from './diagnoses.ts';
import { historyError } from './errors.ts';
import type { Proposal } from './proposals.ts';
import type { Reader } from './reader.ts';
import { banded, roundedRate } from './rounding.ts';

/** As the API takes it. */
export interface Application {
  /** Without it: the last one that the same token made. */
  readonly diagnosis?: string;
  /** From 1. */
  readonly proposal: number;
  readonly 'dry-run'?: boolean;
  readonly escalate?: string;
  readonly ground?: Readonly<Record<string, string>>;
}

type Measures = ControlContext<unknown>['measures'];

export async function applyProposal(
  diagnoses: Diagnoses,
  measures: Measures,
  reader: Reader,
  application: Application,
): ReturnType<Measures['apply']> {
  const { proposal, statement } = stated(diagnoses, reader, application);
  return measures.apply(proposal, statement, reader.who, reader.role);
}

/** What putting it in force would be refused for, without doing it. Throws SekishoError where there is no such proposal. */
export function previewProposal(
  diagnoses: Diagnoses,
  measures: Measures,
  reader: Reader,
  application: Application,
): { readonly proposal: Proposal; readonly problems: readonly string[] } {
  const { proposal, statement, shown } = stated(diagnoses, reader, application);
  return { proposal: shown, problems: measures.preview(proposal, statement, reader.who) };
}

function stated(diagnoses: Diagnoses, reader: Reader, application: Application) {
  const kept = diagnoses.find(reader.who, application.diagnosis);
  const { proposals } = kept.diagnosis;
  const shown = proposals[application.proposal - 1];
  if (!shown)
    throw historyError(
      'SEKISHO_DIAGNOSIS_UNKNOWN',
      `diagnosis ${kept.id} has ${proposals.length === 0 ? 'no proposal' : `${proposals.length} proposal(s)`}, so none of number ${application.proposal}`,
    );
  const { match, plugin, limitPerSecond, limitRationale, escalation, removes, hits } = shown;
  const proposal = {
    match,
    plugin,
    limitPerSecond,
    limitRationale,
    escalation,
    removes,
    hits,
    normalPerSecond: shown.normalPerSecond,
    startPerSecond: shown.nowPerSecond,
    diagnosis: kept.id,
    cause: causeOf(kept, shown)?.cause ?? 'unexplained',
  };
  const statement = {
    ground: withEvidence(application.ground ?? {}, kept, shown),
    dryRun: application['dry-run'] ?? false,
    escalate: application.escalate ?? '',
  };
  return { proposal, statement, shown };
}

/** What the rule is to end. */
function causeOf({ diagnosis }: KeptDiagnosis, { incident }: Proposal): Cause | undefined {
  return diagnosis.incidents[incident - 1]?.cause ?? diagnosis.causes[0];
}

/** What the diagnosis saw is the evidence; what the operator adds stands before it. */
function withEvidence(given: Readonly<Record<string, string>>, kept: KeptDiagnosis, proposal: Proposal): object {
  // Stated on other grounds: purpose, necessity and proportionality are the operator's own words. A measure is temporary.
  if (given['kind'] === 'legitimate-business') {
    const { expires, ...stated } = given;
    return expires === undefined ? stated : { review: expires, ...stated };
  }
  if (given['kind'] !== 'self-defence' && given['kind'] !== 'necessity') return given;
  const { diagnosis, id, wallMs, overload } = kept;
  const { rate, window, baseline } = diagnosis;
  const said = causeOf(kept, proposal);
  const onSource = proposal.match.source !== undefined;
  const saysOfThis = said !== undefined && said.side !== (onSource ? 'names' : 'sources');
  const seen = [
    `diagnosis ${id} of ${new Date(wallMs).toISOString()} over ${Math.round(window.seconds)} s (overload ${overload.by}: ${overload.reason})`,
    // Of one marginal alone, and without a single address: the record must not join who and what.
    ...(saysOfThis ? [said.discreet.text, ...said.discreet.signs] : []),
    `${Math.round(proposal.nowPerSecond)} queries/s match, ${Math.round(proposal.normalPerSecond)} are normal (${baseline.basis}); ${onSource ? `at least ${percent(banded(proposal.removes))}` : percent(proposal.removes)} of the rise, ${percent(proposal.hits)} of the last day's normal traffic`,
    `a dry run over the last ${Math.round(proposal.trial.seconds)} s matched ${rateText(proposal, proposal.trial.matchedPerSecond)} queries/s`,
  ].join('; ');
  const own = ownWords(given['evidence']?.trim(), kept, proposal);
  const effect = `overloads the resolvers: ${Math.round(rate.now)} queries/s, normal are ${Math.round(rate.normal)}`;
  return { effect, ...given, evidence: (own ? `${own}; ${seen}` : seen).slice(0, 2000) };
}

/**
 * What the operator adds, without the other marginal: on a source no name that the diagnosis knows. Addresses are left out of all
 * records of measures (src/rules/discreet.ts).
 */
function ownWords(text: string | undefined, { diagnosis }: KeptDiagnosis, { match }: Proposal): string | undefined {
  if (text === undefined || match.source === undefined) return text;
  const { name, domain, pattern } = diagnosis.explains;
  const known = [...name, ...domain, ...pattern].map(({ key }) => key.replace(/^\*\./, '')).filter((key) => key !== '');
  return known.reduce(
    (left, key) => left.replaceAll(new RegExp(`(?:[\\w*-]+\\.)*${escaped(key)}\\b`, 'gi'), '(a name)'),
    text,
  );
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** The command line that puts proposal `number` in force; what only a person can say stands in it as a word to replace. */
export function commandFor(id: string, number: number, cause: CauseName, { escalation }: Proposal): string {
  const attack = cause === 'random-subdomain' || cause === 'amplification';
  return [
    `sekisho diagnose --apply ${number} --diagnosis ${id}`,
    attack ? '--ground self-defence' : '--ground necessity --nothing-milder "WHY"',
    escalation ? '--escalate "WHY NOTHING NARROWER"' : '',
    '--approver "NAME" --expires 2h',
  ]
    .filter(Boolean)
    .join(' ');
}

/** Of a source to one digit, so that it is not found again among the names. */
function rateText({ match }: Proposal, rate: number): number {
  return match.source === undefined ? Math.round(rate) : roundedRate(rate);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}
