/**
 * What forwarding costs without the network: a response checked and rewritten (src/wire/normalize.ts), and a question's
 * whole way through the source (src/resolve/forward/forward.ts), sockets and cache replaced by nothing.
 */
import { type Answer as DnsRecord, encode, type Packet } from 'dns-packet';
import type { UpstreamSockets } from '../../src/chain/routes.ts';
import { Metrics } from '../../src/metrics/registry.ts';
import { ForwardSource } from '../../src/resolve/forward/forward.ts';
import { randomPool } from '../../src/resolve/forward/random.ts';
import { systemClock } from '../../src/time/clock.ts';
import { Answer } from '../../src/wire/answer.ts';
import { Normalizer } from '../../src/wire/normalize.ts';
import type { Question } from '../../src/wire/question.ts';
import { readQuery } from '../../src/wire/reader.ts';
import { KEY0, KEY1, queryOver, queryPacket } from './packets.ts';
import { type Case, compare } from './timing.ts';

const NAME = 'www.host.example.net';

function questionFor(name: string): Question {
  const query = queryOver(queryPacket(name, { edns: true }));
  query.reset();
  readQuery(query, KEY0, KEY1);
  return query.question;
}

function response(packet: Packet): Uint8Array {
  return Uint8Array.from(encode({ type: 'response', id: 1, questions: [{ type: 'A', name: NAME }], ...packet }));
}

function address(name: string, i: number): DnsRecord {
  return { type: 'A', name, ttl: 300, data: `192.0.2.${i}` };
}

function normalizing(name: string, packet: Packet): Case {
  const bytes = response(packet);
  const normalizer = new Normalizer();
  const answer = new Answer();
  const question = questionFor(NAME);
  if (!normalizer.normalize(bytes, 0, bytes.length, question, answer)) throw new Error(`${name}: refused`);
  return {
    name: `${name}, ${bytes.length} bytes`,
    run(iterations) {
      let sum = 0;
      for (let i = 0; i < iterations; i++) {
        normalizer.normalize(bytes, 0, bytes.length, question, answer);
        sum += answer.ttl;
      }
      return sum;
    },
  };
}

/** Keeps the last query, and turns it into a response with one address. */
class Echo implements UpstreamSockets {
  readonly bytes = new Uint8Array(512);
  readonly address = new Int32Array(4);
  length = 0;
  port = 0;
  send(bytes: Uint8Array, start: number, length: number, address: Int32Array, port: number): number {
    // The OPT record, 11 bytes, gives way to an address record of 16.
    const end = length - 11;
    for (let i = 0; i < end; i++) this.bytes[i] = bytes[start + i]!;
    for (let i = 0; i < RECORD.length; i++) this.bytes[end + i] = RECORD[i]!;
    this.bytes[2] = 0x81;
    this.bytes[7] = 1;
    this.bytes[11] = 0;
    this.length = end + RECORD.length;
    for (let i = 0; i < 4; i++) this.address[i] = address[i]!;
    this.port = port;
    return 1;
  }
  flush(): void {}
  tick(): void {}
  close(): void {}
}

const RECORD = Uint8Array.of(0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, 1);

function forwarding(name: string, joined: number): Case {
  const echo = new Echo();
  let answered = 0;
  const source = new ForwardSource({
    servers: [
      { address: '192.0.2.1', port: 53, trusted: false },
      { address: '192.0.2.2', port: 53, trusted: false },
    ],
    sockets: () => echo,
    waiters: {
      answered() {
        answered++;
      },
      failed() {
        throw new Error(`${name}: failed`);
      },
      slow: () => false,
    },
    suspendedNext: new Int32Array(1024).fill(-1),
    onAnswer() {},
    onFailure() {},
    clock: systemClock,
    random32: randomPool(),
    metrics: new Metrics(),
  });
  const question = questionFor(NAME);
  return {
    name,
    run(iterations) {
      const before = answered;
      const nowMs = systemClock.nowMs();
      for (let i = 0; i < iterations; i++) {
        for (let token = 0; token <= joined; token++) source.resolve(question, token, nowMs);
        source.datagram(1, echo.bytes, 0, echo.length, echo.address, echo.port);
      }
      if (answered - before !== iterations * (joined + 1)) throw new Error(`${name}: answers are missing`);
      return answered;
    },
  };
}

/** A reply that somebody forged: right port, a random id. */
function flooding(name: string): Case {
  const source = new ForwardSource({
    servers: [{ address: '192.0.2.1', port: 53, trusted: false }],
    sockets: () => new Echo(),
    waiters: { answered() {}, failed() {}, slow: () => false },
    suspendedNext: new Int32Array(1024).fill(-1),
    onAnswer() {},
    onFailure() {},
    clock: systemClock,
    random32: randomPool(),
    metrics: new Metrics(),
  });
  const forged = response({ answers: [address(NAME, 1)] });
  const from = Int32Array.of(0, 0, 0xffff, 1);
  return {
    name,
    run(iterations) {
      for (let i = 0; i < iterations; i++) source.datagram(1, forged, 0, forged.length, from, 53);
      return source.outstanding;
    },
  };
}

compare('wire/normalize.ts: normalize', [
  normalizing('one address', { answers: [address(NAME, 1)] }),
  normalizing('CNAME and eight addresses', {
    answers: [
      { type: 'CNAME', name: NAME, ttl: 300, data: 'host.cdn.example.org' },
      ...Array.from({ length: 8 }, (_, i) => address('host.cdn.example.org', i)),
    ],
  }),
  normalizing('NXDOMAIN with SOA', {
    flags: 3,
    authorities: [
      {
        type: 'SOA',
        name: 'example.net',
        ttl: 300,
        data: {
          mname: 'ns.example.net',
          rname: 'root.example.net',
          serial: 1,
          refresh: 2,
          retry: 3,
          expire: 4,
          minimum: 60,
        },
      },
    ],
  }),
]);

compare('upstream/forward.ts', [
  forwarding('question sent, reply matched, normalised and delivered', 0),
  forwarding('the same with seven more who wait', 7),
  flooding('forged reply counted'),
]);
