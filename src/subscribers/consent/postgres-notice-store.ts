/** Notices in the PostgreSQL that the nodes of a fleet share: a subscriber has one notice a list, whichever node saw it. */
import type { Engine } from '../../fleet/engine/engine.ts';
import type { Session } from '../../fleet/engine/session.ts';
import { storeError } from '../../store/errors.ts';
import { InOrder } from '../../store/store.ts';
import {
  type DeletedNotices,
  MAX_NAMES,
  type Notice,
  type NoticeAddition,
  type NoticeName,
  type NoticeStore,
} from './notice-store.ts';

type Times<Row> = Omit<Row, 'firstMs' | 'lastMs'> & { readonly first_ms: number; readonly last_ms: number };

/** A name, and of whom. */
export interface KeptName extends NoticeName {
  readonly subscriber: string;
}

export interface PostgresNotices extends NoticeStore {
  /** As `add`, in one transaction under the number `batch`, which is taken once: a second time changes nothing. */
  addOnce(batch: string, additions: readonly NoticeAddition[]): Promise<void>;
  /** The same of what a node kept on its own disk meanwhile, with the times that it has. */
  bringOnce(batch: string, notices: readonly Notice[], names: readonly KeptName[]): Promise<void>;
}

export function openPostgresNotices(engine: Engine): PostgresNotices {
  const inOrder = new InOrder((reason, cause) => storeError('SEKISHO_STORE_FAILED', `notices: ${reason}`, { cause }));
  const remove = async (session: Session, table: 'notice' | 'notice_name', ms: number) => {
    const [row] = await session.query<{ n: number }>(
      `WITH gone AS (DELETE FROM sekisho.${table} WHERE last_ms < $1 RETURNING 1) SELECT count(*) AS n FROM gone`,
      [ms],
    );
    return row?.n ?? 0;
  };
  /** Rows that were deleted lie in the file until they are cleaned out; the write-ahead log of PostgreSQL is its own. */
  const clean = async (deleted: DeletedNotices) => {
    if (deleted.notices + deleted.names > 0)
      for (const table of ['notice', 'notice_name']) await engine.query(`VACUUM sekisho.${table}`);
    return deleted;
  };
  const once = (batch: string, work: (session: Session) => Promise<void>) =>
    inOrder.do(() =>
      engine.transaction(async (session) => {
        const fresh = await session.query(
          "INSERT INTO sekisho.batch (store, id) VALUES ('notice', $1) ON CONFLICT DO NOTHING RETURNING id",
          [batch],
        );
        if (fresh.length > 0) await work(session);
      }),
    );
  return {
    addOnce: (batch, additions) =>
      once(batch, async (session) => {
        for (const addition of sorted(additions)) await addOne(session, addition);
      }),
    bringOnce: (batch, notices, names) =>
      once(batch, async (session) => {
        for (const notice of sorted(notices)) await bringNotice(session, notice);
        for (const name of names) await bringName(session, name);
      }),
    async add(additions) {
      if (additions.length === 0) return;
      await inOrder.do(() =>
        engine.transaction(async (session) => {
          // Nodes take rows in the same order, or they would wait for each other.
          for (const addition of sorted(additions)) await addOne(session, addition);
        }),
      );
    },
    list: (subscriber, limit = 1000) =>
      inOrder.do(async () => {
        const rows = await engine.query<Times<Notice>>(
          'SELECT * FROM sekisho.notice WHERE $1::TEXT IS NULL OR subscriber = $1 ORDER BY last_ms DESC LIMIT $2',
          [subscriber ?? null, limit],
        );
        return rows.map(withTimes<Notice>);
      }),
    names: (subscriber) =>
      inOrder.do(async () => {
        const rows = await engine.query<Times<NoticeName>>(
          `SELECT list, name, first_ms, last_ms, count FROM sekisho.notice_name WHERE subscriber = $1
           ORDER BY last_ms DESC, name COLLATE "C"`,
          [subscriber],
        );
        return rows.map(withTimes<NoticeName>);
      }),
    keepsNames: () =>
      inOrder.do(async () => (await engine.query('SELECT 1 FROM sekisho.notice_name LIMIT 1')).length > 0),
    deleteBefore: (ms) =>
      inOrder.do(async () =>
        clean(
          await engine.transaction(async (session) => ({
            notices: await remove(session, 'notice', ms),
            names: await remove(session, 'notice_name', ms),
          })),
        ),
      ),
    deleteNamesBefore: (ms) =>
      inOrder.do(async () =>
        clean(
          await engine.transaction(async (session) => ({
            notices: 0,
            names: await remove(session, 'notice_name', ms),
          })),
        ),
      ),
    close: () => inOrder.close(() => {}),
  };
}

async function addOne(session: Session, { subscriber, category, list, lastMs, count, name }: NoticeAddition) {
  await session.query(
    `INSERT INTO sekisho.notice VALUES ($1, $2, $3, $4, $4, $5) ON CONFLICT (subscriber, category, list)
     DO UPDATE SET last_ms = excluded.last_ms, count = notice.count + excluded.count`,
    [subscriber, category, list, lastMs, count],
  );
  // The row of the notice is locked by now: no other node adds a name to it meanwhile.
  if (name !== undefined)
    await session.query(
      `INSERT INTO sekisho.notice_name SELECT $1, $2, $3::TEXT, $4::BIGINT, $4::BIGINT, $5::BIGINT WHERE
         (SELECT count(*) FROM sekisho.notice_name WHERE subscriber = $1 AND list = $2) < ${MAX_NAMES}
         OR EXISTS (SELECT 1 FROM sekisho.notice_name WHERE subscriber = $1 AND list = $2 AND name = $3)
       ON CONFLICT (subscriber, list, name) DO UPDATE SET last_ms = excluded.last_ms, count = notice_name.count + excluded.count`,
      [subscriber, list, name, lastMs, count],
    );
}

async function bringNotice(session: Session, { subscriber, category, list, firstMs, lastMs, count }: Notice) {
  await session.query(
    `INSERT INTO sekisho.notice VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (subscriber, category, list)
     DO UPDATE SET first_ms = least(notice.first_ms, excluded.first_ms),
       last_ms = greatest(notice.last_ms, excluded.last_ms), count = notice.count + excluded.count`,
    [subscriber, category, list, firstMs, lastMs, count],
  );
}

async function bringName(session: Session, { subscriber, list, name, firstMs, lastMs, count }: KeptName) {
  await session.query(
    `INSERT INTO sekisho.notice_name SELECT $1, $2, $3::TEXT, $4::BIGINT, $5::BIGINT, $6::BIGINT WHERE
       (SELECT count(*) FROM sekisho.notice_name WHERE subscriber = $1 AND list = $2) < ${MAX_NAMES}
       OR EXISTS (SELECT 1 FROM sekisho.notice_name WHERE subscriber = $1 AND list = $2 AND name = $3)
     ON CONFLICT (subscriber, list, name) DO UPDATE SET first_ms = least(notice_name.first_ms, excluded.first_ms),
       last_ms = greatest(notice_name.last_ms, excluded.last_ms), count = notice_name.count + excluded.count`,
    [subscriber, list, name, firstMs, lastMs, count],
  );
}

function sorted<Row extends Pick<Notice, 'subscriber' | 'category' | 'list'>>(additions: readonly Row[]): Row[] {
  const keyOf = ({ subscriber, category, list }: Row) => `${subscriber}\n${category}\n${list}`;
  return [...additions].sort((one, other) => {
    const [a, b] = [keyOf(one), keyOf(other)];
    return a < b ? -1 : a > b ? 1 : 0;
  });
}

function withTimes<Row>({ first_ms, last_ms, ...row }: Times<Row>): Row {
  return { ...row, firstMs: first_ms, lastMs: last_ms } as unknown as Row;
}
