/**
 * Differential: zones signed by ldns-signzone, served by NSD. What some negative answers prove must agree with what NSD says of
 * every other name: nothing that exists, or that a wildcard would answer, is ever denied.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensurePackages } from '../../../test/support/debian.ts';
import { askTcp, type Reply } from '../../../test/support/dns-client.ts';
import { type DnsServer, startNsd } from '../../../test/support/nsd.ts';
import { type DenialKind, type SignedZone, signZone } from '../../../test/support/signed-zones.ts';
import { EDE, RCODE, TYPE } from '../../wire/constants.ts';
import { nameToText, textToName } from '../../wire/name.ts';
import { AllowedValidation } from '../validate/budget.ts';
import { VALIDATION_LIMITS } from '../validate/chain-of-trust.ts';
import { ImportedKeys } from '../validate/dns-key.ts';
import { readSets } from '../validate/rrset.ts';
import { TrustAnchors } from '../validate/trust-anchors.ts';
import { checkStep, Validation } from '../validate/validate.ts';
import type { StepReply, Verdict } from '../validate/verdict.ts';
import { ZoneTrustStore } from '../validate/zone-trust.ts';
import { ProvenDenials } from './proven-denials.ts';

const missing = ensurePackages(['nsd', 'ldns-signzone', 'ldns-keygen']);
const NOW = Date.UTC(2026, 5, 1) / 1000;
const RECORDS = [
  'www A 192.0.2.1',
  'mail MX 10 www',
  '*.w TXT "wild"',
  'x.w A 192.0.2.3',
  'alias CNAME www',
  'a.b.c A 192.0.2.4',
  'd DNAME c',
  'unsigned NS ns.nowhere.',
  'm A 192.0.2.5',
].join('\n');
const KINDS: readonly { zone: string; denial: DenialKind; iterations?: number }[] = [
  { zone: 'nsec.test', denial: 'nsec' },
  { zone: 'nsec3.test', denial: 'nsec3' },
  { zone: 'salted.test', denial: 'nsec3', iterations: 5 },
  { zone: 'optout.test', denial: 'nsec3-opt-out' },
  { zone: 'costly.test', denial: 'nsec3', iterations: 50 },
];
/** Asked, and learnt from. */
const LEARNT = ['nope', 'zzz', 'a', 'q.x.w', 'q.b.c', 'nope.www', 'n', 'o1', 'o2', 'v', '0', 'q.a.b.c', 'k', 'xx'];
/** Asked of the store alone, and of NSD for comparison. */
const COMPARED = [
  ...[
    'www',
    'mail',
    'w',
    'q.w',
    'p.q.w',
    'x.w',
    'alias',
    'c',
    'b.c',
    'a.b.c',
    'd',
    'q.d',
    'unsigned',
    'q.unsigned',
    'm',
  ],
  ...[
    'nopf',
    'nopd',
    'zz',
    'b',
    'aa',
    'l',
    'r.x.w',
    'q.q.x.w',
    'z.b.c',
    'nope.nope',
    'p',
    'q',
    'wwv',
    'wwx',
    'y',
    '1',
    'y.c',
    'r.m',
  ],
];
const TYPES = ['A', 'TXT', 'MX', 'CNAME', 'NS'] as const;

describe.skipIf(missing.size > 0)('proven denials', () => {
  let nsd: DnsServer;
  let zones: SignedZone[];
  beforeAll(async () => {
    zones = KINDS.map(({ zone, denial, iterations }) =>
      signZone({ apex: zone, denial, records: RECORDS, ...(iterations !== undefined && { iterations }) }),
    );
    nsd = await startNsd({ zones });
  });
  afterAll(() => nsd?.stop());

  const asked = (name: string, type: string): Promise<Reply> =>
    askTcp({ name, type, dnssecOk: true, cd: true }, { port: nsd.port });

  async function judged(zone: number, name: string, type: (typeof TYPES)[number]): Promise<Verdict> {
    const [algorithmAt, keyAt] = [5, 6];
    const fields = zones[zone]!.keys.split(/\s+/);
    const key = Uint8Array.from([1, 1, 3, Number(fields[algorithmAt]), ...Buffer.from(fields[keyAt]!, 'base64')]);
    const { bytes } = await asked(name, type);
    const parts = {
      anchors: new TrustAnchors([{ zone: textToName(KINDS[zone]!.zone), ds: [], keys: [key] }]),
      store: new ZoneTrustStore(),
      keys: new ImportedKeys(),
      limits: VALIDATION_LIMITS,
    };
    const question = { name: textToName(name), type: TYPE[type] };
    const validation = new Validation(parts, question, readSets(bytes, 0, bytes.length)!, NOW, new AllowedValidation());
    let reply: StepReply;
    for (let step = validation.start(); step !== undefined; step = validation.resume(reply)) {
      if (step.step === 'check') {
        reply = checkStep(step);
        continue;
      }
      const part = (await asked(nameToText(step.name), 'DNSKEY')).bytes;
      reply = readSets(part, 0, part.length) ?? { failed: EDE.OTHER };
    }
    return validation.verdict!;
  }

  async function learntOf(zone: number, denials = new ProvenDenials()): Promise<ProvenDenials> {
    for (const label of LEARNT) denials.learn(await judged(zone, `${label}.${KINDS[zone]!.zone}`, 'A'), 0);
    for (const label of ['m', 'w', 'b.c']) denials.learn(await judged(zone, `${label}.${KINDS[zone]!.zone}`, 'MX'), 0);
    return denials;
  }

  it.each(KINDS.map(({ zone }, i) => [zone, i] as const))('agree with the servers of %s', async (zone, i) => {
    const denials = await learntOf(i);
    const wrong: string[] = [];
    let nxdomain = 0;
    let nodata = 0;
    for (const label of COMPARED) {
      for (const type of TYPES) {
        const name = `${label}.${zone}`;
        const denied = denials.deny(textToName(name), TYPE[type], 1000);
        if (denied === undefined) continue;
        const { rcode, answers, authorities } = await asked(name, type);
        if (denied.rcode === RCODE.NXDOMAIN) nxdomain++;
        else nodata++;
        // A referral has no SOA: the zone says nothing of what lies below.
        const negative = answers.length === 0 && authorities.some((record) => record.type === 'SOA');
        if (rcode !== denied.rcode || !negative) wrong.push(`${name} ${type}: ${denied.rcode}, not ${rcode}`);
      }
    }
    expect(wrong).toEqual([]);
    // With opt-out and with costly chains nothing is made; else most of what can be.
    const useful = zone !== 'optout.test' && zone !== 'costly.test';
    expect([zone, nxdomain > 25, nodata > 10]).toEqual([zone, useful, useful]);
  });

  it('bring SOA and proofs with signatures, and live no longer than the shortest of them', async () => {
    const denials = await learntOf(0);
    const { rcode, authority } = denials.deny(textToName('nopf.nsec.test'), TYPE.A, 100_000)!;
    expect(rcode).toBe(RCODE.NXDOMAIN);
    expect(authority.map(({ type }) => type)).toEqual([TYPE.SOA, TYPE.NSEC, TYPE.NSEC]);
    for (const set of authority) expect([set.ttl, set.signatures.length]).toEqual([200, 1]);
    expect(denials.deny(textToName('nopf.nsec.test'), TYPE.A, 300_000)).toBeUndefined();
  });

  it('say nothing of DS, and nothing of other zones', async () => {
    const denials = await learntOf(0);
    for (const type of [TYPE.DS, TYPE.RRSIG, TYPE.ANY, TYPE.NSEC])
      expect(denials.deny(textToName('nopf.nsec.test'), type, 0)).toBeUndefined();
    expect(denials.deny(textToName('nopf.test'), TYPE.A, 0)).toBeUndefined();
  });

  it('are forgotten with the zone above, beside, or below the name that is flushed', async () => {
    const known = async (name: string, subtree: boolean) => {
      const denials = await learntOf(0);
      denials.forget(textToName(name), subtree);
      return denials.records > 0;
    };
    expect(await known('www.nsec.test', false)).toBe(false);
    expect(await known('nsec.test', false)).toBe(false);
    expect(await known('test', true)).toBe(false);
    expect(await known('test', false)).toBe(true);
    expect(await known('other.test', true)).toBe(true);
  });

  it('keep to their memory: the zone that was of use longest ago goes first', async () => {
    const both = await learntOf(1, await learntOf(0));
    expect(both.deny(textToName('nopf.nsec.test'), TYPE.A, 0)).toBeDefined();
    const size = both.bytes;
    const small = await learntOf(1, await learntOf(0, new ProvenDenials(size - 100)));
    expect(small.bytes).toBeLessThan(size);
    expect(small.deny(textToName('nopf.nsec.test'), TYPE.A, 0)).toBeUndefined();
    expect(small.deny(textToName('nopf.nsec3.test'), TYPE.A, 0)).toBeDefined();
  });
});
