/** Amplification shaping with real clients: dnsperf floods, dig and kdig come back over TCP or with a cookie. */
import { createSocket, type Socket } from 'node:dgram';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { ensurePackages } from '../support/debian.ts';
import { askUdp, queryBytes } from '../support/dns-client.ts';
import { runDnsperf } from '../support/dnsperf.ts';
import { dig } from '../support/field.ts';
import { type DnsServer, startNsd, zoneText } from '../support/nsd.ts';
import { scrape, stoppedAfterwards } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 240_000 });
const keep = stoppedAfterwards();
const missing = ensurePackages(['dig', 'kdig', 'nsd', 'dnsperf']);
const long = Array.from({ length: 4 }, (_, i) => `"${String(i).repeat(230)}"`).join(' ');
const ZONE = { name: 'large.test', text: zoneText('large.test', `txt TXT ${long}\nwww A 192.0.2.7`) };

describe.skipIf(missing.size > 0)('a flood that amplifies', () => {
  let nsd: DnsServer;
  let server: SekishoServer;
  beforeAll(async () => {
    nsd = keep(await startNsd({ zones: [ZONE] }));
    const budgets = [
      { prefix: 32, budget: '64KiB' },
      { prefix: 24, budget: '512KiB' },
    ];
    server = keep(
      await startSekisho({
        config: {
          upstream: { servers: [`127.0.0.1:${nsd.port}`] },
          cache: { size: '1MiB' },
          // A window that outlasts the test: nothing here depends on how fast the machine is.
          plugins: { 'amp-shaper': { ipv4: budgets, window: '1m', drop: 0 } },
        },
      }),
    );
    const file = join(temporaryFolder('flood'), 'queries');
    writeFileSync(file, 'txt.large.test TXT\n');
    const flood = await runDnsperf({ port: server.port, queryFile: file, runs: 3000, outstanding: 50, edns: true });
    expect(flood.completed).toBe(3000);
  });
  const where = () => `@127.0.0.1 -p ${server.port}`;

  it('gets truncated answers once over the budget, which are counted', async () => {
    const metrics = await scrape(server);
    const shaped = metrics.total('sekisho_amp_shaper_shaped_total', { limit: 'ipv4/32', result: 'truncated' });
    expect(shaped).toBeGreaterThan(2_900);
    expect(await dig('dig', `${where()} txt.large.test TXT +ignore +nocookie`)).toMatch(/flags: qr tc rd ra/);
  });

  it('dig and kdig on the same address come back over TCP and get everything', async () => {
    expect(await dig('dig', `${where()} txt.large.test TXT +nocookie`)).toMatch(
      /retrying in TCP[\s\S]*3333333[\s\S]*\(TCP\)/,
    );
    expect(await dig('kdig', `${where()} txt.large.test TXT +edns`)).toMatch(/3333333[\s\S]*\(TCP\)/);
  });

  it('dig with a cookie is told BADCOOKIE and gets everything over UDP', async () => {
    const output = await dig('dig', `${where()} txt.large.test TXT +cookie`);
    expect(output).toMatch(/BADCOOKIE, retrying[\s\S]*3333333[\s\S]*\(UDP\)/);
  });

  it('ordinary names are answered at once, and neighbours with whatever they ask', async () => {
    const reply = await askUdp({ name: 'www.large.test', udpSize: 1232 }, { port: server.port });
    expect(reply.answers).toHaveLength(1);
    const other = await askUdp(
      { name: 'txt.large.test', type: 'TXT', udpSize: 1232 },
      { port: server.port, from: '127.0.0.77' },
    );
    expect(other).toMatchObject({ tc: false });
    expect(other.answers).toHaveLength(1);
  });

  it('the admin API shows the network; without a token it does not', async () => {
    const url = `http://127.0.0.1:${server.adminPort}/v1/amp-shaper/networks`;
    expect((await fetch(url)).status).toBe(401);
    const token = readFileSync(join(server.folder, 'data', 'admin.token'), 'utf8').trim();
    const answer = await fetch(`${url}?limit=1&reason=ticket+4711`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const { networks } = (await answer.json()) as { networks: Record<string, unknown>[] };
    expect(networks).toMatchObject([{ network: '127.0.0.1/32', over: true, budgetBytesPerSecond: 65_536 }]);
    // Addresses live in that table alone.
    expect(server.stdout()).not.toContain('127.0.0.77');
  });
});

/** With the configuration as it comes; at more rates and beside other servers: bench/attacks/amplification.ts. */
describe.skipIf(missing.size > 0)('a flood whose sources are forged', () => {
  it.each([
    ['one host', 1],
    ['a /24', 50],
  ])('gets no more bytes out towards %s than came in', async (_, hosts) => {
    const nsd = keep(await startNsd({ zones: [ZONE] }));
    const server = keep(await startSekisho({ config: { upstream: { servers: [`127.0.0.1:${nsd.port}`] } } }));
    const message = queryBytes({ name: 'txt.large.test', type: 'TXT', udpSize: 4096 });
    const sockets = await Promise.all(Array.from({ length: hosts }, (_, i) => boundSocket(`127.9.9.${i + 9}`)));
    let [bytesIn, bytesOut] = [0, 0];
    for (const socket of sockets) socket.on('message', ({ length }) => (bytesOut += length));
    for (let i = 0; i < 2000; i++) {
      sockets[i % hosts]!.send(message, server.port, '127.0.0.1');
      bytesIn += message.length;
      if (i % 10 === 9) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await vi.waitFor(async () =>
      expect((await scrape(server)).total('sekisho_queries_total')).toBeGreaterThanOrEqual(2000),
    );
    const shaped = (await scrape(server)).total('sekisho_amp_shaper_shaped_total');
    for (const socket of sockets) socket.close();
    expect(shaped).toBeGreaterThan(1900);
    expect(bytesOut).toBeGreaterThan(0);
    expect(bytesOut).toBeLessThanOrEqual(bytesIn);
  });
});

function boundSocket(address: string): Promise<Socket> {
  const socket = createSocket('udp4');
  return new Promise((resolve) => socket.bind({ address }, () => resolve(socket)));
}

/** 500 subscribers behind one address (CG-NAT) as they are in ordinary use; at full length: bench/attacks/shared-address.ts. */
describe.skipIf(missing.size > 0)('ordinary use of a shared address, with the configuration as it comes', () => {
  it('is not shaped', async () => {
    const zone = {
      name: 'everyday.test',
      text: zoneText(
        'everyday.test',
        [
          '*.site CNAME edge.everyday.test.',
          ...[1, 2, 3].map((i) => `edge A 192.0.2.${i}`),
          'edge AAAA 2001:db8::1',
          `*.mail TXT "v=spf1 ${'include:_spf.provider.example '.repeat(6)}-all"`,
          ...[1, 2, 3, 4].map((i) => `@ DNSKEY 257 3 8 ${Buffer.alloc(250, i).toString('base64')}`),
        ].join('\n'),
      ),
    };
    const nsd = keep(await startNsd({ zones: [zone] }));
    const server = keep(await startSekisho({ config: { upstream: { servers: [`127.0.0.1:${nsd.port}`] } } }));
    const file = join(temporaryFolder('everyday'), 'queries');
    const queries = Array.from({ length: 20_000 }, (_, i) => {
      const name = `n${(i * 7919) % 500}`;
      if (i % 200 === 0) return 'everyday.test DNSKEY';
      if (i % 100 === 1) return `${name}.mail.everyday.test TXT`;
      if (i % 20 === 2) return `${name}.nowhere.everyday.test A`;
      return `${name}.site.everyday.test ${i % 2 === 0 ? 'A' : 'AAAA'}`;
    });
    writeFileSync(file, `${queries.join('\n')}\n`);
    await runDnsperf({
      port: server.port,
      queryFile: file,
      runs: 1,
      rate: 500 * 20,
      edns: true,
      outstanding: 500,
    });
    const metrics = await scrape(server);
    // The plugin is in the chain, and looks at what comes.
    expect(metrics.total('sekisho_amp_shaper_charged_total')).toBeGreaterThan(1_000);
    expect(metrics.total('sekisho_amp_shaper_shaped_total')).toBe(0);
  });
});
