/** The fleet's consent ledger in a real PostgreSQL. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Postgres, postgresMissing, startPostgres } from '../../../test/support/postgres.ts';
import { Engine } from '../../fleet/engine/engine.ts';
import { migrate } from '../../fleet/migrations/migrate.ts';
import { PostgresRegistry } from '../../fleet/postgres-registry.ts';
import { FIRST_HASH, type LedgerRecord } from '../consent/ledger-store.ts';
import { checkPage } from './chain-link.ts';
import { chained } from './fleet-ledger.ts';
import { PostgresConsentLog } from './postgres-consent-log.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });
const missing = postgresMissing();
const silent = { info: () => {}, warn: () => {} };
const START = { seq: 0, hash: FIRST_HASH };
const record = (subscriber: string): LedgerRecord => ({
  subscriber,
  purpose: 'c2',
  action: 'opt-out',
  who: 'o\'brien \\ "x"',
  channel: 'portal',
  terms: '2026-04',
  reason: '請求による — ticket 9\n',
});

describe.skipIf(missing)('the consent ledger of a fleet in PostgreSQL', () => {
  let postgres: Postgres;
  let engine: Engine;
  let log: PostgresConsentLog;

  beforeAll(async () => {
    postgres = await startPostgres();
    engine = new Engine({ urlFile: postgres.urlFile(postgres.createDatabase()), name: 'a' }, silent);
    await migrate(engine, 'a');
    const row = { name: 'a', id: 'f', session: 's', fenceMs: 1000, resting: true, applied: 0, head: '', facts: {} };
    await new PostgresRegistry(engine).add(row);
    log = new PostgresConsentLog(engine, 'a', 's');
  });
  afterAll(async () => {
    await engine.close();
    await postgres.stop();
  });

  it('takes what continues it, once, and tells whoever comes late where it ends', async () => {
    expect(await log.read(0, 10)).toEqual({ end: START, entries: [] });
    const entries = chained([record('1'), record('2')], START, 1234);
    const id = randomUUID();
    const end = { seq: 2, hash: entries[1]!.hash };
    expect(await log.append({ id, base: START, entries })).toEqual({ outcome: 'recorded', end });
    // Asked again, because the answer was lost.
    expect(await log.append({ id, base: START, entries })).toEqual({ outcome: 'recorded', end });
    const late = chained([record('3')], START, 1234);
    expect(await log.append({ id: randomUUID(), base: START, entries: late })).toEqual({ outcome: 'moved', end });
    const page = await log.read(0, 10);
    expect(page).toEqual({ end, entries });
    checkPage(START, page);
    expect((await log.read(1, 10)).entries.map(({ subscriber }) => subscriber)).toEqual(['2']);
    const stranger = new PostgresConsentLog(engine, 'a', 'another process');
    expect(await stranger.append({ id: randomUUID(), base: end, entries: [] })).toEqual({ outcome: 'stranger' });
  });

  it('keeps the order of commits, without gaps, when many append at once', async () => {
    await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        let base = START;
        const id = randomUUID();
        for (;;) {
          const said = await log.append({ id, base, entries: chained([record(`many-${i}`)], base, 1234) });
          if (said.outcome === 'recorded') return;
          if (said.outcome === 'moved') base = said.end;
        }
      }),
    );
    const page = await log.read(0, 100);
    expect(page.end.seq).toBe(42);
    checkPage(START, page);
    expect(new Set(page.entries.map(({ subscriber }) => subscriber)).size).toBe(42);
  });

  it('is only ever added to, also by hand', async () => {
    await expect(engine.query('DELETE FROM sekisho.consent')).rejects.toThrow(/PostgreSQL/);
    await expect(engine.query("UPDATE sekisho.consent SET action = 'opt-in'")).rejects.toThrow(/PostgreSQL/);
    expect((await log.read(0, 1)).end.seq).toBe(42);
  });

  it('remembers how far an import came, also where no row of it was taken', async () => {
    const { end } = await log.read(0, 0);
    await log.append({ id: randomUUID(), base: end, entries: [], progress: { id: 'crm', rows: 7 } });
    expect([await log.importedRows('crm'), await log.importedRows('other')]).toEqual([7, 0]);
    expect((await log.read(0, 0)).end).toEqual(end);
  });
});
