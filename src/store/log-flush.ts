/**
 * Brings what was committed to the disk, off the main thread: for databases of `durability: 'flushed'` (database.ts), of which
 * several are flushed side by side.
 *
 * Why that is as durable as SQLite's own `synchronous = FULL`, which is a flush of the write-ahead log within each COMMIT and
 * differs from `NORMAL` in nothing else:
 *  - A commit is in the log, or, after a checkpoint, in the main file. NORMAL flushes the log before a checkpoint copies anything
 *    out of it, and the main file before the log may be written from its beginning again (sqlite.org/wal.html, "Performance
 *    Considerations"). So whichever holds the commit when `flush` is called, once the log is flushed it is on the disk.
 *  - A log that starts over gets another salt in its header, which NORMAL flushes before the first frame, with the folder's entry
 *    where the file is new: old frames behind new ones are never taken for a continuation.
 *  - After a loss of power, SQLite reads the log up to the last commit whose frames are whole. Commits that were not flushed yet
 *    are lost from the end only, and nobody was told of them.
 * test/faults/power-cut.test.ts cuts the power at every system call.
 *
 * A flush that fails cannot be made up for: Linux may take pages that it could not write for written (fsync(2), EIO). Whoever
 * gets an error must hold the file for damaged.
 */
import { closeSync, fdatasync, fdatasyncSync, openSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Database } from './guarded.ts';
import { JoinedFlush } from './joined-flush.ts';

const fdatasyncSoon = promisify(fdatasync);

export class LogFlush {
  readonly #fd: number;
  readonly #joined = new JoinedFlush(() => this.#flush());
  #closing = false;
  #closed = false;

  /**
   * For the database that is open on `file`, whose log is there from the first read on. A descriptor of the log beside SQLite's
   * own is harmless: it locks the main file and the index of the log, not the log.
   */
  constructor(file: string) {
    this.#fd = openSync(`${file}-wal`, 'r');
  }

  /** Resolves when what was committed before the call is on the disk. Shared with others who ask meanwhile. */
  flush(): Promise<void> {
    return this.#joined.flush();
  }

  /** The same at once, in the calling thread. */
  flushNow(): void {
    if (this.#closing) throw new Error('the database is closed');
    fdatasyncSync(this.#fd);
  }

  /** A flush that is under way ends; whoever waits for a later one gets an error. */
  close(): void {
    this.#closing = true;
    if (!this.#joined.isUnderWay) this.#close();
  }

  async #flush(): Promise<void> {
    // By now another file may have the number.
    if (this.#closed) throw new Error('the database is closed');
    try {
      await fdatasyncSoon(this.#fd);
    } finally {
      if (this.#closing) this.#close();
    }
  }

  #close(): void {
    if (!this.#closed) closeSync(this.#fd);
    this.#closed = true;
  }
}

/**
 * For `database`, just opened on `file`. What a process that was killed had committed can be read, so it goes to the disk
 * before anybody notes it elsewhere. Throws where that cannot be, and closes the database.
 */
export function flushedLog(file: string, database: Database): LogFlush {
  try {
    const flush = new LogFlush(file);
    flush.flushNow();
    return flush;
  } catch (error) {
    database.close();
    throw error;
  }
}
