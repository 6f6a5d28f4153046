/**
 * What encrypted transports cost, beside dnsdist and Unbound in the same run: CPU time of the server, from /proc, divided by what it
 * answered; rounds of all servers take turns, and medians are told with the ratio to each peer.
 * `npm run bench -- encrypted [dot] [doh] [connect] [idle] [beside] [--rounds N] [--seconds N] [--priority]`.
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ConnectionOptions, connect, createSecureContext, type TLSSocket } from 'node:tls';
import { encode } from 'dns-packet';
import { makeCertificate } from '../../test/support/certificates.ts';
import { cpuSeconds, memory } from '../../test/support/cpu.ts';
import { ensurePackages, requireProgram } from '../../test/support/debian.ts';
import { startDnsdist } from '../../test/support/dnsdist.ts';
import { runDnsperf } from '../../test/support/dnsperf.ts';
import { freePort } from '../../test/support/free-port.ts';
import { startNsd } from '../../test/support/nsd.ts';
import { type RunningProcess, temporaryFolder } from '../../test/support/process.ts';
import { startSekisho } from '../../test/support/sekisho.ts';
import { startUnbound } from '../../test/support/unbound.ts';
import { goFirst } from '../load/priority.ts';
import { LOAD_CORE, SERVER_CORE } from '../load/servers.ts';

if (process.argv.includes('--priority')) goFirst();
const ROUNDS = numberAfter('--rounds', 5);
const SECONDS = numberAfter('--seconds', 4);
const NAMES = 1000;
const IDLE = 10_000;
/** Unbound sets descriptors aside for each listener. */
const IDLE_OF_PEERS = 2000;
const PROBE = 'host0.enc.test';

interface Encrypted {
  readonly name: string;
  readonly running: RunningProcess & { readonly port: number };
  readonly dot: number;
  readonly doh: number;
}

const missing = ensurePackages(['unbound', 'dnsdist', 'nsd', 'dnsperf', 'h2load', 'openssl']);
if (missing.size > 0) throw new Error(`not installed: ${[...missing.values()].join('; ')}`);
const folder = temporaryFolder('bench-encrypted');
const { certificate, key, pem } = makeCertificate(folder, 'dns');
const context = createSecureContext({ ca: pem });
const queryFile = join(folder, 'queries');
writeFileSync(queryFile, Array.from({ length: NAMES }, (_, i) => `host${i}.enc.test A\n`).join(''));
const authority = await startNsd({
  zones: [{ name: 'enc.test', text: `$TTL 3600\n@ SOA ns. h. 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n${hosts()}` }],
});
const servers = [await startOurs(), await startPeerUnbound(), await startPeerDnsdist()];
const wireQuery = (id: number, name: string) =>
  encode({ type: 'query', id, flags: 0x100, questions: [{ type: 'A', name }] });

try {
  const parts = {
    dot: dotQueries,
    doh: dohQueries,
    connect: newConnections,
    beside: udpBesideDoh,
    idle: idleConnections,
  };
  const wanted = process.argv.slice(2).filter((word) => word in parts);
  for (const [name, part] of Object.entries(parts)) if (wanted.length === 0 || wanted.includes(name)) await part();
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await Promise.all([...servers.map(({ running }) => running.stop()), authority.stop()]);
  process.exit();
}

async function startOurs(): Promise<Encrypted> {
  const [clear, dot, doh] = [await freePort(), await freePort(), await freePort()];
  const at = (port: number) => `127.0.0.1:${port}`;
  const running = await startSekisho({
    core: SERVER_CORE,
    config: {
      server: {
        listen: [
          at(clear),
          { address: at(dot), transport: 'tls', certificate, key },
          { address: at(doh), transport: 'https', path: '/dns-query', certificate, key },
        ],
        workers: 1,
        log: { level: 'warn' },
        tcp: {
          'max-connections': 2 * IDLE,
          'max-connections-per-client': 2 * IDLE,
          'idle-timeout': '5m',
          'total-timeout': '1h',
        },
        tls: { handshakes: 100_000, 'handshakes-per-network': 100_000 },
      },
      upstream: { servers: [at(authority.port)] },
    },
  });
  return { name: 'sekisho', running: { ...running, port: clear }, dot, doh };
}

async function startPeerUnbound(): Promise<Encrypted> {
  const [dot, doh] = [await freePort(), await freePort()];
  const lines = [
    `  interface: 127.0.0.1@${dot}`,
    `  interface: 127.0.0.1@${doh}`,
    `  tls-port: ${dot}`,
    `  https-port: ${doh}`,
    `  tls-service-key: "${key}"`,
    `  tls-service-pem: "${certificate}"`,
    `  incoming-num-tcp: ${IDLE_OF_PEERS}`,
    '  tcp-idle-timeout: 300000',
    '  tls-session-ticket-keys: ""',
  ].join('\n');
  const running = await startUnbound({ upstreamPort: authority.port, probeName: PROBE, core: SERVER_CORE, lines });
  return { name: 'unbound', running, dot, doh };
}

async function startPeerDnsdist(): Promise<Encrypted> {
  const [dot, doh] = [await freePort(), await freePort()];
  const options = `{ minTLSVersion = "tls1.2", numberOfTicketsKeys = 2, maxInFlight = 1000, tcpListenQueueSize = 4096 }`;
  const lines = [
    `setMaxTCPClientThreads(1)`,
    `setMaxTCPConnectionsPerClient(0)`,
    `setMaxTCPConnectionDuration(0)`,
    `addTLSLocal("127.0.0.1:${dot}", "${certificate}", "${key}", ${options})`,
    `addDOHLocal("127.0.0.1:${doh}", "${certificate}", "${key}", "/dns-query", { idleTimeout = 300 })`,
  ].join('\n');
  const running = await startDnsdist({ upstreamPort: authority.port, probeName: PROBE, core: SERVER_CORE, lines });
  return { name: 'dnsdist', running, dot, doh };
}

/** Queries over connections that stand: 200 of them. */
async function dotQueries(): Promise<void> {
  await compare('DoT, 200 connections', async ({ running, dot }) => {
    const before = cpuSeconds(running.pid);
    const { completed } = await runDnsperf({
      ...{ port: dot, queryFile, seconds: SECONDS, mode: 'dot', clients: 200, outstanding: 200, core: LOAD_CORE },
    });
    return (cpuSeconds(running.pid) - before) / completed;
  });
}

async function dohQueries(): Promise<void> {
  for (const [connections, streams] of [
    [20, 10],
    [200, 1],
  ] as const)
    await compare(`DoH, ${connections} connections × ${streams}`, async ({ running, doh }) => {
      const before = cpuSeconds(running.pid);
      const answered = await h2load(doh, connections, streams, SECONDS);
      return (cpuSeconds(running.pid) - before) / answered;
    });
}

/** A connection for a query, begun anew and resumed. */
async function newConnections(): Promise<void> {
  for (const resumed of [false, true])
    for (const transport of ['dot', 'doh'] as const) {
      if (transport === 'doh' && resumed) continue;
      await compare(
        `${transport === 'dot' ? 'DoT' : 'TLS to DoH'}, ${resumed ? 'resumed' : 'new'} connection`,
        async (server) => {
          const protocol = transport === 'dot' ? 'dot' : 'h2';
          const session = resumed ? (await oneConnection(server[transport], protocol)).session : undefined;
          const before = cpuSeconds(server.running.pid);
          let made = 0;
          const end = performance.now() + SECONDS * 1000;
          const caller = async () => {
            for (; performance.now() < end; made++) {
              const { reused } = await oneConnection(server[transport], protocol, session);
              if (resumed && !reused) throw new Error(`${server.name} does not resume`);
            }
          };
          await Promise.all([caller(), caller(), caller(), caller()]);
          return (cpuSeconds(server.running.pid) - before) / made;
        },
      );
    }
}

/** What a query over UDP costs while DNS over HTTPS keeps the worker busy: both together less DoH alone. */
async function udpBesideDoh(): Promise<void> {
  const [{ running, doh }] = servers as [Encrypted];
  const udp = () => runDnsperf({ port: running.port, queryFile, seconds: SECONDS, rate: 10_000, clients: 4 });
  const spent = async (work: () => Promise<number>) => {
    const before = cpuSeconds(running.pid);
    const answered = await work();
    return { answered, seconds: cpuSeconds(running.pid) - before };
  };
  const ratios: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const alone = await spent(async () => (await udp()).completed);
    const doht = await spent(() => h2load(doh, 20, 10, SECONDS, 2000));
    const both = await spent(async () => {
      const [{ completed }] = await Promise.all([udp(), h2load(doh, 20, 10, SECONDS, 2000)]);
      return completed;
    });
    if (round === 0) continue;
    ratios.push((both.seconds - doht.seconds) / both.answered / (alone.seconds / alone.answered));
  }
  console.log(`UDP beside 2 000 q/s of DoH: CPU a query ${median(ratios).toFixed(3)} × alone`);
}

/** Memory of a connection that nobody uses, and whether one worker holds ten thousand. */
async function idleConnections(): Promise<void> {
  for (const { name, running, dot } of servers) {
    const wanted = name === 'sekisho' ? IDLE : IDLE_OF_PEERS;
    const before = memory(running.pid).pssBytes;
    const sockets: TLSSocket[] = [];
    let closed = 0;
    for (let i = 0; i < wanted; i += 50)
      sockets.push(
        ...(await Promise.all(
          Array.from({ length: 50 }, async (_, j) => {
            const { socket } = await oneConnection(
              dot,
              'dot',
              undefined,
              true,
              `127.0.${1 + ((i + j) >> 8)}.${1 + ((i + j) & 127)}`,
            );
            socket.on('close', () => closed++);
            return socket;
          }),
        )),
      );
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const bytes = (memory(running.pid).pssBytes - before) / wanted;
    console.log(
      `${name}: ${wanted - closed} of ${wanted} idle connections held, ${(bytes / 1024).toFixed(1)} KiB each`,
    );
    for (const socket of sockets) socket.destroy();
  }
}

async function compare(what: string, measure: (server: Encrypted) => Promise<number>): Promise<void> {
  const seconds = new Map<string, number[]>(servers.map(({ name }) => [name, []]));
  for (let round = 0; round <= ROUNDS; round++)
    for (const server of servers) {
      const each = await measure(server);
      // The first round fills caches and compiles.
      if (round > 0) seconds.get(server.name)!.push(each);
    }
  const ours = seconds.get('sekisho')!;
  const texts = servers.map(({ name }) => {
    const theirs = seconds.get(name)!;
    const ratio = median(ours.map((each, i) => each / theirs[i]!));
    return `${name} ${(median(theirs) * 1e6).toFixed(1)} µs${name === 'sekisho' ? '' : ` (ours ${ratio.toFixed(2)} ×)`}`;
  });
  console.log(`${what}: ${texts.join(', ')}`);
}

/** One TLS connection; over DoT with one query, answered. */
function oneConnection(
  port: number,
  protocol: 'dot' | 'h2',
  session?: Buffer,
  keep = false,
  localAddress?: string,
): Promise<{ session: Buffer | undefined; reused: boolean; socket: TLSSocket }> {
  return new Promise((resolve, reject) => {
    const options: ConnectionOptions = {
      host: '127.0.0.1',
      port,
      secureContext: context,
      servername: 'dns.example.test',
      ALPNProtocols: [protocol],
      ...(session && { session }),
      ...(localAddress !== undefined && { localAddress }),
    } as ConnectionOptions;
    const socket = connect(options);
    let latest: Buffer | undefined;
    const done = () => {
      resolve({ session: latest, reused: socket.isSessionReused(), socket });
      if (!keep) socket.destroy();
    };
    socket.on('session', (told) => {
      latest = told;
      if (protocol === 'h2') done();
    });
    socket.on('error', reject);
    socket.on('secureConnect', () => {
      if (protocol === 'h2') return;
      const message = wireQuery(1, PROBE);
      socket.write(Buffer.concat([Buffer.of(message.length >> 8, message.length & 255), message]));
    });
    socket.on('data', () => {
      if (protocol === 'dot') done();
    });
  });
}

/** Answers of `seconds` of GETs; with `rate` so many a second in all. */
async function h2load(
  port: number,
  connections: number,
  streams: number,
  seconds: number,
  rate?: number,
): Promise<number> {
  const uris = join(folder, `uris-${port}`);
  writeFileSync(
    uris,
    Array.from({ length: NAMES }, (_, i) => {
      const query = wireQuery(0, `host${i}.enc.test`).toString('base64url');
      return `https://127.0.0.1:${port}/dns-query?dns=${query}\n`;
    }).join(''),
  );
  const args = ['-c', String(connections), '-m', String(streams), '-t', '1', '-D', String(seconds), '-i', uris];
  if (rate !== undefined) args.push('--rps', String(rate / connections));
  const child = spawn('taskset', ['-c', String(LOAD_CORE), requireProgram('h2load'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  await new Promise((resolve) => child.once('close', resolve));
  const [, ok] = /status codes: (\d+) 2xx/.exec(out) ?? [];
  if (ok === undefined || Number(ok) === 0) throw new Error(`h2load got no answer:\n${out}`);
  return Number(ok);
}

function hosts(): string {
  return Array.from({ length: NAMES }, (_, i) => `host${i} A 192.0.2.${i % 250}\n`).join('');
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

function numberAfter(option: string, otherwise: number): number {
  const at = process.argv.indexOf(option);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
}
