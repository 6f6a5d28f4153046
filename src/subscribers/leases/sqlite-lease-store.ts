/**
 * The archive of leases (lease-archive.ts) behind a thread of its own: a slow disk holds up neither packets nor the main thread.
 */
import { Worker } from 'node:worker_threads';
import { errorText, type SekishoError } from '../../errors/errors.ts';
import { storeError } from '../../store/errors.ts';
import { InOrder, type OpenedStore, storeClosed } from '../../store/store.ts';
import { LeaseArchive } from './lease-archive.ts';
import type { ArchivedClaim, LeaseStore } from './lease-store.ts';

export interface ArchiveRequest {
  readonly id: number;
  readonly name: 'runs' | 'claimsAfter' | 'write' | 'beginAnew' | 'close';
  readonly args: readonly unknown[];
}
export interface ArchiveReply {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}
/** Answered without having been asked, when the archive is open. */
export const OPENED = 0;
export type ArchiveOpened = Pick<LeaseArchive, 'run' | 'movedAside'>;

const CLOSE_MS = 5_000;

/** In the calling thread: for tests. Rejects with SekishoError. */
export async function openInlineLeases(file: string, wallMs: number): Promise<OpenedStore<LeaseStore>> {
  const inOrder = new InOrder(failure);
  const archive = await inOrder.do(() => new LeaseArchive(file, wallMs));
  const store: LeaseStore = {
    run: archive.run,
    runs: () => inOrder.do(() => archive.runs()),
    claims: (rows) => pagesOf((after) => inOrder.do(() => archive.claimsAfter(after, rows)), rows),
    write: (batches, heardMs) => inOrder.do(() => archive.write(batches, heardMs)),
    beginAnew: (nowMs) => inOrder.do(() => archive.beginAnew(nowMs)),
    close: () => inOrder.close(() => archive.close()),
  };
  return { store, movedAside: archive.movedAside };
}

/** In a thread of its own. Where that ends, every later call rejects. Rejects with SekishoError. */
export async function openThreadLeases(file: string, wallMs: number): Promise<OpenedStore<LeaseStore>> {
  const thread = new Worker(new URL('./lease-thread.js', import.meta.url), {
    workerData: { file, wallMs },
    name: 'sekisho-leases',
  });
  const waiting = new Map<number, { resolve: (result: never) => void; reject: (error: SekishoError) => void }>();
  let lastId = OPENED;
  let gone: string | undefined;
  const fail = (reason: string) => {
    gone ??= reason;
    for (const { reject } of waiting.values()) reject(failure(reason));
    waiting.clear();
  };
  const ended = new Promise<void>((resolve) => {
    thread.once('exit', () => {
      fail('the thread that writes leases has ended');
      resolve();
    });
  });
  thread.on('error', (error) => fail(errorText(error)));
  thread.on('message', ({ id, result, error }: ArchiveReply) => {
    const waiter = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) waiter?.resolve(result as never);
    else waiter?.reject(failure(error));
  });
  const answerTo = <T>(id: number): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      waiting.set(id, { resolve, reject });
    });
  const { run, movedAside } = await answerTo<ArchiveOpened>(OPENED);
  let closing: Promise<void> | undefined;
  const ask = <T>(name: ArchiveRequest['name'], ...args: unknown[]): Promise<T> => {
    if (gone !== undefined) return Promise.reject(failure(gone));
    const id = ++lastId;
    const answer = answerTo<T>(id);
    thread.postMessage({ id, name, args } satisfies ArchiveRequest);
    return answer;
  };
  const unlessClosed = <T>(name: ArchiveRequest['name'], ...args: unknown[]): Promise<T> =>
    closing ? Promise.reject(storeClosed()) : ask(name, ...args);
  const close = async () => {
    await ask('close').catch(() => {});
    const overdue = setTimeout(() => void thread.terminate(), CLOSE_MS);
    await ended;
    clearTimeout(overdue);
  };
  const store: LeaseStore = {
    run,
    runs: () => unlessClosed('runs'),
    claims: (rows) => pagesOf((after) => unlessClosed('claimsAfter', after, rows), rows),
    write: (batches, heardMs) => unlessClosed('write', batches, heardMs),
    beginAnew: (nowMs) => unlessClosed('beginAnew', nowMs),
    close: () => {
      closing ??= close();
      return closing;
    },
  };
  return { store, movedAside };
}

async function* pagesOf(
  page: (after: ArchivedClaim | undefined) => Promise<ArchivedClaim[]>,
  rows: number,
): AsyncIterableIterator<readonly ArchivedClaim[]> {
  let after: ArchivedClaim | undefined;
  for (;;) {
    const claims = await page(after);
    if (claims.length > 0) yield claims;
    after = claims.at(-1);
    if (claims.length < rows) return;
  }
}

function failure(reason: string, cause?: unknown): SekishoError {
  return storeError('SEKISHO_STORE_FAILED', `leases: ${reason}`, { cause });
}
