import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { collectEntries } from './collect-entries.ts';

/**
 * Lines that go the quick way, and lines that just do not: each means the same where a comment behind it keeps it from the
 * quick way (`plain-records.ts` reads none).
 */
const LABELS = [
  'www',
  'a',
  'Bad-Name',
  '_dmarc',
  'x--1',
  '7',
  '0x1f',
  'rpz-ip',
  'rpz',
  'a'.repeat(63),
  'b'.repeat(64),
  '',
  '*',
  'a\\.b',
  'münchen',
];
const label = fc.constantFrom(...LABELS);
const owner = fc
  .tuple(
    fc.constantFrom('', '', '', '*.', '*', '.'),
    fc.array(label, { minLength: 1, maxLength: 6 }),
    fc.constantFrom('', '', '', '.', '.rpz.test.', '.RPZ.test.', '.rpz.test', '.xrpz.test.'),
  )
  .map(([mark, labels, end]) => mark + labels.join('.') + end);
const middle = fc.constantFrom(
  ' CNAME ',
  '\tcname\t',
  ' 300 CNAME ',
  ' IN CNAME ',
  ' 60 in CNAME ',
  '  IN  60  CNAME  ',
  ' 1h CNAME ',
  ' 1 2 CNAME ',
  ' CH CNAME ',
  ' 1234567890123 CNAME ',
  ' A ',
  ' CNAMEX ',
  ' CNAME',
  ' ',
);
const target = fc.constantFrom('.', '*.', '*', '', 'rpz-drop.', '..', '*..', '. x', 'other.test.', '@', '.\t');
const good = fc
  .tuple(
    fc.constantFrom('', '*.'),
    fc.array(fc.constantFrom('www', 'B-2', '_x', '7'), { minLength: 1, maxLength: 3 }),
    fc.constantFrom('.Test', '.org.rpz.test.'),
    fc.constantFrom(' CNAME ', '\tcname\t', ' 300 CNAME ', '  IN  60  CNAME  '),
    fc.constantFrom('.', '*.'),
  )
  .map(([mark, labels, ...rest]) => mark + labels.join('.') + rest.join(''));
const line = fc.oneof(
  { weight: 8, arbitrary: good },
  { weight: 8, arbitrary: fc.tuple(owner, middle, target).map((parts) => parts.join('')) },
  fc.constantFrom(
    '',
    ' CNAME .',
    '\tIN A 192.0.2.1',
    '; nothing',
    '@ SOA a. b. 1 2 3 4 5',
    'late TXT "data"',
    '$TTL 77',
    '$ORIGIN sub.rpz.test.',
    '$ORIGIN rpz.test.',
    'open CNAME (',
    ') .',
  ),
);

function read(lines: readonly string[], zone: string | undefined, end: string, cut: number) {
  // Near the end of a chunk nothing goes the quick way.
  const text = ['$ORIGIN rpz.test.', ...lines, `; ${'-'.repeat(600)}`, ''].join(end);
  const { bytes: _, rejectedLines: __, bad, ...collected } = collectEntries('rpz', text, { zone }, cut);
  // A comment moves the column of what is missing at the end.
  return { ...collected, bad: bad.map((place) => place.replace(/:\d+/, '')) };
}

describe('records in plain form', () => {
  it('say what the reader of zone files reads in them, wherever the chunks end', () => {
    let rules = 0;
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 30 }),
        fc.constantFrom('\n', '\r\n'),
        fc.constantFrom(7, 700, 1 << 20),
        fc.constantFrom('rpz.test', undefined),
        (lines, end, cut, zone) => {
          const quick = read(lines, zone, end, cut);
          const commented = lines.map((text) => `${text} ;`);
          rules += quick.rules.length;
          expect(quick).toEqual(read(commented, zone, end, cut));
        },
      ),
      { numRuns: 3000, seed: 11 },
    );
    expect(rules).toBeGreaterThan(5000);
  });

  it('leave behind them what a record without an owner or a TTL needs', () => {
    const { rules } = read(['one.test 60 CNAME .', '*.two.test CNAME .', ' A 192.0.2.1'], 'rpz.test', '\n', 1 << 20);
    expect(rules).toEqual(['2 =one.test nxdomain', '3 *two.test nxdomain', '4 *two.test local-data A 60 c0000201']);
  });
});
