/**
 * The daily tallies in the PostgreSQL that the nodes of a fleet share, one row a day, node and counter; sums go over all nodes. What may
 * have been written or not (the connection broke at the commit) is written again under the same number, so that nothing counts twice.
 */
import { randomUUID } from 'node:crypto';
import { SekishoError } from '../errors/errors.ts';
import type { Engine } from '../fleet/engine/engine.ts';
import { storeError } from '../store/errors.ts';
import { InOrder } from '../store/store.ts';
import { labelsText, type Rise, type Tally, type TallyStore } from './tally-store.ts';

interface Batch {
  readonly id: string;
  readonly day: string;
  readonly rises: readonly Rise[];
}

export function openPostgresTallyStore(engine: Engine, node: string): TallyStore {
  const inOrder = new InOrder((reason, cause) =>
    storeError('SEKISHO_STORE_FAILED', `the daily tallies: ${reason}`, { cause }),
  );
  /** Of which nobody knows whether it was written. */
  let unsure: Batch | undefined;
  const settle = async () => {
    if (unsure) await write(engine, node, unsure);
    unsure = undefined;
  };
  return {
    add: (day, rises) =>
      inOrder.do(async () => {
        await settle();
        const batch = { id: randomUUID(), day, rises };
        try {
          await write(engine, node, batch);
        } catch (error) {
          if (!(error instanceof SekishoError) || !MAY_BE_THERE.includes(error.code)) throw error;
          unsure = batch;
          await settle().catch(() => {});
        }
      }),
    forgetBefore: (day) =>
      inOrder.do(async () => {
        await engine.query('DELETE FROM sekisho.tally WHERE day < $1', [day]);
        await engine.query("DELETE FROM sekisho.batch WHERE at < clock_timestamp() - interval '7 days'");
      }),
    between: (from, to) =>
      inOrder.do(async () => {
        const rows = await engine.query<Omit<Tally, 'labels'> & { labels: string }>(
          `SELECT name, labels, max(help) AS help, sum(count)::BIGINT AS count, count(DISTINCT day) AS days
           FROM sekisho.tally WHERE day BETWEEN $1 AND $2 GROUP BY name, labels
           ORDER BY name COLLATE "C", sum(count) DESC, labels COLLATE "C"`,
          [from, to],
        );
        return rows.map(({ labels, ...row }) => ({ ...row, labels: JSON.parse(labels) as Rise['labels'] }));
      }),
    close: () =>
      inOrder.close(async () => {
        await settle().catch(() => {});
      }),
  };
}

const MAY_BE_THERE = ['SEKISHO_ENGINE_UNSURE', 'SEKISHO_ENGINE_UNREPLICATED'];

function write(engine: Engine, node: string, { id, day, rises }: Batch): Promise<void> {
  return engine.transaction(async (session) => {
    const fresh = await session.query(
      "INSERT INTO sekisho.batch (store, id) VALUES ('tally', $1) ON CONFLICT DO NOTHING RETURNING id",
      [id],
    );
    if (fresh.length === 0) return;
    for (const { name, labels, help, count } of rises)
      await session.query(
        `INSERT INTO sekisho.tally (day, node, name, labels, help, count) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (day, node, name, labels) DO UPDATE SET count = tally.count + excluded.count, help = excluded.help`,
        [day, node, name, labelsText(labels), help, count],
      );
  });
}
