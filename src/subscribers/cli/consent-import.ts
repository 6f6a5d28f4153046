/**
 * `sekisho consent import FILE`: rows go to the server a thousand at a time, and the server keeps with them how far the file
 * has come. So an import that broke off, on whichever side, goes on where it was; the file is known by its content.
 */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Args } from '../../commands/command.ts';
import { usageError } from '../../commands/errors.ts';
import { numberText } from '../../commands/layout.ts';
import type { Terminal } from '../../commands/terminal.ts';
import { counted } from '../../errors/counted.ts';
import { errorText, SekishoError } from '../../errors/errors.ts';
import { type ConsentRow, consentRows } from '../consent/consent-rows.ts';
import { IMPORT_ROWS, type ImportResult } from '../consent/routes.ts';

/** Rows that are wrong, named one by one; the others are counted. */
const SHOWN_PROBLEMS = 20;

export async function importConsents(file: string, args: Args, terminal: Terminal): Promise<number> {
  const { id, rows: total } = await survey(file);
  const path = `/v1/consent/import/${id}`;
  const reason = args.options['reason'] ?? '';
  const before = (await args.server.get<ImportResult>(path)).rows;
  if (before > 0 && !args.json) terminal.out(`${counted(before, 'row')} imported before; resuming there\n`);
  const problems: ImportResult['problems'][number][] = [];
  let done = before;
  for await (const { from, rows } of batches(file, before)) {
    const result = await args.server.send<ImportResult>('POST', path, {
      from,
      rows: rows.map(({ cells }) => cells),
      reason,
    });
    done = result.rows;
    // The server counts rows; a person looks for lines, and for what is wrong with them here.
    for (const { row, problem } of result.problems) {
      const at = rows[row - from - 1];
      problems.push({ row: at?.line ?? row, problem: at?.problem ?? problem });
    }
    if (terminal.isTerminal) terminal.err(`\r${bar(done, total)} ${numberText(done)} of ${counted(total, 'row')} `);
  }
  if (terminal.isTerminal) terminal.err('\r\x1b[K');
  const taken = done - before - problems.length;
  if (args.json) terminal.out(`${JSON.stringify({ rows: done, taken, problems }, null, 2)}\n`);
  else {
    for (const { row, problem } of problems.slice(0, SHOWN_PROBLEMS)) terminal.err(`${file}: row ${row}: ${problem}\n`);
    if (problems.length > SHOWN_PROBLEMS) terminal.err(`… and ${numberText(problems.length - SHOWN_PROBLEMS)} more\n`);
    terminal.out(`${counted(taken, 'row')} imported, ${numberText(problems.length)} skipped\n`);
  }
  return problems.length === 0 ? 0 : 1;
}

/** Content and number of rows: the whole file is read once before anything is sent. */
async function survey(file: string): Promise<{ id: string; rows: number }> {
  const hash = createHash('sha256');
  let rows = 0;
  try {
    for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
    for await (const some of consentRows(file)) rows += some.length;
  } catch (error) {
    if (error instanceof SekishoError) throw error;
    throw usageError(`${file} cannot be read: ${errorText(error)}`, { cause: error });
  }
  return { id: hash.digest('hex'), rows };
}

/** The rows after the first `skip`, by the thousand. One that cannot be read is sent empty: it has its place in the count. */
async function* batches(file: string, skip: number): AsyncGenerator<{ from: number; rows: ConsentRow[] }> {
  let at = 0;
  let from = skip;
  let rows: ConsentRow[] = [];
  for await (const some of consentRows(file)) {
    for (const row of some) {
      if (at++ < skip) continue;
      rows.push(row);
      if (rows.length < IMPORT_ROWS) continue;
      yield { from, rows };
      from += rows.length;
      rows = [];
    }
  }
  if (rows.length > 0) yield { from, rows };
}

function bar(done: number, total: number): string {
  const filled = total === 0 ? 20 : Math.floor((20 * done) / total);
  return `[${'#'.repeat(filled)}${'.'.repeat(20 - filled)}]`;
}
