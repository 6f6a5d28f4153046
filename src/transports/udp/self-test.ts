/**
 * Is batched packet I/O to be trusted on this machine? The layouts of the kernel's structures are those of one
 * architecture and one C library, so at the start one packet goes the whole way through loopback: out by sendmmsg with a
 * chosen source address, in by recvmmsg on a wildcard socket, with sender, length and packet info looked at.
 */

import { AF_INET, IP_PKTINFO, IPPROTO_IP, libc, MSG_DONTWAIT, nativeUnavailable } from '../../system/libc.ts';
import { boundPort, encodeSockaddr, openUdpListener } from '../sockets.ts';
import { GroupBatch } from './group-batch.ts';
import { BATCH, CONTROL_STRIDE, MmsgBatch } from './mmsg-batch.ts';

const LOOPBACK = 0x0100007f;
const PAYLOAD = Uint8Array.from([0x5e, 0x15, 0x40, 1, 2, 3, 4, 5]);
/** Loopback delivers at once; a few tries are for machines that are busy to the brim. */
const TRIES = 50;

/** Undefined where batched packet I/O works, else the reason why it does not. */
export function batchedIoFault(): string | undefined {
  const unavailable = nativeUnavailable();
  if (unavailable !== undefined) return unavailable;
  try {
    return sendToOurselves();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

let segmented: boolean | undefined;

/**
 * Whether the kernel cuts one message into datagrams (UDP_SEGMENT). One that does not know the option ignores it and sends
 * everything as a single datagram, so it is tried. For the main thread, which is never ended in the middle of it; answered
 * from memory after the first time.
 */
export function segmentsWork(): boolean {
  if (segmented === undefined) {
    try {
      segmented = sendSegments();
    } catch {
      segmented = false;
    }
  }
  return segmented;
}

/** Three datagrams, two of one length, to ourselves. */
function sendSegments(): boolean {
  const c = libc();
  const loopback = new Int32Array([0, 0, 0xffff, 0x7f000001]);
  const receiver = openUdpListener({ address: loopback, port: 0, receiveBufferBytes: 65536 });
  const sender = openUdpListener({ address: loopback, port: 0, receiveBufferBytes: 65536 });
  try {
    const port = boundPort(receiver);
    const tx = new GroupBatch(64, true);
    const peer = encodeSockaddr(loopback, port);
    if (c.connect(sender, peer, peer.length) < 0) return false;
    const group = tx.begin(sender);
    for (const length of [8, 5, 8]) {
      tx.payload.set(PAYLOAD.subarray(0, length), tx.queued * 64);
      tx.add(group, length);
    }
    if (tx.send() > 0 || !tx.segments) return false;
    const rx = new MmsgBatch(576);
    for (let i = 0; i < BATCH; i++) rx.rearm(i, 0);
    const lengths: number[] = [];
    for (let i = 0; i < TRIES && lengths.length < 3; i++) {
      const received = c.recvmmsg(receiver, rx.address, BATCH, MSG_DONTWAIT, 0);
      for (let r = 0; r < received; r++) lengths.push(rx.received(r));
      if (received <= 0) c.usleep(1000);
    }
    return lengths.sort().join() === '5,8,8';
  } finally {
    c.close(receiver);
    c.close(sender);
  }
}

function sendToOurselves(): string | undefined {
  const c = libc();
  const wildcard = new Int32Array([0, 0, 0xffff, 0]);
  const receiver = openUdpListener({ address: wildcard, port: 0, receiveBufferBytes: 65536 });
  const sender = openUdpListener({ address: wildcard, port: 0, receiveBufferBytes: 65536 });
  try {
    const rx = new MmsgBatch(576);
    const tx = new MmsgBatch(576);
    for (let i = 0; i < BATCH; i++) rx.rearm(i, CONTROL_STRIDE);
    const port = boundPort(receiver);
    tx.payload.set(PAYLOAD);
    tx.names.set([AF_INET, 0, port >>> 8, port & 255, 127, 0, 0, 1]);
    // From 127.0.0.2, which only the control message can bring about.
    tx.controlWords.set([28, 0, IPPROTO_IP, IP_PKTINFO, 0, LOOPBACK + 0x01000000, 0]);
    tx.describe(0, 16, 32, PAYLOAD.length);
    if (c.sendmmsg(sender, tx.address, 1, MSG_DONTWAIT) !== 1) return `sendmmsg: error ${c.errno()}`;
    let received = 0;
    for (let i = 0; i < TRIES && received <= 0; i++) {
      received = c.recvmmsg(receiver, rx.address, BATCH, MSG_DONTWAIT, 0);
      if (received <= 0) c.usleep(1000);
    }
    if (received !== 1) return `recvmmsg returned ${received}, error ${c.errno()}`;
    if (rx.received(0) !== PAYLOAD.length || !PAYLOAD.every((byte, i) => rx.payload[i] === byte))
      return 'a packet came back altered';
    const from = boundPort(sender);
    const expected = [AF_INET, 0, from >>> 8, from & 255, 127, 0, 0, 2];
    if (!expected.every((byte, i) => rx.names[i] === byte)) return 'the sender of a packet was not recognised';
    if (rx.controlWords[2] !== IPPROTO_IP || rx.controlWords[3] !== IP_PKTINFO || rx.controlWords[5] !== LOOPBACK) {
      return 'the address that a packet came to was not recognised';
    }
    return undefined;
  } finally {
    c.close(receiver);
    c.close(sender);
  }
}
