/**
 * The narrowest rules that would end it (当該特性に合致する通信のみ). Each says what it matches, which share of the rise it
 * would remove, and which share of what others ask it touches (collateral.ts). An operator puts one in
 * force (application.ts).
 */
import type { MeasureMatch } from '../../src/contract/plugin.ts';
import type { Cause } from './cause.ts';
import { amplifying } from './causes.ts';
import { collateral, type Others } from './collateral.ts';
import type { FoundIncident } from './incidents.ts';
import { TYPE_CLASSES } from './layout.ts';
import type { HeavyPart, Rise } from './rise.ts';
import { roundedRate } from './rounding.ts';
import { attribute, type Entry, type Slice } from './slice.ts';
import { entryFor, keyOf, kindOf, type Sees, type Trial, trialOf } from './trial.ts';

export type Match = MeasureMatch;

export interface Proposal {
  readonly match: Match;
  /** For people. */
  readonly text: string;
  /** Which plugin would carry it out. */
  readonly plugin: 'random-subdomain' | 'amp-shaper' | 'sinkhole';
  /** Of the incidents that go on, the one that it would end: its place, from 1. */
  readonly incident: number;
  /** A dry run of this very rule over the minutes that were looked at: what is not matched there is not promised. */
  readonly trial: Trial;
  /** Share of the rise that it removes, 0–1: what its dry run would have limited. */
  readonly removes: number;
  /** Collateral: of what others ask today and asked in the last day, the share that it touches; an upper bound where the key was rare. */
  readonly hits: number;
  readonly hitsIsUpperBound: boolean;
  /** It blocks a whole zone: only where nothing narrower works. */
  readonly escalation: boolean;
  /** Queries a second that match, now and normally. */
  readonly nowPerSecond: number;
  readonly normalPerSecond: number;
  /** Queries a second that would still pass, and why so many. */
  readonly limitPerSecond: number;
  readonly limitRationale: string;
}

/** Of what came on top, what still passes beside the normal: it shows when it is over. */
const LIMIT_OF_RISE = 0.05;

/** What rules are tried on, and what there is already. */
export interface Trying {
  /** Of the minutes that were looked at, as they were recorded. */
  readonly slices: readonly Slice[];
  sees(plugin: string): Sees;
  /** A rule in force does the same already, or more. */
  isCovered(plugin: string, match: Match): boolean;
}

/**
 * Of what its incident explains, a rule that is offered removes at least so much by its dry run. A slice that the incident began in lowers
 * that: applied, such a rule removes nine tenths and more.
 */
const LEAST_OF_INCIDENT = 0.85;
/** The same where one a second passes, the least that can: of a few a second that is much. */
const LEAST_OF_FEW = 0.5;
/** Of what others ask, a rule that is offered touches at most so much. */
export const MOST_COLLATERAL = 0.01;

/** Best first: what removes nearly as much as the best, ordered by how little else it hits. None that is in force already. */
export function proposalsOf(
  { cause, rise, share }: FoundIncident,
  incident: number,
  others: Others,
  trying: Trying,
): { readonly offered: Proposal[]; readonly withheld: Proposal[] } {
  const candidates = matchesFor(cause, rise)
    .map((match) => ({ ...evaluated(cause, match, rise, others, trying), incident }))
    .filter(({ plugin, match }) => !trying.isCovered(plugin, match));
  const removing = candidates.filter(
    ({ removes, limitPerSecond }) =>
      removes > 0 && removes >= share * (limitPerSecond <= 1 ? LEAST_OF_FEW : LEAST_OF_INCIDENT),
  );
  const useful = removing.filter(({ hits }) => hits <= MOST_COLLATERAL);
  const best = Math.max(0, ...useful.map(({ removes }) => removes));
  const close = (proposal: Proposal) => proposal.removes >= best * 0.95;
  const offered = useful
    .sort(
      (one, other) =>
        Number(close(other)) - Number(close(one)) ||
        Number(one.escalation) - Number(other.escalation) ||
        one.hits - other.hits ||
        fields(other.match) - fields(one.match),
    )
    .slice(0, 3);
  return { offered, withheld: offered.length > 0 ? [] : removing };
}

const fields = (match: Match) => Object.keys(match).length;

/** What could be matched, for what the cause is about. */
function matchesFor({ cause, about }: Cause, rise: Rise): Match[] {
  const typed = (entry: Entry | undefined, match: Match): Match[] => {
    const [type, share] = entry ? leadingType(entry) : ['OTHER', 0];
    return type !== 'OTHER' && share >= 0.9 ? [{ ...match, type }, match] : [match];
  };
  const find = (parts: readonly HeavyPart[]) => parts.find(({ key }) => key === about)?.entry;
  switch (cause) {
    case 'tunnel':
      return [{ pattern: `*.${about}` }];
    case 'random-subdomain': {
      const pattern = about.startsWith('*.') ? about : `*.${about}`;
      const domain = about.replace(/^\*\./, '');
      return [...typed(find([...rise.heavy.pattern, ...rise.heavy.domain]), { pattern }), { domain }];
    }
    case 'amplification': {
      const names = rise.heavy.name.filter(({ entry }) => amplifying(entry) >= 0.5).slice(0, 3);
      return names.flatMap(({ key, entry }) => typed(entry, { name: key }));
    }
    case 'broken-client':
      return typed(find(rise.heavy.address), { source: about });
    case 'retry-storm':
      return rise.heavy.name
        .filter(({ entry }) => attribute(entry, 'servfail') >= entry.count / 2)
        .slice(0, 3)
        .map(({ key }) => ({ name: key }));
    case 'failing-authority':
      return [{ pattern: `*.${about}` }, ...typed(find(rise.heavy.domain), { domain: about })];
    default:
      return [];
  }
}

function leadingType(entry: Entry): [string, number] {
  const shares = TYPE_CLASSES.map((type): [string, number] => [
    type,
    attribute(entry, type) / Math.max(1, entry.count),
  ]);
  return shares.sort(([, one], [, other]) => other - one)[0] ?? ['OTHER', 0];
}

function evaluated(
  cause: Cause,
  match: Match,
  rise: Rise,
  others: Others,
  { slices, sees }: Trying,
): Omit<Proposal, 'incident'> {
  const part = partOf(match, rise);
  const typeShare = (entry: Entry | undefined) =>
    match.type === undefined || !entry
      ? 1
      : attribute(entry, match.type as (typeof TYPE_CLASSES)[number]) / Math.max(1, entry.count);
  const exact = (part?.now ?? 0) * typeShare(part?.entry);
  const usual = (part?.normal ?? 0) * typeShare(others.yesterday && entryFor(match, others.yesterday));
  // Rates are kept with the measure. Those of a source to one digit, so that they are not found again among the names.
  const onSource = match.source !== undefined;
  const now = onSource ? roundedRate(exact) : exact;
  const normal = onSource ? roundedRate(usual) : usual;
  const plugin = pluginFor(cause);
  const limit = limitFor(plugin, now, normal);
  const trial = trialOf(match, limit.limitPerSecond, sees(plugin), slices);
  // What the rule is about has to have risen, and what it would have limited is what it removes.
  const above = Math.min(exact - Math.max(usual, limit.limitPerSecond), trial.limitedPerSecond);
  const removes = rise.rise > 0 ? Math.min(1, Math.max(0, above / rise.rise)) : 0;
  return {
    match,
    text: textOf(cause, match),
    plugin,
    trial,
    removes,
    ...collateral(match, sees(plugin), others),
    escalation: match.domain !== undefined,
    nowPerSecond: now,
    normalPerSecond: normal,
    ...limit,
  };
}

function limitFor(
  plugin: Proposal['plugin'],
  now: number,
  normal: number,
): Pick<Proposal, 'limitPerSecond' | 'limitRationale'> {
  if (plugin === 'sinkhole')
    return {
      limitPerSecond: 0,
      limitRationale: 'a discarded name is discarded for every query: its answers stay short',
    };
  const limitPerSecond = Math.max(1, Math.ceil(normal + Math.max(0, now - normal) * LIMIT_OF_RISE));
  const limitRationale = `the normal (${normal.toFixed(1)}/s) and a twentieth of what came on top of it (${now.toFixed(1)}/s now), at least 1: who asks rightly mostly gets through`;
  return { limitPerSecond, limitRationale };
}

function partOf(match: Match, rise: Rise): HeavyPart | undefined {
  const kind = kindOf(match);
  const key = keyOf(match);
  const found = rise.heavy[kind].find((part) => part.key === key);
  // The flood may hold patterns below the one that is matched; the domain's own row has them all.
  if (found || kind !== 'pattern') return found;
  return rise.heavy.domain.find((part) => `*.${part.key}` === key);
}

function pluginFor({ cause }: Cause): Proposal['plugin'] {
  if (cause === 'random-subdomain' || cause === 'failing-authority' || cause === 'tunnel') return 'random-subdomain';
  return 'amp-shaper';
}

function textOf({ cause }: Cause, { name, pattern, domain, type, source }: Match): string {
  const what = name ?? pattern ?? (domain === undefined ? undefined : `${domain} and everything below it`);
  const object = [type === undefined ? 'queries' : `${type} queries`, what && `for ${what}`, source && `from ${source}`]
    .filter(Boolean)
    .join(' ');
  if (cause === 'random-subdomain' || cause === 'failing-authority' || cause === 'tunnel')
    return `limit cache misses of ${object}`;
  return `truncate or limit ${object}`;
}
