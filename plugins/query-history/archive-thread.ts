/**
 * The archive behind a thread of its own: a slow disk holds up neither packets nor the main thread. Requests are answered
 * in their order; a queue that grows because the disk hangs is bounded.
 */
import { Worker } from 'node:worker_threads';
import type { Archive } from './archive.ts';

/** What the desk needs of an archive, wherever it runs. */
export interface HistoryArchive {
  call<Name extends ArchiveMethod>(name: Name, ...args: Parameters<Archive[Name]>): Promise<ReturnType<Archive[Name]>>;
  close(): Promise<void>;
}
export type ArchiveMethod =
  | 'putMinute'
  | 'range'
  | 'expire'
  | 'deletions'
  | 'size'
  | 'putImported'
  | 'importedRange'
  | 'imports'
  | 'forgetImport';

export interface ArchiveRequest {
  readonly id: number;
  readonly name: ArchiveMethod | 'close';
  readonly args: readonly unknown[];
}
export interface ArchiveReply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}
/** First message of the thread. */
export interface ArchiveOpened {
  readonly id: 0;
  readonly movedAside?: string | undefined;
  readonly error?: string;
}

const MAX_WAITING = 1000;
const CLOSE_MS = 5_000;

/** Calls go straight through: for tests, and what `archive-worker.ts` does behind the thread. */
export function inlineArchive(archive: Archive): HistoryArchive {
  return {
    call: async (name, ...args) => (archive[name] as (...args: unknown[]) => never).apply(archive, args),
    close: async () => archive.close(),
  };
}

export class ArchiveThread implements HistoryArchive {
  readonly #thread: Worker;
  readonly #waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  readonly #ended: Promise<void>;
  #lastId = 0;
  #gone: string | undefined;

  private constructor(thread: Worker) {
    this.#thread = thread;
    this.#ended = new Promise((resolve) => {
      thread.once('exit', () => {
        this.#fail('the thread of the history archive has ended');
        resolve();
      });
    });
    thread.on('error', (error) => this.#fail(error instanceof Error ? error.message : String(error)));
    thread.on('message', ({ id, value, error }: ArchiveReply) => {
      const waiter = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiter?.resolve(value as never);
      else waiter?.reject(new Error(error));
    });
  }

  /** Open `file` in a thread. Rejects with the reason where it cannot be opened. */
  static open(file: string): Promise<{ archive: ArchiveThread; movedAside: string | undefined }> {
    const thread = new Worker(new URL('./archive-worker.js', import.meta.url), {
      workerData: { file },
      name: 'sekisho-history',
    });
    return new Promise((resolve, reject) => {
      thread.once('error', reject);
      thread.once('message', ({ movedAside, error }: ArchiveOpened) => {
        thread.off('error', reject);
        if (error === undefined) resolve({ archive: new ArchiveThread(thread), movedAside });
        else reject(new Error(error));
      });
    });
  }

  call<Name extends ArchiveMethod>(name: Name, ...args: Parameters<Archive[Name]>): Promise<ReturnType<Archive[Name]>> {
    return this.#ask(name, args);
  }

  /** Whatever was asked before is finished first. */
  async close(): Promise<void> {
    if (this.#gone === undefined) await this.#ask('close', []).catch(() => {});
    const overdue = setTimeout(() => void this.#thread.terminate(), CLOSE_MS);
    await this.#ended;
    clearTimeout(overdue);
  }

  #ask<T>(name: ArchiveRequest['name'], args: readonly unknown[]): Promise<T> {
    if (this.#gone !== undefined) return Promise.reject(new Error(this.#gone));
    if (this.#waiting.size >= MAX_WAITING)
      return Promise.reject(new Error('the disk does not keep up: too many requests wait for the history archive'));
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#thread.postMessage({ id, name, args } satisfies ArchiveRequest);
    });
  }

  #fail(reason: string): void {
    this.#gone ??= reason;
    for (const { reject } of this.#waiting.values()) reject(new Error(reason));
    this.#waiting.clear();
  }
}
