/** The writer's thread as the main thread sees it: started, asked how it goes, stopped. */
import { Worker } from 'node:worker_threads';
import type { Drop } from './sink.ts';

export interface WriterSetup {
  readonly rings: readonly SharedArrayBuffer[];
  /** Exactly one of the two. */
  readonly socket: string | undefined;
  readonly file: string | undefined;
  readonly fileBytes: number;
  readonly identity: string;
  readonly version: string;
  readonly messages: readonly ('client-query' | 'client-response')[];
  /** Undefined: addresses are left out. */
  readonly key: Uint8Array | undefined;
}

/** From the thread, every second and at its end. */
export interface WriterReport {
  readonly written: number;
  readonly dropped: Readonly<Record<Drop, number>>;
  readonly open: boolean;
  readonly problem: string | undefined;
}

/** To the thread. */
export type WriterOrder = { readonly key: Uint8Array } | { readonly close: true };

const CLOSE_MS = 5_000;

export class WriterThread {
  readonly #thread: Worker;
  readonly #ended: Promise<void>;

  constructor(setup: WriterSetup, heard: (report: WriterReport) => void, failed: (error: unknown) => void) {
    this.#thread = new Worker(new URL('./writer-worker.js', import.meta.url), {
      workerData: setup,
      name: 'sekisho-dnstap',
    });
    this.#thread.on('message', heard);
    this.#thread.on('error', failed);
    this.#ended = new Promise((resolve) => this.#thread.once('exit', () => resolve()));
  }

  changeKey(key: Uint8Array): void {
    this.#thread.postMessage({ key } satisfies WriterOrder);
  }

  /** What lies in the rings is written first. */
  async close(): Promise<void> {
    this.#thread.postMessage({ close: true } satisfies WriterOrder);
    const overdue = setTimeout(() => void this.#thread.terminate(), CLOSE_MS);
    await this.#ended;
    clearTimeout(overdue);
  }
}
