/**
 * An attacker for the tests of disclosure: holds everything that leaves the history (reports of any windows, before and after; or the
 * file on disk), and tries to say which source asked for which name. It compares numbers: of one window, of differences of successive
 * windows, of sums; and where numbers are not told, when somebody appears. Not part of the server.
 */

/** Numbers of one key in successive observations; undefined where it was not there. */
export type Track = readonly (number | undefined)[];

export interface Guess {
  readonly source: string;
  readonly name: string;
}

/** Observations of names and of sources, in the same order. */
export interface Observed {
  readonly names: ReadonlyMap<string, Track>;
  readonly sources: ReadonlyMap<string, Track>;
}

/** From what each observation showed. */
export function tracksOf(
  observations: readonly {
    readonly names: ReadonlyMap<string, number | null>;
    readonly sources: ReadonlyMap<string, number | null>;
  }[],
): Observed {
  const follow = (side: 'names' | 'sources') => {
    const keys = new Set(observations.flatMap((each) => [...each[side].keys()]));
    return new Map(
      [...keys].map((key) => [
        key,
        observations.map((each) => (each[side].has(key) ? (each[side].get(key) ?? PRESENT) : undefined)),
      ]),
    );
  };
  return { names: follow('names'), sources: follow('sources') };
}

/** There, without a number: all that it tells is when. */
const PRESENT = -1;

/** Every source that can be told from others gets the name whose numbers are nearest, each name once. */
export function joined({ names, sources }: Observed, method: 'counts' | 'differences' | 'sums' | 'presence'): Guess[] {
  const seen = (track: Track) => featuresOf(track, method);
  const pairs = [...sources].flatMap(([source, track]) =>
    [...names].map(([name, other]) => ({ source, name, distance: distance(seen(track), seen(other)) })),
  );
  // A guess that ties is no knowledge: such a pair is taken in an order that has nothing to do with the truth.
  pairs.sort((one, other) => one.distance - other.distance || scramble(one) - scramble(other));
  const guesses: Guess[] = [];
  const taken = new Set<string>();
  for (const { source, name, distance: far } of pairs) {
    if (!Number.isFinite(far) || taken.has(`s${source}`) || taken.has(`n${name}`)) continue;
    taken.add(`s${source}`).add(`n${name}`);
    guesses.push({ source, name });
  }
  return guesses;
}

function featuresOf(track: Track, method: 'counts' | 'differences' | 'sums' | 'presence'): (number | undefined)[] {
  switch (method) {
    case 'counts':
      return [...track];
    case 'differences':
      return track.slice(1).map((value, i) => (value ?? 0) - (track[i] ?? 0));
    case 'sums':
      return [track.reduce<number>((sum, value) => sum + (value ?? 0), 0)];
    case 'presence':
      return track.map((value) => (value === undefined ? 0 : 1));
  }
}

function distance(one: readonly (number | undefined)[], other: readonly (number | undefined)[]): number {
  return one.reduce<number>((sum, value, i) => {
    const with_ = other[i];
    if (value === undefined && with_ === undefined) return sum;
    if (value === PRESENT || with_ === PRESENT) return sum + (value === undefined || with_ === undefined ? 1 : 0);
    return sum + Math.abs((value ?? 0) - (with_ ?? 0)) / Math.max(1, value ?? 0, with_ ?? 0);
  }, 0);
}

function scramble({ source, name }: Guess): number {
  let hash = 2166136261;
  for (const character of `${name}|${source}`) hash = Math.imul(hash ^ character.charCodeAt(0), 16777619) >>> 0;
  return hash;
}
