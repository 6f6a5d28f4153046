/**
 * The lease history while its ground holds: takes down what happens to leases, forgets what has become too old, and answers one
 * question, for imports of reports alone: who held this address at that time?
 *
 *   leases ──change──▶ pending ──every second, and before a look──▶ store (a thread of its own)
 *
 * Where something could not be kept, everything kept so far is deleted: a gap would look like a time in which nobody else came.
 */
import { isMapped } from '../../address/address.ts';
import { errorText } from '../../errors/errors.ts';
import { storeError } from '../../store/errors.ts';
import type { ClaimRecord, ClaimWitness } from '../../subscribers/leases/claim-record.ts';
import type { Clock } from '../../time/clock.ts';
import type { FoundSpans, HistoryStore, LeaseChange } from './history-store.ts';

/** Changes that wait for a disk that hangs. */
const MAX_PENDING = 1 << 18;

export interface HistoryParts {
  readonly store: HistoryStore;
  readonly clock: Clock;
  /** Number of the subscriber that a holder stands for. */
  readonly numberOf: (holder: number) => string | undefined;
  /** `subscribers.lease`. */
  readonly lifetimeMs: () => number;
  readonly log: { error(fields: object, text: string): void };
}

export class LeaseHistory implements ClaimWitness {
  readonly #parts: HistoryParts;
  #pending: LeaseChange[] = [];
  #lost = false;
  #writing: Promise<void> = Promise.resolve();

  constructor(parts: HistoryParts) {
    this.#parts = parts;
  }

  changed({ prefix, session, holder, atSeconds, heardSeconds, ended, unsure, doubted }: ClaimRecord): void {
    // Stands for the addresses of a session of which none was known.
    if (prefix.bits === 0) return;
    if (this.#pending.length >= MAX_PENDING) {
      this.#pending = [];
      this.#lost = true;
    }
    const { clock, numberOf } = this.#parts;
    const offsetMs = clock.wallMs() - clock.nowMs();
    this.#pending.push({
      prefix: hexOf(prefix.words),
      bits: prefix.bits,
      port: prefix.port,
      portBits: prefix.portBits,
      session: hexOf(session),
      subscriber: doubted ? '' : (numberOf(holder) ?? ''),
      atMs: Math.round(offsetMs + atSeconds * 1000),
      heardMs: Math.round(offsetMs + heardSeconds * 1000),
      ended,
      unsure,
      clockDoubt: !Number.isFinite(clock.termMs()),
    });
  }

  /** Write what has come. Never rejects. */
  flush(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#flush());
    return this.#writing;
  }

  /** All leases on the addresses, with ports where the reports name one (-1: none), in the order asked. Rejects with SekishoError. */
  async find(
    questions: readonly { readonly words: Int32Array; readonly port: number }[],
  ): Promise<readonly FoundSpans[]> {
    await this.flush();
    if (this.#lost) throw storeError('SEKISHO_STORE_FAILED', 'the lease history: a part of it could not be written');
    return this.#parts.store.find(questions.map(({ words, port }) => ({ address: hexOf(words), port })));
  }

  /** Resolves with how many leases were deleted. Rejects with SekishoError. */
  async deleteOlderThan(ms: number): Promise<number> {
    const termMs = this.#parts.clock.termMs();
    // Nobody knows how late it is: nothing is too old for certain, and nothing is read either.
    if (!Number.isFinite(termMs)) return 0;
    return this.#parts.store.deleteBefore(termMs - ms);
  }

  count(): Promise<number> {
    return this.#parts.store.count();
  }

  async close(): Promise<void> {
    await this.flush();
    await this.#parts.store.close();
  }

  async #flush(): Promise<void> {
    const { store, clock, lifetimeMs, log } = this.#parts;
    const changes = this.#pending;
    this.#pending = [];
    try {
      if (this.#lost) throw new Error('the disk does not keep up');
      if (changes.length > 0) await store.write(changes, lifetimeMs());
    } catch (error) {
      log.error(
        { reason: errorText(error) },
        'the lease history could not be written: what was kept is deleted, and reports of that time cannot be matched',
      );
      this.#lost = false;
      await store.beginAnew(clock.wallMs()).catch((failed: unknown) => {
        // Tried again with the next change: until then a part is missing, so nothing may be read.
        this.#lost = true;
        log.error({ reason: errorText(failed) }, 'failed to begin a new lease history');
      });
    }
  }
}

/** Words as bytes, in hexadecimal. */
export function hexOf(words: Int32Array): string {
  let text = '';
  for (const word of words) text += (word >>> 0).toString(16).padStart(8, '0');
  return text;
}

/** 4 or 6. */
export function familyOf(words: Int32Array): 4 | 6 {
  return isMapped(words) ? 4 : 6;
}
