/**
 * Queries that leave in one turn of the loop, in groups: those of a group leave one socket for the destination that it is
 * connected to. Those of one length go as a single message that the kernel cuts up (UDP_SEGMENT, Linux 4.18): they pass
 * through its layers once, which is most of what sending costs. The last piece of a message may be shorter than the others, so
 * each message takes along one datagram that is alone of its length. A datagram alone in its group goes by `send`.
 *
 *   slots     0 ──── 1 ──── 2 ──── 3 ──── 4 ──── 5 ────      as gathered
 *             40 B   38 B   40 B   51 B   33 B   40 B
 *   groups    {0 1 2 3 4} {5}                                each with a socket of its own
 *   iovecs    3 1 │ 0 2 4                                    put in order, the longest first
 *   calls     sendmmsg: UDP_SEGMENT = 51: 51, 38; UDP_SEGMENT = 40: 40, 40, 33 │ send: 40
 *
 * On the wire nothing differs from datagrams sent one by one. Struct layouts: see mmsg-batch.ts.
 */
import {
  ECONNREFUSED,
  EINTR,
  EINVAL,
  EIO,
  EMSGSIZE,
  IPPROTO_UDP,
  type Libc,
  libc,
  MSG_DONTWAIT,
  UDP_SEGMENT,
} from '../../system/libc.ts';
import { BATCH } from './mmsg-batch.ts';

const HEADER_WORDS = 16;
const VECTORS = 4;
const VECTOR_COUNT = 6;
const CONTROLS = 8;
const CONTROL_LENGTH = 10;
/** A cmsghdr and two bytes, padded (CMSG_SPACE), and its length without the padding (CMSG_LEN). */
const CONTROL_BYTES = 24;
const CONTROL_USED = 18;
/** Times that a datagram is handed to the kernel which something else kept from going. */
const ATTEMPTS = 3;

export class GroupBatch {
  /** Datagrams gathered, up to BATCH. */
  queued = 0;
  /** Groups opened, up to BATCH. */
  groups = 0;
  /** Where the caller writes datagram `queued` before `add`: at `queued` times the stride. */
  readonly payload: Uint8Array;
  /** The kernel is asked to cut messages up; false once it has refused. */
  segments: boolean;
  readonly #libc: Libc = libc();
  readonly #stride: number;
  readonly #payloadAddress: number;
  readonly #headerAddress: number;
  readonly #headers: Int32Array;
  readonly #vectors: Int32Array;
  readonly #controls: Int32Array;
  /** Pointers to each slot's payload and to each iovec, two words each. */
  readonly #payloadAt: Int32Array;
  readonly #vectorAt: Int32Array;
  /** Of each group: its socket, how many datagrams, the first and the last of them; behind each datagram the next one. */
  readonly #sockets = new Int32Array(BATCH);
  readonly #counts = new Int32Array(BATCH);
  readonly #heads = new Int32Array(BATCH);
  readonly #tails = new Int32Array(BATCH);
  readonly #after = new Int32Array(BATCH);
  readonly #lengths = new Int32Array(BATCH);
  /** Message of each datagram of the group that is being sent. */
  readonly #messageOf = new Int32Array(BATCH);
  /** Its datagrams of one length: the first, the last, how many; and behind each datagram the next of that length. */
  readonly #first = new Int32Array(BATCH);
  readonly #last = new Int32Array(BATCH);
  readonly #count = new Int32Array(BATCH);
  readonly #next = new Int32Array(BATCH);
  /** Lengths, the longest first. */
  readonly #order = new Int32Array(BATCH);
  /** What takes datagrams of a length; -1 between calls. */
  readonly #lengthAt: Int32Array;

  /** `stride`: bytes per payload. `segments`: whether the kernel can do it (self-test.ts). */
  constructor(stride: number, segments: boolean) {
    const c = this.#libc;
    const headers = c.allocate(BATCH * HEADER_WORDS * 4);
    const vectors = c.allocate(BATCH * 16);
    const controls = c.allocate(BATCH * CONTROL_BYTES);
    const payload = c.allocate(BATCH * stride);
    this.segments = segments;
    this.payload = payload.bytes;
    this.#stride = stride;
    this.#payloadAddress = payload.address;
    this.#headerAddress = headers.address;
    this.#headers = headers.words;
    this.#vectors = vectors.words;
    this.#controls = controls.words;
    this.#payloadAt = pointers(payload.address, stride);
    this.#vectorAt = pointers(vectors.address, 16);
    this.#lengthAt = new Int32Array(stride + 1).fill(-1);
    const controlAt = pointers(controls.address, CONTROL_BYTES);
    for (let i = 0; i < BATCH; i++) {
      headers.words[i * HEADER_WORDS + CONTROLS] = controlAt[i * 2]!;
      headers.words[i * HEADER_WORDS + CONTROLS + 1] = controlAt[i * 2 + 1]!;
      // struct cmsghdr: length, level, type; the data, a 16-bit segment size, is written for each message.
      controls.words.set([CONTROL_USED, 0, IPPROTO_UDP, UDP_SEGMENT], (i * CONTROL_BYTES) >>> 2);
    }
  }

  /** Open a group of datagrams that leave `fd`. Returns its number. */
  begin(fd: number): number {
    const group = this.groups++;
    this.#sockets[group] = fd;
    this.#counts[group] = 0;
    return group;
  }

  /** The datagram written at `queued` is complete and belongs to `group`. The caller sends when there are BATCH of them. */
  add(group: number, length: number): void {
    const datagram = this.queued++;
    this.#lengths[datagram] = length;
    if (this.#counts[group]!++ === 0) this.#heads[group] = datagram;
    else this.#after[this.#tails[group]!] = datagram;
    this.#tails[group] = datagram;
  }

  /** Send all. Returns how many the kernel would not take. */
  send(): number {
    let refused = 0;
    for (let group = 0; group < this.groups; group++) {
      if (this.#counts[group] === 1) refused += this.#sendOne(this.#sockets[group]!, this.#heads[group]!) ? 0 : 1;
      else refused += this.#sendGroup(group);
    }
    this.queued = 0;
    this.groups = 0;
    return refused;
  }

  #sendOne(fd: number, datagram: number): boolean {
    const address = this.#payloadAddress + datagram * this.#stride;
    for (let attempts = ATTEMPTS; attempts > 0; attempts--) {
      if (this.#libc.send(fd, address, this.#lengths[datagram]!, MSG_DONTWAIT) >= 0) return true;
      if (!mayTryAgain(this.#libc.errno())) break;
    }
    return false;
  }

  #sendGroup(group: number): number {
    const fd = this.#sockets[group]!;
    let from = 0;
    let end = this.segments ? this.#arrange(group) : this.#singly(group, 0);
    let refused = 0;
    let attempts = ATTEMPTS;
    while (from < end) {
      const sent = this.#libc.sendmmsg(fd, this.#headerAddress + from * HEADER_WORDS * 4, end - from, MSG_DONTWAIT);
      if (sent > 0) {
        from += sent;
        attempts = ATTEMPTS;
        continue;
      }
      const errno = this.#libc.errno();
      if (mayTryAgain(errno) && --attempts > 0) continue;
      attempts = ATTEMPTS;
      const vectors = this.#headers[from * HEADER_WORDS + VECTOR_COUNT]!;
      if (this.segments && vectors > 1 && cannotSegment(errno)) {
        // E.g. a device that computes no checksums (EIO): what has not gone yet goes one by one, now and from now on.
        this.segments = false;
        end = this.#singly(group, from);
        from = 0;
        continue;
      }
      refused += vectors;
      from++;
    }
    return refused;
  }

  /** Describe the messages of a group. Returns how many. */
  #arrange(group: number): number {
    const lengths = this.#sortByLength(group);
    const order = this.#order;
    const first = this.#first;
    const count = this.#count;
    let messages = 0;
    let vector = 0;
    let single = 0;
    for (let at = 0; at < lengths; at++) {
      const length = order[at]!;
      // Taken along already.
      if (count[length] === 0) continue;
      const begin = vector;
      for (let n = count[length]!, i = first[length]!; n > 0; n--, i = this.#next[i]!) {
        this.#messageOf[i] = messages;
        this.#putVector(vector++, i);
      }
      if (single <= at) single = at + 1;
      while (single < lengths && count[order[single]!] !== 1) single++;
      if (single < lengths) {
        const other = order[single]!;
        this.#messageOf[first[other]!] = messages;
        this.#putVector(vector++, first[other]!);
        count[other] = 0;
      }
      this.#describe(messages++, first[length]!, begin, vector - begin);
    }
    return messages;
  }

  /** Put a group's datagrams of one length together, and the lengths in order. Returns how many lengths. */
  #sortByLength(group: number): number {
    const lengths = this.#lengths;
    const lengthAt = this.#lengthAt;
    const order = this.#order;
    let found = 0;
    for (let n = this.#counts[group]!, i = this.#heads[group]!; n > 0; n--, i = this.#after[i]!) {
      const length = lengths[i]!;
      let place = lengthAt[length]!;
      if (place < 0) {
        place = found++;
        lengthAt[length] = place;
        this.#first[place] = i;
        this.#count[place] = 0;
        let at = place;
        for (; at > 0 && lengths[this.#first[order[at - 1]!]!]! < length; at--) order[at] = order[at - 1]!;
        order[at] = place;
      } else {
        this.#next[this.#last[place]!] = i;
      }
      this.#last[place] = i;
      this.#count[place]!++;
    }
    for (let place = 0; place < found; place++) lengthAt[lengths[this.#first[place]!]!] = -1;
    return found;
  }

  /** Describe a group's datagrams of the messages from `message` on, each as a message of its own. Returns how many. */
  #singly(group: number, message: number): number {
    let messages = 0;
    for (let n = this.#counts[group]!, i = this.#heads[group]!; n > 0; n--, i = this.#after[i]!) {
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
    headers[header + VECTORS] = this.#vectorAt[vector * 2]!;
    headers[header + VECTORS + 1] = this.#vectorAt[vector * 2 + 1]!;
    headers[header + VECTOR_COUNT] = count;
    headers[header + CONTROL_LENGTH] = count > 1 ? CONTROL_BYTES : 0;
    this.#controls[((message * CONTROL_BYTES) >>> 2) + 4] = this.#lengths[datagram]!;
  }

  #putVector(vector: number, datagram: number): void {
    const at = vector * 4;
    this.#vectors[at] = this.#payloadAt[datagram * 2]!;
    this.#vectors[at + 1] = this.#payloadAt[datagram * 2 + 1]!;
    this.#vectors[at + 2] = this.#lengths[datagram]!;
  }
}

/**
 * A signal; or what became of an earlier datagram: a connected socket hands an ICMP error to the next call, which then has
 * sent nothing. Anybody can forge one, so it says nothing about the server.
 */
function mayTryAgain(errno: number): boolean {
  return errno === EINTR || errno === ECONNREFUSED;
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
