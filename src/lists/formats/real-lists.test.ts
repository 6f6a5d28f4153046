/**
 * Real lists, where the folder that holds them is named by SEKISHO_DATA (with lists/urlhaus-2022/ and others below it);
 * skipped where it is not.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Collected, collectEntries } from './collect-entries.ts';
import type { ListFormat } from './parser.ts';

const folder = join(process.env['SEKISHO_DATA'] ?? '', 'lists');
const present = process.env['SEKISHO_DATA'] !== undefined && existsSync(folder);

function read(file: string, format: ListFormat): Collected {
  return collectEntries(format, readFileSync(join(folder, file)), {}, 65_536);
}

if (!present) console.warn('real lists are not tried: SEKISHO_DATA does not name their folder');

describe.skipIf(!present)('real lists (SEKISHO_DATA names their folder)', () => {
  it('one list in five formats is one set of names', () => {
    const rpz = read('urlhaus-2022/urlhaus-filter-rpz.conf', 'rpz');
    // 6033 records, of which five are numbers that programs take for addresses, and one is a single label.
    expect(rpz.reasons).toEqual({ address: 5, 'single-label': 1 });
    expect(rpz.names).toHaveLength(6027);
    const files: [string, ListFormat][] = [
      ['hosts.txt', 'hosts'],
      ['domains.txt', 'domains'],
      ['ag.txt', 'adblock'],
      ['agh.txt', 'adblock'],
    ];
    for (const [file, format] of files) {
      const other = read(`urlhaus-2022/urlhaus-filter-${file}`, format);
      expect(other.refusal).toBeUndefined();
      expect(other.names).toEqual(rpz.names);
    }
    expect(read('urlhaus-2022/urlhaus-filter-hosts-online.txt', 'hosts').names).toEqual(
      read('urlhaus-2022/urlhaus-filter-rpz-online.conf', 'rpz').names,
    );
  });

  it('a plain list of 195 000 names loads but for two that end in a number', () => {
    const { entries, reasons, refusal } = read('malicious-domains-195k.txt', 'domains');
    expect({ entries, reasons, refusal }).toEqual({ entries: 195_010, reasons: { address: 2 }, refusal: undefined });
  });
});
