/** DNSKEY and DS records: key tags, digests, and keys imported once and kept. */
import { createHash, type KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { checkMicros, importKey, isSupported } from './algorithms.ts';
import { type Name, nameKey } from './canonical-name.ts';

/** RFC 4034 §2.1.1. */
const ZONE_KEY = 0x0100;
/** RFC 4034 §2.1.1: secure entry point; a hint for people and for RFC 5011, no more. */
export const SECURE_ENTRY_POINT = 0x0001;
/** RFC 5011 §7. */
export const REVOKE = 0x0080;
/** RFC 4034 §2.1.2. */
const PROTOCOL_DNSSEC = 3;
const FIXED_BYTES = 4;

/** A DNSKEY record. */
export interface DnsKey {
  readonly data: Uint8Array;
  readonly flags: number;
  readonly algorithm: number;
  readonly tag: number;
  /** Zone key, not revoked, protocol 3 (RFC 4034 §2.1, RFC 5011 §2.1): it may sign a zone's RRsets. */
  readonly signsZone: boolean;
  /** Microseconds of a check with it. */
  readonly micros: number;
  /** Undefined where the key is none of its algorithm; imported at first use. */
  key(): KeyObject | undefined;
}

/** A DS record (RFC 4034 §5.1). */
export interface DelegationSigner {
  readonly tag: number;
  readonly algorithm: number;
  readonly digestType: number;
  readonly digest: Uint8Array;
}

/** Keys imported and kept, all zones together. */
const MAX_KEYS = 4096;

/** Keys by the bytes of their records, so that one that comes again (a refreshed DNSKEY set) is not imported again. */
export class ImportedKeys {
  readonly #keys: LRUCache<string, DnsKey>;

  constructor(max: number = MAX_KEYS) {
    this.#keys = new LRUCache({ max });
  }

  get size(): number {
    return this.#keys.size;
  }

  /** The key in a DNSKEY record's data; undefined where that is too short. */
  of(data: Uint8Array): DnsKey | undefined {
    if (data.length <= FIXED_BYTES) return undefined;
    const id = nameKey(data);
    const known = this.#keys.get(id);
    if (known !== undefined) return known;
    const key = readKey(data);
    this.#keys.set(id, key);
    return key;
  }
}

function readKey(data: Uint8Array): DnsKey {
  const flags = (data[0]! << 8) | data[1]!;
  const algorithm = data[3]!;
  const publicKey = data.subarray(FIXED_BYTES);
  let imported: KeyObject | undefined;
  let tried = false;
  return {
    data,
    flags,
    algorithm,
    tag: keyTag(data),
    // RFC 4034 §2.1.1, §2.1.2; RFC 5011 §2.1: a revoked key signs nothing but its own set.
    signsZone: (flags & ZONE_KEY) !== 0 && (flags & REVOKE) === 0 && data[2] === PROTOCOL_DNSSEC,
    micros: checkMicros(algorithm, publicKey),
    key() {
      if (!tried) imported = importKey(algorithm, publicKey);
      tried = true;
      return imported;
    },
  };
}

/** RFC 4034 Appendix B. (Algorithm 1 counts otherwise, and is unsupported.) */
export function keyTag(data: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += (i & 1) === 0 ? data[i]! << 8 : data[i]!;
  sum += (sum >>> 16) & 0xffff;
  return sum & 0xffff;
}

export function readDs(data: Uint8Array): DelegationSigner | undefined {
  if (data.length <= FIXED_BYTES) return undefined;
  return {
    tag: (data[0]! << 8) | data[1]!,
    algorithm: data[2]!,
    digestType: data[3]!,
    digest: data.subarray(FIXED_BYTES),
  };
}

/** RFC 4034 §5.1.4, RFC 4509, RFC 6605 §2. */
const DIGESTS = new Map<number, string>([
  [1, 'sha1'],
  [2, 'sha256'],
  [4, 'sha384'],
]);
const SHA1 = 1;
const GOST = 3;

export function isDigestSupported(digestType: number, sha1: boolean): boolean {
  return DIGESTS.has(digestType) && (digestType !== SHA1 || sha1);
}

export function digestOf(owner: Name, keyData: Uint8Array, digestType: number): Uint8Array | undefined {
  const name = DIGESTS.get(digestType);
  return name === undefined ? undefined : createHash(name).update(owner).update(keyData).digest();
}

/** What the DS records of a delegation allow. */
export interface UsableDs {
  /** Those to be matched. */
  readonly usable: readonly DelegationSigner[];
  /** None is, because no digest (false: no algorithm) is supported. */
  readonly lacksDigest: boolean;
}

/**
 * The DS records that count: digest and algorithm supported; of the weakest digest only where there is no stronger one for
 * any key (RFC 4509 §3). `sha1`: digests of type 1 count at all.
 */
export function usableDs(records: readonly DelegationSigner[], sha1: boolean): UsableDs {
  const digestible = records.filter(({ digestType }) => isDigestSupported(digestType, sha1));
  const supported = digestible.filter(({ algorithm }) => isSupported(algorithm));
  const strong = supported.filter(({ digestType }) => digestType !== SHA1 && digestType !== GOST);
  return { usable: strong.length > 0 ? strong : supported, lacksDigest: digestible.length === 0 };
}

/** `key` is what `ds`, of the zone `owner`, names. */
export function matches(ds: DelegationSigner, owner: Name, key: DnsKey): boolean {
  if (ds.tag !== key.tag || ds.algorithm !== key.algorithm) return false;
  const digest = digestOf(owner, key.data, ds.digestType);
  return digest !== undefined && digest.length === ds.digest.length && digest.every((byte, i) => byte === ds.digest[i]);
}
