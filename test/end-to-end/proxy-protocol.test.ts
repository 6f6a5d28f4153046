/** Behind proxies that say who asks (PROXY protocol v2), dnsdist first: the whole chain sees the client, and nobody is believed unasked. */
import { createSocket } from 'node:dgram';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { makeCertificate, type TestCertificate } from '../support/certificates.ts';
import { ensurePackages } from '../support/debian.ts';
import { askTcp, askUdp, queryBytes, type Reply, readReply } from '../support/dns-client.ts';
import { startDnsdist } from '../support/dnsdist.ts';
import { freePort } from '../support/free-port.ts';
import { scrape, stoppedAfterwards, waitFor } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { honest, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 240_000 });
const keep = stoppedAfterwards();
const missing = ensurePackages(['dnsdist', 'openssl']);
const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const WHOAMI = 'whoami.example.test';
let certificate: TestCertificate;
let upstream: ScriptedUpstream;

/** One way of handling packets. */
interface World {
  server: SekishoServer;
  plain: number;
  proxied: number;
  tls: number;
}
const worlds = new Map<string, World>();

beforeAll(async () => {
  certificate = makeCertificate(temporaryFolder('proxy'), 'proxy');
  upstream = keep(await startScriptedUpstream(honest()));
  for (const io of ['mmsg', 'dgram']) {
    const [plain, proxied, tls] = [await freePort(), await freePort(), await freePort()];
    const proxies = ['127.0.0.0/30'];
    const server = keep(
      await startSekisho({
        readyTimeoutMs: 60_000,
        config: {
          server: {
            workers: io === 'mmsg' ? 2 : 1,
            udp: { io },
            access: ['203.0.113.0/24', '2001:db8::/32', '127.0.0.0/8'],
            tcp: { 'message-timeout': '1s' },
            listen: [
              `127.0.0.1:${plain}`,
              { address: `127.0.0.1:${proxied}`, 'proxy-protocol': proxies },
              {
                address: `127.0.0.1:${tls}`,
                transport: 'tls',
                certificate: certificate.certificate,
                key: certificate.key,
                'proxy-protocol': proxies,
              },
            ],
          },
          upstream: { servers: [`127.0.0.1:${upstream.port}`] },
          cache: { size: '1MiB' },
          plugins: { whoami: { name: WHOAMI } },
        },
      }),
    );
    worlds.set(io, { server, plain, proxied, tls });
  }
});

interface Client {
  address: string;
  port?: number;
}

/** A header for this client; `way` 1 = stream, 2 = datagram. */
function header({ address, port = 4711 }: Client, way: 1 | 2): Buffer {
  const v6 = address.includes(':');
  const bytes = v6 ? Buffer.alloc(36) : Buffer.alloc(12);
  if (v6) Buffer.from('20010db8000000000000000000000007', 'hex').copy(bytes);
  else Buffer.from(address.split('.').map(Number)).copy(bytes);
  bytes.writeUInt16BE(port, v6 ? 32 : 8);
  const fixed = Buffer.from([0x21, (v6 ? 0x20 : 0x10) | way, 0, bytes.length]);
  return Buffer.concat([SIGNATURE, fixed, bytes]);
}

/** Undefined where nothing comes back. */
function datagram(
  port: number,
  bytes: Buffer,
  { from = '127.0.0.1', waitMs = 3_000 } = {},
): Promise<Reply | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    const done = (reply?: Reply) => {
      clearTimeout(timer);
      socket.close();
      resolve(reply);
    };
    const timer = setTimeout(() => done(), waitMs);
    socket.on('message', (message) => done(readReply(message)));
    socket.bind(0, from, () => socket.send(bytes, port, '127.0.0.1'));
  });
}

/** The first reply over a stream that begins with `head`, or undefined where the server closes without one. */
function stream(
  port: number,
  head: Buffer,
  message: Buffer,
  { from = '127.0.0.1', pieces = 1 } = {},
): Promise<Reply | undefined> {
  const socket = connectTcp({ port, host: '127.0.0.1', localAddress: from });
  const bytes = Buffer.concat([head, Buffer.from([message.length >>> 8, message.length & 255]), message]);
  const size = Math.ceil(bytes.length / pieces);
  socket.setNoDelay(true);
  let at = 0;
  const more = () => {
    if (at >= bytes.length || socket.destroyed) return;
    socket.write(bytes.subarray(at, at + size));
    at += size;
    setTimeout(more, 5);
  };
  more();
  return firstReply(socket);
}

function firstReply(socket: Socket): Promise<Reply | undefined> {
  return new Promise((resolve) => {
    let held = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('close', () => resolve(undefined));
    socket.on('data', (chunk: Buffer) => {
      held = Buffer.concat([held, chunk]);
      if (held.length < 2 || held.length < 2 + held.readUInt16BE(0)) return;
      resolve(readReply(held.subarray(2)));
      socket.destroy();
    });
  });
}

const seenBy = (reply: Reply | undefined): string => JSON.stringify(reply?.answers ?? 'no reply');
const ask = (type = 'TXT') => queryBytes({ name: WHOAMI, type });

describe.each(['mmsg', 'dgram'])('with server.udp.io: %s', (io) => {
  const world = () => worlds.get(io)!;

  it.each([
    ['203.0.113.9', 'A'],
    ['2001:db8::7', 'AAAA'],
  ])('a datagram and a stream for %s are answered as its own', async (address, type) => {
    const { proxied } = world();
    const replies = [
      await datagram(proxied, Buffer.concat([header({ address }, 2), ask(type)])),
      await stream(proxied, header({ address }, 1), ask(type)),
      await stream(proxied, header({ address }, 1), ask(type), { pieces: 7 }),
    ];
    for (const reply of replies) expect(seenBy(reply)).toContain(address);
  });

  it('inside the header stands who asks, outside TLS', async () => {
    const { tls } = world();
    const raw = connectTcp({ port: tls, host: '127.0.0.1' });
    raw.write(header({ address: '203.0.113.9' }, 1));
    const secure = connectTls({ socket: raw, ca: certificate.pem, servername: 'dns.example.test' });
    const message = ask('A');
    secure.write(Buffer.concat([Buffer.from([0, message.length]), message]));
    expect(seenBy(await firstReply(secure))).toContain('203.0.113.9');
  });

  it('whoever may not ask is refused, though the proxy may', async () => {
    const { proxied } = world();
    const reply = await datagram(proxied, Buffer.concat([header({ address: '198.51.100.1' }, 2), ask('A')]));
    expect(reply?.rcode).toBe(5);
    expect((await stream(proxied, header({ address: '198.51.100.1' }, 1), ask('A')))?.rcode).toBe(5);
  });

  it('a proxy that asks for itself (LOCAL) is the client', async () => {
    const local = Buffer.concat([SIGNATURE, Buffer.from([0x20, 0, 0, 0])]);
    expect(seenBy(await datagram(world().proxied, Buffer.concat([local, ask('A')])))).toContain('127.0.0.1');
    expect(seenBy(await stream(world().proxied, local, ask('A')))).toContain('127.0.0.1');
  });

  it('nobody else is heard, and nothing without a header', async () => {
    const { proxied, server } = world();
    const whole = Buffer.concat([header({ address: '203.0.113.9' }, 2), ask('A')]);
    const before = await scrape(server);
    const silent = [
      await datagram(proxied, whole, { from: '127.0.0.9', waitMs: 300 }),
      await datagram(proxied, ask('A'), { waitMs: 300 }),
      await stream(proxied, header({ address: '203.0.113.9' }, 1), ask('A'), { from: '127.0.0.9' }),
      await stream(proxied, Buffer.alloc(0), ask('A')),
      await stream(proxied, header({ address: '203.0.113.9' }, 2), ask('A')),
      // A header that never ends: closed in time.
      await stream(proxied, SIGNATURE, Buffer.alloc(0)),
    ];
    expect(silent).toEqual(silent.map(() => undefined));
    const page = await scrape(server);
    const grown = (reason: string) =>
      page.total('sekisho_proxy_refused_total', { reason }) - before.total('sekisho_proxy_refused_total', { reason });
    expect([grown('source'), grown('header')]).toEqual([2, 4]);
  });

  it('where no proxy is expected, a header is no query', async () => {
    const { plain } = world();
    expect((await askUdp({ name: WHOAMI, type: 'A' }, { port: plain })).rcode).toBe(0);
    expect(await stream(plain, header({ address: '203.0.113.9' }, 1), ask('A'))).toBeUndefined();
  });

  it('a client has its share of connections, however many its proxy has', async () => {
    const { proxied } = world();
    const open: Socket[] = [];
    for (let i = 0; i < 150; i++) {
      const socket = connectTcp({ port: proxied, host: '127.0.0.1' });
      socket.on('error', () => {});
      socket.write(header({ address: '203.0.113.77', port: 1000 + i }, 1));
      open.push(socket);
    }
    await waitFor('those above its share are closed', () => open.filter(({ closed }) => closed).length >= 50);
    expect(seenBy(await stream(proxied, header({ address: '203.0.113.78' }, 1), ask('A')))).toContain('203.0.113.78');
    for (const socket of open) socket.destroy();
  });
});

it.skipIf(missing.has('dnsdist'))('dnsdist in front: clients keep their addresses over UDP and TCP', async () => {
  const { proxied } = worlds.get('mmsg')!;
  const dnsdist = keep(
    await startDnsdist({
      upstreamPort: proxied,
      probeName: 'www.example.test',
      cache: false,
      useProxyProtocol: true,
    }),
  );
  for (const from of ['127.0.0.55', '127.0.0.56']) {
    expect(seenBy(await askUdp({ name: WHOAMI, type: 'A' }, { port: dnsdist.port, from }))).toContain(from);
    expect(seenBy(await askTcp({ name: WHOAMI, type: 'A' }, { port: dnsdist.port, from }))).toContain(from);
  }
});
