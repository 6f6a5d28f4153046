/**
 * Pseudonyms of addresses that keep prefixes: two addresses that share their first n bits have pseudonyms that share their
 * first n bits, and no more. So networks can still be told apart, and subscribers not be named (Crypto-PAn: Xu, Fan, Ammar,
 * Moon, "Prefix-Preserving IP Address Anonymization", ICNP 2002). Bit i is flipped by AES of the i bits before it, so whoever
 * has no key cannot go back; whoever knows some addresses' pseudonyms learns the shared prefixes of others.
 */
import { type Cipher, createCipheriv } from 'node:crypto';
import { LRUCache } from 'lru-cache';

export const PSEUDONYM_KEY_BYTES = 32;
const BLOCK = 16;
/** Pseudonyms remembered: one costs 32 or 128 blocks of AES. */
const REMEMBERED = 16_384;

export class Pseudonyms {
  readonly #cipher: Cipher;
  readonly #pad: Uint8Array;
  readonly #known = new LRUCache<string, Uint8Array>({ max: REMEMBERED });

  /** 16 bytes for AES-128, 16 bytes that the padding is made of. */
  constructor(key: Uint8Array) {
    if (key.length !== PSEUDONYM_KEY_BYTES) throw new RangeError(`a key has ${PSEUDONYM_KEY_BYTES} bytes`);
    this.#cipher = createCipheriv('aes-128-ecb', key.subarray(0, BLOCK), null).setAutoPadding(false);
    this.#pad = this.#cipher.update(key.subarray(BLOCK));
  }

  /** The pseudonym of an address of 4 or 16 bytes, as many. */
  of(address: Uint8Array): Uint8Array {
    const text = Buffer.from(address).toString('latin1');
    const known = this.#known.get(text);
    if (known) return known;
    const pseudonym = this.#made(address);
    this.#known.set(text, pseudonym);
    return pseudonym;
  }

  #made(address: Uint8Array): Uint8Array {
    const bits = address.length * 8;
    const blocks = new Uint8Array(bits * BLOCK);
    // Block i: the first i bits of the address, the rest of the padding behind them.
    for (let i = 0; i < bits; i++) {
      const block = blocks.subarray(i * BLOCK, (i + 1) * BLOCK);
      block.set(this.#pad);
      const whole = i >> 3;
      block.set(address.subarray(0, whole));
      const mask = 0xff00 >> (i & 7);
      block[whole] = (address[whole]! & mask & 0xff) | (this.#pad[whole]! & ~mask & 0xff);
    }
    const enciphered = this.#cipher.update(blocks);
    const pseudonym = Uint8Array.from(address);
    for (let i = 0; i < bits; i++) pseudonym[i >> 3]! ^= (enciphered[i * BLOCK]! >> 7) << (7 - (i & 7));
    return pseudonym;
  }
}
