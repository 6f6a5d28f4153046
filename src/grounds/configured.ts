/**
 * The grounds that stand in a configuration, wherever they do: found by their shape, so that a plugin whose options hold one is
 * held to the same bounds without doing anything for it.
 */
import { expiryMs, type Ground } from './ground.ts';
import { configuredTermProblem } from './stated.ts';

export interface PlacedGround {
  /** Keys that lead to it from where the search began. */
  readonly path: readonly (string | number)[];
  readonly ground: Ground;
}

const KINDS: readonly unknown[] = ['self-defence', 'necessity', 'legitimate-business'] satisfies Ground['kind'][];
/** Options are written by people; what lies deeper is no ground of theirs. */
const MAX_DEPTH = 12;

/** All grounds in `value`, which has been parsed: what looks like a ground is a whole one. */
export function groundsIn(value: unknown, path: readonly (string | number)[] = []): PlacedGround[] {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || path.length > MAX_DEPTH) return [];
  if (isGround(value)) return [{ path, ground: value }];
  const entries: (readonly [string | number, unknown])[] = Array.isArray(value)
    ? value.map((each, i) => [i, each] as const)
    : Object.entries(value);
  return entries.flatMap(([key, each]) => groundsIn(each, [...path, key]));
}

/** What is wrong with the terms of the grounds in `value`. */
export function termFindings(
  value: unknown,
  path: readonly (string | number)[],
  wallMs: number,
): { path: (string | number)[]; message: string }[] {
  return groundsIn(value, path).flatMap((placed) => {
    const problem = configuredTermProblem(placed.ground, wallMs);
    return problem === undefined ? [] : [{ path: [...placed.path, problem.key], message: problem.message }];
  });
}

/** Those that have ended by themselves: what stands on them does not act, which is worth a line in the log at every start. */
export function endedFindings(
  value: unknown,
  path: readonly (string | number)[],
  wallMs: number,
): { path: (string | number)[]; message: string }[] {
  return groundsIn(value, path).flatMap((placed) => {
    const endsMs = expiryMs(placed.ground);
    return endsMs === undefined || endsMs > wallMs
      ? []
      : [{ path: [...placed.path, 'expires'], message: 'has passed: what stands on this ground does not act' }];
  });
}

function isGround(value: object): value is Ground {
  const { kind, approver, expires, review } = value as Record<string, unknown>;
  const until = kind === 'legitimate-business' ? review : expires;
  return KINDS.includes(kind) && typeof approver === 'string' && typeof until === 'string';
}
