/**
 * What clients of encrypted transports can do to a server: each is bounded, counted and ended, and whoever asks honestly over UDP, TLS
 * and HTTPS meanwhile is answered.
 */
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { makeCertificate, type TestCertificate } from '../support/certificates.ts';
import { ensurePackages } from '../support/debian.ts';
import { askUdp, queryBytes, readReply } from '../support/dns-client.ts';
import { freePort } from '../support/free-port.ts';
import { scrape, stoppedAfterwards, waitFor } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { honest, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });
const keep = stoppedAfterwards();
ensurePackages(['openssl']);
const NAME = 'dns.example.test';
/** Addresses of two networks (/24): who attacks, and who asks. */
const ATTACKER = '127.0.9.1';
const HONEST = '127.0.7.1';
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, window: 8, continuation: 9 };
let certificate: TestCertificate;
let upstream: ScriptedUpstream;
let server: SekishoServer;
let ports: { udp: number; tls: number; https: number };

beforeAll(async () => {
  certificate = makeCertificate(temporaryFolder('floods'), 'floods');
  upstream = keep(await startScriptedUpstream(honest()));
  ports = { udp: await freePort(), tls: await freePort(), https: await freePort() };
  const files = { certificate: certificate.certificate, key: certificate.key };
  server = keep(
    await startSekisho({
      config: {
        server: {
          workers: 1,
          tcp: {
            'message-timeout': '1s',
            'idle-timeout': '5s',
            'max-connections-per-client': 40,
            'max-connections': 200,
          },
          tls: { handshakes: 2000, 'handshakes-per-network': 1000 },
          listen: [
            `127.0.0.1:${ports.udp}`,
            { address: `127.0.0.1:${ports.tls}`, transport: 'tls', ...files },
            { address: `127.0.0.1:${ports.https}`, transport: 'https', ...files },
          ],
        },
        upstream: { servers: [`127.0.0.1:${upstream.port}`] },
        cache: { size: '4MiB' },
      },
    }),
  );
});

function raw(port: number, from: string): Socket {
  const socket = connectTcp({ port, host: '127.0.0.1', localAddress: from });
  socket.on('error', () => {});
  return socket;
}

function secured(port: number, from: string, protocols: string[] = []): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      socket: raw(port, from),
      ca: certificate.pem,
      servername: NAME,
      ALPNProtocols: protocols,
    });
    socket.once('secureConnect', () => resolve(socket));
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('closed')));
  });
}

async function http2(from = ATTACKER): Promise<TLSSocket> {
  const socket = await secured(ports.https, from, ['h2']);
  socket.on('error', () => {});
  socket.resume();
  socket.write(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0, Buffer.alloc(0))]));
  return socket;
}

function frame(type: number, flags: number, stream: number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, body]);
}

/** HPACK (RFC 7541): method POST, scheme https, then path, authority and type, literally. */
function headersBlock(extra: Buffer = Buffer.alloc(0)): Buffer {
  const literal = (index: number, value: string) =>
    Buffer.concat([
      Buffer.from(index < 15 ? [index] : [15, index - 15]),
      Buffer.from([value.length]),
      Buffer.from(value),
    ]);
  const fixed = [literal(4, '/dns-query'), literal(1, NAME), literal(31, 'application/dns-message')];
  return Buffer.concat([Buffer.from([0x83, 0x87]), ...fixed, extra]);
}

const closed = (socket: Socket) => waitFor('the server closes', () => socket.closed || socket.destroyed, 30_000);
const closedFor = async (reason: string) => (await scrape(server)).total('sekisho_tcp_closed_total', { reason });

async function overTls(message: Buffer): Promise<number> {
  const socket = await secured(ports.tls, HONEST);
  const reply = new Promise<Buffer>((resolve, reject) => {
    socket.once('data', resolve);
    socket.once('close', () => reject(new Error('closed')));
  });
  socket.write(Buffer.concat([Buffer.from([0, message.length]), message]));
  const bytes = await reply;
  socket.destroy();
  return readReply(bytes.subarray(2)).rcode;
}

function overHttps(message: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const client = connectHttp2(`https://127.0.0.1:${ports.https}`, {
      createConnection: () =>
        connect({ socket: raw(ports.https, HONEST), ca: certificate.pem, servername: NAME, ALPNProtocols: ['h2'] }),
    });
    client.on('error', reject);
    const stream = client.request({
      ':method': 'POST',
      ':path': '/dns-query',
      'content-type': 'application/dns-message',
    });
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      client.destroy();
      const bytes = Buffer.concat(chunks);
      resolve(bytes.length < 12 ? -1 : readReply(bytes).rcode);
    });
    stream.on('error', reject);
    stream.end(message);
  });
}

/** Run `attack` while others ask by every way; at least 99 of 100 are answered. */
async function besideHonest(attack: () => Promise<void>): Promise<void> {
  let running = true;
  const outcomes: boolean[] = [];
  const message = queryBytes({ name: 'www.example.test' });
  const asking = [
    async () =>
      (await askUdp({ name: 'www.example.test' }, { port: ports.udp, from: HONEST, timeoutMs: 10_000 })).rcode,
    () => overTls(message),
    () => overHttps(message),
  ].map(async (ask) => {
    do {
      outcomes.push(
        await ask().then(
          (rcode) => rcode === 0,
          () => false,
        ),
      );
    } while (running || outcomes.length < 30);
  });
  try {
    await attack();
  } finally {
    running = false;
    await Promise.all(asking);
  }
  const answered = outcomes.filter(Boolean).length;
  expect(answered / outcomes.length, `${answered} of ${outcomes.length}`).toBeGreaterThanOrEqual(0.99);
}

describe('others are answered while a client', () => {
  it('opens connections and says nothing, or a byte now and then', async () => {
    const late = async () => (await scrape(server)).total('sekisho_tls_failures_total', { reason: 'timeout' });
    const before = await late();
    await besideHonest(async () => {
      const silent = Array.from({ length: 30 }, (_, i) => raw(i % 2 === 0 ? ports.tls : ports.https, ATTACKER));
      const dribble = setInterval(() => {
        for (const [i, socket] of silent.entries())
          if (i % 3 === 0 && !socket.destroyed) socket.write(Buffer.from([0x16]));
      }, 100);
      await Promise.all(silent.map(closed));
      clearInterval(dribble);
    });
    expect((await late()) - before).toBeGreaterThanOrEqual(20);
  });

  it('speaks what is no TLS', async () => {
    await besideHonest(async () => {
      const sockets = Array.from({ length: 30 }, () => raw(ports.https, ATTACKER));
      for (const socket of sockets) socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      await Promise.all(sockets.map(closed));
    });
    const page = await scrape(server);
    expect(page.total('sekisho_tls_failures_total', { reason: 'not-tls', transport: 'https' })).toBeGreaterThanOrEqual(
      30,
    );
  });

  it('holds all the connections that it may have: its own longest idle one ends', async () => {
    await besideHonest(async () => {
      const sockets: TLSSocket[] = [];
      for (let i = 0; i < 60; i++) sockets.push(await secured(ports.tls, ATTACKER));
      await waitFor('those above its share ended', () => sockets.filter(({ destroyed }) => destroyed).length >= 20);
      for (const socket of sockets) socket.destroy();
    });
  });

  it('asks and gives up at once, again and again (CVE-2023-44487)', async () => {
    const before = await closedFor('flood');
    await besideHonest(async () => {
      upstream.script = (query) => setTimeout(() => honest()(query), 500);
      const socket = await http2();
      const block = headersBlock();
      for (let i = 0; i < 400 && !socket.destroyed; i++) {
        const message = queryBytes({ name: `reset-${i}.example.test` });
        socket.write(
          Buffer.concat([
            frame(FRAME.headers, 4, 2 * i + 1, block),
            frame(FRAME.data, 1, 2 * i + 1, message),
            frame(FRAME.reset, 0, 2 * i + 1, Buffer.from([0, 0, 0, 8])),
          ]),
        );
        await new Promise((resolve) => setImmediate(resolve));
      }
      await closed(socket);
      upstream.script = honest();
    });
    expect(await closedFor('flood')).toBeGreaterThan(before);
  });

  it.each([
    ['PING', () => frame(FRAME.ping, 0, 0, Buffer.alloc(8))],
    ['SETTINGS', () => frame(FRAME.settings, 0, 0, Buffer.alloc(6))],
  ])('floods with %s', async (_, make) => {
    await besideHonest(async () => {
      const socket = await http2();
      const burst = Buffer.concat(Array.from({ length: 500 }, make));
      const flood = setInterval(() => !socket.destroyed && socket.write(burst), 10);
      await closed(socket);
      clearInterval(flood);
    });
  });

  it('sends headers without an end (CONTINUATION)', async () => {
    await besideHonest(async () => {
      const socket = await http2();
      socket.write(frame(FRAME.headers, 0, 1, headersBlock()));
      const burst = Buffer.concat(
        Array.from({ length: 100 }, () => frame(FRAME.continuation, 0, 1, Buffer.from([0, 1, 0x78, 1, 0x79]))),
      );
      const flood = setInterval(() => !socket.destroyed && socket.write(burst), 10);
      await closed(socket);
      clearInterval(flood);
    });
  });

  it('sends headers that grow when unpacked (HPACK), or are too many', async () => {
    await besideHonest(async () => {
      for (const times of [1, 2_000]) {
        const socket = await http2();
        // A name of 3 KB is put into the table, then referred to again and again: 3 KB for each byte.
        const name = Buffer.concat([
          Buffer.from([0x40, 0x7f, 0x81, 0x17]),
          Buffer.alloc(3_072, 0x78),
          Buffer.from([1, 0x79]),
        ]);
        const block = headersBlock(Buffer.concat([name, Buffer.alloc(times, 0xbe)]));
        const message = queryBytes({ name: 'www.example.test' });
        socket.write(Buffer.concat([frame(FRAME.headers, 4, 1, block), frame(FRAME.data, 1, 1, message)]));
        if (times > 1) {
          // The stream or the connection ends: memory does not grow with it.
          await waitFor('the server says no', () => socket.destroyed || socket.bytesRead > 0, 30_000);
        }
        socket.destroy();
      }
    });
  });

  it('sends a body that does not come to its end', async () => {
    const outcome = async () => (await scrape(server)).total('sekisho_doh_requests_total', { outcome: 'timeout' });
    const before = await outcome();
    await besideHonest(async () => {
      const socket = await http2();
      for (let i = 0; i < 20; i++)
        socket.write(
          Buffer.concat([
            frame(FRAME.headers, 4, 2 * i + 1, headersBlock()),
            frame(FRAME.data, 0, 2 * i + 1, Buffer.from([0])),
          ]),
        );
      await waitFor('all are given up', async () => (await outcome()) - before >= 20, 30_000);
      socket.destroy();
    });
  });

  it('does not take its answers', async () => {
    await besideHonest(async () => {
      const socket = await http2();
      // Initial window 0 (RFC 9113 §6.5.2): nothing of a body may be sent.
      socket.write(frame(FRAME.settings, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0])));
      const message = queryBytes({ name: 'www.example.test' });
      for (let i = 0; i < 40; i++)
        socket.write(
          Buffer.concat([frame(FRAME.headers, 4, 2 * i + 1, headersBlock()), frame(FRAME.data, 1, 2 * i + 1, message)]),
        );
      await closed(socket);
    });
  });

  it('sends a million frames at random', async () => {
    let sent = 0;
    let state = 20261128;
    const random = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    // Made once: what each connection gets begins in another place of it.
    const noise = Buffer.from(Array.from({ length: 1 << 16 }, () => Math.floor(random() * 256)));
    await besideHonest(async () => {
      // nghttp2 says GOAWAY to the first that is wrong and hears nothing more; what does not close then idles, and is closed for that.
      const one = async () => {
        const socket = await http2();
        const frames = Array.from({ length: 10_000 }, () => {
          const at = Math.floor(random() * (noise.length - 24));
          const [type = 0, flags = 0, stream = 0, length = 0] = noise.subarray(at);
          return frame(type % 12, flags, stream % 64, noise.subarray(at, at + (length % 24)));
        });
        sent += frames.length;
        socket.write(Buffer.concat(frames));
        await closed(socket);
      };
      while (sent < 1_000_000) await Promise.all(Array.from({ length: 25 }, one));
    });
    expect(sent).toBeGreaterThanOrEqual(1_000_000);
  });
});

it('a network begins no more handshakes than it may, and others begin theirs', async () => {
  const limitedPort = await freePort();
  const limited = keep(
    await startSekisho({
      config: {
        server: {
          tls: { handshakes: 50, 'handshakes-per-network': 10 },
          listen: [
            `127.0.0.1:${await freePort()}`,
            {
              address: `127.0.0.1:${limitedPort}`,
              transport: 'tls',
              certificate: certificate.certificate,
              key: certificate.key,
            },
          ],
        },
        upstream: { servers: [`127.0.0.1:${upstream.port}`] },
        cache: { size: '1MiB' },
      },
    }),
  );
  const tries = await Promise.allSettled(Array.from({ length: 80 }, () => secured(limitedPort, ATTACKER)));
  const begun = tries.filter(({ status }) => status === 'fulfilled').length;
  expect(begun).toBeGreaterThanOrEqual(10);
  expect(begun).toBeLessThan(80);
  await expect(secured(limitedPort, HONEST)).resolves.toBeDefined();
  expect((await scrape(limited)).total('sekisho_tls_failures_total', { reason: 'limit' })).toBe(80 - begun);
});
