/** DNS over TLS towards upstreams: whom it speaks to, what it does where it cannot, and what it leaves behind (RFC 7858, RFC 8310). */
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Status } from '../../src/admin/status.ts';
import { makeCertificate, pinOf, type TestCertificate } from '../support/certificates.ts';
import { ensurePackages, requireProgram } from '../support/debian.ts';
import { askUdp, dataOf, type Reply } from '../support/dns-client.ts';
import { type DotServer, startDotServer } from '../support/dot-server.ts';
import { freePort } from '../support/free-port.ts';
import { stoppedAfterwards } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { honest, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';
import { startUnbound } from '../support/unbound.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });
const missing = ensurePackages(['unbound', 'openssl']);
const keep = stoppedAfterwards();
const folder = temporaryFolder('upstream-tls');
const [NO_REACHABLE_AUTHORITY, NETWORK_ERROR] = [22, 23];

let own: TestCertificate;
let other: TestCertificate;
let resolver: { port: number; clearPort: number };
let clear: ScriptedUpstream;
let dot: DotServer;
/** Datagrams that came where only TLS is to go. */
let leaked = 0;

/** One server, asked over TLS as `zones` say: a zone for each way, so that one process shows them all. */
let server: SekishoServer;
const ask = (name: string) => askUdp({ name, type: 'A', udpSize: 1232 }, { port: server.port });
const addressesIn = ({ answers }: Reply) => dataOf(answers, 'A');
const api = async (path: string): Promise<string> => {
  const token = readFileSync(join(server.folder, 'data', 'admin.token'), 'utf8').trim();
  const answer = await fetch(`http://127.0.0.1:${server.adminPort}${path}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  return answer.text();
};
const upstreamOf = async (zone: string) => {
  const { upstreams } = JSON.parse(await api('/v1/status')) as Status;
  return upstreams.find(({ address }) => address.endsWith(`(zone ${zone})`));
};
const metric = async (name: string, labels: readonly string[]): Promise<number> =>
  (await api('/metrics'))
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) && labels.every((label) => line.includes(label)))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);

beforeAll(async () => {
  expect([...missing]).toEqual([]);
  requireProgram('openssl');
  own = makeCertificate(folder, 'own', { names: 'DNS:dns.example.test,IP:127.0.0.1' });
  other = makeCertificate(folder, 'other', { names: 'DNS:dns.example.test' });
  const port = await freePort();
  const lines = [
    `  interface: 127.0.0.1@${port}`,
    `  tls-port: ${port}`,
    `  tls-service-key: "${own.key}"`,
    `  tls-service-pem: "${own.certificate}"`,
    ...['named', 'numbered', 'pinned', 'whoever', 'stranger', 'misnamed', 'mispinned', 'general'].flatMap((zone) => [
      `  local-zone: "${zone}.test." redirect`,
      `  local-data: "${zone}.test. 300 A 192.0.2.53"`,
    ]),
  ].join('\n');
  const unbound = keep(await startUnbound({ upstreamPort: 9, probeName: 'general.test', lines }));
  resolver = { port, clearPort: unbound.port };
  clear = keep(await startScriptedUpstream(honest('192.0.2.99')));
  dot = keep(await startDotServer(own));
  const listener = createSocket('udp4').on('message', () => leaked++);
  await new Promise<void>((resolve) => listener.bind(dot.port, '127.0.0.1', resolve));
  keep({ stop: async () => void listener.close() });

  const at = `127.0.0.1:${clear.port}`;
  const strict = (more: object) => [{ address: '127.0.0.1', tls: { mode: 'strict', port, ...more } }];
  const refusing = await freePort();
  server = keep(
    await startSekisho({
      config: {
        upstream: {
          servers: [{ address: '127.0.0.1', tls: { mode: 'strict', port: dot.port, name: 'dns.example.test' } }],
          'ca-file': own.certificate,
          timeout: '3s',
        },
        zones: [
          { zone: 'named.test', forward: strict({ name: 'dns.example.test' }) },
          { zone: 'numbered.test', forward: strict({ name: '127.0.0.1' }) },
          { zone: 'pinned.test', forward: strict({ pins: [pinOf(other), pinOf(own)] }) },
          { zone: 'misnamed.test', forward: strict({ name: 'dns.elsewhere.test' }) },
          { zone: 'mispinned.test', forward: strict({ name: 'dns.example.test', pins: [pinOf(other)] }) },
          { zone: 'whoever.test', forward: [{ address: at, tls: { mode: 'opportunistic', port } }] },
          { zone: 'fallback.test', forward: [{ address: at, tls: { mode: 'opportunistic', port: refusing } }] },
        ],
      },
    }),
  );
});

describe('strict', () => {
  it.each(['named', 'numbered', 'pinned'])('answers of a resolver that is %s as it should be', async (zone) => {
    expect(addressesIn(await ask(`www.${zone}.test`))).toEqual(['192.0.2.53']);
    expect(await upstreamOf(`${zone}.test`)).toMatchObject({
      tls: 'strict',
      state: 'up',
      address: expect.stringContaining(`:${resolver.port} `),
    });
  });

  it.each([
    ['misnamed', 'certificate'],
    ['mispinned', 'pin'],
  ])('%s: is not asked, says why, and nothing goes in the clear', async (zone, reason) => {
    // Unbound answers in the clear too, on the same port: what went there would have been answered.
    const reply = await ask(`www.${zone}.test`);
    expect(reply.rcode).toBe(2);
    expect([NO_REACHABLE_AUTHORITY, NETWORK_ERROR]).toContain(reply.extendedErrors[0]);
    expect(
      await metric('sekisho_upstream_tls_failures_total', [`zone="${zone}.test"`, `reason="${reason}"`]),
    ).toBeGreaterThan(0);
    expect((await upstreamOf(`${zone}.test`))?.tls).toBe('failing');
    expect(await metric('sekisho_upstream_queries_total', [`zone="${zone}.test"`])).toBe(0);
    expect(await metric('sekisho_upstream_tcp_queries_total', [`zone="${zone}.test"`])).toBe(0);
  });

  it('leaves no datagram where TLS is spoken', () => expect(leaked).toBe(0));
});

describe('opportunistic', () => {
  it('takes TLS of whoever answers', async () => {
    expect(addressesIn(await ask('www.whoever.test'))).toEqual(['192.0.2.53']);
    expect(await upstreamOf('whoever.test')).toMatchObject({ tls: 'opportunistic' });
    expect(clear.queries.filter(({ name }) => name.endsWith('whoever.test'))).toEqual([]);
  });

  it('goes in the clear where there is no TLS, and says so', async () => {
    expect(addressesIn(await ask('www.fallback.test'))).toEqual(['192.0.2.99']);
    expect(await metric('sekisho_upstream_tls_failures_total', ['zone="fallback.test"', 'reason="refused"'])).toBe(1);
    expect((await upstreamOf('fallback.test'))?.tls).toBe('failing');
    // The next one does not try again at once.
    expect(addressesIn(await ask('next.fallback.test'))).toEqual(['192.0.2.99']);
    expect(await metric('sekisho_upstream_tls_failures_total', ['zone="fallback.test"', 'reason="refused"'])).toBe(1);
  });
});

describe('a connection', () => {
  it('is shared by all questions, whose queries are padded and whose answers come in any order', async () => {
    dot.holding = true;
    const names = Array.from({ length: 40 }, (_, i) => `${'x'.repeat(i)}n${i}.shared.test`);
    const replies = Promise.all(names.map(ask));
    await expect.poll(() => names.every((name) => dot.asked.has(name))).toBe(true);
    dot.release();
    for (const reply of await replies) expect(addressesIn(reply)).toEqual(['192.0.2.7']);
    expect(dot.connections).toEqual([{ alpn: 'dot', resumed: false }]);
    expect(new Set(dot.lengths)).toEqual(new Set([128]));
  });

  it('that breaks is opened once more, resumed, and nobody notices', async () => {
    dot.holding = true;
    const names = Array.from({ length: 10 }, (_, i) => `n${i}.broken.test`);
    const replies = Promise.all(names.map(ask));
    await expect.poll(() => names.every((name) => dot.asked.has(name))).toBe(true);
    dot.holding = false;
    dot.hangUp();
    for (const reply of await replies) expect(addressesIn(reply)).toEqual(['192.0.2.7']);
    expect(dot.connections).toEqual([
      { alpn: 'dot', resumed: false },
      { alpn: 'dot', resumed: true },
    ]);
  });
});

afterAll(() => expect(leaked).toBe(0));
