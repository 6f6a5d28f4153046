/** Every store on SQLite. Another engine gets a file like this one. */
import { dirname } from 'node:path';
import { openSqliteTallyStore, TALLY_FILE } from '../../src/report/sqlite-tally-store.ts';
import { openSqliteRuleStore, RULES_FILE } from '../../src/rules/sqlite-rule-store.ts';
import { ruleStoreSuite } from '../support/stores/rule-suite.ts';
import { sqliteEngine } from '../support/stores/sqlite.ts';
import { tallyStoreSuite } from '../support/stores/tally-suite.ts';

tallyStoreSuite(sqliteEngine(TALLY_FILE, (file) => openSqliteTallyStore(file, 0)));
ruleStoreSuite(sqliteEngine(RULES_FILE, (file) => openSqliteRuleStore(file, dirname(file), 0)));
