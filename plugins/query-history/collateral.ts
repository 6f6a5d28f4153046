/**
 * Whom a rule touches besides what it is for: the share of what others ask that it matches. Others are everybody before it began,
 * today and in the last day, hours with an overload left out: somebody's name may be new today, and somebody's address
 * may stand for a thousand lines since this morning.
 */
import type { MeasureMatch } from '../../src/contract/plugin.ts';
import { addressWords, parsePrefix, prefixContains } from '../../src/contract/plugin.ts';
import { attribute, type Slice } from './slice.ts';
import { entryFor, kindOf, type Sees, typedOf } from './trial.ts';

/** Traffic that nothing was wrong with. */
export interface Others {
  /** The last 24 hours. */
  readonly yesterday: Slice | undefined;
  /** The last hours. */
  readonly today: Slice | undefined;
  /** The last quarter of an hour before it began, the only one in which single addresses are known. */
  readonly before: Slice | undefined;
}

export interface Collateral {
  /** Share of the queries of others, 0–1. */
  readonly hits: number;
  /** It may be less: what is not listed had at most so many. */
  readonly hitsIsUpperBound: boolean;
}

interface Touched {
  readonly share: number;
  readonly bound: boolean;
}

/** The most that any of them says; nothing is known without a past. */
export function collateral(match: MeasureMatch, sees: Sees, { yesterday, today, before }: Others): Collateral {
  const ofAddress = kindOf(match) === 'address';
  const slices = (ofAddress ? [before] : [yesterday, today, before]).filter((slice) => slice !== undefined);
  const said = slices.map((slice) => touched(match, sees, slice));
  if (ofAddress && said.length === 0) said.push(...[yesterday, today].flatMap((slice) => ofNetwork(match, slice)));
  const most = said.reduce<Touched | undefined>(
    (one, other) => (one && one.share >= other.share ? one : other),
    undefined,
  );
  return { hits: Math.min(1, most?.share ?? 0), hitsIsUpperBound: most?.bound ?? true };
}

function touched(match: MeasureMatch, sees: Sees, slice: Slice): Touched {
  const all = Math.max(1, slice.totals.queries);
  const entry = entryFor(match, slice);
  // The most that it can be, where the rule needs two things of a query at once.
  const typed = entry && typedOf(entry, match);
  const seen = typed !== undefined && sees === 'misses' ? Math.min(typed, attribute(entry!, 'misses')) : typed;
  if (seen !== undefined) return { share: seen / all, bound: false };
  return { share: slice.floors[kindOf(match)] / all, bound: true };
}

/** An address is not kept on disk: it had at most what its network had. */
function ofNetwork({ source = '' }: MeasureMatch, slice: Slice | undefined): Touched[] {
  if (!slice) return [];
  const words = addressWords(source);
  const network = slice.tops.network.find(({ key }) => prefixContains(parsePrefix(key), words));
  return [{ share: (network?.count ?? slice.floors.network) / Math.max(1, slice.totals.queries), bound: true }];
}
