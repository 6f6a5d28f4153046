/**
 * Notices of a node in a fleet: PostgreSQL has them; what comes while it is out of reach lies on the node's own disk until it is back, and so
 * does what a node kept before it joined.
 *
 *   add ─▶ PostgreSQL ─ out of reach ─▶ own disk ─ back ─▶ PostgreSQL, once ─▶ deleted here
 */
import { createHash, randomUUID } from 'node:crypto';
import { SekishoError } from '../../errors/errors.ts';
import { isEngineFailure } from '../../fleet/engine/failures.ts';
import type { DeletedNotices, NoticeAddition, NoticeStore } from './notice-store.ts';
import type { KeptName, PostgresNotices } from './postgres-notice-store.ts';

/** More rows, and later, than any. */
const ALL = Number.MAX_SAFE_INTEGER;
const MAY_BE_THERE = ['SEKISHO_ENGINE_UNSURE', 'SEKISHO_ENGINE_UNREPLICATED'];

export class FleetNotices implements NoticeStore {
  readonly #shared: PostgresNotices;
  readonly #own: NoticeStore;
  /** Of which nobody knows whether it was written. */
  #unsure: { readonly batch: string; readonly additions: readonly NoticeAddition[] } | undefined;
  /** Something may lie on the own disk. */
  #owes = true;
  /** One thing after the other: what is brought is not added to meanwhile. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(shared: PostgresNotices, own: NoticeStore) {
    this.#shared = shared;
    this.#own = own;
  }

  /** On one disk or another when it resolves. */
  add(additions: readonly NoticeAddition[]): Promise<void> {
    if (additions.length === 0) return Promise.resolve();
    return this.#inTurn(async () => {
      const batch = randomUUID();
      try {
        await this.#bring();
        await this.#shared.addOnce(batch, additions);
      } catch (error) {
        if (!isEngineFailure(error)) throw error;
        const code = error instanceof SekishoError ? error.code : '';
        if (MAY_BE_THERE.includes(code) && !this.#unsure) {
          this.#unsure = { batch, additions };
          return;
        }
        await this.#own.add(additions);
        this.#owes = true;
      }
    });
  }

  async list(subscriber?: string, limit?: number) {
    await this.bring();
    return this.#shared.list(subscriber, limit);
  }

  async names(subscriber: string) {
    await this.bring();
    return this.#shared.names(subscriber);
  }

  async keepsNames(): Promise<boolean> {
    return (await this.#own.keepsNames()) || this.#shared.keepsNames();
  }

  async deleteBefore(ms: number): Promise<DeletedNotices> {
    return added(await this.#own.deleteBefore(ms), await this.#shared.deleteBefore(ms));
  }

  async deleteNamesBefore(ms: number): Promise<DeletedNotices> {
    return added(await this.#own.deleteNamesBefore(ms), await this.#shared.deleteNamesBefore(ms));
  }

  /** What lies here goes to PostgreSQL. Rejects where that is out of reach; nothing is lost. */
  bring(): Promise<void> {
    return this.#inTurn(() => this.#bring());
  }

  /** What nobody knows of is kept here: it may then count twice, and is not lost. */
  close(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#settle().catch(async () => {
        if (this.#unsure) await this.#own.add(this.#unsure.additions);
      });
      await this.#shared.close();
      await this.#own.close();
    });
  }

  async #settle(): Promise<void> {
    if (this.#unsure) await this.#shared.addOnce(this.#unsure.batch, this.#unsure.additions);
    this.#unsure = undefined;
  }

  async #bring(): Promise<void> {
    await this.#settle();
    if (!this.#owes) return;
    const notices = await this.#own.list(undefined, ALL);
    const names: KeptName[] = [];
    for (const subscriber of new Set(notices.map((notice) => notice.subscriber)))
      for (const name of await this.#own.names(subscriber)) names.push({ subscriber, ...name });
    if (notices.length > 0) {
      // The same rows are the same batch: whoever is killed in between brings them once.
      const batch = createHash('sha256')
        .update(JSON.stringify([notices, names]))
        .digest('hex');
      await this.#shared.bringOnce(batch, notices, names);
      await this.#own.deleteBefore(ALL);
    }
    this.#owes = false;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }
}

function added(one: DeletedNotices, other: DeletedNotices): DeletedNotices {
  return { notices: one.notices + other.notices, names: one.names + other.names };
}
