/** Notices of two nodes on one real PostgreSQL, which goes and comes back. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Postgres, postgresMissing } from '../../../test/support/postgres.ts';
import { PostgresPlaces, SILENT } from '../../../test/support/stores/postgres.ts';
import { Engine } from '../../fleet/engine/engine.ts';
import { FleetNotices } from './fleet-notices.ts';
import { openPostgresNotices } from './postgres-notice-store.ts';
import { IN_MEMORY } from './sqlite-ledger.ts';
import { openSqliteNotices } from './sqlite-notice-store.ts';

const notice = (lastMs: number, name?: string) => ({
  ...{ subscriber: '4711', category: 'c2', list: 'feed', lastMs, count: 1 },
  ...(name !== undefined && { name }),
});

describe.skipIf(postgresMissing() !== undefined)('notices of a fleet', () => {
  const places = new PostgresPlaces();
  let postgres: Postgres;
  let urlFile: string;
  const ends: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    postgres = await places.start();
    urlFile = await places.urlFile();
  });
  afterEach(async () => {
    await postgres.start();
    for (const end of ends.splice(0)) await end();
  });
  afterAll(() => places.stop());

  it('are one a subscriber and list, whichever node saw it, and nothing is lost while PostgreSQL is gone', async () => {
    const start = async (before: readonly ReturnType<typeof notice>[]) => {
      const engine = new Engine({ urlFile, name: 'a' }, SILENT);
      const own = openSqliteNotices(IN_MEMORY, 0).store;
      await own.add(before);
      const notices = new FleetNotices(openPostgresNotices(engine), own);
      ends.push(async () => {
        await notices.close();
        await engine.close();
      });
      return { notices, own };
    };
    // One of them had notices before it joined.
    const a = await start([notice(5, 'old.example')]);
    const b = await start([]);
    await a.notices.add([notice(10)]);
    await b.notices.add([notice(20, 'c2.example')]);
    expect(await a.own.list()).toEqual([]);
    expect(await b.notices.list()).toMatchObject([{ firstMs: 5, lastMs: 20, count: 3 }]);
    await postgres.kill();
    await a.notices.add([notice(30, 'gone.example')]);
    await a.notices.add([notice(40)]);
    await expect(a.notices.list()).rejects.toMatchObject({ code: 'SEKISHO_ENGINE_UNREACHABLE' });
    expect(await a.own.list()).toMatchObject([{ firstMs: 30, lastMs: 40, count: 2 }]);
    await postgres.start();
    await b.notices.add([notice(50)]);
    expect(await a.notices.list()).toMatchObject([{ firstMs: 5, lastMs: 50, count: 6 }]);
    expect((await b.notices.names('4711')).map(({ name }) => name)).toEqual([
      'gone.example',
      'c2.example',
      'old.example',
    ]);
    expect([await a.own.list(), await a.own.keepsNames()]).toEqual([[], false]);
    expect(await b.notices.deleteBefore(1000)).toEqual({ notices: 1, names: 3 });
  });
});
