/**
 * Rows of consents out of the file of another system: `subscriber,purpose,opt-out|opt-in[,terms]`, read in the same forms as
 * the static ranges. With names in a first row the columns may stand in any order.
 */

import { subscriberOf } from '../ranges/exported-cell.ts';
import { type ColumnNames, type Columns, columnsOf, SUBSCRIBER_NAMES } from '../ranges/exported-columns.ts';
import { type ExportedRow, ExportedRows } from '../ranges/exported-rows.ts';
import { exportedLines } from '../ranges/exported-text.ts';

type ConsentColumn = 'subscriber' | 'purpose' | 'action' | 'terms';

const CONSENT_COLUMNS: ColumnNames<ConsentColumn> = {
  subscriber: SUBSCRIBER_NAMES,
  purpose: ['purpose', '目的', '利用目的'],
  action: ['action', 'consent', 'state', '同意', '操作', '同意状態'],
  terms: ['terms', 'termsversion', 'version', '約款', '約款版', '約款バージョン', '規約'],
};
const ORDER: readonly ConsentColumn[] = ['subscriber', 'purpose', 'action', 'terms'];
/** What the API takes of a cell. */
const MAX_CELL = 64;

export interface ConsentRow {
  /** The line on which it begins, from 1. */
  readonly line: number;
  /** Subscriber, purpose, action and, where it is there, terms. Empty cells where the row cannot be read. */
  readonly cells: readonly string[];
  /** Why it cannot be read. */
  readonly problem?: string;
}

/** The rows, a chunk of the file at a time. Rejects where the file cannot be read. */
export async function* consentRows(file: string): AsyncGenerator<ConsentRow[]> {
  const exported = new ExportedRows();
  let columns: Columns<ConsentColumn> | undefined;
  let begun = false;
  const take = (row: ExportedRow | undefined): ConsentRow[] => {
    if (!row || row.more) return [];
    if (!begun) {
      begun = true;
      columns = row.readings.map((cells) => columnsOf(cells, CONSENT_COLUMNS)).find(Boolean);
      if (columns) return [];
    }
    return [consentRow(row, columns)];
  };
  for await (const lines of exportedLines(file)) yield lines.flatMap((line) => take(exported.take(line)));
  yield take(exported.finish());
}

function consentRow({ line, readings, fault }: ExportedRow, columns: Columns<ConsentColumn> | undefined): ConsentRow {
  const unreadable = (problem: string): ConsentRow => ({ line, cells: ['', '', ''], problem });
  if (fault) return unreadable(fault);
  const read = readings.map((cells) => inOrder(cells, columns)).filter((cells) => cells !== undefined);
  if (columns?.unclear) return unreadable('columns whose names are not known, or that mean the same');
  const [first] = read;
  if (!first) return unreadable('not of the form subscriber,purpose,opt-out|opt-in[,terms]');
  const good = read.filter(([subscriber = '']) => subscriberOf(subscriber) !== undefined);
  if (new Set(good.map((cells) => cells.join('\t'))).size > 1) return unreadable('several ways to read its bytes');
  return good[0] ? { line, cells: good[0] } : unreadable('no subscriber number');
}

/** The cells in the order of the API. */
function inOrder(cells: readonly string[], columns: Columns<ConsentColumn> | undefined): string[] | undefined {
  const width = columns ? Object.keys(columns.places).length : ORDER.length;
  if (cells.length < 3 || cells.length > width) return undefined;
  const ordered = columns ? ORDER.map((column) => cells[columns.places[column] ?? cells.length] ?? '') : [...cells];
  if (ordered.length > 3 && ordered[3] === '') ordered.pop();
  return ordered.length >= 3 ? ordered.map((cell) => cell.slice(0, MAX_CELL)) : undefined;
}
