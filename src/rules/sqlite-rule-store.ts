/**
 * Rules in SQLite, below `<data>/rules/`: on the disk before anybody hears of a change (write-ahead log, `synchronous = FULL`).
 *
 *   rule    those that run, and those that ended within a day, one row a number
 *   change  append-only: who, when, what, why, and the rule as it was after it
 */
import { appendOnly, closeDatabase, inTransaction, openDatabase } from '../store/database.ts';
import { InOrder } from '../store/store.ts';
import { rulesError } from './errors.ts';
import { removeFormerStores, takeOverFormerStores } from './former-stores.ts';
import { type ChangeRow, changeOf, insertChange, keepRule, lastNumber, numberOf, readRules } from './rule-rows.ts';
import { type ChangeFilter, type OpenedRuleStore, RULE_ACTIONS, type RuleStore } from './rule-store.ts';

export const RULES_FOLDER = 'rules';
export const RULES_FILE = 'rules.db';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS rule (number INTEGER PRIMARY KEY, rule TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS change (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL, number INTEGER NOT NULL,
    origin TEXT NOT NULL, plugin TEXT NOT NULL, key TEXT NOT NULL, reason TEXT NOT NULL, rule TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS change_by_key ON change (key);
  CREATE TABLE IF NOT EXISTS kept (
    id INTEGER PRIMARY KEY CHECK (id = 1), before INTEGER NOT NULL, number INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS deletion (at INTEGER NOT NULL, before INTEGER NOT NULL, rows INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS taken_over (file TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT;
  ${appendOnly('deletion', 'the record of deletions')}
  ${appendOnly('change', 'the history of changes')}
  DROP TRIGGER change_is_not_deleted;
  CREATE TRIGGER change_is_not_deleted BEFORE DELETE ON change
    WHEN OLD.origin <> 'diagnosis' OR OLD.at >= coalesce((SELECT before FROM kept), 0)
    BEGIN SELECT RAISE(ABORT, 'the history of changes is append-only until its retention is over'); END;
`;

/**
 * Open the store at `file`. What former versions kept elsewhere below `dataFolder` is taken over. A damaged file is moved aside.
 * Rejects with SekishoError where a file cannot be used; nothing is lost by that.
 */
export async function openSqliteRuleStore(file: string, dataFolder: string, wallMs: number): Promise<OpenedRuleStore> {
  const inOrder = new InOrder((reason, cause) =>
    rulesError('SEKISHO_RULE_STORE', `the rules could not be kept: ${reason}`, { cause }),
  );
  const { database: db, ...opened } = await inOrder.do(() => {
    const options = { durability: 'full', schema: SCHEMA, check: readRules } as const;
    const { database, movedAside } = openDatabase(file, options, wallMs);
    try {
      const taken = takeOverFormerStores(dataFolder, database, wallMs);
      removeFormerStores(dataFolder, database);
      const aside = [movedAside, ...(taken?.movedAside ?? [])].filter((each) => each !== undefined);
      const takenOver = taken && { rules: taken.rules, changes: taken.changes };
      return { database, movedAside: aside.length === 0 ? undefined : aside.join(', '), takenOver };
    } catch (error) {
      database.close();
      throw error;
    }
  });
  const forget = db.prepare('DELETE FROM rule WHERE number = ?');
  const store: RuleStore = {
    rules: () => inOrder.do(() => readRules(db)),
    nextNumber: () => inOrder.do(() => lastNumber(db) + 1),
    commit: (changes) =>
      inOrder.do(() =>
        inTransaction(db, () => {
          for (const change of changes) {
            keepRule(db, change.rule);
            insertChange(db, change);
          }
        }),
      ),
    forget: (ids) =>
      inOrder.do(() =>
        inTransaction(db, () => {
          for (const id of ids) forget.run(numberOf(id));
        }),
      ),
    changes: (limit, filter) =>
      inOrder.do(() => {
        const { where, values } = condition(filter);
        const rows = db.prepare(`SELECT * FROM change ${where} ORDER BY id DESC LIMIT ?`).all(...values, limit);
        return (rows as ChangeRow[]).map(changeOf);
      }),
    deleteChanges: (beforeMs, atMs) =>
      inOrder.do(() => {
        const [before, at] = [Math.floor(beforeMs), Math.floor(atMs)];
        const rows = inTransaction(db, () => {
          db.prepare(
            'INSERT INTO kept (id, before, number) VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE SET before = max(before, excluded.before), number = max(number, excluded.number)',
          ).run(before, lastNumber(db));
          const { changes } = db.prepare("DELETE FROM change WHERE at < ? AND origin = 'diagnosis'").run(before);
          if (changes > 0)
            db.prepare('INSERT INTO deletion (at, before, rows) VALUES (?, ?, ?)').run(at, before, changes);
          return changes;
        });
        // Deleted pages are overwritten in the file; without this they would live on in the write-ahead log.
        if (rows > 0) db.pragma('wal_checkpoint(TRUNCATE)');
        return rows;
      }),
    close: () => inOrder.close(() => closeDatabase(db)),
  };
  return { store, ...opened };
}

function condition({ actions = RULE_ACTIONS, ...equal }: ChangeFilter = {}): { where: string; values: unknown[] } {
  const wanted = Object.entries(equal).filter(([, value]) => value !== undefined);
  const every = actions.length === RULE_ACTIONS.length;
  const conditions = [
    ...wanted.map(([column]) => `${column} = ?`),
    ...(every ? [] : [`action IN (${actions.map(() => '?').join(', ')})`]),
  ];
  return {
    where: conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`,
    values: [...wanted.map(([, value]) => value), ...(every ? [] : actions)],
  };
}
