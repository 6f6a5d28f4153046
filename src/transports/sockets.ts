/**
 * Listening sockets made through the C library: several workers share one address (SO_REUSEPORT), the main thread owns
 * the descriptors, and the kernel's own words say what went wrong.
 */
import { isMapped, isWildcard } from '../address/address.ts';
import {
  AF_INET,
  AF_INET6,
  EACCES,
  EADDRINUSE,
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  IP_MTU_DISCOVER,
  IP_PKTINFO,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_MTU_DISCOVER,
  IPV6_RECVPKTINFO,
  IPV6_V6ONLY,
  libc,
  PMTUDISC_OMIT,
  SO_MEMINFO,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
} from '../system/libc.ts';

/** What the kernel refused. `code` is what Node.js would call it (`EADDRINUSE`), `errno` its number. */
export class SocketError extends Error {
  readonly code: string;
  readonly errno: number;
  constructor(call: string, errno: number) {
    const [code, text] = ERRORS.get(errno) ?? [`E${errno}`, `error ${errno}`];
    super(`${call}: ${text}`);
    this.code = code;
    this.errno = errno;
  }
}

const ERRORS = new Map<number, readonly [code: string, text: string]>([
  [EACCES, ['EACCES', 'permission denied']],
  [EADDRINUSE, ['EADDRINUSE', 'address already in use']],
  [EADDRNOTAVAIL, ['EADDRNOTAVAIL', 'no such address on this machine']],
  [EAFNOSUPPORT, ['EAFNOSUPPORT', 'address family not supported on this machine']],
]);

/** Linux sockaddr_in (16 bytes) or sockaddr_in6 (28 bytes). */
export function encodeSockaddr(address: Int32Array, port: number): Uint8Array {
  const v4 = isMapped(address);
  const bytes = new Uint8Array(v4 ? 16 : 28);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, v4 ? AF_INET : AF_INET6, true);
  view.setUint16(2, port);
  if (v4) view.setInt32(4, address[3]!);
  else for (let i = 0; i < 4; i++) view.setInt32(8 + i * 4, address[i]!);
  return bytes;
}

export interface ListenerOptions {
  readonly address: Int32Array;
  /** 0 lets the kernel choose. */
  readonly port: number;
  /** Bytes wished for the receive buffer; the kernel may grant less. */
  readonly receiveBufferBytes: number;
  /** Do not share the port, and fail where somebody else has it. */
  readonly exclusive?: boolean;
}

/** A bound, non-blocking UDP socket that others may share the port with. Throws SocketError. */
export function openUdpListener(options: ListenerOptions): number {
  return openBound(SOCK_DGRAM, options, (fd) => {
    setReceiveBuffer(fd, options.receiveBufferBytes);
    if (isWildcard(options.address)) askForLocalAddress(fd, options.address);
  });
}

/** A listening TCP socket that others may share the port with. Throws SocketError. */
export function openTcpListener(options: ListenerOptions): number {
  const fd = openBound(SOCK_STREAM, options, () => {});
  if (libc().listen(fd, 1024) < 0) throw closing(fd, 'listen');
  return fd;
}

/**
 * Sharing (SO_REUSEPORT) would let a second server of the same user take half of what comes in, in silence: ask for the
 * address without sharing, and leave it again. Throws SocketError where somebody has it, or nobody may.
 */
export function refuseTakenAddress(transport: 'udp' | 'tcp', address: Int32Array, port: number): void {
  const type = transport === 'udp' ? SOCK_DGRAM : SOCK_STREAM;
  libc().close(openBound(type, { address, port, receiveBufferBytes: 0, exclusive: true }, () => {}));
}

/**
 * A UDP socket for asking one upstream server from one source port: bound to all addresses, then connected, so that the
 * kernel takes datagrams of that server alone. Returns -1 where the port is taken, or no socket can be opened.
 */
export function openUdpClient(address: Int32Array, destinationPort: number, port: number): number {
  const c = libc();
  const v4 = isMapped(address);
  const fd = c.socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (!v4) setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  ignorePathMtu(fd, v4);
  const local = encodeSockaddr(v4 ? ANY_IPV4 : ANY_IPV6, port);
  const peer = encodeSockaddr(address, destinationPort);
  if (c.bind(fd, local, local.length) === 0 && c.connect(fd, peer, peer.length) === 0) return fd;
  c.close(fd);
  return -1;
}

const ANY_IPV4 = Int32Array.of(0, 0, 0xffff, 0);
const ANY_IPV6 = Int32Array.of(0, 0, 0, 0);

/** Port that a bound socket has. */
export function boundPort(fd: number): number {
  const address = new Uint8Array(28);
  const length = new Uint8Array(new Uint32Array([28]).buffer);
  if (libc().getsockname(fd, address, length) < 0) throw new SocketError('getsockname', libc().errno());
  return (address[2]! << 8) | address[3]!;
}

/**
 * Have the kernel give this UDP socket nothing more, while it can still send and what is queued can still be read: it is
 * connected to the discard port of this machine, so that packets of everybody else go to the other sockets that share
 * the port, if there are any. `address` is what it is bound to.
 */
export function stopTaking(fd: number, address: Int32Array): void {
  const loopback = isMapped(address) ? [0, 0, 0xffff, 0x7f000001] : [0, 0, 0, 1];
  const peer = encodeSockaddr(isWildcard(address) ? Int32Array.from(loopback) : address, DISCARD_PORT);
  libc().connect(fd, peer, peer.length);
}

const DISCARD_PORT = 9;

/** Datagrams that the kernel dropped because this socket's buffer was full (SO_MEMINFO's ninth word). */
export function kernelDrops(fd: number): number {
  const info = new Uint32Array(9);
  const length = new Uint32Array([info.byteLength]);
  const failed =
    libc().getsockopt(fd, SOL_SOCKET, SO_MEMINFO, new Uint8Array(info.buffer), new Uint8Array(length.buffer)) < 0;
  return failed ? 0 : info[8]!;
}

/** Bytes of receive buffer that the kernel granted (it doubles what was asked for, for its own bookkeeping). */
export function grantedReceiveBuffer(fd: number): number {
  const value = new Uint32Array(1);
  const length = new Uint32Array([4]);
  libc().getsockopt(fd, SOL_SOCKET, SO_RCVBUF, new Uint8Array(value.buffer), new Uint8Array(length.buffer));
  return value[0]! / 2;
}

function openBound(type: number, options: ListenerOptions, prepare: (fd: number) => void): number {
  const c = libc();
  const v4 = isMapped(options.address);
  const fd = c.socket(v4 ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) throw new SocketError('socket', c.errno());
  if (type === SOCK_STREAM) setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (!options.exclusive) setOption(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (!v4) setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (type === SOCK_DGRAM) ignorePathMtu(fd, v4);
  prepare(fd);
  const address = encodeSockaddr(options.address, options.port);
  if (c.bind(fd, address, address.length) < 0) throw closing(fd, 'bind');
  return fd;
}

/** A forged "fragmentation needed" must not make our answers fragment (RFC 9715 §3.1, R.2). */
function ignorePathMtu(fd: number, v4: boolean): void {
  if (v4) setOption(fd, IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_OMIT);
  else setOption(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_OMIT);
}

/** On a wildcard socket the answer must leave from the address that was asked: have the kernel tell which one. */
function askForLocalAddress(fd: number, address: Int32Array): void {
  if (isMapped(address)) setOption(fd, IPPROTO_IP, IP_PKTINFO, 1);
  else setOption(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
}

function setReceiveBuffer(fd: number, bytes: number): void {
  // The FORCE variants need CAP_NET_ADMIN and go beyond net.core.rmem_max; without it the plain ones are capped.
  if (!setOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes)) setOption(fd, SOL_SOCKET, SO_RCVBUF, bytes);
  if (!setOption(fd, SOL_SOCKET, SO_SNDBUFFORCE, bytes)) setOption(fd, SOL_SOCKET, SO_SNDBUF, bytes);
}

function setOption(fd: number, level: number, name: number, value: number): boolean {
  return libc().setsockopt(fd, level, name, new Uint8Array(new Int32Array([value]).buffer), 4) === 0;
}

function closing(fd: number, what: string): SocketError {
  const error = new SocketError(what, libc().errno());
  libc().close(fd);
  return error;
}
