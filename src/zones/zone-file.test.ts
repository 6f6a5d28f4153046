import { expect, test } from 'vitest';
import { TYPE } from '../wire/constants.ts';
import { nameToText } from '../wire/name.ts';
import { readZoneFile } from './zone-file.ts';

const read = (text: string, zone = 'lab.example') => readZoneFile(new TextEncoder().encode(text), zone);

test('relative names, $ORIGIN, $TTL, parentheses and repeated owners are read as in any zone file', () => {
  const { records, problems } = read(`$TTL 1h
@ SOA ns admin ( 1 2 3
  4 5 ) ; five numbers
$ORIGIN sub.lab.example.
www 60 IN A 192.0.2.1
    TXT "two words" three
`);
  expect(problems).toEqual([]);
  expect(records.map(({ owner, type, ttl }) => [nameToText(owner), type, ttl])).toEqual([
    ['lab.example', TYPE.SOA, 3600],
    ['www.sub.lab.example', TYPE.A, 60],
    ['www.sub.lab.example', TYPE.TXT, 3600],
  ]);
});

test('a file without SOA gets that of an empty zone', () => {
  expect(read('www A 192.0.2.1\n').records.map(({ type }) => type)).toEqual([TYPE.SOA, TYPE.A]);
});

test('signatures are left out', () => {
  const rrsig = 'www RRSIG A 13 3 300 20300101000000 20200101000000 1 lab.example. AAAA\n';
  expect(read(`www A 192.0.2.1\n${rrsig}`)).toMatchObject({ problems: [], records: [{}, {}] });
});

test.each<[string, [number, RegExp]]>([
  ['www A 192.0.2\n', [1, /the data does not fit the type/]],
  ['\nwww.other. A 192.0.2.1\n', [2, /not below the zone/]],
  ['$INCLUDE other.zone\n', [1, /directive/]],
  ['www A 192.0.2.1\nwww CNAME a\n', [0, /'www.lab.example' has an alias .* beside it/]],
  ['a CNAME b\na CNAME c\n', [0, /alias/]],
  ['; nothing\n', [0, /holds no record/]],
  ['', [0, /./]],
])('%j is refused as a whole, with its line', (text, [line, message]) => {
  const { records, problems } = read(text);
  expect(records).toEqual([]);
  expect(problems[0]).toMatchObject({ line, message: expect.stringMatching(message) });
});
