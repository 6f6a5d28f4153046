/** The last word of each session about its addresses, in the order of commits: what a node reads on from, and a new node from the beginning. */
import type { Migration } from './migration.ts';

export const LEASES: Migration = {
  name: 'leases',
  sql: `
    CREATE TABLE sekisho.lease (
      key TEXT PRIMARY KEY, change BIGINT NOT NULL, session TEXT NOT NULL, stamp BIGINT NOT NULL,
      at TIMESTAMPTZ NOT NULL, event JSON NOT NULL
    ) WITH (fillfactor = 70);
    CREATE INDEX lease_by_change ON sekisho.lease (change);
    CREATE INDEX lease_by_time ON sekisho.lease (at);
    CREATE TABLE sekisho.lease_end (id BOOLEAN PRIMARY KEY DEFAULT true CHECK (id), change BIGINT NOT NULL) WITH (fillfactor = 10);
    INSERT INTO sekisho.lease_end (change) VALUES (0);

    -- As with the ledger: the end's row is locked until the commit, so that the order of changes is that of commits.
    CREATE FUNCTION sekisho.append_leases(p_session TEXT, p_events JSON) RETURNS VOID LANGUAGE plpgsql AS $$
    DECLARE
      last BIGINT;
    BEGIN
      SELECT e.change INTO last FROM sekisho.lease_end e FOR UPDATE;
      INSERT INTO sekisho.lease AS l (key, change, session, stamp, at, event)
        SELECT DISTINCT ON (r.v ->> 'key') r.v ->> 'key', last + r.n, p_session, (r.v ->> 'stamp')::bigint, clock_timestamp(), r.v -> 'event'
        FROM json_array_elements(p_events) WITH ORDINALITY AS r(v, n) ORDER BY r.v ->> 'key', r.n DESC
        ON CONFLICT (key) DO UPDATE
          SET change = EXCLUDED.change, session = EXCLUDED.session, stamp = EXCLUDED.stamp, at = EXCLUDED.at, event = EXCLUDED.event
          -- A message that was late changes nothing.
          WHERE EXCLUDED.stamp = 0 OR l.stamp <= EXCLUDED.stamp;
      UPDATE sekisho.lease_end e SET change = last + json_array_length(p_events);
      PERFORM pg_notify('sekisho_lease', '');
    END $$;`,
};
