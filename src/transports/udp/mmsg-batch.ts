/**
 * The memory of one batch of datagrams, wired up once for recvmmsg or sendmmsg:
 *
 *   headers  64 × struct mmsghdr   ─┬─▶ names    64 × sockaddr_in6
 *                                   ├─▶ iovecs   64 × struct iovec ─▶ payload  64 × stride bytes
 *                                   └─▶ controls 64 × one cmsg (packet info)
 *
 * Offsets are those of 64-bit little-endian Linux (x86-64, arm64):
 *   mmsghdr: name 0, namelen 8, iov 16, iovlen 24, control 32, controllen 40, flags 48, len 56; 64 bytes.
 */
import { libc, type NativeMemory, putPointer } from '../../system/libc.ts';

/** Datagrams per system call. */
export const BATCH = 64;
export const NAME_STRIDE = 32;
export const CONTROL_STRIDE = 64;

const HEADER_WORDS = 16;
const NAME_LENGTH = 2;
const CONTROL_LENGTH = 10;
const FLAGS = 12;
const LENGTH = 14;

export class MmsgBatch {
  /** Address of the first mmsghdr, for the system call. */
  readonly address: number;
  readonly payload: Uint8Array;
  readonly payloadWords: Int32Array;
  readonly names: Uint8Array;
  readonly nameWords: Int32Array;
  readonly controls: Uint8Array;
  readonly controlWords: Int32Array;
  /** Bytes from one payload to the next; no multiple of 4096, so that payloads do not share cache sets. */
  readonly stride: number;
  readonly #headers: Int32Array;
  readonly #iovecs: Int32Array;

  readonly #nameBytes: number;

  /**
   * `stride`: bytes per payload, a multiple of 64; the kernel may write up to `stride - 64` of them. `named`: messages have
   * addresses; those of a connected socket need none.
   */
  constructor(stride: number, named = true) {
    const c = libc();
    const headers = c.allocate(BATCH * HEADER_WORDS * 4);
    const iovecs = c.allocate(BATCH * 16);
    const names = c.allocate(BATCH * NAME_STRIDE);
    const controls = c.allocate(BATCH * CONTROL_STRIDE);
    const payload: NativeMemory = c.allocate(BATCH * stride);
    this.stride = stride;
    this.#nameBytes = named ? 28 : 0;
    this.address = headers.address;
    this.payload = payload.bytes;
    this.payloadWords = payload.words;
    this.names = names.bytes;
    this.nameWords = names.words;
    this.controls = controls.bytes;
    this.controlWords = controls.words;
    this.#headers = headers.words;
    this.#iovecs = iovecs.words;
    for (let i = 0; i < BATCH; i++) {
      const header = i * HEADER_WORDS;
      if (named) putPointer(headers.words, header, names.address + i * NAME_STRIDE);
      putPointer(headers.words, header + 4, iovecs.address + i * 16);
      headers.words[header + 6] = 1;
      putPointer(headers.words, header + 8, controls.address + i * CONTROL_STRIDE);
      putPointer(iovecs.words, i * 4, payload.address + i * stride);
      iovecs.words[i * 4 + 2] = stride - 64;
    }
  }

  /** Get message `i` ready to receive into: the kernel overwrites these with what it used. */
  rearm(i: number, controlBytes: number): void {
    const header = i * HEADER_WORDS;
    this.#headers[header + NAME_LENGTH] = this.#nameBytes;
    this.#headers[header + CONTROL_LENGTH] = controlBytes;
    this.#headers[header + FLAGS] = 0;
  }

  /** Bytes received in message `i`. */
  received(i: number): number {
    return this.#headers[i * HEADER_WORDS + LENGTH]!;
  }

  /** MSG_TRUNC and the like, of a received message. */
  flags(i: number): number {
    return this.#headers[i * HEADER_WORDS + FLAGS]!;
  }

  /** Bytes of control messages received with message `i`. */
  controlLength(i: number): number {
    return this.#headers[i * HEADER_WORDS + CONTROL_LENGTH]!;
  }

  /** Describe message `i` for sending. */
  describe(i: number, nameBytes: number, controlBytes: number, payloadBytes: number): void {
    const header = i * HEADER_WORDS;
    this.#headers[header + NAME_LENGTH] = nameBytes;
    this.#headers[header + CONTROL_LENGTH] = controlBytes;
    this.#headers[header + FLAGS] = 0;
    this.#iovecs[i * 4 + 2] = payloadBytes;
  }

  /** Address of the mmsghdr of message `i`. */
  addressOf(i: number): number {
    return this.address + i * HEADER_WORDS * 4;
  }
}
