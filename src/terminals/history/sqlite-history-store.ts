/** The lease history (lease-file.ts) behind a thread of its own: retention rewrites a large file, and packets must not wait for it. */
import { Worker } from 'node:worker_threads';
import type { SekishoError } from '../../errors/errors.ts';
import { storeError } from '../../store/errors.ts';
import { InOrder, type OpenedStore } from '../../store/store.ts';
import { openStoreThread } from '../../store/store-thread.ts';
import type { HistoryStore } from './history-store.ts';
import { LeaseFile } from './lease-file.ts';

export type HistoryOpened = Pick<LeaseFile, 'movedAside'>;

/** In the calling thread: for what is done once, and for tests. Rejects with SekishoError. */
export async function openInlineHistory(file: string, wallMs: number): Promise<OpenedStore<HistoryStore>> {
  const inOrder = new InOrder(failure);
  const leases = await inOrder.do(() => new LeaseFile(file, wallMs));
  const store: HistoryStore = {
    write: (changes, lifetimeMs) => inOrder.do(() => leases.write(changes, lifetimeMs)),
    find: (questions) => inOrder.do(() => leases.find(questions)),
    deleteBefore: (ms) => inOrder.do(() => leases.deleteBefore(ms)),
    beginAnew: (nowMs) => inOrder.do(() => leases.beginAnew(nowMs)),
    count: () => inOrder.do(() => leases.count()),
    close: () => inOrder.close(() => leases.close()),
  };
  return { store, movedAside: leases.movedAside };
}

/** In a thread of its own. Where that ends, every later call rejects. Rejects with SekishoError. */
export async function openThreadHistory(file: string, wallMs: number): Promise<OpenedStore<HistoryStore>> {
  const worker = new Worker(new URL('./history-thread.js', import.meta.url), {
    workerData: { file, wallMs },
    name: 'sekisho-lease-history',
  });
  const thread = await openStoreThread<LeaseFile, HistoryOpened>(
    worker,
    'the thread that keeps the lease history has ended',
    failure,
  );
  const store: HistoryStore = {
    write: (changes, lifetimeMs) => thread.call('write', changes, lifetimeMs),
    find: (questions) => thread.call('find', questions),
    deleteBefore: (ms) => thread.call('deleteBefore', ms),
    beginAnew: (nowMs) => thread.call('beginAnew', nowMs),
    count: () => thread.call('count'),
    close: () => thread.close(),
  };
  return { store, movedAside: thread.opened.movedAside };
}

function failure(reason: string, cause?: unknown): SekishoError {
  return storeError('SEKISHO_STORE_FAILED', `the lease history: ${reason}`, { cause });
}
