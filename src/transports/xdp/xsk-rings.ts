/**
 * A worker's side of one AF_XDP socket: takes frames, gives their chunks back, sends answers. No call into the kernel but one
 * kick for each batch of answers; nothing is allocated.
 *
 * Order between the two sides: whoever writes entries publishes them with an atomic store of the producer's index, and whoever
 * reads them loads that index first; chunks are handed back the same way with the consumer's.
 *
 * Whoever takes a socket over from a worker that died (the constructor) puts the chunks of frames that are in no ring back into the
 * fill ring: those the dead one had in hand. A chunk of an answer is free unless it waits in the send ring.
 */
import { libc, MSG_DONTWAIT } from '../../system/libc.ts';
import { CHUNK_BYTES } from './frame.ts';
import { MEMORY_BYTES, RECEIVE_CHUNKS, type RingMemory, SEND_CHUNKS, type XskMemory } from './xsk-socket.ts';

/** Flag of a ring: the other side sleeps until it is told. */
const NEED_WAKEUP = 1;
/** Kicks for one batch: the kernel copies 32 answers at a time. */
const MAX_KICKS = 8;

interface Ring {
  readonly words: Int32Array;
  /** Indices of `words`. */
  readonly producer: number;
  readonly consumer: number;
  readonly flags: number;
  readonly entries: number;
}

export class XskRings {
  readonly fd: number;
  readonly mtu: number;
  /** The memory that frames lie in. */
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  /** Kernel calls for sending that failed. */
  failures = 0;
  readonly #memory: number;
  readonly #fill: Ring;
  readonly #receive: Ring;
  readonly #send: Ring;
  readonly #complete: Ring;
  readonly #libc = libc();
  #fillProduced: number;
  #receiveConsumed: number;
  #sendProduced: number;
  #completeConsumed: number;
  /** Free chunks for answers, as a stack of offsets. */
  readonly #free = new Int32Array(SEND_CHUNKS);
  #freeCount = 0;
  /** By number of the chunk: 1 while an answer in it is the kernel's. */
  readonly #sending = new Uint8Array(SEND_CHUNKS);
  #unkicked = 0;

  constructor(memory: XskMemory) {
    const buffer = this.#libc.view(memory.memory, MEMORY_BYTES);
    this.fd = memory.fd;
    this.#memory = memory.memory;
    this.mtu = memory.mtu;
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer);
    this.#fill = this.#ring(memory.fill);
    this.#receive = this.#ring(memory.receive);
    this.#send = this.#ring(memory.send);
    this.#complete = this.#ring(memory.complete);
    this.#fillProduced = Atomics.load(this.#fill.words, this.#fill.producer);
    this.#receiveConsumed = Atomics.load(this.#receive.words, this.#receive.consumer);
    this.#sendProduced = Atomics.load(this.#send.words, this.#send.producer);
    this.#completeConsumed = Atomics.load(this.#complete.words, this.#complete.consumer);
    this.#findChunks(memory.zeroCopy);
  }

  isOf({ fd, memory }: XskMemory): boolean {
    return this.fd === fd && this.#memory === memory;
  }

  /** Frames that have come, up to `most`. */
  waiting(most: number): number {
    const { words, producer } = this.#receive;
    const count = (Atomics.load(words, producer) - this.#receiveConsumed) | 0;
    // Neither side can be trusted to count right after memory was overwritten; more than the ring holds is nothing.
    return count < 0 || count > RECEIVE_CHUNKS ? 0 : Math.min(most, count);
  }

  /** Share of the receive ring that is full, 0–1. */
  get fullness(): number {
    return this.waiting(RECEIVE_CHUNKS) / RECEIVE_CHUNKS;
  }

  /** Offset in `bytes` of the i-th frame that waits. */
  frameAt(i: number): number {
    const { words, entries } = this.#receive;
    return words[entries + ((this.#receiveConsumed + i) & (RECEIVE_CHUNKS - 1)) * 4]!;
  }

  /** Its bytes. */
  frameBytes(i: number): number {
    const { words, entries } = this.#receive;
    return words[entries + ((this.#receiveConsumed + i) & (RECEIVE_CHUNKS - 1)) * 4 + 2]!;
  }

  /** `count` frames are taken: nobody sees them again. Their chunks stay ours until `giveBack`. */
  take(count: number): void {
    this.#receiveConsumed = (this.#receiveConsumed + count) | 0;
    Atomics.store(this.#receive.words, this.#receive.consumer, this.#receiveConsumed);
  }

  /** Chunks of frames, by an offset in each, are the kernel's again. */
  giveBack(offsets: Int32Array, count: number): void {
    const { words, entries, producer } = this.#fill;
    for (let i = 0; i < count; i++) {
      const at = entries + (this.#fillProduced & (RECEIVE_CHUNKS - 1)) * 2;
      words[at] = offsets[i]! - (offsets[i]! & (CHUNK_BYTES - 1));
      words[at + 1] = 0;
      this.#fillProduced = (this.#fillProduced + 1) | 0;
    }
    Atomics.store(words, producer, this.#fillProduced);
  }

  /** Offset of a chunk for an answer; -1 = all are on their way. */
  takeChunk(): number {
    if (this.#freeCount === 0) this.#reclaim();
    return this.#freeCount === 0 ? -1 : this.#free[--this.#freeCount]!;
  }

  /** The chunk taken last is not needed. */
  returnChunk(offset: number): void {
    this.#free[this.#freeCount++] = offset;
  }

  /** Put an answer of `bytes` bytes at `offset`, inside a chunk of `takeChunk`, into the send ring. It leaves with `kick`. */
  send(offset: number, bytes: number): void {
    const { words, entries } = this.#send;
    const at = entries + (this.#sendProduced & (SEND_CHUNKS - 1)) * 4;
    words[at] = offset;
    words[at + 1] = 0;
    words[at + 2] = bytes;
    words[at + 3] = 0;
    this.#sending[(offset / CHUNK_BYTES - RECEIVE_CHUNKS) | 0] = 1;
    this.#sendProduced = (this.#sendProduced + 1) | 0;
    this.#unkicked++;
  }

  /** Have the kernel send what is in the ring, and take back the chunks of what has gone. */
  kick(): void {
    if (this.#unkicked === 0) return;
    const { words, producer, consumer, flags } = this.#send;
    Atomics.store(words, producer, this.#sendProduced);
    this.#unkicked = 0;
    for (let kicks = 0; kicks < MAX_KICKS && (Atomics.load(words, flags) & NEED_WAKEUP) !== 0; kicks++) {
      // What was queued beyond one kick's worth stays, with an error that says so (EAGAIN).
      if (this.#libc.sendNothing(this.fd, MSG_DONTWAIT) < 0) this.failures++;
      if (Atomics.load(words, consumer) === this.#sendProduced) break;
    }
    this.#reclaim();
  }

  /** Answers that the kernel has not looked at: the interface is down, or the driver is behind. */
  get unsent(): number {
    return (this.#sendProduced - Atomics.load(this.#send.words, this.#send.consumer)) | 0;
  }

  /** Chunks for frames that are in a ring, and chunks for answers that are free: all of them, while nothing is in hand. */
  get accounted(): { readonly receive: number; readonly send: number } {
    const filled = (this.#fillProduced - Atomics.load(this.#fill.words, this.#fill.consumer)) | 0;
    return { receive: filled + this.waiting(RECEIVE_CHUNKS), send: this.#freeCount };
  }

  #reclaim(): void {
    const { words, entries, producer, consumer } = this.#complete;
    const produced = Atomics.load(words, producer);
    if (this.#completeConsumed === produced) return;
    while (this.#completeConsumed !== produced) {
      const offset = words[entries + (this.#completeConsumed & (SEND_CHUNKS - 1)) * 2]!;
      this.#completeConsumed = (this.#completeConsumed + 1) | 0;
      this.#freed(offset);
    }
    Atomics.store(words, consumer, this.#completeConsumed);
  }

  #freed(offset: number): void {
    const chunk = ((offset / CHUNK_BYTES) | 0) - RECEIVE_CHUNKS;
    // What a dead predecessor sent is free already.
    if (this.#sending[chunk] !== 1) return;
    this.#sending[chunk] = 0;
    this.#free[this.#freeCount++] = (RECEIVE_CHUNKS + chunk) * CHUNK_BYTES;
  }

  /** `busyDriver`: the driver itself holds chunks that are in no ring. */
  #findChunks(busyDriver: boolean): void {
    const known = new Uint8Array(RECEIVE_CHUNKS);
    const mark = ({ words, entries, producer, consumer }: Ring, stride: number) => {
      const to = Atomics.load(words, producer);
      for (let i = Atomics.load(words, consumer); i !== to; i = (i + 1) | 0)
        known[(words[entries + (i & (RECEIVE_CHUNKS - 1)) * stride]! / CHUNK_BYTES) | 0] = 1;
    };
    mark(this.#fill, 2);
    mark(this.#receive, 4);
    const fresh = this.#fillProduced === 0 && this.#receiveConsumed === 0;
    const lost = new Int32Array(RECEIVE_CHUNKS);
    let count = 0;
    if (fresh || !busyDriver)
      for (let chunk = 0; chunk < RECEIVE_CHUNKS; chunk++) if (known[chunk] === 0) lost[count++] = chunk * CHUNK_BYTES;
    if (count > 0) this.giveBack(lost, count);
    const { words, entries, consumer } = this.#send;
    for (let i = Atomics.load(words, consumer); i !== this.#sendProduced; i = (i + 1) | 0)
      this.#sending[((words[entries + (i & (SEND_CHUNKS - 1)) * 4]! / CHUNK_BYTES) | 0) - RECEIVE_CHUNKS] = 1;
    for (let chunk = 0; chunk < SEND_CHUNKS; chunk++)
      if (this.#sending[chunk] === 0) this.#free[this.#freeCount++] = (RECEIVE_CHUNKS + chunk) * CHUNK_BYTES;
  }

  #ring({ address, bytes, producer, consumer, flags, entries }: RingMemory): Ring {
    const words = new Int32Array(this.#libc.view(address, bytes), 0, bytes >>> 2);
    return { words, producer: producer >>> 2, consumer: consumer >>> 2, flags: flags >>> 2, entries: entries >>> 2 };
  }
}
