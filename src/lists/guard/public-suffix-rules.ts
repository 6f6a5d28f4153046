/**
 * The rules of the public suffix list one by one, out of the table that tldts ships: tldts itself only answers questions
 * about a name, and to ask about each of a million takes as long as to read them.
 *
 * The table is an inner file of the package. What is read here decides nothing: it tells for which names tldts is worth
 * asking, and where it cannot be read, every name is (suspect-names.ts).
 */
import { createRequire } from 'node:module';

/** Walks over the rules. `bytes` holds a name at `at`: wire form, lower case, A-labels; borrowed. */
export interface RuleVisitor {
  /** This name is a suffix. */
  suffix(bytes: Uint8Array, at: number): void;
  /** Every name one label below this one is: `ck` for the rule `*.ck`. */
  wildcardParent(bytes: Uint8Array, at: number): void;
}

export interface PublicSuffixRules {
  /** At least as many as there are rules. */
  readonly size: number;
  visit(visitor: RuleVisitor): void;
}

/** tldts/dist/cjs/src/data/trie.js, version 7.5: `edgeStart[n]` to `edgeStart[n + 1]` lead on from node `n`; labels laid end to end. */
interface SuffixTrie {
  readonly nodeFlags: Uint8Array;
  readonly edgeStart: Uint16Array;
  readonly edgeLength: Uint8Array;
  readonly edgeChild: Uint16Array;
  readonly labelText: string;
  readonly rulesRoot: number;
}

const TABLE = 'tldts/dist/cjs/src/data/trie.js';
const NAME_BYTES = 256;
const STAR = 0x2a;

/** Undefined where tldts keeps its table elsewhere or otherwise by now. */
export function publicSuffixRules(): PublicSuffixRules | undefined {
  try {
    const trie = createRequire(import.meta.url)(TABLE) as SuffixTrie;
    const labels = trie.edgeLength.reduce((sum, length) => sum + length, 0);
    const [wanted, found] = [trie.edgeLength.length, trie.edgeChild.length];
    if (labels !== trie.labelText.length || wanted !== found || trie.edgeStart[trie.rulesRoot] === undefined)
      return undefined;
    return { size: wanted, visit: (visitor) => visit(trie, visitor) };
  } catch {
    return undefined;
  }
}

function visit(trie: SuffixTrie, visitor: RuleVisitor): void {
  const { nodeFlags, edgeStart, edgeLength, edgeChild, rulesRoot } = trie;
  const text = Buffer.from(trie.labelText, 'utf16le');
  const textAt = new Uint32Array(edgeLength.length + 1);
  for (let edge = 0; edge < edgeLength.length; edge++) textAt[edge + 1] = textAt[edge]! + edgeLength[edge]!;
  // Names grow to the left, as they do in the tree.
  const name = new Uint8Array(NAME_BYTES);

  function walk(node: number, at: number): void {
    if (nodeFlags[node] !== 0) visitor.suffix(name, at);
    for (let edge = edgeStart[node]!; edge < edgeStart[node + 1]!; edge++) {
      const length = edgeLength[edge]!;
      const from = textAt[edge]!;
      if (length === 1 && text[2 * from] === STAR) {
        visitor.wildcardParent(name, at);
        continue;
      }
      let plain = true;
      for (let i = 0; i < length; i++) {
        name[at - length + i] = text[2 * (from + i)]!;
        plain &&= text[2 * (from + i) + 1] === 0 && text[2 * (from + i)]! < 0x80;
      }
      // Others are the same rules in UTF-8, which no list has after its reader.
      if (!plain) continue;
      name[at - length - 1] = length;
      walk(edgeChild[edge]!, at - length - 1);
    }
  }
  walk(rulesRoot, NAME_BYTES - 1);
}
