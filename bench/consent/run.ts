/**
 * Consent in the whole server: CPU per query with a million names and a million subscribers against the core alone, toggles
 * over the API, RADIUS packets over a socket. CPU time is read from /proc, so that other programs on the machine disturb
 * little; what is a time of the clock says so.
 * `npm run bench -- consent [cpu] [toggles] [radius] [beside] [--priority]`.
 */
import { createSocket } from 'node:dgram';
import { readFileSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { cpuSeconds, threadCpuSeconds } from '../../test/support/cpu.ts';
import { runDnsperf } from '../../test/support/dnsperf.ts';
import { freePort } from '../../test/support/free-port.ts';
import { temporaryFolder } from '../../test/support/process.ts';
import { honest, startScriptedUpstream } from '../../test/support/scripted-upstream.ts';
import { startSekisho } from '../../test/support/sekisho.ts';
import { nameMaker } from '../lists/list-names.ts';
import { goFirst } from '../load/priority.ts';
import { accountingPackets, sendAccounting } from './accounting.ts';

if (process.argv.includes('--priority')) goFirst();
const SECRET = Buffer.from('xyzzy5461');
const ROUNDS = 5;
/** What `fetch` leaves to be collected makes its caller wait 5 ms a dozen times a second, and that is not the server's time. */
const callers = new Agent({ keepAlive: true, maxSockets: 256 });
const folder = temporaryFolder('bench-consent');
const queryFile = join(folder, 'queries');
writeFileSync(queryFile, Array.from({ length: 1000 }, (_, i) => `host${i}.zone${i % 7}.test A\n`).join(''));
const { makeName } = nameMaker(1);
writeFileSync(join(folder, 'c2.txt'), `${Array.from({ length: 1e6 }, () => makeName().join('.')).join('\n')}\n`);
const row = (i: number) => `${10 + (i >> 24)}.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255},c${i}`;
writeFileSync(
  join(folder, 'ranges.csv'),
  `127.0.0.1,client\n${Array.from({ length: 1e6 }, (_, i) => row(i)).join('\n')}\n`,
);
writeFileSync(join(folder, 'secret'), `${SECRET}\n`);

const upstream = await startScriptedUpstream(honest());
const radiusPort = await freePort();
const elsewherePort = await freePort();
const common = { upstream: { servers: [`127.0.0.1:${upstream.port}`] }, cache: { size: '16MiB' } };
const alone = await startSekisho({ config: { ...common, lists: [], plugins: { access: {} } } });
const full = await startSekisho({
  config: {
    ...common,
    subscribers: {
      terms: '2026-04',
      ranges: join(folder, 'ranges.csv'),
      radius: { listen: `127.0.0.1:${radiusPort}`, 'secret-file': join(folder, 'secret') },
    },
    lists: [{ name: 'feed', category: 'c2', tier: 'confirmed', format: 'domains', file: join(folder, 'c2.txt') }],
    plugins: { access: {}, 'c2-block': {} },
  },
  readyTimeoutMs: 180_000,
});
/** Takes accounting and answers nobody: what the machine alone makes of both at once. */
const elsewhere = await startSekisho({
  config: {
    ...common,
    subscribers: {
      terms: '2026-04',
      radius: { listen: `127.0.0.1:${elsewherePort}`, 'secret-file': join(folder, 'secret') },
    },
    lists: [],
    plugins: { access: {} },
  },
});

try {
  const parts = { cpu: cpuPerQuery, toggles, radius, beside: radiusBesideAnswers };
  const wanted = process.argv.slice(2).filter((word) => word in parts);
  for (const [name, part] of Object.entries(parts)) if (wanted.length === 0 || wanted.includes(name)) await part();
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await Promise.all([alone.stop(), full.stop(), elsewhere.stop()]);
  process.exit();
}

async function cpuPerQuery(): Promise<void> {
  const ratios: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const micros: number[] = [];
    for (const { pid, port } of [alone, full]) {
      const before = cpuSeconds(pid);
      const { completed } = await runDnsperf({ port, queryFile, seconds: 4, rate: 20_000, clients: 4 });
      micros.push(((cpuSeconds(pid) - before) / completed) * 1e6);
    }
    // The first round fills the caches and compiles.
    if (round === 0) continue;
    ratios.push(micros[1]! / micros[0]!);
    console.log(`CPU a query: alone ${micros[0]!.toFixed(2)} µs, with consent ${micros[1]!.toFixed(2)} µs`);
  }
  console.log(`median ratio: ${ratios.sort((a, b) => a - b)[ROUNDS >> 1]!.toFixed(3)}`);
}

/**
 * From the request to its answer, after which every worker acts on it: time of the clock. As fast as one and as sixteen
 * callers can, and a thousand a second for ten seconds, each due at its own time whether or not the others are done.
 */
async function toggles(): Promise<void> {
  await togglesAsFast();
  await togglesAtRate(1000, 10);
}

/** The status of the answer, once it is read whole. */
function toggle(token: string, subscriber: string, action: 'opt-in' | 'opt-out'): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        agent: callers,
        host: '127.0.0.1',
        port: full.adminPort,
        path: `/v1/consent/subscribers/${subscriber}/${action}`,
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      },
      (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode ?? 0));
        response.on('error', reject);
      },
    );
    asked.on('error', reject);
    asked.end('{}');
  });
}

async function togglesAtRate(rate: number, seconds: number): Promise<void> {
  const token = readFileSync(join(full.folder, 'data', 'admin.token'), 'utf8').trim();
  const times: number[] = [];
  const under: Promise<void>[] = [];
  const one = async (i: number, dueMs: number) => {
    const status = await toggle(token, `c${i % 5000}`, i % 10_000 < 5000 ? 'opt-out' : 'opt-in');
    if (status === 200) times.push(performance.now() - dueMs);
  };
  const begin = performance.now();
  for (let i = 0; i < rate * seconds; ) {
    const due = ((performance.now() - begin) / 1000) * rate;
    for (; i < Math.min(due, rate * seconds); i++) under.push(one(i, begin + (i / rate) * 1000));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(under);
  const took = (performance.now() - begin) / 1000;
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.floor(times.length * share)]!.toFixed(1);
  const late = times.filter((ms) => ms > 10).length;
  console.log(
    `toggles, ${rate} a second due: ${times.length} of ${rate * seconds} done, ${Math.round(times.length / took)} a second; median ${at(0.5)} ms, p99 ${at(0.99)} ms, ${((late / times.length) * 100).toFixed(1)} % above 10 ms`,
  );
}

async function togglesAsFast(): Promise<void> {
  const token = readFileSync(join(full.folder, 'data', 'admin.token'), 'utf8').trim();
  for (const together of [1, 16]) {
    const times: number[] = [];
    const before = cpuSeconds(full.pid);
    const end = performance.now() + 5000;
    const caller = async (who: number) => {
      for (let i = 0; performance.now() < end; i++) {
        const begin = performance.now();
        const status = await toggle(token, `c${who * 1000 + (i % 1000)}`, i & 1 ? 'opt-in' : 'opt-out');
        if (status !== 200) throw new Error(`HTTP ${status}`);
        times.push(performance.now() - begin);
      }
    };
    await Promise.all(Array.from({ length: together }, (_, who) => caller(who)));
    const cpuEach = ((cpuSeconds(full.pid) - before) / times.length) * 1000;
    times.sort((a, b) => a - b);
    const at = (share: number) => times[Math.floor(times.length * share)]!.toFixed(1);
    console.log(
      `toggles, ${together} at a time: ${Math.round(times.length / 5)} a second, median ${at(0.5)} ms, p99 ${at(0.99)} ms; ${cpuEach.toFixed(2)} ms of CPU each`,
    );
  }
}

async function radius(): Promise<void> {
  const socket = createSocket('udp4');
  let answered = 0;
  socket.on('message', () => answered++);
  const packets = accountingPackets(60_000, SECRET);
  const before = cpuSeconds(full.pid);
  const begin = performance.now();
  for (let i = 0; i < packets.length; i++) {
    socket.send(packets[i]!, radiusPort, '127.0.0.1');
    // No more on the way than the socket's buffer holds.
    if (i % 100 !== 99) continue;
    // What is lost is not waited for.
    for (let waits = 0; i - answered > 400 && waits < 20; waits++)
      await new Promise((resolve) => setTimeout(resolve, 1));
  }
  let seconds = 0;
  // Until nothing has come for a second: what the socket's buffer did not hold is lost.
  for (let seen = -1; answered > seen; ) {
    seen = answered;
    seconds = (performance.now() - begin) / 1000;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  const micros = ((cpuSeconds(full.pid) - before) / answered) * 1e6;
  console.log(
    `RADIUS: ${answered} of ${packets.length} answered, ${Math.round(answered / seconds)} a second of the clock; ${micros.toFixed(1)} µs of CPU each, ${Math.round(1e6 / micros)} a second of one core`,
  );
  socket.close();
}

/**
 * Do answers get slower while 20 000 accounting packets a second come? Rounds without, with the same packets sent to another
 * process on this machine, and with them sent to the server itself take turns: the second says what the machine makes of
 * it, with generators and servers on the same cores. What answers cost is the CPU time of the thread that gives them; the
 * main thread's and the lease file's stand beside it.
 */
async function radiusBesideAnswers(): Promise<void> {
  const RATE = 20_000;
  const SECONDS = 4;
  const packets = accountingPackets(RATE * (SECONDS + 1) * ROUNDS, SECRET);
  const ratios: { cpu: number; latency: number; latencyToElsewhere: number }[] = [];
  const ports = { without: undefined, elsewhere: elsewherePort, with: radiusPort };
  let answering = 0;
  for (let round = 0; round <= ROUNDS; round++) {
    const measured: { worker: number; latencyMs: number }[] = [];
    for (const [which, port] of Object.entries(ports)) {
      const stop =
        port !== undefined && round > 0
          ? sendAccounting(packets, (round - 1) * RATE * (SECONDS + 1), RATE, port)
          : undefined;
      const before = threadCpuSeconds(full.pid);
      const { completed, averageLatencyMs } = await runDnsperf({
        port: full.port,
        queryFile,
        seconds: SECONDS,
        rate: 20_000,
        clients: 4,
      });
      const spent = [...threadCpuSeconds(full.pid)]
        .map(([thread, seconds]) => ({ thread, seconds: seconds - (before.get(thread) ?? 0) }))
        .sort((one, other) => other.seconds - one.seconds);
      const main = spent.find(({ thread }) => thread === full.pid)!.seconds;
      const others = spent.filter(({ thread }) => thread !== full.pid);
      // While nothing else goes on, the busiest one beside the main thread is the one that answers.
      if (port === undefined) answering = others[0]!.thread;
      const worker = others.find(({ thread }) => thread === answering)!.seconds;
      const rest = others.reduce((sum, { seconds }) => sum + seconds, 0) - worker;
      measured.push({ worker: worker / completed, latencyMs: averageLatencyMs });
      const accounting = await stop?.();
      console.log(
        `accounting ${which}: ${completed} answers, ${averageLatencyMs.toFixed(3)} ms on average; CPU: answering ${((worker / completed) * 1e6).toFixed(2)} µs a query, main thread ${main.toFixed(2)} s, others ${rest.toFixed(2)} s` +
          (accounting
            ? `; ${Math.round(accounting.sent / accounting.seconds)} packets a second sent, ${((accounting.answered / accounting.sent) * 100).toFixed(1)} % answered`
            : ''),
      );
    }
    if (round > 0)
      ratios.push({
        cpu: measured[2]!.worker / measured[0]!.worker,
        latency: measured[2]!.latencyMs / measured[0]!.latencyMs,
        latencyToElsewhere: measured[2]!.latencyMs / measured[1]!.latencyMs,
      });
  }
  const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]!.toFixed(3);
  console.log(
    `answers with accounting against without: CPU ${median(ratios.map(({ cpu }) => cpu))} ×, latency ${median(ratios.map(({ latency }) => latency))} ×; latency against accounting sent elsewhere: ${median(ratios.map(({ latencyToElsewhere }) => latencyToElsewhere))} ×`,
  );
}
