/** Places of stores in PostgreSQL. */
import { Engine } from '../../../src/fleet/engine/engine.ts';
import { migrate } from '../../../src/fleet/migrations/migrate.ts';
import type { OpenedStore, Store } from '../../../src/store/store.ts';
import { type Postgres, startPostgres } from '../postgres.ts';
import type { StoreEngine } from './store-suite.ts';

export const SILENT = { info: () => {}, warn: () => {}, error: () => {} };

/** One server and one database for all places of a file of tests: a new place takes everything of the one before away. */
export class PostgresPlaces {
  #server: Postgres | undefined;

  async start(): Promise<Postgres> {
    this.#server ??= await startPostgres();
    return this.#server;
  }

  async stop(): Promise<void> {
    await this.#server?.stop('SIGQUIT');
  }

  /** A file with the URL of the database, which has the schema and nothing in it. */
  async urlFile(): Promise<string> {
    const urlFile = (await this.start()).urlFile();
    const engine = new Engine({ urlFile, name: 'test' }, SILENT);
    await engine.query('DROP SCHEMA IF EXISTS sekisho CASCADE');
    await migrate(engine, 'test');
    await engine.close();
    return urlFile;
  }

  engineOf<S extends Store>(open: (engine: Engine) => S): StoreEngine<S> {
    return {
      name: 'PostgreSQL',
      place: async () => {
        const urlFile = await this.urlFile();
        const opened: S[] = [];
        const engines: Engine[] = [];
        return {
          async open(): Promise<OpenedStore<S>> {
            const engine = new Engine({ urlFile, name: 'tokyo-1' }, SILENT);
            engines.push(engine);
            const store = open(engine);
            opened.push(store);
            return { store, movedAside: undefined };
          },
          async remove() {
            for (const store of opened) await store.close().catch(() => {});
            for (const engine of engines) await engine.close();
          },
        };
      },
    };
  }
}
