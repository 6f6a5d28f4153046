/** The audit log of a running server, as it lies on the disk. */
import { join } from 'node:path';
import { AUDIT_FILE } from '../../src/audit/log.ts';
import { openDatabase } from '../../src/store/database.ts';

export interface Entry {
  readonly sequence: number;
  readonly who: string;
  readonly role: string;
  readonly action: string;
  readonly purpose: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

const open = (dataFolder: string) =>
  openDatabase(join(dataFolder, AUDIT_FILE), { durability: 'full', schema: '' }, 0).database;

/** Entries after the one of that number, in their order. */
export function entriesAfter(dataFolder: string, sequence: number): Entry[] {
  const database = open(dataFolder);
  try {
    const rows = database.prepare('SELECT * FROM audit WHERE sequence > ? ORDER BY sequence').all(sequence);
    return (rows as (Omit<Entry, 'detail'> & { detail: string })[]).map((row) => ({
      ...row,
      detail: JSON.parse(row.detail) as Entry['detail'],
    }));
  } finally {
    database.close();
  }
}

export function lastSequence(dataFolder: string): number {
  return entriesAfter(dataFolder, 0).at(-1)?.sequence ?? 0;
}

/** While `work` runs nothing can be written into the log: another process holds its file, as a backup that hangs would. */
export async function whileUnwritable<Result>(dataFolder: string, work: () => Promise<Result>): Promise<Result> {
  const database = open(dataFolder);
  database.exec('BEGIN IMMEDIATE');
  try {
    return await work();
  } finally {
    database.exec('ROLLBACK');
    database.close();
  }
}
