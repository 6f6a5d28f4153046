/** Which minutes are looked at, and the diagnosis of them: those that fit the incident, unless whoever asks says which. */
import { LEAST_QUERIES, type Resolution } from './archive.ts';
import { type Baseline, withMemory } from './baseline.ts';
import type { HistoryDesk } from './desk.ts';
import { type Diagnosis, diagnose, type Looked } from './diagnosis.ts';
import type { Signal } from './overload.ts';
import type { Trying } from './proposals.ts';
import { sustainedRise } from './rise.ts';
import { byKind, mergeSlices, type Slice } from './slice.ts';
import { LONG_SPANS, unusualRun } from './window.ts';

/** What tries rules on slices. */
export type TryingOn = (slices: readonly Slice[]) => Trying;

/** Where nothing is unusual, so many seconds are told of. */
const ORDINARY_SECONDS = 60;
const MINUTE_SPAN = 24 * 3600;
/** Hours of which the normal of a long span is made. */
const POINTS: Readonly<Record<number, number>> = { 3600: 1, 21600: 3, 86400: 4 };
const MERGED = 900;

/** Undefined where nothing was asked. */
export async function fittedDiagnosis(desk: HistoryDesk, trying: TryingOn): Promise<Diagnosis | undefined> {
  const memory = desk.memory();
  const normal = await desk.normal();
  const run = unusualRun(memory, normal);
  const found: Diagnosis[] = [];
  if (run) {
    const others = await desk.others(run.fromMs);
    const circumstances = desk.circumstances(run.slices, run.fromMs);
    const why = `from where it began${run.longer ? ', its last five minutes' : ''}, in what is in memory`;
    const now = mergedOf(run.slices);
    const usual = withMemory(normal, others.before);
    if (now.totals.queries > 0) found.push(diagnose(now, usual, others, trying(run.slices), circumstances, { why }));
    if (found.some(says)) return found[0];
  }
  const recent = desk.slices(ORDINARY_SECONDS);
  const now = mergedOf(recent);
  const others = await desk.others(now.startMs);
  const looked: Looked = { why: 'the last minute: nothing before it is more unusual' };
  if (now.totals.queries > 0)
    found.push(
      diagnose(
        now,
        withMemory(normal, others.before),
        others,
        trying(recent),
        desk.circumstances(recent, run?.fromMs),
        looked,
      ),
    );
  const short = found.find(says);
  if (short) return short;
  for (const seconds of LONG_SPANS) {
    const long = await longDiagnosis(desk, seconds, trying);
    if (long && says(long)) return long;
  }
  return found[0];
}

/** Over hours, with what is normal in each of them. */
async function longDiagnosis(desk: HistoryDesk, seconds: number, trying: TryingOn): Promise<Diagnosis | undefined> {
  const toMs = desk.wallMs();
  const fromMs = toMs - seconds * 1000;
  const normal = await desk.normalSince(fromMs, POINTS[seconds] ?? 1);
  if (normal.basis === 'none') return undefined;
  const slices = await desk.kept(seconds <= 3600 ? 'minute' : 'hour', fromMs, toMs);
  const now = mergedOf(slices);
  // A server that was not up for most of it says nothing of so long.
  if (now.seconds < seconds / 2) return undefined;
  const others = await desk.others(fromMs);
  const why = `the last ${seconds / 3600} h: nothing shows in the last quarter of an hour, what goes on for longer does`;
  const circumstances = desk.circumstances([], undefined);
  const whole = diagnose(now, normal, others, trying(slices), circumstances, { why });
  if (says(whole)) return whole;
  const rise = sustainedRise(now, normal);
  return rise && diagnose(now, normal, others, trying(slices), circumstances, { why, rise });
}

/** The window that was asked for. Undefined where nothing was asked in it. */
export async function givenDiagnosis(
  desk: HistoryDesk,
  slices: readonly Slice[],
  trying: TryingOn,
): Promise<Diagnosis | undefined> {
  const now = mergedOf(slices);
  if (now.totals.queries === 0) return undefined;
  const normal: Baseline = await desk.normal();
  const began = unusualRun(desk.memory(), normal)?.fromMs;
  const others = await desk.others(began ?? now.startMs);
  const usual = withMemory(normal, others.before);
  return diagnose(now, usual, others, trying(slices), desk.circumstances(slices, began), {});
}

/** Slices of the window that was asked for: out of memory, of minutes, or beyond a day of hours. */
export async function slicesOf(desk: HistoryDesk, seconds: number): Promise<readonly Slice[]> {
  if (seconds <= MERGED) return desk.slices(seconds);
  const toMs = desk.wallMs();
  const resolution: Resolution = seconds <= MINUTE_SPAN ? 'minute' : 'hour';
  const slices = await desk.kept(resolution, toMs - seconds * 1000, toMs);
  return slices.length > 0 ? slices : desk.slices(60);
}

/** One slice; what was asked a few times only is nobody's heavy hitter: with little traffic, single look-ups would show. */
export function mergedOf(slices: readonly Slice[]): Slice {
  const slice = mergeSlices(slices, MERGED);
  return { ...slice, tops: byKind((kind) => slice.tops[kind].filter(({ count }) => count >= LEAST_QUERIES)) };
}

function says({ causes: [first] }: Diagnosis): boolean {
  return first !== undefined && first.cause !== 'unexplained' && first.cause !== 'nothing-unusual';
}

/** Beside an open overload nothing is called normal with confidence: what was seen of it is said. */
export function besideOverload(diagnosis: Diagnosis, signals: readonly Signal[], declared: boolean): Diagnosis {
  const [first, ...rest] = diagnosis.causes;
  if (first?.cause !== 'nothing-unusual') return diagnosis;
  if (declared && signals.length === 0)
    return {
      ...diagnosis,
      sure: 'low',
      doubts: ['somebody has declared an overload, and nothing that is measured here shows it', ...diagnosis.doubts],
    };
  const seen = signals.map(
    ({ signal, value, threshold }) => `${signal} is ${short(value)}, from ${short(threshold)} on it is too much`,
  );
  const why =
    signals.length > 0
      ? 'An overload is open, and names, sources and answers of these minutes are what they always are: the cause is not in the queries. Below is what is above its threshold; look at the machine, the network and the upstreams.'
      : 'An overload was detected, and nothing that is measured here is unusual in the last quarter of an hour, nor over hours.';
  const cause = { ...first, cause: 'unexplained' as const, text: why, score: 0.1, signs: seen };
  const doubts = ['an overload is open, and the queries do not show why', ...diagnosis.doubts];
  return { ...diagnosis, causes: [cause, ...rest], sure: 'low', doubts };
}

function short(value: number): string {
  return value.toFixed(value < 10 ? 2 : 0);
}
