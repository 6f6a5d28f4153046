/** What says which database this is: a new one, or another fleet's, is not taken for it. */
import type { Migration } from './migration.ts';

export const IDENTITY: Migration = {
  name: 'identity of the database',
  worksWith: 1,
  sql: `
    CREATE TABLE sekisho.identity (
      id BOOLEAN PRIMARY KEY DEFAULT true CHECK (id),
      fleet UUID NOT NULL DEFAULT gen_random_uuid(),
      made_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
    );
    INSERT INTO sekisho.identity DEFAULT VALUES;`,
};
