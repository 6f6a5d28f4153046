/**
 * One AF_XDP socket: of one receive queue of one interface, with memory of its own that it shares with the kernel.
 *
 *     memory   | 4096 chunks for frames that come | 2048 chunks for answers |
 *     fill     chunks that the kernel may fill          us ──▶ kernel
 *     receive  frames that came                     kernel ──▶ us
 *     send     answers                                  us ──▶ kernel
 *     complete chunks of answers that have gone     kernel ──▶ us
 *
 * The main thread opens and closes them; a worker uses them through what `memory` says (xsk-rings.ts). They outlive a worker,
 * so its successor goes on where it ended.
 */
import {
  AF_XDP,
  EBUSY,
  EINVAL,
  EOPNOTSUPP,
  libc,
  MAP_ANONYMOUS,
  MAP_HUGETLB,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_READ_WRITE,
  SO_BUSY_POLL,
  SO_BUSY_POLL_BUDGET,
  SO_PREFER_BUSY_POLL,
  SOCK_CLOEXEC,
  SOCK_RAW,
  SOL_SOCKET,
  SOL_XDP,
} from '../../system/libc.ts';
import { SocketError } from '../sockets.ts';
import { CHUNK_BYTES } from './frame.ts';

/** Chunks for frames that come, and entries of the rings that they go through. A power of two. */
export const RECEIVE_CHUNKS = 4096;
export const SEND_CHUNKS = 2048;
export const MEMORY_BYTES = (RECEIVE_CHUNKS + SEND_CHUNKS) * CHUNK_BYTES;
const HUGE_PAGE_BYTES = 2 << 20;

/** Options of SOL_XDP. */
const XDP_MMAP_OFFSETS = 1;
const XDP_RX_RING = 2;
const XDP_TX_RING = 3;
const XDP_UMEM_REG = 4;
const XDP_UMEM_FILL_RING = 5;
const XDP_UMEM_COMPLETION_RING = 6;
const XDP_STATISTICS = 7;
const XDP_OPTIONS = 8;
/** Where each ring is mapped from. */
const PAGE_OFFSETS = { receive: 0, send: 0x8000_0000, fill: 0x1_0000_0000, complete: 0x1_8000_0000 } as const;
/** Flags of bind(2). */
const BIND_COPY = 2;
const BIND_NEED_WAKEUP = 8;
const OPTIONS_ZEROCOPY = 1;
/** Frames that one busy poll takes. */
const BUSY_POLL_BUDGET = 64;
const BUSY_TRIES = 200;
const BUSY_WAIT_MICROSECONDS = 2_000;

/** Where one ring lies; plain data, so that a worker can be told. */
export interface RingMemory {
  readonly address: number;
  readonly bytes: number;
  /** Byte offsets from the address. */
  readonly producer: number;
  readonly consumer: number;
  readonly flags: number;
  readonly entries: number;
}

/** What a worker needs of a socket. */
export interface XskMemory {
  readonly fd: number;
  /** Of the interface: bytes that a packet may have. */
  readonly mtu: number;
  /** The driver reads and writes the memory itself. */
  readonly zeroCopy: boolean;
  readonly memory: number;
  readonly fill: RingMemory;
  readonly receive: RingMemory;
  readonly send: RingMemory;
  readonly complete: RingMemory;
}

export interface XskOptions {
  readonly interfaceIndex: number;
  readonly queue: number;
  readonly mtu: number;
  /** Let the driver use the memory itself where it can. */
  readonly zeroCopy: boolean;
  /** Microseconds to look for packets before sleeping, 0 = never. */
  readonly busyPollMicroseconds: number;
}

export interface XskSocket extends XskMemory {
  readonly queue: number;
  /** Frames that the kernel had no room for. */
  lost(): number;
  /** Descriptor and memory go; no worker may be using them any more. */
  close(): void;
}

/** Throws SocketError, with nothing left open. */
export function openXsk(options: XskOptions): XskSocket {
  const c = libc();
  const fd = c.socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd < 0) throw new SocketError('socket(AF_XDP)', c.errno());
  const mapped: { address: number; bytes: number }[] = [];
  const close = () => {
    c.close(fd);
    for (const { address, bytes } of mapped.splice(0)) c.munmap(address, bytes);
  };
  try {
    const memory = mapMemory();
    mapped.push({ address: memory, bytes: MEMORY_BYTES });
    registerMemory(fd, memory);
    for (const [option, entries] of [
      [XDP_UMEM_FILL_RING, RECEIVE_CHUNKS],
      [XDP_UMEM_COMPLETION_RING, SEND_CHUNKS],
      [XDP_RX_RING, RECEIVE_CHUNKS],
      [XDP_TX_RING, SEND_CHUNKS],
    ] as const)
      setOption(fd, SOL_XDP, option, entries);
    const offsets = ringOffsets(fd);
    const ring = (place: number, name: keyof typeof PAGE_OFFSETS, entries: number, entryBytes: number): RingMemory => {
      const { producer, consumer, descriptors, flags } = offsets(place);
      const bytes = descriptors + entries * entryBytes;
      const address = c.mmap(bytes, PROT_READ_WRITE, MAP_SHARED | MAP_POPULATE, fd, PAGE_OFFSETS[name]);
      if (address < 0) throw new SocketError('mmap of a ring', c.errno());
      mapped.push({ address, bytes });
      return { address, bytes, producer, consumer, flags, entries: descriptors };
    };
    const rings = {
      receive: ring(0, 'receive', RECEIVE_CHUNKS, 16),
      send: ring(1, 'send', SEND_CHUNKS, 16),
      fill: ring(2, 'fill', RECEIVE_CHUNKS, 8),
      complete: ring(3, 'complete', SEND_CHUNKS, 8),
    };
    if (options.busyPollMicroseconds > 0) {
      setOption(fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, 1);
      setOption(fd, SOL_SOCKET, SO_BUSY_POLL, options.busyPollMicroseconds);
      setOption(fd, SOL_SOCKET, SO_BUSY_POLL_BUDGET, BUSY_POLL_BUDGET);
    }
    bindTo(fd, options);
    const zeroCopy = (readWords(fd, XDP_OPTIONS, 1)[0]! & OPTIONS_ZEROCOPY) !== 0;
    const lost = () => {
      // struct xdp_statistics, 64-bit: dropped, bad descriptors, bad descriptors, ring full, fill ring empty, send ring empty.
      const words = readWords(fd, XDP_STATISTICS, 12);
      return words[0]! + words[6]!;
    };
    return { fd, queue: options.queue, mtu: options.mtu, zeroCopy, memory, ...rings, lost, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** Huge pages where some are set aside, else pages of the usual size. */
function mapMemory(): number {
  const c = libc();
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
  const huge =
    MEMORY_BYTES % HUGE_PAGE_BYTES === 0 ? c.mmap(MEMORY_BYTES, PROT_READ_WRITE, flags | MAP_HUGETLB, -1, 0) : -1;
  const address = huge >= 0 ? huge : c.mmap(MEMORY_BYTES, PROT_READ_WRITE, flags, -1, 0);
  if (address < 0) throw new SocketError('mmap of packet memory', c.errno());
  return address;
}

function registerMemory(fd: number, address: number): void {
  // struct xdp_umem_reg as of Linux 5.4: address, length, chunk size, headroom, flags.
  const bytes = new Uint8Array(32);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(address), true);
  view.setBigUint64(8, BigInt(MEMORY_BYTES), true);
  view.setUint32(16, CHUNK_BYTES, true);
  if (libc().setsockopt(fd, SOL_XDP, XDP_UMEM_REG, bytes, bytes.length) < 0)
    throw new SocketError('XDP_UMEM_REG', libc().errno());
}

/** Whichever the driver can; where it says that it can and then cannot, frames are copied. */
function bindTo(fd: number, { interfaceIndex, queue, zeroCopy }: XskOptions): void {
  const c = libc();
  const address = new Uint8Array(16);
  const view = new DataView(address.buffer);
  view.setUint16(0, AF_XDP, true);
  view.setUint32(4, interfaceIndex, true);
  view.setUint32(8, queue, true);
  let errno = EINVAL;
  for (const flags of zeroCopy ? [BIND_NEED_WAKEUP, BIND_NEED_WAKEUP | BIND_COPY] : [BIND_NEED_WAKEUP | BIND_COPY]) {
    view.setUint16(2, flags, true);
    for (let tries = 0; tries < BUSY_TRIES; tries++) {
      if (c.bind(fd, address, address.length) === 0) return;
      errno = c.errno();
      if (errno !== EBUSY) break;
      // A socket that had the queue was closed just now: the kernel lets go of it a moment later.
      c.usleep(BUSY_WAIT_MICROSECONDS);
    }
    if (errno !== EINVAL && errno !== EOPNOTSUPP) break;
  }
  throw new SocketError(`bind to queue ${queue}`, errno);
}

function ringOffsets(fd: number) {
  // struct xdp_mmap_offsets: four times producer, consumer, descriptors, flags, 64 bits each.
  const words = readWords(fd, XDP_MMAP_OFFSETS, 32);
  return (place: number) => ({
    producer: words[place * 8]!,
    consumer: words[place * 8 + 2]!,
    descriptors: words[place * 8 + 4]!,
    flags: words[place * 8 + 6]!,
  });
}

function readWords(fd: number, option: number, count: number): Uint32Array {
  const words = new Uint32Array(count);
  const length = new Uint32Array([words.byteLength]);
  const { errno, getsockopt } = libc();
  if (getsockopt(fd, SOL_XDP, option, new Uint8Array(words.buffer), new Uint8Array(length.buffer)) < 0)
    throw new SocketError(`option ${option} of AF_XDP`, errno());
  return words;
}

function setOption(fd: number, level: number, name: number, value: number): void {
  if (libc().setsockopt(fd, level, name, new Uint8Array(new Int32Array([value]).buffer), 4) < 0)
    throw new SocketError(`option ${name} of AF_XDP`, libc().errno());
}
