/**
 * Records of one worker on their way to the writer's thread, in memory that both share: bytes, one record after the other.
 *
 *     ┌──────────┬───────────────┬───┬ ─ ─ ─ ─ ─ ─┬──────┬───────┐
 *     │ record   │ record        │ … │   free     │ skip │       │   a record that does not fit before the end
 *     └──────────┴───────────────┴───┴ ─ ─ ─ ─ ─ ─┴──────┴───────┘   starts over at the front
 *       ▲ TAIL, moved by the writer  ▲ HEAD, moved by the worker; both count bytes and only grow
 *
 * One producer, one consumer, no lock: what lies between TAIL and HEAD belongs to the writer, the rest to the worker. A
 * record that finds no room is dropped and counted; nobody waits for anybody.
 */
import { type Query, transportOf } from '../../src/contract/plugin.ts';

/** Power of two. */
export const RING_BYTES = 1 << 20;
const HEAD = 0;
const TAIL = 1;

/** Words of a record ahead of its bytes; all little-endian 32-bit unless said otherwise. */
const SIZE = 0;
const FLAGS = 1;
/** Monotonic milliseconds as a 64-bit float. */
const RECEIVED = 2;
const SENT = 4;
const CLIENT = 6;
const QUESTION_LENGTH = 10;
const REPLY_LENGTH = 11;
const HEADER_WORDS = 12;
const HEADER_BYTES = HEADER_WORDS * 4;
/** In SIZE: nothing more comes before the front. */
const SKIP = -1;

const FLAG_V6 = 1;
const FLAG_TCP = 2;

export function createRing(): SharedArrayBuffer {
  return new SharedArrayBuffer(64 + RING_BYTES);
}

/** One query and its reply, read out of a ring. The bytes are borrowed until the next is read. */
export interface TapRecord {
  ipv6: boolean;
  tcp: boolean;
  receivedMs: number;
  sentMs: number;
  readonly client: Int32Array;
  /** Header and question, as received. */
  question: Uint8Array;
  /** Empty where nothing was sent. */
  reply: Uint8Array;
}

class Ring {
  protected readonly control: Int32Array;
  protected readonly words: Int32Array;
  protected readonly floats: Float64Array;
  protected readonly bytes: Uint8Array;

  constructor(memory: SharedArrayBuffer) {
    this.control = new Int32Array(memory, 0, 16);
    this.words = new Int32Array(memory, 64);
    this.floats = new Float64Array(memory, 64);
    this.bytes = new Uint8Array(memory, 64);
  }
}

/** The worker's side. */
export class RingWriter extends Ring {
  /** Copies header, question and reply. Returns false where there is no room. Allocates nothing. */
  put(query: Query): boolean {
    const { control, words, bytes } = this;
    const questionLength = query.questionEnd;
    const { replyLength } = query;
    const size = (HEADER_BYTES + questionLength + replyLength + 7) & ~7;
    let head = control[HEAD]!;
    const free = RING_BYTES - ((head - Atomics.load(control, TAIL)) >>> 0);
    const at = head & (RING_BYTES - 1);
    const before = RING_BYTES - at;
    const lost = size > before ? before : 0;
    if (size + lost > free) return false;
    if (lost > 0) {
      words[(at >> 2) + SIZE] = SKIP;
      head = (head + lost) | 0;
    }
    const from = head & (RING_BYTES - 1);
    const word = from >> 2;
    words[word + SIZE] = size;
    words[word + FLAGS] = (query.family === 6 ? FLAG_V6 : 0) | (transportOf(query).stream ? FLAG_TCP : 0);
    this.floats[(word + RECEIVED) >> 1] = query.receivedMs;
    this.floats[(word + SENT) >> 1] = query.nowMs;
    for (let i = 0; i < 4; i++) words[word + CLIENT + i] = query.clientWords[i]!;
    words[word + QUESTION_LENGTH] = questionLength;
    words[word + REPLY_LENGTH] = replyLength;
    const { message, start, reply, replyStart } = query;
    let to = from + HEADER_BYTES;
    for (let i = 0; i < questionLength; i++) bytes[to++] = message[start + i]!;
    for (let i = 0; i < replyLength; i++) bytes[to++] = reply[replyStart + i]!;
    Atomics.store(control, HEAD, (head + size) | 0);
    return true;
  }
}

/** The writer's side. */
export class RingReader extends Ring {
  readonly #record: TapRecord = {
    ipv6: false,
    tcp: false,
    receivedMs: 0,
    sentMs: 0,
    client: new Int32Array(4),
    question: new Uint8Array(0),
    reply: new Uint8Array(0),
  };

  /** Hand everything that is there to `take`, one after the other. */
  drain(take: (record: TapRecord) => void): void {
    const { control, words, bytes } = this;
    const record = this.#record;
    for (let tail = control[TAIL]!; tail !== Atomics.load(control, HEAD); Atomics.store(control, TAIL, tail)) {
      const at = tail & (RING_BYTES - 1);
      const word = at >> 2;
      const size = words[word + SIZE]!;
      if (size === SKIP) {
        tail = (tail + RING_BYTES - at) | 0;
        continue;
      }
      const flags = words[word + FLAGS]!;
      record.ipv6 = (flags & FLAG_V6) !== 0;
      record.tcp = (flags & FLAG_TCP) !== 0;
      record.receivedMs = this.floats[(word + RECEIVED) >> 1]!;
      record.sentMs = this.floats[(word + SENT) >> 1]!;
      for (let i = 0; i < 4; i++) record.client[i] = words[word + CLIENT + i]!;
      const middle = at + HEADER_BYTES + words[word + QUESTION_LENGTH]!;
      record.question = bytes.subarray(at + HEADER_BYTES, middle);
      record.reply = bytes.subarray(middle, middle + words[word + REPLY_LENGTH]!);
      take(record);
      tail = (tail + size) | 0;
    }
  }
}
