import fc from 'fast-check';
import { expect, test } from 'vitest';
import { textToName } from '../wire/name.ts';
import { SuffixTable } from './suffix-table.ts';

/** Few labels, so that names meet; some differ in the middle alone. */
const label = fc.constantFrom('a', 'b', 'ab', 'axb', 'ayb', 'www', 'arpa', 'net');
const name = fc.array(label, { maxLength: 5 }).map((labels) => (labels.length === 0 ? '.' : labels.join('.')));

function find(table: SuffixTable, text: string): number {
  const wire = textToName(text);
  const starts: number[] = [];
  for (let at = 0; wire[at]! > 0; at += wire[at]! + 1) starts.push(at);
  return table.findName(wire, wire.length, starts, starts.length);
}

test('finds the closest name at or above, as comparing with every one of them does', () => {
  fc.assert(
    fc.property(fc.uniqueArray(name, { minLength: 1, maxLength: 20 }), name, (names, asked) => {
      const table = new SuffixTable(names.map(textToName));
      const above = names.filter((one) => one === '.' || one === asked || asked.endsWith(`.${one}`));
      const closest = above.sort((one, other) => textToName(other).length - textToName(one).length)[0];
      const found = find(table, asked);
      expect(found < 0 ? undefined : names[found]).toBe(closest);
      if (closest !== undefined) expect(table.foundLength).toBe(textToName(closest).length);
    }),
    { numRuns: 2000, seed: 7 },
  );
});
