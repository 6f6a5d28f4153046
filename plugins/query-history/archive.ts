/**
 * What is kept on disk: a row of totals and a list of heavy hitters per kind for each minute and each hour. Everything here
 * blocks; it runs in a thread of its own (archive-thread.ts), and in tests as it is.
 *
 * A list is one compressed blob, not a row per name: nothing ever looks a name up across the whole history, and 35 days
 * take some ten megabytes instead of gigabytes. Single addresses are never written.
 */

import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { closeDatabase, type Database, inTransaction, openDatabase } from '../../src/contract/store.ts';
import { leaveNoTrace } from '../../src/store/database.ts';
import { type ImportedHour, type ImportOutcome, type ImportRecord, sliceOf } from './imported.ts';
import { ATTRIBUTES, KINDS, type Kind } from './layout.ts';
import { MIN_LINES } from './rounding.ts';
import { byKind, type Entry, emptySlice, mergeSlices, type Slice } from './slice.ts';
import { type KeptSlice, LEAST_QUERIES, type Resolution, SPAN_MS } from './spans.ts';
import type { Totals } from './totals.ts';

export { type KeptSlice, LEAST_QUERIES, type Resolution, SPAN_MS };

/** Entries of each kind that a row keeps. */
const KEPT_ENTRIES = 300;
const KEPT_KINDS = KINDS.filter((kind) => kind !== 'address');

const SCHEMA = `
CREATE TABLE IF NOT EXISTS spans (
  resolution TEXT NOT NULL, start INTEGER NOT NULL, seconds REAL NOT NULL, incident INTEGER NOT NULL, totals BLOB NOT NULL,
  PRIMARY KEY (resolution, start)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tops (
  resolution TEXT NOT NULL, kind TEXT NOT NULL, start INTEGER NOT NULL, floor REAL NOT NULL, entries BLOB NOT NULL,
  PRIMARY KEY (resolution, kind, start)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS imports (
  id TEXT PRIMARY KEY, at INTEGER NOT NULL, who TEXT NOT NULL, source TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS imported (
  start INTEGER PRIMARY KEY, import TEXT NOT NULL, figures BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS deletions (
  at INTEGER NOT NULL, dataset TEXT NOT NULL, before INTEGER NOT NULL, rows INTEGER NOT NULL
);`;

/** How long each data set is kept, in milliseconds. */
export interface Retention {
  readonly minutes: number;
  readonly hours: number;
  /** Everything about source networks, minutes and hours alike. */
  readonly sources: number;
}

export interface Deletion {
  readonly at: number;
  /** `minute/totals`, `hour/network`, … */
  readonly dataset: string;
  /** What began before this was deleted; wall-clock milliseconds. */
  readonly before: number;
  readonly rows: number;
}

export class Archive {
  readonly #database: Database;
  /** Something was deleted whose traces could not be removed yet. */
  #traces = false;
  /** Where a damaged file was moved to when this one was begun. */
  readonly movedAside: string | undefined;

  constructor(file: string, wallMs: number) {
    const { database, movedAside } = openDatabase(file, { durability: 'normal', schema: SCHEMA }, wallMs);
    this.#database = database;
    this.movedAside = movedAside;
  }

  /**
   * Keep a minute, or a part of one; its hour is brought up to date with it. What is there already for the same minute (the
   * clock was set back, or the server restarted) is added to: `seconds` says how much time the row stands for.
   */
  putMinute(slice: Slice, incident: boolean): void {
    inTransaction(this.#database, () => {
      const kept = withCoarseNetworks(slice);
      for (const resolution of ['minute', 'hour'] as const) {
        const start = Math.floor(slice.startMs / SPAN_MS[resolution]) * SPAN_MS[resolution];
        this.#add(resolution, start, kept, incident);
      }
    });
  }

  /** Rows that begin in [fromMs, toMs), oldest first, with the heavy hitters of `kinds`. */
  range(resolution: Resolution, fromMs: number, toMs: number, kinds: readonly Kind[] = KEPT_KINDS): KeptSlice[] {
    const rows = this.#database
      .prepare(
        'SELECT start, seconds, incident, totals FROM spans WHERE resolution = ? AND start >= ? AND start < ? ORDER BY start',
      )
      .all(resolution, fromMs, toMs) as { start: number; seconds: number; incident: number; totals: Buffer }[];
    const tops = new Map<number, { kind: Kind; floor: number; entries: Buffer }[]>();
    for (const kind of kinds) {
      const found = this.#database
        .prepare(
          'SELECT kind, start, floor, entries FROM tops WHERE resolution = ? AND kind = ? AND start >= ? AND start < ?',
        )
        .all(resolution, kind, fromMs, toMs) as { kind: Kind; start: number; floor: number; entries: Buffer }[];
      for (const row of found) tops.set(row.start, [...(tops.get(row.start) ?? []), row]);
    }
    return rows.map(({ start, seconds, incident, totals }) => {
      const lists = byKind<readonly Entry[]>(() => []);
      const floors = byKind(() => 0);
      for (const { kind, floor, entries } of tops.get(start) ?? []) {
        lists[kind] = entriesOf(entries);
        floors[kind] = floor;
      }
      const kept = unpacked(totals) as Totals;
      return { startMs: start, seconds, incident: incident !== 0, totals: kept, tops: lists, floors };
    });
  }

  /** Keep past figures from elsewhere, apart from what was measured; with `dryRun` only say what would become of them. */
  putImported(
    { id, atMs, who, source }: Pick<ImportRecord, 'id' | 'atMs' | 'who' | 'source'>,
    hours: readonly ImportedHour[],
    retentionMs: number,
    dryRun: boolean,
  ): ImportOutcome {
    const outcome = { accepted: 0, measured: 0, replaced: 0, tooOld: 0, future: 0 };
    inTransaction(this.#database, () => {
      const database = this.#database;
      const isMeasured = database.prepare(
        "SELECT 1 FROM spans WHERE resolution = 'hour' AND start = ? AND seconds >= 600",
      );
      const isThere = database.prepare('SELECT 1 FROM imported WHERE start = ?');
      const put = database.prepare('INSERT OR REPLACE INTO imported (start, import, figures) VALUES (?, ?, ?)');
      for (const hour of hours) {
        const start = Date.parse(hour.hour);
        if (start + SPAN_MS.hour > atMs) outcome.future++;
        else if (start < atMs - retentionMs) outcome.tooOld++;
        else if (isMeasured.get(start) !== undefined) outcome.measured++;
        else {
          outcome.accepted++;
          if (isThere.get(start) !== undefined) outcome.replaced++;
          if (!dryRun) put.run(start, id, packed(hour));
        }
      }
      if (dryRun || outcome.accepted === 0) return;
      database
        .prepare('INSERT OR IGNORE INTO imports (id, at, who, source) VALUES (?, ?, ?, ?)')
        .run(id, atMs, who, source);
    });
    return outcome;
  }

  /** Imported hours that begin in [fromMs, toMs), oldest first. */
  importedRange(fromMs: number, toMs: number): KeptSlice[] {
    const rows = this.#database
      .prepare('SELECT figures FROM imported WHERE start >= ? AND start < ? ORDER BY start')
      .all(fromMs, toMs) as { figures: Buffer }[];
    return rows.map(({ figures }) => sliceOf(unpacked(figures) as ImportedHour));
  }

  /** What was imported, by whom and from where; newest first. */
  imports(): ImportRecord[] {
    return this.#database
      .prepare(
        `SELECT id, at AS atMs, who, source, count(start) AS hours, coalesce(min(start), 0) AS fromMs, coalesce(max(start), 0) AS toMs
         FROM imports LEFT JOIN imported ON imported.import = imports.id GROUP BY id ORDER BY at DESC`,
      )
      .all() as ImportRecord[];
  }

  /** Take an import back. Returns how many hours went. */
  forgetImport(id: string): number {
    const { changes } = this.#database.prepare('DELETE FROM imported WHERE import = ?').run(id);
    this.#database.prepare('DELETE FROM imports WHERE id = ?').run(id);
    if (changes > 0) this.#traces = !leaveNoTrace(this.#database);
    return changes;
  }

  /** Delete what is older than `retention` allows, and keep a record of what was deleted. Returns the records of this time. */
  expire(nowMs: number, retention: Retention): Deletion[] {
    const made: Deletion[] = [];
    const remove = (dataset: string, before: number, statement: string, ...values: unknown[]) => {
      const { changes } = this.#database.prepare(statement).run(...values, before);
      if (changes > 0) made.push({ at: nowMs, dataset, before, rows: changes });
    };
    inTransaction(this.#database, () => {
      for (const resolution of ['minute', 'hour'] as const) {
        const own = nowMs - (resolution === 'minute' ? retention.minutes : retention.hours);
        remove(`${resolution}/totals`, own, 'DELETE FROM spans WHERE resolution = ? AND start < ?', resolution);
        for (const kind of KEPT_KINDS) {
          const before = kind === 'network' ? Math.max(own, nowMs - retention.sources) : own;
          const statement = 'DELETE FROM tops WHERE resolution = ? AND kind = ? AND start < ?';
          remove(`${resolution}/${kind}`, before, statement, resolution, kind);
        }
      }
      remove('hour/imported', nowMs - retention.hours, 'DELETE FROM imported WHERE start < ?');
      this.#database.exec('DELETE FROM imports WHERE id NOT IN (SELECT import FROM imported)');
      const insert = this.#database.prepare('INSERT INTO deletions (at, dataset, before, rows) VALUES (?, ?, ?, ?)');
      for (const { at, dataset, before, rows } of made) insert.run(at, dataset, before, rows);
      // The proof itself is kept ten times as long as the data.
      this.#database.prepare('DELETE FROM deletions WHERE at < ?').run(nowMs - retention.hours * 10);
    });
    // Where somebody reads just now, or the disk is full, with the next one.
    if (made.length > 0 || this.#traces) this.#traces = !leaveNoTrace(this.#database);
    return made;
  }

  /** The newest records of deletions, newest first. */
  deletions(limit: number): Deletion[] {
    return this.#database
      .prepare('SELECT at, dataset, before, rows FROM deletions ORDER BY at DESC, dataset LIMIT ?')
      .all(limit) as Deletion[];
  }

  /** Bytes of the database. */
  size(): number {
    const [[pages] = [0]] = this.#database.prepare('PRAGMA page_count').raw().all() as number[][];
    const [[size] = [0]] = this.#database.prepare('PRAGMA page_size').raw().all() as number[][];
    return (pages ?? 0) * (size ?? 0);
  }

  /** Let the file grow to so many pages at most: an operator's quota, and how a test fills a disk. */
  limitPages(pages: number): void {
    this.#database.pragma(`max_page_count = ${pages}`);
  }

  close(): void {
    closeDatabase(this.#database);
  }

  #add(resolution: Resolution, start: number, slice: Slice, incident: boolean): void {
    const [there] = this.range(resolution, start, start + 1);
    const own: Slice = { ...slice, startMs: start };
    const merged = there
      ? mergeSlices([there, own], KEPT_ENTRIES)
      : mergeSlices([emptySlice(start), own], KEPT_ENTRIES);
    this.#database
      .prepare('INSERT OR REPLACE INTO spans (resolution, start, seconds, incident, totals) VALUES (?, ?, ?, ?, ?)')
      .run(resolution, start, merged.seconds, there?.incident || incident ? 1 : 0, packed(merged.totals));
    const insert = this.#database.prepare(
      'INSERT OR REPLACE INTO tops (resolution, kind, start, floor, entries) VALUES (?, ?, ?, ?, ?)',
    );
    for (const kind of KEPT_KINDS) {
      const heavy = merged.tops[kind].filter(({ count }) => count >= LEAST_QUERIES);
      const left = merged.tops[kind].length > heavy.length ? LEAST_QUERIES : 0;
      insert.run(resolution, kind, start, Math.max(merged.floors[kind], left), packed(heavy.map(rowOf)));
    }
  }
}

/**
 * As networks are kept: those that many lines asked from alone, and in powers of four, so that the file does not tell by equal numbers
 * which of the names beside them were asked from where.
 */
function withCoarseNetworks(slice: Slice): Slice {
  const network = slice.tops.network
    .filter(({ distinct }) => distinct >= MIN_LINES)
    .map(({ key, count, distinct }): Entry => {
      const power = 4 ** Math.round(Math.log(Math.max(1, count)) / Math.log(4));
      return { key, count: power, attributes: ATTRIBUTES.map(() => 0), distinct: Math.min(distinct, MIN_LINES) };
    });
  return { ...slice, tops: { ...slice.tops, network } };
}

type PackedEntry = [key: string, count: number, distinct: number, ...attributes: number[]];

function rowOf({ key, count, distinct, attributes }: Entry): PackedEntry {
  return [key, Math.round(count), Math.round(distinct), ...attributes.map(Math.round)];
}

function entriesOf(blob: Buffer): Entry[] {
  return (unpacked(blob) as PackedEntry[]).map(([key, count, distinct, ...attributes]) => ({
    key,
    count,
    distinct,
    attributes,
  }));
}

function packed(value: unknown): Buffer {
  return deflateRawSync(JSON.stringify(value), { level: 3 });
}

function unpacked(blob: Buffer): unknown {
  return JSON.parse(inflateRawSync(blob).toString());
}
