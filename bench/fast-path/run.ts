/**
 * Straight from a network interface, beside peers over sockets on the same one: a virtual pair between two namespaces.
 *
 *     namespace of the servers (core 0)  10.99.0.1 ─── veth ─── 10.99.0.129  namespace of the clients (core 1)
 *
 * CPU time of the server's process per query answered, all servers in turn in each round, ratios within a round. What the
 * clients' side receives is worked on by core 1 (RPS), as it would be in another machine.
 *
 *     npm run bench -- fast-path [--rounds 5] [--seconds 4] [--only hits|open|flood]
 */
import { execFile, spawnSync } from 'node:child_process';
import { openSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import koffi from 'koffi';
import { Assembler, FP, R0, R1, R2 } from '../../src/bpf/assembler.ts';
import { Bpf, CALL_MAP_LOOKUP, MAP_PERCPU_ARRAY, PROGRAM_XDP, XDP_BY_DRIVER } from '../../src/bpf/bpf.ts';
import { libc } from '../../src/system/libc.ts';
import { possibleProcessors } from '../../src/system/processors.ts';
import { ask } from '../../test/support/ask.ts';
import { coreBusySeconds, cpuSeconds } from '../../test/support/cpu.ts';
import { ensurePackages } from '../../test/support/debian.ts';
import { startDnsdist } from '../../test/support/dnsdist.ts';
import { freePort } from '../../test/support/free-port.ts';
import { startNsd, zoneText } from '../../test/support/nsd.ts';
import { startPdnsRecursor } from '../../test/support/pdns-recursor.ts';
import { type RunningProcess, startProcess, temporaryFolder } from '../../test/support/process.ts';
import { type SekishoServer, startSekisho } from '../../test/support/sekisho.ts';
import { startUnbound } from '../../test/support/unbound.ts';
import { CLIENT_V4, fastPathUnavailable, makeVethPair, SERVER_V4 } from '../../test/support/veth-pair.ts';
import { compiledProgram } from '../load/compiled.ts';
import { LOAD_CORE, SERVER_CORE } from '../load/servers.ts';
import { median } from '../load/statistics.ts';

const CLONE_NEWNET = 0x40000000;
const NETWORK = '10.99.0.0/24';
/** Who may ask. */
const CLIENTS = '10.99.0.128/26';
const ADDRESS = SERVER_V4[0];
const NAMES = 1000;
const PROBE = 'n0.lab.example';
const OUTSTANDING = 400;
/** Sources of the flood; not among the modest clients. */
const FLOODERS = Array.from({ length: 8 }, (_, i) => `10.99.0.${200 + i}`);

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    only: { type: 'string', default: '' },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const reason = fastPathUnavailable();
if (reason !== undefined) throw new Error(`the fast path cannot be measured here: ${reason}`);
for (const [program, why] of ensurePackages(['dnsdist', 'unbound', 'pdns_recursor', 'nsd', 'dnsperf', 'cc']))
  throw new Error(`${program}: ${why}`);

const pair = makeVethPair();
spawnSync('ip', ['netns', 'exec', pair.client, 'sh', '-c', 'echo 2 > /sys/class/net/eth0/queues/rx-0/rps_cpus']);
for (const each of FLOODERS) pair.ip('client', `address add ${each}/24 dev eth0`);
// From here on this process, and all servers that it starts, are in the servers' namespace.
const namespace = openSync(`/var/run/netns/${pair.server}`, 'r');
if (koffi.load(null).func('int setns(int, int)')(namespace, CLONE_NEWNET) !== 0)
  throw new Error('cannot enter the namespace');

interface Measured extends RunningProcess {
  readonly port: number;
}

const folder = temporaryFolder('fast-path');
const queries = join(folder, 'queries');
writeFileSync(queries, Array.from({ length: NAMES }, (_, i) => `n${i}.lab.example A\n`).join(''));
const records = Array.from({ length: NAMES }, (_, i) => `n${i} IN A 192.0.2.${i % 250}\n`).join('');
const authority = await startNsd({
  zones: [{ name: 'lab.example', text: zoneText('lab.example', `${records}www IN A 192.0.2.1\n`) }],
});

const common = {
  upstreamPort: authority.port,
  probeName: PROBE,
  core: SERVER_CORE,
  cache: true,
  also: { address: ADDRESS, network: NETWORK },
};
function sekisho(io: 'xdp' | 'mmsg', plugins: Record<string, unknown> = {}): Promise<SekishoServer> {
  return freePort().then((port) =>
    startSekisho({
      core: SERVER_CORE,
      config: {
        server: {
          listen: [`127.0.0.1:${port}`, `${ADDRESS}:${port}`],
          access: ['127.0.0.0/8', CLIENTS],
          log: { level: 'warn' },
          udp: { io },
        },
        upstream: { servers: [`127.0.0.1:${authority.port}`] },
        plugins: { access: {}, 'amp-shaper': {}, sinkhole: { ipv4: '192.0.2.250', ipv6: '2001:db8::250' }, ...plugins },
      },
    }).then((server) => ({ ...server, port })),
  );
}
async function echo(): Promise<Measured> {
  const port = await freePort();
  const running = await startProcess({
    name: 'echo',
    command: compiledProgram('echo'),
    args: [String(port), '0.0.0.0'],
    core: SERVER_CORE,
    ready: async () => (await ask(port, PROBE)).bytes.length > 12,
  });
  return { ...running, port };
}
const SERVERS: Record<string, () => Promise<Measured>> = {
  'sekisho xdp': () => sekisho('xdp'),
  'sekisho mmsg': () => sekisho('mmsg'),
  'C echo': echo,
  'dnsdist, batches': () => startDnsdist({ ...common, batch: 64 }),
  dnsdist: () => startDnsdist({ ...common, batch: 1 }),
  unbound: () => startUnbound(common),
  'pdns-recursor': () => startPdnsRecursor(common),
};

interface Cost {
  /** Microseconds of the process, and of the whole core, per query. */
  readonly process: number;
  readonly core: number;
  readonly perSecond: number;
}

async function inClient(...command: string[]): Promise<string> {
  const args = ['netns', 'exec', pair.client, 'taskset', '-c', String(LOAD_CORE), ...command];
  return (await promisify(execFile)('ip', args, { timeout: (seconds + 20) * 1000, maxBuffer: 1 << 26 })).stdout;
}

async function costOf(pid: number, load: () => Promise<number>): Promise<Cost> {
  const before = cpuSeconds(pid);
  const core = coreBusySeconds(SERVER_CORE);
  const began = performance.now();
  const answered = await load();
  const took = (performance.now() - began) / 1000;
  await new Promise((resolve) => setTimeout(resolve, 20));
  return {
    process: ((cpuSeconds(pid) - before) * 1e6) / answered,
    core: ((coreBusySeconds(SERVER_CORE) - core) * 1e6) / answered,
    perSecond: answered / took,
  };
}

const saturated = async (port: number) => {
  const args = [String(port), queries, String(seconds), String(OUTSTANDING), ADDRESS];
  return (JSON.parse(await inClient(compiledProgram('flood'), ...args)) as { completed: number }).completed;
};
const atRate = (rate: number) => async (port: number) => {
  const args = ['-s', ADDRESS, '-p', String(port), '-d', queries, '-l', String(seconds), '-Q', String(rate)];
  const text = await inClient('dnsperf', ...args, '-q', '1000', '-c', '8', '-T', '1', '-O', 'suppress=timeouts');
  return Number(/Queries completed:\s+(\d+)/.exec(text)?.[1] ?? 0);
};
const SPRAY_RATE = 120_000;
const sprayed = async (port: number) => {
  const args = [ADDRESS, String(port), String(seconds), String(SPRAY_RATE), CLIENT_V4];
  return (JSON.parse(await inClient(compiledProgram('spray'), ...args)) as { sent: number }).sent;
};

/** All servers, one after the other in each round; the middle of the rounds, and of their ratios to the first. */
async function compare(
  title: string,
  names: readonly string[],
  load: (port: number) => Promise<number>,
): Promise<void> {
  const costs = new Map<string, Cost[]>();
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      const server = await SERVERS[name]!();
      try {
        await saturatedBriefly(server.port);
        const cost = await costOf(server.pid, () => load(server.port));
        costs.set(name, [...(costs.get(name) ?? []), cost]);
      } finally {
        await server.stop();
      }
    }
  }
  console.log(`\n${title}\n`);
  console.log(
    '| server | µs of the process per query | µs of its core | per second | sekisho xdp is |\n|---|---|---|---|---|',
  );
  const mine = costs.get('sekisho xdp') ?? [];
  for (const [name, all] of costs) {
    const ratio = median(all.map(({ process }, i) => (mine[i]?.process ?? Number.NaN) / process));
    const middle = (of: (cost: Cost) => number) => median(all.map(of));
    console.log(
      `| ${name} | ${middle(({ process }) => process).toFixed(2)} | ${middle(({ core }) => core).toFixed(2)} | ${Math.round(middle(({ perSecond }) => perSecond))} | ${ratio.toFixed(2)} × |`,
    );
  }
}

/** Every name is in the cache, and the code is warm. */
async function saturatedBriefly(port: number): Promise<void> {
  await inClient(compiledProgram('flood'), String(port), queries, '2', String(OUTSTANDING), ADDRESS);
}

const all = Object.keys(SERVERS);
const wanted = (what: string) => values.only === '' || values.only === what;
try {
  if (wanted('hits')) {
    await compare('Saturated hit, closed loop', all, saturated);
    await compare('50 000 queries/s', all, atRate(50_000));
    await compare('5 000 queries/s', all, atRate(5_000));
  }
  if (wanted('open')) {
    // What a network card would cost: the other side counts the answers and drops them before they cost anything.
    const bpf = new Bpf();
    const counter = bpf.createMap({ type: MAP_PERCPU_ARRAY, keyBytes: 4, valueBytes: 8, entries: 1, name: 'answers' });
    const counted = new Assembler()
      .store(32, FP, -4, 0)
      .map(R1, counter)
      .mov(R2, FP)
      .add(R2, -4)
      .call(CALL_MAP_LOOKUP)
      .jumpIf(R0, '==', 0, 'out')
      .load(64, R1, R0, 0)
      .add(R1, 1)
      .store(64, R0, 0, R1)
      .label('out')
      .mov(R0, 1)
      .exit();
    const program = bpf.loadProgram(PROGRAM_XDP, counted.assemble(), 'drop');
    const answers = () => {
      const bytes = bpf.lookup(counter, new Uint8Array(4), possibleProcessors() * 8)!;
      const view = new DataView(bytes.buffer);
      return Array.from({ length: bytes.length / 8 }, (_, i) => Number(view.getBigUint64(i * 8, true))).reduce(
        (a, b) => a + b,
      );
    };
    const load = async (port: number) => {
      const link = pair.inside('client', () => bpf.attachXdp(program, libc().interfaceIndex('eth0'), XDP_BY_DRIVER));
      const before = answers();
      try {
        await sprayed(port);
        return answers() - before;
      } finally {
        bpf.close(link);
      }
    };
    await compare(
      `Open loop, ${SPRAY_RATE} queries/s sent, the client's interface drops the answers`,
      ['sekisho xdp', 'sekisho mmsg', 'C echo', 'dnsdist, batches', 'unbound'],
      load,
    );
  }
  if (wanted('flood')) await floods();
} finally {
  await authority.stop();
  pair.remove();
}

/** A flood from sources that may not ask, with and without the kernel's tables, and what modest clients see of it. */
async function floods(): Promise<void> {
  spawnSync('sysctl', ['-w', 'kernel.bpf_stats_enabled=1']);
  console.log('\nA flood as fast as core 1 can, from sources outside server.access; modest clients ask 500 a second\n');
  console.log(
    '| server | flood | modest clients answered | p99 quiet | p99 in the flood | µs of the process per flood packet |\n|---|---|---|---|---|---|',
  );
  for (const [name, io, plugins] of [
    ['xdp, dropped by the program', 'xdp', { access: { outsiders: 'drop' } }],
    ['mmsg, dropped by the socket filter', 'mmsg', { access: { outsiders: 'drop' } }],
    ['xdp, no tables (outsiders are refused)', 'xdp', {}],
    ['mmsg, no tables (outsiders are refused)', 'mmsg', {}],
  ] as const) {
    const server = await sekisho(io, plugins);
    try {
      await saturatedBriefly(server.port);
      const quiet = await modest(server.port, seconds);
      const before = cpuSeconds(server.pid);
      const spray = inClient(
        compiledProgram('spray'),
        ADDRESS,
        String(server.port),
        String(seconds + 1),
        '0',
        ...FLOODERS,
      );
      const flooded = await modest(server.port, seconds);
      const { sent, seconds: took } = JSON.parse(await spray) as { sent: number; seconds: number };
      const cost = ((cpuSeconds(server.pid) - before) * 1e6) / sent;
      console.log(
        `| ${name} | ${Math.round(sent / took)}/s | ${(flooded.share * 100).toFixed(2)} % | ${quiet.p99Ms.toFixed(2)} ms | ${flooded.p99Ms.toFixed(2)} ms | ${cost.toFixed(3)} |`,
      );
      const time = programTime(server.pid);
      if (time)
        console.log(`|   the program itself | ${time.runs} runs | | | | ${time.microseconds.toFixed(3)} µs a packet |`);
    } finally {
      await server.stop();
    }
  }
  spawnSync('sysctl', ['-w', 'kernel.bpf_stats_enabled=0']);
  console.log(`\n${availableParallelism()} cores; the modest clients share core 1 with the flood.`);
}

async function modest(port: number, forSeconds: number): Promise<{ share: number; p99Ms: number }> {
  const args = [
    '-s',
    ADDRESS,
    '-p',
    String(port),
    '-d',
    queries,
    '-l',
    String(forSeconds),
    '-Q',
    '500',
    '-v',
    '-q',
    '500',
  ];
  const text = await inClient('nice', '-n', '-20', 'dnsperf', ...args, '-t', '2', '-O', 'suppress=timeouts');
  const latencies = [...text.matchAll(/^> \S+ \S+ \S+ ([0-9.]+)$/gm)]
    .map(([, each]) => Number(each) * 1000)
    .sort((a, b) => a - b);
  const sent = Number(/Queries sent:\s+(\d+)/.exec(text)?.[1] ?? 0);
  const completed = Number(/Queries completed:\s+(\d+)/.exec(text)?.[1] ?? 0);
  return { share: completed / sent, p99Ms: latencies[Math.floor(latencies.length * 0.99)] ?? Number.NaN };
}

/** The kernel's own statistics of the process's program at the interface (fdinfo). */
function programTime(pid: number): { runs: number; microseconds: number } | undefined {
  const { stdout } = spawnSync('sh', ['-c', `cat /proc/${pid}/fdinfo/*`], { encoding: 'utf8' });
  const programs = [...stdout.matchAll(/^prog_type:\s*6\n[\s\S]*?run_time_ns:\s*(\d+)\nrun_cnt:\s*(\d+)/gm)];
  const [best] = programs
    .map(([, time, runs]) => ({ time: Number(time), runs: Number(runs) }))
    .sort((a, b) => b.runs - a.runs);
  if (best === undefined || best.runs === 0) return undefined;
  return { runs: best.runs, microseconds: best.time / best.runs / 1000 };
}
