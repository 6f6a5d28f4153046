/**
 * What the server and its plugins counted, day by day, for the transparency report.
 *
 *   counters of all threads ──each minute──▶ what they rose by ──▶ (day, counter, labels) += rise
 *
 * Counters carry labels of the configuration and of fixed lists only, never a query's name, a client or a subscriber
 * (metrics/registry.ts), so nothing here can say who looked up what. A kill loses the last minute.
 */
import { join } from 'node:path';
import { errorText } from '../errors/errors.ts';
import type { CounterSample } from '../metrics/prometheus.ts';
import { closeDatabase, type Database, inTransaction, openDatabase } from '../store/database.ts';
import type { Clock } from '../time/clock.ts';

export const TALLY_FILE = 'tally.db';
/** Days that are kept: two years can be compared. */
export const KEPT_DAYS = 800;

const SCHEMA = `CREATE TABLE IF NOT EXISTS tally (
  day TEXT NOT NULL, name TEXT NOT NULL, labels TEXT NOT NULL, help TEXT NOT NULL, count INTEGER NOT NULL,
  PRIMARY KEY (day, name, labels)
) WITHOUT ROWID`;
const TICK_MS = 60_000;

/** How far one counter rose in a time. */
export interface Tally {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** What is counted, for people. */
  readonly help: string;
  readonly count: number;
  /** Days on which it rose. */
  readonly days: number;
}

interface TallyLogger {
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

export class TallyLog {
  readonly #database: Database | undefined;
  readonly #clock: Clock;
  readonly #log: TallyLogger;
  readonly #counters: () => readonly CounterSample[];
  /** What each counter showed at the last tick; a process begins at 0, as its counters do. */
  readonly #before = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;

  /** A file that cannot be opened says so; the report then lacks the days. */
  constructor(dataFolder: string, clock: Clock, log: TallyLogger, counters: () => readonly CounterSample[]) {
    this.#clock = clock;
    this.#log = log;
    this.#counters = counters;
    try {
      const opened = openDatabase(
        join(dataFolder, TALLY_FILE),
        { durability: 'normal', schema: SCHEMA },
        clock.wallMs(),
      );
      this.#database = opened.database;
      if (opened.movedAside !== undefined)
        log.error({ movedAside: opened.movedAside }, 'the daily tallies were damaged: moved aside, and begun anew');
    } catch (error) {
      log.error(
        { reason: errorText(error) },
        'daily tallies cannot be kept: transparency reports will lack these days',
      );
    }
    this.#timer = setInterval(() => this.tick(), TICK_MS);
    this.#timer.unref();
  }

  /** Add what the counters rose by since the last time to the present day (UTC). What the disk refuses is added the next time. */
  tick(): void {
    if (this.#database === undefined) return;
    const rises = this.#counters()
      .map((sample) => ({ ...sample, key: keyOf(sample), rise: sample.value - (this.#before.get(keyOf(sample)) ?? 0) }))
      .filter(({ rise }) => rise > 0);
    if (rises.length === 0) return;
    const day = dayOf(this.#clock.wallMs());
    try {
      inTransaction(this.#database, () => {
        const add = this.#database!.prepare(
          `INSERT INTO tally (day, name, labels, help, count) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET count = count + excluded.count, help = excluded.help`,
        );
        for (const { name, labels, help, rise } of rises) add.run(day, name, labelsText(labels), help, rise);
        const oldest = dayOf(this.#clock.wallMs() - KEPT_DAYS * 86_400_000);
        this.#database!.prepare('DELETE FROM tally WHERE day < ?').run(oldest);
      });
    } catch (error) {
      this.#log.warn({ reason: errorText(error) }, 'the daily tallies could not be written; tried again in a minute');
      return;
    }
    for (const { key, value } of rises) this.#before.set(key, value);
  }

  /** Sums of the days `from` to `to`, both included, as YYYY-MM-DD; by name, the largest first. */
  between(from: string, to: string): Tally[] {
    if (this.#database === undefined) return [];
    const rows = this.#database
      .prepare(
        `SELECT name, labels, max(help) AS help, sum(count) AS count, count(*) AS days FROM tally
         WHERE day BETWEEN ? AND ? GROUP BY name, labels ORDER BY name, sum(count) DESC, labels`,
      )
      .all(from, to) as { name: string; labels: string; help: string; count: number; days: number }[];
    return rows.map(({ labels, ...row }) => ({ ...row, labels: JSON.parse(labels) as Record<string, string> }));
  }

  close(): void {
    clearInterval(this.#timer);
    this.tick();
    if (this.#database) closeDatabase(this.#database);
  }
}

/** The day in UTC, YYYY-MM-DD. */
export function dayOf(wallMs: number): string {
  return new Date(wallMs).toISOString().slice(0, 10);
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.fromEntries(Object.entries(labels).sort(([one], [other]) => (one < other ? -1 : 1))));
}

function keyOf({ name, labels }: CounterSample): string {
  return `${name} ${labelsText(labels)}`;
}
