/** Rows of reports out of a file: a table with named columns (RFC 4180), a JSON list, or one JSON object a line. */
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { parse } from 'csv-parse';
import { errorText, SekishoError } from '../../errors/errors.ts';
import { terminalsError } from '../errors.ts';
import {
  placesOf,
  type ReportColumns,
  type ReportForm,
  type ReportRow,
  rowOfCells,
  rowOfObject,
} from '../reports/report-forms.ts';

/** A list in one piece has to fit into memory; one object a line does not. */
const MAX_LIST_BYTES = 64 * 1024 * 1024;
const MAX_RECORD = 65_536;

/** Rejects with SekishoError SEKISHO_REPORT_FORM, with file and line. */
export async function* reportRows(
  file: string,
  form: Pick<ReportForm, 'syntax' | 'columns'>,
): AsyncGenerator<ReportRow> {
  try {
    yield* form.syntax === 'csv' ? tableRows(file, form.columns) : objectRows(file, form.columns);
  } catch (error) {
    if (error instanceof SekishoError) throw error;
    throw terminalsError('SEKISHO_REPORT_FORM', `${file}: ${errorText(error)}`, { cause: error });
  }
}

async function* tableRows(file: string, columns: ReportColumns): AsyncGenerator<ReportRow> {
  const records = createReadStream(file).pipe(
    parse({
      bom: true,
      delimiter: [',', ';', '\t'],
      relax_column_count: true,
      skip_empty_lines: true,
      comment: '#',
      comment_no_infix: true,
      max_record_size: MAX_RECORD,
      info: true,
    }),
  );
  let places: Record<keyof ReportColumns, number[]> | undefined;
  for await (const { record, info } of records as AsyncIterable<{ record: string[]; info: { lines: number } }>) {
    if (places) {
      yield rowOfCells(info.lines, record, places);
      continue;
    }
    const found = placesOf(record, columns);
    if ('missing' in found)
      throw terminalsError(
        'SEKISHO_REPORT_FORM',
        `${file}:${info.lines}: no column holds the ${found.missing.join(' and the ')}: looked for ${found.missing.map((column) => columns[column].join(', ')).join('; ')}; the columns there are ${record.slice(0, 20).join(', ')}`,
      );
    places = found.places;
  }
  if (!places) throw terminalsError('SEKISHO_REPORT_FORM', `${file}: is empty; its first row has to name the columns`);
}

async function* objectRows(file: string, columns: ReportColumns): AsyncGenerator<ReportRow> {
  if (await beginsWithList(file)) {
    const { size } = await stat(file);
    if (size > MAX_LIST_BYTES)
      throw terminalsError('SEKISHO_REPORT_FORM', `${file}: is too large for one list; write one object a line`);
    const list: unknown = JSON.parse(await readFile(file, 'utf8'));
    if (!Array.isArray(list)) throw terminalsError('SEKISHO_REPORT_FORM', `${file}: is no list of objects`);
    for (const [i, object] of list.entries()) yield rowOfObject(i + 1, object, columns);
    return;
  }
  let line = 0;
  for await (const text of createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })) {
    line++;
    if (text.trim() === '') continue;
    let object: unknown;
    try {
      object = JSON.parse(line === 1 ? text.replace(/^\ufeff/, '') : text);
    } catch (error) {
      throw terminalsError('SEKISHO_REPORT_FORM', `${file}:${line}: no JSON object: ${errorText(error)}`);
    }
    yield rowOfObject(line, object, columns);
  }
  if (line === 0) throw terminalsError('SEKISHO_REPORT_FORM', `${file}: is empty`);
}

async function beginsWithList(file: string): Promise<boolean> {
  for await (const chunk of createReadStream(file, { encoding: 'utf8', end: 4096 })) {
    return (chunk as string)
      .replace(/^\ufeff/, '')
      .trimStart()
      .startsWith('[');
  }
  return false;
}
