/** The examples of the RFCs: keys, tags, digests and signatures (RFC 4034 §5.4, 5702 §6, 6605 §6, 8080 §6 with erratum 4935). */
import { describe, expect, it } from 'vitest';
import { EDE, TYPE } from '../../wire/constants.ts';
import { textToName } from '../../wire/name.ts';
import { AllowedValidation } from './budget.ts';
import { VALIDATION_LIMITS } from './chain-of-trust.ts';
import { ImportedKeys, keyTag, matches, readDs } from './dns-key.ts';
import type { RRset, Signature } from './rrset.ts';
import { checkStep } from './validate.ts';
import type { CheckStep, StepReply } from './verdict.ts';
import { type SetVerification, serialAfter, verifySet } from './verify-set.ts';

interface Vector {
  readonly title: string;
  readonly owner: string;
  readonly zone: string;
  readonly type: number;
  readonly data: Uint8Array;
  readonly flags: number;
  readonly algorithm: number;
  readonly publicKey: string;
  readonly tag: number;
  readonly labels: number;
  readonly inception: number;
  readonly expiration: number;
  readonly signature: string;
  readonly ds?: { readonly digestType: number; readonly digest: string };
}

const MX = Uint8Array.from([0, 10, ...textToName('mail.example.com')]);
const VECTORS: readonly Vector[] = [
  {
    title: 'RFC 5702 §6.1, RSASHA256',
    owner: 'www.example.net',
    zone: 'example.net',
    type: TYPE.A,
    data: Uint8Array.of(192, 0, 2, 91),
    flags: 256,
    algorithm: 8,
    publicKey: 'AwEAAcFcGsaxxdgiuuGmCkVImy4h99CqT7jwY3pexPGcnUFtR2Fh36BponcwtkZ4cAgtvd4Qs8PkxUdp6p/DlUmObdk=',
    tag: 9033,
    labels: 3,
    inception: 946684800,
    expiration: 1893456000,
    signature: 'kRCOH6u7l0QGy9qpC9l1sLncJcOKFLJ7GhiUOibu4teYp5VE9RncriShZNz85mwlMgNEacFYK/lPtPiVYP4bwg==',
  },
  {
    title: 'RFC 5702 §6.2, RSASHA512',
    owner: 'www.example.net',
    zone: 'example.net',
    type: TYPE.A,
    data: Uint8Array.of(192, 0, 2, 91),
    flags: 256,
    algorithm: 10,
    publicKey:
      'AwEAAdHoNTOW+et86KuJOWRDp1pndvwb6Y83nSVXXyLA3DLroROUkN6X0O6pnWnjJQujX/AyhqFDxj13tOnD9u/1kTg7cV6rklMrZDtJCQ5PCl/D7QNPsgVsMu1J2Q8gpMpztNFLpPBz1bWXjDtaR7ZQBlZ3PFY12ZTSncorffcGmhOL',
    tag: 3740,
    labels: 3,
    inception: 946684800,
    expiration: 1893456000,
    signature:
      'tsb4wnjRUDnB1BUi+t6TMTXThjVnG+eCkWqjvvjhzQL1d0YRoOe0CbxrVDYd0xDtsuJRaeUw1ep94PzEWzr0iGYgZBWm/zpq+9fOuagYJRfDqfReKBzMweOLDiNa8iP5g9vMhpuv6OPlvpXwm9Sa9ZXIbNl1MBGk0fthPgxdDLw=',
  },
  {
    title: 'RFC 6605 §6.1, ECDSAP256SHA256',
    owner: 'www.example.net',
    zone: 'example.net',
    type: TYPE.A,
    data: Uint8Array.of(192, 0, 2, 1),
    flags: 257,
    algorithm: 13,
    publicKey: 'GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==',
    tag: 55648,
    labels: 3,
    inception: 1281607479,
    expiration: 1284026679,
    signature: 'qx6wLYqmh+l9oCKTN6qIc+bw6ya+KJ8oMz0YP107epXAyGmt+3SNruPFKG7tZoLBLlUzGGus7ZwmwWep666VCw==',
    ds: { digestType: 2, digest: 'b4c8c1fe2e7477127b27115656ad6256f424625bf5c1e2770ce6d6e37df61d17' },
  },
  {
    title: 'RFC 6605 §6.2, ECDSAP384SHA384',
    owner: 'www.example.net',
    zone: 'example.net',
    type: TYPE.A,
    data: Uint8Array.of(192, 0, 2, 1),
    flags: 257,
    algorithm: 14,
    publicKey:
      'xKYaNhWdGOfJ+nPrL8/arkwf2EY3MDJ+SErKivBVSum1w/egsXvSADtNJhyem5RCOpgQ6K8X1DRSEkrbYQ+OB+v8/uX45NBwY8rp65F6Glur8I/mlVNgF6W/qTI37m40',
    tag: 10771,
    labels: 3,
    inception: 1281608425,
    expiration: 1284027625,
    signature:
      '/L5hDKIvGDyI1fcARX3z65qrmPsVz73QD1Mr5CEqOiLP95hxQouuroGCeZOvzFaxsT8Glr74hbavRKayJNuydCuzWTSSPdz7wnqXL5bdcJzusdnI0RSMROxxwGipWcJm',
    ds: {
      digestType: 4,
      digest: '72d7b62976ce06438e9c0bf319013cf801f09ecc84b8d7e9495f27e305c6a9b0563a9b5f4d288405c3008a946df983d6',
    },
  },
  {
    title: 'RFC 8080 §6.1, ED25519, first key',
    owner: 'example.com',
    zone: 'example.com',
    type: TYPE.MX,
    data: MX,
    flags: 257,
    algorithm: 15,
    publicKey: 'l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=',
    tag: 3613,
    labels: 2,
    inception: 1438207200,
    expiration: 1440021600,
    signature: 'oL9krJun7xfBOIWcGHi7mag5/hdZrKWw15jPGrHpjQeRAvTdszaPD+QLs3fx8A4M3e23mRZ9VrbpMngwcrqNAg==',
    ds: { digestType: 2, digest: '3aa5ab37efce57f737fc1627013fee07bdf241bd10f3b1964ab55c78e79a304b' },
  },
  {
    title: 'RFC 8080 §6.1, ED25519, second key',
    owner: 'example.com',
    zone: 'example.com',
    type: TYPE.MX,
    data: MX,
    flags: 257,
    algorithm: 15,
    publicKey: 'zPnZ/QwEe7S8C5SPz2OfS5RR40ATk2/rYnE9xHIEijs=',
    tag: 35217,
    labels: 2,
    inception: 1438207200,
    expiration: 1440021600,
    signature: 'zXQ0bkYgQTEFyfLyi9QoiY6D8ZdYo4wyUhVioYZXFdT410QPRITQSqJSnzQoSm5poJ7gD7AQR0O7KuI5k2pcBg==',
    ds: { digestType: 2, digest: '401781b934e392de492ec77ae2e15d70f6575a1c0bc59c5275c04ebe80c6614c' },
  },
];

function keyData({ flags, algorithm, publicKey }: Vector): Uint8Array {
  return Uint8Array.from([flags >>> 8, flags & 255, 3, algorithm, ...Buffer.from(publicKey, 'base64')]);
}

function signatureOf(vector: Vector): Signature {
  const signer = textToName(vector.zone);
  const head = Buffer.alloc(18 + signer.length);
  head.writeUInt16BE(vector.type, 0);
  head[2] = vector.algorithm;
  head[3] = vector.labels;
  head.writeUInt32BE(3600, 4);
  head.writeUInt32BE(vector.expiration, 8);
  head.writeUInt32BE(vector.inception, 12);
  head.writeUInt16BE(vector.tag, 16);
  head.set(signer, 18);
  return {
    algorithm: vector.algorithm,
    labels: vector.labels,
    originalTtl: 3600,
    expiration: vector.expiration,
    inception: vector.inception,
    keyTag: vector.tag,
    signer,
    head,
    bytes: Buffer.from(vector.signature, 'base64'),
  };
}

function setOf(vector: Vector, signatures: Signature[] = [signatureOf(vector)]): RRset {
  return {
    owner: textToName(vector.owner),
    type: vector.type,
    section: 0,
    // RFC 4034 §3.1.4: the TTL that came is not what was signed.
    ttl: 17,
    data: [vector.data],
    signatures,
    ttlOffsets: [],
  };
}

function verified(vector: Vector, now: number, set = setOf(vector), limits = VALIDATION_LIMITS): SetVerification {
  const key = new ImportedKeys().of(keyData(vector))!;
  const steps = verifySet(set, textToName(vector.zone), [key], now, limits, new AllowedValidation());
  let reply: StepReply;
  for (;;) {
    const { done, value } = steps.next(reply) as IteratorResult<CheckStep, SetVerification>;
    if (done) return value;
    reply = checkStep(value);
  }
}

describe.each(VECTORS)('$title', (vector) => {
  const between = Math.floor((vector.inception + vector.expiration) / 2);

  it('verifies, and ends with its time', () => {
    expect(verified(vector, between)).toMatchObject({ good: true, wildcardLabels: -1, maxTtl: 3600 });
    const { skewSeconds } = VALIDATION_LIMITS;
    expect(verified(vector, vector.expiration + skewSeconds + 1).ede).toBe(EDE.SIGNATURE_EXPIRED);
    expect(verified(vector, vector.inception - skewSeconds - 1).ede).toBe(EDE.SIGNATURE_NOT_YET_VALID);
    expect(verified(vector, vector.expiration - 10)).toMatchObject({ good: true, maxTtl: 10 });
    expect(verified(vector, vector.expiration + skewSeconds)).toMatchObject({ good: true, maxTtl: 1 });
  });

  it('has the key tag and, where given, the DS', () => {
    const data = keyData(vector);
    expect(keyTag(data)).toBe(vector.tag);
    const { ds } = vector;
    if (ds === undefined) return;
    const record = [
      vector.tag >>> 8,
      vector.tag & 255,
      vector.algorithm,
      ds.digestType,
      ...Buffer.from(ds.digest, 'hex'),
    ];
    const key = new ImportedKeys().of(data)!;
    expect(matches(readDs(Uint8Array.from(record))!, textToName(vector.zone), key)).toBe(true);
    record[4]! ^= 1;
    expect(matches(readDs(Uint8Array.from(record))!, textToName(vector.zone), key)).toBe(false);
    expect(matches(readDs(Uint8Array.from(record))!, textToName(`a.${vector.zone}`), key)).toBe(false);
  });

  it('does not verify once a bit of signature, data, owner, type or head is another', () => {
    const good = signatureOf(vector);
    const flipped = (bytes: Uint8Array, at: number) => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
    for (let at = 0; at < good.bytes.length; at += 7) {
      const set = setOf(vector, [{ ...good, bytes: flipped(good.bytes, at) }]);
      expect(verified(vector, between, set)).toMatchObject({ good: false, ede: EDE.DNSSEC_BOGUS });
    }
    for (let at = 0; at < good.head.length; at++) {
      const set = setOf(vector, [{ ...good, head: flipped(good.head, at) }]);
      expect(verified(vector, between, set).good).toBe(false);
    }
    for (let at = 0; at < vector.data.length; at++) {
      expect(verified(vector, between, { ...setOf(vector), data: [flipped(vector.data, at)] }).good).toBe(false);
    }
    expect(verified(vector, between, { ...setOf(vector), type: TYPE.TXT }).good).toBe(false);
    expect(verified(vector, between, { ...setOf(vector), owner: textToName(`x.${vector.zone}`) }).good).toBe(false);
    const cut = setOf(vector, [{ ...good, bytes: good.bytes.subarray(1) }]);
    expect(verified(vector, between, cut).good).toBe(false);
  });

  it('counts a double once, and another record not at all (RFC 4034 §6.3)', () => {
    expect(verified(vector, between, { ...setOf(vector), data: [vector.data, vector.data] }).good).toBe(true);
    expect(verified(vector, between, { ...setOf(vector), data: [vector.data, Uint8Array.of(1)] }).good).toBe(false);
  });

  it('stops after a few checks, however many signatures come', () => {
    const wrong = { ...signatureOf(vector), bytes: new Uint8Array(Buffer.from(vector.signature, 'base64').length) };
    const many = setOf(vector, [...Array.from({ length: 200 }, () => wrong), signatureOf(vector)]);
    const budget = new AllowedValidation();
    const key = new ImportedKeys().of(keyData(vector))!;
    const limits = { ...VALIDATION_LIMITS, dearMicros: Number.POSITIVE_INFINITY };
    const { done, value } = verifySet(many, textToName(vector.zone), [key], between, limits, budget).next();
    expect(done).toBe(true);
    expect(value).toMatchObject({ good: false, ede: EDE.DNSSEC_BOGUS, exhausted: false });
    expect(budget.signatures).toBe(VALIDATION_LIMITS.checksPerSet);
  });
});

describe('one signature among several', () => {
  const vector = VECTORS[2]!;
  const between = 1_283_000_000;

  it('of an algorithm that is not supported is passed over', () => {
    const unknown = { ...signatureOf(vector), algorithm: 5 };
    expect(verified(vector, between, setOf(vector, [unknown])).ede).toBe(EDE.UNSUPPORTED_DNSKEY_ALGORITHM);
    expect(verified(vector, between, setOf(vector, [unknown, signatureOf(vector)])).good).toBe(true);
  });

  it('is not made by a key without the zone bit, revoked, or of another protocol', () => {
    for (const at of [0, 1, 2]) {
      const data = keyData(vector);
      data[at]! ^= at === 0 ? 1 : at === 1 ? 0x80 : 1;
      const tag = keyTag(data);
      const set = setOf(vector, [{ ...signatureOf(vector), keyTag: tag }]);
      const key = new ImportedKeys().of(data)!;
      const steps = verifySet(set, textToName(vector.zone), [key], between, VALIDATION_LIMITS, new AllowedValidation());
      expect(steps.next().value).toMatchObject({ good: false, ede: EDE.NO_ZONE_KEY_BIT_SET });
    }
  });

  it('ends before it begins', () => {
    const turned = { ...signatureOf(vector), inception: vector.expiration, expiration: vector.inception };
    expect(verified(vector, between, setOf(vector, [turned])).ede).toBe(EDE.SIGNATURE_EXPIRED_BEFORE_VALID);
  });

  it('is compared by serial arithmetic across the end of 32 bits (RFC 1982)', () => {
    expect(serialAfter(5, 0xffff_fff0)).toBe(true);
    expect(serialAfter(0xffff_fff0, 5)).toBe(false);
    expect(serialAfter(2 ** 32 + 5, 0xffff_fff0)).toBe(true);
    expect(serialAfter(7, 7)).toBe(false);
  });
});

describe('RFC 4034 §5.4', () => {
  it('has the digest of its key', () => {
    const data = Uint8Array.from([
      1,
      0,
      3,
      5,
      ...Buffer.from(
        'AQOeiiR0GOMYkDshWoSKz9Xz' +
          'fwJr1AYtsmx3TGkJaNXVbfi/' +
          '2pHm822aJ5iI9BMzNXxeYCmZ' +
          'DRD99WYwYqUSdjMmmAphXdvx' +
          'egXd/M5+X7OrzKBaMbCVdFLU' +
          'Uh6DhweJBjEVv5f2wwjM9Xzc' +
          'nOf+EPbtG9DMBmADjFDc2w/r' +
          'ljwvFw==',
        'base64',
      ),
    ]);
    expect(keyTag(data)).toBe(60485);
    const digest = Buffer.from('2BB183AF5F22588179A53B0A98631FAD1A292118', 'hex');
    const ds = readDs(Uint8Array.from([60485 >>> 8, 60485 & 255, 5, 1, ...digest]))!;
    expect(matches(ds, textToName('dskey.example.com'), new ImportedKeys().of(data)!)).toBe(true);
  });
});
