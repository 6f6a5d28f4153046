/**
 * `npm run soak -- fleet [--toggles 10000]`: fleet/fleet.ts, with faults. `npm run soak -- resolve [--minutes 10]`: resolve-soak.ts.
 * `npm run soak [-- --minutes 10]`: the server under load for a long time, with reloads all the while. Popular names, new
 * names and names that do not exist, at 5 000 queries/s, two workers, a cache that is too small for all of it. In the first
 * half the cache fills and the allocator finds its level; in the second nothing may grow any more, and none may be lost.
 */
import { readdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { memory } from '../test/support/cpu.ts';
import { runDnsperf } from '../test/support/dnsperf.ts';
import { fuzzFrames } from '../test/support/frame-fuzz.ts';
import { startNsd } from '../test/support/nsd.ts';
import { startSekisho } from '../test/support/sekisho.ts';
import { nameOf, queryFile, randomNumbers, SHORT_APEX, ZONES } from './load/queries.ts';
import { median } from './load/statistics.ts';

const RATE = 5_000;
/** One sample, and one reload, per slice. */
const SLICE_SECONDS = 15;
const POPULAR = 2_000;
/** What memory may grow by from the third quarter to the last, medians compared: the collector's own swing. */
const MAX_GROWTH_MIB = 8;
const MAX_GROWTH_DESCRIPTORS = 8;

interface Sample {
  readonly residentMiB: number;
  readonly descriptors: number;
  readonly sent: number;
  readonly lost: number;
}

if (process.argv[2] === 'fleet') {
  const { fleetBench } = await import('./fleet/fleet.ts');
  await fleetBench(['faults', ...process.argv.slice(3)]);
  process.exit();
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: '10' },
    zones: { type: 'string', default: '12000' },
    rate: { type: 'string', default: '2000' },
  },
});
if (positionals[0] === 'resolve') {
  const { soakResolve } = await import('./resolve-soak.ts');
  await soakResolve(Number(values.minutes), Number(values.zones), Number(values.rate));
  process.exit();
}

// Frames of strangers, mutilated, through the fast path's reader and writer: throws where one gets beyond its bounds.
const FRAMES = 2_000_000;
process.stderr.write(`${FRAMES} frames, ${fuzzFrames(FRAMES, 20261129)} of them taken for sound, all within bounds\n`);

const slices = Math.max(4, Math.ceil((Number(values.minutes) * 60) / SLICE_SECONDS));
if (!(slices < 10_000)) throw new Error(`--minutes ${values.minutes}: a number of minutes is needed`);

const random = randomNumbers(20261122);
const authority = await startNsd({ zones: ZONES });
const server = await startSekisho({
  config: {
    server: { workers: 2, log: { level: 'warn' } },
    upstream: { servers: [`127.0.0.1:${authority.port}`] },
    cache: { size: '16MiB' },
  },
});
const samples: Sample[] = [];
try {
  for (let slice = 0; slice < slices; slice++) {
    process.stderr.write(`\rslice ${slice + 1} of ${slices} `);
    const reloading = setTimeout(() => process.kill(server.pid, 'SIGHUP'), (SLICE_SECONDS * 1000) / 2);
    const { sent, lost } = await runDnsperf({
      port: server.port,
      queryFile: namesOf(slice),
      rate: RATE,
      seconds: SLICE_SECONDS,
    });
    clearTimeout(reloading);
    const descriptors = readdirSync(`/proc/${server.pid}/fd`).length;
    samples.push({ residentMiB: memory(server.pid).rssBytes / 2 ** 20, descriptors, sent, lost });
  }
} finally {
  process.stderr.write('\n');
  await server.stop();
  await authority.stop();
}
report();

/** A new mix for each slice: seven of ten popular, two new, one that does not exist. */
function namesOf(slice: number): string {
  return queryFile(`soak-${slice}`, RATE * SLICE_SECONDS, (i) => {
    const draw = random();
    if (draw < 0.7) return `${nameOf(SHORT_APEX, 'pop', Math.floor(random() ** 2 * POPULAR))} A`;
    if (draw < 0.9) return `${nameOf(SHORT_APEX, `s${slice}-`, i)} A`;
    return `${nameOf('none.bench', `n${slice}-`, i)} A`;
  });
}

function report(): void {
  const half = Math.floor(samples.length / 2);
  const threeQuarters = Math.floor((samples.length * 3) / 4);
  const growth = (of: (sample: Sample) => number) =>
    median(samples.slice(threeQuarters).map(of)) - median(samples.slice(half, threeQuarters).map(of));
  const memoryGrowth = growth(({ residentMiB }) => residentMiB);
  const descriptorGrowth = growth(({ descriptors }) => descriptors);
  const lost = samples.reduce((sum, sample) => sum + sample.lost, 0);
  const sent = samples.reduce((sum, sample) => sum + sample.sent, 0);
  console.log('| slice | resident MiB | descriptors | sent | lost |\n|---|---|---|---|---|');
  for (const [i, sample] of samples.entries()) {
    if (i % Math.ceil(samples.length / 20) !== 0 && i < samples.length - 1) continue;
    console.log(
      `| ${i + 1} | ${sample.residentMiB.toFixed(1)} | ${sample.descriptors} | ${sample.sent} | ${sample.lost} |`,
    );
  }
  const faults: string[] = [];
  if (memoryGrowth > MAX_GROWTH_MIB) faults.push(`memory grew by ${memoryGrowth.toFixed(1)} MiB`);
  if (descriptorGrowth > MAX_GROWTH_DESCRIPTORS) faults.push(`descriptors grew by ${descriptorGrowth}`);
  if (lost > 0) faults.push(`${lost} queries were lost`);
  console.log(
    `\n${sent} queries over ${samples.length} reloads: ${faults.length === 0 ? 'no leak, none lost' : faults.join(', ')}`,
  );
  if (faults.length > 0) process.exitCode = 1;
}
