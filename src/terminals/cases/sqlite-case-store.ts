/** Cases of infected terminals in SQLite, `<data>/terminals/cases.db`. */
import { randomBytes } from 'node:crypto';
import { closeDatabase, inTransaction, leaveNoTrace, openDatabase } from '../../store/database.ts';
import { storeError } from '../../store/errors.ts';
import { InOrder, type OpenedStore } from '../../store/store.ts';
import type { Case, CaseState } from './case.ts';
import { CASE_STATES } from './case.ts';
import type { AddOptions, CaseStore, Delivery, Sighting, SightingResult } from './case-store.ts';

export const CASES_FILE = 'cases.db';

/** No address, no port, no time of a lease: how somebody was found is not kept with whom (third report). */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS terminal_case (
    code TEXT PRIMARY KEY, subscriber TEXT NOT NULL, kind TEXT NOT NULL, sources TEXT NOT NULL,
    first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, reports INTEGER NOT NULL, state TEXT NOT NULL,
    opened_ms INTEGER NOT NULL, notices INTEGER NOT NULL, noticed_ms INTEGER NOT NULL, closed_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS case_by_subscriber ON terminal_case (subscriber, kind);
  CREATE TABLE IF NOT EXISTS delivery (
    code TEXT PRIMARY KEY, notice INTEGER NOT NULL, tries INTEGER NOT NULL, due_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS seen (hash TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS secret (id INTEGER PRIMARY KEY CHECK (id = 1), key TEXT NOT NULL) STRICT;
`;
const MAX_SOURCES = 8;
/** Of a delivery that is given up. */
const NEVER_MS = Number.MAX_SAFE_INTEGER;

interface Row {
  readonly code: string;
  readonly subscriber: string;
  readonly kind: string;
  readonly sources: string;
  readonly first_ms: number;
  readonly last_ms: number;
  readonly reports: number;
  readonly state: CaseState;
  readonly opened_ms: number;
  readonly notices: number;
  readonly noticed_ms: number;
  readonly closed_ms: number;
}

/** A damaged file is moved aside. Rejects with SekishoError where the file cannot be opened. */
export async function openSqliteCases(file: string, wallMs: number): Promise<OpenedStore<CaseStore>> {
  const inOrder = new InOrder((reason, cause) =>
    storeError('SEKISHO_STORE_FAILED', `cases of infected terminals: ${reason}`, { cause }),
  );
  const { database, movedAside } = await inOrder.do(() =>
    openDatabase(file, { durability: 'full', schema: SCHEMA }, wallMs),
  );
  await inOrder.do(() =>
    database.prepare('INSERT OR IGNORE INTO secret VALUES (1, ?)').run(randomBytes(32).toString('hex')),
  );
  const latest = database.prepare(
    'SELECT * FROM terminal_case WHERE subscriber = ? AND kind = ? ORDER BY opened_ms DESC, code LIMIT 1',
  );
  const byCode = database.prepare('SELECT * FROM terminal_case WHERE code = ?');
  const found = (code: string): Case | undefined => {
    const row = byCode.get(code) as Row | undefined;
    return row && caseOf(row);
  };

  const addOne = (sighting: Sighting, { nowMs, newCode, rehearse }: AddOptions): SightingResult => {
    const { subscriber, kind, source, observedMs, count, seen } = sighting;
    if (seen !== undefined && !rehearse) database.prepare('INSERT OR IGNORE INTO seen VALUES (?, ?)').run(seen, nowMs);
    const row = latest.get(subscriber, kind) as Row | undefined;
    if (row && (row.closed_ms === 0 || observedMs <= row.closed_ms)) {
      if (row.closed_ms !== 0) return 'over';
      const sources = sourcesOf(row);
      const all = sources.includes(source) || sources.length >= MAX_SOURCES ? sources : [...sources, source];
      database
        .prepare(
          `UPDATE terminal_case SET first_ms = min(first_ms, ?), last_ms = max(last_ms, ?), reports = reports + ?, sources = ?
           WHERE code = ?`,
        )
        .run(observedMs, observedMs, count, JSON.stringify(all), row.code);
      return 'added';
    }
    let code = newCode();
    while (found(code)) code = newCode();
    database
      .prepare("INSERT INTO terminal_case VALUES (?, ?, ?, ?, ?, ?, ?, 'new', ?, 0, 0, 0)")
      .run(code, subscriber, kind, JSON.stringify([source]), observedMs, observedMs, count, nowMs);
    return 'opened';
  };

  const store: CaseStore = {
    seenBefore: (hashes) =>
      inOrder.do(() => {
        const rows = database
          .prepare('SELECT hash FROM seen WHERE hash IN (SELECT value FROM json_each(?))')
          .all(JSON.stringify(hashes)) as { hash: string }[];
        return new Set(rows.map(({ hash }) => hash));
      }),
    seenKey: () =>
      inOrder.do(() => Buffer.from((database.prepare('SELECT key FROM secret').get() as { key: string }).key, 'hex')),
    add: (sightings, options) =>
      inOrder.do(() => {
        let results: SightingResult[] = [];
        try {
          inTransaction(database, () => {
            results = sightings.map((sighting) => addOne(sighting, options));
            if (options.rehearse) throw new Rehearsed();
          });
        } catch (error) {
          if (!(error instanceof Rehearsed)) throw error;
        }
        return results;
      }),
    find: (code) => inOrder.do(() => found(code)),
    list: ({ subscriber, state, closed = false }, limit) =>
      inOrder.do(() =>
        (
          database
            .prepare(
              `SELECT * FROM terminal_case WHERE (?1 IS NULL OR subscriber = ?1) AND (?2 IS NULL OR state = ?2)
               AND (?3 OR closed_ms = 0) ORDER BY last_ms DESC, code LIMIT ?4`,
            )
            .all(subscriber ?? null, state ?? null, Number(closed), limit) as Row[]
        ).map(caseOf),
      ),
    mark: (code, state, closedMs) =>
      inOrder.do(() => {
        inTransaction(database, () => {
          database
            .prepare('UPDATE terminal_case SET state = ?, closed_ms = ? WHERE code = ?')
            .run(state, closedMs, code);
          // Nobody is told of what is over.
          if (closedMs !== 0) database.prepare('DELETE FROM delivery WHERE code = ?').run(code);
        });
        return found(code);
      }),
    due: (remindBeforeMs, mostNotices, limit) =>
      inOrder.do(() =>
        (
          database
            .prepare(
              `SELECT * FROM terminal_case WHERE closed_ms = 0 AND (notices = 0 AND state = 'new'
               OR state IN ('notified', 'seen') AND notices < ?1 AND noticed_ms < ?2) ORDER BY opened_ms, code LIMIT ?3`,
            )
            .all(mostNotices, remindBeforeMs, limit) as Row[]
        ).map(caseOf),
      ),
    noticed: (codes, atMs) =>
      inOrder.do(() =>
        inTransaction(database, () => {
          for (const code of codes) {
            database
              .prepare(
                `UPDATE terminal_case SET notices = notices + 1, noticed_ms = ?,
                 state = CASE state WHEN 'new' THEN 'notified' ELSE state END WHERE code = ?`,
              )
              .run(atMs, code);
            database.prepare('DELETE FROM delivery WHERE code = ?').run(code);
          }
        }),
      ),
    end: (ms, atMs) =>
      inOrder.do(() => {
        // Of when the last report was taken in, as far as it is known: an old report opens a case that lasts.
        const { changes } = database
          .prepare('UPDATE terminal_case SET closed_ms = ? WHERE closed_ms = 0 AND max(last_ms, opened_ms) < ?')
          .run(atMs, ms);
        database
          .prepare('DELETE FROM delivery WHERE code IN (SELECT code FROM terminal_case WHERE closed_ms <> 0)')
          .run();
        return changes;
      }),
    enqueue: (codes, dueMs) =>
      inOrder.do(() =>
        inTransaction(database, () => {
          for (const code of codes)
            database
              .prepare(
                'INSERT OR IGNORE INTO delivery SELECT code, notices + 1, 0, ? FROM terminal_case WHERE code = ?',
              )
              .run(dueMs, code);
        }),
      ),
    deliveries: (dueMs, limit) =>
      inOrder.do(() =>
        (
          database
            .prepare('SELECT code, notice, tries, due_ms FROM delivery WHERE due_ms <= ? ORDER BY due_ms, code LIMIT ?')
            .all(dueMs, limit) as { code: string; notice: number; tries: number; due_ms: number }[]
        ).map(({ due_ms, ...delivery }): Delivery => ({ ...delivery, dueMs: due_ms })),
      ),
    deliverLater: (code, dueMs) =>
      inOrder.do(() => {
        database
          .prepare('UPDATE delivery SET tries = tries + 1, due_ms = ? WHERE code = ?')
          .run(dueMs ?? NEVER_MS, code);
      }),
    deleteClosedBefore: (ms) =>
      inOrder.do(() => {
        const { changes } = database
          .prepare('DELETE FROM terminal_case WHERE closed_ms <> 0 AND closed_ms < ?')
          .run(ms);
        if (changes > 0) leaveNoTrace(database);
        return changes;
      }),
    deleteSeenBefore: (ms) =>
      inOrder.do(() => {
        const { changes } = database.prepare('DELETE FROM seen WHERE at_ms < ?').run(ms);
        if (changes > 0) leaveNoTrace(database);
        return changes;
      }),
    figures: () =>
      inOrder.do(() => {
        const rows = database
          .prepare('SELECT state, count(*) AS count FROM terminal_case WHERE closed_ms = 0 GROUP BY state')
          .all() as { state: CaseState; count: number }[];
        const one = (sql: string, ...values: unknown[]) =>
          (database.prepare(sql).get(...values) as { count: number }).count;
        return {
          open: Object.fromEntries(
            CASE_STATES.map((state) => [state, rows.find((row) => row.state === state)?.count ?? 0]),
          ) as Record<CaseState, number>,
          closed: one('SELECT count(*) AS count FROM terminal_case WHERE closed_ms <> 0'),
          undelivered: one('SELECT count(*) AS count FROM delivery WHERE due_ms = ?', NEVER_MS),
          waiting: one('SELECT count(*) AS count FROM delivery WHERE due_ms <> ?', NEVER_MS),
        };
      }),
    close: () => inOrder.close(() => closeDatabase(database)),
  };
  return { store, movedAside };
}

/** Takes a transaction back after all of it was tried. */
class Rehearsed extends Error {}

function caseOf(row: Row): Case {
  return {
    code: row.code,
    subscriber: row.subscriber,
    kind: row.kind,
    sources: sourcesOf(row),
    firstMs: row.first_ms,
    lastMs: row.last_ms,
    reports: row.reports,
    state: row.state,
    openedMs: row.opened_ms,
    notices: row.notices,
    noticedMs: row.noticed_ms,
    closedMs: row.closed_ms,
  };
}

function sourcesOf({ sources }: Row): string[] {
  return JSON.parse(sources) as string[];
}
