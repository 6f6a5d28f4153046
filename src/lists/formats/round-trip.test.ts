/** Lists are written in a random style of each format and must be read back as the same set, however they are cut. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { collectEntries } from './collect-entries.ts';
import { columnsSchema } from './columns-schema.ts';
import type { ListFormat, ListParserOptions } from './parser.ts';

const label = fc.stringMatching(/^[a-z0-9_-]{1,12}$/);
const top = fc.stringMatching(/^[a-z]{2,10}$/);
const name = fc
  .tuple(fc.array(label, { minLength: 1, maxLength: 4 }), top)
  .map(([labels, last]) => [...labels, last].join('.'));

/** A small generator of numbers of its own, so that style and names shrink apart. */
function picker(seed: number): (below: number) => number {
  return (below) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
    return ((seed >>> 8) * below) >>> 24;
  };
}

type Pick = (below: number) => number;

function spelled(text: string, pick: Pick): string {
  const cased = [...text].map((char) => (pick(4) === 0 ? char.toUpperCase() : char)).join('');
  return pick(3) === 0 ? `${cased}.` : cased;
}

const one = (pick: Pick, ...choices: string[]): string => choices[pick(choices.length)] ?? '';
const lineEnd = (pick: Pick): string => one(pick, '\n', '\n', '\r\n', '\n\n');

const WRITERS: Record<ListFormat, (names: string[], pick: Pick) => string> = {
  domains: (names, pick) =>
    names
      .map(
        (text) => one(pick, '', '# c\n', ' ') + spelled(text, pick) + one(pick, '', ' ', ' # c', ';c') + lineEnd(pick),
      )
      .join(''),
  hosts: (names, pick) => {
    let text = '# hosts\n127.0.0.1 localhost';
    for (const item of names) {
      text +=
        pick(3) === 0
          ? ' '
          : `${lineEnd(pick)}${one(pick, '0.0.0.0', '127.0.0.1', '::', '::1')}${one(pick, ' ', '\t')}`;
      text += spelled(item, pick);
    }
    return `${text}\n`;
  },
  adblock: (names, pick) =>
    `! list${lineEnd(pick)}${names
      .map((text) => `||${spelled(text, pick)}${one(pick, '^', '', '^|', '^$important', '$all')}${lineEnd(pick)}`)
      .join('')}`,
  csv: (names, pick) =>
    `\uFEFFid,name,note${lineEnd(pick)}${names
      .map(
        (text) => `1,${one(pick, '', ' ')}${spelled(text, pick)},${one(pick, '', 'x', '"a,\nb""c"')}${lineEnd(pick)}`,
      )
      .join('')}`,
  jsonl: (names, pick) =>
    names
      .map((text) => JSON.stringify({ id: 1, name: spelled(text, pick), note: '\u65e5\n' }) + lineEnd(pick))
      .join(''),
  rpz: (names, pick) => {
    const records = names.map((text) => {
      const owner = pick(2) === 0 ? text : `${text}.rpz.test.`;
      const cased = pick(3) === 0 ? owner.toUpperCase() : owner;
      const ttl = one(pick, '', ' 60', ' 1h');
      return (
        cased +
        ttl +
        one(pick, '', ' IN') +
        one(pick, ' CNAME .', ' ( CNAME ; c\n . )', '\tcname\t. ; c') +
        lineEnd(pick)
      );
    });
    return `$TTL 1h\n@ SOA a. b. ( 1 2\n3 4 5 )\n NS c.\n${records.join('')}`;
  },
};

const OPTIONS: Partial<Record<ListFormat, ListParserOptions>> = {
  rpz: { zone: 'rpz.test' },
  csv: { columns: columnsSchema.parse({}) },
};

describe('what was written is what is read', () => {
  it.each(Object.keys(WRITERS) as ListFormat[])('%s', (format) => {
    fc.assert(
      fc.property(
        fc.uniqueArray(name, { minLength: 1, maxLength: 30 }),
        fc.integer(),
        fc.integer({ min: 1, max: 700 }),
        (names, seed, cut) => {
          const text = WRITERS[format](names, picker(seed));
          const { names: found, bad, refusal } = collectEntries(format, text, OPTIONS[format], cut);
          expect({ found, bad, refusal }).toEqual({ found: [...names].sort(), bad: [], refusal: undefined });
        },
      ),
      { numRuns: 200, seed: 7 },
    );
  });

  it.each(Object.keys(WRITERS) as ListFormat[])('%s, cut in two at every byte', (format) => {
    const text = WRITERS[format](['a.example', 'xn--wgv71a119e.example', 'c.d.example', '_e.example'], picker(3));
    const bytes = new TextEncoder().encode(text.repeat(format === 'rpz' || format === 'csv' ? 1 : 9));
    const whole = collectEntries(format, bytes, OPTIONS[format]);
    for (let cut = 1; cut < bytes.length; cut++) {
      expect(collectEntries(format, bytes, OPTIONS[format], cut).rules).toEqual(whole.rules);
    }
  });
});
