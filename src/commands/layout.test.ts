import { describe, expect, it } from 'vitest';
import { bytesText, durationWords, numberText, shareText, table } from './layout.ts';

const plain = { out: () => {}, err: () => {}, env: {}, workFolder: '/', isTerminal: false };

describe('table', () => {
  it('aligns text to the left, numbers to the right, and leaves no blanks at line ends', () => {
    expect(
      table(
        ['NAME', 'COUNT', 'NOTE'],
        [
          ['a', 5, 'x'],
          ['longer', 12_345, ''],
        ],
        plain,
      ),
    ).toBe(['NAME     COUNT  NOTE', 'a            5  x', 'longer  12 345', ''].join('\n'));
  });

  it('is its heads alone where there is nothing', () => {
    expect(table(['A', 'B'], [], plain)).toBe('A  B\n');
  });
});

describe('numbers for people', () => {
  it.each([
    [0, '0'],
    [999, '999'],
    [1000, '1 000'],
    [1_234_567.4, '1 234 567'],
  ])('%d is %s', (value, text) => {
    expect(numberText(value)).toBe(text);
  });

  it.each([
    [0, '0s'],
    [59.9, '59s'],
    [60, '1m'],
    [3_661, '1h 1m'],
    [86_400, '1d'],
    [86_405, '1d'],
    [93_784, '1d 2h'],
  ])('%d seconds are %s', (seconds, text) => {
    expect(durationWords(seconds)).toBe(text);
  });

  it('shows sizes and shares', () => {
    expect([0, 1023, 1536, 2 ** 28, 2 ** 50].map(bytesText)).toEqual([
      '0 B',
      '1023 B',
      '1.5 KiB',
      '256 MiB',
      '1024 TiB',
    ]);
    expect([shareText(1, 3), shareText(0, 0)]).toEqual(['33.3 %', '–']);
  });
});
