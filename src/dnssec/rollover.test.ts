/** RFC 5011 with real keys and a clock that is turned: the table of states of §4.2, and the file between two lives. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { keyTag } from '../resolve/validate/dns-key.ts';
import { type RRset, type Signature, signedBytes } from '../resolve/validate/rrset.ts';
import { TYPE } from '../wire/constants.ts';
import type { AnchorRecord } from './dnssec-config.ts';
import { anchorsInForce, type FollowedZone, HOLD_DOWN_MS, observe } from './rollover.ts';
import { readLearnt, writeLearnt } from './rollover-file.ts';

const ROOT = new Uint8Array(1);
const DAY = 86_400_000;
const T0 = Date.UTC(2026, 0, 1);

interface Key {
  readonly data: Uint8Array;
  readonly revoked: Uint8Array;
  readonly secret: KeyObject;
}

function makeKey(flags = 257): Key {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const x = Buffer.from((publicKey.export({ format: 'jwk' }) as { x: string }).x, 'base64url');
  const data = (with_: number) => Uint8Array.from([with_ >>> 8, with_ & 255, 3, 15, ...x]);
  return { data: data(flags), revoked: data(flags | 0x80), secret: privateKey };
}

function signatureOver(set: RRset, data: Uint8Array, secret: KeyObject, atMs: number): Signature {
  const head = Buffer.alloc(19);
  head.writeUInt16BE(TYPE.DNSKEY, 0);
  head[2] = 15;
  head.writeUInt32BE(set.ttl, 4);
  head.writeUInt32BE(Math.floor(atMs / 1000) + 14 * 86_400, 8);
  head.writeUInt32BE(Math.floor(atMs / 1000) - 86_400, 12);
  head.writeUInt16BE(keyTag(data), 16);
  const unsigned = {
    algorithm: 15,
    labels: 0,
    originalTtl: set.ttl,
    expiration: head.readUInt32BE(8),
    inception: head.readUInt32BE(12),
    keyTag: keyTag(data),
    signer: ROOT,
    head,
    bytes: new Uint8Array(0),
  };
  return { ...unsigned, bytes: sign(null, signedBytes(set, unsigned, ROOT), secret) };
}

/** The zone's set at `atMs`, signed by each of `signers`. */
function setAt(
  atMs: number,
  data: readonly Uint8Array[],
  signers: readonly (readonly [Uint8Array, KeyObject])[],
): RRset {
  const set: RRset = {
    owner: ROOT,
    type: TYPE.DNSKEY,
    section: 0,
    ttl: 172_800,
    data: [...data],
    signatures: [],
    ttlOffsets: [],
  };
  set.signatures.push(...signers.map(([key, secret]) => signatureOver(set, key, secret, atMs)));
  return set;
}

const anchorOf = (key: Key): AnchorRecord => ({ zone: ROOT, type: 'DNSKEY', data: key.data });
const states = (zone: FollowedZone | undefined) =>
  Object.fromEntries((zone?.keys ?? []).map(({ data, state }) => [keyTag(data), state]));

describe('a rollover', () => {
  let old: Key;
  let fresh: Key;
  let zone: FollowedZone | undefined;
  let anchors: readonly AnchorRecord[];

  const see = (atMs: number, data: readonly Uint8Array[], signers: readonly (readonly [Uint8Array, KeyObject])[]) => {
    const observed = observe(zone, anchors, setAt(atMs, data, signers), atMs);
    zone = observed.zone;
    return observed;
  };
  const byOld = () => [[old.data, old.secret]] as const;
  const trusted = () =>
    anchorsInForce(anchors, zone ? [zone] : [])
      .map(({ data }) => keyTag(data))
      .sort();

  beforeEach(() => {
    old = makeKey();
    fresh = makeKey();
    anchors = [anchorOf(old)];
    zone = undefined;
    see(T0, [old.data], byOld());
  });

  it('takes a new key after thirty days, not before', () => {
    expect(states(zone)).toEqual({ [keyTag(old.data)]: 'valid' });
    see(T0 + DAY, [old.data, fresh.data], byOld());
    expect(states(zone)[keyTag(fresh.data)]).toBe('pending');
    expect(trusted()).toEqual([keyTag(old.data)]);
    see(T0 + DAY + HOLD_DOWN_MS - 1, [old.data, fresh.data], byOld());
    expect(states(zone)[keyTag(fresh.data)]).toBe('pending');
    see(T0 + DAY + HOLD_DOWN_MS, [old.data, fresh.data], byOld());
    expect(states(zone)[keyTag(fresh.data)]).toBe('valid');
    expect(trusted()).toEqual([keyTag(old.data), keyTag(fresh.data)].sort());
  });

  it('starts over with a key that was gone in between', () => {
    see(T0 + DAY, [old.data, fresh.data], byOld());
    see(T0 + 10 * DAY, [old.data], byOld());
    expect(states(zone)[keyTag(fresh.data)]).toBeUndefined();
    see(T0 + 20 * DAY, [old.data, fresh.data], byOld());
    see(T0 + 40 * DAY, [old.data, fresh.data], byOld());
    expect(states(zone)[keyTag(fresh.data)]).toBe('pending');
  });

  it('takes nothing from a set that no trusted key signed', () => {
    const { trusted: believed, changes } = see(T0 + DAY, [old.data, fresh.data], [[fresh.data, fresh.secret]]);
    expect([believed, changes]).toEqual([false, []]);
    expect(states(zone)).toEqual({ [keyTag(old.data)]: 'valid' });
  });

  it('does not wait for a key that is no entry point', () => {
    const zsk = makeKey(256);
    see(T0 + DAY, [old.data, zsk.data], byOld());
    expect(states(zone)[keyTag(zsk.data)]).toBeUndefined();
  });

  it('drops a key that revokes itself, for good, also where the configuration names it', () => {
    see(T0 + DAY, [old.data, fresh.data], byOld());
    see(T0 + 40 * DAY, [old.data, fresh.data], byOld());
    see(
      T0 + 41 * DAY,
      [old.revoked, fresh.data],
      [
        [old.revoked, old.secret],
        [fresh.data, fresh.secret],
      ],
    );
    expect(states(zone)[keyTag(old.data)]).toBe('revoked');
    expect(trusted()).toEqual([keyTag(fresh.data)]);
    // The old key alone is believed no more.
    expect(see(T0 + 42 * DAY, [old.data, makeKey().data], byOld()).trusted).toBe(false);
    see(T0 + 41 * DAY + HOLD_DOWN_MS, [fresh.data], [[fresh.data, fresh.secret]]);
    expect(states(zone)[keyTag(old.data)]).toBe('removed');
    expect(trusted()).toEqual([keyTag(fresh.data)]);
  });

  it('is not revoked by somebody else', () => {
    see(T0 + DAY, [old.data, fresh.data], byOld());
    see(T0 + 40 * DAY, [old.data, fresh.data], byOld());
    see(T0 + 41 * DAY, [old.revoked, fresh.data], [[fresh.data, fresh.secret]]);
    expect(states(zone)[keyTag(old.data)]).toBe('missing');
    expect(trusted()).toContain(keyTag(old.data));
  });

  it('misses a key that is gone, and has it back', () => {
    see(T0 + DAY, [old.data, fresh.data], byOld());
    see(T0 + 40 * DAY, [old.data, fresh.data], byOld());
    see(T0 + 41 * DAY, [fresh.data], [[fresh.data, fresh.secret]]);
    expect(states(zone)[keyTag(old.data)]).toBe('missing');
    see(T0 + 42 * DAY, [old.data, fresh.data], byOld());
    expect(states(zone)[keyTag(old.data)]).toBe('valid');
  });

  it('follows no more keys than it has room for', () => {
    const many = Array.from({ length: 100 }, () => makeKey().data);
    see(T0 + DAY, [old.data, ...many], byOld());
    expect(zone?.keys.length).toBe(32);
  });

  it('asks again after an hour at the earliest and fifteen days at the latest', () => {
    const { nextMs } = see(T0 + DAY, [old.data], byOld());
    expect(nextMs).toBe(T0 + DAY + DAY);
  });
});

describe('the file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rollover-'));
  const file = join(folder, 'anchors.json');
  afterAll(() => rmSync(folder, { recursive: true }));
  const key = makeKey();
  const configured = [anchorOf(key)];
  const zones: FollowedZone[] = [
    {
      zone: ROOT,
      seenAtMs: T0,
      keys: [
        { data: key.data, state: 'valid', sinceMs: T0 },
        { data: makeKey().data, state: 'pending', sinceMs: T0 + DAY },
      ],
    },
  ];

  it('brings back what was learnt', () => {
    expect(readLearnt(file, configured, T0)).toEqual({ zones: [], refused: undefined });
    writeLearnt(file, configured, zones);
    expect(readLearnt(file, configured, T0)).toEqual({ zones, refused: undefined });
    expect(readdirSync(folder)).toEqual(['anchors.json']);
  });

  it('does not count where other anchors are configured', () => {
    const { zones: none, refused } = readLearnt(file, [anchorOf(makeKey())], T0);
    expect(none).toEqual([]);
    expect(refused).toContain('others');
  });

  it('is moved aside where it is damaged, however it is cut', () => {
    const whole = readFileSync(file);
    for (const length of [0, 1, 100, whole.length - 3]) {
      writeFileSync(file, whole.subarray(0, length));
      const { zones: none, refused } = readLearnt(file, configured, T0 + length);
      expect(none).toEqual([]);
      expect(refused).toContain('damaged');
    }
    expect(readdirSync(folder).length).toBe(4);
  });
});
