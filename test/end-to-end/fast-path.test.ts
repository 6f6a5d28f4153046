/** Queries straight from a network interface, by the real server between two namespaces; and what happens when that ends. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Status } from '../../src/admin/status.ts';
import { question, until } from '../support/net-queries.ts';
import { setQueues, takeProgramsOff } from '../support/network-operator.ts';
import { temporaryFolder } from '../support/process.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';
import { writePlugin } from '../support/third-party-plugin.ts';
import {
  CLIENT_V4,
  CLIENT_V6,
  clientSocket,
  fastPathUnavailable,
  getInside,
  makeVethPair,
  SERVER_V4,
  SERVER_V6,
  type VethPair,
} from '../support/veth-pair.ts';

const reason = fastPathUnavailable();
if (reason !== undefined) console.warn(`the fast path is not tested here: ${reason}`);

const PORT = 53;
const ADMIN = 8053;
/** May not ask, and is on the same wire. */
const OUTSIDER = '10.99.0.200';

describe.runIf(reason === undefined)('the fast path', () => {
  let pair: VethPair;
  let server: SekishoServer;
  let token: string;
  let nextId = 1;

  beforeAll(async () => {
    pair = makeVethPair(3);
    for (const side of ['client', 'server'] as const) expect(pair.inside(side, () => setQueues('eth0', 2))).toBe(0);
    pair.ip('client', `address add ${OUTSIDER}/24 dev eth0`);
    const zone = join(temporaryFolder('zone'), 'lab.zone');
    writeFileSync(
      zone,
      '$TTL 300\n@ IN SOA ns h 1 3600 600 86400 60\n@ IN NS ns\nns IN A 192.0.2.1\nwww IN A 192.0.2.7\n',
    );
    const fatal = writePlugin(
      'fatal',
      "query(query) { if (is(query, 'exit.test')) process.exit(3); return CONTINUE; },",
    );
    server = await startSekisho({
      under: ['ip', 'netns', 'exec', pair.server],
      config: {
        server: {
          listen: [`0.0.0.0:${PORT}`, `[${SERVER_V6}]:${PORT}`],
          workers: 2,
          access: ['10.99.0.0/25', `${CLIENT_V4}/32`, 'fd00:99::/64', '127.0.0.0/8'],
          udp: { io: 'xdp' },
        },
        zones: [{ zone: 'lab.example', records: zone }],
        upstream: { servers: ['127.0.0.1:5999'] },
        lists: [],
        admin: { listen: `127.0.0.1:${ADMIN}` },
        notice: { listen: 'off' },
        plugins: { access: { outsiders: 'drop' }, fatal: { module: fatal } },
      },
      ready: async () => (await getInside(pair, ADMIN, '/readyz', '')).includes('true'),
    });
    token = readFileSync(join(server.folder, 'data', 'admin.token'), 'utf8').trim();
  });
  afterAll(async () => {
    await server?.stop();
    pair?.remove();
  });

  const status = async () => JSON.parse(await getInside(pair, ADMIN, '/v1/status', token)) as Status;
  async function metric(name: string): Promise<number> {
    const text = await getInside(pair, ADMIN, '/metrics', token);
    const lines = text.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }
  const frames = () => metric('sekisho_xdp_frames_total');

  /** Ask from a new port until there is an answer: how many questions it took. */
  async function ask(
    name = 'www.lab.example',
    { to = SERVER_V4[0] as string, from = CLIENT_V4, tries = 500, patienceMs = 200 } = {},
  ) {
    const socket = clientSocket(pair, from);
    const id = nextId++ & 0xffff;
    let answered = false;
    socket.on('message', (bytes, sender) => {
      answered ||= bytes.readUInt16BE(0) === id && sender.address === to;
    });
    try {
      for (let asked = 1; asked <= tries; asked++) {
        socket.send(question(id, name), PORT, to);
        const end = performance.now() + patienceMs;
        await until(() => answered || performance.now() > end);
        if (answered) return asked;
      }
      return 0;
    } finally {
      socket.close();
    }
  }

  /** Ask until frames are taken at the interface again. */
  async function untilFast(): Promise<void> {
    const before = await frames();
    await expect
      .poll(async () => {
        await ask();
        return (await frames()) > before;
      })
      .toBe(true);
  }

  it('answers both families at every address from the interface, and says so', async () => {
    for (const to of SERVER_V4) expect(await ask('www.lab.example', { to })).toBe(1);
    expect(await ask('www.lab.example', { to: SERVER_V6, from: CLIENT_V6 })).toBe(1);
    expect(await frames()).toBeGreaterThanOrEqual(4);
    const { fastPath, listeners } = await status();
    expect(fastPath.interfaces).toEqual([{ name: 'eth0', mode: 'copy', queues: 2, shut: 0, up: true }]);
    expect(listeners.map(({ packets }) => packets)).toEqual(['xdp', 'xdp']);
  });

  it('has the kernel drop whoever may not ask, counted by reason, shown with reason and end', async () => {
    expect(await ask('www.lab.example', { from: OUTSIDER, tries: 3 })).toBe(0);
    const text = await getInside(pair, ADMIN, '/metrics', token);
    const dropped = [...text.matchAll(/^sekisho_kernel_drops_total\{reason="outsider",cpu="\d+"\} (\d+)$/gm)];
    expect(dropped.reduce((sum, [, count]) => sum + Number(count), 0)).toBe(3);
    const entries = (await status()).kernelDrops;
    const lasting = { what: 'network', reason: 'outsider', endsInSeconds: null, passPerSecond: 0 };
    expect(entries).toContainEqual({ source: '0.0.0.0/0', ...lasting });
    expect(entries).toContainEqual({ source: '::/0', ...lasting });
  });

  it('gives a worker’s packet threads none of the capabilities that it opens the interface with', () => {
    const tasks = readdirSync(`/proc/${server.pid}/task`).map((task) =>
      readFileSync(`/proc/${server.pid}/task/${task}/status`, 'utf8'),
    );
    const needed = (1n << 39n) | (1n << 12n) | (1n << 13n);
    const without = tasks.filter((text) => (BigInt(`0x${/CapPrm:\s*(\w+)/.exec(text)?.[1]}`) & needed) === 0n);
    expect(without.length).toBeGreaterThanOrEqual(2);
  });

  it('comes back after a worker died, and others answer meanwhile', async () => {
    const dead = clientSocket(pair, CLIENT_V4);
    dead.send(question(1, 'exit.test'), PORT, SERVER_V4[0]);
    for (let i = 0; i < 20; i++) expect(await ask()).toBeGreaterThan(0);
    dead.close();
    await expect.poll(() => metric('sekisho_worker_restarts_total')).toBe(1);
    await expect.poll(async () => (await status()).fastPath.interfaces[0]?.shut).toBe(0);
    await untilFast();
  });

  it('loses nothing over a reload', async () => {
    const before = await descriptors();
    for (let round = 0; round < 2; round++) {
      const { configuredAt } = await status();
      process.kill(server.pid, 'SIGHUP');
      do expect(await ask('www.lab.example', { tries: 1, patienceMs: 10_000 })).toBe(1);
      while ((await status()).configuredAt === configuredAt);
    }
    await untilFast();
    await expect.poll(descriptors).toBeLessThanOrEqual(before);
  });

  it('serves on by sockets where somebody takes the program off, until the next reload', async () => {
    expect(takeProgramsOff(server.pid)).toBe(1);
    expect(await ask()).toBeGreaterThan(0);
    await expect.poll(async () => (await status()).fastPath.interfaces).toEqual([]);
    expect((await status()).fastPath.reasons.join()).toMatch(/somebody took the program off; reload to put it back/);
    expect(await ask()).toBeGreaterThan(0);
    process.kill(server.pid, 'SIGHUP');
    await untilFast();
  });

  it('follows an interface that goes down, comes back, and has another number of queues', async () => {
    pair.ip('server', 'link set eth0 down');
    await expect.poll(async () => (await status()).fastPath.interfaces[0]?.up).toBe(false);
    pair.ip('server', 'link set eth0 up');
    // It loses its IPv6 addresses when it goes down, unless told to keep them.
    pair.ip('server', `address replace ${SERVER_V6}/64 dev eth0 nodad`);
    await untilFast();
    // The kernel lets nobody take queues away that somebody serves; more there may be.
    expect(pair.inside('server', () => setQueues('eth0', 3))).toBe(0);
    expect(await ask()).toBeGreaterThan(0);
    await expect.poll(async () => (await status()).fastPath.interfaces[0]?.queues).toBe(3);
    await untilFast();
  });

  it('serves on by sockets of another interface when its own goes', async () => {
    const fds = await descriptors();
    pair.ip('server', 'link delete eth0');
    await expect.poll(async () => (await status()).fastPath.interfaces).toEqual([]);
    expect(await descriptors()).toBeLessThan(fds);
    expect(await server.stop()).toBe(0);
  });

  async function descriptors(): Promise<number> {
    return readdirSync(`/proc/${server.pid}/fd`).length;
  }
});
