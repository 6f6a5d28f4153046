/**
 * A list in a local file. Copied before it is read, so that nobody works on a file that somebody else is writing; noticed
 * when it changes, whichever way the editor, the script or the configuration management does it.
 */
import { type Stats, watch as watchFolder } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { type Clock, systemClock } from '../../time/clock.ts';
import { IncomingFile } from './incoming-file.ts';
import { FetchFailure, type FetchOptions, type FetchResult, failed, type Known, type ListSource } from './source.ts';
import { pause, systemTimers, type Timers } from './timers.ts';

export interface FileSourceOptions {
  readonly path: string;
  /** Folder for temporary files: the list's own in the data folder. */
  readonly folder: string;
  readonly maxBytes: number;
  readonly known: () => Known;
  readonly clock?: Clock;
  readonly timers?: Timers;
  /** Look at the file this often, because some file systems tell nothing (network shares, containers). */
  readonly pollMs?: number;
  /** Quiet time after a change before it is reported. */
  readonly settleMs?: number;
}

/** How often a file that changes under the copy is begun again, and how long it is let alone in between. */
const COPY_TRIES = 3;
const COPY_PAUSE_MS = 200;
/** Hashing so much holds the main thread up for a quarter of a millisecond. */
const COPY_BYTES = 1 << 18;

export function fileSource(options: FileSourceOptions): ListSource {
  const { known, clock = systemClock, timers = systemTimers, pollMs = 30_000, settleMs = 250 } = options;
  const path = resolve(options.path);
  const description = `file:${path}`;
  /** The state of the file when its content was last read, and the content's checksum. */
  let seen: { state: string; sha256: string } | undefined;

  async function fetch(signal: AbortSignal, { again = false }: FetchOptions = {}): Promise<FetchResult> {
    try {
      for (let attempt = 0; attempt < COPY_TRIES; attempt++) {
        if (attempt > 0) await pause(timers, COPY_PAUSE_MS, signal);
        if (signal.aborted) throw new FetchFailure('was given up');
        const result = await tryCopy(signal, again);
        if (result) return result;
      }
      throw new FetchFailure(`${path} keeps changing while it is read`, { retryAfterMs: 1000 });
    } catch (error) {
      return failed(error);
    }
  }

  /** Undefined: the file changed meanwhile. */
  async function tryCopy(signal: AbortSignal, again: boolean): Promise<FetchResult | undefined> {
    const before = await look(path);
    const state = stateOf(before);
    const delivered = known().delivered;
    const deliveredHere = delivered?.source === description ? delivered : undefined;
    if (!again && deliveredHere && seen?.state === state && seen.sha256 === deliveredHere.sha256) {
      return { kind: 'unchanged' };
    }
    const incoming = await IncomingFile.create(options.folder, options.maxBytes);
    try {
      await copyInto(incoming, path, signal);
      if (stateOf(await look(path)) !== state) {
        await incoming.discard();
        return undefined;
      }
      const content = await incoming.finish();
      seen = { state, sha256: content.sha256 };
      if (!again && deliveredHere?.sha256 === content.sha256) {
        await incoming.discard();
        return { kind: 'unchanged' };
      }
      const { sha256, bytes } = content;
      const lastModified = before.mtime.toUTCString();
      const provenance = { source: description, fetchedAtMs: clock.wallMs(), sha256, bytes, lastModified };
      return { kind: 'content', path: content.path, provenance };
    } catch (error) {
      await incoming.discard();
      if (error instanceof FetchFailure) throw new FetchFailure(`${path} ${error.message}`);
      throw error;
    }
  }

  function watch(changed: () => void): () => void {
    let stopped = false;
    let cancelSettle = (): void => {};
    let cancelPoll = (): void => {};
    let last: string | undefined;
    const settle = (): void => {
      cancelSettle();
      if (!stopped) cancelSettle = timers.after(settleMs, changed);
    };
    const poll = async (): Promise<void> => {
      // A file that has vanished is no change: the last good version serves until it is back.
      const state = await look(path).then(stateOf, () => undefined);
      if (state !== undefined && last !== undefined && state !== last) settle();
      last = state ?? last;
      if (!stopped) cancelPoll = timers.after(pollMs, () => void poll());
    };
    void poll();
    const stopFolder = watchName(dirname(path), basename(path), settle);
    return () => {
      stopped = true;
      stopFolder();
      cancelSettle();
      cancelPoll();
    };
  }

  return { description, fetch, watch };
}

/** Through one buffer: a stream makes one for each part, and a thread that has nothing else to do does not collect them. */
async function copyInto(incoming: IncomingFile, path: string, signal: AbortSignal): Promise<void> {
  const file = await open(path, 'r');
  try {
    const buffer = new Uint8Array(COPY_BYTES);
    for (;;) {
      signal.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, COPY_BYTES, null);
      if (bytesRead === 0) return;
      await incoming.write(buffer.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

/** Watches the folder, not the file: an editor that writes a new file and renames it leaves a watcher on the old one. */
function watchName(folder: string, name: string, changed: () => void): () => void {
  try {
    const watcher = watchFolder(folder, { persistent: false }, (_event, changedName) => {
      if (changedName === null || changedName === name) changed();
    });
    // The folder went away, or the system has no watches left (inotify limits): the poll remains.
    watcher.on('error', () => watcher.close());
    return () => watcher.close();
  } catch {
    return () => {};
  }
}

async function look(path: string): Promise<Stats> {
  const stats = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new FetchFailure(error.code === 'ENOENT' ? `${path} is not there` : `${path}: ${error.message}`);
  });
  if (!stats.isFile()) throw new FetchFailure(`${path} is no regular file`);
  return stats;
}

/** Differs whenever the content may differ. */
function stateOf(stats: Stats): string {
  return [stats.dev, stats.ino, stats.size, stats.mtimeMs, stats.ctimeMs].join(' ');
}
