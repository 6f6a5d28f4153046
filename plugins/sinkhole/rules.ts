/**
 * The sinkhole's rules, looked up by the hash of the whole name and then compared byte by byte: a collision of hashes
 * never discards another name.
 */

import type { Question } from '../../src/wire/question.ts';
import { halfSipHash, hashLow } from '../../src/wire/siphash.ts';

export interface Rule {
  /** Lowercased wire form. */
  readonly name: Uint8Array;
  /** As the operator wrote it. */
  readonly text: string;
  /** Monotonic milliseconds at which it ends by itself; Infinity = never. */
  readonly endsMs: number;
  /** Only count what it would hit. */
  readonly dryRun: boolean;
  /** Index of its counter. */
  readonly hits: number;
}

export class Rules {
  /** Rules by the low word of their name's hash. */
  readonly #byHash = new Map<number, Rule[]>();

  constructor(rules: readonly Rule[], hashKey: readonly [number, number]) {
    for (const rule of rules) {
      const words = new Int32Array(64);
      new Uint8Array(words.buffer).set(rule.name);
      halfSipHash(words, rule.name.length, hashKey[0], hashKey[1]);
      const same = this.#byHash.get(hashLow);
      if (same) same.push(rule);
      else this.#byHash.set(hashLow, [rule]);
    }
  }

  /** The rule for exactly this name, whether or not it has ended. */
  find(question: Question): Rule | undefined {
    const candidates = this.#byHash.get(question.hashLow);
    if (candidates === undefined) return undefined;
    for (let i = 0; i < candidates.length; i++) {
      const rule = candidates[i]!;
      if (sameName(rule.name, question)) return rule;
    }
    return undefined;
  }
}

function sameName(name: Uint8Array, question: Question): boolean {
  if (name.length !== question.nameLength) return false;
  for (let i = 0; i < name.length; i++) if (name[i] !== question.name[i]) return false;
  return true;
}
