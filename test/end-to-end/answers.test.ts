/** dig and kdig ask the server, which asks unbound, which asks nsd. */
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { ensurePackages } from '../support/debian.ts';
import { askTcp, askUdp, dataOf } from '../support/dns-client.ts';
import { dig, type Field, startField } from '../support/field.ts';
import { pause, scrape, stoppedAfterwards } from '../support/observe.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';

const missing = ensurePackages(['nsd', 'unbound', 'dig', 'kdig']);
const why = [...missing.values()].join('; ');
vi.setConfig({ testTimeout: 180_000, hookTimeout: 240_000 });
const keep = stoppedAfterwards();

describe.skipIf(missing.size > 0)(`a server in front of unbound and nsd ${why}`, () => {
  let field: Field;
  let server: SekishoServer;
  const asking = () => ({ port: server.port });

  beforeAll(async () => {
    field = keep(await startField());
    server = keep(
      await startSekisho({
        config: { upstream: { servers: [`127.0.0.1:${field.unbound.port}`] }, cache: { size: '8MiB' } },
      }),
    );
    // The same port on ::1 is not sure to be free, so IPv6 has a server of its own in transports.test.ts.
  });

  it('answers dig over UDP', async () => {
    const text = await dig('dig', `@127.0.0.1 -p ${server.port} www.field.test A`);
    expect(text).toContain('status: NOERROR');
    expect(text).toMatch(/flags: qr rd ra;/);
    expect(text).toMatch(/^www\.field\.test\.\s+\d+\s+IN\s+A\s+192\.0\.2\.1$/m);
    expect(text).toContain('EDNS: version: 0, flags:; udp: 1232');
    expect(text).toContain('(UDP)');
  });

  it('answers dig over TCP', async () => {
    const text = await dig('dig', `@127.0.0.1 -p ${server.port} +tcp www.field.test AAAA`);
    expect(text).toContain('status: NOERROR');
    expect(text).toMatch(/^www\.field\.test\.\s+\d+\s+IN\s+AAAA\s+2001:db8::1$/m);
    expect(text).toContain('(TCP)');
  });

  it('answers kdig', async () => {
    const text = await dig('kdig', `@127.0.0.1 -p ${server.port} www.field.test AAAA`);
    expect(text).toContain('status: NOERROR');
    expect(text).toContain('2001:db8::1');
  });

  it('gives the name back as it was spelled, from the upstream and from the cache', async () => {
    for (const name of ['sPeLL.PooL.fiELD.tesT', 'SPell.pOOl.FIeld.TEst', 'spell.pool.field.test']) {
      const reply = await askUdp({ name }, asking());
      expect(reply.name).toBe(name);
      expect(dataOf(reply.answers, 'A')).toEqual(['192.0.2.9']);
      expect(reply.answers[0]?.name).toBe(name);
    }
  });

  it('says NXDOMAIN with the SOA of the zone', async () => {
    for (const _ of ['from the upstream', 'from the cache']) {
      const reply = await askUdp({ name: 'nowhere.field.test' }, asking());
      expect(reply.rcode).toBe(3);
      expect(reply.answers).toEqual([]);
      expect(reply.authorities.map(({ type, name }) => ({ type, name }))).toEqual([
        { type: 'SOA', name: 'field.test' },
      ]);
    }
  });

  it('says NODATA for a type that is not there, and for an empty non-terminal', async () => {
    for (const ask of [{ name: 'below.empty.field.test', type: 'TXT' }, { name: 'empty.field.test' }]) {
      const reply = await askUdp(ask, asking());
      expect(reply.rcode).toBe(0);
      expect(reply.answers).toEqual([]);
      expect(reply.authorities.map(({ type }) => type)).toEqual(['SOA']);
    }
  });

  it('keeps a chain of CNAMEs in order', async () => {
    for (const _ of ['from the upstream', 'from the cache']) {
      const reply = await askUdp({ name: 'alias.field.test' }, asking());
      expect(reply.answers.map(({ type }) => type)).toEqual(['CNAME', 'CNAME', 'A']);
      expect(reply.answers.map(({ name }) => name)).toEqual(
        ['alias', 'chain', 'www'].map((name) => `${name}.field.test`),
      );
    }
  });

  it('passes on NXDOMAIN behind a CNAME', async () => {
    const reply = await askUdp({ name: 'dangling.field.test' }, asking());
    expect(reply.rcode).toBe(3);
    expect(dataOf(reply.answers, 'CNAME')).toEqual(['nowhere.field.test']);
  });

  it('passes on types that it does not know (RFC 3597)', async () => {
    const text = await dig('dig', `@127.0.0.1 -p ${server.port} type65280.field.test TYPE65280`);
    expect(text).toMatch(/TYPE65280\s+\\# 3 010203/);
  });

  it.each([
    ['long', 'above 1232 bytes', 2_000],
    ['huge', 'far above, and the upstream has to be asked over TCP', 20_000],
  ])('truncates %s over UDP (%s) and gives all of it over TCP', async (label, _, least) => {
    const name = `${label}.field.test`;
    const cut = await askUdp({ name, type: 'TXT', udpSize: 4096 }, asking());
    expect(cut.tc).toBe(true);
    expect(cut.answers).toEqual([]);
    expect(cut.bytes.length).toBeLessThanOrEqual(1232);
    const whole = await askTcp({ name, type: 'TXT' }, asking());
    expect(whole.tc).toBe(false);
    expect(whole.bytes.length).toBeGreaterThan(least);
    const text = await dig('dig', `@127.0.0.1 -p ${server.port} ${name} TXT +short`);
    expect(text).toContain('x0');
  });

  it('counts the answers that it truncated, and the questions it asked over TCP', async () => {
    const metrics = await scrape(server);
    expect(metrics.total('sekisho_truncated_total')).toBeGreaterThanOrEqual(2);
    expect(metrics.total('sekisho_upstream_tcp_queries_total')).toBeGreaterThanOrEqual(1);
  });

  it('never sends more over UDP than the client takes', async () => {
    // 60 addresses make 1005 bytes: too many for a client without EDNS.
    const name = 'many.field.test';
    const plain = await askUdp({ name }, asking());
    expect(plain.tc).toBe(true);
    expect(plain.bytes.length).toBeLessThanOrEqual(512);
    const small = await askUdp({ name, udpSize: 600 }, asking());
    expect(small.tc).toBe(true);
    expect(small.bytes.length).toBeLessThanOrEqual(600);
    const roomy = await askUdp({ name, udpSize: 1232 }, asking());
    expect(roomy.tc).toBe(false);
    expect(roomy.answers.length).toBe(60);
    expect(roomy.bytes.length).toBeLessThanOrEqual(1232);
  });

  it('counts TTLs down in the cache', async () => {
    const name = 'ticking.pool.field.test';
    const first = await askUdp({ name }, asking());
    await pause(2_100);
    const second = await askUdp({ name }, asking());
    const ttl = (reply: typeof first) => (reply.answers[0] as { ttl: number }).ttl;
    expect(ttl(second)).toBeLessThan(ttl(first));
    expect(ttl(second)).toBeGreaterThan(ttl(first) - 60);
  });

  it('answers the second question from the cache', async () => {
    const before = await scrape(server);
    for (let i = 0; i < 5; i++) await askUdp({ name: 'repeated.pool.field.test' }, asking());
    const after = await scrape(server);
    const more = (result: string) =>
      after.total('sekisho_cache_lookups_total', { result }) - before.total('sekisho_cache_lookups_total', { result });
    expect(more('miss')).toBe(1);
    expect(more('hit')).toBe(4);
  });
});
