/**
 * The upstream of the benches about what fails, a process of its own: answers everything at once, save for what exists below
 * `victim.bench` while that is not well, `broken.customer.cdn.bench` and zones whose name begins with `quiet`, which never
 * answer. Told over IPC how the victim is; tells what it was asked.
 */
import { createSocket } from 'node:dgram';

export type VictimState = 'well' | 'slow' | 'silent';
export type ToAuthority = { state: VictimState } | 'counts';
export interface Counts {
  /** Datagrams that asked about the victim, or what never answers, since the last time. */
  victim: number;
  /** … and about everything else. */
  others: number;
}

const SLOW_MS = 2000;
const VICTIM = Buffer.from('\x06victim\x05bench\x00', 'latin1');
const KNOWN = 0x6b; // 'k'
const TTL = { victim: 2, other: 60 };

let state: VictimState = 'well';
let counts: Counts = { victim: 0, others: 0 };
const BROKEN = Buffer.from('\x06broken\x08customer\x03cdn\x05bench\x00', 'latin1');
const QUIET = /quiet\d+\x05bench\x00$/;
const socket = createSocket({ type: 'udp4', recvBufferSize: 8 << 20 });

socket.on('message', (query, from) => {
  let end = 12;
  while (query[end] !== 0) end += query[end]! + 1;
  const name = query.subarray(12, end + 1);
  const lower = Buffer.from(name.map((byte) => (byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte)));
  if (lower.subarray(-BROKEN.length).equals(BROKEN) || QUIET.test(lower.toString('latin1'))) {
    counts.victim++;
    return;
  }
  const victim = lower.subarray(-VICTIM.length).equals(VICTIM);
  if (victim) {
    counts.victim++;
    if (state === 'silent') return;
  } else counts.others++;
  const exists = !victim || lower[1] === KNOWN;
  const reply = replyTo(query.subarray(0, end + 5), exists, victim ? TTL.victim : TTL.other);
  const send = () => socket.send(reply, from.port, from.address);
  if (victim && state === 'slow') setTimeout(send, SLOW_MS);
  else send();
});
socket.bind(Number(process.argv[2]), '127.0.0.1', () => process.send?.('ready'));
process.on('message', (message: ToAuthority) => {
  if (message === 'counts') {
    process.send?.(counts);
    counts = { victim: 0, others: 0 };
  } else state = message.state;
});

/** An address, or NXDOMAIN with the SOA of the zone `bench`. */
function replyTo(head: Buffer, exists: boolean, ttl: number): Buffer {
  const reply = Buffer.concat([head, exists ? address(ttl) : soa(ttl)]);
  reply.writeUInt16BE(exists ? 0x8580 : 0x8583, 2);
  reply.writeUInt16BE(exists ? 1 : 0, 6);
  reply.writeUInt16BE(exists ? 0 : 1, 8);
  reply.writeUInt16BE(0, 10);
  return reply;
}

function address(ttl: number): Buffer {
  return Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, ttl, 0, 4, 192, 0, 2, 1]);
}

function soa(ttl: number): Buffer {
  const numbers = Buffer.alloc(20);
  numbers.writeUInt32BE(ttl, 16);
  return Buffer.concat([
    Buffer.from([5]),
    Buffer.from('bench'),
    Buffer.from([0, 0, 6, 0, 1, 0, 0, 0, ttl, 0, 22, 0, 0]),
    numbers,
  ]);
}
