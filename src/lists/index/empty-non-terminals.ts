/**
 * Names of a policy zone that exist and have no rule: what lies between a rule and a wildcard above it. By RFC 4592 §2.2.2
 * and §3.3.1 such a name stops the wildcard for itself and for all below it that nothing else is said about.
 *
 *     *.example.com                     the wildcard
 *     mail.eu.example.com               a rule; eu.example.com exists for its sake, so the wildcard says nothing about it
 *
 * The index keeps hashes, from which no name above can be told. So names of many labels are kept as they came until the list is
 * read and its wildcards are known. Few rules lie below a wildcard of their own list: what remains of them is an index of its own.
 */
import { MessageName } from '../../wire/message-name.ts';
import type { PolicyIndexBuilder } from './builder.ts';
import type { PolicyIndexMemory } from './memory.ts';
import { PolicyIndex } from './policy-index.ts';
import { ACTION_LISTED, EXACT } from './rules.ts';

const CHUNK_BYTES = 1 << 18;
/** Longest name on the wire. */
const MAX_NAME_BYTES = 255;

/** Names of one list below which something may be missing. */
export class DeepNames {
  readonly #fewest: number;
  readonly #chunks: Uint8Array[] = [];
  #used = CHUNK_BYTES;

  /** `fewestLabels` that a wildcard of the list can have. */
  constructor(fewestLabels: number) {
    // One label for what is between.
    this.#fewest = fewestLabels + 2;
  }

  /** A rule's name, wildcard label aside: uncompressed wire form. */
  add(name: Uint8Array, labels: number): void {
    if (labels < this.#fewest) return;
    if (this.#used + MAX_NAME_BYTES > CHUNK_BYTES) {
      this.#chunks.push(new Uint8Array(CHUNK_BYTES));
      this.#used = 0;
    }
    const chunk = this.#chunks[this.#chunks.length - 1]!;
    let at = 0;
    for (;;) {
      const size = name[at]!;
      for (let end = at + size; at <= end; at++) chunk[this.#used++] = name[at]!;
      if (size === 0) return;
    }
  }

  /** Tell `to` the empty names between the rules of `list` and the wildcards above them, now that all rules are in `rules`. */
  settle(list: number, rules: PolicyIndexMemory, to: PolicyIndexBuilder): void {
    if (this.#chunks.length === 0) return;
    const index = new PolicyIndex(rules);
    if (!index.hasWildcards(list)) return;
    const name = new MessageName();
    let rule = -1;
    for (const [i, chunk] of this.#chunks.entries()) {
      const end = i === this.#chunks.length - 1 ? this.#used : chunk.length;
      for (let at = 0; at < end && chunk[at] !== 0; at = name.behind) {
        name.set(chunk, at);
        index.lookupName(name.bytes, name.labelStarts, name.labelCount, 1 << list);
        const above = index.topWildcard(list);
        if (above < 0) continue;
        if (rule < 0) rule = to.rule(list, EXACT, ACTION_LISTED);
        for (let labels = above + 1; labels < name.labelCount; labels++)
          to.add(rule, name.bytes, name.labelStarts[name.labelCount - labels]!);
      }
    }
  }
}
