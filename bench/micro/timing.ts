/**
 * Times small pieces of code: warm-up, rounds of equal length, medians; and what each operation allocates.
 *
 * A case loops itself (`run(iterations)`), so that no call through a closure stands between it and the code measured, and
 * returns a number that depends on the work, so that the compiler cannot drop it. All cases are warmed up before the
 * first is timed, and rounds are interleaved: a slow spell of the machine hits all of them.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

export interface Case {
  name: string;
  /** Do it `iterations` times. The result keeps the work alive. */
  run(iterations: number): number;
}

export interface Timing {
  name: string;
  /** Median over the rounds, nanoseconds per operation. */
  nanoseconds: number;
  /** Fastest and slowest round. */
  fastest: number;
  slowest: number;
  /** Bytes of heap taken per operation, rounded to a tenth: the most of the rounds that no collection came into. */
  bytes: number;
}

const ROUNDS = 9;
const ROUND_MS = 40;
const WARM_UP_MS = 150;
/** Few enough that what they allocate fits the young generation, and no collection hides it. */
const ALLOCATION_ITERATIONS = 300;

let kept = 0;

/** Time `cases` and print a Markdown table under `title`. */
export function compare(title: string, cases: readonly Case[]): Timing[] {
  const iterations = cases.map((one) => calibrate(one));
  const rounds = cases.map((): number[] => []);
  for (let round = 0; round < ROUNDS; round++) {
    cases.forEach((one, i) => {
      rounds[i]?.push(timeOf(one, iterations[i] ?? 1));
    });
  }
  const timings = cases.map((one, i): Timing => {
    const sorted = (rounds[i] ?? []).sort((a, b) => a - b);
    return {
      name: one.name,
      nanoseconds: sorted[ROUNDS >> 1] ?? Number.NaN,
      fastest: sorted[0] ?? Number.NaN,
      slowest: sorted.at(-1) ?? Number.NaN,
      bytes: allocationOf(one),
    };
  });
  console.log(`\n**${title}**\n\n| what | ns | fastest–slowest | bytes allocated |\n|---|---|---|---|`);
  for (const { name, nanoseconds, fastest, slowest, bytes } of timings) {
    console.log(`| ${name} | ${short(nanoseconds)} | ${short(fastest)}–${short(slowest)} | ${bytes.toFixed(1)} |`);
  }
  return timings;
}

/** Iterations that take about ROUND_MS once the code is compiled. */
function calibrate(one: Case): number {
  let iterations = 16;
  const end = performance.now() + WARM_UP_MS;
  let perIteration = Number.POSITIVE_INFINITY;
  while (performance.now() < end) {
    perIteration = timeOf(one, iterations);
    if (iterations * perIteration < 5e6) iterations *= 2;
  }
  return Math.max(1, Math.round((ROUND_MS * 1e6) / perIteration));
}

function timeOf(one: Case, iterations: number): number {
  const begin = performance.now();
  kept += one.run(iterations);
  return ((performance.now() - begin) * 1e6) / iterations;
}

function allocationOf(one: Case): number {
  const collect = collector();
  let most = 0;
  for (let round = 0; round < 5; round++) {
    collect();
    // Twice without the work: the first call itself still allocates.
    process.memoryUsage();
    const empty = process.memoryUsage().heapUsed;
    const before = process.memoryUsage().heapUsed;
    kept += one.run(ALLOCATION_ITERATIONS);
    const grown = process.memoryUsage().heapUsed - before - (before - empty);
    most = Math.max(most, grown / ALLOCATION_ITERATIONS);
  }
  return Math.round(most * 10) / 10;
}

/** V8's collector, without asking the user to start node with --expose-gc. */
function collector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}

function short(nanoseconds: number): string {
  return nanoseconds >= 100 ? nanoseconds.toFixed(0) : nanoseconds.toPrecision(3);
}

process.on('exit', () => {
  // Read once, so that no compiler can prove the sum unused.
  if (Number.isNaN(kept)) console.error('a case returned NaN');
});
