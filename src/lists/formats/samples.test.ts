import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { collectEntries } from './collect-entries.ts';
import { columnsSchema } from './columns-schema.ts';
import type { ListFormat, ListParserOptions } from './parser.ts';

const FOLDER = join(import.meta.dirname, '../../../lists');
const columns = columnsSchema.parse({
  name: 'domain',
  score: 'confidence',
  category: 'type',
  'min-score': 80,
  categories: ['c2'],
});

const SAMPLES: [file: string, format: ListFormat, rules: number, rejected: number, options: ListParserOptions][] = [
  ['c2-sample.rpz', 'rpz', 4, 0, {}],
  ['policy-sample.rpz', 'rpz', 15, 0, { zone: 'policy-sample.example' }],
  ['hosts-sample.txt', 'hosts', 4, 0, {}],
  ['domains-sample.txt', 'domains', 6, 0, {}],
  ['adblock-sample.txt', 'adblock', 4, 2, {}],
  ['scored-sample.csv', 'csv', 2, 0, { columns }],
  ['scored-sample.jsonl', 'jsonl', 2, 0, { columns }],
];

describe('the samples in lists/', () => {
  it.each(SAMPLES)('%s loads as %s', (file, format, rules, rejected, options) => {
    const found = collectEntries(format, readFileSync(join(FOLDER, file)), options);
    expect(found.refusal).toBeUndefined();
    expect({ rules: found.rules.length, rejected: found.rejected }).toEqual({ rules, rejected });
  });

  it.each(SAMPLES)(
    '%s says where it comes from and holds reserved names only',
    (file, format, _rules, _rejected, options) => {
      const text = readFileSync(join(FOLDER, file), 'utf8');
      expect(text).toMatch(/provenance/i);
      expect(text).toMatch(/licence.*CC0/i);
      for (const name of collectEntries(format, text, options).names) expect(name).toMatch(/\.(example|test|invalid)$/);
    },
  );

  it('are all named in the README', () => {
    const readme = readFileSync(join(FOLDER, 'README.md'), 'utf8');
    for (const file of readdirSync(FOLDER)) if (file !== 'README.md') expect(readme).toContain(`\`${file}\``);
  });
});
