/**
 * libsql's database, with what it does not guard itself: a statement that is touched after its database was closed aborts
 * the whole process (libsql 0.5); here it throws. And a write that fails leaves nothing under way. Everything else is passed
 * through.
 */
import Libsql from 'libsql';

/** What `run` tells. */
export interface Changes {
  readonly changes: number;
  readonly lastInsertRowid: number | bigint;
}

/** Told of each write of a connection: before a transaction begins, and when it has ended. */
export interface WriteWatch {
  before(): void;
  after(): void;
}

export class Database {
  readonly #database: Libsql.Database;
  #open = true;
  watch: WriteWatch | undefined;

  /** Open `file`, or make it. Throws what libsql throws. */
  constructor(file: string) {
    this.#database = new Libsql(file);
  }

  get open(): boolean {
    return this.#open;
  }

  get inTransaction(): boolean {
    return this.#open && this.#database.inTransaction;
  }

  prepare(sql: string): Statement {
    return new Statement(this, this.#inner.prepare(sql));
  }

  exec(sql: string): void {
    this.watched(() => this.#inner.exec(sql));
  }

  pragma(source: string): unknown {
    return this.watched(() => this.#inner.pragma(source));
  }

  /** For statements: run what may write, and tell the watch where no transaction is under way. */
  watched<T>(write: () => T): T {
    if (!this.watch) return write();
    if (!this.inTransaction) this.watch.before();
    try {
      return write();
    } finally {
      if (!this.inTransaction) this.watch.after();
    }
  }

  /** A second time does nothing. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#database.close();
  }

  get #inner(): Libsql.Database {
    needsOpen(this);
    return this.#database;
  }
}

export class Statement {
  readonly #of: Database;
  readonly #statement: Libsql.Statement;

  constructor(of: Database, statement: Libsql.Statement) {
    this.#of = of;
    this.#statement = statement;
  }

  /**
   * Outside a transaction it gets one of its own: a statement that fails (the file is held by another process, the disk is full)
   * stays under way in libsql, and no later transaction could commit; BEGIN fails before there is one.
   */
  run(...values: unknown[]): Changes {
    return this.#of.watched(() => {
      if (this.#of.inTransaction) return this.#inner.run(...values);
      this.#of.exec('BEGIN IMMEDIATE');
      try {
        const changes = this.#inner.run(...values);
        this.#of.exec('COMMIT');
        return changes;
      } catch (error) {
        if (this.#of.inTransaction) this.#of.exec('ROLLBACK');
        throw error;
      }
    });
  }

  get(...values: unknown[]): unknown {
    return this.#inner.get(...values);
  }

  all(...values: unknown[]): unknown[] {
    return this.#inner.all(...values);
  }

  /** Row by row; a database that is closed meanwhile ends it with an error. */
  *iterate(...values: unknown[]): IterableIterator<unknown> {
    const rows = this.#inner.iterate(...values)[Symbol.iterator]();
    for (;;) {
      needsOpen(this.#of);
      const next = rows.next();
      if (next.done === true) return;
      yield next.value;
    }
  }

  /** Rows as arrays. */
  raw(): this {
    this.#inner.raw();
    return this;
  }

  get #inner(): Libsql.Statement {
    needsOpen(this.#of);
    return this.#statement;
  }
}

function needsOpen({ open }: Database): void {
  if (!open) throw new Error('the database is closed');
}
