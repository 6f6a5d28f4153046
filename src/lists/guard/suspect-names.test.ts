import fc from 'fast-check';
import { getPublicSuffix } from 'tldts';
import { describe, expect, it } from 'vitest';
import { nameToText, textToName } from '../../wire/name.ts';
import { SuffixHash, type SuffixKey } from '../index/suffix-hash.ts';
import { PopularNames } from './popular-names.ts';
import { publicSuffixRules } from './public-suffix-rules.ts';
import { SuspectNames } from './suspect-names.ts';

const KEY: SuffixKey = [3, 1, 4, 1];
const OPTIONS = { extractHostname: false, validateHostname: false, detectIp: false, allowPrivateDomains: true };
const NONE = new PopularNames([]);
const rules = publicSuffixRules()!;
const suffixes: string[] = [];
const wildcardParents: string[] = [];
rules.visit({
  suffix: (bytes, at) => suffixes.push(nameToText(bytes.slice(at))),
  wildcardParent: (bytes, at) => wildcardParents.push(nameToText(bytes.slice(at))),
});

const isSuffix = (name: string): boolean => getPublicSuffix(name, OPTIONS) === name;

function isSuspect(suspects: SuspectNames, name: string): boolean {
  const hash = new SuffixHash(KEY);
  return suspects.has(hash, hash.hashNameAndParent(textToName(name)));
}

describe('the rules of the public suffix list', () => {
  it('are those by which tldts answers', () => {
    expect(suffixes.length).toBeGreaterThan(8000);
    expect(suffixes.length).toBeLessThanOrEqual(rules.size);
    for (const rule of suffixes) expect(isSuffix(rule), rule).toBe(true);
    expect(wildcardParents).toContain('ck');
    for (const parent of wildcardParents) expect(isSuffix(`nobody-has-this.${parent}`)).toBe(true);
  });
});

describe('suspect names', () => {
  const suspects = new SuspectNames(KEY, NONE, rules);

  it('hold every public suffix', () => {
    const labels = [...new Set(suffixes.flatMap((rule) => rule.split('.')))];
    const suffix = fc.constantFrom(...suffixes, ...wildcardParents);
    const below = fc.tuple(fc.constantFrom(...labels), suffix).map((parts) => parts.join('.'));
    const name = fc.oneof(suffix, below, fc.constantFrom(...labels));
    let asked = 0;
    fc.assert(
      fc.property(name, (text) => {
        if (!isSuffix(text)) return;
        asked++;
        expect(isSuspect(suspects, text)).toBe(true);
      }),
      { numRuns: 5000, seed: 1 },
    );
    expect(asked).toBeGreaterThan(2000);
  });

  it('are few among other names', () => {
    const found = Array.from({ length: 10_000 }, (_, i) => `host-${i}.example-${i}.com`).filter((name) =>
      isSuspect(suspects, name),
    );
    expect(found.length).toBeLessThan(10_000 / 300);
  });

  it('are all names where the rules are not available', () => {
    expect(isSuspect(new SuspectNames(KEY, NONE, undefined), 'www.example.com')).toBe(true);
  });

  it('hold every name on which a rule would take a popular one', () => {
    const popular = PopularNames.parse('portal.test-bank.example\n').names;
    const some = new SuspectNames(KEY, popular, { size: 0, visit() {} });
    for (const name of ['portal.test-bank.example', 'www.portal.test-bank.example', 'test-bank.example'])
      expect(isSuspect(some, name)).toBe(true);
    expect(isSuspect(some, 'other.test-bank.example')).toBe(false);
  });
});
