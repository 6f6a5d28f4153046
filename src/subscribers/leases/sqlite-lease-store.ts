/**
 * The archive of leases (lease-archive.ts) behind a thread of its own: a slow disk holds up neither packets nor the main thread.
 */
import { Worker } from 'node:worker_threads';
import type { SekishoError } from '../../errors/errors.ts';
import { storeError } from '../../store/errors.ts';
import { InOrder, type OpenedStore } from '../../store/store.ts';
import { openStoreThread } from '../../store/store-thread.ts';
import { LeaseArchive } from './lease-archive.ts';
import type { ArchivedClaim, LeaseStore } from './lease-store.ts';

export type ArchiveOpened = Pick<LeaseArchive, 'run' | 'movedAside'>;

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
  const worker = new Worker(new URL('./lease-thread.js', import.meta.url), {
    workerData: { file, wallMs },
    name: 'sekisho-leases',
  });
  const thread = await openStoreThread<LeaseArchive, ArchiveOpened>(
    worker,
    'the thread that writes leases has ended',
    failure,
  );
  const { run, movedAside } = thread.opened;
  const store: LeaseStore = {
    run,
    runs: () => thread.call('runs'),
    claims: (rows) => pagesOf((after) => thread.call('claimsAfter', after, rows), rows),
    write: (batches, heardMs) => thread.call('write', batches, heardMs),
    beginAnew: (nowMs) => thread.call('beginAnew', nowMs),
    close: () => thread.close(),
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
