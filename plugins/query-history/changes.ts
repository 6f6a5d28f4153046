/**
 * What somebody or something changed at the minute in which it began: the configuration, a list. That the two fall together is no
 * proof, so that it comes first only where no name, zone or client explains what is unusual, or where the answers show it.
 */

import type { Baseline } from './baseline.ts';
import { type Cause, ofNames, percent } from './cause.ts';
import type { Slice } from './slice.ts';

export interface ServerChange {
  readonly what: 'configuration' | 'list';
  /** The lists that changed; empty for a configuration. */
  readonly names: readonly string[];
  readonly wallMs: number;
}

/** An effect shows within a minute or two: TTLs and retries pass. */
const BEFORE_MS = 120_000;
/** Begins are known to ten seconds. */
const AFTER_MS = 11_000;
/** Share of the answers that are others than usual, from which on the change shows in them. */
const OTHER_ANSWERS = 0.08;

/** `beganMs`: wall clock at which what is unusual began; undefined where that is not known. `explained`: by names or sources. */
export function changeCauses(
  now: Slice,
  normal: Baseline,
  changes: readonly ServerChange[],
  beganMs: number | undefined,
  explained: boolean,
): Cause[] {
  if (beganMs === undefined) return [];
  const near = changes.filter(({ wallMs }) => wallMs >= beganMs - BEFORE_MS && wallMs <= beganMs + AFTER_MS);
  const answers = otherAnswers(now, normal);
  return (['configuration', 'list'] as const).flatMap((kind) => {
    const change = near.filter(({ what }) => what === kind).at(-1);
    if (!change) return [];
    const seconds = Math.round((beganMs - change.wallMs) / 1000);
    const at = new Date(change.wallMs).toISOString().slice(11, 19);
    const when = seconds > 10 ? `${seconds} seconds before it began` : 'as it began';
    const what =
      kind === 'configuration'
        ? `The configuration was changed at ${at} UTC, ${when}`
        : `A list was changed at ${at} UTC, ${when}: ${change.names.slice(0, 3).join(', ')}`;
    const how =
      kind === 'configuration'
        ? '`sekisho audit` has who and what; take the change back if it is the cause.'
        : '`sekisho lists` shows the version in force, and `sekisho lists rollback` takes the one before.';
    // What the answers of policy show no attack does: they come from no cache and from no upstream.
    const shown = kind === 'list' ? answers.byPolicy >= OTHER_ANSWERS : answers.other >= OTHER_ANSWERS && !explained;
    return [
      ofNames({
        cause: kind === 'configuration' ? 'configuration-change' : 'list-change',
        text: `${what}. ${how}`,
        score: shown ? 1 : explained ? 0.45 : 0.62,
        signs: [
          `${percent(answers.other)} of the answers are others than usual`,
          `${percent(answers.byPolicy)} more than usual come from no cache and no upstream, as answers of policy do`,
        ],
        about: '',
      }),
    ];
  });
}

/** Of the answers: those of another code than usual, and those that policy gives beyond the usual. */
export function otherAnswers(
  { totals }: Slice,
  normal: Baseline,
): { readonly other: number; readonly byPolicy: number } {
  const shares = (counts: Iterable<readonly [string, number]>) => {
    const list = [...counts];
    const sum = list.reduce((all, [, count]) => all + count, 0);
    return new Map(list.map(([key, count]) => [key, sum === 0 ? 0 : count / sum]));
  };
  const [now, usual] = [shares(Object.entries(totals.rcodes)), shares(normal.rcodes)];
  const keys = new Set([...now.keys(), ...usual.keys()]);
  const other = [...keys].reduce((sum, key) => sum + Math.abs((now.get(key) ?? 0) - (usual.get(key) ?? 0)), 0) / 2;
  const [cache, usualCache] = [shares(Object.entries(totals.cache)), shares(normal.cache)];
  return { other, byPolicy: Math.max(0, (cache.get('none') ?? 0) - (usualCache.get('none') ?? 0)) };
}
