/**
 * The signature algorithms of DNSSEC that are checked, as Node's crypto offers them, and what a check costs.
 *
 * | number | name | RFC |
 * |---|---|---|
 * | 8, 10 | RSASHA256, RSASHA512 | 5702 |
 * | 13, 14 | ECDSAP256SHA256, ECDSAP384SHA384 | 6605 |
 * | 15, 16 | ED25519, ED448 | 8080 |
 *
 * Every other number, and one that this build of OpenSSL does not know, counts as unsupported: what is signed with such
 * alone is insecure, not bogus (RFC 4035 §5.2).
 */
import { createPublicKey, type JsonWebKey, type KeyObject, verify } from 'node:crypto';

interface Algorithm {
  readonly hash: string | null;
  readonly curve?: string;
  /** Bytes of a key; of RSA any. */
  readonly keyBytes?: number;
  readonly signatureBytes?: number;
  /** Microseconds of one check, as measured (Node 20, OpenSSL 3, x86-64); RSA: with 2048 bits and the usual exponent. */
  readonly micros: number;
}

const ALGORITHMS = new Map<number, Algorithm>([
  [8, { hash: 'sha256', micros: 35 }],
  [10, { hash: 'sha512', micros: 35 }],
  [13, { hash: 'sha256', curve: 'P-256', keyBytes: 64, signatureBytes: 64, micros: 90 }],
  [14, { hash: 'sha384', curve: 'P-384', keyBytes: 96, signatureBytes: 96, micros: 770 }],
  [15, { hash: null, curve: 'Ed25519', keyBytes: 32, signatureBytes: 64, micros: 130 }],
  [16, { hash: null, curve: 'Ed448', keyBytes: 57, signatureBytes: 114, micros: 270 }],
]);

/** RFC 3110 §2: up to 4096 bits; some zones use less than a kilobit, which still proves more than nothing (RFC 5702 §2: 512). */
const MIN_RSA_BITS = 512;
const MAX_RSA_BITS = 4096;
/** OpenSSL refuses longer exponents with large moduli, and a check with them costs as much as signing. */
const MAX_EXPONENT_BITS = 64;

/** Whether a check with `algorithm` can be made here at all. */
export function isSupported(algorithm: number): boolean {
  let known = supported.get(algorithm);
  if (known === undefined) {
    known = probe(algorithm);
    supported.set(algorithm, known);
  }
  return known;
}

const supported = new Map<number, boolean>();

/** The key of a DNSKEY's `publicKey` field; undefined where it is none of `algorithm`. */
export function importKey(algorithm: number, publicKey: Uint8Array): KeyObject | undefined {
  const jwk = jwkOf(algorithm, publicKey);
  if (jwk === undefined) return undefined;
  try {
    return createPublicKey({ key: jwk, format: 'jwk' });
  } catch {
    // A point that is not on its curve, a modulus that is none.
    return undefined;
  }
}

/** Microseconds that one check with this key takes, estimated, so that a budget does not depend on the machine. */
export function checkMicros(algorithm: number, publicKey: Uint8Array): number {
  const { micros, curve } = ALGORITHMS.get(algorithm) ?? { micros: 0 };
  if (curve !== undefined) return micros;
  const rsa = rsaParts(publicKey);
  if (rsa === undefined) return micros;
  const size = Math.max(1, bitsOf(rsa.modulus) / 2048);
  // Square and multiply: one multiplication a bit of the exponent, about the square of the modulus' length each.
  return Math.ceil(micros * size ** 1.6 * Math.max(1, bitsOf(rsa.exponent) / 17));
}

/** One check. False also for a signature of the wrong length. Synchronous: takes `checkMicros`. */
export function checkSignature(algorithm: number, key: KeyObject, data: Uint8Array, signature: Uint8Array): boolean {
  const kind = ALGORITHMS.get(algorithm);
  if (kind === undefined) return false;
  if (kind.signatureBytes !== undefined && signature.length !== kind.signatureBytes) return false;
  try {
    // RFC 6605 §4: the two numbers one behind the other, which is IEEE P1363's encoding.
    return verify(kind.hash, data, { key, dsaEncoding: 'ieee-p1363' }, signature);
  } catch {
    return false;
  }
}

/** The digest that `algorithm` signs; null where the algorithm brings its own (RFC 8080). */
export function checkHash(algorithm: number): string | null {
  return ALGORITHMS.get(algorithm)?.hash ?? null;
}

function jwkOf(algorithm: number, publicKey: Uint8Array): JsonWebKey | undefined {
  const kind = ALGORITHMS.get(algorithm);
  if (kind === undefined) return undefined;
  const { curve, keyBytes } = kind;
  if (curve === undefined || keyBytes === undefined) return rsaJwk(publicKey);
  if (publicKey.length !== keyBytes) return undefined;
  if (algorithm >= 15) return { kty: 'OKP', crv: curve, x: base64url(publicKey) };
  const half = keyBytes / 2;
  return {
    kty: 'EC',
    crv: curve,
    x: base64url(publicKey.subarray(0, half)),
    y: base64url(publicKey.subarray(half)),
  };
}

function rsaJwk(publicKey: Uint8Array): JsonWebKey | undefined {
  const parts = rsaParts(publicKey);
  if (parts === undefined) return undefined;
  const bits = bitsOf(parts.modulus);
  const exponentBits = bitsOf(parts.exponent);
  if (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS || exponentBits < 2 || exponentBits > MAX_EXPONENT_BITS)
    return undefined;
  return { kty: 'RSA', n: base64url(parts.modulus), e: base64url(parts.exponent) };
}

/** RFC 3110 §2: one byte of length, or a zero and two; the exponent; the modulus. Leading zeros are cut off. */
function rsaParts(publicKey: Uint8Array): { exponent: Uint8Array; modulus: Uint8Array } | undefined {
  const long = publicKey[0] === 0;
  const size = long ? ((publicKey[1] ?? 0) << 8) | (publicKey[2] ?? 0) : (publicKey[0] ?? 0);
  const at = long ? 3 : 1;
  if (size === 0 || at + size >= publicKey.length) return undefined;
  return {
    exponent: withoutZeros(publicKey.subarray(at, at + size)),
    modulus: withoutZeros(publicKey.subarray(at + size)),
  };
}

function withoutZeros(number: Uint8Array): Uint8Array {
  let from = 0;
  while (from < number.length && number[from] === 0) from++;
  return number.subarray(from);
}

function bitsOf(number: Uint8Array): number {
  return number.length === 0 ? 0 : number.length * 8 - Math.clz32(number[0]!) + 24;
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64url');
}

/** Keys of the RFCs' examples: whether this build imports them says whether it knows the algorithm. */
const PROBES = new Map<number, string>([
  [13, 'GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA=='],
  [
    14,
    'xKYaNhWdGOfJ+nPrL8/arkwf2EY3MDJ+SErKivBVSum1w/egsXvSADtNJhyem5RCOpgQ6K8X1DRSEkrbYQ+OB+v8/uX45NBwY8rp65F6Glur8I/mlVNgF6W/qTI37m40',
  ],
  [15, 'l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4='],
  [16, '3kgROaDjrh0H2iuixWBrc8g2EpBBLCdGzHmn+G2MpTPhpj/OiBVHHSfPodx1FYYUcJKm1MDpJtIA'],
]);

function probe(algorithm: number): boolean {
  if (!ALGORITHMS.has(algorithm)) return false;
  const text = PROBES.get(algorithm);
  return text === undefined || importKey(algorithm, Buffer.from(text, 'base64')) !== undefined;
}
