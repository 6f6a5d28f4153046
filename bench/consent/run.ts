/**
 * Consent in the whole server: CPU per query with a million names and a million subscribers against the core alone, toggles
 * over the API, RADIUS packets over a socket. CPU time is read from /proc, so that other programs on the machine disturb
 * little; what is a time of the clock says so. `npm run bench -- consent [--priority]`.
 */
import { createSocket } from 'node:dgram';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { requestAuthenticator } from '../../src/subscribers/radius/packet.ts';
import { cpuSeconds } from '../../test/harness/cpu.ts';
import { runDnsperf } from '../../test/harness/dnsperf.ts';
import { freePort } from '../../test/harness/free-port.ts';
import { temporaryFolder } from '../../test/harness/process.ts';
import { honest, startScriptedUpstream } from '../../test/harness/scripted-upstream.ts';
import { startSekisho } from '../../test/harness/sekisho.ts';
import { nameMaker } from '../lists/list-names.ts';
import { goFirst } from '../load/priority.ts';

if (process.argv.includes('--priority')) goFirst();
const SECRET = Buffer.from('xyzzy5461');
const ROUNDS = 3;
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
try {
  await cpuPerQuery();
  await toggles();
  await radius();
} finally {
  await Promise.all([alone.stop(), full.stop()]);
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

/** From the request to its answer, after which every worker acts on it: time of the clock. */
async function toggles(): Promise<void> {
  const token = readFileSync(join(full.folder, 'data', 'admin.token'), 'utf8').trim();
  for (const together of [1, 16]) {
    const times: number[] = [];
    const before = cpuSeconds(full.pid);
    const end = performance.now() + 5000;
    const caller = async (who: number) => {
      for (let i = 0; performance.now() < end; i++) {
        const begin = performance.now();
        const response = await fetch(
          `http://127.0.0.1:${full.adminPort}/v1/consent/subscribers/c${who * 1000 + (i % 1000)}/${i & 1 ? 'opt-in' : 'opt-out'}`,
          {
            method: 'POST',
            headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
            body: '{}',
          },
        );
        if (response.status !== 200) throw new Error(`HTTP ${response.status}`);
        await response.arrayBuffer();
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
  const packets = Array.from({ length: 60_000 }, (_, i) => accountingStart(i));
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

function accountingStart(i: number): Buffer {
  const text = (type: number, value: string) =>
    Buffer.concat([Buffer.from([type, value.length + 2]), Buffer.from(value)]);
  const framed = Buffer.from([8, 6, 100, 64 + (i >> 16), (i >> 8) & 255, i & 255]);
  const body = [Buffer.from([40, 6, 0, 0, 0, 1]), text(1, `r${i}`), text(44, `s${i}`), framed];
  const packet = Buffer.concat([Buffer.from([4, i & 255, 0, 0]), Buffer.alloc(16), ...body]);
  packet.writeUInt16BE(packet.length, 2);
  requestAuthenticator(packet, SECRET).copy(packet, 4);
  return packet;
}
