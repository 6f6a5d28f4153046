/**
 * What every store of the control plane keeps to, whatever engine lies behind it. A store is an interface in the room that owns
 * what it keeps (`report/tally-store.ts`), an implementation a file beside it named after its engine
 * (`report/sqlite-tally-store.ts`), and its promises are a suite that every implementation runs (`test/support/stores/`).
 *
 *   desk (derives what packet threads read, in memory) ──▶ Store (this) ──▶ SQLite now
 *
 *  - Every method returns a promise; many rows come page by page. Nothing is read synchronously: what has to be decided
 *    without waiting (the consent byte, rules in force, the table of leases) its owner derives in memory from what it read.
 *  - A write is whole or not at all. It resolves when it is as durable as the interface says, rejects with a SekishoError
 *    otherwise, and writes take effect in the order in which they were asked for, whether or not the former one was awaited.
 *  - What others must follow carries a sequence: from 1, in the order of commits, without gaps. Whoever has read to `n` asks for
 *    what comes behind it and misses nothing.
 *  - Times are given by the caller (milliseconds since 1970, UTC); a store never looks at a clock.
 *  - After `close`, which waits for what is under way, every method rejects.
 */
import { errorText, generalError, SekishoError } from '../errors/errors.ts';

export interface Store {
  /** What was asked for before is done first. A second time does nothing. */
  close(): Promise<void>;
}

/** A store as it was opened. */
export interface OpenedStore<S extends Store> {
  readonly store: S;
  /** What was damaged and has been put aside, in words (a file's new name); undefined where nothing was. */
  readonly movedAside: string | undefined;
}

/**
 * Puts a synchronous engine behind an asynchronous interface: one thing after the other, in the order asked for. Once closed it
 * refuses.
 */
export class InOrder {
  readonly #failure: (message: string, cause: unknown) => SekishoError;
  #last: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  /** `failure` makes the error of the room that owns the store out of what the engine said. */
  constructor(failure: (message: string, cause: unknown) => SekishoError) {
    this.#failure = failure;
  }

  /** Rejects with SekishoError: that of the room where `work` throws another one, SEKISHO_NOT_READY after the end. */
  do<T>(work: () => T | Promise<T>): Promise<T> {
    if (this.#closing) return Promise.reject(storeClosed());
    return this.#append(work);
  }

  /** `work` comes last, and once. */
  close(work: () => void | Promise<void>): Promise<void> {
    this.#closing ??= this.#append(work);
    return this.#closing;
  }

  #append<T>(work: () => T | Promise<T>): Promise<T> {
    const done = this.#last.then(async () => {
      try {
        return await work();
      } catch (error) {
        throw error instanceof SekishoError ? error : this.#failure(errorText(error), error);
      }
    });
    this.#last = done.catch(() => {});
    return done;
  }
}

/** A request that was still under way when the server stopped. */
export function storeClosed(): SekishoError {
  return generalError('SEKISHO_NOT_READY', 'the store is closed: the server is stopping');
}
