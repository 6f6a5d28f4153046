/** What all nodes share besides consent and leases: rules, notices, tallies, the portal's sessions and links, heads of audit logs. */
import type { Migration } from './migration.ts';

export const SHARED_STORES: Migration = {
  name: 'rules, notices, tallies, portal, audit heads',
  sql: `
    CREATE TABLE sekisho.rule (
      number INTEGER PRIMARY KEY, key TEXT NOT NULL, running BOOLEAN NOT NULL, renewals INTEGER NOT NULL,
      state TEXT NOT NULL, rule JSONB NOT NULL
    );
    CREATE UNIQUE INDEX rule_running ON sekisho.rule (key) WHERE running;
    CREATE TABLE sekisho.rule_change (
      id BIGINT PRIMARY KEY, at BIGINT NOT NULL, node TEXT NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL,
      number INTEGER NOT NULL, origin TEXT NOT NULL, plugin TEXT NOT NULL, key TEXT NOT NULL, reason TEXT NOT NULL,
      rule JSONB NOT NULL
    );
    CREATE INDEX rule_change_by_key ON sekisho.rule_change (key);
    CREATE TABLE sekisho.rule_head (
      id BOOLEAN PRIMARY KEY DEFAULT true CHECK (id),
      change BIGINT NOT NULL DEFAULT 0, number INTEGER NOT NULL DEFAULT 0, kept_from BIGINT NOT NULL DEFAULT 0
    );
    INSERT INTO sekisho.rule_head DEFAULT VALUES;
    CREATE TABLE sekisho.rule_deletion (at BIGINT NOT NULL, before BIGINT NOT NULL, rows BIGINT NOT NULL);
    CREATE TABLE sekisho.rule_sight (
      node TEXT NOT NULL, number INTEGER NOT NULL, renewals INTEGER NOT NULL, state TEXT NOT NULL,
      matched BIGINT NOT NULL, at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (node, number)
    );

    CREATE TABLE sekisho.notice (
      subscriber TEXT NOT NULL, category TEXT NOT NULL, list TEXT NOT NULL,
      first_ms BIGINT NOT NULL, last_ms BIGINT NOT NULL, count BIGINT NOT NULL,
      PRIMARY KEY (subscriber, category, list)
    );
    CREATE INDEX notice_by_last ON sekisho.notice (last_ms);
    CREATE TABLE sekisho.notice_name (
      subscriber TEXT NOT NULL, list TEXT NOT NULL, name TEXT NOT NULL,
      first_ms BIGINT NOT NULL, last_ms BIGINT NOT NULL, count BIGINT NOT NULL,
      PRIMARY KEY (subscriber, list, name)
    );
    CREATE INDEX notice_name_by_last ON sekisho.notice_name (last_ms);

    CREATE TABLE sekisho.tally (
      day TEXT NOT NULL, node TEXT NOT NULL, name TEXT NOT NULL, labels TEXT NOT NULL, help TEXT NOT NULL, count BIGINT NOT NULL,
      PRIMARY KEY (day, node, name, labels)
    );
    CREATE TABLE sekisho.batch (
      store TEXT NOT NULL, id TEXT NOT NULL, at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (store, id)
    );
    CREATE INDEX batch_by_time ON sekisho.batch (at);

    CREATE TABLE sekisho.portal (
      id BOOLEAN PRIMARY KEY DEFAULT true CHECK (id), key BYTEA NOT NULL, since BIGINT NOT NULL
    );
    CREATE TABLE sekisho.portal_session (id BYTEA PRIMARY KEY, ends BIGINT NOT NULL);
    CREATE INDEX portal_session_by_end ON sekisho.portal_session (ends);
    CREATE TABLE sekisho.portal_link (id BYTEA PRIMARY KEY, ends BIGINT NOT NULL);
    CREATE INDEX portal_link_by_end ON sekisho.portal_link (ends);

    CREATE TABLE sekisho.chain_head (
      node TEXT NOT NULL, chain TEXT NOT NULL, version BIGINT NOT NULL, count BIGINT NOT NULL, anchor JSONB NOT NULL,
      at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (node, chain)
    );
    CREATE TABLE sekisho.audit_day (
      node TEXT NOT NULL, day TEXT NOT NULL, summary JSONB NOT NULL, PRIMARY KEY (node, day)
    );`,
};
