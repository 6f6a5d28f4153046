/** This node's copy of the rules of its fleet, below `<data>/rules/`: on the disk before the node relies on it. */
import { closeDatabase, inTransaction, openDatabase } from '../store/database.ts';
import { InOrder } from '../store/store.ts';
import { rulesError } from './errors.ts';
import type { RulesCopy } from './fleet-rules.ts';
import { keepRule, readRules } from './rule-rows.ts';

export const FLEET_RULES_FILE = 'fleet-rules.db';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS rule (number INTEGER PRIMARY KEY, rule TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS seen (id INTEGER PRIMARY KEY CHECK (id = 1), at INTEGER NOT NULL) STRICT;
`;

/** A damaged file is moved aside: PostgreSQL has the rules. */
export async function openSqliteRulesCopy(
  file: string,
  wallMs: number,
): Promise<{ readonly copy: RulesCopy; readonly movedAside: string | undefined }> {
  const inOrder = new InOrder((reason, cause) =>
    rulesError('SEKISHO_RULE_STORE', `the copy of the fleet's rules: ${reason}`, { cause }),
  );
  const { database: db, movedAside } = await inOrder.do(() =>
    openDatabase(file, { durability: 'full', schema: SCHEMA, check: readRules }, wallMs),
  );
  return {
    movedAside,
    copy: {
      rules: () => inOrder.do(() => readRules(db)),
      seenMs: () => inOrder.do(() => (db.prepare('SELECT at FROM seen').all() as { at: number }[])[0]?.at ?? 0),
      replace: (rules, seenMs) =>
        inOrder.do(() =>
          inTransaction(db, () => {
            db.exec('DELETE FROM rule');
            for (const rule of rules) keepRule(db, rule);
            db.prepare('INSERT INTO seen VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET at = max(at, excluded.at)').run(
              Math.floor(seenMs),
            );
          }),
        ),
      close: () => inOrder.close(() => closeDatabase(db)),
    },
  };
}
