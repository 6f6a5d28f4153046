/** Every store on a real PostgreSQL: what SQLite promises (sqlite.test.ts), and what several nodes at once must not break. */
import { afterAll, beforeAll, describe } from 'vitest';
import { openPostgresTallyStore } from '../../src/report/postgres-tally-store.ts';
import { openPostgresRuleStore } from '../../src/rules/postgres-rule-store.ts';
import { openPostgresNotices } from '../../src/subscribers/consent/postgres-notice-store.ts';
import { postgresMissing } from '../support/postgres.ts';
import { noticeStoreSuite } from '../support/stores/notice-suite.ts';
import { PostgresPlaces } from '../support/stores/postgres.ts';
import { ruleStoreSuite } from '../support/stores/rule-suite.ts';
import { tallyStoreSuite } from '../support/stores/tally-suite.ts';

describe.skipIf(postgresMissing() !== undefined)('stores of a fleet', () => {
  const places = new PostgresPlaces();
  beforeAll(() => places.start());
  afterAll(() => places.stop());

  tallyStoreSuite(places.engineOf((engine) => openPostgresTallyStore(engine, 'tokyo-1')));
  ruleStoreSuite(places.engineOf((engine) => openPostgresRuleStore(engine, 'tokyo-1')));
  noticeStoreSuite(places.engineOf(openPostgresNotices));
});
