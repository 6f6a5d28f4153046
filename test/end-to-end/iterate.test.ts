import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ExplainResult, Status } from '../../src/admin/status.ts';
import { NEXT_REVIEW } from '../support/dates.ts';
import { askTcp, askUdp, type Reply } from '../support/dns-client.ts';
import { type Internet, internetMissing, startInternet } from '../support/internet/internet.ts';
import { scrape } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';

const missing = internetMissing();
if (missing !== undefined) console.warn(`Finding answers from the root down is not tested: ${missing}.`);

/** Asks the admin API of a server with the token that it wrote. */
function adminOf({ folder, adminPort }: SekishoServer) {
  const token = readFileSync(join(folder, 'data', 'admin.token'), 'utf8').trim();
  const send = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const response = await fetch(`http://127.0.0.1:${adminPort}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    expect(response.status).toBe(200);
    return (await response.json()) as T;
  };
  return {
    get: <T>(path: string) => send<T>('GET', path),
    post: <T>(path: string, body: unknown) => send<T>('POST', path, body),
  };
}

const RCODES: Readonly<Record<string, number>> = { NOERROR: 0, SERVFAIL: 2, NXDOMAIN: 3 };

/**
 * What each misbehaving server may receive because of one question: what the best of Unbound 1.17, BIND 9.18 and PowerDNS
 * Recursor 4.8 sends it (in the same network), and one more; and the rcodes that are right.
 */
const MISBEHAVING: Readonly<Record<string, { most: number; rcodes: readonly string[]; ask?: string }>> = {
  victim: { most: 2, rcodes: ['NOERROR'] },
  silent: { most: 2, rcodes: ['SERVFAIL'] },
  refused: { most: 2, rcodes: ['SERVFAIL'] },
  servfail: { most: 2, rcodes: ['SERVFAIL'] },
  formerr: { most: 3, rcodes: ['SERVFAIL'] },
  noedns: { most: 3, rcodes: ['NOERROR'] },
  bareformerr: { most: 3, rcodes: ['NOERROR'] },
  ignoresedns: { most: 2, rcodes: ['NOERROR'] },
  dropsedns: { most: 2, rcodes: ['NOERROR', 'SERVFAIL'] },
  badvers: { most: 2, rcodes: ['NOERROR'] },
  lowercase: { most: 2, rcodes: ['NOERROR'] },
  tcponly: { most: 3, rcodes: ['NOERROR'] },
  tcnotcp: { most: 2, rcodes: ['SERVFAIL'] },
  garbage: { most: 2, rcodes: ['SERVFAIL'] },
  cut: { most: 2, rcodes: ['SERVFAIL'] },
  forgedfirst: { most: 2, rcodes: ['NOERROR'] },
  noaa: { most: 2, rcodes: ['NOERROR', 'SERVFAIL'] },
  upward: { most: 2, rcodes: ['SERVFAIL'] },
  sideways: { most: 2, rcodes: ['SERVFAIL'] },
  selfward: { most: 2, rcodes: ['NOERROR', 'SERVFAIL'] },
  poison: { most: 2, rcodes: ['NOERROR'] },
  qminnx: { most: 3, rcodes: ['NOERROR', 'NXDOMAIN'], ask: 'deep.er' },
  qminrefused: { most: 3, rcodes: ['NOERROR'], ask: 'deep.er' },
  slow: { most: 2, rcodes: ['NOERROR'] },
  otheraddress: { most: 2, rcodes: ['SERVFAIL'] },
  deeper: { most: 9, rcodes: ['NOERROR', 'SERVFAIL'], ask: 'a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v.w.x.y.z' },
  glueless: { most: 7, rcodes: ['SERVFAIL'], ask: 'a.b' },
  cnameforever: { most: 13, rcodes: ['SERVFAIL'] },
  cnamelong: { most: 5, rcodes: ['NOERROR', 'SERVFAIL'] },
  nxns: { most: 2, rcodes: ['SERVFAIL'], ask: 'a.b' },
  nxnsdead: { most: 3, rcodes: ['SERVFAIL'], ask: 'a.b' },
};

describe.skipIf(missing !== undefined)('with `resolve`, answers are found from the root down', () => {
  let internet: Internet;
  let server: SekishoServer;
  beforeAll(async () => {
    internet = await startInternet({ bulk: 24 });
    server = await startSekisho({
      config: { resolve: {}, dnssec: { 'trust-anchor': internet.anchor, 'follow-rollovers': false }, plugins: {} },
    });
  });
  afterAll(async () => {
    await server?.stop();
    await internet?.stop();
  });

  const ask = (name: string, type = 'A'): Promise<Reply> =>
    askUdp({ name: name.replace(/(.)\.$/, '$1'), type, dnssecOk: true }, { port: server.port, timeoutMs: 12_000 });
  const received = (name: string): number => {
    const { udp, tcp } = internet.received(name);
    return udp + tcp;
  };

  it('answers as a validating resolver must, whatever is peculiar about the zone: rcode, AD, extended error', async () => {
    const wrong: string[] = [];
    for (const { name, type, rcode, ad, note, ede } of internet.expected) {
      let got = await ask(name, type);
      if (got.tc)
        got = await askTcp({ name: name.replace(/(.)\.$/, '$1'), type, dnssecOk: true }, { port: server.port });
      if (got.rcode !== RCODES[rcode] || got.ad !== ad)
        wrong.push(`${name} ${type} (${note}): rcode ${got.rcode}, AD ${got.ad}; not ${rcode}, ${ad}`);
      if (ede && !got.extendedErrors.some((code) => ede.includes(code)))
        wrong.push(`${name} ${type} (${note}): extended errors ${got.extendedErrors}, none of ${ede}`);
    }
    expect(wrong).toEqual([]);
    expect(internet.expected.length).toBeGreaterThan(90);
  });

  it('asks nobody for names below one that does not exist (RFC 8020)', async () => {
    expect((await ask('cut.d000004.jp')).rcode).toBe(3);
    const admin = adminOf(server);
    const sent = async () => (await admin.get<Status>('/v1/status')).resolve?.queries ?? 0;
    const before = await sent();
    expect((await ask('a.b.cut.d000004.jp')).rcode).toBe(3);
    expect(await sent()).toBe(before);
  });

  it('asks nobody for what proofs of other answers deny (RFC 8198), unless they have opt-out or are flushed', async () => {
    const admin = adminOf(server);
    const sent = async () => (await admin.get<Status>('/v1/status')).resolve?.queries ?? 0;
    // Asked in some order, three names prove where the gaps are; the zones hold a dozen names.
    for (const zone of ['nx-nsec.com', 'nx-nsec3.com'])
      for (const label of ['a', 'mm', 'x', 'zz', 'ab', 'q', 'ww', 'nn']) await ask(`${label}0.${zone}`);
    const before = await sent();
    for (const zone of ['nx-nsec.com', 'nx-nsec3.com']) {
      const { rcode, ad, answers, authorities } = await ask(`never-asked-before.${zone}`);
      expect([zone, rcode, ad, answers.length]).toEqual([zone, 3, true, 0]);
      expect(authorities.map(({ type }) => type)).toContain('RRSIG');
      // Without DO the SOA alone; and names that exist are found.
      const plain = await askUdp({ name: `nor-this.${zone}`, type: 'A' }, { port: server.port });
      expect([plain.rcode, plain.authorities.map(({ type }) => type)]).toEqual([3, ['SOA']]);
    }
    expect(await sent()).toBe(before);
    expect((await ask('mail.nx-nsec.com')).rcode).toBe(0);
    expect((await scrape(server)).total('sekisho_dnssec_proven_negative_total')).toBeGreaterThanOrEqual(4);

    await ask('nx-one.com');
    const unsure = await sent();
    expect((await ask('nx-two.com')).rcode).toBe(3);
    expect(await sent()).toBeGreaterThan(unsure);

    await admin.post('/v1/cache/flush', { name: 'nx-nsec.com', subtree: false, reason: 'test' });
    const flushed = await sent();
    expect((await ask('never-asked-either.nx-nsec.com')).rcode).toBe(3);
    expect(await sent()).toBeGreaterThan(flushed);
  });

  it('causes no more queries at servers that misbehave than the best peer and one', async () => {
    const wrong: string[] = [];
    for (const [name, { most, rcodes, ask: label = 'www' }] of Object.entries(MISBEHAVING)) {
      const before = received(name);
      const { rcode } = await ask(`${label}.${name}.net`);
      // Counters are written five times a second.
      await new Promise((resolve) => setTimeout(resolve, 450));
      const sent = received(name) - before;
      if (sent > most) wrong.push(`${name} received ${sent} queries, more than ${most}`);
      if (!rcodes.some((each) => RCODES[each] === rcode)) wrong.push(`${name}: rcode ${rcode}`);
    }
    expect(wrong).toEqual([]);
  });

  it('sends the victim of an NXNS referral no more than six queries', async () => {
    const before = received('victim');
    await ask('fresh.name.nxns.net');
    await new Promise((resolve) => setTimeout(resolve, 450));
    expect(received('victim') - before).toBeLessThanOrEqual(6);
  });

  it('lets nobody speak for names of others', async () => {
    await ask('www.poison.net');
    const { rcode, answers } = await ask('www.victim.net');
    expect(rcode).toBe(0);
    expect(answers.map((answer) => 'data' in answer && answer.data)).toEqual(['192.0.2.80']);
  });

  it('explains which way a question would go without sending anything, and forgets the way when told to', async () => {
    await ask('www.d000003.net');
    const admin = adminOf(server);
    const sent = async () => (await admin.get<Status>('/v1/status')).resolve?.queries ?? 0;
    const before = await sent();
    const explain = async () => {
      const path = '/v1/explain?name=new.d000003.net&type=A&client=127.0.0.1&reason=test';
      const { steps, outcome } = await admin.get<ExplainResult>(path);
      return { step: steps.find(({ place }) => place === 'source')?.reason, outcome };
    };
    expect((await explain()).step).toMatch(
      /^way known: \. → net → d000003\.net; asked next: .*ns1\.host3\.net .*198\.18\.3\.1/,
    );
    expect((await explain()).step).toMatch(/; proofs held: net has DS \d+, d000003\.net has DS \d+$/);
    expect((await explain()).outcome).toContain('nothing was sent');
    expect(await sent()).toBe(before);

    await admin.post('/v1/cache/flush', { name: 'd000003.net', subtree: true, reason: 'test' });
    expect((await explain()).step).toMatch(/^way known: \. → net; asked next: /);
    await ask('www.d000003.net');
    expect(await sent()).toBeGreaterThan(before);
  });

  it('lets a policy see the name servers of the zone that answered (RPZ NSDNAME), where there is one', async () => {
    const folder = temporaryFolder('nsdname');
    const file = join(folder, 'own.rpz');
    writeFileSync(file, '$ORIGIN rpz.test.\n@ 60 SOA . . 1 1 1 1 1\nns1.host2.net.rpz-nsdname CNAME .\n');
    const ground = {
      kind: 'legitimate-business',
      purpose: 'keeps subscribers away from a hoster',
      necessity: 'every zone of this hoster is malicious',
      proportionality: 'one hoster, reviewed each year',
      approver: 'Head of the desk',
      review: NEXT_REVIEW,
    };
    const list = { name: 'own', category: 'policy', format: 'rpz', zone: 'rpz.test', file, ground };
    const policed = await startSekisho({ config: { resolve: {}, lists: [list], plugins: { rpz: {} } } });
    try {
      const rcodeOf = async (name: string) =>
        (await askUdp({ name, type: 'A' }, { port: policed.port, timeoutMs: 12_000 })).rcode;
      // Zone n of the bulk lies at hoster n modulo 4.
      expect([await rcodeOf('www.d000002.com'), await rcodeOf('www.d000001.com')]).toEqual([3, 0]);
    } finally {
      await policed.stop();
    }
  });

  it('says with an extended error that nobody could be reached', async () => {
    const { rcode, extendedErrors } = await ask('www.no-addresses.com');
    expect(rcode).toBe(2);
    expect(extendedErrors).toContain(22);
  });
});
