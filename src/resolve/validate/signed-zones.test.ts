/**
 * Differential: zones signed by ldns-signzone and BIND's dnssec-signzone, every algorithm and kind of denial, served by NSD and
 * asked over the wire. Then each answer is changed, and whatever is changed, nothing that the zone does not hold is ever secure.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensurePackages } from '../../../test/support/debian.ts';
import { askTcp } from '../../../test/support/dns-client.ts';
import { type DnsServer, startNsd } from '../../../test/support/nsd.ts';
import {
  type DenialKind,
  delegation,
  plainZone,
  type SignedZone,
  type Signer,
  signZone,
} from '../../../test/support/signed-zones.ts';
import { EDE, TYPE } from '../../wire/constants.ts';
import { nameToText, textToName } from '../../wire/name.ts';
import { AllowedValidation, type ValidationAllowance } from './budget.ts';
import { nameKey } from './canonical-name.ts';
import { type TrustParts, VALIDATION_LIMITS } from './chain-of-trust.ts';
import { ImportedKeys } from './dns-key.ts';
import { readSets } from './rrset.ts';
import { TrustAnchors } from './trust-anchors.ts';
import { checkStep, Validation } from './validate.ts';
import { BOGUS, INSECURE, SECURE, STATUS_NAMES, type StepReply, type Verdict } from './verdict.ts';
import { ZoneTrustStore } from './zone-trust.ts';

const missing = ensurePackages(['nsd', 'ldns-signzone', 'ldns-keygen', 'named']);
const NOW = Date.UTC(2026, 5, 1) / 1000;
const RECORDS = [
  'www A 192.0.2.1',
  'www A 192.0.2.2',
  'mail MX 10 WWW',
  '*.w TXT "wild"',
  'x.w A 192.0.2.3',
  'alias CNAME www',
  'a.b.c A 192.0.2.4',
  'd DNAME c',
  'far CNAME www.plain.test.',
  'unsigned NS ns.nowhere.',
  'loc TXT ( "one" "two" )',
].join('\n');

interface Kind {
  readonly signer: Signer;
  readonly algorithm: string;
  readonly denial: DenialKind;
  readonly iterations?: number;
  readonly split?: boolean;
}

const ALGORITHMS = ['RSASHA256', 'RSASHA512', 'ECDSAP256SHA256', 'ECDSAP384SHA384', 'ED25519', 'ED448'];
const DENIALS: readonly DenialKind[] = ['nsec', 'nsec3', 'nsec3-opt-out'];
const KINDS: readonly Kind[] = [
  ...ALGORITHMS.flatMap((algorithm, i) => [
    { signer: 'ldns' as const, algorithm, denial: DENIALS[i % 3]!, split: i % 2 === 0 },
    { signer: 'bind' as const, algorithm, denial: DENIALS[(i + 1) % 3]!, iterations: i },
  ]),
];
const zoneOf = (i: number) => `z${i}.test`;

describe.skipIf(missing.size > 0)('zones signed by real signers', () => {
  let nsd: DnsServer;
  let root: SignedZone;
  const asked = new Map<string, Uint8Array>();

  beforeAll(async () => {
    const zones = KINDS.map((kind, i) => signZone({ ...kind, apex: zoneOf(i), records: RECORDS }));
    const expired = signZone({
      apex: 'expired.test',
      records: RECORDS,
      inception: '20200101000000',
      expiration: '20200201000000',
    });
    const broken = signZone({ apex: 'wrongds.test', records: RECORDS });
    const sha1 = signZone({ apex: 'sha1.test', records: RECORDS });
    const test = signZone({
      apex: 'test',
      denial: 'nsec3',
      records: [
        // The digests in turn: SHA-256, SHA-384, and all of them.
        ...zones.map(({ name, ds }, i) => delegation(name, i % 3 === 0 ? [ds[1]!] : i % 3 === 1 ? [ds[2]!] : ds)),
        delegation('plain.test'),
        delegation('expired.test', expired.ds.slice(1, 2)),
        delegation('wrongds.test', [broken.ds[1]!.replace(/[0-9a-f]{8}$/i, '00000000')]),
        delegation('sha1.test', sha1.ds.slice(0, 1)),
        delegation('oddalg.test', ['oddalg.test. DS 1 5 2 ' + 'ab'.repeat(32)]),
        delegation('odddigest.test', ['odddigest.test. DS 1 13 99 abcd']),
      ].join('\n'),
    });
    root = signZone({
      apex: '.',
      algorithm: 'RSASHA256',
      split: true,
      records: delegation('test', test.ds.slice(1, 2)),
    });
    const plain = ['plain.test', 'oddalg.test', 'odddigest.test'].map((apex) => plainZone(apex, RECORDS));
    nsd = await startNsd({ zones: [root, test, expired, broken, sha1, ...zones, ...plain] });
  });
  afterAll(() => nsd?.stop());

  async function fetched(name: string, type: string): Promise<Uint8Array> {
    const key = `${name} ${type}`;
    const known = asked.get(key);
    if (known !== undefined) return known;
    const { bytes } = await askTcp({ name, type, dnssecOk: true, cd: true }, { port: nsd.port });
    asked.set(key, bytes);
    return bytes;
  }

  function partsOf(more: Partial<TrustParts> = {}): TrustParts {
    const fields = root.keys.split(/\s+/).slice(3);
    const key = Uint8Array.from([
      ...u16(fields[0]!),
      Number(fields[1]),
      Number(fields[2]),
      ...Buffer.from(fields[3]!, 'base64'),
    ]);
    return {
      anchors: new TrustAnchors([{ zone: textToName('.'), ds: [], keys: [key] }]),
      store: new ZoneTrustStore(),
      keys: new ImportedKeys(),
      limits: VALIDATION_LIMITS,
      ...more,
    };
  }

  /** The verdict on `message`, everything else coming from the servers as it is. */
  async function judged(
    name: string,
    type: string,
    {
      message,
      parts = partsOf(),
      now = NOW,
      allowance,
    }: { message?: Uint8Array; parts?: TrustParts; now?: number; allowance?: ValidationAllowance } = {},
  ): Promise<Verdict & { cost: AllowedValidation['cost'] }> {
    const bytes = message ?? (await fetched(name, type));
    const sets = readSets(bytes, 0, bytes.length);
    if (sets === undefined) throw new Error('unreadable');
    const budget = new AllowedValidation(allowance);
    const question = { name: textToName(name), type: TYPE[type as keyof typeof TYPE] };
    const validation = new Validation(parts, question, sets, now, budget);
    let reply: StepReply;
    for (let step = validation.start(); step !== undefined; step = validation.resume(reply)) {
      if (step.step === 'check') {
        reply = checkStep(step);
        continue;
      }
      const part = await fetched(nameToText(step.name), step.type === TYPE.DS ? 'DS' : 'DNSKEY');
      reply = readSets(part, 0, part.length) ?? { failed: EDE.OTHER };
    }
    return { ...validation.verdict!, cost: budget.cost };
  }

  const QUESTIONS: readonly (readonly [string, string, number])[] = [
    ['www', 'A', SECURE],
    ['mail', 'MX', SECURE],
    ['loc', 'TXT', SECURE],
    ['', 'SOA', SECURE],
    ['', 'DNSKEY', SECURE],
    ['', 'DS', SECURE],
    ['alias', 'A', SECURE],
    ['alias', 'CNAME', SECURE],
    ['q.w', 'TXT', SECURE],
    ['p.q.w', 'TXT', SECURE],
    ['q.w', 'A', SECURE],
    ['x.w', 'TXT', SECURE],
    ['b.c', 'A', SECURE],
    ['a.b.d', 'A', SECURE],
    ['a.b.d', 'CNAME', SECURE],
    ['www', 'AAAA', SECURE],
    ['nope', 'A', SECURE],
    ['nope.www', 'A', SECURE],
    ['far', 'A', INSECURE],
    ['unsigned', 'DS', SECURE],
  ];

  describe.each(KINDS.map((kind, i) => ({ ...kind, i })))('$signer $algorithm $denial', ({ i, denial }) => {
    it('are secure in every kind of answer', async () => {
      const parts = partsOf();
      for (const [label, type, expected] of QUESTIONS) {
        const name = label === '' ? zoneOf(i) : `${label}.${zoneOf(i)}`;
        const { status, why, optOut } = await judged(name, type, { parts });
        // RFC 5155 §9.2: what an opt-out span leaves open is not authenticated.
        const wanted = optOut && denial === 'nsec3-opt-out' ? INSECURE : expected;
        expect(`${name} ${type} ${STATUS_NAMES[status]} ${why}`).toMatch(new RegExp(`${STATUS_NAMES[wanted]}`));
      }
    });

    it('are bogus without signatures, outside their time, and without proofs', async () => {
      const name = `www.${zoneOf(i)}`;
      expect((await judged(name, 'A', { now: NOW + 4e8 })).ede).toBe(EDE.SIGNATURE_EXPIRED);
      expect((await judged(name, 'A', { now: NOW - 1e8 })).ede).toBe(EDE.SIGNATURE_NOT_YET_VALID);
      const stripped = withoutTypes(await fetched(name, 'A'), [TYPE.RRSIG]);
      expect(await judged(name, 'A', { message: stripped })).toMatchObject({ status: BOGUS, ede: EDE.RRSIGS_MISSING });
      const nope = `nope.${zoneOf(i)}`;
      const bare = withoutTypes(await fetched(nope, 'A'), [TYPE.NSEC, TYPE.NSEC3, TYPE.RRSIG]);
      // In an opt-out span there may be an unsigned delegation of that name, of which anybody may say anything.
      const open = denial === 'nsec3-opt-out' ? { status: INSECURE } : { status: BOGUS, ede: EDE.NSEC_MISSING };
      expect(await judged(nope, 'A', { message: bare })).toMatchObject(open);
    });
  });

  it.each([
    ['www.plain.test', 'A', INSECURE, EDE.NONE],
    ['nope.plain.test', 'A', INSECURE, EDE.NONE],
    ['www.oddalg.test', 'A', INSECURE, EDE.UNSUPPORTED_DNSKEY_ALGORITHM],
    ['www.odddigest.test', 'A', INSECURE, EDE.UNSUPPORTED_DS_DIGEST],
    ['www.expired.test', 'A', BOGUS, EDE.SIGNATURE_EXPIRED],
    ['www.wrongds.test', 'A', BOGUS, EDE.DNSKEY_MISSING],
    ['www.sha1.test', 'A', SECURE, EDE.NONE],
    ['nope.test', 'A', SECURE, EDE.NONE],
    ['nowhere', 'A', SECURE, EDE.NONE],
    ['test', 'DS', SECURE, EDE.NONE],
    ['plain.test', 'DS', SECURE, EDE.NONE],
  ])('%s %s', async (name, type, status, ede) => {
    const verdict = await judged(name, type);
    expect({ status: verdict.status, ede: verdict.ede, why: verdict.why }).toMatchObject({ status, ede });
  });

  it('take SHA-1 digests for nothing where they are switched off', async () => {
    const parts = partsOf({ limits: { ...VALIDATION_LIMITS, sha1Digests: false } });
    expect(await judged('www.sha1.test', 'A', { parts })).toMatchObject({
      status: INSECURE,
      ede: EDE.UNSUPPORTED_DS_DIGEST,
    });
  });

  it('end where somebody has said so', async () => {
    const insecurePoint = () => ({ zone: textToName('expired.test'), why: 'said so' });
    expect(await judged('www.expired.test', 'A', { parts: partsOf({ insecurePoint }) })).toMatchObject({
      status: INSECURE,
      why: 'said so',
    });
  });

  it('are indeterminate where DS or DNSKEY cannot be had, and insecure without any trust anchor', async () => {
    const none = partsOf({ anchors: new TrustAnchors([]) });
    expect(await judged('www.z0.test', 'A', { parts: none })).toMatchObject({ status: INSECURE });
    const bytes = await fetched('www.z0.test', 'A');
    const budget = new AllowedValidation();
    const validation = new Validation(
      partsOf(),
      { name: textToName('www.z0.test'), type: TYPE.A },
      readSets(bytes, 0, bytes.length)!,
      NOW,
      budget,
    );
    validation.start();
    expect(validation.resume({ failed: EDE.NETWORK_ERROR })).toBeUndefined();
    expect(validation.verdict).toMatchObject({ status: 3, ede: EDE.NETWORK_ERROR });
  });

  it('ask for nothing that is known already', async () => {
    const parts = partsOf();
    expect((await judged('www.z0.test', 'A', { parts })).cost.questions).toBeGreaterThan(3);
    expect((await judged('mail.z0.test', 'MX', { parts })).cost.questions).toBe(0);
    expect((await judged('www.plain.test', 'A', { parts })).cost.questions).toBe(1);
    expect((await judged('nope.plain.test', 'A', { parts })).cost.questions).toBe(0);
  });

  it('are given up where they need more than a query may cost', async () => {
    for (const allowance of [
      { micros: 100, signatures: 200, hashes: 40_000, questions: 64 },
      { micros: 1e6, signatures: 2, hashes: 40_000, questions: 64 },
      { micros: 1e6, signatures: 200, hashes: 40_000, questions: 1 },
    ]) {
      const parts = partsOf();
      expect((await judged('www.z0.test', 'A', { parts, allowance })).status).toBe(3);
      // Said of one query, remembered of no zone.
      expect((await judged('www.z0.test', 'A', { parts })).status).toBe(SECURE);
    }
  });

  it('make nothing secure that they do not hold, whatever bytes of an answer are changed', async () => {
    const parts = partsOf();
    const names = [0, 1, 4, 5, 8].flatMap((i) =>
      QUESTIONS.map(([label, type]) => [label === '' ? zoneOf(i) : `${label}.${zoneOf(i)}`, type] as const),
    );
    const held = new Set<string>();
    for (const [name, type] of names) {
      const verdict = await judged(name, type, { parts });
      for (const one of verdict.sets) held.add(identity(one.set));
    }
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...names),
        fc.array(fc.record({ at: fc.nat(), bits: fc.integer({ min: 1, max: 255 }) }), { minLength: 1, maxLength: 4 }),
        async ([name, type], changes) => {
          const bytes = Uint8Array.from(await fetched(name, type));
          for (const { at, bits } of changes) bytes[12 + (at % (bytes.length - 12))]! ^= bits;
          if (readSets(bytes, 0, bytes.length) === undefined) return;
          const verdict = await judged(name, type, { message: bytes, parts });
          for (const { set, status } of verdict.sets) if (status === SECURE) expect(held).toContain(identity(set));
        },
      ),
      { numRuns: 3000 },
    );
  }, 120_000);

  it('make no name of theirs secure as another', async () => {
    const parts = partsOf();
    // Answers to one question are given to another: replay inside a zone and between zones.
    const names = QUESTIONS.filter(([label]) => label !== '').map(
      ([label, type]) => [`${label}.${zoneOf(0)}`, type] as const,
    );
    for (const [name, type] of names) {
      for (const [other, otherType] of names) {
        if (name === other) continue;
        const message = await fetched(other, otherType);
        const verdict = await judged(name, type, { message, parts });
        const truth = await fetched(name, type);
        const [rcode, kind] = [message[3]! & 15, verdict.sets.some(({ set }) => set.section === 0)];
        if (verdict.status === SECURE && verdict.sets.length > 0)
          expect(`${name} ${type} by ${other} ${otherType}: ${truth[3]! & 15} ${answersOf(truth) > 0}`).toBe(
            `${name} ${type} by ${other} ${otherType}: ${rcode} ${kind}`,
          );
      }
    }
  });
});

function u16(text: string): [number, number] {
  return [Number(text) >>> 8, Number(text) & 255];
}

function answersOf(message: Uint8Array): number {
  return (message[6]! << 8) | message[7]!;
}

/** Everything that a signature vouches for. */
function identity(set: { owner: Uint8Array; type: number; data: readonly Uint8Array[] }): string {
  return [nameKey(set.owner), set.type, ...set.data.map((data) => Buffer.from(data).toString('hex')).sort()].join(' ');
}

/** The message without records of these types, its names rewritten by nobody: compression points backwards only. */
function withoutTypes(message: Uint8Array, types: readonly number[]): Uint8Array {
  const out = Buffer.from(message);
  const counts = [6, 8, 10].map((at) => out.readUInt16BE(at));
  let at = 12;
  while (out[at]! > 0) at += out[at]! + 1;
  at += 5;
  for (const [section, count] of counts.entries()) {
    for (let i = 0; i < count; i++) {
      let owner = at;
      while (out[owner]! > 0 && out[owner]! < 0xc0) owner += out[owner]! + 1;
      owner += out[owner]! >= 0xc0 ? 2 : 1;
      // A type of nobody's takes its place: lengths and pointers stay.
      if (types.includes(out.readUInt16BE(owner))) out.writeUInt16BE(65_280 + section, owner);
      at = owner + 10 + out.readUInt16BE(owner + 8);
    }
  }
  return out;
}
