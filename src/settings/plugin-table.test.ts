import { describe, expect, it } from 'vitest';
import { sectionsOf, wholeSchema } from '../config/schema.ts';
import { z } from '../contract/plugin.ts';
import { FEATURES } from '../features.ts';
import { knownKeys, pluginTable } from './plugin-table.ts';
import { durationMs } from './units.ts';

const configSchema = wholeSchema(await sectionsOf(FEATURES));

describe('pluginTable', () => {
  it('has a row for each option with type, bounds, default and meaning', () => {
    const schema = z.strictObject({
      action: z.enum(['nxdomain', 'nodata']).default('nxdomain').describe('What the client is told.'),
      ttl: z.int().min(0).max(600).default(60).describe('Seconds.'),
      share: z.number().gt(0).optional(),
      ipv4: z.ipv4().describe('Discard address.'),
      every: durationMs({ min: '1s', max: '1h' }).prefault('10s').describe('Pause | between\nruns.'),
      note: z.string().max(40).default(''),
      rules: z
        .array(z.strictObject({ name: z.string().describe('Exact name.'), subtree: z.boolean().default(false) }))
        .max(10)
        .default([])
        .describe('Rules.'),
      limits: z.record(z.string(), z.strictObject({ rate: z.int() })).optional(),
      log: z.strictObject({ level: z.union([z.literal('off'), z.int()]).default('off') }).prefault({}),
    });
    expect(pluginTable(schema)).toBe(`| option | type | default | meaning |
|---|---|---|---|
| \`action\` | \`nxdomain\`, \`nodata\` | \`nxdomain\` | What the client is told. |
| \`ttl\` | whole number 0–600 | \`60\` | Seconds. |
| \`share\` | number > 0 | – |  |
| \`ipv4\` | IPv4 address | *required* | Discard address. |
| \`every\` | duration, 1s–1h | \`10s\` | Pause \\| between runs. |
| \`note\` | text, ≤ 40 characters | \`""\` |  |
| \`rules\` | list of map, ≤ 10 entries | \`[]\` | Rules. |
| \`rules[].name\` | text | *required* | Exact name. |
| \`rules[].subtree\` | true or false | \`false\` |  |
| \`limits\` | map of name → map | – |  |
| \`limits.<name>.rate\` | whole number | *required* |  |
| \`log\` | map |  |  |
| \`log.level\` | \`off\` or whole number | \`off\` |  |
`);
  });

  it('says so where there are no options', () => {
    expect(pluginTable(z.strictObject({}))).toBe('No options.\n');
  });

  it('describes every key of the configuration', () => {
    const rows = pluginTable(configSchema).trim().split('\n').slice(2);
    expect(rows.length).toBeGreaterThan(25);
    for (const row of rows) {
      const [option, type, , meaning] = row
        .split(/(?<!\\)\|/)
        .slice(1)
        .map((cell) => cell.trim());
      expect(meaning, option).toMatch(/\.$/);
      expect(type, option).not.toBe('any value');
    }
  });
});

describe('knownKeys', () => {
  it('follows maps, lists, alternatives and named entries', () => {
    expect(knownKeys(configSchema, [])).toEqual([
      'include',
      'server',
      'upstream',
      'resolve',
      'zones',
      'special-use',
      'views',
      'cache',
      'plugins',
      'admin',
      'fleet',
      'measures',
      'lists',
      'transfer',
      'popular-names',
      'subscribers',
      'terminals',
      'notice',
      'ip53b',
      'dnssec',
      'console',
    ]);
    expect(knownKeys(configSchema, ['server', 'log'])).toEqual(['level']);
    expect(knownKeys(configSchema, ['upstream', 'servers', 3])).toEqual(['address', 'trusted', 'tls']);
    expect(knownKeys(z.record(z.string(), z.strictObject({ a: z.int() })), ['x'])).toEqual(['a']);
    expect(knownKeys(configSchema, ['server', 'toString', 'x'])).toEqual([]);
  });
});
