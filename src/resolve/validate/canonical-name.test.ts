import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nameToText, textToName } from '../../wire/name.ts';
import {
  compareNames,
  isBelow,
  isWithin,
  labelCount,
  lastLabels,
  nameKey,
  parentOf,
  sameName,
  sharedLabels,
  wildcardAt,
} from './canonical-name.ts';

const label = fc
  .uint8Array({ minLength: 1, maxLength: 6 })
  .map((bytes) => bytes.map((b) => (b >= 65 && b <= 90 ? b + 32 : b)));
const name = fc
  .array(label, { maxLength: 5 })
  .map((labels) => Uint8Array.from([...labels.flatMap((one) => [one.length, ...one]), 0]));

describe('canonical order', () => {
  it('is that of the example of RFC 4034 §6.1', () => {
    const sorted = [
      'example',
      'a.example',
      'yljkjljk.a.example',
      'z.a.example',
      'zabc.a.example',
      'z.example',
      '\\001.z.example',
      '*.z.example',
      '\\200.z.example',
    ].map(textToName);
    const shuffled = [3, 8, 0, 5, 1, 7, 2, 6, 4].map((i) => sorted[i]!);
    expect(shuffled.sort(compareNames).map((one) => nameToText(one))).toEqual(sorted.map((one) => nameToText(one)));
  });

  it('is an order: antisymmetric, transitive, zero for equal names alone', () => {
    fc.assert(
      fc.property(name, name, name, (a, b, c) => {
        expect(Math.sign(compareNames(a, b))).toBe(-Math.sign(compareNames(b, a)) + 0);
        expect(compareNames(a, b) === 0).toBe(sameName(a, b));
        const [x, y, z] = [a, b, c].sort(compareNames);
        expect(compareNames(x!, z!) <= 0 && compareNames(x!, y!) <= 0).toBe(true);
      }),
    );
  });

  it('agrees with comparing labels from the right as strings of bytes', () => {
    const labels = (one: Uint8Array) => {
      const out: string[] = [];
      for (let at = 0; one[at]! > 0; at += one[at]! + 1) out.unshift(nameKey(one.slice(at + 1, at + 1 + one[at]!)));
      return out;
    };
    fc.assert(
      fc.property(name, name, (a, b) => {
        const [x, y] = [labels(a), labels(b)];
        let order = x.length - y.length;
        for (let i = 0; i < Math.min(x.length, y.length); i++) {
          if (x[i] === y[i]) continue;
          order = x[i]! < y[i]! ? -1 : 1;
          break;
        }
        expect(Math.sign(compareNames(a, b))).toBe(Math.sign(order));
      }),
    );
  });
});

describe('names above and below', () => {
  it('share what their labels from the right share', () => {
    fc.assert(
      fc.property(name, name, name, (a, b, base) => {
        const join = (one: Uint8Array) => Uint8Array.from([...one.subarray(0, -1), ...base]);
        const [x, y] = [join(a), join(b)];
        expect(isWithin(x, base)).toBe(true);
        const shared = sharedLabels(x, y);
        expect(shared).toBeGreaterThanOrEqual(labelCount(base));
        expect(sameName(lastLabels(x, shared), lastLabels(y, shared))).toBe(true);
        if (shared < Math.min(labelCount(x), labelCount(y)))
          expect(sameName(lastLabels(x, shared + 1), lastLabels(y, shared + 1))).toBe(false);
        expect(isBelow(x, base)).toBe(labelCount(a) > 0);
      }),
    );
  });

  it('do not begin in the middle of a label', () => {
    // The last bytes of the one are the other: \003 com \000 stands in a label.
    const inside = Uint8Array.from([8, 120, 120, 120, 120, 3, 99, 111, 109, 0]);
    expect(isWithin(inside, textToName('com'))).toBe(false);
    expect(nameToText(parentOf(textToName('a.b')))).toBe('b');
    expect(nameToText(parentOf(textToName('.')))).toBe('.');
  });

  it('have no wildcard where none fits', () => {
    const long = textToName(
      [...'abc']
        .map((one) => one.repeat(63))
        .join('.')
        .concat(`.${'d'.repeat(61)}`),
    );
    expect(long.length).toBe(255);
    expect(wildcardAt(long)).toBeUndefined();
    expect(nameToText(wildcardAt(textToName('example'))!)).toBe('*.example');
  });
});
