/** Messages that are no ordinary questions, sent to BIND and to the server: NOTIMP and FORMERR are the same. */
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { startBind } from '../support/bind.ts';
import { ensurePackages } from '../support/debian.ts';
import { exchangeDatagram } from '../support/dns-client.ts';
import { stoppedAfterwards } from '../support/observe.ts';
import { honest, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { startSekisho } from '../support/sekisho.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 });

const OPT = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];
const nameOf = (text: string) => [...text.split('.').flatMap((label) => [label.length, ...Buffer.from(label)]), 0];
const question = (type: number, qclass: number, name = nameOf('www.example.test')) => [
  ...name,
  type >> 8,
  type & 255,
  qclass >> 8,
  qclass & 255,
];
const message = (flags: number, counts: readonly number[], ...parts: number[][]) =>
  Buffer.from([0x12, 0x34, flags >> 8, flags & 255, ...counts.flatMap((count) => [0, count]), ...parts.flat()]);
const RD = 0x0100;
/** Every flag but QR. */
const ALL_FLAGS = 0x07f0;
const opcode = (n: number) => n << 11;
/** NOTIFY and UPDATE are an authority's, and BIND is one. */
const OTHER_OPCODES = [1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const A = question(1, 1);

const cases: [what: string, message: Buffer][] = [
  // genreport's `opcode` and `opcodeflg`.
  ...OTHER_OPCODES.map((n): [string, Buffer] => [`opcode ${n}`, message(opcode(n), [0, 0, 0, 0])]),
  ...OTHER_OPCODES.map((n): [string, Buffer] => [`opcode ${n}, a question`, message(opcode(n) | RD, [1, 0, 0, 0], A)]),
  ['opcode 15, all flags', message(opcode(15) | ALL_FLAGS, [0, 0, 0, 0])],
  ['opcode 15, all flags, a question', message(opcode(15) | ALL_FLAGS, [1, 0, 0, 0], A)],
  ['opcode 15, all flags, OPT', message(opcode(15) | ALL_FLAGS, [0, 0, 0, 1], OPT)],
  ['opcode 15, a question, OPT', message(opcode(15), [1, 0, 0, 1], A, OPT)],
  ...[0, 2, 3, 4, 254, 255, 999].map((c): [string, Buffer] => [
    `class ${c}`,
    message(RD, [1, 0, 0, 0], question(1, c)),
  ]),
  ...[254, 255].flatMap((c) =>
    [0, 6, 41, 249, 250, 252, 255].map((t): [string, Buffer] => [
      `class ${c}, type ${t}`,
      message(RD, [1, 0, 0, 0], question(t, c)),
    ]),
  ),
  ...[254, 255].flatMap((c): [string, Buffer][] => [
    [`class ${c}, the root`, message(RD, [1, 0, 0, 0], question(1, c, [0]))],
    [`class ${c}, a label of 64 bytes`, message(RD, [1, 0, 0, 0], question(1, c, [64, 1, 2, 0]))],
    [`class ${c}, a name that points to itself`, message(RD, [1, 0, 0, 0], question(1, c, [0xc0, 12]))],
  ]),
  ...[41, 128, 200, 249, 250, 253, 254].map((t): [string, Buffer] => [
    `type ${t}`,
    message(RD, [1, 0, 0, 0], question(t, 1)),
  ]),
  ['two equal questions', message(RD, [2, 0, 0, 0], A, A)],
  ['three equal questions', message(RD, [3, 0, 0, 0], A, A, A)],
  ['two names', message(RD, [2, 0, 0, 0], A, question(1, 1, nameOf('other.test')))],
  ['two classes', message(RD, [2, 0, 0, 0], A, question(1, 3))],
  ['two types', message(RD, [2, 0, 0, 0], A, question(28, 1))],
  ['two questions, one of them there', message(RD, [2, 0, 0, 0], A)],
  ['no question', message(RD, [0, 0, 0, 0])],
  ['no question, OPT', message(RD, [0, 0, 0, 1], OPT)],
  ['two OPT records', message(RD, [1, 0, 0, 2], A, OPT, OPT)],
  ['a name of 256 bytes', message(RD, [1, 0, 0, 0], question(1, 1, nameOf(Array(5).fill('x'.repeat(60)).join('.'))))],
];

const missing = ensurePackages(['named']);
const why = [...missing.values()].join('; ');

describe.skipIf(missing.size > 0)(`what is no ordinary question ${why}`, () => {
  const keep = stoppedAfterwards();
  let bind: { port: number };
  let ours: { port: number };

  beforeAll(async () => {
    const upstream = keep(await startScriptedUpstream(honest()));
    bind = keep(await startBind({ upstreamPort: upstream.port, probeName: 'www.example.test' }));
    ours = keep(await startSekisho({ config: { upstream: { servers: [`127.0.0.1:${upstream.port}`] } } }));
  });

  it.each(cases)('%s', async (_, bytes) => {
    const [theirs, own] = await Promise.all([
      exchangeDatagram(bytes, { port: bind.port }),
      exchangeDatagram(bytes, { port: ours.port }),
    ]);
    expect(own?.readUInt16BE(0)).toBe(0x1234);
    // The rcode, and for other opcodes every flag: none comes back but QR and the opcode.
    expect(own![3]! & 15).toBe(theirs![3]! & 15);
    if ((bytes[2]! & 0x78) !== 0) expect(own?.subarray(2)).toEqual(theirs?.subarray(2, own?.length));
  });

  it.each([2500, 4500, 9000])('a query of %i bytes is answered, FORMERR', async (length) => {
    const reply = await exchangeDatagram(Buffer.concat([message(RD, [1, 0, 0, 0], A), Buffer.alloc(length)]), {
      port: ours.port,
    });
    expect(reply?.readUInt16BE(0)).toBe(0x1234);
    expect([reply![2]! & 0x80, reply![3]! & 15, reply?.length]).toEqual([0x80, 1, 12]);
  });
});
