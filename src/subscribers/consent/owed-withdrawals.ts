/**
 * Withdrawals of consent that act but are not on the disk yet, because it is full or fails. They are retried until they
 * are; how many there are is noted in the ledger's anchor, so that a process that ends meanwhile does not bring the inspection
 * back.
 */
import type { Logger } from 'pino';
import { errorText } from '../../errors/errors.ts';
import type { LedgerEntry, LedgerRecord } from './ledger-store.ts';

const AGAIN_MS = 1000;
/** More are not kept one by one: then nobody is inspected. */
export const MOST_OWED = 100_000;

export interface OwedParts {
  readonly append: (records: readonly LedgerRecord[]) => Promise<LedgerEntry[]>;
  readonly note: (count: number) => void;
  readonly log: Pick<Logger, 'error' | 'info'>;
}

export class OwedWithdrawals {
  readonly #parts: OwedParts;
  #records: LedgerRecord[] = [];
  #trying: Promise<boolean> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #reason = '';

  constructor(parts: OwedParts) {
    this.#parts = parts;
  }

  get count(): number {
    return this.#records.length;
  }

  has(subscriber: string): boolean {
    return this.#records.some((record) => record.subscriber === subscriber);
  }

  add(records: readonly LedgerRecord[], reason: string): void {
    if (records.length === 0) return;
    if (this.#records.length === 0 || reason !== this.#reason)
      this.#parts.log.error(
        { reason },
        'A WITHDRAWAL OF CONSENT CANNOT BE WRITTEN: it is in effect but not durable; free disk space or repair the disk, writing is retried',
      );
    this.#reason = reason;
    this.#records.push(...records);
    this.#parts.note(this.#records.length);
    this.#timer ??= setInterval(() => void this.settle(), AGAIN_MS).unref();
  }

  /** Try to write all of them. Resolves with whether none is left. */
  settle(): Promise<boolean> {
    if (this.#records.length === 0) return Promise.resolve(true);
    this.#trying ??= this.#try().finally(() => {
      this.#trying = undefined;
    });
    return this.#trying;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #try(): Promise<boolean> {
    const records = this.#records.slice();
    try {
      await this.#parts.append(records);
    } catch (error) {
      this.#reason = errorText(error);
      return false;
    }
    this.#records = this.#records.slice(records.length);
    this.#parts.note(this.#records.length);
    this.#parts.log.info({ withdrawals: records.length }, 'pending withdrawals of consent have been written to disk');
    if (this.#records.length > 0) return false;
    this.stop();
    return true;
  }
}
