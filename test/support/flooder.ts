/**
 * A flood faster than a server can answer: a process of its own that sends one question again and again, in batches of
 * 64, and reads no answer. For loopback only.
 *
 *     node dist/test/support/flooder.js '{"port": 5353, "seconds": 5, "rate": 0, "name": "www.example", "from": ["127.0.0.2"]}'
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addressWords } from '../../src/address/address.ts';
import { IP_PKTINFO, IPPROTO_IP, libc, MSG_DONTWAIT } from '../../src/system/libc.ts';
import { encodeSockaddr, openUdpListener } from '../../src/transports/sockets.ts';
import { BATCH, CONTROL_STRIDE, MmsgBatch, NAME_STRIDE } from '../../src/transports/udp/mmsg-batch.ts';
import { segmentsWork } from '../../src/transports/udp/self-test.ts';
import { queryBytes } from './dns-client.ts';
import { repositoryRoot } from './root.ts';
import { SegmentBatch } from './segment-batch.ts';

export interface FloodOptions {
  readonly port: number;
  readonly seconds: number;
  /** Packets a second; 0 = as many as it can send. */
  readonly rate: number;
  readonly name: string;
  /** Put a label in front of the name that is new each time. */
  readonly newNames?: boolean;
  /** Type of the question, default A. */
  readonly type?: string;
  /** Addresses of this machine (all of 127.0.0.0/8 are), 64 packets from each in turn … */
  readonly from?: readonly string[];
  /** … or one from each address of 127.64.0.0/10 in an order that visits many networks soon: 4 million hosts. */
  readonly everywhere?: boolean;
  readonly core?: number;
}

/** Run it to its end. Resolves with the packets sent. Build first. */
export function flood({ core, ...options }: FloodOptions): Promise<number> {
  const main = join(repositoryRoot(), 'dist', 'test', 'support', 'flooder.js');
  if (!existsSync(main)) throw new Error('dist/test/support/flooder.js does not exist: run `npm run build` first');
  const command = [process.execPath, main, JSON.stringify(options)];
  const pinned = core === undefined ? command : ['taskset', '-c', String(core), ...command];
  const child = spawn(pinned[0]!, pinned.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  const kill = () => void child.kill('SIGKILL');
  process.on('exit', kill);
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      process.off('exit', kill);
      if (code === 0) resolve(Number(output));
      else reject(new Error(`the flooder ended with ${code}`));
    });
  });
}

/** Bytes from one packet of a batch to the next. */
const STRIDE = 512 + 64;
/** Digits of a new label, and where they stand: behind the header and the label's length. */
const DIGITS = 10;
const LABEL_AT = 13;

function run(options: FloodOptions): number {
  return options.everywhere ? runEverywhere(options) : runFrom(options);
}

function runFrom({ port, seconds, rate, name, type = 'A', newNames, from = [] }: FloodOptions): number {
  const c = libc();
  const message = queryBytes({ name: newNames ? `${'0'.repeat(DIGITS)}.${name}` : name, type, udpSize: 4096 });
  const to = encodeSockaddr(addressWords('127.0.0.1'), port);
  // One message for the whole batch: on loopback that lets one core send far more than another can answer.
  const tx = new SegmentBatch(STRIDE, segmentsWork());
  for (let i = 0; i < BATCH; i++) {
    tx.payload.set(message, i * STRIDE);
    tx.names.set(to, i * NAME_STRIDE);
  }
  // The smallest buffer that there is: answers fall on the floor.
  const sockets = from.map((address) =>
    openUdpListener({ address: addressWords(address), port: 0, receiveBufferBytes: 1, exclusive: true }),
  );
  const begin = performance.now();
  let sent = 0;
  for (let turn = 0; ; turn++) {
    const elapsed = (performance.now() - begin) / 1000;
    if (elapsed >= seconds) return sent;
    if (rate > 0 && sent > elapsed * rate) {
      c.usleep(200);
      continue;
    }
    for (let i = 0; i < BATCH; i++) {
      if (newNames) putDigits(tx.payload, i * STRIDE + LABEL_AT, sent + i);
      tx.add(to.length, message.length);
    }
    sent += BATCH - tx.send(sockets[turn % sockets.length]!);
  }
}

/** The packets leave one wildcard socket, and a control message says which address they come from. */
function runEverywhere({ port, seconds, rate, name, type = 'A' }: FloodOptions): number {
  const c = libc();
  const message = queryBytes({ name, type, udpSize: 4096 });
  const to = encodeSockaddr(addressWords('127.0.0.1'), port);
  const tx = new MmsgBatch(STRIDE);
  for (let i = 0; i < BATCH; i++) {
    tx.payload.set(message, i * STRIDE);
    tx.names.set(to, i * NAME_STRIDE);
    tx.describe(i, to.length, 32, message.length);
  }
  const socket = openUdpListener({ address: addressWords('0.0.0.0'), port: 0, receiveBufferBytes: 1, exclusive: true });
  const begin = performance.now();
  let sent = 0;
  for (;;) {
    const elapsed = (performance.now() - begin) / 1000;
    if (elapsed >= seconds) return sent;
    if (sent > elapsed * rate) {
      c.usleep(200);
      continue;
    }
    for (let i = 0; i < BATCH; i++) {
      // An odd factor: every one of the 2^22 hosts once before any comes again.
      const host = Math.imul(sent + i, 0x2c1b3c6d) & 0x3fffff;
      const source = Uint8Array.of(127, 64 | (host >>> 16), (host >>> 8) & 255, host & 255);
      // struct cmsghdr, then struct in_pktinfo: interface, source, destination (see mmsg-listener.ts).
      tx.controlWords.set(
        [28, 0, IPPROTO_IP, IP_PKTINFO, 0, new Int32Array(source.buffer)[0]!, 0],
        (i * CONTROL_STRIDE) >>> 2,
      );
    }
    sent += Math.max(0, c.sendmmsg(socket, tx.address, BATCH, MSG_DONTWAIT));
  }
}

function putDigits(bytes: Uint8Array, at: number, number: number): void {
  for (let digit = DIGITS - 1, rest = number; digit >= 0; digit--, rest = Math.floor(rest / 10))
    bytes[at + digit] = 0x30 + (rest % 10);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.stdout.write(String(run(JSON.parse(process.argv[2] ?? '') as FloodOptions)));
}
