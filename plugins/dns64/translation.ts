/**
 * IPv4 addresses inside IPv6 ones (RFC 6052 §2.2). Bits 64 to 71 are always zero, so the four bytes go around byte 8.
 *
 *   /32   prefix      a b c d           0 …
 *   /64   prefix               0 a b c d 0 …
 *   /96   prefix                     a b c d
 */
import { parsePrefix } from '../../src/contract/plugin.ts';

/** Lengths that a translator's prefix may have. */
export const PREFIX_LENGTHS: readonly number[] = [32, 40, 48, 56, 64, 96];
/** The byte that is left out. */
const RESERVED_BYTE = 8;

export class Translation {
  readonly #prefix: Uint8Array;
  /** Where the four bytes stand. */
  readonly #places: readonly number[];
  readonly #length: number;

  /** `text`: an IPv6 prefix of one of these lengths. */
  constructor(text: string) {
    const { words, bits: length } = parsePrefix(text);
    this.#length = length;
    this.#prefix = new Uint8Array(16);
    for (let i = 0; i < length / 8; i++) this.#prefix[i] = words[i >> 2]! >>> (24 - (i & 3) * 8);
    const free = Array.from({ length: 16 - length / 8 }, (_, i) => length / 8 + i);
    this.#places = free.filter((place) => length === 96 || place !== RESERVED_BYTE).slice(0, 4);
  }

  /** Write the address of `ipv4`, four bytes from `from`, into `out`. */
  embed(ipv4: Uint8Array, from: number, out: Uint8Array): void {
    out.set(this.#prefix);
    for (let i = 0; i < 4; i++) out[this.#places[i]!] = ipv4[from + i]!;
  }

  /** Write the IPv4 address inside `ipv6` into `out`. False where it is none of this prefix. */
  extract(ipv6: Uint8Array, out: Uint8Array): boolean {
    for (let i = 0; i < this.#length / 8; i++) if (ipv6[i] !== this.#prefix[i]) return false;
    for (let i = 0; i < 4; i++) out[i] = ipv6[this.#places[i]!]!;
    return true;
  }
}
