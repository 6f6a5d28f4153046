import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { consentRows } from './consent-rows.ts';

const folder = mkdtempSync(join(tmpdir(), 'sekisho-consents-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function rowsOf(content: string | Uint8Array) {
  const file = join(folder, 'crm.csv');
  writeFileSync(file, content);
  const rows = [];
  for await (const some of consentRows(file)) rows.push(...some);
  return rows;
}
const utf16 = (text: string): Buffer => Buffer.from(`\ufeff${text}`, 'utf16le');

describe('rows of consents', () => {
  it.each<[string, string | Buffer]>([
    ['as they are', '4711,c2,opt-out\n4712,c2,opt-in,2026-04\n'],
    ['with a mark and CR LF', '\ufeff4711,c2,opt-out\r\n4712,c2,opt-in,2026-04\r\n'],
    ['in UTF-16 with tabs', utf16('4711\tc2\topt-out\r\n4712\tc2\topt-in\t2026-04\r\n')],
    ['with semicolons, quotes and empty columns', '"4711";"c2";"opt-out";\n"4712";"c2";"opt-in";"2026-04"\n'],
    ['as Excel keeps a text', '="4711",c2,opt-out\n"=""4712""",\'c2,opt-in,\'2026-04\n'],
    ['in full width', '４７１１，ｃ２，ｏｐｔ－ｏｕｔ\n４７１２，ｃ２，ｏｐｔ－ｉｎ，２０２６－０４\n'],
    ['with names', 'subscriber,purpose,action,terms\n4711,c2,opt-out\n4712,c2,opt-in,2026-04\n'],
    ['with Japanese names in another order', '操作,契約者番号,約款版,目的\nopt-out,4711,,c2\nopt-in,4712,2026-04,c2\n'],
    ['with comments and empty lines', '# from the CRM\n\n4711,c2,opt-out\n,,,\n4712,c2,opt-in,2026-04\n'],
  ])('are read %s', async (_, content) => {
    const rows = await rowsOf(content);
    expect(rows.map(({ cells }) => cells)).toEqual([
      ['4711', 'c2', 'opt-out'],
      ['4712', 'c2', 'opt-in', '2026-04'],
    ]);
    expect(rows.filter(({ problem }) => problem !== undefined)).toEqual([]);
  });

  it.each([
    ['4711.0,c2,opt-out', 'no subscriber number'],
    ['4.7E+11,c2,opt-out', 'no subscriber number'],
    ['NULL,c2,opt-out', 'no subscriber number'],
    [',c2,opt-out', 'no subscriber number'],
    ['4711,c2', 'not of the form subscriber,purpose,opt-out|opt-in[,terms]'],
    ['4711,c2,opt-out,2026-04,x', 'not of the form subscriber,purpose,opt-out|opt-in[,terms]'],
    ['"4711,c2,opt-out', 'a quote that does not end on its line'],
  ])('are told of where they cannot be read: %s', async (row, problem) => {
    expect(await rowsOf(`4710,c2,opt-out\n${row}\n`)).toEqual([
      { line: 1, cells: ['4710', 'c2', 'opt-out'] },
      { line: 2, cells: ['', '', ''], problem },
    ]);
  });
});
