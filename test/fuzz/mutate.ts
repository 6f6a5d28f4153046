/** Packets that no honest client sends, from a seed: the same seed makes the same packets. */
import { queryBytes } from '../support/dns-client.ts';

/** A small, fast generator of 32-bit integers (xorshift32); good enough to break things with. */
export class Seeded {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0 || 1;
  }

  /** 0 to `below` - 1. */
  next(below: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return (state >>> 0) % below;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.next(from.length)] as T;
  }
}

/** Queries of every kind, as a base for mutations. */
export function honestQueries(): Buffer[] {
  const cookie = { code: 10, data: Buffer.from('12345678') };
  const subnet = { code: 8, data: Buffer.from([0, 1, 24, 0, 192, 0, 2]) };
  const names = [
    'www.example.test',
    '.',
    'a.b.c.d.e.f.g.example.test',
    `${'x'.repeat(63)}.example.test`,
    'version.bind',
  ];
  return names.flatMap((name) => [
    queryBytes({ name }),
    queryBytes({ name, type: 'AAAA', udpSize: 4096, dnssecOk: true }),
    queryBytes({ name, type: 'ANY', options: [cookie, subnet] }),
    queryBytes({ name, type: 'TXT', class: 'CH' }),
    queryBytes({ name, type: 'AXFR' }),
    queryBytes({ name, ednsVersion: 3 }),
    queryBytes({ name, rd: false, cd: true, options: [{ code: 11, data: Buffer.alloc(0) }] }),
  ]);
}

/** One packet more, of at most 4 096 bytes. */
export function mutant(random: Seeded, bases: readonly Buffer[]): Buffer {
  switch (random.next(8)) {
    case 0:
      return randomBytes(random, random.next(600));
    case 1:
      return header(random, randomBytes(random, random.next(120)));
    case 2:
      return cut(random, flipped(random, random.pick(bases)));
    case 3:
      return Buffer.concat([random.pick(bases), randomBytes(random, random.next(200))]);
    case 4:
      return spliced(random, random.pick(bases), random.pick(bases));
    case 5:
      return pointers(random, random.pick(bases));
    case 6:
      return counts(random, random.pick(bases));
    default:
      return flipped(random, random.pick(bases));
  }
}

function randomBytes(random: Seeded, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = random.next(256);
  return bytes;
}

/** A header that passes for a query's, and anything behind it. */
function header(random: Seeded, rest: Buffer): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(12), rest]);
  bytes.writeUInt16BE(random.next(65_536), 0);
  bytes.writeUInt16BE(0x0100, 2);
  bytes.writeUInt16BE(1, 4);
  bytes.writeUInt16BE(random.next(3), 10);
  return bytes;
}

function flipped(random: Seeded, base: Buffer): Buffer {
  const bytes = Buffer.from(base);
  for (let times = 1 + random.next(4); times > 0 && bytes.length > 0; times--) {
    const at = random.next(bytes.length);
    bytes[at] = random.next(2) === 0 ? random.next(256) : (bytes[at] ?? 0) ^ (1 << random.next(8));
  }
  return bytes;
}

function cut(random: Seeded, bytes: Buffer): Buffer {
  return bytes.subarray(0, random.next(bytes.length + 1));
}

function spliced(random: Seeded, one: Buffer, other: Buffer): Buffer {
  return Buffer.concat([cut(random, one), other.subarray(random.next(other.length))]);
}

/** Compression pointers anywhere, to anywhere: loops, forwards, out of the message. */
function pointers(random: Seeded, base: Buffer): Buffer {
  const bytes = Buffer.concat([base, randomBytes(random, 8)]);
  for (let times = 1 + random.next(4); times > 0; times--) {
    const at = 12 + random.next(Math.max(1, bytes.length - 14));
    if (at + 2 <= bytes.length) bytes.writeUInt16BE(0xc000 | random.next(bytes.length + 8), at);
  }
  return bytes;
}

function counts(random: Seeded, base: Buffer): Buffer {
  const bytes = Buffer.from(base);
  for (let at = 4; at < 12; at += 2) if (random.next(2) === 0) bytes.writeUInt16BE(random.next(4), at);
  if (random.next(8) === 0) bytes.writeUInt16BE(random.next(65_536), 4 + 2 * random.next(4));
  return bytes;
}
