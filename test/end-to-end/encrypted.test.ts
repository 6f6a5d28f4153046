/** DNS over TLS and HTTPS with real clients: the same answers by every way, and certificates that change meanwhile. */
import { execFile, spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { join } from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { makeCertificate, type TestCertificate } from '../support/certificates.ts';
import { ensurePackages, requireProgram } from '../support/debian.ts';
import { askTcp, askUdp, dataOf, queryBytes, readReply } from '../support/dns-client.ts';
import { freePort } from '../support/free-port.ts';
import { logOf, scrape, stoppedAfterwards, waitFor } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { answerTo, honest, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoServer, sekishoMain, startSekisho } from '../support/sekisho.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 240_000 });
const keep = stoppedAfterwards();
const missing = ensurePackages(['kdig', 'curl', 'openssl', 'h2load']);
const run = promisify(execFile);
const NAME = 'dns.example.test';
const PADDING = { code: 12, data: Buffer.alloc(0) };
let folder: string;
let first: TestCertificate;
let other: TestCertificate;
let upstream: ScriptedUpstream;
let server: SekishoServer;
let tls: number;
let https: number;

beforeAll(async () => {
  folder = temporaryFolder('certificates');
  first = makeCertificate(folder, 'first');
  other = makeCertificate(folder, 'other', { names: 'DNS:other.example.test,DNS:*.wild.example.test' });
  upstream = keep(await startScriptedUpstream(honest()));
  [tls, https] = [await freePort(), await freePort()];
  const shown = { certificate: first.certificate, key: first.key };
  const port = await freePort();
  const started = await startSekisho({
    readyTimeoutMs: 60_000,
    config: {
      server: {
        workers: 2,
        tcp: { 'idle-timeout': '20s' },
        // All clients of this test are of one network, and quick.
        tls: { handshakes: 4000, 'handshakes-per-network': 4000 },
        listen: [
          `127.0.0.1:${port}`,
          {
            address: `127.0.0.1:${tls}`,
            transport: 'tls',
            ...shown,
            certificates: [{ certificate: other.certificate, key: other.key }],
          },
          { address: `127.0.0.1:${https}`, transport: 'https', ...shown },
        ],
      },
      upstream: { servers: [`127.0.0.1:${upstream.port}`] },
      cache: { size: '4MiB' },
    },
  });
  server = keep({ ...started, port });
});

const opened: TLSSocket[] = [];
keep({
  close: () => {
    for (const socket of opened) socket.destroy();
  },
});

/** A TLS connection whose handshake is over. */
function secured(options: ConnectionOptions = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: tls, ca: first.pem, servername: NAME, ...options });
    opened.push(socket);
    socket.once('secureConnect', () => resolve(socket));
    socket.once('error', reject);
  });
}

function framed(message: Buffer): Buffer {
  return Buffer.concat([Buffer.from([message.length >>> 8, message.length & 255]), message]);
}

/** Messages that come over a stream, taken out of their frames. */
async function messages(socket: TLSSocket, count: number): Promise<Buffer[]> {
  const found: Buffer[] = [];
  let held = Buffer.alloc(0);
  while (found.length < count) {
    while (held.length < 2 || held.length < 2 + held.readUInt16BE(0)) {
      const [chunk] = (await once(socket)) as [Buffer];
      held = Buffer.concat([held, chunk]);
    }
    const length = held.readUInt16BE(0);
    found.push(held.subarray(2, 2 + length));
    held = held.subarray(2 + length);
  }
  return found;
}

function once(socket: TLSSocket): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    const closed = () => reject(new Error('the server closed'));
    socket.once('close', closed);
    socket.once('data', (chunk) => {
      socket.off('close', closed);
      resolve([chunk]);
    });
  });
}

async function askTls(message: Buffer): Promise<Buffer> {
  const socket = await secured();
  socket.write(framed(message));
  const [reply] = await messages(socket, 1);
  socket.destroy();
  return reply!;
}

interface HttpReply {
  status: number;
  headers: Record<string, unknown>;
  body: Buffer;
}

function session(): ClientHttp2Session {
  const client = connectHttp2(`https://127.0.0.1:${https}`, { ca: first.pem, servername: NAME });
  client.on('error', () => {});
  keep({ close: () => client.destroy() });
  return client;
}

function request(client: ClientHttp2Session, headers: Record<string, string>, body?: Buffer): Promise<HttpReply> {
  return new Promise((resolve, reject) => {
    const stream = client.request({ ':path': '/dns-query', ...headers });
    const chunks: Buffer[] = [];
    let reply: Record<string, unknown> = {};
    stream.on('response', (response) => {
      reply = response;
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => resolve({ status: Number(reply[':status']), headers: reply, body: Buffer.concat(chunks) }));
    stream.on('error', reject);
    stream.end(body);
  });
}

const post = (client: ClientHttp2Session, body: Buffer, headers: Record<string, string> = {}) =>
  request(client, { ':method': 'POST', 'content-type': 'application/dns-message', ...headers }, body);

describe('DNS over TLS (RFC 7858)', () => {
  it.skipIf(missing.has('kdig'))('answers kdig, which authenticates the server by name and by address', async () => {
    for (const hostname of [NAME, '127.0.0.1']) {
      const args = ['@127.0.0.1', '-p', String(tls), `+tls-ca=${first.certificate}`, `+tls-hostname=${hostname}`];
      const { stdout } = await run(requireProgram('kdig'), [...args, 'www.example.test', '+short']);
      expect(stdout.trim()).toBe('192.0.2.7');
    }
  });

  it('answers out of order, and what is large whole', async () => {
    const socket = await secured();
    upstream.script = (query) => {
      if (query.name.startsWith('slow')) setTimeout(() => honest('192.0.2.8')(query), 300);
      else if (query.name.startsWith('large') && query.transport === 'udp') query.send(answerTo(query, { tc: true }));
      else if (query.name.startsWith('large'))
        query.send(
          answerTo(query, {
            answers: Array.from({ length: 40 }, (_, i) => ({
              type: 'TXT' as const,
              name: query.name,
              ttl: 60,
              data: `${i}`.padEnd(250, 'x'),
            })),
          }),
        );
      else honest()(query);
    };
    const asked = ['slow.example.test', 'quick.example.test'].map((name) => queryBytes({ name }));
    socket.write(Buffer.concat(asked.map(framed)));
    const replies = (await messages(socket, 2)).map(readReply);
    expect(replies.map(({ name }) => name)).toEqual(['quick.example.test', 'slow.example.test']);
    socket.write(framed(queryBytes({ name: 'large.example.test', type: 'TXT' })));
    const [large] = await messages(socket, 1);
    expect(large!.length).toBeGreaterThan(10_000);
    expect(readReply(large!).answers).toHaveLength(40);
    upstream.script = honest();
  });

  it('pads replies to padded queries to a multiple of 468 bytes, and only over what is encrypted (RFC 8467)', async () => {
    const padded = { name: 'padded.example.test', options: [PADDING] };
    expect((await askTls(queryBytes(padded))).length % 468).toBe(0);
    expect((await askTls(queryBytes({ name: 'padded.example.test', udpSize: 1232 }))).length).toBeLessThan(468);
    expect((await askUdp(padded, { port: server.port })).bytes.length).toBeLessThan(468);
    expect((await askTcp(padded, { port: server.port })).bytes.length).toBeLessThan(468);
    const reply = await post(session(), queryBytes(padded));
    expect([reply.body.length % 468, reply.body.subarray(-100).every((byte) => byte === 0)]).toEqual([0, true]);
  });

  it('tells how long the connection may idle (RFC 7828)', async () => {
    const reply = readReply(await askTls(queryBytes({ name: 'a.example.test', options: [{ ...PADDING, code: 11 }] })));
    expect(JSON.stringify(reply.opt?.options)).toContain('TCP_KEEPALIVE');
  });

  it('shows the certificate whose name is asked for, else the first', async () => {
    const shownFor = async (servername: string) =>
      new X509Certificate((await secured({ servername, rejectUnauthorized: false })).getPeerCertificate().raw);
    for (const [asked, expected] of [
      [NAME, first],
      ['other.example.test', other],
      ['OTHER.example.test', other],
      ['a.wild.example.test', other],
      ['a.b.wild.example.test', first],
      ['unknown.example.test', first],
    ] as const)
      expect((await shownFor(asked)).fingerprint256, asked).toBe(new X509Certificate(expected.pem).fingerprint256);
  });

  it.each([
    ['TLS 1.1', { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }],
    ['CBC', { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA256' }],
    ['another protocol by ALPN', { ALPNProtocols: ['h2'] }],
  ] as const)('refuses %s', async (_, options) => {
    await expect(
      secured({ ...options, ALPNProtocols: [...('ALPNProtocols' in options ? options.ALPNProtocols : [])] }),
    ).rejects.toThrow();
  });

  it('speaks TLS 1.2 with AEAD, without renegotiation', async () => {
    const socket = await secured({ maxVersion: 'TLSv1.2' });
    expect([socket.getProtocol(), socket.getCipher().name]).toEqual(['TLSv1.2', expect.stringMatching(/GCM|CHACHA/)]);
    const refused = await new Promise((resolve) => {
      socket.on('error', () => {});
      socket.on('close', () => resolve('closed'));
      socket.renegotiate({}, (error) => resolve(error === null ? 'renegotiated' : 'refused'));
      socket.once('data', () => resolve('the query behind was answered'));
      socket.write(framed(queryBytes({ name: 'www.example.test' })));
    });
    expect(refused).not.toBe('renegotiated');
  });

  it.skipIf(missing.has('openssl'))('resumes sessions in whichever worker they land', async () => {
    const file = join(folder, 'session');
    const openssl = (...args: string[]) =>
      spawnSync(requireProgram('openssl'), ['s_client', '-connect', `127.0.0.1:${tls}`, '-tls1_2', ...args], {
        input: '',
        encoding: 'utf8',
      }).stdout;
    expect(openssl('-sess_out', file)).toContain('New, TLSv1.2');
    const resumed = Array.from({ length: 12 }, () => openssl('-sess_in', file)).filter((out) => out.includes('Reused'));
    expect(resumed).toHaveLength(12);
    const page = await scrape(server);
    expect(page.total('sekisho_tls_handshakes_total', { resumed: 'yes', version: 'TLSv1.2' })).toBeGreaterThan(11);
  });
});

describe('DNS over HTTPS (RFC 8484)', () => {
  it('answers POST and GET, with the lifetime of the least TTL', async () => {
    const client = session();
    upstream.script = (query) =>
      query.send(
        answerTo(query, {
          answers: [300, 77, 4000].map((ttl, i) => ({ type: 'A', name: query.name, ttl, data: `192.0.2.${i + 1}` })),
        }),
      );
    const message = queryBytes({ name: 'ages.example.test' });
    for (const reply of [
      await post(client, message),
      await request(client, { ':path': `/dns-query?dns=${message.toString('base64url')}` }),
      await request(client, { ':path': `/dns-query?ct=x&dns=${message.toString('base64url')}&z=1` }),
    ]) {
      expect([reply.status, reply.headers['content-type']]).toEqual([200, 'application/dns-message']);
      expect(dataOf(readReply(reply.body).answers, 'A')).toHaveLength(3);
      expect(reply.headers['cache-control']).toMatch(/^max-age=7[67]$/);
      expect(reply.headers['content-length']).toBe(String(reply.body.length));
    }
    upstream.script = honest();
  });

  it('says for how long a negative answer may be kept: the lesser of the SOA and its minimum', async () => {
    upstream.script = (query) =>
      query.send(
        answerTo(query, {
          rcode: 3,
          authorities: [
            {
              type: 'SOA',
              name: 'example.test',
              ttl: 900,
              data: { mname: 'a', rname: 'b', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 42 },
            },
          ],
        } as never),
      );
    const reply = await post(session(), queryBytes({ name: 'absent.example.test' }));
    expect([readReply(reply.body).rcode, reply.headers['cache-control']]).toEqual([3, 'max-age=42']);
    upstream.script = honest();
  });

  it.skipIf(missing.has('curl'))('answers curl, and tells a client of HTTP/1.1 what is spoken', async () => {
    const file = join(folder, 'query');
    writeFileSync(file, queryBytes({ name: 'www.example.test' }));
    const args = ['-s', '--cacert', first.certificate, '--resolve', `${NAME}:${https}:127.0.0.1`];
    const where = [
      '-H',
      'content-type: application/dns-message',
      '--data-binary',
      `@${file}`,
      `https://${NAME}:${https}/dns-query`,
    ];
    const told = ['-o', '/dev/null', '-w', '%{http_version} %{http_code}'];
    expect((await run('curl', [...args, ...told, ...where])).stdout).toBe('2 200');
    const { stdout } = await run('curl', [...args, '--http1.1', '-i', ...where]);
    expect(stdout).toMatch(/^HTTP\/1\.1 426 Upgrade Required\r\n/);
    expect(stdout).toContain('HTTP/2');
  });

  it.skipIf(missing.has('kdig'))('answers kdig', async () => {
    const args = ['@127.0.0.1', '-p', String(https), '+https', `+tls-ca=${first.certificate}`, `+tls-hostname=${NAME}`];
    expect((await run(requireProgram('kdig'), [...args, 'www.example.test', '+short'])).stdout.trim()).toBe(
      '192.0.2.7',
    );
  });

  const good = () => queryBytes({ name: 'www.example.test' });
  it.each<[string, number, (client: ClientHttp2Session) => Promise<HttpReply>]>([
    ['another path', 404, (client) => request(client, { ':path': '/' })],
    ['a path that begins alike', 404, (client) => request(client, { ':path': '/dns-queryx?dns=AAAA' })],
    ['another method', 405, (client) => request(client, { ':method': 'PUT' }, good())],
    ['no question', 400, (client) => request(client, {})],
    ['padding in base64url', 400, (client) => request(client, { ':path': '/dns-query?dns=AAA=' })],
    ['no base64url', 400, (client) => request(client, { ':path': '/dns-query?dns=AA%20A' })],
    ['too long a path', 414, (client) => request(client, { ':path': `/dns-query?dns=${'A'.repeat(6000)}` })],
    ['another type', 415, (client) => post(client, good(), { 'content-type': 'application/json' })],
    ['too large a body', 413, (client) => post(client, Buffer.alloc(5000))],
    ['an empty body', 400, (client) => post(client, Buffer.alloc(0))],
    ['a response', 400, (client) => post(client, Buffer.from(good()).fill(0x80, 2, 3))],
  ])('refuses %s with %i, and the next request is answered', async (_, status, ask) => {
    const client = session();
    expect((await ask(client)).status).toBe(status);
    expect((await post(client, good())).status).toBe(200);
  });

  it.skipIf(missing.has('h2load'))('answers h2load: 20 connections of 10 streams, all of it', async () => {
    const file = join(folder, 'load');
    writeFileSync(file, queryBytes({ name: 'www.example.test' }));
    const args = ['-n', '4000', '-c', '20', '-m', '10', '-d', file, '-H', 'content-type: application/dns-message'];
    const { stdout } = await run(requireProgram('h2load'), [...args, `https://127.0.0.1:${https}/dns-query`]);
    expect(stdout).toContain('4000 succeeded, 0 failed, 0 errored, 0 timeout');
    expect(stdout).toMatch(/status codes: 4000 2xx/);
  });
});

describe('one gate for all transports', () => {
  it('the same question is asked of the upstream once, whichever way it comes', async () => {
    const before = upstream.queries.length;
    const message = queryBytes({ name: 'once.example.test' });
    const replies = [
      (await askUdp({ name: 'once.example.test' }, { port: server.port })).answers,
      readReply(await askTls(message)).answers,
      readReply((await post(session(), message)).body).answers,
    ].map((answers) => dataOf(answers, 'A'));
    expect(replies).toEqual([['192.0.2.7'], ['192.0.2.7'], ['192.0.2.7']]);
    expect(upstream.queries.length - before).toBe(1);
    const page = await scrape(server);
    for (const transport of ['udp', 'tls', 'https'])
      expect(page.total('sekisho_queries_total', { transport }), transport).toBeGreaterThan(0);
  });

  it('the log names no client, no path and no agent', async () => {
    await post(session(), queryBytes({ name: 'quiet.example.test' }), { 'user-agent': 'told-agent', cookie: 'told=1' });
    expect(server.stdout() + server.stderr()).not.toMatch(/told|quiet\.example/);
  });

  it('designated resolvers are told, and resolver.arpa is asked of nobody (RFC 9462)', async () => {
    const before = upstream.queries.length;
    const reply = await askUdp({ name: '_dns.resolver.arpa', type: 'UNKNOWN_64' }, { port: server.port });
    const bytes = reply.bytes.toString('latin1');
    expect(reply.answers).toHaveLength(2);
    expect(bytes).toContain('\x03dot');
    expect(bytes).toContain('\x02h2');
    expect(bytes).toContain('/dns-query{?dns}');
    expect(upstream.queries.length).toBe(before);
  });
});

describe('certificates', () => {
  it('change while connections stand and queries come: none is lost', async () => {
    const old = await secured();
    let running = true;
    let answered = 0;
    const asking = async (ask: () => Promise<number>) => {
      while (running) {
        expect(await ask()).toBe(0);
        answered++;
      }
    };
    const trusted = [first.pem];
    const load = [
      asking(async () => {
        const socket = await secured({ ca: trusted });
        socket.write(framed(queryBytes({ name: 'www.example.test' })));
        const [reply] = await messages(socket, 1);
        socket.destroy();
        return readReply(reply!).rcode;
      }),
      asking(async () => {
        old.write(framed(queryBytes({ name: 'www.example.test' })));
        return readReply((await messages(old, 1))[0]!).rcode;
      }),
    ];
    const before = new X509Certificate(first.pem).fingerprint256;
    const renewed = makeCertificate(folder, 'first');
    trusted.push(renewed.pem);
    const shown = async () => (await secured({ ca: trusted })).getPeerCertificate().fingerprint256;
    await waitFor(
      'the new one is shown',
      async () => (await shown()) === new X509Certificate(renewed.pem).fingerprint256,
      20_000,
    );
    expect(before).not.toBe(new X509Certificate(renewed.pem).fingerprint256);
    running = false;
    await Promise.all(load);
    expect(answered).toBeGreaterThan(10);
    first = renewed;
    expect(old.destroyed).toBe(false);
  });

  it('that cannot be read do not replace what is shown, and the log says so', async () => {
    writeFileSync(first.key, 'no key at all');
    await waitFor(
      'the log says so',
      () => logOf(server).some(({ msg }) => msg === 'failed to load new certificates; the ones before are still shown'),
      20_000,
    );
    expect(readReply(await askTls(queryBytes({ name: 'www.example.test' }))).rcode).toBe(0);
    expect(server.stdout()).not.toContain('no key at all');
    const page = await scrape(server);
    expect(page.total('sekisho_certificate_end_timestamp_seconds')).toBeGreaterThan(Date.now() / 1000);
  });
});

describe('sekisho check', () => {
  const check = (entry: Record<string, unknown>) => {
    const file = join(folder, 'check.yaml');
    writeFileSync(
      file,
      JSON.stringify({ server: { data: './d', listen: [entry] }, upstream: { servers: ['127.0.0.1:1'] } }),
    );
    return spawnSync(process.execPath, [sekishoMain(), 'check', '--config', file], { encoding: 'utf8', cwd: folder });
  };
  const entry = (more: Record<string, unknown>) => ({ address: '127.0.0.1:1853', transport: 'tls', ...more });

  it('shows names and end of a certificate', () => {
    const { certificate, key } = makeCertificate(folder, 'checked', { days: 90 });
    const { status, stdout } = check(entry({ certificate, key }));
    expect(status, stdout).toBe(0);
    expect(stdout).toMatch(/127\.0\.0\.1:1853 \(TLS\)/);
    expect(stdout).toMatch(/certificate .*dns\.example\.test, 127\.0\.0\.1; ends on \d{4}-\d\d-\d\d/);
  });

  it('names file, line and column of what is wrong', () => {
    const one = makeCertificate(folder, 'one');
    const two = makeCertificate(folder, 'two');
    const old = makeCertificate(folder, 'weak', { rsaBits: 1024 });
    const wrong = check(entry({ certificate: one.certificate, key: two.key }));
    expect([wrong.status, wrong.stderr]).toEqual([
      1,
      expect.stringMatching(/check\.yaml:1:\d+: server\.listen\[0\]\.key: .*two\.key is not the private key of/),
    ]);
    expect(check(entry({ certificate: join(folder, 'none.crt'), key: one.key })).stderr).toMatch(
      /none\.crt cannot be read/,
    );
    expect(check(entry({})).stderr).toMatch(/tls needs certificate: FILE/);
    expect(check({ address: '127.0.0.1:1853', certificate: one.certificate }).stderr).toMatch(
      /means nothing without transport/,
    );
    expect(check(entry({ certificate: one.certificate, key: one.key, path: '/x' })).stderr).toMatch(/path/);
    expect(check(entry({ certificate: old.certificate, key: old.key })).stderr).toMatch(/1024 bits/);
  });
});
