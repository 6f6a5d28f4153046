/** Primaries that behave as no real one can be made to; the real ones are in test/lists/transfer.test.ts. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Answer, type DecodedPacket, decode, encode } from 'dns-packet';
import { afterAll, describe, expect, it } from 'vitest';
import { LastGood } from '../last-good.ts';
import type { FetchOptions, FetchResult } from '../source.ts';
import { dnsSource } from './dns-source.ts';

const root = mkdtempSync(join(tmpdir(), 'sekisho-dns-source-'));
const servers: Server[] = [];
afterAll(() => {
  for (const server of servers) server.close();
  rmSync(root, { recursive: true });
});

const AA = 0x0400;

function soa(serial: number): Answer {
  const data = { mname: 'm', rname: 'r', serial, refresh: 60, retry: 60, expire: 9999, minimum: 1 };
  return { type: 'SOA', name: 'z.test', ttl: 1, data };
}

const a = (name: string): Answer => ({ type: 'A', name: `${name}.z.test`, ttl: 5, data: '192.0.2.1' });

/** What it answers to a question: messages of answers, or a response code; 'silence' keeps the connection open. */
type Behaviour = (type: string, question: DecodedPacket) => Answer[][] | number | 'silence';

async function primary(behave: Behaviour): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((socket: Socket) => {
    socket
      .on('error', () => {})
      .once('data', (chunk: Buffer) => {
        const question = decode(chunk.subarray(2));
        const type = question.questions?.[0]?.type ?? '';
        asked.push(type);
        const behaviour = behave(type, question);
        if (behaviour === 'silence') return;
        const messages = typeof behaviour === 'number' ? [[]] : behaviour;
        const rcode = typeof behaviour === 'number' ? behaviour : 0;
        for (const answers of messages) {
          const bytes = encode({ type: 'response', id: question.id ?? 0, flags: AA | rcode, answers });
          socket.write(Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]));
        }
        socket.end();
      });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, asked };
}

async function make(port: number, limits = {}) {
  const { store } = await LastGood.open(mkdtempSync(join(root, 'data-')), 'feed');
  const source = dnsSource({
    primary: { host: '127.0.0.1', port },
    zone: 'Z.test.',
    folder: store.folder,
    maxBytes: 1e6,
    known: () => store.known(),
    random: () => 1234,
    limits: { connectMs: 1000, idleMs: 5000, totalMs: 10_000, ...limits },
  });
  return {
    store,
    source,
    async update(options?: FetchOptions): Promise<FetchResult> {
      const result = await source.fetch(new AbortController().signal, options);
      if (result.kind === 'content') {
        await store.install(result.path, { provenance: result.provenance, counts: {}, verdict: 'passed' });
      }
      expect(readdirSync(store.folder).filter((name) => name.startsWith('incoming-'))).toEqual([]);
      return result;
    },
    text: () => readFileSync(store.current?.path ?? '', 'latin1').replace(/ IN SOA .*/, ' SOA'),
  };
}

describe('a primary asked for changes', () => {
  const whole = (serial: number, ...names: string[]): Answer[][] => [[soa(serial), ...names.map(a), soa(serial)]];

  it.each<[string, Answer[][] | number, RegExp]>([
    ['that does not know IXFR', 4, /NOTIMP to IXFR/],
    ['that refuses them', 5, /REFUSED to IXFR/],
    [
      'whose changes do not fit what we have',
      [[soa(2), soa(1), a('never-there'), soa(2), a('two'), soa(2)]],
      /not there/,
    ],
    ['whose changes begin elsewhere', [[soa(2), soa(9)]], /begin at serial 9/],
    ['that says there are none', [[soa(1)]], /no changes, although/],
  ])('%s is asked for the whole zone', async (_what, answer, note) => {
    let serial = 1;
    const { port, asked } = await primary((type) => {
      if (type === 'SOA') return [[soa(serial)]];
      return type === 'IXFR' ? answer : whole(serial, serial === 1 ? 'one' : 'two');
    });
    const secondary = await make(port);
    await secondary.update();
    serial = 2;
    const result = await secondary.update();
    expect(result).toMatchObject({
      kind: 'content',
      provenance: { transfer: 'axfr', notes: [expect.stringMatching(note)] },
    });
    expect(asked).toEqual(['SOA', 'AXFR', 'SOA', 'IXFR', 'AXFR']);
    expect(secondary.text()).toBe('z.test. 1 SOA\ntwo.z.test. 5 IN A 192.0.2.1\n');
  });

  it('is told our serial', async () => {
    let serial = 1;
    let told: unknown;
    const { port } = await primary((type, question) => {
      if (type === 'SOA') return [[soa(serial)]];
      if (type === 'AXFR') return whole(1, 'one');
      told = question.authorities?.[0];
      return [[soa(2)], [soa(1), a('one')], [soa(2), a('two')], [soa(2)]];
    });
    const secondary = await make(port);
    await secondary.update();
    serial = 2;
    expect(await secondary.update()).toMatchObject({ provenance: { transfer: 'ixfr', serial: 2 } });
    expect(told).toMatchObject({ type: 'SOA', name: 'z.test', data: { serial: 1 } });
    expect(secondary.text()).toBe('z.test. 1 SOA\ntwo.z.test. 5 IN A 192.0.2.1\n');
  });
});

describe('a fetch fails clearly', () => {
  const reasonOf = async (behave: Behaviour, limits = {}): Promise<string> => {
    const result = await (await make((await primary(behave)).port, limits)).update();
    return result.kind === 'failed' ? result.reason : result.kind;
  };
  const thenAnswers =
    (answer: ReturnType<Behaviour>): Behaviour =>
    (type) =>
      type === 'SOA' ? [[soa(1)]] : answer;

  it.each<[string, Behaviour, RegExp]>([
    ['where the zone is another', () => [[a('x')]], /no SOA record for the zone/],
    ['where the zone does not load', () => 2, /SERVFAIL to SOA: it has the zone configured but not loaded/],
    ['where the transfer ends early', thenAnswers([[soa(1), a('x')]]), /closed the connection in the middle/],
    ['where the primary falls silent', thenAnswers('silence'), /silence for 0.1 s/],
  ])('%s', async (_what, behave, reason) => {
    expect(await reasonOf(behave, { idleMs: 100 })).toMatch(reason);
  });

  it('where everything takes too long', async () => {
    expect(await reasonOf(thenAnswers('silence'), { totalMs: 100 })).toMatch(/took longer than 100ms/);
  });

  it('where nobody listens', async () => {
    const { port } = await primary(() => 'silence');
    await new Promise<void>((resolve) => servers.pop()?.close(() => resolve()));
    expect(await (await make(port)).update()).toMatchObject({ reason: expect.stringContaining('ECONNREFUSED') });
  });

  it('where the server stops meanwhile', async () => {
    const stopping = new AbortController();
    const { port } = await primary(() => {
      stopping.abort();
      return 'silence';
    });
    const { source } = await make(port);
    expect(await source.fetch(stopping.signal)).toMatchObject({ reason: expect.stringContaining('was given up') });
    expect(await source.fetch(stopping.signal)).toMatchObject({ reason: expect.stringContaining('was given up') });
  });
});

it('a version held back by the guard is not fetched again, and changes start from the one in force', async () => {
  let serial = 1;
  const { port, asked } = await primary((type) =>
    type === 'SOA' ? [[soa(serial)]] : [[soa(serial), a('x'), soa(serial)]],
  );
  const { store, source, update } = await make(port);
  await update();
  serial = 2;
  const result = await source.fetch(new AbortController().signal);
  if (result.kind !== 'content') throw new Error(result.kind);
  await store.refuse(result.path, { provenance: result.provenance, counts: {}, verdict: 'too big' });
  asked.length = 0;
  expect((await update()).kind).toBe('unchanged');
  expect(asked).toEqual(['SOA']);
  expect(store.known().current?.provenance.serial).toBe(1);
});
