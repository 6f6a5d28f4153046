/** The diagnosis: load now against the normal, what explains the rise, what it looks like, and what would end it. */

import { type Circumstances, NO_CIRCUMSTANCES } from './aggregate-causes.ts';
import { type Baseline, rateOf, servfailShare } from './baseline.ts';
import type { Cause } from './cause.ts';
import { causesOf } from './causes.ts';
import type { Others } from './collateral.ts';
import { type Incident, incidentsOf } from './incidents.ts';
import { KINDS, type Kind } from './layout.ts';
import { MOST_COLLATERAL, type Proposal, proposalsOf, type Trying } from './proposals.ts';
import { type Part, type Rise, riseOf, SPLITS, type Split } from './rise.ts';
import type { Slice } from './slice.ts';
import { quantile } from './totals.ts';

export interface Compared {
  readonly now: number;
  readonly normal: number;
  readonly spread: number;
}

export interface Diagnosis {
  /** What was looked at; `why`: how it was chosen, empty where whoever asked said it. */
  readonly window: { readonly from: string; readonly seconds: number; readonly why: string };
  /** `imported`: of the samples, hours that were not measured here. */
  readonly baseline: { readonly basis: Baseline['basis']; readonly samples: number; readonly imported: number };
  /** Queries a second. */
  readonly rate: Compared & { readonly rise: number };
  /** Share of answers. */
  readonly servfail: Compared;
  /** 95th percentile, milliseconds. */
  readonly latencyMs: Compared;
  /** What of the rise is explained by what; shares are of the rise. */
  readonly explains: Readonly<Record<Kind | Split, readonly Part[]>>;
  /** What goes on at the same time, each with its share of the rise. */
  readonly incidents: readonly Incident[];
  /** Most likely first; those after the first are other readings of the same. */
  readonly causes: readonly Cause[];
  readonly sure: 'high' | 'medium' | 'low';
  /** Why not surer than that. */
  readonly doubts: readonly string[];
  readonly proposals: readonly Proposal[];
}

const SHOWN = 5;

export interface Looked {
  /** How the window was chosen. */
  readonly why?: string;
  /** What rose, where it is not what rises of the sum. */
  readonly rise?: Rise | undefined;
}

/** `others`: for what a rule would hit besides. */
export function diagnose(
  now: Slice,
  normal: Baseline,
  others: Others,
  trying: Trying,
  circumstances: Circumstances = NO_CIRCUMSTANCES,
  { why = '', rise = riseOf(now, normal) }: Looked = {},
): Diagnosis {
  const causes = causesOf(now, normal, rise, circumstances);
  const incidents = incidentsOf(now, normal, rise, circumstances);
  const first = causes[0];
  const parts = (list: readonly Part[]) =>
    list.slice(0, SHOWN).map(({ key, now, normal, share }) => ({ key, now, normal, share }));
  const networks = rise.heavy.network
    .slice(0, SHOWN)
    .map(({ key, now, normal, share, entry }) => ({ key, now, normal, share, lines: entry.distinct }));
  const explains = Object.fromEntries([
    ...KINDS.map((kind) => [kind, kind === 'network' ? networks : parts(rise.heavy[kind])]),
    ...SPLITS.map((split) => [split, parts(rise.splits[split])]),
  ]) as Record<Kind | Split, Part[]>;
  const rules = rise.risen ? incidents.map((incident, i) => proposalsOf(incident, i + 1, others, trying)) : [];
  const { sure, doubts } = certainty(first, normal, now, others);
  return {
    window: { from: new Date(now.startMs).toISOString(), seconds: now.seconds, why },
    baseline: { basis: normal.basis, samples: normal.samples, imported: normal.imported },
    rate: { now: rateOf(now), normal: normal.rate.median, spread: normal.rate.spread, rise: rise.rise },
    servfail: { now: servfailShare(now), normal: normal.servfail.median, spread: normal.servfail.spread },
    latencyMs: {
      now: quantile(now.totals.latencies, 0.95) ?? 0,
      normal: normal.latency.median,
      spread: normal.latency.spread,
    },
    explains,
    causes: causes.slice(0, 3),
    sure,
    doubts: [...doubts, ...withheldWords(rules.flatMap(({ withheld }) => withheld))],
    incidents: incidents.map(({ cause, share }) => ({ cause, share })),
    proposals: rules.flatMap(({ offered }) => offered),
  };
}

function certainty(
  first: Cause | undefined,
  normal: Baseline,
  now: Slice,
  { yesterday, today }: Others,
): Pick<Diagnosis, 'sure' | 'doubts'> {
  const doubts: string[] = [];
  if (normal.basis === 'none') doubts.push('there is no past to compare with yet: everything counts as risen');
  else if (normal.basis === 'moments before')
    doubts.push('compared with the moments before it only: the history is younger than three minutes');
  else if (normal.basis === 'minutes before')
    doubts.push('compared with the last hour only: a slow rise, or one that began earlier, does not show');
  else if (normal.basis !== 'hour of the week' || normal.samples < 6)
    doubts.push(
      `the normal is made of ${normal.samples} hours (${normal.basis}); five weeks of history make it firmer`,
    );
  if (normal.imported > 0)
    doubts.push(
      `${normal.imported} of the ${normal.samples} hours that the normal is made of were imported, not measured here`,
    );
  if (now.totals.queries < 1000) doubts.push(`only ${now.totals.queries} queries were looked at`);
  if (!yesterday && !today) doubts.push('no normal day is on record: what a rule would have hit is not known');
  const score = first?.score ?? 0;
  if (score < 0.5) doubts.push('the signs of the likeliest cause cover less than half of the rise');
  const grave = normal.basis === 'none' || score < 0.3;
  const high = score >= 0.7 && doubts.length <= 1 && normal.basis !== 'moments before';
  return { sure: grave ? 'low' : high ? 'high' : 'medium', doubts };
}

/** Rules that would end it and are not offered, without a single address. */
function withheldWords(withheld: readonly Proposal[]): string[] {
  const [least] = [...withheld].sort((one, other) => one.hits - other.hits);
  if (!least) return [];
  const what = least.match.source === undefined ? `to ${least.text}` : 'to limit that client';
  const share = (least.hits * 100).toFixed(1);
  return [
    `no rule is offered: ${what} would touch ${least.hitsIsUpperBound ? 'up to ' : ''}${share} % of what others ask, more than ${MOST_COLLATERAL * 100} %`,
  ];
}
