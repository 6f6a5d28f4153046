/** The end of a node's audit log in a real PostgreSQL: what the file alone cannot show. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Postgres, postgresMissing } from '../../test/support/postgres.ts';
import { PostgresPlaces, SILENT } from '../../test/support/stores/postgres.ts';
import { Engine } from '../fleet/engine/engine.ts';
import { ManualClock } from '../time/clock.ts';
import { AuditLog } from './log.ts';
import { anchorInFleet, headOf } from './postgres-anchor.ts';

const entry = (n: number) => ({
  who: 'a',
  role: 'operator',
  action: 'history.read',
  purpose: `ticket ${n}`,
  detail: {},
});

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe.skipIf(postgresMissing() !== undefined)('the audit log of a node', () => {
  const places = new PostgresPlaces();
  let postgres: Postgres;
  let urlFile: string;
  const ends: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    postgres = await places.start();
    urlFile = await places.urlFile();
  });
  afterEach(async () => {
    for (const end of ends.splice(0)) await end();
    await places.urlFile();
  });
  afterAll(() => places.stop());
  const newFolder = () => mkdtempSync(join(tmpdir(), 'audit-anchor-'));

  async function start(folder: string, node = 'tokyo-1') {
    const engine = new Engine({ urlFile, name: node }, SILENT);
    const log = new AuditLog(folder, new ManualClock(), SILENT);
    const endAnchor = anchorInFleet({ engine, node, chain: 'audit', log: SILENT }, log);
    engine.start();
    const head = async () => (await headOf(engine, node, 'audit'))?.count;
    let ended = false;
    const end = async () => {
      if (ended) return;
      ended = true;
      await log.close();
      await endAnchor();
      await engine.close();
    };
    ends.push(end);
    return {
      log,
      engine,
      head,
      end,
      record: (n: number) => log.record(entry(n)),
      up: () => until(() => engine.connected),
    };
  }

  it('is seen to be cut or replaced at the next start, together with every anchor beside it', async () => {
    const folder = newFolder();
    const first = await start(folder);
    await first.up();
    for (const n of [1, 2]) first.record(n);
    first.log.look();
    await until(async () => (await first.head()) === 2);
    await first.end();
    const older = newFolder();
    cpSync(folder, older, { recursive: true, preserveTimestamps: true });
    const second = await start(folder);
    await second.up();
    expect(second.log.damage).toBeUndefined();
    second.record(3);
    second.log.look();
    await until(async () => (await second.head()) === 3);
    await second.end();
    // The whole folder, anchors and all, as it was before: nothing in it contradicts it.
    rmSync(folder, { recursive: true });
    const back = await start(older);
    await until(() => back.log.damage !== undefined);
    expect(back.log.damage).toMatch(/older than it was|another file/);
    await back.end();
    const fresh = await start(newFolder());
    await until(() => fresh.log.damage !== undefined);
    expect(fresh.log.damage).toMatch(/another chain/);
    // Of another node that is nobody's business.
    const other = await start(newFolder(), 'tokyo-2');
    await other.up();
    other.record(1);
    other.log.look();
    await until(async () => (await other.head()) === 1);
    expect(other.log.damage).toBeUndefined();
  });

  it('is compared when PostgreSQL is back, and noted with what came meanwhile', async () => {
    await postgres.kill();
    const node = await start(newFolder());
    node.record(1);
    await postgres.start();
    await node.up();
    node.record(2);
    node.log.look();
    await until(async () => (await node.head()) === 2);
    await postgres.kill();
    await until(() => !node.engine.connected);
    node.record(3);
    node.log.look();
    await postgres.start();
    await until(async () => node.engine.connected && (await node.head()) === 3);
    expect(node.log.damage).toBeUndefined();
  });

  it('is seen, while it runs, to be written by a copy of the node', async () => {
    const folder = newFolder();
    const first = await start(folder);
    await first.up();
    first.record(1);
    first.log.look();
    await until(async () => (await first.head()) === 1);
    // Somebody who has a copy goes on with it.
    postgres.sql(
      `UPDATE sekisho.chain_head SET version = version + 100, count = 7, anchor = jsonb_set(anchor, '{count}', '7')`,
    );
    first.record(2);
    first.log.look();
    await until(() => first.log.damage !== undefined);
    expect(first.log.damage).toMatch(/another process notes the end of an audit log as node tokyo-1: 7 entries/);
  });
});
