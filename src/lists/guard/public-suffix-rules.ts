/**
 * The rules of the public suffix list one by one, out of the table that tldts ships: tldts itself only answers questions
 * about a name, and to ask about each of a million takes as long as to read them.
 *
 * The table is an inner file of the package. What is read here decides nothing: it tells for which names tldts is worth
 * asking, and where it cannot be read, every name is (suspect-names.ts).
 */
import { createRequire } from 'node:module';

export interface PublicSuffixRules {
  /** Wire form, lower case, A-labels. */
  readonly suffixes: readonly Uint8Array[];
  /** Every name one label below one of these is a suffix: `ck` for the rule `*.ck`. */
  readonly wildcardParents: readonly Uint8Array[];
}

/** tldts/dist/cjs/src/data/trie.js, version 7.5: edges of node `n` are `edgeStart[n]` to `edgeStart[n + 1]`, their labels laid end to end. */
interface SuffixTrie {
  readonly nodeFlags: Uint8Array;
  readonly edgeStart: Uint16Array;
  readonly edgeLength: Uint8Array;
  readonly edgeChild: Uint16Array;
  readonly labelText: string;
  readonly rulesRoot: number;
}

const TABLE = 'tldts/dist/cjs/src/data/trie.js';
const PLAIN_LABEL = /^[a-z0-9_-]{1,63}$/;

/** Undefined where tldts keeps its table elsewhere or otherwise by now. */
export function publicSuffixRules(): PublicSuffixRules | undefined {
  try {
    return rulesOf(createRequire(import.meta.url)(TABLE) as SuffixTrie);
  } catch {
    return undefined;
  }
}

function rulesOf({ nodeFlags, edgeStart, edgeLength, edgeChild, labelText, rulesRoot }: SuffixTrie): PublicSuffixRules {
  const textAt = new Uint32Array(edgeLength.length + 1);
  for (let edge = 0; edge < edgeLength.length; edge++) textAt[edge + 1] = textAt[edge]! + edgeLength[edge]!;
  const suffixes: Uint8Array[] = [];
  const wildcardParents: Uint8Array[] = [];
  const walk = (node: number, name: Uint8Array): void => {
    if (nodeFlags[node] !== 0) suffixes.push(name);
    for (let edge = edgeStart[node]!; edge < edgeStart[node + 1]!; edge++) {
      const label = labelText.slice(textAt[edge], textAt[edge + 1]);
      if (label === '*') {
        // What is below a wildcard would have to be asked for at every depth.
        if (edgeStart[edgeChild[edge]!] !== edgeStart[edgeChild[edge]! + 1])
          throw new Error('a wildcard in the middle');
        wildcardParents.push(name);
      } else if (PLAIN_LABEL.test(label)) {
        walk(edgeChild[edge]!, Uint8Array.of(label.length, ...Buffer.from(label), ...name));
      }
      // Others are the same rules in UTF-8, which no list has after its reader.
    }
  };
  walk(rulesRoot, Uint8Array.of(0));
  // Less than the top-level names alone: this is another table than it was.
  if (suffixes.length < 1000) throw new Error('too few rules');
  return { suffixes, wildcardParents };
}
