/**
 * A store behind a thread of its own, for what blocks: a slow disk, or a large file that is rewritten, holds up neither packets nor
 * the main thread. What is asked is answered in order; where the thread ends, every later call rejects.
 */
import { parentPort, type Worker } from 'node:worker_threads';
import { errorText, type SekishoError } from '../errors/errors.ts';
import { storeClosed } from './store.ts';

interface Call {
  readonly id: number;
  readonly name: string;
  readonly args: readonly unknown[];
}
interface Reply {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

/** Answered without having been asked, when the store is open. */
const OPENED = 0;
const CLOSE_MS = 5_000;

// biome-ignore lint/suspicious/noExplicitAny: any method at all; its types are kept.
type Method = (...args: any[]) => unknown;
/** Methods of `Target`, by name. */
type Calls<Target> = {
  [Name in keyof Target as Target[Name] extends Method ? Name : never]: Target[Name] extends Method
    ? Target[Name]
    : never;
};

export interface StoreThread<Target, Opened> {
  /** What `serveStore` told. */
  readonly opened: Opened;
  /** Rejects where the store is closed, the thread has ended, or the method throws there. */
  call<Name extends keyof Calls<Target> & string>(
    name: Name,
    ...args: Parameters<Calls<Target>[Name]>
  ): Promise<ReturnType<Calls<Target>[Name]>>;
  close(): Promise<void>;
}

/** `thread` runs `serveStore`. `ended`: what is said where it ends by itself. Rejects with what `failure` makes of the reason. */
export async function openStoreThread<Target, Opened>(
  thread: Worker,
  ended: string,
  failure: (reason: string) => SekishoError,
): Promise<StoreThread<Target, Opened>> {
  const waiting = new Map<number, { resolve: (result: never) => void; reject: (error: SekishoError) => void }>();
  let lastId = OPENED;
  let gone: string | undefined;
  const fail = (reason: string) => {
    gone ??= reason;
    for (const { reject } of waiting.values()) reject(failure(reason));
    waiting.clear();
  };
  const exited = new Promise<void>((resolve) => {
    thread.once('exit', () => {
      fail(ended);
      resolve();
    });
  });
  thread.on('error', (error) => fail(errorText(error)));
  thread.on('message', ({ id, result, error }: Reply) => {
    const waiter = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) waiter?.resolve(result as never);
    else waiter?.reject(failure(error));
  });
  const answerTo = <T>(id: number): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      waiting.set(id, { resolve, reject });
    });
  const opened = await answerTo<Opened>(OPENED);
  let closing: Promise<void> | undefined;
  const ask = <T>(name: string, args: readonly unknown[]): Promise<T> => {
    if (gone !== undefined) return Promise.reject(failure(gone));
    const id = ++lastId;
    const answer = answerTo<T>(id);
    thread.postMessage({ id, name, args } satisfies Call);
    return answer;
  };
  const close = async () => {
    await ask('close', []).catch(() => {});
    const overdue = setTimeout(() => void thread.terminate(), CLOSE_MS);
    await exited;
    clearTimeout(overdue);
  };
  return {
    opened,
    call: (name, ...args) => (closing ? Promise.reject(storeClosed()) : ask(name, args)),
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

/** In the thread: answer with what `store`, which is open, does. `opened` is told to whoever started it. */
export function serveStore(store: { close(): void }, opened: unknown): void {
  const main = parentPort!;
  main.postMessage({ id: OPENED, result: opened } satisfies Reply);
  main.on('message', ({ id, name, args }: Call) => {
    try {
      const result = (store as unknown as Record<string, Method>)[name]!(...args);
      main.postMessage({ id, result } satisfies Reply);
    } catch (error) {
      main.postMessage({ id, error: errorText(error) } satisfies Reply);
    }
    if (name === 'close') main.close();
  });
}
