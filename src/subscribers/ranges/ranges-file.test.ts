import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { addressWords, isMapped } from '../../address/address.ts';
import { plainIPv4, prefixOf } from '../address-forms.ts';
import { AddressReader } from '../table/address-table.ts';
import { Directory } from '../table/directory.ts';
import { loadRanges } from './ranges-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'sekisho-ranges-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function load(text: string) {
  const file = join(folder, 'ranges.csv');
  writeFileSync(file, text);
  const directory = new Directory();
  const loaded = await loadRanges(file, (subscriber) =>
    subscriber === '@unheard-of' ? 'contract group is not in subscribers.groups' : directory.add(subscriber),
  );
  const reader = new AddressReader(loaded.table.memory);
  const who = (address: string, port = 1): string | undefined => {
    const words = addressWords(address);
    return directory.numberOf(reader.find(words, isMapped(words) ? 4 : 6, port, 0));
  };
  return { ...loaded, who };
}

describe('the file of static ranges', () => {
  it('takes addresses, networks, ports and groups of both families', async () => {
    const { who, rows, findings } = await load(
      [
        'address,subscriber',
        '# a comment',
        '',
        '192.0.2.7,4711\r',
        ' 192.0.2.0/24 , @home ',
        '203.0.113.7:1024-2047,4712',
        '203.0.113.7:2048-3000,4713',
        '2001:db8:77::/48,customer/77@isp.example',
        '[2001:db8::1]:0-99,4714',
      ].join('\n'),
    );
    expect([rows, findings]).toEqual([6, []]);
    expect(['192.0.2.7', '192.0.2.8', '192.0.3.1'].map((each) => who(each))).toEqual(['4711', '@home', undefined]);
    expect([1023, 1024, 2047, 2048, 3000, 3001].map((port) => who('203.0.113.7', port))).toEqual([
      undefined,
      '4712',
      '4712',
      '4713',
      '4713',
      undefined,
    ]);
    expect([who('2001:db8:77:9::1'), who('2001:db8::1', 99), who('2001:db8::1', 100)]).toEqual([
      'customer/77@isp.example',
      '4714',
      undefined,
    ]);
  });

  it.each([
    ['192.0.2.7', 'not of the form address,subscriber'],
    ['192.0.2.7,1,2', 'not of the form address,subscriber'],
    [`192.0.2.7,${'9'.repeat(300)}`, 'no subscriber number'],
    [`192.0.2.7,${'9'.repeat(5000)}`, 'longer than a row can be'],
    ['192.0.2.7,192.0.2.8', 'two addresses and no subscriber number'],
    ['192.0.2.256,4711', 'no address or network'],
    ['192.0.2.7/24,4711', 'no address or network'],
    ['example.com,4711', 'no address or network'],
    ['2001:db8::1:80-99,4711', 'no address or network'],
    ['192.0.2.7:99-80,4711', 'ports are not first-last with 0 ≤ first ≤ last ≤ 65535'],
    ['192.0.2.7:80,4711', 'ports are not first-last with 0 ≤ first ≤ last ≤ 65535'],
    ['192.0.2.7:0-65536,4711', 'ports are not first-last with 0 ≤ first ≤ last ≤ 65535'],
    ['192.0.2.0/24:0-99,4711', 'ports belong to a single address, not to a network'],
    ['192.0.2.7,', 'no subscriber number'],
    ['192.0.2.7,<b>x</b>', 'no subscriber number'],
    ['192.0.2.7,47 11', 'no subscriber number'],
    ['192.0.2.7,@unheard-of', 'contract group is not in subscribers.groups'],
  ])('leaves out %s', async (line, problem) => {
    const { findings, rows, rejected } = await load(`192.0.2.9,1\n${line}\n`);
    // All but one name an address, and all but one cannot be read.
    const hides = /^example|@/.test(line) ? {} : { hides: true };
    expect([rows, rejected, findings]).toEqual([1, 1, [{ line: 2, problem, ...hides }]]);
  });

  it('does not let an address whose row is wrong fall to the group around it', async () => {
    const { who } = await load('192.0.2.0/24,@home\n192.0.2.7,47 11\n192.0.2.8,@unheard-of\n');
    expect(['192.0.2.6', '192.0.2.7', '192.0.2.8'].map((each) => who(each))).toEqual(['@home', undefined, undefined]);
  });

  it('gives what two rows claim for different subscribers to neither, and lets equal rows be', async () => {
    const { who, rows, findings } = await load(
      [
        '192.0.2.0/24,@home',
        '192.0.2.7,1',
        '192.0.2.7,2',
        '192.0.2.7,3',
        '192.0.2.8,4',
        '192.0.2.8,4',
        '203.0.113.1:1000-1999,5',
        '203.0.113.1:1500-2499,6',
        '203.0.113.1:3000-3999,7',
        '203.0.113.1:3500-3999,7',
      ].join('\n'),
    );
    expect(findings.map(({ line }) => line)).toEqual([3, 4, 7, 8]);
    expect(rows).toBe(4);
    expect([who('192.0.2.7'), who('192.0.2.8'), who('192.0.2.9')]).toEqual([undefined, '4', '@home']);
    expect([1000, 1600, 2400, 3000, 3999].map((port) => who('203.0.113.1', port))).toEqual([
      undefined,
      undefined,
      undefined,
      '7',
      '7',
    ]);
  });

  it('names the three bad rows of a large file by their lines', async () => {
    const bad = new Map([
      [1234, '10.0.0.300,4711'],
      [50_000, '<script>,1'],
      [99_999, '10.0.0.1'],
    ]);
    const lines = Array.from(
      { length: 100_000 },
      (_, i) => bad.get(i + 1) ?? `10.${i >> 16}.${(i >> 8) & 255}.${i & 255},c${i}`,
    );
    const { rows, rejected, findings, who } = await load(lines.join('\n'));
    // The last of them says nothing of whose 10.0.0.1 is, and so the row that does is given up.
    expect([rows, rejected, findings.map(({ line }) => line)]).toEqual([99_996, 4, [...bad.keys()]]);
    expect(who('10.0.0.1')).toBeUndefined();
    expect(who('10.1.134.158')).toBeUndefined();
    expect(who('10.0.255.255')).toBe('c65535');
  });

  it('rejects where there is no file', async () => {
    await expect(loadRanges(join(folder, 'none.csv'), () => 0)).rejects.toThrow('ENOENT');
  });
});

describe('a row', () => {
  it('is read alike whatever way its address is parsed', () => {
    const part = fc.oneof(fc.integer({ min: 0, max: 260 }).map(String), fc.constantFrom('00', '01', '', 'a', '1e1'));
    fc.assert(
      fc.property(fc.array(part, { minLength: 3, maxLength: 5 }), (parts) => {
        const address = parts.join('.');
        // With a length the general parser reads it.
        expect(plainIPv4(address)).toEqual(prefixOf(`${address}/32`));
      }),
    );
  });
});
