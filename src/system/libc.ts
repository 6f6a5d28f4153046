/**
 * The few calls into the C library that Node.js does not offer, through koffi: sockets with options of our own, batches
 * of datagrams, and one wait for everything. Linux only; whoever uses this asks `nativeAvailable()` first.
 *
 * Memory that the kernel writes to comes from `allocate` (calloc): the garbage collector never moves it.
 */
import { createRequire } from 'node:module';
import type koffiModule from 'koffi';

/** Memory outside the JavaScript heap, seen through typed arrays over the same bytes. */
export interface NativeMemory {
  /** Address of the first byte. Below 2^53, so a number is exact. */
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
}

export interface Libc {
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  connect(fd: number, address: Uint8Array, length: number): number;
  listen(fd: number, backlog: number): number;
  close(fd: number): number;
  dup(fd: number): number;
  getsockname(fd: number, address: Uint8Array, length: Uint8Array): number;
  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number;
  getsockopt(fd: number, level: number, name: number, value: Uint8Array, length: Uint8Array): number;
  /** `send(2)` from memory at an address. */
  send(fd: number, bytes: number, length: number, flags: number): number;
  /** `recv(2)` into memory at an address. */
  recv(fd: number, bytes: number, length: number, flags: number): number;
  recvmmsg(fd: number, headers: number, count: number, flags: number, timeout: number): number;
  sendmmsg(fd: number, headers: number, count: number, flags: number): number;
  epoll_create1(flags: number): number;
  epoll_ctl(epoll: number, operation: number, fd: number, event: Uint8Array): number;
  epoll_wait(epoll: number, events: number, count: number, timeoutMs: number): number;
  /** `sendto(2)` of nothing to nobody: has the kernel look at what an AF_XDP socket has queued. */
  sendNothing(fd: number, flags: number): number;
  /** bpf(2): `command` with the union at this address. */
  bpf(command: number, attributes: number, length: number): number;
  /** Shared or anonymous memory; the address, or a negative number. */
  mmap(length: number, protection: number, flags: number, fd: number, offset: number): number;
  munmap(address: number, length: number): number;
  /** Index of the network interface, as this thread's network namespace knows it; 0 = there is none of this name. */
  interfaceIndex(name: string): number;
  /** Memory that somebody else owns, from its address on; nobody may look at it any more when it has gone. */
  view(address: number, bytes: number): ArrayBuffer;
  /** For requests that fill in `argument`. */
  ioctl(fd: number, request: number, argument: Uint8Array): number;
  usleep(microseconds: number): number;
  prctl(option: number, value: number, a: number, b: number, c: number): number;
  /** mallopt(3); nothing happens where the C library has none (musl). */
  mallopt(parameter: number, value: number): number;
  sched_setscheduler(pid: number, policy: number, parameter: Uint8Array): number;
  madvise(address: number, length: number, advice: number): number;
  /** capabilities(7) of the calling thread. */
  capget(header: Uint8Array, data: Uint8Array): number;
  capset(header: Uint8Array, data: Uint8Array): number;
  /** Where the first of these bytes lies; the collector moves neither shared memory nor what is large. */
  addressOf(bytes: Uint8Array): number;
  /** errno of the last call in this thread. */
  errno(): number;
  /** The descriptor that becomes readable when this thread's libuv loop has work, or -1. */
  uvBackendFd(): number;
  allocate(bytes: number): NativeMemory;
  /** Give memory of `allocate` back; nothing may look at it any more. */
  free(address: number): void;
}

/** Linux's numbers, the same on x86-64 and arm64 (asm-generic). */
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_XDP = 44;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_REUSEPORT = 15;
export const SO_SNDBUFFORCE = 32;
export const SO_RCVBUFFORCE = 33;
export const SO_BUSY_POLL = 46;
export const SO_ATTACH_BPF = 50;
export const SO_MEMINFO = 55;
export const SO_PREFER_BUSY_POLL = 69;
export const SO_BUSY_POLL_BUDGET = 70;
export const SOL_XDP = 283;
/** ioctl: when the packet that was read last had come. */
export const SIOCGSTAMPNS = 0x8907;
export const IPPROTO_IP = 0;
export const IP_PKTINFO = 8;
export const IP_MTU_DISCOVER = 10;
export const IPPROTO_UDP = 17;
export const IPPROTO_IPV6 = 41;
export const IPV6_MTU_DISCOVER = 23;
export const IPV6_V6ONLY = 26;
export const IPV6_RECVPKTINFO = 49;
export const IPV6_PKTINFO = 50;
export const PMTUDISC_OMIT = 5;
export const UDP_SEGMENT = 103;
export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;
export const EPOLL_CLOEXEC = 0o2000000;
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLLIN = 1;
/** Readable once for each arrival: who is told reads until nothing is left. */
export const EPOLLET = 0x8000_0000;
export const PR_SET_TIMERSLACK = 29;
export const SCHED_OTHER = 0;
export const SCHED_IDLE = 5;
export const M_MMAP_THRESHOLD = -3;
export const PROT_READ_WRITE = 3;
export const MAP_SHARED = 1;
export const MAP_PRIVATE = 2;
export const MAP_ANONYMOUS = 0x20;
export const MAP_POPULATE = 0x8000;
export const MAP_HUGETLB = 0x40000;
export const EPERM = 1;
export const ENOENT = 2;
export const EINTR = 4;
export const EIO = 5;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EACCES = 13;
export const EBUSY = 16;
export const ENODEV = 19;
export const EINVAL = 22;
export const ENOSYS = 38;
export const EMSGSIZE = 90;
export const EOPNOTSUPP = 95;
export const EAFNOSUPPORT = 97;
export const EADDRINUSE = 98;
export const EADDRNOTAVAIL = 99;
export const ECONNREFUSED = 111;

/** struct epoll_event is packed on x86-64 only. */
export const EPOLL_EVENT_BYTES = process.arch === 'x64' ? 12 : 16;
export const EPOLL_DATA_AT = process.arch === 'x64' ? 4 : 8;

/** Number of bpf(2) among the system calls. */
const SYS_BPF = process.arch === 'x64' ? 321 : 280;

let noteAllocation: ((address: number) => void) | undefined;

/**
 * Have every later allocation of this thread reported. The memory outlives the thread, however that ends: whoever is left
 * has to free it.
 */
export function reportAllocations(note: (address: number) => void): void {
  noteAllocation = note;
}

let loaded: Libc | undefined;
let failure: string | undefined;

/** The C library of this process; throws where `nativeAvailable()` is false. */
export function libc(): Libc {
  if (!loaded) {
    if (process.platform !== 'linux' || (process.arch !== 'x64' && process.arch !== 'arm64')) {
      throw new Error(`batched packet I/O is for Linux on x64 and arm64, not ${process.platform} on ${process.arch}`);
    }
    loaded = bindLibc(createRequire(import.meta.url)('koffi') as typeof koffiModule);
  }
  return loaded;
}

/** Undefined where libc() works here, else the reason why it does not. */
export function nativeUnavailable(): string | undefined {
  if (failure === undefined && !loaded) {
    try {
      libc();
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
  }
  return failure;
}

function bindLibc(koffi: typeof koffiModule): Libc {
  const library = koffi.load(null);
  const bytes = koffi.pointer('uint8_t');
  const call = (name: string, result: string, ...args: (string | ReturnType<typeof koffi.pointer>)[]) =>
    library.func(name, result, args);
  const calloc = library.func('void *calloc(size_t count, size_t size)');
  return {
    free: call('free', 'void', 'uintptr_t'),
    socket: call('socket', 'int', 'int', 'int', 'int'),
    bind: call('bind', 'int', 'int', bytes, 'uint32_t'),
    connect: call('connect', 'int', 'int', bytes, 'uint32_t'),
    listen: call('listen', 'int', 'int', 'int'),
    close: call('close', 'int', 'int'),
    dup: call('dup', 'int', 'int'),
    getsockname: call('getsockname', 'int', 'int', bytes, bytes),
    setsockopt: call('setsockopt', 'int', 'int', 'int', 'int', bytes, 'uint32_t'),
    getsockopt: call('getsockopt', 'int', 'int', 'int', 'int', bytes, bytes),
    send: call('send', 'intptr_t', 'int', 'uintptr_t', 'uintptr_t', 'int'),
    sendNothing: (
      (sendto: (...args: number[]) => number) => (fd: number, flags: number) =>
        sendto(fd, 0, 0, flags, 0, 0)
    )(call('sendto', 'intptr_t', 'int', 'uintptr_t', 'uintptr_t', 'int', 'uintptr_t', 'uint32_t') as never),
    bpf: (
      (syscall: (...args: number[]) => number) => (command: number, attributes: number, length: number) =>
        syscall(SYS_BPF, command, attributes, length)
    )(call('syscall', 'long', 'long', 'int', 'uintptr_t', 'uint32_t') as never),
    mmap: (
      (mmap: (...args: number[]) => number | bigint) =>
      (length: number, protection: number, flags: number, fd: number, offset: number) =>
        Number(mmap(0, length, protection, flags, fd, offset))
    )(call('mmap', 'intptr_t', 'uintptr_t', 'uintptr_t', 'int', 'int', 'int', 'intptr_t') as never),
    munmap: call('munmap', 'int', 'uintptr_t', 'uintptr_t'),
    interfaceIndex: call('if_nametoindex', 'uint32_t', 'str'),
    view: (address, length) => koffi.view(BigInt(address), length),
    recv: call('recv', 'intptr_t', 'int', 'uintptr_t', 'uintptr_t', 'int'),
    recvmmsg: call('recvmmsg', 'int', 'int', 'uintptr_t', 'uint32_t', 'int', 'uintptr_t'),
    sendmmsg: call('sendmmsg', 'int', 'int', 'uintptr_t', 'uint32_t', 'int'),
    epoll_create1: call('epoll_create1', 'int', 'int'),
    epoll_ctl: call('epoll_ctl', 'int', 'int', 'int', 'int', bytes),
    epoll_wait: call('epoll_wait', 'int', 'int', 'uintptr_t', 'int', 'int'),
    ioctl: call('ioctl', 'int', 'int', 'unsigned long', bytes),
    usleep: call('usleep', 'int', 'uint32_t'),
    prctl: call('prctl', 'int', 'int', 'uintptr_t', 'uintptr_t', 'uintptr_t', 'uintptr_t'),
    mallopt: orNothing(() => call('mallopt', 'int', 'int', 'int')),
    sched_setscheduler: call('sched_setscheduler', 'int', 'int', 'int', bytes),
    capget: orRefused(() => call('capget', 'int', bytes, bytes)),
    capset: orRefused(() => call('capset', 'int', bytes, bytes)),
    madvise: call('madvise', 'int', 'uintptr_t', 'uintptr_t', 'int'),
    // Moves nothing, and returns where it would have moved it to.
    addressOf: (
      (move: (to: Uint8Array, from: Uint8Array, length: number) => number | bigint) => (at: Uint8Array) =>
        Number(move(at, at, 0))
    )(call('memmove', 'uintptr_t', bytes, bytes, 'uintptr_t') as never),
    errno: () => koffi.errno(),
    uvBackendFd: () => uvBackendFd(koffi),
    allocate: (length) => {
      const pointer: bigint = calloc(1, length);
      const address = Number(pointer);
      noteAllocation?.(address);
      const buffer = koffi.view(pointer, length);
      return { address, bytes: new Uint8Array(buffer), words: new Int32Array(buffer, 0, length >>> 2) };
    },
  };
}

/** For calls that not every C library has. */
function orNothing<Call>(bind: () => Call): Call | (() => number) {
  try {
    return bind();
  } catch {
    return () => 0;
  }
}

/** The same, for calls whose success somebody relies on. */
function orRefused<Call>(bind: () => Call): Call | (() => number) {
  try {
    return bind();
  } catch {
    return () => -1;
  }
}

function uvBackendFd(koffi: typeof koffiModule): number {
  try {
    const library = koffi.load(null);
    const getLoop = library.func('int napi_get_uv_event_loop(void *env, _Out_ void **loop)');
    const backendFd = library.func('int uv_backend_fd(void *loop)');
    const loop: unknown[] = [null];
    if (getLoop(koffi.node.env, loop) !== 0) return -1;
    return backendFd(loop[0]) as number;
  } catch {
    return -1;
  }
}

/** Address of `at` inside native memory as the two words of a 64-bit pointer. */
export function putPointer(words: Int32Array, at: number, address: number): void {
  words[at] = address | 0;
  words[at + 1] = Math.floor(address / 0x1_0000_0000);
}
