/**
 * What the data folder knows of time, in `<data>/time.db`: the latest time that it has seen, which grounds of configurations have
 * ended, and when somebody set the time back. On the disk before anybody relies on it (`synchronous = FULL`).
 *
 * Where the mark is missing although the folder is in use, the newest file in it says how late it was at least.
 */
import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { errorText } from '../errors/errors.ts';
import { expiryMs, type Ground } from '../grounds/ground.ts';
import type { MarkStore } from '../time/latest-time.ts';
import { appendOnly, closeDatabase, type Database, openDatabase } from './database.ts';

export const TIME_FILE = 'time.db';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS mark (id INTEGER PRIMARY KEY CHECK (id = 1), at INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS ended (key TEXT PRIMARY KEY, until INTEGER NOT NULL, at INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS accepted (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL, who TEXT NOT NULL, reason TEXT NOT NULL
  ) STRICT;
  ${appendOnly('ended', 'the record of what has ended')}
  ${appendOnly('accepted', 'the record of times set back')}
`;

interface StoreLog {
  error(fields: object, text: string): void;
}

export class TimeStore implements MarkStore {
  readonly mark: number | undefined;
  readonly #db: Database | undefined;
  readonly #ended = new Set<string>();

  /** Never throws: without a store time is kept in memory, and the log says what that means. */
  constructor(dataFolder: string, log: StoreLog, wallMs = Date.now()) {
    const newest = newestFileMs(dataFolder);
    let mark: number | undefined;
    try {
      const { database, movedAside } = openDatabase(
        join(dataFolder, TIME_FILE),
        { durability: 'full', schema: SCHEMA },
        wallMs,
      );
      this.#db = database;
      if (movedAside !== undefined)
        log.error(
          { movedAside },
          'THE RECORD OF TIME WAS DAMAGED. It was moved aside; the newest file of the data folder says how late it was',
        );
      const [row] = database.prepare('SELECT at FROM mark').all() as { at: number }[];
      mark = row?.at;
      for (const { key } of database.prepare('SELECT key FROM ended').all() as { key: string }[]) this.#ended.add(key);
    } catch (error) {
      log.error(
        { reason: errorText(error) },
        'THE TIME CANNOT BE STORED on disk: after a restart what has ended may return',
      );
    }
    this.mark = mark ?? newest;
  }

  keepMark(wallMs: number): void {
    this.#db
      ?.prepare('INSERT INTO mark (id, at) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET at = max(at, excluded.at)')
      .run(Math.floor(wallMs));
  }

  accepted(fromMs: number, toMs: number, who: string, reason: string): void {
    if (!this.#db) throw new Error('the time store is not available; see the log');
    this.#db
      .prepare('INSERT INTO accepted (from_ms, to_ms, who, reason) VALUES (?, ?, ?, ?)')
      .run(Math.floor(fromMs), Math.floor(toMs), who, reason);
    this.#db
      .prepare('INSERT INTO mark (id, at) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET at = excluded.at')
      .run(Math.floor(toMs));
  }

  hasEnded(ground: Ground): boolean {
    return this.#ended.has(keyOf(ground));
  }

  /** Record that the ground has ended, once. Throws what the disk does. */
  recordEnd(ground: Ground, wallMs: number): void {
    const key = keyOf(ground);
    if (this.#ended.has(key)) return;
    this.#db
      ?.prepare('INSERT OR IGNORE INTO ended (key, until, at) VALUES (?, ?, ?)')
      .run(key, Math.floor(expiryMs(ground) ?? 0), Math.floor(wallMs));
    this.#ended.add(key);
  }

  close(): void {
    if (this.#db) closeDatabase(this.#db);
  }
}

/** The same ground stated again is the same ground; another end or another word makes it another one. */
function keyOf({ ended: _, ...stated }: Ground): string {
  const sorted = Object.entries(stated).sort(([one], [other]) => (one < other ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex');
}

/** When a file in the folder, or in a folder of it, was last written; undefined where there is none. */
function newestFileMs(folder: string, depth = 0): number | undefined {
  const times: number[] = [];
  for (const entry of entriesOf(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      const inside = depth < 1 ? newestFileMs(path, depth + 1) : undefined;
      if (inside !== undefined) times.push(inside);
    } else if (entry.isFile()) times.push(modifiedMs(path));
  }
  return times.length === 0 ? undefined : Math.max(...times);
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

function modifiedMs(path: string): number {
  try {
    return Math.floor(statSync(path).mtimeMs);
  } catch {
    return 0;
  }
}
