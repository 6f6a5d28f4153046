/** Every store on SQLite. Another engine gets a file like this one. */
import { dirname } from 'node:path';
import { AUDIT_FILE, AuditLog } from '../../src/audit/log.ts';
import { openSqliteTallyStore, TALLY_FILE } from '../../src/report/sqlite-tally-store.ts';
import { openSqliteRuleStore, RULES_FILE } from '../../src/rules/sqlite-rule-store.ts';
import { openSqliteLedger } from '../../src/subscribers/consent/sqlite-ledger.ts';
import { NOTICES_FILE, openSqliteNotices } from '../../src/subscribers/consent/sqlite-notice-store.ts';
import { LEASES_FILE } from '../../src/subscribers/leases/lease-archive.ts';
import { openInlineLeases } from '../../src/subscribers/leases/sqlite-lease-store.ts';
import { ManualClock } from '../../src/time/clock.ts';
import { auditStoreSuite } from '../support/stores/audit-suite.ts';
import { leaseStoreSuite } from '../support/stores/lease-suite.ts';
import { ledgerStoreSuite } from '../support/stores/ledger-suite.ts';
import { noticeStoreSuite } from '../support/stores/notice-suite.ts';
import { ruleStoreSuite } from '../support/stores/rule-suite.ts';
import { sqliteEngine } from '../support/stores/sqlite.ts';
import { tallyStoreSuite } from '../support/stores/tally-suite.ts';

tallyStoreSuite(sqliteEngine(TALLY_FILE, (file) => openSqliteTallyStore(file, 0)));
ruleStoreSuite(sqliteEngine(RULES_FILE, (file) => openSqliteRuleStore(file, dirname(file), 0)));
noticeStoreSuite(sqliteEngine(NOTICES_FILE, async (file) => openSqliteNotices(file, 0)));
ledgerStoreSuite(sqliteEngine('consent.db', async (file) => openSqliteLedger(file, () => 1234)));
leaseStoreSuite(sqliteEngine(LEASES_FILE, (file) => openInlineLeases(file, 0)));
auditStoreSuite(
  sqliteEngine(AUDIT_FILE, async (file) => {
    const store = new AuditLog(dirname(file), new ManualClock(), { info: () => {}, error: () => {} });
    return { store, movedAside: undefined };
  }),
);
