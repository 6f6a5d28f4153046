/**
 * Incidents that go on at the same time, side by side: the likeliest cause explains its share; what it explains is taken out, and
 * what is left is looked at again.
 *
 *     rise ─▶ first cause, its share ─▶ rise without its names (or its client) ─▶ second cause, its share ─▶ …
 *
 * Names and sources are two marginals: nobody knows who asked for what. A cause of the one is an incident beside a cause of
 * the other only where the two shares fit side by side into the rise; else they may be the same queries, told twice.
 */

import { type Circumstances, NO_CIRCUMSTANCES } from './aggregate-causes.ts';
import type { Baseline } from './baseline.ts';
import type { Cause } from './cause.ts';
import { causesOf } from './causes.ts';
import { TYPE_CLASSES } from './layout.ts';
import { type HeavyPart, liesIn, type Part, type Rise } from './rise.ts';
import { attribute, byKind, type Slice } from './slice.ts';

export interface Incident {
  readonly cause: Cause;
  /** Of the rise, 0–1; of an incident that is no rise (an upstream that does not answer), of the failures. */
  readonly share: number;
}

/** An incident, with the part of the load that it was found in. */
export interface FoundIncident extends Incident {
  readonly rise: Rise;
}

const MOST = 4;
/** What explains less beside another incident is no incident of its own. */
const LEAST_SHARE = 0.12;
/** Shares are estimates: so much more than the whole still fits side by side. */
const FITS = 1.1;

/** Likeliest first; empty where nothing is unusual, or nothing explains it. */
export function incidentsOf(
  now: Slice,
  normal: Baseline,
  rise: Rise,
  circumstances: Circumstances = NO_CIRCUMSTANCES,
): FoundIncident[] {
  const found: FoundIncident[] = [];
  let [left, leftNow] = [rise, now];
  while (found.length < MOST) {
    const cause = causesOf(leftNow, normal, left, circumstances).find(
      (each) =>
        each.cause !== 'unexplained' &&
        each.cause !== 'nothing-unusual' &&
        !found.some(({ cause: before }) => before.cause === each.cause && before.about === each.about),
    );
    if (!cause) return found;
    const share = Math.min(1, shareOf(cause, left));
    const others = found.filter(({ cause: before }) => before.side !== cause.side);
    const fits = others.reduce((sum, other) => sum + other.share, share) <= FITS;
    if (found.length > 0 && (share < LEAST_SHARE || !fits)) return found;
    found.push({ cause, share, rise: left });
    const gone = partsOf(cause, left);
    if (gone.length === 0) return found;
    left = withoutParts(left, cause, gone);
    leftNow = withoutEntries(leftNow, cause);
  }
  return found;
}

/** What of the rise is the cause's; where it has no part of its own in it, what its signs cover. */
function shareOf(cause: Cause, rise: Rise): number {
  if (cause.covers !== undefined) return cause.covers;
  const largest = partsOf(cause, rise).reduce((most, { share }) => Math.max(most, share), 0);
  return largest > 0 ? largest : cause.score;
}

/** The widest part first counts: a pattern and the names below it are the same queries. */
function partsOf({ about, side }: Cause, { heavy }: Rise): HeavyPart[] {
  if (about === '') return [];
  if (side === 'sources') return heavy.address.filter(({ key }) => key === about);
  return [...heavy.pattern, ...heavy.domain, ...heavy.name].filter(
    ({ key }) => key === about || liesIn(bare(key), about),
  );
}

function bare(key: string): string {
  return key.replace(/^\*\./, '');
}

/** The rise without what the cause is about; shares stay those of the whole rise. */
function withoutParts(rise: Rise, { side, about }: Cause, gone: readonly HeavyPart[]): Rise {
  const keys = new Set(gone.map(({ key }) => key));
  const [widest] = [...gone].sort((one, other) => other.now - one.now);
  const names = side === 'names';
  const heavy = byKind((kind) => {
    const ofNames = kind === 'name' || kind === 'domain' || kind === 'pattern';
    if (ofNames !== names) return rise.heavy[kind];
    return rise.heavy[kind].flatMap((part): HeavyPart[] => {
      if (keys.has(part.key)) return [];
      // A domain that holds the incident's zone, or a network that holds its client, keeps what is its own.
      const holds = names ? liesIn(bare(about), part.key) : kind === 'network' && (widest?.share ?? 0) <= part.share;
      if (!holds || !widest) return [part];
      const now = Math.max(0, part.now - widest.now);
      const share = Math.max(0, part.share - widest.share);
      return share < 0.02 ? [] : [{ ...part, now, share }];
    });
  });
  return { ...rise, heavy, splits: widest && names ? splitsWithout(rise, widest) : rise.splits };
}

/** Types, answers and cache results of the part are taken out of the sums, as far as they are known. */
function splitsWithout({ splits }: Rise, { entry, now, share }: HeavyPart): Rise['splits'] {
  const part = (what: Parameters<typeof attribute>[1]) => attribute(entry, what) / Math.max(1, entry.count);
  const less = (parts: readonly Part[], shares: Readonly<Record<string, number>>): Part[] =>
    parts.map((each) => {
      const of = shares[each.key] ?? 0;
      return { ...each, now: Math.max(0, each.now - now * of), share: Math.max(0, each.share - share * of) };
    });
  const types = Object.fromEntries(TYPE_CLASSES.map((type) => [type, part(type)]));
  const [failed, missed, missing] = [part('servfail'), part('misses'), part('nxdomain')];
  return {
    ...splits,
    types: less(splits.types, types),
    rcodes: less(splits.rcodes, { SERVFAIL: failed, NXDOMAIN: missing, NOERROR: Math.max(0, 1 - failed - missing) }),
    cache: less(splits.cache, { miss: missed, failure: Math.max(0, Math.min(failed, 1 - missed)) }),
    transports: less(splits.transports, { udp: 1 }),
  };
}

/** What failed within the incident's zone is explained as well. */
function withoutEntries(now: Slice, { side, about }: Cause): Slice {
  if (side !== 'names') return now;
  const within = (key: string) => key === about || liesIn(bare(key), about);
  const tops = byKind((kind) =>
    kind === 'network' || kind === 'address' ? now.tops[kind] : now.tops[kind].filter(({ key }) => !within(key)),
  );
  return { ...now, tops };
}
