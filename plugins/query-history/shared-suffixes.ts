/**
 * The suffixes under which many owners register (co.jp, github.io), as hashes that every worker can look up: below them
 * the registered domain is one label longer.
 *
 * The public-suffix list itself stays in the control plane (tldts), which answers for one name at a time. So the table
 * starts with the suffixes of two labels that are common, and learns: whatever shows up among the heavy domains and turns
 * out to be a public suffix is added, and is counted one label longer from then on. A rare suffix that never gets heavy
 * does no harm by standing for all of its domains.
 */

import { getPublicSuffix } from 'tldts';
import { SuffixHash, type SuffixKey, textToName } from '../../src/contract/plugin.ts';

const SLOTS = 16_384;
/** A table that is fuller than this learns no more. */
const MAX_SUFFIXES = SLOTS / 2;

export class SharedSuffixes {
  readonly #words: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
  }

  has(low: number, high: number): boolean {
    const words = this.#words;
    for (let slot = low & (SLOTS - 1); ; slot = (slot + 1) & (SLOTS - 1)) {
      const at = slot * 2;
      const there = words[at]!;
      if (there === 0 && words[at + 1] === 0) return false;
      if (there === low && words[at + 1] === high) return true;
    }
  }

  /** The main thread alone. A worker that reads meanwhile finds the suffix now or with its next query. */
  add(low: number, high: number): void {
    const words = this.#words;
    for (let slot = low & (SLOTS - 1); ; slot = (slot + 1) & (SLOTS - 1)) {
      const at = slot * 2;
      if (words[at] === low && words[at + 1] === high) return;
      if (words[at] !== 0 || words[at + 1] !== 0) continue;
      words[at + 1] = high;
      Atomics.store(words, at, low);
      return;
    }
  }
}

/** The main thread's side: fills the table, and teaches it. */
export class SuffixTeacher {
  readonly memory = new SharedArrayBuffer(SLOTS * 8);
  readonly key: SuffixKey;
  readonly #table = new SharedSuffixes(this.memory);
  readonly #hash: SuffixHash;
  readonly #known = new Set<string>();

  constructor(key: SuffixKey) {
    this.key = key;
    this.#hash = new SuffixHash(key);
    common ??= [...commonSuffixes()].filter(isPublicSuffix);
    for (const suffix of common) this.#learn(suffix);
  }

  /** Add `domain` (text, no dot at its end) where it is a public suffix. Returns whether it is one. */
  consider(domain: string): boolean {
    if (this.#known.has(domain)) return true;
    if (!isPublicSuffix(domain)) return false;
    this.#learn(domain);
    return true;
  }

  #learn(domain: string): void {
    if (this.#known.size >= MAX_SUFFIXES) return;
    this.#known.add(domain);
    this.#hash.hashName(textToName(domain));
    this.#table.add(this.#hash.low, this.#hash.middle);
  }
}

/** Those of `commonSuffixes` that are in the list; found out once, fifteen thousand questions to tldts. */
let common: string[] | undefined;

function isPublicSuffix(domain: string): boolean {
  return domain.includes('.') && getPublicSuffix(domain, { allowPrivateDomains: true }) === domain;
}

/** Second levels that registries of countries use, and Japan's prefectures (JPRS: 地域型・都道府県型JPドメイン名). */
function* commonSuffixes(): Generator<string> {
  const second = 'ac ad co com ed edu ge go gob gov gr lg ltd me mil ne net nom or org plc sch'.split(' ');
  for (let one = 97; one <= 122; one++)
    for (let two = 97; two <= 122; two++) for (const label of second) yield `${label}.${String.fromCharCode(one, two)}`;
  const prefectures =
    'aichi akita aomori chiba ehime fukui fukuoka fukushima gifu gunma hiroshima hokkaido hyogo ibaraki ishikawa iwate kagawa kagoshima kanagawa kochi kumamoto kyoto mie miyagi miyazaki nagano nagasaki nara niigata oita okayama okinawa osaka saga saitama shiga shimane shizuoka tochigi tokushima tokyo tottori toyama wakayama yamagata yamaguchi yamanashi';
  for (const prefecture of prefectures.split(' ')) yield `${prefecture}.jp`;
  yield* [
    'in-addr.arpa',
    'ip6.arpa',
    'github.io',
    'cloudfront.net',
    'blogspot.com',
    'herokuapp.com',
    'azurewebsites.net',
  ];
}
