/**
 * Sees that nobody but us touches the files of an open database: taken away, replaced, written to. Costs a few stat(2) a
 * transaction. A connection alone notices none of it: on Linux it goes on writing into a file that has no name any more.
 */
import { type BigIntStats, statSync } from 'node:fs';
import type { Database } from './guarded.ts';

interface Seen {
  readonly main: BigIntStats | undefined;
  readonly wal: BigIntStats | undefined;
  readonly shm: BigIntStats | undefined;
}

export class WatchedFiles {
  readonly #file: string;
  readonly #database: Database;
  readonly #version: number;
  #seen: Seen;
  #fault: string | undefined;

  /** From now on `database`, open on `file`, is written by nobody else. */
  constructor(file: string, database: Database) {
    this.#file = file;
    this.#database = database;
    this.#version = this.#dataVersion();
    this.#seen = this.#look();
    database.watch = { before: () => void this.fault(), after: () => this.#wrote() };
  }

  /** What somebody else did to the files, as a sentence; it stays. */
  fault(): string | undefined {
    if (this.#fault !== undefined || !this.#database.open) return this.#fault;
    const { main, wal, shm } = this.#look();
    const before = this.#seen;
    this.#fault =
      replaced(before.main, main, 'the file') ??
      replaced(before.wal, wal, 'its write-ahead log') ??
      replaced(before.shm, shm, 'its index of the write-ahead log') ??
      written(before.main, main, 'the file') ??
      written(before.wal, wal, 'its write-ahead log') ??
      (this.#dataVersion() === this.#version ? undefined : 'another program wrote to it while the server ran');
    return this.#fault;
  }

  /** The file at the place, or its write-ahead log, is not the one that is open. */
  get isElsewhere(): boolean {
    const { main, wal, shm } = this.#look();
    const before = this.#seen;
    return [replaced(before.main, main, ''), replaced(before.wal, wal, ''), replaced(before.shm, shm, '')].some(
      (fault) => fault !== undefined,
    );
  }

  #wrote(): void {
    if (this.#database.open) this.#seen = this.#look();
  }

  #look(): Seen {
    const stat = (part: string) => statSync(this.#file + part, { bigint: true, throwIfNoEntry: false });
    return { main: stat(''), wal: stat('-wal'), shm: stat('-shm') };
  }

  /** Changes where another connection commits, and never by our own commits. */
  #dataVersion(): number {
    return (this.#database.prepare('PRAGMA data_version').get() as { data_version: number }).data_version;
  }
}

function replaced(before: BigIntStats | undefined, now: BigIntStats | undefined, what: string): string | undefined {
  if (!before) return undefined;
  if (!now) return `${what} was removed while the server ran`;
  return now.ino === before.ino && now.dev === before.dev ? undefined : `${what} was replaced while the server ran`;
}

function written(before: BigIntStats | undefined, now: BigIntStats | undefined, what: string): string | undefined {
  if (now?.size === before?.size && now?.mtimeNs === before?.mtimeNs) return undefined;
  return `${what} was written to by another program while the server ran`;
}
