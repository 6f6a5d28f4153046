/**
 * From the packet threads to the notices: a ring in shared memory for each worker, which alone writes it; the main thread
 * alone empties it, several times a second. A full ring loses and counts, and holds up nobody.
 *
 *   | written | read | lost | holder, list | holder, list | …
 */
import type { Clock, NoticeDesk } from '../../src/plugin.ts';

const HEADER = 4;
/** Found names between two looks of the main thread, for each worker. A power of two. */
const ROOM = 4096;
const RING_WORDS = HEADER + ROOM * 2;
/** As many as there may be workers (server.workers). */
const RINGS = 64;
const DRAIN_MS = 250;
const DELETE_MS = 600_000;

/** Pages that are never written cost no memory. */
export function noticeRings(): SharedArrayBuffer {
  return new SharedArrayBuffer(RINGS * RING_WORDS * 4);
}

export class NoticeRing {
  readonly #words: Int32Array;

  constructor(rings: SharedArrayBuffer, worker: number) {
    this.#words = new Int32Array(rings, worker * RING_WORDS * 4, RING_WORDS);
  }

  push(holder: number, list: number): void {
    const words = this.#words;
    const written = words[0]!;
    if (((written - Atomics.load(words, 1)) | 0) >= ROOM) {
      Atomics.add(words, 2, 1);
      return;
    }
    const at = HEADER + (written & (ROOM - 1)) * 2;
    words[at] = holder;
    words[at + 1] = list;
    Atomics.store(words, 0, (written + 1) | 0);
  }

  /** Take everything out. Returns how many were lost since the last time. */
  drain(take: (holder: number, list: number) => void): number {
    const words = this.#words;
    const written = Atomics.load(words, 0);
    let read = words[1]!;
    for (; read !== written; read = (read + 1) | 0) {
      const at = HEADER + (read & (ROOM - 1)) * 2;
      take(words[at]!, words[at + 1]!);
    }
    Atomics.store(words, 1, read);
    return Atomics.exchange(words, 2, 0);
  }
}

/** All rings, added up by holder and list. */
export function drained(rings: SharedArrayBuffer): { notices: Parameters<NoticeDesk['record']>[0]; lost: number } {
  const counts = new Map<string, { holder: number; list: number; count: number }>();
  let lost = 0;
  for (let worker = 0; worker < RINGS; worker++) {
    lost += new NoticeRing(rings, worker).drain((holder, list) => {
      const key = `${holder} ${list}`;
      const known = counts.get(key);
      if (known) known.count++;
      else counts.set(key, { holder, list, count: 1 });
    });
  }
  return { notices: [...counts.values()], lost };
}

interface Desk {
  readonly record: NoticeDesk['record'];
  readonly deleteOld: () => void;
  readonly lost: (count: number) => void;
}

/** Empty the rings into the desk until the returned function is called, which does it a last time. */
export function drainEvery(
  rings: SharedArrayBuffer,
  desk: Desk,
  clock: Clock,
  log: { error(fields: object, text: string): void },
): () => void {
  let deletedMs = Number.NEGATIVE_INFINITY;
  const drain = () => {
    try {
      const { notices, lost } = drained(rings);
      if (notices.length > 0) desk.record(notices);
      if (lost > 0) desk.lost(lost);
      if (clock.nowMs() - deletedMs < DELETE_MS) return;
      deletedMs = clock.nowMs();
      desk.deleteOld();
    } catch (error) {
      log.error({ err: error }, 'notices could not be recorded');
    }
  };
  const timer = setInterval(drain, DRAIN_MS);
  return () => {
    clearInterval(timer);
    drain();
  };
}
