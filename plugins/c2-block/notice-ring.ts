/**
 * From the packet threads to the notices: a ring in shared memory for each worker, which alone writes it; the main thread
 * alone empties it, several times a second. A full ring loses and counts, and holds up nobody.
 *
 *   | written | read | lost | holder, list | holder, list | …
 *
 * Names stand behind all rings, in a place for each entry, and only where the operator has a ground for it.
 */
import { type ControlContext, faultOf, type NoticeDesk, nameToText } from '../../src/contract/plugin.ts';

const HEADER = 4;
/** Found names between two looks of the main thread, for each worker. A power of two. */
const ROOM = 4096;
const RING_WORDS = HEADER + ROOM * 2;
/** As many as there may be workers (server.workers). */
const RINGS = 64;
const RINGS_BYTES = RINGS * RING_WORDS * 4;
/** A name in wire form behind its length; 0 = none. */
const NAME_BYTES = 256;
const DRAIN_MS = 250;
const DELETE_MS = 600_000;

/** Pages that are never written cost no memory. */
export function noticeRings(withNames = false): SharedArrayBuffer {
  return new SharedArrayBuffer(RINGS_BYTES + (withNames ? RINGS * ROOM * NAME_BYTES : 0));
}

export class NoticeRing {
  readonly #words: Int32Array;
  readonly #names: Uint8Array | undefined;

  constructor(rings: SharedArrayBuffer, worker: number) {
    const namesAt = RINGS_BYTES + worker * ROOM * NAME_BYTES;
    this.#names = rings.byteLength > RINGS_BYTES ? new Uint8Array(rings, namesAt, ROOM * NAME_BYTES) : undefined;
    this.#words = new Int32Array(rings, worker * RING_WORDS * 4, RING_WORDS);
  }

  /** `name`: wire form of `length` bytes, is recorded too, in rings that were made for it. */
  push(holder: number, list: number, name?: Uint8Array, nameLength = 0): void {
    const words = this.#words;
    const written = words[0]!;
    if (((written - Atomics.load(words, 1)) | 0) >= ROOM) {
      Atomics.add(words, 2, 1);
      return;
    }
    const at = HEADER + (written & (ROOM - 1)) * 2;
    words[at] = holder;
    words[at + 1] = list;
    if (this.#names !== undefined) {
      const place = (written & (ROOM - 1)) * NAME_BYTES;
      const length = name === undefined ? 0 : nameLength;
      this.#names[place] = length;
      for (let i = 0; i < length; i++) this.#names[place + 1 + i] = name![i]!;
    }
    Atomics.store(words, 0, (written + 1) | 0);
  }

  /** Take everything out. Returns how many were lost since the last time. */
  drain(take: (holder: number, list: number, name: string | undefined) => void): number {
    const words = this.#words;
    const written = Atomics.load(words, 0);
    let read = words[1]!;
    for (; read !== written; read = (read + 1) | 0) {
      const at = HEADER + (read & (ROOM - 1)) * 2;
      take(words[at]!, words[at + 1]!, this.#nameOf(read & (ROOM - 1)));
    }
    Atomics.store(words, 1, read);
    return Atomics.exchange(words, 2, 0);
  }

  #nameOf(entry: number): string | undefined {
    const at = entry * NAME_BYTES;
    if (this.#names === undefined || this.#names[at] === 0) return undefined;
    const name = nameToText(this.#names.slice(at + 1, at + 1 + this.#names[at]!));
    this.#names[at] = 0;
    return name;
  }
}

/** All rings, added up by holder and list. */
export function drained(rings: SharedArrayBuffer): { notices: Parameters<NoticeDesk['record']>[0]; lost: number } {
  const counts = new Map<string, { holder: number; list: number; count: number; name?: string }>();
  let lost = 0;
  for (let worker = 0; worker < RINGS; worker++) {
    lost += new NoticeRing(rings, worker).drain((holder, list, name) => {
      const key = `${holder} ${list} ${name ?? ''}`;
      const known = counts.get(key);
      if (known) known.count++;
      else counts.set(key, { holder, list, count: 1, ...(name !== undefined && { name }) });
    });
  }
  return { notices: [...counts.values()], lost };
}

interface Desk {
  readonly record: NoticeDesk['record'];
  /** Called with every look; where no ground for names holds, none may be left. */
  readonly withoutGround: () => Promise<void>;
  readonly deleteOld: () => Promise<void>;
  readonly lost: (count: number) => void;
}

/** Empty the rings into the desk until the returned function is called, which does it a last time. */
export function drainEvery(
  rings: SharedArrayBuffer,
  desk: Desk,
  { clock, log, every }: Pick<ControlContext<unknown>, 'clock' | 'log' | 'every'>,
): () => Promise<void> {
  let deletedMs = Number.NEGATIVE_INFINITY;
  let draining: Promise<void> = Promise.resolve();
  const drainOnce = async () => {
    try {
      const { notices, lost } = drained(rings);
      if (lost > 0) desk.lost(lost);
      if (notices.length > 0) await desk.record(notices);
      await desk.withoutGround();
      if (clock.nowMs() - deletedMs < DELETE_MS) return;
      deletedMs = clock.nowMs();
      await desk.deleteOld();
    } catch (error) {
      log.error({ fault: faultOf(error) }, 'failed to record notices');
    }
  };
  const drain = () => {
    draining = draining.then(drainOnce);
    return draining;
  };
  const stop = every(DRAIN_MS, () => void drain());
  return () => {
    stop();
    return drain();
  };
}
