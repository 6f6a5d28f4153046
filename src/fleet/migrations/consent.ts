/** The fleet's consent ledger: one chain without gaps, whose order is that of the commits. */
import type { Migration } from './migration.ts';

export const CONSENT: Migration = {
  name: 'consent ledger',
  sql: `
    CREATE TABLE sekisho.consent (
      seq BIGINT PRIMARY KEY, at_ms BIGINT NOT NULL, subscriber TEXT NOT NULL, purpose TEXT NOT NULL, action TEXT NOT NULL,
      who TEXT NOT NULL, channel TEXT NOT NULL, terms TEXT NOT NULL, reason TEXT NOT NULL, hash TEXT NOT NULL,
      change UUID NOT NULL, node TEXT NOT NULL
    );
    CREATE INDEX consent_by_change ON sekisho.consent (change);
    CREATE TABLE sekisho.consent_end (
      one BOOLEAN PRIMARY KEY DEFAULT true CHECK (one), seq BIGINT NOT NULL, hash TEXT NOT NULL
    ) WITH (fillfactor = 10);
    INSERT INTO sekisho.consent_end (seq, hash) VALUES (0, repeat('0', 64));
    CREATE TABLE sekisho.consent_import (id TEXT PRIMARY KEY, rows BIGINT NOT NULL);

    CREATE FUNCTION sekisho.no_change() RETURNS TRIGGER LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'the consent ledger is only ever added to'; END $$;
    CREATE TRIGGER consent_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON sekisho.consent
      FOR EACH STATEMENT EXECUTE FUNCTION sekisho.no_change();

    -- One statement, one message: no lock outlives it, whatever becomes of the node. The end's row is locked until the commit, so that
    -- whoever comes next continues what is committed: the order of the entries is that of the commits, without gaps.
    CREATE FUNCTION sekisho.append_consent(
      p_node TEXT, p_session TEXT, p_change UUID, p_seq BIGINT, p_hash TEXT, p_entries JSON, p_import TEXT, p_rows BIGINT,
      OUT outcome TEXT, OUT seq BIGINT, OUT hash TEXT
    ) LANGUAGE plpgsql AS $$
    DECLARE
      last RECORD;
    BEGIN
      PERFORM set_config('synchronous_commit', CASE current_setting('synchronous_commit')
        WHEN 'off' THEN 'on' WHEN 'local' THEN 'on' ELSE current_setting('synchronous_commit') END, true);
      SELECT e.seq, e.hash INTO last FROM sekisho.consent_end e FOR UPDATE;
      seq := last.seq; hash := last.hash;
      SELECT c.seq, c.hash INTO seq, hash FROM sekisho.consent c WHERE c.change = p_change ORDER BY c.seq DESC LIMIT 1;
      IF FOUND THEN
        outcome := 'recorded';
        -- Written, so that this commit too waits for the disk and the standby of that one.
        UPDATE sekisho.consent_end e SET seq = e.seq;
        RETURN;
      END IF;
      seq := last.seq; hash := last.hash;
      IF NOT EXISTS (SELECT FROM sekisho.node n WHERE n.name = p_node AND n.session = p_session) THEN
        outcome := 'stranger';
        RETURN;
      END IF;
      IF last.seq <> p_seq OR last.hash <> p_hash THEN
        outcome := 'moved';
        RETURN;
      END IF;
      INSERT INTO sekisho.consent
        SELECT r.*, p_change, p_node FROM json_to_recordset(p_entries) AS r(
          seq BIGINT, "atMs" BIGINT, subscriber TEXT, purpose TEXT, action TEXT, who TEXT, channel TEXT, terms TEXT, reason TEXT, hash TEXT);
      IF EXISTS (SELECT FROM sekisho.consent c WHERE c.seq > p_seq) THEN
        SELECT c.seq, c.hash INTO seq, hash FROM sekisho.consent c ORDER BY c.seq DESC LIMIT 1;
        UPDATE sekisho.consent_end e SET seq = append_consent.seq, hash = append_consent.hash;
      END IF;
      IF p_import IS NOT NULL THEN
        INSERT INTO sekisho.consent_import AS i VALUES (p_import, p_rows)
          ON CONFLICT (id) DO UPDATE SET rows = EXCLUDED.rows;
      END IF;
      PERFORM pg_notify('sekisho_consent', '');
      outcome := 'recorded';
    END $$;`,
};
