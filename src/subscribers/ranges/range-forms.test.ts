/**
 * Rows in the forms of spreadsheets and other people's exports, inside a group: each is read exactly or refused, and a
 * refused one hides its address. Whatever happens to a row, the group around it never gets its address.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { addressWords, isMapped } from '../../address/address.ts';
import { AddressReader } from '../table/address-table.ts';
import { Directory } from '../table/directory.ts';
import { loadRanges } from './ranges-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'sekisho-forms-'));
afterAll(() => rmSync(folder, { recursive: true }));

const GROUPS = '0.0.0.0/1,@home\n128.0.0.0/1,@home\n::/0,@home\n';
const ROW = '192.0.2.7,4711\n';

async function load(content: string | Uint8Array) {
  const file = join(folder, 'ranges.csv');
  writeFileSync(file, content);
  const directory = new Directory();
  const loaded = await loadRanges(file, (subscriber) => directory.add(subscriber));
  const reader = new AddressReader(loaded.table.memory);
  const who = (address: string, port = 1): string | undefined => {
    const words = addressWords(address);
    return directory.numberOf(reader.find(words, isMapped(words) ? 4 : 6, port, 0));
  };
  return { ...loaded, who };
}

const utf16 = (text: string): Buffer => Buffer.from(text, 'utf16le');
const swapped = (text: string): Buffer => utf16(text).swap16();
/** 192.0.2.7,4711 in full width, with a full-width space. */
const SJIS = Buffer.from('8250825882518144824f814482518144825620', 'hex');
const EUC = Buffer.from('a3b1a3b9a3b2a1a5a3b0a1a5a3b2a1a5a3b7', 'hex');

describe('a file', () => {
  it.each<[string, string | Buffer]>([
    ['in UTF-8 with a mark', `\ufeff${GROUPS}${ROW}`],
    ['in UTF-8 with a mark before each of its parts', `\ufeff${GROUPS}\ufeff${ROW}`],
    ['in UTF-16 with a mark (Excel)', utf16(`\ufeff${GROUPS}${ROW}`.replaceAll(',', '\t'))],
    ['in UTF-16, big-endian, with a mark', swapped(`\ufeff${GROUPS}${ROW}`)],
    ['in UTF-16 without a mark', utf16(`${GROUPS}${ROW}`)],
    ['in UTF-16, big-endian, without a mark', swapped(`${GROUPS}${ROW}`)],
    ['in UTF-16 with ASCII appended (cmd >>)', Buffer.concat([utf16(`\ufeff${GROUPS}`), Buffer.from(` ${ROW}`)])],
    ['of one row with UTF-16 appended', Buffer.concat([Buffer.from(ROW), utf16(GROUPS)])],
    ['with UTF-16 appended (PowerShell >>)', Buffer.concat([Buffer.from(GROUPS), utf16(ROW)])],
    ['in Shift_JIS with full-width digits', Buffer.concat([Buffer.from(GROUPS), SJIS, Buffer.from(',4711\n')])],
    ['in EUC-JP with full-width digits', Buffer.concat([Buffer.from(GROUPS), EUC, Buffer.from(',4711\n')])],
    ['in Windows-1252 with a no-break space', Buffer.from(`${GROUPS}192.0.2.7\xa0,4711\n`, 'latin1')],
    ['with CR LF', `${GROUPS}${ROW}`.replaceAll('\n', '\r\n')],
    ['with CR alone', `${GROUPS}${ROW}`.replaceAll('\n', '\r')],
    ['without an end of its last line', `${GROUPS}192.0.2.7,4711`],
    ['with semicolons, and Excel’s line about it', `sep=;\n${GROUPS}${ROW}`.replaceAll(',', ';')],
    ['with tabs', `${GROUPS}${ROW}`.replaceAll(',', '\t')],
    ['with bars', `${GROUPS}${ROW}`.replaceAll(',', '|')],
    ['with everything in quotes', `${GROUPS}${ROW}`.replaceAll(/[^,\n]+/g, '"$&"')],
    ['with apostrophes for quotes', `${GROUPS}${ROW}`.replaceAll(/[^,\n]+/g, "'$&'")],
    ['with empty columns behind', `${GROUPS}${ROW}`.replaceAll('\n', ',,,\n')],
    ['with names, in the other order', `Customer ID,IP Address\n@home,0.0.0.0/1\n@home,128.0.0.0/1\n4711,192.0.2.7\n`],
    ['with Japanese names', `契約者番号,ＩＰアドレス\n@home,0.0.0.0/1\n@home,128.0.0.0/1\n4711,192.0.2.7\n`],
    [
      'with a title, and netmasks in a column',
      'Export of 2026\nnetwork;mask;subscriber\n0.0.0.0;128.0.0.0;@home\n128.0.0.0;/1;@home\n192.0.2.7;32;4711\n',
    ],
    [
      'with first and last addresses in columns',
      'start,end,customer\n0.0.0.0,127.255.255.255,@home\n128.0.0.0,255.255.255.255,@home\n192.0.2.7,192.0.2.7,4711\n',
    ],
    [
      'with comments, empty lines and lines of separators',
      `# all of them\n\n${GROUPS}\n,,,\n"# so, quoted"\n; old\n// older\n${ROW}`,
    ],
  ])('is read %s', async (_, content) => {
    const { who, findings } = await load(content);
    expect(findings.filter(({ hides }) => hides)).toEqual([]);
    expect([who('192.0.2.7'), who('192.0.2.8')]).toEqual(['4711', '@home']);
  });

  it.each([
    ['a spreadsheet', Buffer.from('PK\x03\x04 192.0.2.7,4711')],
    ['compressed', Buffer.from('1f8b08', 'hex')],
    ['UTF-32', Buffer.from('fffe0000310000003900000032000000', 'hex')],
  ])('that is %s is no file of ranges', async (_, content) => {
    await expect(load(content)).rejects.toThrow('save it as CSV');
  });
});

describe('a row', () => {
  it.each([
    [' 192.0.2.7 , 4711 '],
    ['\u3000192.0.2.7\u00a0,\u20034711'],
    ['１９２．０．２．７，４７１１'],
    ["'192.0.2.7,'4711"],
    ['="192.0.2.7",="4711"'],
    ['"=""192.0.2.7""","=""4711"""'],
    ['“192.0.2.7”,“4711”'],
    ['192.0.2.7\u200b,\u200e4711\u200f'],
    ['192\u00ad.0.2.7,4711'],
    ['192.0.2.7/32,4711'],
    ['192.0.2.7 255.255.255.255,4711'],
    ['192.0.2.7-192.0.2.7,4711'],
    ['192.0.2.7 – 192.0.2.7,4711'],
    ['::ffff:192.0.2.7,4711'],
    ['::FFFF:C000:207,4711'],
    ['0:0:0:0:0:ffff:192.0.2.7/128,4711'],
    ['4711,192.0.2.7'],
    ['192.0.2.7:0-65535,4711'],
  ])('is read: %j', async (row) => {
    const { who, findings } = await load(`${GROUPS}${row}\n`);
    expect(findings).toEqual([]);
    expect([who('192.0.2.7'), who('192.0.2.6'), who('192.0.2.8')]).toEqual(['4711', '@home', '@home']);
  });

  it.each([
    ['192.0.2.*', '192.0.2.0', '192.0.2.255', '192.0.1.255'],
    ['192.0.*.*', '192.0.0.0', '192.0.255.255', '192.1.0.0'],
    ['192.0.2.0 255.255.255.0', '192.0.2.0', '192.0.2.255', '192.0.3.0'],
    ['192.0.2.0/255.255.255.0', '192.0.2.0', '192.0.2.255', '192.0.3.0'],
    ['192.0.2.0 - 192.0.2.255', '192.0.2.0', '192.0.2.255', '192.0.3.0'],
    ['192.0.2.0~192.0.2.255', '192.0.2.0', '192.0.2.255', '192.0.3.0'],
    ['１９２．０．２．０～１９２．０．２．２５５', '192.0.2.0', '192.0.2.255', '192.0.3.0'],
    ['2001:DB8:77:0::/48', '2001:db8:77::', '2001:db8:77:ffff::1', '2001:db8:78::'],
    ['２００１：ＤＢ８：７７：：／４８', '2001:db8:77::', '2001:db8:77:ffff::1', '2001:db8:78::'],
    ['2001:db8:77::-2001:db8:77:ffff:ffff:ffff:ffff:ffff', '2001:db8:77::', '2001:db8:77:ffff::1', '2001:db8:78::'],
    ['2001:0db8:0077:0000:0000:0000:0000:0000/48', '2001:db8:77::', '2001:db8:77:ffff::1', '2001:db8:78::'],
    ['[2001:db8:77::1]', '2001:db8:77::1', '2001:db8:77::1', '2001:db8:77::2'],
  ])('is read as a network: %j', async (place, first, last, outside) => {
    const { who, findings } = await load(`${GROUPS}${place},4711\n`);
    expect(findings).toEqual([]);
    expect([who(first), who(last), who(outside)]).toEqual(['4711', '4711', '@home']);
  });

  it.each([
    // Ambiguous: in decimal, and for some in octal.
    ['010.0.0.1,4711', '10.0.0.1', '8.0.0.1'],
    ['192.000.002.007,4711', '192.0.2.7'],
    // The host, or its network.
    ['192.0.2.7/24,4711', '192.0.2.7', '192.0.2.99'],
    ['192.0.2.7 255.255.255.0,4711', '192.0.2.7', '192.0.2.99'],
    ['192.0.2.0 0.0.0.255,4711', '192.0.2.0', '192.0.2.99'],
    ['2001:db8:77::1/48,4711', '2001:db8:77::1', '2001:db8:77:9::'],
    ['192.0.2.0/33,4711', '192.0.2.0', '192.0.2.99'],
    ['192.0.2.0/,4711', '192.0.2.0', '192.0.2.99'],
    ['2001:db8:77::/129,4711', '2001:db8:77::', '2001:db8:77:9::'],
    // Ranges that are no network, and part of an address.
    ['192.0.2.1-192.0.2.20,4711', '192.0.2.1', '192.0.2.9', '192.0.2.20'],
    ['192.0.2.1-20,4711', '192.0.2.1', '192.0.2.9', '192.0.2.20'],
    ['192.0.2.1,192.0.2.20,4711', '192.0.2.1', '192.0.2.9', '192.0.2.20'],
    ['192.0.2.1,192.0.2.20', '192.0.2.1', '192.0.2.9', '192.0.2.20'],
    ['2001:db8::1-2001:db8::1:0,4711', '2001:db8::1', '2001:db8::ff', '2001:db8::1:0'],
    ['192.0.2.[1-20],4711', '192.0.2.1', '192.0.2.20'],
    ['192.0.*.7,4711', '192.0.2.7'],
    ['192.0.2.x,4711', '192.0.2.7'],
    ['192.0.2.,4711', '192.0.2.7'],
    ['192.0.2,4711', '192.0.2.7', '192.0.0.2'],
    ['192.0.2/24,4711', '192.0.2.7'],
    ['10/8,4711', '10.9.9.9'],
    ['192.0.2.700,4711', '192.0.2.7', '192.0.2.70'],
    ['2001:db8:77:*,4711', '2001:db8:77::1'],
    // With what does not belong to an address.
    ['fe80::7%eth0,4711', 'fe80::7'],
    ['fe80::7%eth0/64,4711', 'fe80::7', 'fe80::8'],
    ['[2001:db8::7]/64,4711', '2001:db8::7', '2001:db8::8'],
    ['[::1]:53,4711', '::1'],
    ['2001:db8::7:80-99,4711', '2001:db8::7'],
    ['192.0.2.7:8080,4711', '192.0.2.7'],
    ['http://192.0.2.7/,4711', '192.0.2.7'],
    ['http://[2001:db8::7]:80/,4711', '2001:db8::7'],
    ['192[.]0[.]2[.]7,4711', '192.0.2.7'],
    ['192(dot)0(dot)2(dot)7,4711', '192.0.2.7'],
    ['192 dot 0 dot 2 dot 7,4711', '192.0.2.7'],
    ['2001[:]db8[:][:]7,4711', '2001:db8::7'],
    ['192\\.0\\.2\\.7,4711', '192.0.2.7'],
    ['192%2E0%2E2%2E7,4711', '192.0.2.7'],
    ['192 . 0 . 2 . 7,4711', '192.0.2.7'],
    ['192.0.2.7²,4711', '192.0.2.7'],
    ['192.0.2.⑦,4711', '192.0.2.7'],
    ['١٩٢.٠.٢.٧,4711', '192.0.2.7'],
    ['\u202e7.2.0.291\u202c,4711', '192.0.2.7'],
    ['7.2.0.192.in-addr.arpa,4711', '192.0.2.7'],
    ['2.0.192.in-addr.arpa,4711', '192.0.2.7'],
    [`7.${'0.'.repeat(23)}8.b.d.0.1.0.0.2.ip6.arpa,4711`, '2001:db8::7'],
    ['192-0-2-7.pool.isp.example,4711', '192.0.2.7'],
    ['3221225991,4711', '192.0.2.7'],
    ['0xC0000207,4711', '192.0.2.7'],
    ['0xC0.0.2.7,4711', '192.0.2.7'],
    ['0xC0.0x0.0x2.0x7,4711', '192.0.2.7'],
    ['20010db8000000000000000000000007,4711', '2001:db8::7'],
    ['42540766411282592856903984951653826567,4711', '2001:db8::7'],
    // Without a subscriber, or with one that many would share.
    ['192.0.2.7', '192.0.2.7'],
    ['192.0.2.7,', '192.0.2.7'],
    ['192.0.2.7,NULL', '192.0.2.7'],
    ['192.0.2.7,N/A', '192.0.2.7'],
    ['192.0.2.7,#REF!', '192.0.2.7'],
    ['192.0.2.7,4.71E+11', '192.0.2.7'],
    ['192.0.2.7,4711.0', '192.0.2.7'],
    ['192.0.2.7,4711 # office', '192.0.2.7'],
    ['192.0.2.7,"4,711"', '192.0.2.7'],
    // More or fewer columns, and broken quotes.
    [',192.0.2.7,4711', '192.0.2.7'],
    ['17,192.0.2.7,4711', '192.0.2.7'],
    ['192.0.2.7,4711,cancelled', '192.0.2.7'],
    ['"192.0.2.7,4711"', '192.0.2.7'],
    ['"192.0.2.7,4711', '192.0.2.7'],
    ['192.0.2.7",4711', '192.0.2.7'],
    ['"192.0.2.7\n",4711', '192.0.2.7'],
    ['192.0.2.7,"an old one:\n192.0.2.9,4712\n",4711', '192.0.2.7', '192.0.2.9'],
    ['192.0.2.7 4711', '192.0.2.7'],
    ['{"ip":"192.0.2.7","subscriber":"4711"}', '192.0.2.7'],
    ['; 192.0.2.7 ; 4711', '192.0.2.7'],
    ['// 192.0.2.7,4711', '192.0.2.7'],
    [`${'x'.repeat(4090)}192.0.2.7,4711`, '192.0.2.7'],
    [`${'x'.repeat(90_000)}192.0.2.7,4711`, '192.0.2.7'],
    // Twice, for two.
    ['192.0.2.7,4711\n"192.0.2.7","4712"', '192.0.2.7'],
    ['192.0.2.7,4711\n::ffff:192.0.2.7,4712', '192.0.2.7'],
    ['192.0.2.7,4711\n192.0.2.7,', '192.0.2.7'],
    ['192.0.2.7,\n192.0.2.7,4711', '192.0.2.7'],
    ['192.0.2.7:0-1023,4711\n192.0.2.7:80,4712', '192.0.2.7'],
  ])('is refused, and hides what it names: %j', async (row, ...addresses) => {
    const { who, rejected, findings } = await load(`${GROUPS}${row}\n198.51.100.1,4799\n`);
    expect(rejected).toBeGreaterThan(0);
    expect(JSON.stringify(findings)).not.toMatch(/192|4711|db8/);
    for (const address of addresses) expect([address, who(address)]).toEqual([address, undefined]);
    // And nobody else, unless a quote is open.
    const open = (row.match(/"/g)?.length ?? 0) % 2 === 1;
    expect([who('198.51.100.1'), who('198.51.100.2'), who('203.0.113.1')]).toEqual([
      open ? undefined : '4799',
      '@home',
      '@home',
    ]);
  });
});

describe('whatever becomes of a row', () => {
  const octet = fc.integer({ min: 0, max: 255 });
  const ipv4 = fc.tuple(fc.integer({ min: 1, max: 223 }), octet, octet, octet).map((parts) => parts.join('.'));
  const group = fc.integer({ min: 0, max: 0xffff }).map((word) => word.toString(16));
  const ipv6 = fc
    .array(group, { minLength: 5, maxLength: 5 })
    .map((words) => `2001:db8:${words.join(':')}::`.replace(/::$/, ':7'));
  type Mutation = (cell: string) => string;
  const invisible = fc.constantFrom('\u200b', '\u200e', '\u00ad', '\u2060', '\ufeff', '\0');
  const space = fc.constantFrom(' ', '\u00a0', '\u3000', '\t ', '');
  const at = fc.nat(40);
  const mutation: fc.Arbitrary<Mutation> = fc.oneof(
    fc.tuple(invisible, at).map(
      ([mark, i]): Mutation =>
        (cell) =>
          `${cell.slice(0, i)}${mark}${cell.slice(i)}`,
    ),
    fc.tuple(space, space).map(
      ([before, after]): Mutation =>
        (cell) =>
          `${before}${cell}${after}`,
    ),
    fc.constantFrom<Mutation>(
      (cell) => cell.replace(/[!-~]/g, (char) => String.fromCharCode(char.charCodeAt(0) + 0xfee0)),
      (cell) => cell.toUpperCase(),
      (cell) => `'${cell}`,
      (cell) => `'${cell}'`,
      (cell) => `="${cell}"`,
      (cell) => `"${cell}"`,
      (cell) => `“${cell}”`,
      (cell) => `${cell}"`,
      (cell) => `[${cell}]`,
      (cell) => `${cell}%eth0`,
      (cell) => `${cell}:53`,
      (cell) => `${cell}/24`,
      (cell) => `${cell}/`,
      (cell) => `${cell} 255.255.255.0`,
      (cell) => `${cell}-${cell}`,
      (cell) => `${cell} # note`,
      (cell) => `http://${cell}/`,
      (cell) => cell.replaceAll('.', '[.]').replaceAll(':', '[:]'),
      (cell) => cell.replaceAll('.', ' . '),
      (cell) => (/[^\d.]/.test(cell) ? cell : cell.replace(/\d+/g, (digits) => digits.padStart(3, '0'))),
      (cell) => (cell.includes(':') ? cell : `::ffff:${cell}`),
    ),
  );
  const subscriber = fc.constantFrom(
    '4711',
    '',
    'NULL',
    '4.7E+11',
    '4 711',
    '４７１１',
    '@nowhere',
    '"4711"',
    '47,11',
    '192.0.2.1',
  );
  const row = fc
    .record({
      address: fc.oneof(ipv4, ipv6),
      mutations: fc.array(mutation, { maxLength: 3 }),
      number: subscriber,
      separator: fc.constantFrom(',', ';', '\t', '|', ', ', '，', ' '),
      swapped: fc.boolean(),
      behind: fc.constantFrom('', ',', ';;', ',x', '\r', '\n\n', '\n"', ' // x'),
      before: fc.constantFrom(
        '',
        '',
        '',
        'address,subscriber\n',
        'subscriber,address\n',
        'ip,note\n',
        'sep=;\n',
        '"\n',
        '#\n',
        '; x\n',
      ),
    })
    .map(({ address, mutations, number, separator, swapped: other, behind, before }) => {
      const cell = mutations.reduce((text, mutate) => mutate(text), address);
      return {
        address,
        text: `${before}${other ? `${number}${separator}${cell}` : `${cell}${separator}${number}`}${behind}`,
      };
    });
  const encoding = fc.constantFrom<(text: string) => Buffer>(
    (text) => Buffer.from(text),
    (text) => Buffer.from(`\ufeff${text}`),
    (text) => utf16(`\ufeff${text}`),
    utf16,
    swapped,
    (text) => Buffer.concat([Buffer.from('# begun in ASCII\n'), utf16(text)]),
    (text) => Buffer.concat([utf16('\ufeff# begun in UTF-16\n'), Buffer.from(text)]),
    (text) => Buffer.from(text.replaceAll('\n', '\r\n')),
    (text) => Buffer.from(text.replaceAll(/\r?\n/g, '\r')),
  );

  it('its address never falls to the group around it', async () => {
    await fc.assert(
      fc.asyncProperty(row, encoding, fc.boolean(), async ({ address, text }, encode, first) => {
        const { who } = await load(encode(first ? `${text}\n${GROUPS}` : `${GROUPS}${text}\n`));
        expect([address, who(address)]).not.toEqual([address, '@home']);
      }),
      { numRuns: 1000, seed: 20261128 },
    );
  });
});
