/** The anchor of one chain in the database of another: replacing one file is then always noticed in the other. */
import type { Anchor, AnchorPlace } from './anchor.ts';
import type { Database } from './guarded.ts';

/** The database has a table `anchor (chain TEXT PRIMARY KEY, body TEXT)`. */
export function tableAnchor(database: Database, chain: string, where: string): AnchorPlace {
  return {
    name: where,
    read() {
      const row = database.prepare('SELECT body FROM anchor WHERE chain = ?').get(chain) as
        | { body: string }
        | undefined;
      return row && (JSON.parse(row.body) as Anchor);
    },
    write(anchor) {
      database
        .prepare('INSERT INTO anchor VALUES (?, ?) ON CONFLICT (chain) DO UPDATE SET body = excluded.body')
        .run(chain, JSON.stringify(anchor));
    },
  };
}
