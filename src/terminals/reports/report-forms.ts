/**
 * The forms in which third parties report infected terminals: which column, or key of a JSON object, holds what. Columns are
 * matched without regard to case; the first of several names that is there counts.
 */
import type { Zone } from './report-time.ts';

export interface ReportColumns {
  /** Names of the column, the best one first; a key inside an object is written `source.ip`. */
  readonly address: readonly string[];
  readonly port: readonly string[];
  readonly time: readonly string[];
  /** What was seen: the name of the malware, or of the report. The first that is not empty counts. */
  readonly kind: readonly string[];
}

export interface ReportForm {
  readonly name: string;
  readonly syntax: 'csv' | 'json';
  readonly columns: ReportColumns;
  /** Of times without one. Absent: such a time is refused. */
  readonly zone?: Zone;
  /** What the rows are about, where no column says so. */
  readonly kind?: string;
  /** Who reports, for the records. */
  readonly source?: string;
}

const COLUMNS: ReportColumns = {
  address: [
    'address',
    'ip',
    'src_ip',
    'source_ip',
    'source.ip',
    'src',
    'ip_address',
    'origin.ip',
    '送信元ip',
    'ipアドレス',
  ],
  port: ['port', 'src_port', 'source_port', 'source.port', 'sport', 'origin.port', '送信元ポート', 'ポート番号'],
  time: [
    'time',
    'timestamp',
    'ts',
    'time.source',
    'time.observation',
    'observed',
    'seen',
    'origin.ts',
    '時刻',
    '検知日時',
    '日時',
  ],
  kind: [
    'kind',
    'infection',
    'malware',
    'malware.name',
    'family',
    'tag',
    'type',
    'classification.type',
    '種別',
    'マルウェア',
  ],
};

/**
 * Those that come along. `shadowserver`: event reports (`src_ip`, `src_port`) and older ones (`ip`, `port`), whose column
 * `timestamp` is in UTC by their definition. `sinkhole-log`: one JSON object a line, as sinkholes write their hits.
 */
export const REPORT_FORMS: readonly ReportForm[] = [
  { name: 'csv', syntax: 'csv', columns: COLUMNS },
  { name: 'json', syntax: 'json', columns: COLUMNS },
  {
    name: 'shadowserver',
    syntax: 'csv',
    columns: {
      address: ['src_ip', 'ip'],
      port: ['src_port', 'port'],
      time: ['timestamp'],
      kind: ['infection', 'family', 'tag', 'type'],
    },
    zone: 'UTC',
    source: 'shadowserver',
  },
  {
    name: 'sinkhole-log',
    syntax: 'json',
    columns: {
      address: ['src_ip', 'source_ip', 'origin.ip', 'client_ip', 'remote_ip', 'ip', 'src'],
      port: ['src_port', 'source_port', 'origin.port', 'client_port', 'remote_port', 'sport', 'port'],
      time: ['timestamp', 'ts', 'origin.ts', 'time', '@timestamp'],
      kind: ['infection', 'malware', 'family', 'botnet', 'tag', 'type'],
    },
    source: 'a sinkhole',
  },
];

/** One report, as it was written. */
export interface ReportRow {
  /** Of the file, from 1: line of a CSV, place in a JSON list. */
  readonly row: number;
  readonly address: string;
  readonly port: string;
  readonly time: string;
  readonly kind: string;
}

const MAX_CELL = 128;

/** The columns of a table by the names in its first row; or which of those needed are not there. */
export function placesOf(
  head: readonly string[],
  columns: ReportColumns,
): { readonly places: Record<keyof ReportColumns, number[]> } | { readonly missing: (keyof ReportColumns)[] } {
  const names = head.map((name) => name.trim().toLowerCase());
  const places = Object.fromEntries(
    (Object.keys(columns) as (keyof ReportColumns)[]).map((column) => [
      column,
      columns[column].map((name) => names.indexOf(name.toLowerCase())).filter((at) => at >= 0),
    ]),
  ) as Record<keyof ReportColumns, number[]>;
  const missing = (['address', 'time'] as const).filter((column) => places[column].length === 0);
  return missing.length > 0 ? { missing } : { places };
}

/** `cells`: of one row of the table. */
export function rowOfCells(
  row: number,
  cells: readonly string[],
  places: Record<keyof ReportColumns, number[]>,
): ReportRow {
  const first = (at: readonly number[]) =>
    cellOf(at.map((each) => cells[each]?.trim() ?? '').find((text) => text !== '') ?? '');
  return {
    row,
    address: first(places.address),
    port: first(places.port),
    time: first(places.time),
    kind: first(places.kind),
  };
}

/** `object`: one report of a JSON file. */
export function rowOfObject(row: number, object: unknown, columns: ReportColumns): ReportRow {
  const first = (names: readonly string[]) =>
    cellOf(names.map((name) => textOf(valueAt(object, name))).find((text) => text !== '') ?? '');
  return {
    row,
    address: first(columns.address),
    port: first(columns.port),
    time: first(columns.time),
    kind: first(columns.kind),
  };
}

function valueAt(object: unknown, name: string): unknown {
  if (typeof object !== 'object' || object === null) return undefined;
  const lower = name.toLowerCase();
  const found = Object.entries(object).find(([key]) => key.toLowerCase() === lower);
  if (found) return found[1];
  const dot = name.indexOf('.');
  return dot < 0 ? undefined : valueAt(valueAt(object, name.slice(0, dot)), name.slice(dot + 1));
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return textOf(value[0]);
  return typeof value === 'string' ? value.trim() : typeof value === 'number' ? String(value) : '';
}

/** Longer than any address, port, time or name is: it will not be read. */
function cellOf(text: string): string {
  return text.slice(0, MAX_CELL);
}

/**
 * What was seen, as it is kept and told: lower case, so that two reporters mean the same by it, and of letters that need no
 * escape anywhere.
 */
export function kindOf(text: string): string {
  const kind = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9._:+/-]+/g, '-')
    .replaceAll(/^[^a-z0-9]+|[^a-z0-9]+$/g, '')
    .slice(0, 64);
  return kind === '' ? 'unspecified' : kind;
}
