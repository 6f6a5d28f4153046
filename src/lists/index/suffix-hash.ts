/**
 * A keyed 96-bit hash of a name and of all its suffixes, in one pass over the bytes from the right.
 *
 *   state ─absorb(com)─▶ state ─absorb(example)─▶ state ─absorb(www)─▶ state
 *                          │finish                  │finish              │finish
 *                          ▼                        ▼                    ▼
 *                    hash of com          hash of example.com   hash of www.example.com
 *
 * The permutation is HalfSipHash's (wire/siphash.ts): two rounds for each word, four to finish, as in SipHash-2-4. Three
 * things differ. The state starts as 128 secret bits, so that the key does not limit the hash to 64 bits. A label is
 * absorbed as its length byte and its bytes, filled up with zeros to whole words: the length tells how many words follow,
 * so two different names never give the same words, and no length of the whole is needed at the end. And the result is
 * three of the four state words: it never leaves the process, so that it need not hide the state.
 *
 * Odds: absorbing and finishing are permutations of the 128-bit state for a given label, and the start is secret. As with
 * every SipHash one assumes, not proves, that nobody without the key can tell the outcome from random; then two given
 * names collide with 2^-96, whoever chose them. So a name in question is taken for one of n listed names with at most
 * (labels × n) / 2^96, and any two of n listed names are taken for each other with at most n² / 2^97: 10^-16 at 5 M.
 * Whether two names collided cannot be seen from outside before it happens, so that trying does not raise the odds.
 */

/** 128 secret bits, four 32-bit integers; the same for every thread and every index of a process. */
export type SuffixKey = readonly [number, number, number, number];

export class SuffixHash {
  /** The hash that `finish` made: three signed 32-bit integers. */
  low = 0;
  middle = 0;
  high = 0;
  /** First word of the hash of the name without its first label, where `hashNameAndParent` made it. */
  parentLow = 0;
  readonly #key0: number;
  readonly #key1: number;
  readonly #key2: number;
  readonly #key3: number;
  #v0 = 0;
  #v1 = 0;
  #v2 = 0;
  #v3 = 0;

  constructor(key: SuffixKey) {
    this.#key0 = key[0] | 0;
    this.#key1 = key[1] | 0;
    this.#key2 = key[2] | 0;
    this.#key3 = key[3] | 0;
  }

  /** Start at the root. */
  begin(): void {
    this.#v0 = this.#key0;
    this.#v1 = this.#key1;
    this.#v2 = this.#key2;
    this.#v3 = this.#key3;
  }

  /** Take the next label to the left, whose length byte (1–63) stands at `at`. */
  absorb(bytes: Uint8Array, at: number): void {
    let v0 = this.#v0;
    let v1 = this.#v1;
    let v2 = this.#v2;
    let v3 = this.#v3;
    const end = at + bytes[at]!;
    for (; at <= end; at += 4) {
      let m = bytes[at]!;
      if (at + 3 <= end) m |= (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
      else if (at + 2 <= end) m |= (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
      else if (at + 1 <= end) m |= bytes[at + 1]! << 8;
      v3 ^= m;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= m;
    }
    this.#v0 = v0;
    this.#v1 = v1;
    this.#v2 = v2;
    this.#v3 = v3;
  }

  /** Put the hash of what was absorbed so far into `low`, `middle` and `high`; more may be absorbed afterwards. */
  finish(): void {
    let v0 = this.#v0;
    let v1 = this.#v1;
    let v2 = this.#v2 ^ 0xee;
    let v3 = this.#v3;
    for (let i = 0; i < 4; i++) {
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
    }
    this.low = v0;
    this.middle = v1;
    this.high = v2;
  }

  /**
   * Hash the uncompressed, lowercased wire name at `at` of `bytes`. Returns its number of labels, 0 for the root, or -1
   * where it is no name (RFC 1035 §2.3.4: labels of at most 63 bytes, 255 in all).
   */
  hashName(bytes: Uint8Array, at = 0): number {
    const labels = labelsAt(bytes, at);
    this.begin();
    for (let i = labels - 1; i >= 0; i--) this.absorb(bytes, at + STARTS[i]!);
    if (labels >= 0) this.finish();
    return labels;
  }

  /** As `hashName`, and `parentLow` too. */
  hashNameAndParent(bytes: Uint8Array): number {
    const labels = labelsAt(bytes, 0);
    this.begin();
    for (let i = labels - 1; i > 0; i--) this.absorb(bytes, STARTS[i]!);
    this.finish();
    this.parentLow = this.low;
    if (labels <= 0) return labels;
    this.absorb(bytes, 0);
    this.finish();
    return labels;
  }
}

/** Find where the labels of the name at `at` begin: into STARTS, counted from `at`. Gives their number, or -1. */
function labelsAt(bytes: Uint8Array, at: number): number {
  let labels = 0;
  let from = at;
  for (;;) {
    if (from >= bytes.length || from - at > 254) return -1;
    const size = bytes[from]!;
    if (size === 0) break;
    if (size > 63) return -1;
    STARTS[labels++] = from - at;
    from += size + 1;
  }
  return labels;
}

/** Label starts of the name that is being hashed; no two are at once. */
const STARTS = new Uint8Array(128);
