/** Versions of lists by their content, and what was decided of each for all nodes. */
import type { Migration } from './migration.ts';

export const LIST_VERSIONS: Migration = {
  name: 'versions of lists',
  sql: `
    CREATE TABLE sekisho.list_version (
      list TEXT NOT NULL, sha256 TEXT NOT NULL, names BIGINT NOT NULL,
      state TEXT NOT NULL CHECK (state IN ('offered', 'canary', 'released', 'refused', 'taken-back')),
      node TEXT NOT NULL, why TEXT NOT NULL, offered_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
      at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (list, sha256)
    );`,
};
