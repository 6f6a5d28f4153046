/** The archive of leases behind a thread of its own: a slow disk holds up neither packets nor the main thread. */
import { Worker } from 'node:worker_threads';
import type { LeaseArchive, LeaseBatch } from './lease-archive.ts';

export interface LeaseWriter {
  /** Resolves when all of it is on the disk. */
  write(batches: readonly LeaseBatch[], heardMs: number): Promise<void>;
  /** LeaseArchive.beginAnew. */
  beginAnew(wallMs: number): Promise<void>;
  close(): Promise<void>;
}

export interface WriterRequest {
  readonly id: number;
  readonly name: 'write' | 'beginAnew' | 'close';
  readonly args: readonly unknown[];
}
export interface WriterReply {
  readonly id: number;
  readonly error?: string;
}

const CLOSE_MS = 5_000;

/** In the calling thread: for tests. */
export function inlineWriter(archive: LeaseArchive): LeaseWriter {
  return {
    write: async (batches, heardMs) => archive.write(batches, heardMs),
    beginAnew: async (wallMs) => archive.beginAnew(wallMs),
    close: async () => archive.close(),
  };
}

/** In a thread of its own. Where that ends, every later call rejects. */
export function threadWriter(file: string, run: number): LeaseWriter {
  const thread = new Worker(new URL('./lease-thread.js', import.meta.url), {
    workerData: { file, run },
    name: 'sekisho-leases',
  });
  const waiting = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  let lastId = 0;
  let gone: string | undefined;
  const fail = (reason: string) => {
    gone ??= reason;
    for (const { reject } of waiting.values()) reject(new Error(reason));
    waiting.clear();
  };
  const ended = new Promise<void>((resolve) => {
    thread.once('exit', () => {
      fail('the thread that writes leases has ended');
      resolve();
    });
  });
  thread.on('error', (error) => fail(error instanceof Error ? error.message : String(error)));
  thread.on('message', ({ id, error }: WriterReply) => {
    const waiter = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) waiter?.resolve();
    else waiter?.reject(new Error(error));
  });
  const ask = (name: WriterRequest['name'], ...args: unknown[]): Promise<void> => {
    if (gone !== undefined) return Promise.reject(new Error(gone));
    const id = ++lastId;
    return new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject });
      thread.postMessage({ id, name, args } satisfies WriterRequest);
    });
  };
  return {
    write: (batches, heardMs) => ask('write', batches, heardMs),
    beginAnew: (wallMs) => ask('beginAnew', wallMs),
    async close() {
      await ask('close').catch(() => {});
      const overdue = setTimeout(() => void thread.terminate(), CLOSE_MS);
      await ended;
      clearTimeout(overdue);
    },
  };
}
