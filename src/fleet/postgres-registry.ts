/** The nodes of a fleet in PostgreSQL. */
import { z } from 'zod';
import type { Session } from './engine/session.ts';
import { fleetError } from './errors.ts';
import type { FleetView, NodeRow, Objection, Registry, Report } from './registry.ts';

const objections = z.array(z.object({ node: z.string(), seq: z.int(), hash: z.string() }));
const node = z.object({
  name: z.string(),
  id: z.string(),
  session: z.string(),
  beat: z.int(),
  fenceMs: z.int(),
  resting: z.boolean(),
  applied: z.int(),
  head: z.string(),
  facts: z.record(z.string(), z.unknown()),
  seenMs: z.number(),
});

const OBJECTIONS = `(SELECT coalesce(json_agg(json_build_object('node', node, 'seq', seq, 'hash', hash) ORDER BY node), '[]') FROM sekisho.objection)`;
const COMMON = `sekisho.engine() AS engine, (SELECT fleet::text FROM sekisho.identity) AS fleet,
  extract(epoch FROM clock_timestamp())::float8 * 1000 AS engine_ms, ${OBJECTIONS} AS objections`;

interface Common {
  readonly engine: string;
  readonly fleet: string;
  readonly engine_ms: number;
  readonly objections: Objection[];
}

export class PostgresRegistry implements Registry {
  readonly #engine: Session;

  constructor(engine: Session) {
    this.#engine = engine;
  }

  async read(): Promise<FleetView> {
    const [row] = await this.#engine.query<Common & { nodes: unknown }>(
      `SELECT ${COMMON}, (SELECT coalesce(json_agg(json_build_object('name', name, 'id', id, 'session', session, 'beat', beat,
         'fenceMs', fence_ms, 'resting', resting, 'applied', applied, 'head', head, 'facts', facts,
         'seenMs', extract(epoch FROM seen_at)::float8 * 1000) ORDER BY name), '[]') FROM sekisho.node) AS nodes`,
    );
    return { ...commonOf(row), nodes: taken(z.array(node), row?.nodes) };
  }

  async add({
    name,
    id,
    session,
    fenceMs,
    resting,
    applied,
    head,
    facts,
  }: Omit<NodeRow, 'seenMs' | 'beat'>): Promise<boolean> {
    const rows = await this.#engine.query(
      `INSERT INTO sekisho.node (name, id, session, fence_ms, resting, applied, head, facts)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (name) DO NOTHING RETURNING name`,
      [name, id, session, fenceMs, resting, applied, head, JSON.stringify(facts)],
    );
    return rows.length === 1;
  }

  async succeed(
    { name, id, session, fenceMs, resting, applied, head, facts }: Omit<NodeRow, 'seenMs' | 'beat'>,
    seen: Pick<NodeRow, 'session' | 'beat'>,
  ): Promise<boolean> {
    const rows = await this.#engine.query(
      `UPDATE sekisho.node SET session = $3, fence_ms = $4, resting = $5, applied = $6, head = $7, facts = $8, beat = beat + 1,
         seen_at = clock_timestamp()
       WHERE name = $1 AND id = $2 AND session = $9 AND beat = $10 RETURNING name`,
      [name, id, session, fenceMs, resting, applied, head, JSON.stringify(facts), seen.session, seen.beat],
    );
    return rows.length === 1;
  }

  async beat(name: string, session: string, { applied, head }: Report): ReturnType<Registry['beat']> {
    // Two statements: what is read next must be read after the beat is there for all to see.
    const [beaten] = await this.#engine.query<{ beat: boolean }>('SELECT sekisho.beat($1, $2, $3, $4) AS beat', [
      name,
      session,
      applied,
      head,
    ]);
    if (!beaten?.beat) return undefined;
    const [row] = await this.#engine.query<Common>(`SELECT ${COMMON}`);
    return commonOf(row);
  }

  async report(name: string, session: string, { applied, head }: Report): Promise<void> {
    await this.#engine.query('SELECT sekisho.report($1, $2, $3, $4)', [name, session, applied, head]);
  }

  async rest(name: string, session: string, resting: boolean): Promise<boolean> {
    const rows = await this.#engine.query(
      'UPDATE sekisho.node SET resting = $3, seen_at = clock_timestamp() WHERE name = $1 AND session = $2 RETURNING name',
      [name, session, resting],
    );
    return rows.length === 1;
  }

  async facts(name: string, session: string, facts: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#engine.query('UPDATE sekisho.node SET facts = $3 WHERE name = $1 AND session = $2', [
      name,
      session,
      JSON.stringify(facts),
    ]);
  }

  async object({ node: name, seq, hash }: Objection): Promise<void> {
    await this.#engine.query(
      `INSERT INTO sekisho.objection (node, seq, hash) VALUES ($1, $2, $3)
       ON CONFLICT (node) DO UPDATE SET seq = EXCLUDED.seq, hash = EXCLUDED.hash`,
      [name, seq, hash],
    );
  }

  async withdrawObjection(name: string): Promise<void> {
    await this.#engine.query('DELETE FROM sekisho.objection WHERE node = $1', [name]);
  }

  async forget(name: string, { session, beat }: Pick<NodeRow, 'session' | 'beat'>): Promise<boolean> {
    const rows = await this.#engine.query(
      'DELETE FROM sekisho.node WHERE name = $1 AND session = $2 AND beat = $3 RETURNING name',
      [name, session, beat],
    );
    return rows.length === 1;
  }
}

function commonOf(row: Common | undefined): Omit<FleetView, 'nodes'> {
  if (!row?.engine || !row.fleet) throw taken(z.never(), row);
  return {
    engine: row.engine,
    fleet: row.fleet,
    engineMs: row.engine_ms,
    objections: taken(objections, row.objections),
  };
}

/** What other nodes have written is not believed to be of the right form. */
function taken<Schema extends z.ZodType>(schema: Schema, value: unknown): z.infer<Schema> {
  const { data, success } = schema.safeParse(value);
  if (!success)
    throw fleetError('SEKISHO_FLEET_LEDGER_ALTERED', 'the tables of the nodes hold what no version of Sekisho writes');
  return data;
}
