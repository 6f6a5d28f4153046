/** What may be done to a SQLite file with a hash chain, by somebody or by a disk: to the file of a server that runs, or is down. */
import { copyFileSync, existsSync, renameSync, rmSync, truncateSync } from 'node:fs';
import { Database } from '../../src/store/guarded.ts';

export interface Meddling {
  readonly name: string;
  /** `file.copy` is the file as it was some entries before, without a write-ahead log beside it. */
  meddle(file: string): void;
}

/** `table` with the chain, `number` its column that counts. */
export function meddlings(table: string, number: string): Meddling[] {
  const sql = (file: string, text: string) => {
    const database = new Database(file);
    database.exec(`DROP TRIGGER ${table}_is_not_altered; DROP TRIGGER ${table}_is_not_deleted; ${text}`);
    database.close();
  };
  const last = `(SELECT max(${number}) FROM ${table})`;
  return [
    { name: 'removed', meddle: removeDatabase },
    { name: 'unlinked alone', meddle: (file) => rmSync(file) },
    { name: 'cut at its end', meddle: (file) => sql(file, `DELETE FROM ${table} WHERE ${number} = ${last}`) },
    { name: 'rewritten', meddle: (file) => sql(file, `UPDATE ${table} SET who = 'x' WHERE ${number} = ${last} - 1`) },
    { name: 'robbed of its triggers', meddle: (file) => sql(file, '') },
    { name: 'emptied', meddle: (file) => sql(file, `DROP TABLE ${table}`) },
    {
      name: 'replaced by an older copy',
      meddle: (file) => {
        removeDatabase(file);
        copyFileSync(`${file}.copy`, file);
      },
    },
    {
      name: 'overwritten with an older copy',
      meddle: (file) => {
        copyFileSync(`${file}.copy`, file);
        // What is in the log would be put over the copy, and everything be as it was.
        rmSync(`${file}-wal`, { force: true });
      },
    },
    {
      name: 'moved to another name',
      meddle: (file) => {
        for (const part of ['', '-wal', '-shm'])
          if (existsSync(file + part)) renameSync(file + part, `${file}.elsewhere${part}`);
      },
    },
    {
      name: 'shortened as a file',
      meddle: (file) => {
        truncateSync(file, 4096);
        rmSync(`${file}-wal`, { force: true });
      },
    },
  ];
}

export function removeDatabase(file: string): void {
  for (const part of ['', '-wal', '-shm']) rmSync(file + part, { force: true });
}
