/**
 * Brings the schema `sekisho` of the fleet's PostgreSQL forward, one version after the other, never back. Whoever comes second waits for
 * the first. Nodes of the previous version go on while it happens: a step adds, and takes away only what no version still in
 * use reads (`worksWith`).
 */
import type { Engine } from '../engine/engine.ts';
import { engineError } from '../engine/errors.ts';
import { sqlStateOf } from '../engine/failures.ts';
import type { Session } from '../engine/session.ts';
import { MIGRATIONS } from './list.ts';
import type { Migration } from './migration.ts';

/** This program's version of the schema. */
export const SCHEMA_VERSION = MIGRATIONS.length;

export interface SchemaState {
  /** 0: the database has no schema of Sekisho. */
  readonly version: number;
  /** This program's. */
  readonly known: number;
  /** The oldest version whose programs may work with it. */
  readonly worksWith: number;
}

/** Any number; the same in every version, or two programs would migrate at once. */
const LOCK = 5_353_015;

const FIRST = `
  CREATE SCHEMA IF NOT EXISTS sekisho;
  CREATE TABLE IF NOT EXISTS sekisho.schema_version (
    version INTEGER PRIMARY KEY, works_with INTEGER NOT NULL, name TEXT NOT NULL, by_node TEXT NOT NULL,
    at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
  );`;

export async function schemaState(session: Session): Promise<SchemaState> {
  try {
    const [row] = await session.query<{ version: number; works_with: number }>(
      'SELECT version, works_with FROM sekisho.schema_version ORDER BY version DESC LIMIT 1',
    );
    return { version: row?.version ?? 0, known: SCHEMA_VERSION, worksWith: row?.works_with ?? 0 };
  } catch (error) {
    if (!['42P01', '3F000'].includes(sqlStateOf(error) ?? '')) throw error;
    return { version: 0, known: SCHEMA_VERSION, worksWith: 0 };
  }
}

/**
 * Resolves where this program can work with the schema as it is. Rejects with SEKISHO_FLEET_NOT_INITIALISED,
 * SEKISHO_FLEET_SCHEMA_OLDER, SEKISHO_FLEET_SCHEMA_NEWER, or as the engine does.
 */
export async function requireSchema(session: Session): Promise<SchemaState> {
  const state = await schemaState(session);
  const { version, known } = state;
  if (version === 0) throw engineError('SEKISHO_FLEET_NOT_INITIALISED', 'the database has no schema of Sekisho');
  if (version < known)
    throw engineError(
      'SEKISHO_FLEET_SCHEMA_OLDER',
      `the database has version ${version} of the schema, and this version of Sekisho needs ${known}`,
    );
  refuseNewer(state);
  return state;
}

/**
 * Bring the schema to this program's version; `node` is who does it. Returns the names of the steps taken, none where it stands there
 * already. Rejects with SEKISHO_FLEET_SCHEMA_NEWER, changing nothing, where it is newer than this program can work with.
 * `migrations`: for tests.
 */
export async function migrate(
  engine: Engine,
  node: string,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<string[]> {
  // Before the schema is there nobody can be asked for its version.
  const before = await schemaState(engine);
  refuseNewer({ ...before, known: migrations.length });
  return engine.transaction(async (session) => {
    await session.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
    await session.query(FIRST);
    const { version, worksWith } = await schemaState(session);
    refuseNewer({ version, worksWith, known: migrations.length });
    const steps = migrations.slice(version);
    for (const [i, { name, sql, worksWith = version + i }] of steps.entries()) {
      await session.query(sql);
      await session.query(
        'INSERT INTO sekisho.schema_version (version, works_with, name, by_node) VALUES ($1, $2, $3, $4)',
        [version + i + 1, worksWith, name, node],
      );
    }
    return steps.map(({ name }) => name);
  });
}

function refuseNewer({ version, worksWith, known }: SchemaState): void {
  if (version > known && worksWith > known)
    throw engineError(
      'SEKISHO_FLEET_SCHEMA_NEWER',
      `the database has version ${version} of the schema, which works with programs from version ${worksWith} on; this one knows ${known}`,
    );
}
