/** Every store on SQLite. Another engine gets a file like this one. */
import { openSqliteTallyStore, TALLY_FILE } from '../../src/report/sqlite-tally-store.ts';
import { sqliteEngine } from '../support/stores/sqlite.ts';
import { tallyStoreSuite } from '../support/stores/tally-suite.ts';

tallyStoreSuite(sqliteEngine(TALLY_FILE, (file) => openSqliteTallyStore(file, 0)));
