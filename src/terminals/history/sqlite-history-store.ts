/** The lease history (lease-file.ts) behind a thread of its own: retention rewrites a large file, and packets must not wait for it. */
import { Worker } from 'node:worker_threads';
import { errorText, type SekishoError } from '../../errors/errors.ts';
import { storeError } from '../../store/errors.ts';
import { InOrder, type OpenedStore, storeClosed } from '../../store/store.ts';
import type { HistoryStore } from './history-store.ts';
import { LeaseFile } from './lease-file.ts';

export interface HistoryRequest {
  readonly id: number;
  readonly name: 'write' | 'find' | 'deleteBefore' | 'beginAnew' | 'count' | 'close';
  readonly args: readonly unknown[];
}
export interface HistoryReply {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}
/** Answered without having been asked, when the file is open. */
export const HISTORY_OPENED = 0;

const CLOSE_MS = 5_000;

/** In the calling thread: for tests. Rejects with SekishoError. */
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
  const thread = new Worker(new URL('./history-thread.js', import.meta.url), {
    workerData: { file, wallMs },
    name: 'sekisho-lease-history',
  });
  const waiting = new Map<number, { resolve: (result: never) => void; reject: (error: SekishoError) => void }>();
  let lastId = HISTORY_OPENED;
  let gone: string | undefined;
  const fail = (reason: string) => {
    gone ??= reason;
    for (const { reject } of waiting.values()) reject(failure(reason));
    waiting.clear();
  };
  const ended = new Promise<void>((resolve) => {
    thread.once('exit', () => {
      fail('the thread that keeps the lease history has ended');
      resolve();
    });
  });
  thread.on('error', (error) => fail(errorText(error)));
  thread.on('message', ({ id, result, error }: HistoryReply) => {
    const waiter = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) waiter?.resolve(result as never);
    else waiter?.reject(failure(error));
  });
  const answerTo = <T>(id: number): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      waiting.set(id, { resolve, reject });
    });
  const movedAside = await answerTo<string | undefined>(HISTORY_OPENED);
  let closing: Promise<void> | undefined;
  const ask = <T>(name: HistoryRequest['name'], ...args: unknown[]): Promise<T> => {
    if (gone !== undefined) return Promise.reject(failure(gone));
    const id = ++lastId;
    const answer = answerTo<T>(id);
    thread.postMessage({ id, name, args } satisfies HistoryRequest);
    return answer;
  };
  const unlessClosed = <T>(name: HistoryRequest['name'], ...args: unknown[]): Promise<T> =>
    closing ? Promise.reject(storeClosed()) : ask(name, ...args);
  const close = async () => {
    await ask('close').catch(() => {});
    const overdue = setTimeout(() => void thread.terminate(), CLOSE_MS);
    await ended;
    clearTimeout(overdue);
  };
  const store: HistoryStore = {
    write: (changes, lifetimeMs) => unlessClosed('write', changes, lifetimeMs),
    find: (questions) => unlessClosed('find', questions),
    deleteBefore: (ms) => unlessClosed('deleteBefore', ms),
    beginAnew: (nowMs) => unlessClosed('beginAnew', nowMs),
    count: () => unlessClosed('count'),
    close: () => {
      closing ??= close();
      return closing;
    },
  };
  return { store, movedAside };
}

function failure(reason: string, cause?: unknown): SekishoError {
  return storeError('SEKISHO_STORE_FAILED', `the lease history: ${reason}`, { cause });
}
