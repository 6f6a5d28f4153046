/**
 * Proofs against a model: a zone made at random, all of its NSEC or NSEC3 records, and a name asked for. What the records
 * prove has to be what the zone holds; and whatever records an attacker leaves out, nothing false is ever proven.
 */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TYPE } from '../../wire/constants.ts';
import { textToName } from '../../wire/name.ts';
import { AllowedValidation } from './budget.ts';
import {
  compareNames,
  isBelow,
  isWithin,
  labelCount,
  lastLabels,
  type Name,
  nameKey,
  sameName,
  wildcardAt,
} from './canonical-name.ts';
import { CUT_INSECURE, CUT_NONE, type Denial } from './denial.ts';
import { NsecDenial } from './nsec.ts';
import { Nsec3Denial } from './nsec3.ts';
import type { RRset } from './rrset.ts';
import { nsec3Hash } from './sha1.ts';

const ZONE = textToName('example');
const SALT = Uint8Array.of(0xaa, 0xbb, 0xcc, 0xdd);

describe('NSEC3 hashes', () => {
  it('are those of RFC 5155 Appendix A', () => {
    const of = (name: string) => {
      const out = new Uint8Array(20);
      nsec3Hash(textToName(name), SALT, 12, out);
      return base32(out);
    };
    expect(of('example')).toBe('0p9mhaveqvm6t7vbl5lop2u3t2rp3tom');
    expect(of('a.example')).toBe('35mthgpgcu1qg68fab165klnsnk3dpvl');
    expect(of('ai.example')).toBe('gjeqe526plbf1g8mklp59enfd789njgi');
    expect(of('ns1.example')).toBe('2t7b4g4vsa5smi47k61mv5bv1a22bojr');
    expect(of('w.example')).toBe('k8udemvp1j2f7eg6jebps17vp3n8i58h');
    expect(of('*.w.example')).toBe('r53bq7cc2uvmubfu5ocmm6pers9tk9en');
    expect(of('x.w.example')).toBe('b4um86eghhds6nea196smvmlo4ors995');
    expect(of('x.y.w.example')).toBe('2vptu5timamqttgl4luu9kg21e0aor3s');
    expect(of('xx.example')).toBe('t644ebqk9bibcna874givr6joj62mlhv');
  });

  it('are those of the platform, whatever the lengths', () => {
    const out = new Uint8Array(20);
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 255 }),
        fc.uint8Array({ maxLength: 255 }),
        fc.nat(5),
        (name, salt, iterations) => {
          let expected = createHash('sha1').update(name).update(salt).digest();
          for (let i = 0; i < iterations; i++) expected = createHash('sha1').update(expected).update(salt).digest();
          nsec3Hash(name, salt, iterations, out);
          expect(Buffer.from(out).equals(expected)).toBe(true);
        },
      ),
    );
  });
});

// ── the model ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** Owner below the apex, as labels; types. A delegation has NS alone, or NS and DS. */
interface Owner {
  readonly name: Name;
  readonly types: readonly number[];
}

const LABELS = ['a', 'b', 'c', '*', 'ns'];
const relative = fc.array(fc.constantFrom(...LABELS), { minLength: 1, maxLength: 4 });
const types = fc.constantFrom<readonly number[]>(
  [TYPE.A],
  [TYPE.TXT, TYPE.AAAA],
  [TYPE.CNAME],
  [TYPE.NS],
  [TYPE.NS, TYPE.DS],
  [TYPE.DNAME],
);
const model = fc.array(fc.record({ labels: relative, types }), { maxLength: 12 }).map((owners) => {
  const zone = new Map<string, Owner>();
  zone.set(nameKey(ZONE), { name: ZONE, types: [TYPE.SOA, TYPE.NS, TYPE.DNSKEY] });
  for (const { labels, types: held } of owners) {
    const name = textToName([...labels, 'example'].join('.'));
    if (!zone.has(nameKey(name))) zone.set(nameKey(name), { name, types: held });
  }
  // Nothing stands below a delegation or a DNAME (occluded names are no part of the zone), nor is a `*` one of these.
  const cuts = [...zone.values()].filter((owner) => isCut(owner) || owner.types.includes(TYPE.DNAME));
  return [...zone.values()].filter(
    ({ name, types: held }) =>
      !cuts.some((cut) => isBelow(name, cut.name)) &&
      !(name[1] === 0x2a && name[0] === 1 && (held.includes(TYPE.NS) || held.includes(TYPE.DNAME))),
  );
});
const asked = fc.record({
  name: fc
    .array(fc.constantFrom(...LABELS, 'x'), { minLength: 1, maxLength: 5 })
    .map((labels) => textToName([...labels, 'example'].join('.'))),
  type: fc.constantFrom(TYPE.A, TYPE.TXT, TYPE.AAAA, TYPE.DS, TYPE.NS, TYPE.CNAME),
});

function isCut({ types: held, name }: Owner): boolean {
  return held.includes(TYPE.NS) && !sameName(name, ZONE);
}

/** What an authority would say of a name (RFC 1034 §4.3.2, RFC 4592). */
function truth(zone: readonly Owner[], name: Name) {
  const own = zone.find((one) => sameName(one.name, name));
  const exists = zone.some((one) => isWithin(one.name, name));
  const above = zone.find((one) => (isCut(one) || one.types.includes(TYPE.DNAME)) && isBelow(name, one.name));
  let encloser = ZONE;
  for (let count = labelCount(name); count > 0; count--) {
    const candidate = lastLabels(name, count);
    if (!zone.some((one) => isWithin(one.name, candidate))) continue;
    encloser = candidate;
    break;
  }
  const star = wildcardAt(encloser)!;
  // RFC 4592 §2.2.2: a wildcard may be an empty name, too.
  const empty = zone.some((one) => isWithin(one.name, star)) ? { name: star, types: [] } : undefined;
  const wildcard = exists ? undefined : (zone.find((one) => sameName(one.name, star)) ?? empty);
  // RFC 5155 §7.1: with opt-out a delegation without DS, and an empty name above nothing else, may have no record.
  const bare = (at: Name) =>
    zone.every((one) => !isWithin(one.name, at) || (isCut(one) && !one.types.includes(TYPE.DS)));
  const skipped = bare(exists ? name : encloser) || (!exists && empty !== undefined && bare(star));
  return { own, exists, occluded: above !== undefined, encloser, wildcard, skipped };
}

function nsecSets(zone: readonly Owner[]): RRset[] {
  const sorted = [...zone].sort((a, b) => compareNames(a.name, b.name));
  return sorted.map(({ name, types: held }, i) => {
    const next = sorted[(i + 1) % sorted.length]!.name;
    return setOf(name, TYPE.NSEC, Uint8Array.from([...next, ...bitmap([...held, TYPE.NSEC, TYPE.RRSIG])]));
  });
}

/** RFC 5155 §7.1: every name and every empty one; with opt-out no delegations without DS. */
function nsec3Sets(zone: readonly Owner[], optOut: boolean): RRset[] {
  const kept = zone.filter((one) => !(optOut && isCut(one) && !one.types.includes(TYPE.DS)));
  const names = new Map<string, { name: Name; types: readonly number[] }>();
  for (const { name } of kept) {
    for (let count = labelCount(ZONE); count <= labelCount(name); count++) {
      const at = lastLabels(name, count);
      names.set(nameKey(at), { name: at, types: zone.find((one) => sameName(one.name, at))?.types ?? [] });
    }
  }
  const hashed = [...names.values()].map(({ name, types: held }) => {
    const hash = new Uint8Array(20);
    nsec3Hash(name, SALT, 2, hash);
    return { hash, types: held };
  });
  hashed.sort((a, b) => Buffer.compare(a.hash, b.hash));
  return hashed.map(({ hash, types: held }, i) => {
    const next = hashed[(i + 1) % hashed.length]!.hash;
    const data = [1, optOut ? 1 : 0, 0, 2, SALT.length, ...SALT, 20, ...next, ...bitmap(held)];
    return setOf(textToName(`${base32(hash)}.example`), TYPE.NSEC3, Uint8Array.from(data));
  });
}

function setOf(owner: Name, type: number, data: Uint8Array): RRset {
  return { owner, type, section: 1, ttl: 300, data: [data], signatures: [], ttlOffsets: [] };
}

function bitmap(held: readonly number[]): number[] {
  if (held.length === 0) return [];
  const bytes = new Uint8Array(32);
  for (const type of held) bytes[type >>> 3]! |= 0x80 >>> (type & 7);
  const size = bytes.findLastIndex((byte) => byte !== 0) + 1;
  return [0, size, ...bytes.subarray(0, size)];
}

function base32(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return (bits.match(/.{5}/g) ?? [])
    .map((five) => '0123456789abcdefghijklmnopqrstuv'[Number.parseInt(five, 2)])
    .join('');
}

const kinds = [
  {
    kind: 'NSEC',
    make: (zone: readonly Owner[]) => nsecSets(zone),
    denial: (sets: RRset[]): Denial => new NsecDenial(ZONE, sets),
  },
  { kind: 'NSEC3', make: (zone: readonly Owner[]) => nsec3Sets(zone, false), denial: nsec3 },
  { kind: 'NSEC3 with opt-out', make: (zone: readonly Owner[]) => nsec3Sets(zone, true), denial: nsec3 },
] as const;

function nsec3(sets: RRset[]): Denial {
  return new Nsec3Denial(ZONE, sets, 150, new AllowedValidation());
}

describe.each(kinds)('$kind', ({ kind, make, denial }) => {
  const optOut = kind === 'NSEC3 with opt-out';

  it('proves what the zone holds, and nothing else', () => {
    fc.assert(
      fc.property(model, asked, (zone, { name, type }) => {
        const all = denial(make(zone));
        const { own, exists, occluded, encloser, wildcard, skipped } = truth(zone, name);
        const nxdomain = all.nxdomain(name);
        const nodata = all.nodata(name, type);
        if (occluded) {
          // Only the child, or the DNAME, speaks of these; an opt-out span may hide the cut.
          expect(nxdomain.proven && !nxdomain.optOut).toBe(false);
          return;
        }
        const spoken = !(own !== undefined && isCut(own)) || type === TYPE.DS;
        const hidden = optOut && skipped;
        if (!hidden) {
          expect(nxdomain.proven).toBe(!exists && wildcard === undefined);
          const source = own ?? (exists ? { types: [], name } : wildcard);
          const lacks =
            source !== undefined &&
            spoken &&
            !source.types.includes(type) &&
            (!source.types.includes(TYPE.CNAME) || type === TYPE.CNAME) &&
            !(isCut(source) && type !== TYPE.DS);
          // RFC 5155 §8.6: of DS an opt-out span says enough.
          const open = optOut && type === TYPE.DS && !exists;
          expect(nodata.proven).toBe(lacks || (open && nodata.optOut));
          if (nxdomain.proven) expect(sameName(nxdomain.closestEncloser!, encloser)).toBe(true);
        }
        if (!exists && !hidden && wildcard !== undefined)
          expect(all.unmatched(name, labelCount(encloser)).proven).toBe(true);
        if (exists && !hidden) {
          for (let count = 1; count < labelCount(name); count++) {
            const closer = all.unmatched(name, count);
            expect(closer.proven && !closer.optOut).toBe(false);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('knows delegations without DS from names that are none', () => {
    fc.assert(
      fc.property(model, asked, (zone, { name }) => {
        const { own, exists, occluded, skipped } = truth(zone, name);
        if (occluded) return;
        const { cut, proof } = denial(make(zone)).cutAt(name);
        if (own !== undefined && isCut(own)) expect(cut).toBe(own.types.includes(TYPE.DS) ? 0 : CUT_INSECURE);
        else if ((exists && !(optOut && skipped)) || !proof.optOut) expect(cut).toBe(CUT_NONE);
        else expect(cut).toBe(CUT_INSECURE);
      }),
      { numRuns: 300 },
    );
  });

  it('proves nothing false, whatever records are left out', () => {
    fc.assert(
      fc.property(
        model,
        asked,
        fc.array(fc.boolean(), { minLength: 24, maxLength: 24 }),
        (zone, { name, type }, keep) => {
          const some = denial(make(zone).filter((_, i) => keep[i % keep.length]));
          const { own, exists, occluded, wildcard, skipped } = truth(zone, name);
          const hidden = optOut && skipped;
          const nxdomain = some.nxdomain(name);
          if (nxdomain.proven && !nxdomain.optOut) expect(exists || occluded || wildcard !== undefined).toBe(false);
          const nodata = some.nodata(name, type);
          if (nodata.proven && !nodata.optOut && !hidden) {
            const source = own ?? (exists ? undefined : wildcard);
            expect(source?.types.includes(type) ?? false).toBe(false);
          }
          const { cut, proof } = some.cutAt(name);
          if (cut === CUT_INSECURE && !proof.optOut)
            expect(own !== undefined && isCut(own) && !own.types.includes(TYPE.DS)).toBe(true);
          if (cut === CUT_NONE && own !== undefined && isCut(own)) expect(hidden && proof.optOut).toBe(false);
          if (cut === CUT_NONE) expect(own !== undefined && isCut(own) && own.types.includes(TYPE.DS)).toBe(false);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('NSEC3 at its limits', () => {
  it('is not looked at with more rounds than allowed (RFC 9276 §3.2)', () => {
    const sets = nsec3Sets([{ name: ZONE, types: [TYPE.SOA] }], false);
    const proof = new Nsec3Denial(ZONE, sets, 1, new AllowedValidation()).nxdomain(textToName('x.example'));
    expect(proof).toMatchObject({ proven: false, tooManyIterations: true });
  });

  it('finds a closest encloser near the apex without hashing every label of a long name', () => {
    const sets = nsec3Sets([{ name: ZONE, types: [TYPE.SOA] }], false);
    const budget = new AllowedValidation();
    const name = textToName(`${'a.'.repeat(100)}example`);
    expect(new Nsec3Denial(ZONE, sets, 150, budget).nxdomain(name).proven).toBe(true);
    // Apex, next closer name and wildcard: three names of three blocks each.
    expect(budget.cost.hashes).toBe(9);
  });

  it('stops where the budget is spent', () => {
    const sets = nsec3Sets([{ name: ZONE, types: [TYPE.SOA] }], false);
    const budget = new AllowedValidation({ micros: 1000, signatures: 1, hashes: 5, questions: 1 });
    expect(new Nsec3Denial(ZONE, sets, 150, budget).nxdomain(textToName('x.example')).proven).toBe(false);
    expect(budget.exhausted).toBe('hashes');
  });

  it('passes over records of another algorithm, with unknown flags, or with other parameters (RFC 5155 §8.1, §8.2)', () => {
    for (const [at, value] of [
      [0, 2],
      [1, 2],
      [3, 9],
    ] as const) {
      const sets = nsec3Sets(
        [
          { name: ZONE, types: [TYPE.SOA] },
          { name: textToName('a.example'), types: [TYPE.A] },
        ],
        false,
      );
      sets[1]!.data[0]![at] = value;
      const untouched = nsec3Sets(
        [
          { name: ZONE, types: [TYPE.SOA] },
          { name: textToName('a.example'), types: [TYPE.A] },
        ],
        false,
      );
      const names = ['b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'].map((label) => textToName(`${label}.example`));
      const proven = (of: RRset[]) => names.filter((name) => nsec3(of).nxdomain(name).proven).length;
      expect(proven(untouched)).toBe(names.length);
      expect(proven(sets)).toBeLessThan(names.length);
    }
  });
});
