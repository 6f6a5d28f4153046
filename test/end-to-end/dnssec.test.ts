/** The validating forwarder as clients and operators meet it: zones signed by real signers, NSD behind a relay that lies when told. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { ensurePackages } from '../support/debian.ts';
import { askTcp, askUdp, exchangeDatagram } from '../support/dns-client.ts';
import { sekisho } from '../support/field.ts';
import { type DnsServer, startNsd } from '../support/nsd.ts';
import { logOf, scrape, stoppedAfterwards, waitFor } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';
import { delegation, plainZone, type SignedZone, signZone } from '../support/signed-zones.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 240_000 });
const keep = stoppedAfterwards();
const missing = ensurePackages(['nsd', 'ldns-signzone', 'ldns-keygen']);
const RRSIG = 46;
const NSEC = 47;
const EDE = { bogus: 6, expired: 7, dnskeyMissing: 9, rrsigsMissing: 10 };

const RECORDS = [
  'www A 192.0.2.1',
  'short 1 A 192.0.2.9',
  'mail MX 10 www',
  'www2 CNAME www',
  'out CNAME www.plain.test.',
].join('\n');
let nsd: DnsServer;
let upstream: ScriptedUpstream;
let root: SignedZone;
let anchor: string;
let asked: string[] = [];
/** What becomes of an answer on its way; undefined: nothing. */
let lie: ((name: string, type: string, bytes: Buffer) => Buffer) | undefined;

beforeAll(async () => {
  if (missing.size > 0) return;
  const secure = signZone({ apex: 'secure.test', records: RECORDS });
  const hashed = signZone({
    apex: 'hashed.test',
    records: RECORDS,
    denial: 'nsec3',
    algorithm: 'ECDSAP384SHA384',
    signer: 'ldns',
  });
  const expired = signZone({
    apex: 'expired.test',
    records: RECORDS,
    inception: '20200101000000',
    expiration: '20200201000000',
  });
  const test = signZone({
    apex: 'test',
    records: [
      delegation('secure.test', secure.ds.slice(1, 2)),
      delegation('hashed.test', hashed.ds.slice(1, 2)),
      delegation('expired.test', expired.ds.slice(1, 2)),
      delegation('plain.test'),
    ].join('\n'),
  });
  root = signZone({ apex: '.', algorithm: 'RSASHA256', split: true, records: delegation('test', test.ds.slice(1, 2)) });
  nsd = keep(await startNsd({ zones: [root, test, secure, hashed, expired, plainZone('plain.test', RECORDS)] }));
  upstream = keep(
    await startScriptedUpstream((query) => {
      const name = query.name.toLowerCase();
      asked.push(`${name} ${query.type}`);
      void exchangeDatagram(query.bytes, { port: nsd.port }).then((bytes) => {
        if (bytes) query.send(lie?.(name, query.type, bytes) ?? bytes);
      });
    }),
  );
  anchor = join(temporaryFolder('anchor'), 'root.key');
  writeFileSync(anchor, root.keys);
});

async function start(more: Record<string, unknown> = {}, cache: Record<string, unknown> = {}): Promise<SekishoServer> {
  lie = undefined;
  asked = [];
  return keep(
    await startSekisho({
      config: {
        upstream: { servers: [`127.0.0.1:${upstream.port}`], cookies: false },
        cache: { size: '4MiB', ...cache },
        'special-use': { test: false },
        dnssec: { validate: true, 'trust-anchor': anchor },
        ...more,
      },
    }),
  );
}

const command = (server: SekishoServer, args: string[]) => sekisho([...args, '--config', server.configFile]);

const types = (records: readonly { readonly type: string }[]) => records.map(({ type }) => type);

/** Records of these types become ones of nobody's. */
function without(bytes: Buffer, gone: readonly number[]): Buffer {
  const out = Buffer.from(bytes);
  let at = 12;
  while (out[at]! > 0) at += out[at]! + 1;
  at += 5;
  const counts = [6, 8, 10].map((place) => out.readUInt16BE(place));
  for (const count of counts) {
    for (let i = 0; i < count; i++) {
      let owner = at;
      while (out[owner]! > 0 && out[owner]! < 0xc0) owner += out[owner]! + 1;
      owner += out[owner]! >= 0xc0 ? 2 : 1;
      if (gone.includes(out.readUInt16BE(owner))) out.writeUInt16BE(65_280, owner);
      at = owner + 10 + out.readUInt16BE(owner + 8);
    }
  }
  return out;
}

describe.skipIf(missing.size > 0)('a validating forwarder', () => {
  it('sets AD for those that understand it, and gives signatures and denials to those that ask for them', async () => {
    const server = await start();
    const { port } = server;
    // Fetched, and then from the cache.
    for (let round = 0; round < 2; round++) {
      for (const zone of ['secure.test', 'hashed.test']) {
        const name = `www.${zone}`;
        const full = await askUdp({ name, dnssecOk: true }, { port });
        expect([full.rcode, full.ad, full.cd, types(full.answers)]).toEqual([0, true, false, ['A', 'RRSIG']]);
        const aware = await askUdp({ name, ad: true }, { port });
        expect([aware.rcode, aware.ad, types(aware.answers)]).toEqual([0, true, ['A']]);
        const plain = await askUdp({ name }, { port });
        expect([plain.rcode, plain.ad, types(plain.answers)]).toEqual([0, false, ['A']]);

        const denied = await askTcp({ name: `nope.${zone}`, dnssecOk: true }, { port });
        expect([denied.rcode, denied.ad, types(denied.authorities).includes('RRSIG')]).toEqual([3, true, true]);
        const simply = await askUdp({ name: `nope.${zone}`, ad: true }, { port });
        expect([simply.rcode, simply.ad, types(simply.authorities)]).toEqual([3, true, ['SOA']]);
        const nodata = await askUdp({ name, type: 'AAAA', ad: true }, { port });
        expect([nodata.rcode, nodata.ad, nodata.answers]).toEqual([0, true, []]);
        const alias = await askUdp({ name: `www2.${zone}`, ad: true }, { port });
        expect([alias.ad, types(alias.answers)]).toEqual([true, ['CNAME', 'A']]);
      }
      const insecure = await askUdp({ name: 'www.plain.test', dnssecOk: true }, { port });
      expect([insecure.rcode, insecure.ad, types(insecure.answers)]).toEqual([0, false, ['A']]);
      // Secure as far as the alias, and insecure where it leads.
      const out = await askUdp({ name: 'out.secure.test', dnssecOk: true }, { port });
      expect([out.rcode, out.ad, types(out.answers)]).toEqual([0, false, ['CNAME', 'RRSIG', 'A']]);
    }
    const metrics = await scrape(server);
    expect(metrics.total('sekisho_dnssec_answers_total', { outcome: 'secure' })).toBeGreaterThan(5);
    expect(metrics.total('sekisho_dnssec_answers_total', { outcome: 'insecure' })).toBeGreaterThan(0);
    expect(metrics.total('sekisho_dnssec_answers_total', { outcome: 'bogus' })).toBe(0);
  });

  it('asks for DS and DNSKEY itself, once, and with the question for many', async () => {
    const { port } = await start();
    await Promise.all(
      Array.from({ length: 30 }, (_, i) => askTcp({ name: `n${i}.secure.test`, dnssecOk: true }, { port })),
    );
    const parts = asked.filter((one) => / (DS|DNSKEY)$/.test(one));
    expect(parts.filter((one, i) => parts.indexOf(one) !== i && one !== '. DNSKEY')).toEqual([]);
    expect(new Set(parts)).toEqual(
      new Set(['. DNSKEY', 'test DS', 'test DNSKEY', 'secure.test DS', 'secure.test DNSKEY']),
    );
  });

  it('answers what is bogus SERVFAIL with its extended error, remembers it, and gives it to those with CD alone', async () => {
    const server = await start();
    const { port } = server;
    // The first question brings the anchor's keys, and with them what failed before is forgotten, once: until that is over.
    const settled = async () => {
      const ask = () => askUdp({ name: 'first.expired.test', dnssecOk: true }, { port });
      await ask();
      const count = asked.length;
      await ask();
      return asked.length - count;
    };
    await settled();
    await expect.poll(() => server.stdout()).toContain('the key of a trust anchor changed its state');
    let quiet = 0;
    await expect.poll(async () => (quiet = (await settled()) === 0 ? quiet + 1 : 0)).toBeGreaterThan(4);
    const bogus = await askUdp({ name: 'www.expired.test', dnssecOk: true }, { port });
    expect([bogus.rcode, bogus.ad, bogus.extendedErrors, bogus.answers]).toEqual([2, false, [EDE.expired], []]);
    const retries = async () => (await scrape(server)).total('sekisho_upstream_retries_total');
    const retriesBefore = await retries();
    const before = asked.length;
    for (let i = 0; i < 5; i++) {
      const reply = await askUdp({ name: 'www.expired.test', dnssecOk: i % 2 === 0 }, { port });
      expect([reply.rcode, reply.answers]).toEqual([2, []]);
    }
    // RFC 9520: with DO it is the same failure; without it one of its own, whose zone is known by now.
    // What was sent a second time for want of an answer in time is no question of its own.
    const again = asked.slice(before).filter((one) => one.startsWith('www')).length;
    expect(again - ((await retries()) - retriesBefore)).toBe(1);
    const unchecked = await askUdp({ name: 'www.expired.test', dnssecOk: true, cd: true }, { port });
    expect([unchecked.rcode, unchecked.ad, unchecked.cd, types(unchecked.answers)]).toEqual([
      0,
      false,
      true,
      ['A', 'RRSIG'],
    ]);
    // What was fetched with CD answers nobody without.
    const after = await askUdp({ name: 'www.expired.test', dnssecOk: true }, { port });
    expect([after.rcode, after.extendedErrors, after.answers]).toEqual([2, [EDE.expired], []]);
    const fresh = await askUdp({ name: 'mail.expired.test', type: 'MX', dnssecOk: true, cd: true }, { port });
    expect(types(fresh.answers)).toContain('MX');
    expect((await askUdp({ name: 'mail.expired.test', type: 'MX', dnssecOk: true }, { port })).rcode).toBe(2);
    expect((await scrape(server)).total('sekisho_dnssec_reasons_total', { code: String(EDE.expired) })).toBeGreaterThan(
      0,
    );
  });

  it('takes no answer whose signatures or denials were left out', async () => {
    const { port } = await start();
    lie = (name, type, bytes) => (name.endsWith('secure.test') && type === 'A' ? without(bytes, [RRSIG]) : bytes);
    const stripped = await askUdp({ name: 'www.secure.test', dnssecOk: true }, { port });
    expect([stripped.rcode, stripped.extendedErrors]).toEqual([2, [EDE.rrsigsMissing]]);
    lie = (name, type, bytes) => (name.endsWith('secure.test') && type === 'AAAA' ? without(bytes, [NSEC]) : bytes);
    expect((await askUdp({ name: 'www.secure.test', type: 'AAAA' }, { port })).rcode).toBe(2);
  });

  it('validates what the authorities of a stub zone say; the chain to them comes by the usual way', async () => {
    const stub = [`127.0.0.1:${nsd.port}`];
    const zones = ['secure.test', 'expired.test'].map((zone) => ({ zone, stub }));
    const { port } = await start({ zones });
    const good = await askUdp({ name: 'www.secure.test', dnssecOk: true }, { port });
    expect([good.rcode, good.ad, types(good.answers)]).toEqual([0, true, ['A', 'RRSIG']]);
    const denied = await askUdp({ name: 'nope.secure.test', dnssecOk: true }, { port });
    expect([denied.rcode, denied.ad]).toEqual([3, true]);
    const bogus = await askUdp({ name: 'www.expired.test', dnssecOk: true }, { port });
    expect([bogus.rcode, bogus.extendedErrors]).toEqual([2, [EDE.expired]]);
    // The zone's own servers hold its names; its DS is the parent's.
    expect(asked.filter((one) => /^(?:www|nope)/.test(one))).toEqual([]);
    expect(asked).toContain('secure.test DS');
  });

  it('finds names from the root down, and those of a stub zone at its authorities, validated unless excepted', async () => {
    const zones = [{ zone: 'plain.test', stub: [`127.0.0.1:${nsd.port}`] }];
    // No root is within reach here: what is signed by nobody has to be excepted, or nothing could be known of it.
    const { port } = await start({ zones, upstream: {}, resolve: {}, dnssec: { insecure: ['plain.test'] } });
    const reply = await askUdp({ name: 'www.plain.test', ad: true }, { port });
    expect([reply.rcode, reply.ad, types(reply.answers)]).toEqual([0, false, ['A']]);
  });

  it('serves nothing stale in place of what is bogus', async () => {
    const { port } = await start({}, { 'serve-stale': '1d' });
    expect((await askUdp({ name: 'short.secure.test', dnssecOk: true }, { port })).ad).toBe(true);
    lie = (_name, type, bytes) => (type === 'A' ? without(bytes, [RRSIG]) : bytes);
    const reply = await waitFor('it is so', async () => {
      const one = await askUdp({ name: 'short.secure.test', dnssecOk: true }, { port });
      return one.rcode === 2 ? one : undefined;
    });
    expect([reply.extendedErrors, reply.answers]).toEqual([[EDE.rrsigsMissing], []]);
  });

  it('marks no answer of policy with AD', async () => {
    const server = await start({ plugins: { sinkhole: { ipv4: '198.51.100.1' } } });
    const { port } = server;
    expect((await askUdp({ name: 'www.secure.test', dnssecOk: true }, { port })).ad).toBe(true);
    const { code } = await command(server, [
      'sinkhole',
      'add',
      'www.secure.test',
      '--ground',
      'self-defence',
      '--effect',
      'floods the resolvers of the north',
      '--evidence',
      'ticket 4711',
      '--approver',
      'shift lead',
      '--expires',
      '2h',
    ]);
    expect(code).toBe(0);
    const sunk = await askUdp({ name: 'www.secure.test', dnssecOk: true }, { port });
    expect([sunk.rcode, sunk.ad, sunk.answers.map((record) => (record as { data?: unknown }).data)]).toEqual([
      0,
      false,
      ['198.51.100.1'],
    ]);
  });

  it('excepts a broken zone on a ground, until it is lifted', async () => {
    const server = await start();
    const { port } = server;
    expect((await askUdp({ name: 'www.expired.test' }, { port })).rcode).toBe(2);
    const refused = await command(server, ['dnssec', 'except', 'expired.test']);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('ground') as string]);
    const made = await command(server, [
      'dnssec',
      'except',
      'expired.test',
      '--ground',
      'legitimate-business',
      '--purpose',
      'name resolution for subscribers',
      '--necessity',
      'signatures expired, ticket 4711',
      '--proportionality',
      'one zone until it is mended',
      '--approver',
      'shift lead',
      '--review',
      '1d',
    ]);
    expect([made.code, made.stdout]).toEqual([0, expect.stringContaining('not validated until') as string]);
    const open = await askUdp({ name: 'www.expired.test', dnssecOk: true }, { port });
    expect([open.rcode, open.ad, types(open.answers)]).toEqual([0, false, ['A', 'RRSIG']]);
    // Nobody knows how long it lasts: the answer is not kept for long.
    expect((open.answers[0] as { ttl: number }).ttl).toBeLessThanOrEqual(60);
    const listed = await command(server, ['dnssec']);
    expect(listed.stdout).toContain('expired.test');
    const id = /\bm\d+\b/.exec(listed.stdout)?.[0] ?? '';
    expect(
      (await command(server, ['rules', 'lift', id, '--reason', 'mended since 15:00, says its operator'])).code,
    ).toBe(0);
    await command(server, ['cache', 'flush', 'expired.test', '--subtree']);
    expect((await askUdp({ name: 'www.expired.test', dnssecOk: true }, { port })).rcode).toBe(2);
  });

  it('says loudly that a trust anchor does not fit, answers nothing unvalidated, and takes a right one with a reload', async () => {
    const wrong = join(temporaryFolder('anchor'), 'wrong.key');
    writeFileSync(wrong, `. IN DS 20326 8 2 ${'AB'.repeat(32)}\n`);
    const server = await start({ dnssec: { validate: true, 'trust-anchor': wrong } });
    const { port } = server;
    const reply = await askUdp({ name: 'www.secure.test', dnssecOk: true }, { port });
    expect([reply.rcode, reply.extendedErrors]).toEqual([2, [EDE.dnskeyMissing]]);
    await waitFor('it is so', async () => logOf(server).some(({ msg }) => String(msg).includes('THE TRUST ANCHOR')));
    const status = await command(server, ['status']);
    expect(status.stdout).toContain("trust anchor of '.' does not fit");
    expect((await command(server, ['dnssec'])).stdout).toContain('does not fit');
    writeFileSync(wrong, root.keys);
    expect((await command(server, ['reload'])).code).toBe(0);
    expect((await askUdp({ name: 'mail.secure.test', type: 'MX', dnssecOk: true }, { port })).ad).toBe(true);
  });

  it('calls an upstream that strips DNSSEC what it is', async () => {
    const server = await start();
    lie = (_name, _type, bytes) => without(bytes, [RRSIG, NSEC]);
    const reply = await askUdp({ name: 'www.secure.test', dnssecOk: true }, { port: server.port });
    expect([reply.rcode, reply.extendedErrors]).toEqual([2, [EDE.rrsigsMissing]]);
    await waitFor('it is so', async () => (await command(server, ['status'])).stdout.includes('does not fit'));
    expect((await command(server, ['status'])).stdout).toContain('no signature');
  });

  it('keeps what it learnt of the anchor over kill -9', async () => {
    const server = await start();
    await askUdp({ name: 'www.secure.test' }, { port: server.port });
    const file = join(
      String((parse(server.config) as { server: { data: string } }).server.data),
      'dnssec',
      'anchors.json',
    );
    await waitFor('it is so', async () => existsSync(file));
    await server.stop('SIGKILL');
    const kept = JSON.parse(readFileSync(file, 'utf8')) as { zones: { keys: { state: string }[] }[] };
    expect(kept.zones[0]?.keys.map(({ state }) => state)).toEqual(['valid']);
  });
});
