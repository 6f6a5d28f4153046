/** Places of stores in SQLite: a folder each. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OpenedStore, Store } from '../../../src/store/store.ts';
import type { StoreEngine } from './store-suite.ts';

/** `fileName`: the database in the folder; `open` opens it. */
export function sqliteEngine<S extends Store>(
  fileName: string,
  open: (file: string) => Promise<OpenedStore<S>>,
): StoreEngine<S> {
  return {
    name: 'SQLite',
    async place() {
      const folder = mkdtempSync(join(tmpdir(), 'sekisho-store-'));
      const file = join(folder, fileName);
      const opened: S[] = [];
      return {
        async open() {
          const result = await open(file);
          opened.push(result.store);
          return result;
        },
        damage: async () => writeFileSync(file, 'this is no database, and was one before'.repeat(200)),
        async remove() {
          for (const store of opened) await store.close().catch(() => {});
          rmSync(folder, { recursive: true, force: true });
        },
      };
    },
  };
}
