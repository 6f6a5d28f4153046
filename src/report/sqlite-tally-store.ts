/** The daily tallies in SQLite, `<data>/tally.db`. */
import { closeDatabase, inTransaction, openDatabase } from '../store/database.ts';
import { storeError } from '../store/errors.ts';
import { InOrder, type OpenedStore } from '../store/store.ts';
import { labelsText, type Rise, type Tally, type TallyStore } from './tally-store.ts';

export const TALLY_FILE = 'tally.db';

const SCHEMA = `CREATE TABLE IF NOT EXISTS tally (
  day TEXT NOT NULL, name TEXT NOT NULL, labels TEXT NOT NULL, help TEXT NOT NULL, count INTEGER NOT NULL,
  PRIMARY KEY (day, name, labels)
) WITHOUT ROWID`;

/** A damaged file is moved aside. Rejects with SekishoError where the file cannot be opened. */
export async function openSqliteTallyStore(file: string, wallMs: number): Promise<OpenedStore<TallyStore>> {
  const inOrder = new InOrder((reason, cause) =>
    storeError('SEKISHO_STORE_FAILED', `the daily tallies: ${reason}`, { cause }),
  );
  const { database, movedAside } = await inOrder.do(() =>
    openDatabase(file, { durability: 'normal', schema: SCHEMA }, wallMs),
  );
  const add = database.prepare(
    `INSERT INTO tally (day, name, labels, help, count) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET count = count + excluded.count, help = excluded.help`,
  );
  const forget = database.prepare('DELETE FROM tally WHERE day < ?');
  const sums = database.prepare(
    `SELECT name, labels, max(help) AS help, sum(count) AS count, count(*) AS days FROM tally
     WHERE day BETWEEN ? AND ? GROUP BY name, labels ORDER BY name, sum(count) DESC, labels`,
  );
  const store: TallyStore = {
    add: (day, rises) =>
      inOrder.do(() =>
        inTransaction(database, () => {
          for (const { name, labels, help, count } of rises) add.run(day, name, labelsText(labels), help, count);
        }),
      ),
    forgetBefore: (day) => inOrder.do(() => void forget.run(day)),
    between: (from, to) =>
      inOrder.do(() =>
        (sums.all(from, to) as (Omit<Tally, 'labels'> & { labels: string })[]).map(({ labels, ...row }) => ({
          ...row,
          labels: JSON.parse(labels) as Rise['labels'],
        })),
      ),
    close: () => inOrder.close(() => closeDatabase(database)),
  };
  return { store, movedAside };
}
