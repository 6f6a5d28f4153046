/** What becomes of an upstream's answer: TTL bounds, the order of a chain, what completes it, and what a failure is called. */
import { type Answer, encode, type RecordType } from 'dns-packet';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { askUdp, dataOf } from '../support/dns-client.ts';
import { stoppedAfterwards, waitFor } from '../support/observe.ts';
import {
  honest,
  type ScriptedUpstream,
  startScriptedUpstream,
  type UpstreamQuery,
} from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 240_000 });
const keep = stoppedAfterwards();
let upstream: ScriptedUpstream;
let server: SekishoServer;
const asking = () => ({ port: server.port });
const ede = (reply: Awaited<ReturnType<typeof askUdp>>) => reply.extendedErrors;

interface Given {
  readonly rcode?: number;
  readonly answers?: readonly Answer[];
  readonly authorities?: readonly Answer[];
}

/** Answer every query with what `given` says for its name. */
function script(given: (query: UpstreamQuery) => Given | undefined): void {
  upstream.script = (query) => {
    const what = given(query);
    if (what === undefined) return honest()(query);
    const bytes = encode({
      type: 'response',
      id: query.bytes.readUInt16BE(0),
      flags: 0x180 | (what.rcode ?? 0),
      questions: [{ type: query.type as RecordType, name: query.spelling }],
      answers: [...(what.answers ?? [])],
      authorities: [...(what.authorities ?? [])],
    });
    return query.send(bytes);
  };
}

const addressRecord = (name: string, data: string, ttl = 300): Answer => ({ type: 'A', name, ttl, data });
const cname = (name: string, data: string, ttl = 300): Answer => ({ type: 'CNAME', name, ttl, data });
const soa = (name: string, ttl: number, minimum: number): Answer => ({
  type: 'SOA',
  name,
  ttl,
  data: { mname: 'ns.test', rname: 'host.test', serial: 1, refresh: 1, retry: 1, expire: 1, minimum },
});

beforeAll(async () => {
  upstream = keep(await startScriptedUpstream(honest()));
  const servers = [`127.0.0.1:${upstream.port}`];
  server = keep(
    await startSekisho({
      config: { upstream: { servers, cookies: false }, cache: { size: '4MiB', 'min-ttl': '10s', 'max-ttl': '60s' } },
    }),
  );
});

describe('TTL bounds hold from the first answer', () => {
  it.each([
    ['a long one is cut', 86_400, 60],
    ['the longest there is is cut', 0x7fffffff, 60],
    ['one above 2^31 - 1 is cut', 0xffffffff, 60],
    ['a short one is raised', 1, 10],
    ['0 is raised, and then kept', 0, 10],
  ])('%s', async (_, given, expected) => {
    const name = `t${given}.ttl.test`;
    script(() => ({ answers: [addressRecord(name, '192.0.2.1', given)] }));
    const before = upstream.queries.length;
    const [first, waiter] = await Promise.all([askUdp({ name }, asking()), askUdp({ name }, asking())]);
    const third = await askUdp({ name }, asking());
    expect(first.answers).toMatchObject([{ ttl: expected }]);
    expect(waiter.answers).toMatchObject([{ ttl: expected }]);
    expect((third.answers[0] as { ttl: number }).ttl).toBeGreaterThan(expected - 9);
    expect((third.answers[0] as { ttl: number }).ttl).toBeLessThanOrEqual(expected);
    expect(upstream.queries.length).toBe(before + 1);
  });

  it('negative answers and chains too', async () => {
    script(({ name }) => ({ rcode: 3, authorities: [soa(name.replace(/^[^.]*[.]/, ''), 86_400, 86_400)] }));
    const negative = await askUdp({ name: 'none.negative.test' }, asking());
    expect(negative.rcode).toBe(3);
    expect(negative.authorities).toMatchObject([{ type: 'SOA', ttl: 60 }]);
    script(({ name }) => ({
      answers: [cname(name, 'end.chain.test', 86_400), addressRecord('end.chain.test', '192.0.2.1', 0)],
    }));
    const chain = await askUdp({ name: 'begin.chain.test' }, asking());
    expect(chain.answers.map((record) => (record as { ttl: number }).ttl)).toEqual([60, 10]);
  });
});

describe('a chain of CNAMEs', () => {
  it('is told in its order, without records of other classes and without name servers', async () => {
    script(({ name }) => ({
      answers: [
        addressRecord('c.order.test', '192.0.2.9'),
        { ...addressRecord(name, '192.0.2.66'), class: 'CH' } as Answer,
        cname('b.order.test', 'c.order.test'),
        cname(name, 'b.order.test'),
      ],
      authorities: [
        { type: 'NS', name: 'test', ttl: 300, data: 'ns.parent.test' },
        { type: 'NS', name: 'order.test', ttl: 300, data: 'ns.order.test' },
      ],
    }));
    for (let i = 0; i < 2; i++) {
      const reply = await askUdp({ name: 'a.order.test' }, asking());
      expect(reply.answers.map(({ name, type }) => `${name} ${type}`)).toEqual([
        'a.order.test CNAME',
        'b.order.test CNAME',
        'c.order.test A',
      ]);
      expect(reply.authorities).toEqual([]);
    }
  });

  it('whose target is missing is completed, several times if need be', async () => {
    script(({ name }) => {
      const step = Number(/^s(\d)[.]cut[.]test$/.exec(name)?.[1] ?? Number.NaN);
      return step < 3
        ? { answers: [cname(name, `s${step + 1}.cut.test`)] }
        : { answers: [addressRecord(name, '192.0.2.7')] };
    });
    const reply = await askUdp({ name: 's0.cut.test' }, asking());
    expect(reply.rcode).toBe(0);
    expect(reply.answers.map(({ name, type }) => `${name} ${type}`)).toEqual([
      's0.cut.test CNAME',
      's1.cut.test CNAME',
      's2.cut.test CNAME',
      's3.cut.test A',
    ]);
    expect(dataOf(reply.answers, 'A')).toEqual(['192.0.2.7']);
  });

  it.each([
    ['to itself', (name: string) => [cname(name, name)]],
    ['in one answer', (name: string) => [cname(name, 'x.loop.test'), cname('x.loop.test', name)]],
    ['over several answers', (name: string) => [cname(name, name === 'y.loop.test' ? 'z.loop.test' : 'y.loop.test')]],
  ])('that leads %s is SERVFAIL', async (what, answers) => {
    script(({ name }) => ({ answers: answers(name) }));
    const reply = await askUdp({ name: `${what.replaceAll(' ', '-')}.loop.test` }, asking());
    expect([reply.rcode, reply.answers]).toEqual([2, []]);
  });
});

describe('failures are called by their names', () => {
  it.each([1, 2, 4, 5, 9])('a server that answers rcode %i was reached', async (rcode) => {
    script(() => ({ rcode }));
    const reply = await askUdp({ name: `rcode${rcode}.failing.test`, udpSize: 1232 }, asking());
    expect(reply.rcode).toBe(2);
    expect(ede(reply)).not.toContain(22);
    expect(ede(reply)).not.toContain(23);
  });

  it('a server that is silent was not', async () => {
    upstream.script = () => {};
    const reply = await askUdp({ name: 'silent.failing.test', udpSize: 1232 }, { ...asking(), timeoutMs: 8_000 });
    expect(reply.rcode).toBe(2);
    expect(ede(reply)).toContain(22);
  });

  it('YXDOMAIN passes with its DNAME', async () => {
    script(() => ({
      rcode: 6,
      answers: [{ type: 'DNAME', name: 'old.test', ttl: 300, data: 'new.test' } as unknown as Answer],
    }));
    for (let i = 0; i < 2; i++) {
      const reply = await askUdp({ name: 'too-long.old.test' }, asking());
      expect(reply.rcode).toBe(6);
      expect(reply.answers).toMatchObject([{ type: 'DNAME', name: 'old.test' }]);
    }
  });
});

describe('an answer with DO', () => {
  it('serves the question without, and is not fetched twice', async () => {
    const name = 'kept.bits.test';
    script(() => ({ answers: [addressRecord(name, '192.0.2.5')] }));
    const before = upstream.queries.length;
    await askUdp({ name, dnssecOk: true }, asking());
    const plain = await askUdp({ name }, asking());
    expect(dataOf(plain.answers, 'A')).toEqual(['192.0.2.5']);
    expect(upstream.queries.length).toBe(before + 1);
  });

  it('serves every question that it holds the records of in an outage', async () => {
    const servers = [`127.0.0.1:${upstream.port}`];
    const config = { upstream: { servers, cookies: false, timeout: '300ms' }, cache: { 'max-ttl': '1s' } };
    const briefly = keep(await startSekisho({ config }));
    const name = 'stale.bits.test';
    script(() => ({ answers: [addressRecord(name, '192.0.2.5')] }));
    await askUdp({ name, dnssecOk: true }, { port: briefly.port });
    upstream.script = () => {};
    await waitFor('it has expired', async () => {
      const reply = await askUdp({ name, udpSize: 1232 }, { port: briefly.port });
      expect(dataOf(reply.answers, 'A')).toEqual(['192.0.2.5']);
      return reply.extendedErrors.includes(3);
    });
    for (const bits of [{ cd: true }, { cd: true, dnssecOk: true }, { dnssecOk: true }]) {
      const reply = await askUdp({ name, ...bits }, { port: briefly.port });
      expect(dataOf(reply.answers, 'A'), JSON.stringify(bits)).toEqual(['192.0.2.5']);
    }
  });
});
