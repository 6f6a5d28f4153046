import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { kindOf, REPORT_FORMS } from '../reports/report-forms.ts';
import { reportRows } from './report-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'reports-'));

async function rowsOf(text: string, form: string) {
  const file = join(folder, 'report');
  writeFileSync(file, text);
  const rows = [];
  for await (const row of reportRows(file, REPORT_FORMS.find(({ name }) => name === form)!)) rows.push(row);
  return rows;
}

test('a report of Shadowserver, of the event kind and of the older one', async () => {
  const events =
    '"timestamp","protocol","src_ip","src_port","src_asn","dst_ip","dst_port","infection","family","tag"\n' +
    '"2026-11-28 10:00:00","tcp","192.0.2.7",40001,64500,"198.51.100.1",80,"mirai","","iot"\n';
  expect(await rowsOf(events, 'shadowserver')).toEqual([
    { row: 2, address: '192.0.2.7', port: '40001', time: '2026-11-28 10:00:00', kind: 'mirai' },
  ]);
  const older = 'timestamp,ip,port,asn,tag\r\n2026-11-28 10:00:00,2001:db8::7,,64500,"bot, old"\r\n';
  expect(await rowsOf(older, 'shadowserver')).toEqual([
    { row: 2, address: '2001:db8::7', port: '', time: '2026-11-28 10:00:00', kind: 'bot, old' },
  ]);
});

test('sinkhole hits, one object a line, or a list', async () => {
  const line = { ts: 1_795_860_000, src_ip: '192.0.2.7', src_port: 40_001, infection: 'emotet' };
  const row = { address: '192.0.2.7', port: '40001', time: '1795860000', kind: 'emotet' };
  expect(await rowsOf(`${JSON.stringify(line)}\n\n${JSON.stringify(line)}\n`, 'sinkhole-log')).toEqual([
    { row: 1, ...row },
    { row: 3, ...row },
  ]);
  expect(await rowsOf(JSON.stringify([line, {}]), 'json')).toEqual([
    { row: 1, ...row },
    { row: 2, address: '', port: '', time: '', kind: '' },
  ]);
  const nested = { origin: { ip: '192.0.2.7', port: 40_001, ts: 1_795_860_000_000 }, type: 'sinkhole' };
  expect(await rowsOf(JSON.stringify(nested), 'sinkhole-log')).toEqual([
    { row: 1, address: '192.0.2.7', port: '40001', time: '1795860000000', kind: 'sinkhole' },
  ]);
});

test('a table in Japanese, with another separator', async () => {
  expect(
    await rowsOf('\ufeff検知日時;IPアドレス;送信元ポート;種別\n2026-11-28 19:00:00 JST;192.0.2.7;40001;Mirai\n', 'csv'),
  ).toEqual([{ row: 2, address: '192.0.2.7', port: '40001', time: '2026-11-28 19:00:00 JST', kind: 'Mirai' }]);
});

test.each([
  ['a,b\n1,2\n', 'csv', ':1: no column holds the address and the time'],
  ['', 'csv', 'is empty'],
  ['{"ip": "192.0.2.7"', 'json', ':1: no JSON object'],
  ['[1,', 'json', 'JSON'],
])('%j is refused', async (text, form, message) => {
  await expect(rowsOf(text, form)).rejects.toThrow(message);
});

test('what was seen is kept in letters that need no escape', () => {
  expect(kindOf('Mirai')).toBe('mirai');
  expect(kindOf('=cmd|calc <b>')).toBe('cmd-calc-b');
  expect(kindOf('感染')).toBe('unspecified');
});
