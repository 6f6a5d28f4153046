/**
 * SQLite for the control half of a plugin (`sekisho/plugin/store`): opened soundly or moved aside, closed in order. Kept apart
 * from the contract, because packet threads must not load it.
 */
export { appendOnly, closeDatabase, type Database, inTransaction, openDatabase } from '../store/database.ts';
