/** Who belongs to the fleet, how far each has come, and who remembers more than the database. */
import type { Migration } from './migration.ts';

export const NODES: Migration = {
  name: 'nodes of the fleet',
  sql: `
    CREATE TABLE sekisho.node (
      name TEXT PRIMARY KEY CHECK (name ~ '^[a-z0-9-]{1,32}$'),
      id TEXT NOT NULL, session TEXT NOT NULL,
      beat BIGINT NOT NULL DEFAULT 0, fence_ms INTEGER NOT NULL CHECK (fence_ms BETWEEN 1 AND 60000),
      resting BOOLEAN NOT NULL,
      applied BIGINT NOT NULL, head TEXT NOT NULL,
      facts JSONB NOT NULL CHECK (octet_length(facts::text) <= 100000),
      seen_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
    ) WITH (fillfactor = 50);
    CREATE TABLE sekisho.objection (
      node TEXT PRIMARY KEY REFERENCES sekisho.node ON DELETE CASCADE,
      seq BIGINT NOT NULL, hash TEXT NOT NULL, at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
    );
    CREATE FUNCTION sekisho.engine() RETURNS TEXT LANGUAGE sql STABLE AS $$
      SELECT concat_ws(' ', pg_postmaster_start_time(), 'sekisho.node'::regclass::oid,
        CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END) $$;
    CREATE FUNCTION sekisho.beat(p_name TEXT, p_session TEXT, p_applied BIGINT, p_head TEXT)
    RETURNS BOOLEAN LANGUAGE plpgsql AS $$
    BEGIN
      -- Seen by all when it returns; a beat that a crash takes away shows by the engine's identity.
      PERFORM set_config('synchronous_commit', 'off', true);
      UPDATE sekisho.node SET beat = beat + 1, applied = p_applied, head = p_head, seen_at = clock_timestamp()
        WHERE name = p_name AND session = p_session;
      RETURN FOUND;
    END $$;
    CREATE FUNCTION sekisho.report(p_name TEXT, p_session TEXT, p_applied BIGINT, p_head TEXT)
    RETURNS VOID LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM set_config('synchronous_commit', 'off', true);
      UPDATE sekisho.node SET applied = p_applied, head = p_head, seen_at = clock_timestamp()
        WHERE name = p_name AND session = p_session AND applied <> p_applied;
      PERFORM pg_notify('sekisho_applied', '');
    END $$;`,
};
