import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  durationMs,
  durationSeconds,
  durationText,
  parseDurationMs,
  parseSizeBytes,
  sizeBytes,
  sizeText,
} from './units.ts';

describe('durations', () => {
  it.each([
    ['500ms', 500],
    ['10s', 10_000],
    ['10m', 600_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
    ['1w', 604_800_000],
    [' 10 s ', 10_000],
    ['0', 0],
  ])('reads %j as %i ms', (text, ms) => {
    expect(parseDurationMs(text)).toBe(ms);
  });

  it.each(['', '10', 's', '-1s', '1.5s', '1h30m', '1S', '1 month', '9999999999999999s', '999999999999999w', '１s'])(
    'does not read %j',
    (text) => {
      expect(parseDurationMs(text)).toBeUndefined();
    },
  );

  it('reads back what it writes', () => {
    fc.assert(
      fc.property(fc.nat({ max: 10 ** 12 }), (ms) => {
        expect(parseDurationMs(durationText(ms))).toBe(ms);
      }),
    );
  });
});

describe('sizes', () => {
  it('counts in powers of two and knows no others', () => {
    expect(['512B', '1KiB', '256MiB', '2GiB', '1TiB'].map(parseSizeBytes)).toEqual([
      512,
      1024,
      2 ** 28,
      2 ** 31,
      2 ** 40,
    ]);
    expect(['256MB', '1K', '1.5GiB', '256', '1mib'].map(parseSizeBytes)).toEqual(Array(5).fill(undefined));
  });

  it('reads back what it writes', () => {
    fc.assert(
      fc.property(fc.nat(), (bytes) => {
        expect(parseSizeBytes(sizeText(bytes))).toBe(bytes);
      }),
    );
  });
});

describe('schemas with a unit', () => {
  const message = (
    schema: { safeParse(value: unknown): { error?: { issues: { message: string }[] } | undefined } },
    value: unknown,
  ) => schema.safeParse(value).error?.issues.map((issue) => issue.message);

  it('yield milliseconds, seconds, bytes', () => {
    expect(durationMs().parse('10s')).toBe(10_000);
    expect(durationSeconds().parse('1d')).toBe(86_400);
    expect(durationSeconds().parse(0)).toBe(0);
    expect(sizeBytes().parse('1KiB')).toBe(1024);
  });

  it('hold their bounds, both ends included', () => {
    const schema = durationMs({ min: '1s', max: '1m' });
    expect(['1s', '60s'].map((text) => schema.parse(text))).toEqual([1000, 60_000]);
    expect(message(schema, '999ms')).toEqual(['must be at least 1s, found 999ms']);
    expect(message(schema, '61s')).toEqual(['must be at most 1m, found 61s']);
    expect(message(schema, 0)).toEqual(['must be at least 1s, found 0']);
  });

  it('say what they want when they get something else', () => {
    expect(message(durationMs(), 10)).toEqual(['expected a duration such as 10s, found 10 without a unit']);
    expect(message(sizeBytes(), [1])).toEqual(['expected a size such as 256MiB, found [1]']);
    expect(message(durationMs(), undefined)).toEqual(['expected a duration such as 10s, found nothing']);
    expect(message(durationSeconds(), '1500ms')).toEqual(['must be whole seconds, found 1500ms']);
  });
});
