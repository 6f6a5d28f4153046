import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { redirectTarget, retryAfterMs } from './http-request.ts';
import { type HttpSourceOptions, httpSource } from './http-source.ts';
import type { FetchResult, ListSource, Provenance } from './source.ts';
import { systemTimers, type Timers } from './timers.ts';

const LIST = 'one.example\ntwo.example\n'.repeat(2000);
const MAX_BYTES = 100_000;
const TOTAL_MS = 60_000;
const root = mkdtempSync(join(tmpdir(), 'sekisho-http-'));
afterAll(() => rmSync(root, { recursive: true }));

let folder = '';
const servers: Server[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(root, 'list-'));
});
afterEach(() => {
  for (const server of servers.splice(0)) server.closeAllConnections();
});

async function serve(listener: RequestListener, server: Server = createServer()): Promise<string> {
  servers.push(server);
  server.on('request', listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

interface Made {
  readonly source: ListSource;
  /** Pauses it made between tries. */
  readonly pausesMs: number[];
  delivered: Provenance | undefined;
  /** Fetch, and remember what came as delivered. */
  fetch(again?: boolean): Promise<FetchResult>;
}

function make(url: string, more: Partial<HttpSourceOptions> = {}): Made {
  const pausesMs: number[] = [];
  // Pauses pass at once, the deadline does not.
  const timers: Timers = {
    after(delayMs, run) {
      if (delayMs >= TOTAL_MS) return () => {};
      pausesMs.push(delayMs);
      return systemTimers.after(0, run);
    },
  };
  const made: Made = {
    pausesMs,
    delivered: undefined,
    source: httpSource({
      url,
      folder,
      maxBytes: MAX_BYTES,
      known: () => (made.delivered ? { delivered: made.delivered } : {}),
      random: () => 0x80000000,
      timers,
      ...more,
      limits: {
        connectMs: 2000,
        headersMs: 5000,
        bodyMs: 5000,
        totalMs: TOTAL_MS,
        tries: 3,
        firstPauseMs: 1000,
        ...more.limits,
      },
    }),
    async fetch(again = false) {
      const result = await made.source.fetch(new AbortController().signal, { again });
      if (result.kind === 'content') made.delivered = result.provenance;
      return result;
    },
  };
  return made;
}

async function reasonOf(url: string, more: Partial<HttpSourceOptions> = {}): Promise<string> {
  const result = await make(url, more).fetch();
  expect(readdirSync(folder)).toEqual([]);
  return result.kind === 'failed' ? result.reason : result.kind;
}

function textOf(result: FetchResult): string {
  return result.kind === 'content' ? readFileSync(result.path, 'utf8') : result.kind;
}

describe('a list over HTTP', () => {
  it('comes whole, with where it is from and its checksum', async () => {
    const host = await serve((_request, response) => {
      response.setHeader('etag', '"v1"').setHeader('last-modified', 'Mon, 03 Aug 2026 10:00:00 GMT');
      response.setHeader('content-type', 'text/plain').end(LIST);
    });
    const result = await make(`http://${host}/list`).fetch();
    expect(textOf(result)).toBe(LIST);
    expect(result).toMatchObject({
      provenance: {
        source: `http://${host}/list`,
        bytes: LIST.length,
        etag: '"v1"',
        lastModified: 'Mon, 03 Aug 2026 10:00:00 GMT',
        contentType: 'text/plain',
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
    });
  });

  it('is asked for conditionally, and not again unless somebody wants that', async () => {
    const asked: (string | undefined)[][] = [];
    const host = await serve((request, response) => {
      asked.push([request.headers['if-none-match'], request.headers['if-modified-since']]);
      response.setHeader('etag', '"v1"').setHeader('last-modified', 'Mon, 03 Aug 2026 10:00:00 GMT');
      if (request.headers['if-none-match'] === '"v1"') response.writeHead(304).end();
      else response.end(LIST);
    });
    const made = make(`http://${host}/list`);
    expect((await made.fetch()).kind).toBe('content');
    expect((await made.fetch()).kind).toBe('unchanged');
    expect((await made.fetch(true)).kind).toBe('content');
    const conditions = ['"v1"', 'Mon, 03 Aug 2026 10:00:00 GMT'];
    expect(asked).toEqual([[undefined, undefined], conditions, [undefined, undefined]]);
  });

  it('is unchanged where the server knows no conditions but the bytes are the same', async () => {
    let version = 0;
    const host = await serve((_request, response) => response.setHeader('etag', `"${++version}"`).end(LIST));
    const made = make(`http://${host}/`);
    await made.fetch();
    expect(await made.fetch()).toMatchObject({ kind: 'unchanged', provenance: { etag: '"2"' } });
  });

  it.each<[string, (text: string) => Buffer]>([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
    ['br', brotliCompressSync],
  ])('is decoded from %s', async (coding, compress) => {
    const host = await serve((_request, response) =>
      response.setHeader('content-encoding', coding).end(compress(LIST)),
    );
    expect(textOf(await make(`http://${host}/`).fetch())).toBe(LIST);
  });

  it('is unpacked where it is a .gz file, whether or not the server has done so already', async () => {
    const host = await serve((request, response) => response.end(request.url === '/a.gz' ? gzipSync(LIST) : LIST));
    expect(textOf(await make(`http://${host}/a.gz`).fetch())).toBe(LIST);
    expect(textOf(await make(`http://${host}/b.gz`).fetch())).toBe(LIST);
  });

  it('carries a note where the server calls it a web page', async () => {
    const host = await serve((_request, response) => response.setHeader('content-type', 'text/html').end('<html>'));
    expect(await make(`http://${host}/`).fetch()).toMatchObject({
      provenance: { notes: [expect.stringContaining('text/html')] },
    });
  });
});

describe('a hostile or broken server', () => {
  it('is cut off where the body never ends, compressed or not', async () => {
    const host = await serve((request, response) => {
      const gzip = request.url === '/gzip';
      if (gzip) response.setHeader('content-encoding', 'gzip');
      // Empty stored blocks (RFC 1951 §3.2.4): a stream that goes on for ever and decodes to nothing.
      const chunk = gzip ? Buffer.from('000000ffff'.repeat(4000), 'hex') : Buffer.alloc(20_000, 97);
      if (gzip) response.write(Buffer.from('1f8b0800000000000003', 'hex'));
      const more = (): void => {
        while (!response.destroyed && response.write(chunk)) {}
      };
      response.on('drain', more);
      more();
    });
    expect(await reasonOf(`http://${host}/plain`)).toMatch(/is longer than the limit of 100000B/);
    expect(await reasonOf(`http://${host}/gzip`)).toMatch(/is longer than the limit of 100000B/);
  });

  it('is refused with a gzip bomb, and with a length announced beyond the limit', async () => {
    const bomb = gzipSync(Buffer.alloc(20_000_000));
    expect(bomb.length).toBeLessThan(MAX_BYTES);
    const host = await serve((request, response) => {
      if (request.url === '/bomb') response.setHeader('content-encoding', 'gzip').end(bomb);
      else response.writeHead(200, { 'content-length': 100_001 }).write('x');
    });
    expect(await reasonOf(`http://${host}/bomb`)).toMatch(/is longer than the limit/);
    expect(await reasonOf(`http://${host}/long`)).toMatch(/announces 100001 bytes, more than the limit of 100000B/);
  });

  it('is given up where it drips, and where it says nothing', async () => {
    const host = await serve((request, response) => {
      if (request.url === '/silent') return;
      const timer = setInterval(() => response.write('x'), 10);
      response.on('close', () => clearInterval(timer));
    });
    expect(await reasonOf(`http://${host}/drip`, { limits: { totalMs: 300 }, timers: systemTimers })).toMatch(
      /took longer than 300ms/,
    );
    expect(await reasonOf(`http://${host}/silent`, { limits: { headersMs: 100, tries: 1 } })).toMatch(
      /Headers Timeout/,
    );
  });

  it('is refused with a body cut short, broken compression, an unknown coding, a 304 out of nowhere', async () => {
    const host = await serve((request, response) => {
      if (request.url === '/short') {
        response.writeHead(200, { 'content-length': 1000 });
        response.write('x', () => response.destroy());
      } else if (request.url === '/broken') response.setHeader('content-encoding', 'gzip').end('no gzip');
      else if (request.url === '/cut')
        response.setHeader('content-encoding', 'gzip').end(gzipSync(LIST).subarray(0, 40));
      else if (request.url === '/coding') response.setHeader('content-encoding', 'zstd').end('x');
      else response.writeHead(304).end();
    });
    expect(await reasonOf(`http://${host}/short`)).toMatch(/other side closed|terminated|aborted/);
    expect(await reasonOf(`http://${host}/broken`)).toMatch(/compressed body is broken: incorrect header check/);
    expect(await reasonOf(`http://${host}/cut`)).toMatch(/compressed body is broken: unexpected end of file/);
    expect(await reasonOf(`http://${host}/coding`)).toMatch(/content coding 'zstd'/);
    expect(await reasonOf(`http://${host}/304`)).toMatch(/304 Not Modified although/);
  });

  it('is retried with growing pauses where that may help', async () => {
    let count = 0;
    const host = await serve((_request, response) => {
      if (++count < 3) response.writeHead(500).end('no');
      else response.end(LIST);
    });
    const made = make(`http://${host}/`);
    expect(textOf(await made.fetch())).toBe(LIST);
    expect(made.pausesMs).toEqual([750, 1500]);
  });

  it('is not retried where it means it; a long Retry-After is handed on', async () => {
    let count = 0;
    const host = await serve((request, response) => {
      count++;
      if (request.url === '/later') response.setHeader('retry-after', '120').writeHead(503).end();
      else response.writeHead(404).end();
    });
    expect(await make(`http://${host}/gone`).fetch()).toEqual({
      kind: 'failed',
      reason: `http://${host}/gone: the server answered 404`,
    });
    expect(await make(`http://${host}/later`).fetch()).toMatchObject({ kind: 'failed', retryAfterMs: 120_000 });
    expect(count).toBe(2);
  });

  it('is a clear reason where nobody listens', async () => {
    const host = await serve(() => {});
    await new Promise<void>((resolve) => servers.pop()?.close(() => resolve()));
    expect(await reasonOf(`http://${host}/`)).toMatch(/ECONNREFUSED/);
  });

  it('is left at once when the server stops', async () => {
    const stopping = new AbortController();
    const host = await serve(() => stopping.abort());
    const result = await make(`http://${host}/`).source.fetch(stopping.signal);
    expect(result).toEqual({ kind: 'failed', reason: `http://${host}/: was given up` });
  });
});

describe('redirects', () => {
  it('are followed three times and no further', async () => {
    const host = await serve((request, response) => {
      const left = Number(request.url?.slice(1));
      if (left === 0) response.end(LIST);
      else response.writeHead(302, { location: `/${left === 9 ? 9 : left - 1}` }).end();
    });
    expect(textOf(await make(`http://${host}/3`).fetch())).toBe(LIST);
    const folderBefore = readdirSync(folder).length;
    expect(await make(`http://${host}/4`).fetch()).toMatchObject({
      reason: expect.stringContaining('more than 3 redirects'),
    });
    expect(await make(`http://${host}/9`).fetch()).toMatchObject({
      reason: expect.stringContaining('more than 3 redirects'),
    });
    expect(readdirSync(folder)).toHaveLength(folderBefore);
  });

  it('never lead from https to http, nor to another scheme', () => {
    const from = new URL('https://vendor.example/list');
    expect(() => redirectTarget(from, 'http://vendor.example/list')).toThrow(/from https to http \(vendor\.example\)/);
    expect(() => redirectTarget(from, 'file:///etc/passwd')).toThrow('a redirect to file: is not followed');
    expect(() => redirectTarget(from, undefined)).toThrow('leads nowhere');
    expect(redirectTarget(from, '//user:pw@cdn.example/x').href).toBe('https://cdn.example/x');
  });

  it('from https to http are refused by a real exchange', async ({ skip }) => {
    const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const openssl = spawnSync('openssl', [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=127.0.0.1',
      '-addext',
      'subjectAltName=IP:127.0.0.1',
      '-keyout',
      keyFile,
      '-out',
      certFile,
    ]);
    if (openssl.status !== 0) skip('openssl cannot make a certificate here');
    const [key, cert] = [readFileSync(keyFile), readFileSync(certFile, 'utf8')];
    const plain = await serve((_request, response) => response.end(LIST));
    const tls = createTlsServer({ key, cert });
    const host = await serve(
      (request, response) => {
        if (request.url === '/list') response.end(LIST);
        else response.writeHead(301, { location: `http://${plain}/` }).end();
      },
      tls as unknown as Server,
    );
    expect(textOf(await make(`https://${host}/list`, { ca: cert }).fetch())).toBe(LIST);
    expect(await make(`https://${host}/`, { ca: cert }).fetch()).toMatchObject({
      reason: expect.stringContaining('from https to http'),
    });
    // Without the authority: no list from a server that cannot prove itself.
    expect(await make(`https://${host}/list`).fetch()).toMatchObject({
      kind: 'failed',
      reason: expect.stringMatching(/self.signed/),
    });
  });
});

describe('credentials', () => {
  it('reach the server and nobody else', async () => {
    const seen: (string | undefined)[] = [];
    const other = await serve((request, response) => {
      seen.push(request.headers.authorization, request.headers['x-key'] as string | undefined);
      response.writeHead(404).end();
    });
    const host = await serve((request, response) => {
      seen.push(request.headers.authorization, request.headers['x-key'] as string | undefined, request.url);
      response.writeHead(302, { location: `http://${other}/` }).end();
    });
    const made = make(`http://me:se%40cret@${host}/list?key=hidden`, { secretHeaders: { 'x-key': 'hidden too' } });
    const result = await made.fetch();
    const basic = `Basic ${Buffer.from('me:se@cret').toString('base64')}`;
    expect(seen).toEqual([basic, 'hidden too', '/list?key=hidden', undefined, undefined]);
    expect(made.source.description).toBe(`http://${host}/list?…`);
    expect(JSON.stringify(result)).not.toMatch(/cret|hidden|Basic/);
  });

  it('do not show where the address cannot be read', () => {
    expect(() => make('http://me:secret@[')).toThrow('the address of the list cannot be read as a URL');
    expect(() => make('ftp://me:secret@host/')).toThrow('not ftp:');
  });
});

it('reads Retry-After in both forms, within bounds', () => {
  const nowMs = Date.parse('2026-08-03T10:00:00Z');
  expect(retryAfterMs('60', nowMs)).toBe(60_000);
  expect(retryAfterMs('Mon, 03 Aug 2026 10:01:00 GMT', nowMs)).toBe(60_000);
  expect(retryAfterMs('99999999', nowMs)).toBe(86_400_000);
  for (const text of [undefined, 'soon', '0', '-5', 'Mon, 03 Aug 2020 10:00:00 GMT'])
    expect(retryAfterMs(text, nowMs)).toBeUndefined();
});
