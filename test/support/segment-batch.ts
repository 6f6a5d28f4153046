/**
 * Datagrams that leave one socket together, those of one length for one destination as a single message that the kernel
 * cuts up (UDP_SEGMENT, Linux 4.18): they pass through its layers once. Most of what sending costs is that passage, so
 * for a forwarder, whose queries all go to a few servers, it is the largest single saving there is. The last piece of a
 * message may be shorter than the others, so each message takes along one datagram that is alone of its length.
 *
 *   slots     0 ──── 1 ──── 2 ──── 3 ──── 4 ────      as gathered, each with its payload and sockaddr
 *             40 B   38 B   40 B   51 B   33 B
 *   iovecs    3 1 │ 0 2 4                             put in order, the longest first
 *   messages  ^^^   ^^^^^                             UDP_SEGMENT = 51: 51, 38; UDP_SEGMENT = 40: 40, 40, 33
 *
 * On the wire nothing differs from datagrams sent one by one. Struct layouts: see mmsg-batch.ts.
 */
import {
  EINTR,
  EINVAL,
  EIO,
  EMSGSIZE,
  IPPROTO_UDP,
  type Libc,
  libc,
  MSG_DONTWAIT,
  UDP_SEGMENT,
} from '../../src/system/libc.ts';
import { BATCH, NAME_STRIDE } from '../../src/transports/udp/mmsg-batch.ts';

const HEADER_WORDS = 16;
const NAME_LENGTH = 2;
const VECTORS = 4;
const VECTOR_COUNT = 6;
const CONTROL_LENGTH = 10;
const FLAGS = 12;
/** A cmsghdr and two bytes, padded (CMSG_SPACE), and its length without the padding (CMSG_LEN). */
const CONTROL_BYTES = 24;
const CONTROL_USED = 18;

export class SegmentBatch {
  /** Datagrams gathered. */
  queued = 0;
  /** Where the caller writes payload and sockaddr of datagram `queued` before `add`: at `queued` times the stride. */
  readonly payload: Uint8Array;
  readonly names: Uint8Array;
  readonly nameWords: Int32Array;
  /** The kernel is asked to cut messages up; false once it has refused. */
  segments: boolean;
  readonly #libc: Libc = libc();
  readonly #address: number;
  readonly #headers: Int32Array;
  readonly #vectors: Int32Array;
  readonly #controls: Int32Array;
  /** Pointers to each slot's payload and sockaddr and to each iovec, two words each. */
  readonly #payloadAt: Int32Array;
  readonly #nameAt: Int32Array;
  readonly #vectorAt: Int32Array;
  readonly #lengths = new Int32Array(BATCH);
  readonly #nameLengths = new Int32Array(BATCH);
  /** Message of each datagram. */
  readonly #messageOf = new Int32Array(BATCH);
  /** Datagrams of one length and destination: the first, the last, how many; and behind each datagram the next of its group. */
  readonly #first = new Int32Array(BATCH);
  readonly #last = new Int32Array(BATCH);
  readonly #count = new Int32Array(BATCH);
  readonly #next = new Int32Array(BATCH);
  /** Groups, the longest datagrams first. */
  readonly #order = new Int32Array(BATCH);
  /** Group that takes datagrams of a length; -1 between calls. */
  readonly #groupFor: Int32Array;

  /** `stride`: bytes per payload. `segments`: whether the kernel can do it (self-test.ts). */
  constructor(stride: number, segments: boolean) {
    const c = this.#libc;
    const headers = c.allocate(BATCH * HEADER_WORDS * 4);
    const vectors = c.allocate(BATCH * 16);
    const names = c.allocate(BATCH * NAME_STRIDE);
    const controls = c.allocate(BATCH * CONTROL_BYTES);
    const payload = c.allocate(BATCH * stride);
    this.segments = segments;
    this.payload = payload.bytes;
    this.names = names.bytes;
    this.nameWords = names.words;
    this.#address = headers.address;
    this.#headers = headers.words;
    this.#vectors = vectors.words;
    this.#controls = controls.words;
    this.#payloadAt = pointers(payload.address, stride);
    this.#nameAt = pointers(names.address, NAME_STRIDE);
    this.#vectorAt = pointers(vectors.address, 16);
    this.#groupFor = new Int32Array(stride + 1).fill(-1);
    const controlAt = pointers(controls.address, CONTROL_BYTES);
    for (let i = 0; i < BATCH; i++) {
      const header = i * HEADER_WORDS;
      headers.words[header + 8] = controlAt[i * 2]!;
      headers.words[header + 9] = controlAt[i * 2 + 1]!;
      // struct cmsghdr: length, level, type; the data, a 16-bit segment size, is written for each message.
      controls.words.set([CONTROL_USED, 0, IPPROTO_UDP, UDP_SEGMENT], (i * CONTROL_BYTES) >>> 2);
    }
  }

  /** The datagram written at `queued` is complete. The caller sends when there are BATCH of them. */
  add(nameBytes: number, payloadBytes: number): void {
    this.#nameLengths[this.queued] = nameBytes;
    this.#lengths[this.queued++] = payloadBytes;
  }

  /** Send all from `fd`. Returns how many the kernel would not take. */
  send(fd: number): number {
    const messages = this.segments ? this.#arrange() : this.#singly(0);
    let from = 0;
    let end = messages;
    let refused = 0;
    while (from < end) {
      const sent = this.#libc.sendmmsg(fd, this.#address + from * HEADER_WORDS * 4, end - from, MSG_DONTWAIT);
      if (sent > 0) {
        from += sent;
        continue;
      }
      const errno = this.#libc.errno();
      if (errno === EINTR) continue;
      if (this.segments && this.#headers[from * HEADER_WORDS + VECTOR_COUNT]! > 1 && cannotSegment(errno)) {
        // E.g. a device that computes no checksums (EIO): what has not gone yet goes one by one, now and from now on.
        this.segments = false;
        end = this.#singly(from);
        from = 0;
        continue;
      }
      refused += this.#headers[from * HEADER_WORDS + VECTOR_COUNT]!;
      from++;
    }
    this.queued = 0;
    return refused;
  }

  /** Describe the messages. Returns how many. */
  #arrange(): number {
    const groups = this.#group();
    const order = this.#order;
    const first = this.#first;
    const count = this.#count;
    let messages = 0;
    let vector = 0;
    let single = 0;
    for (let at = 0; at < groups; at++) {
      const group = order[at]!;
      // Taken along already.
      if (count[group] === 0) continue;
      const begin = vector;
      for (let n = count[group]!, i = first[group]!; n > 0; n--, i = this.#next[i]!) {
        this.#messageOf[i] = messages;
        this.#putVector(vector++, i);
      }
      if (single <= at) single = at + 1;
      while (single < groups && count[order[single]!] !== 1) single++;
      const other = single < groups ? order[single]! : group;
      if (
        this.#lengths[first[other]!]! < this.#lengths[first[group]!]! &&
        this.#sameName(first[other]!, first[group]!)
      ) {
        this.#messageOf[first[other]!] = messages;
        this.#putVector(vector++, first[other]!);
        count[other] = 0;
      }
      this.#describe(messages++, first[group]!, begin, vector - begin);
    }
    return messages;
  }

  /** Put datagrams alike in length and destination together, and those groups in order. Returns how many groups. */
  #group(): number {
    const { queued } = this;
    const lengths = this.#lengths;
    const groupFor = this.#groupFor;
    const order = this.#order;
    let groups = 0;
    for (let i = 0; i < queued; i++) {
      const length = lengths[i]!;
      let group = groupFor[length]!;
      if (group < 0 || !this.#sameName(this.#first[group]!, i)) {
        group = groups++;
        groupFor[length] = group;
        this.#first[group] = i;
        this.#count[group] = 0;
        let at = group;
        for (; at > 0 && lengths[this.#first[order[at - 1]!]!]! < length; at--) order[at] = order[at - 1]!;
        order[at] = group;
      } else {
        this.#next[this.#last[group]!] = i;
      }
      this.#last[group] = i;
      this.#count[group]!++;
    }
    for (let i = 0; i < queued; i++) groupFor[lengths[i]!] = -1;
    return groups;
  }

  /** Describe the datagrams of the messages from `message` on, each as a message of its own. Returns how many. */
  #singly(message: number): number {
    let messages = 0;
    for (let i = 0; i < this.queued; i++) {
      if (message > 0 && this.#messageOf[i]! < message) continue;
      this.#putVector(messages, i);
      this.#describe(messages, i, messages, 1);
      messages++;
    }
    return messages;
  }

  #describe(message: number, datagram: number, vector: number, count: number): void {
    const headers = this.#headers;
    const header = message * HEADER_WORDS;
    headers[header] = this.#nameAt[datagram * 2]!;
    headers[header + 1] = this.#nameAt[datagram * 2 + 1]!;
    headers[header + NAME_LENGTH] = this.#nameLengths[datagram]!;
    headers[header + VECTORS] = this.#vectorAt[vector * 2]!;
    headers[header + VECTORS + 1] = this.#vectorAt[vector * 2 + 1]!;
    headers[header + VECTOR_COUNT] = count;
    headers[header + CONTROL_LENGTH] = count > 1 ? CONTROL_BYTES : 0;
    headers[header + FLAGS] = 0;
    this.#controls[((message * CONTROL_BYTES) >>> 2) + 4] = this.#lengths[datagram]!;
  }

  #putVector(vector: number, datagram: number): void {
    const at = vector * 4;
    this.#vectors[at] = this.#payloadAt[datagram * 2]!;
    this.#vectors[at + 1] = this.#payloadAt[datagram * 2 + 1]!;
    this.#vectors[at + 2] = this.#lengths[datagram]!;
  }

  #sameName(a: number, b: number): boolean {
    const words = this.nameWords;
    const from = (a * NAME_STRIDE) >>> 2;
    const to = (b * NAME_STRIDE) >>> 2;
    for (let w = 0; w < 7; w++) if (words[from + w] !== words[to + w]) return false;
    return true;
  }
}

function cannotSegment(errno: number): boolean {
  return errno === EIO || errno === EINVAL || errno === EMSGSIZE;
}

/** BATCH pointers, `stride` bytes apart, as two words each. */
function pointers(address: number, stride: number): Int32Array {
  const words = new Int32Array(BATCH * 2);
  for (let i = 0; i < BATCH; i++) {
    words[i * 2] = (address + i * stride) | 0;
    words[i * 2 + 1] = Math.floor((address + i * stride) / 0x1_0000_0000);
  }
  return words;
}
