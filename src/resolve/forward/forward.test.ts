import type { AddressInfo } from 'node:net';
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { type Answer as DnsRecord, decode, encode, type Packet } from 'dns-packet';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { addressWords } from '../../address/address.ts';
import type { UpstreamSockets } from '../../chain/routes.ts';
import { NO_ROOM, RESOLVING } from '../../chain/source.ts';
import { halfSipHash, hashHigh, hashLow } from '../../hash/siphash.ts';
import { Metrics } from '../../metrics/registry.ts';
import { ManualClock } from '../../time/clock.ts';
import { EDE, TYPE } from '../../wire/constants.ts';
import { textToName } from '../../wire/name.ts';
import { Question } from '../../wire/question.ts';
import { FAILED_ANSWERED, FAILED_TIMEOUT, FAILED_UNREACHABLE, type ForwardParts, ForwardSource } from './forward.ts';
import { NEAR_MISSES } from './near-misses.ts';
import type { ServerConfig } from './servers.ts';

const open: { close(): void }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

describe('a query', () => {
  it('asks for recursion, with the name in random case, EDNS 1232, and nothing of the client', () => {
    const rig = makeRig();
    rig.resolve('www.example.com');
    const [sent] = rig.network.sent;
    const message = decode(Buffer.from(sent!.bytes));
    expect(message.flags! & 0x7910).toBe(0x100);
    expect(message.questions?.[0]?.name).not.toBe('www.example.com');
    expect(message.questions?.[0]?.name.toLowerCase()).toBe('www.example.com');
    const edns = message.additionals?.[0] as unknown as {
      udpPayloadSize: number;
      flag_do: boolean;
      options: unknown[];
    };
    expect(edns).toMatchObject({ udpPayloadSize: 1232, flag_do: false, options: [] });
    expect(sent!.port).toBe(53);
  });

  it('carries DO and CD, and is not joined with one that differs in them', () => {
    const rig = makeRig();
    rig.resolve('example', { dnssecOk: true, checkingDisabled: true });
    rig.resolve('example');
    const [first, second] = rig.network.sent.map(({ bytes }) => decode(Buffer.from(bytes)));
    expect(first!.flags! & 0x10).toBe(0x10);
    expect(first!.additionals?.[0]).toMatchObject({ flag_do: true });
    expect(second!.flags! & 0x10).toBe(0);
  });

  it('gets ids and case that differ each time', () => {
    const rig = makeRig();
    const seen = new Set<string>();
    for (let i = 0; i < 50; i++) {
      rig.resolve(`some-long-name-${i}.example`);
      const { bytes } = rig.network.sent.at(-1)!;
      seen.add(Buffer.from(bytes.subarray(0, 2)).toString('hex'));
    }
    expect(seen.size).toBe(50);
  });

  it('is answered, cached first, then given to who waits', () => {
    const rig = makeRig();
    const token = rig.resolve('example');
    rig.answer(0);
    expect(rig.log).toEqual(['cache example', `answered ${token}`]);
    expect(rig.cached[0]).toMatchObject({ ttl: 300, authenticData: false });
    expect(rig.source.outstanding).toBe(0);
  });
});

describe('an answer foreseen', () => {
  it('is told by its question where the id is that of a query outstanding, and decides nothing', () => {
    const rig = makeRig();
    const token = rig.resolve('example');
    const { bytes } = rig.network.sent[0]!;
    const other = Uint8Array.of(bytes[0]! ^ 0xff, ...bytes.subarray(1));
    rig.source.foresee(other, 0, other.length);
    rig.source.foresee(bytes, 0, 11);
    expect(rig.log).toEqual([]);
    rig.source.foresee(bytes, 0, bytes.length);
    rig.answer(0);
    expect(rig.log).toEqual(['foreseen example', 'cache example', `answered ${token}`]);
  });
});

describe('AD', () => {
  it.each([true, false])('from an upstream with trusted = %s', (trusted) => {
    const rig = makeRig({ servers: [{ address: '192.0.2.1', port: 53, trusted }] });
    rig.resolve('example');
    rig.answer(0, { flags: 0x20 });
    expect(rig.cached[0]?.authenticData).toBe(trusted);
  });
});

describe('a reply that is not the answer is counted, and waiting goes on', () => {
  const wrong: [string, (rig: Rig) => void][] = [
    ['id', (rig) => rig.answer(0, {}, { change: (bytes) => (bytes[1] = bytes[1]! ^ 1) })],
    ['source', (rig) => rig.answer(0, {}, { address: '192.0.2.99' })],
    ['source', (rig) => rig.answer(0, {}, { port: 5353 })],
    ['socket', (rig) => rig.answer(0, {}, { socket: 4711 })],
    ['question', (rig) => rig.answer(0, { questions: [{ type: 'A', name: 'exampla' }] })],
    ['question', (rig) => rig.answer(0, { questions: [{ type: 'AAAA', name: rig.sentName(0) }] })],
    ['question', (rig) => rig.answer(0, { questions: [{ type: 'A', class: 'CH', name: rig.sentName(0) }] })],
    ['question', (rig) => rig.answer(0, { questions: [] })],
    ['query', (rig) => rig.answer(0, {}, { change: (bytes) => (bytes[2] = bytes[2]! & 0x7f) })],
    ['opcode', (rig) => rig.answer(0, {}, { change: (bytes) => (bytes[2] = bytes[2]! | 0x28) })],
    ['short', (rig) => rig.answer(0, {}, { cut: 11 })],
  ];
  it.each(wrong)('wrong %s', (reason, reply) => {
    const rig = makeRig();
    rig.resolve('example');
    reply(rig);
    expect(rig.log).toEqual([]);
    expect(rig.metric('sekisho_upstream_mismatches_total', { reason })).toBe(1);
    rig.answer(0);
    expect(rig.log).toEqual(['cache example', 'answered 0']);
  });

  it('a thousand guesses, then the answer', () => {
    const rig = makeRig();
    rig.resolve('example');
    for (let i = 0; i < 1000; i++) rig.answer(0, {}, { change: (bytes) => bytes.fill(i, 0, 2), socket: 77 });
    rig.answer(0);
    expect(rig.log).toEqual(['cache example', 'answered 0']);
  });

  it('the same reply twice', () => {
    const rig = makeRig();
    rig.resolve('example');
    rig.answer(0);
    rig.answer(0);
    expect(rig.log).toHaveLength(2);
    expect(rig.metric('sekisho_upstream_mismatches_total', { reason: 'id' })).toBe(1);
  });
});

describe('retries', () => {
  it('go to another server, and a late answer of the first one is taken', () => {
    const rig = makeRig({ count: 2 });
    rig.resolve('example');
    rig.advance(450);
    expect(rig.network.sent.map(({ server }) => server)).toEqual(['192.0.2.1', '192.0.2.2']);
    rig.answer(0);
    expect(rig.log).toEqual(['cache example', 'answered 0']);
    rig.answer(1);
    expect(rig.metric('sekisho_upstream_mismatches_total', { reason: 'id' })).toBe(1);
    expect(rig.metric('sekisho_upstream_retries_total')).toBe(1);
  });

  it('are left out where somebody objects, and an answer to the first is waited for', () => {
    const objected: string[] = [];
    const rig = makeRig({
      probesAnswered: true,
      mayRepeat: (name) => {
        objected.push(name);
        return false;
      },
    });
    const token = rig.resolve('example');
    rig.advance(3000, 10);
    expect(rig.queries()).toHaveLength(1);
    expect(objected).toEqual(['example']);
    rig.answer(0);
    expect(rig.log).toContain(`answered ${token}`);
  });

  it('of thousands of silent names are few while the server answers others; of a server that answers nobody, as many as ever', () => {
    const rig = makeRig({ probesAnswered: true });
    for (let i = 0; i < 1000; i++) rig.resolve(`silent-${i}.example`);
    for (let ms = 0; ms < 3000; ms += 50) {
      rig.resolve(`well-${ms}.example`);
      rig.answer(rig.network.sent.length - 1);
      rig.advance(50);
    }
    // A server's worth of retries at hand, half of what was answered, and twenty a second.
    expect(rig.queries().length).toBeLessThan(1000 + 60 + 200 + 30 + 3 * 20);
    expect(rig.metric('sekisho_upstream_retries_withheld_total')).toBeGreaterThan(500);
    const dead = makeRig({ count: 2 });
    for (let i = 0; i < 500; i++) dead.resolve(`name-${i}.example`);
    dead.advance(450);
    expect(dead.metric('sekisho_upstream_retries_withheld_total')).toBe(0);
    expect(dead.metric('sekisho_upstream_retries_total')).toBe(500);
  });

  it('end after four tries and four seconds', () => {
    const rig = makeRig({ count: 2, probesAnswered: true });
    rig.resolve('example');
    rig.advance(3900);
    expect(rig.queries()).toHaveLength(4);
    expect(rig.log).toEqual(['slow 0']);
    rig.advance(200);
    expect(rig.log).toEqual([
      'slow 0',
      `failure example ${EDE.NO_REACHABLE_AUTHORITY} ${FAILED_TIMEOUT}`,
      `failed 0 ${EDE.NO_REACHABLE_AUTHORITY}`,
    ]);
    expect(rig.source.outstanding).toBe(0);
  });

  it('a slow name does not take a server down that answers probes', () => {
    const rig = makeRig({ probesAnswered: true });
    for (let i = 0; i < 5; i++) rig.resolve(`slow-${i}.example`);
    rig.advance(3000);
    expect(rig.metric('sekisho_upstream_up', { server: '192.0.2.1:53' })).toBe(1);
    rig.answerAll();
    expect(rig.log.filter((line) => line.startsWith('answered'))).toHaveLength(5);
  });

  it.each(['SERVFAIL', 'REFUSED', 'garbage'])('%s: another server once', (what) => {
    const rig = makeRig({ count: 3 });
    rig.resolve('example');
    const flags = what === 'SERVFAIL' ? 2 : 5;
    const failing = () =>
      rig.answer(
        rig.network.sent.length - 1,
        what === 'garbage' ? {} : { flags, answers: [] },
        what === 'garbage' ? { cut: 30 } : {},
      );
    failing();
    expect(rig.network.sent.map(({ server }) => server)).toEqual(['192.0.2.1', '192.0.2.2']);
    rig.answer(1);
    expect(rig.log).toEqual(['cache example', 'answered 0']);

    rig.resolve('other');
    failing();
    failing();
    // Once more in lower case.
    expect(rig.sentName(rig.network.sent.length - 1)).toBe('other');
    failing();
    expect(rig.log.slice(2)).toEqual([`failure other ${EDE.OTHER} ${FAILED_ANSWERED}`, `failed 1 ${EDE.OTHER}`]);
  });

  it("failures carry the upstream's extended error", () => {
    const rig = makeRig();
    rig.resolve('example');
    rig.answer(0, { flags: 2, answers: [], additionals: [opt([{ code: 15, data: Buffer.from([0, 6]) }])] });
    expect(rig.log.at(-1)).toBe(`failed 0 ${EDE.DNSSEC_BOGUS}`);
  });

  it('a failure while another try is pending waits for that one', () => {
    const rig = makeRig({ count: 2 });
    rig.resolve('example');
    rig.advance(450);
    rig.answer(0, { flags: 2, answers: [] });
    expect(rig.log).toEqual([]);
    rig.answer(1);
    expect(rig.log).toEqual(['cache example', 'answered 0']);
  });

  it('a failure that arrives twice counts once', () => {
    const rig = makeRig({ count: 3 });
    rig.resolve('example');
    rig.advance(450);
    rig.answer(0, { flags: 2, answers: [] });
    rig.answer(0, { flags: 2, answers: [] });
    expect(rig.log).toEqual([]);
    rig.answer(1);
    expect(rig.log).toEqual(['cache example', 'answered 0']);
  });

  it('a failure is passed on as soon as the try that is pending is given up', () => {
    const rig = makeRig({ count: 2 });
    rig.resolve('example');
    rig.advance(450);
    rig.answer(0, { flags: 2, answers: [] });
    rig.advance(800);
    expect(rig.log).toEqual([`failure example ${EDE.OTHER} ${FAILED_ANSWERED}`, `failed 0 ${EDE.OTHER}`]);
  });

  it('wait twice as long each time', () => {
    const rig = makeRig({ count: 4 });
    rig.resolve('example');
    const counts = [390, 20, 780, 20, 1580, 20].map((ms) => {
      rig.advance(ms);
      return rig.queries().length;
    });
    expect(counts).toEqual([1, 2, 2, 3, 3, 4]);
  });

  it('an answer that may belong to either of two tries says nothing about latency', () => {
    const rig = makeRig({ probesAnswered: true });
    rig.network.onePort = true;
    rig.resolve('example');
    rig.advance(450);
    expect(rig.queries()).toHaveLength(2);
    rig.answer(1);
    expect(rig.metric('sekisho_upstream_rtt_seconds', { server: '192.0.2.1:53' })).toBe(0);
    expect(rig.log).toEqual(['cache example', 'answered 0']);
  });

  it('what cannot be sent is tried again', () => {
    const rig = makeRig({ count: 2 });
    rig.network.broken = true;
    rig.resolve('example');
    rig.network.broken = false;
    rig.advance(450);
    rig.answer(rig.network.sent.length - 1);
    expect(rig.log).toEqual(['cache example', 'answered 0']);
  });
});

describe('which server', () => {
  it('prefers the fast one, and measures the slow one now and then', () => {
    const rig = makeRig({ count: 2 });
    const latencyMs: Record<string, number> = { '192.0.2.1': 40, '192.0.2.2': 4 };
    for (let i = 0; i < 1000; i++) {
      rig.resolve(`n${i}.example`);
      rig.clock.advance(latencyMs[rig.network.sent.at(-1)!.server]!);
      rig.answer(rig.network.sent.length - 1);
    }
    const slow = rig.network.sent.filter(({ server }) => server === '192.0.2.1').length;
    expect(slow).toBeGreaterThan(2);
    expect(slow).toBeLessThan(40);
    expect(rig.metric('sekisho_upstream_rtt_seconds', { server: '192.0.2.2:53' })).toBeCloseTo(0.004, 3);
  });

  it('one that stops answering is left after a few queries, probed, and taken again within two seconds of its return', () => {
    const rig = makeRig({ count: 2 });
    const dead = new Set(['192.0.2.1']);
    let answered = 0;
    const serve = (ms: number): void => {
      for (let t = 0; t < ms; t += 10) {
        rig.resolve(`n${answered}-${t}-${rig.clock.nowMs()}.example`);
        const pending = rig.network.sent.splice(0).filter(({ server }) => !dead.has(server));
        rig.clock.advance(2);
        for (const sent of pending) rig.replyTo(sent, {});
        rig.advance(8);
        answered++;
      }
    };
    serve(3000);
    expect(rig.metric('sekisho_upstream_up', { server: '192.0.2.1:53' })).toBe(0);
    expect(rig.log.filter((line) => line.startsWith('failed'))).toEqual([]);
    const probes = rig.metric('sekisho_upstream_probes_total', { server: '192.0.2.1:53' });
    expect(probes).toBeGreaterThanOrEqual(4);
    dead.clear();
    serve(1000);
    expect(rig.metric('sekisho_upstream_up', { server: '192.0.2.1:53' })).toBe(1);
    const before = rig.metric('sekisho_upstream_queries_total', { server: '192.0.2.1:53' });
    serve(1000);
    expect(rig.metric('sekisho_upstream_queries_total', { server: '192.0.2.1:53' })).toBeGreaterThan(before);
  });

  it('all down: fails at once, and answers within two seconds of their return', () => {
    const rig = makeRig({ count: 2 });
    rig.resolve('first');
    rig.resolve('second');
    rig.advance(5000);
    expect([1, 2].map((n) => rig.metric('sekisho_upstream_up', { server: `192.0.2.${n}:53` }))).toEqual([0, 0]);
    rig.log.length = 0;
    const token = rig.resolve('third');
    expect(rig.log).toEqual([
      `failure third ${EDE.NO_REACHABLE_AUTHORITY} ${FAILED_UNREACHABLE}`,
      `failed ${token} ${EDE.NO_REACHABLE_AUTHORITY}`,
    ]);

    rig.network.sent.length = 0;
    rig.probesAnswered = true;
    rig.advance(600);
    expect([1, 2].map((n) => rig.metric('sekisho_upstream_up', { server: `192.0.2.${n}:53` }))).toEqual([1, 1]);
    rig.log.length = 0;
    rig.resolve('fourth');
    rig.answer(rig.network.sent.length - 1);
    expect(rig.log[0]).toBe('cache fourth');
    rig.advance(10_000);
    expect(rig.source.outstanding).toBe(0);
  });

  it('one that refuses everything is no longer preferred for its speed', () => {
    const rig = makeRig({ count: 2 });
    for (let i = 0; i < 60; i++) {
      rig.resolve(`n${i}.example`);
      for (let sent = rig.network.sent.shift(); sent; sent = rig.network.sent.shift()) {
        rig.clock.advance(sent.server === '192.0.2.1' ? 1 : 50);
        rig.replyTo(sent, sent.server === '192.0.2.1' ? { flags: 5, answers: [] } : {});
      }
    }
    expect(rig.metric('sekisho_upstream_queries_total', { server: '192.0.2.1:53' })).toBeLessThan(25);
    expect(rig.log.filter((line) => line.startsWith('answered'))).toHaveLength(60);
  });
});

describe('identical questions', () => {
  it('are joined, and all get the answer', () => {
    const rig = makeRig();
    const tokens = [rig.resolve('example'), rig.resolve('example'), rig.resolve('example')];
    expect(rig.network.sent).toHaveLength(1);
    rig.answer(0);
    expect(rig.log).toEqual(['cache example', ...tokens.map((token) => `answered ${token}`)]);
    expect(rig.metric('sekisho_upstream_coalesced_total')).toBe(2);
  });

  it('up to a cap', () => {
    const rig = makeRig({ limits: { waiters: 3 } });
    for (let i = 0; i < 3; i++) rig.resolve('example');
    expect(rig.source.resolve(rig.question('example'), 50, rig.clock.nowMs())).toBe(NO_ROOM);
    rig.answer(0);
    expect(rig.log).toHaveLength(4);
    expect(rig.metric('sekisho_upstream_no_room_total', { limit: 'waiters' })).toBe(1);
  });

  it('may be asked again from within the answer', () => {
    const rig = makeRig();
    rig.resolve('example');
    rig.resolve('example');
    rig.onAnswered = (token) => {
      if (token === 0) {
        // The token was given back and is held again at once, as the pool does.
        rig.source.resolve(rig.question('another'), 0, rig.clock.nowMs());
        rig.source.resolve(rig.question('example'), 7, rig.clock.nowMs());
      }
    };
    rig.answer(0);
    expect(rig.log).toEqual(['cache example', 'answered 0', 'answered 1']);
    rig.onAnswered = () => {};
    rig.answer(1);
    rig.answer(2);
    expect(rig.log.slice(3)).toEqual(['cache another', 'answered 0', 'cache example', 'answered 7']);
  });

  it('may be asked again from within a failure', () => {
    const rig = makeRig();
    rig.resolve('example');
    rig.resolve('example');
    rig.onFailed = (token) => {
      if (token === 0) rig.source.resolve(rig.question('example'), 0, rig.clock.nowMs());
    };
    rig.answer(0, { flags: 5, answers: [] });
    expect(rig.log.slice(1)).toEqual(['failed 0 0', 'failed 1 0']);
    rig.answer(1);
    expect(rig.log.slice(3)).toEqual(['cache example', 'answered 0']);
  });
});

describe('limits', () => {
  it('a full pool takes no more, and all of it is free again afterwards', () => {
    const rig = makeRig({ limits: { tasks: 64 } });
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 64; i++) rig.resolve(`n${i}.example`);
      expect(rig.source.resolve(rig.question('more.example'), 900, rig.clock.nowMs())).toBe(NO_ROOM);
      expect(rig.source.outstanding).toBe(64);
      rig.answerAll();
      expect(rig.source.outstanding).toBe(0);
    }
    expect(rig.metric('sekisho_upstream_no_room_total', { limit: 'questions' })).toBe(3);
  });

  it('probes go out although the pool is full', () => {
    const rig = makeRig({ limits: { tasks: 64 } });
    for (let i = 0; i < 64; i++) rig.resolve(`n${i}.example`);
    rig.advance(420);
    expect(rig.network.sent.some(({ bytes }) => isProbe(bytes))).toBe(true);
  });

  it('ids stay unique, also where the generator is stuck', () => {
    const rig = makeRig({ random32: () => 42, limits: { tasks: 300 } });
    for (let i = 0; i < 300; i++) rig.resolve(`n${i}.example`);
    expect(new Set(rig.network.sent.map(({ bytes }) => (bytes[0]! << 8) | bytes[1]!)).size).toBe(300);
    rig.answerAll();
    expect(rig.log.filter((line) => line.startsWith('answered'))).toHaveLength(300);
  });
});

describe('who waits too long', () => {
  it('is told once; who is served something stale leaves, the task goes on', () => {
    const rig = makeRig({ probesAnswered: true });
    rig.resolve('example');
    rig.resolve('example');
    rig.resolve('example');
    rig.stale.add(1);
    rig.advance(1790);
    expect(rig.log).toEqual([]);
    rig.advance(30);
    expect(rig.log).toEqual(['slow 0', 'slow 1', 'slow 2']);
    rig.answerAll();
    expect(rig.log.slice(3)).toEqual(['cache example', 'answered 0', 'answered 2']);
  });

  it('who joins later is told at once', () => {
    const rig = makeRig({ probesAnswered: true });
    rig.resolve('example');
    rig.advance(2000);
    rig.stale.add(1);
    rig.resolve('example');
    rig.resolve('example');
    expect(rig.log).toEqual(['slow 0', 'slow 1', 'slow 2']);
    rig.answerAll();
    expect(rig.log.slice(3)).toEqual(['cache example', 'answered 0', 'answered 2']);
  });
});

describe('refresh', () => {
  it('fills the cache although nobody waits, and can be joined', () => {
    const rig = makeRig();
    rig.source.refresh(rig.question('example'), rig.clock.nowMs());
    rig.source.refresh(rig.question('example'), rig.clock.nowMs());
    const token = rig.resolve('example');
    expect(rig.network.sent).toHaveLength(1);
    rig.answer(0);
    expect(rig.log).toEqual(['cache example', `answered ${token}`]);
  });
});

it('refreshes leave a quarter of the room to those who wait', () => {
  const rig = makeRig({ limits: { tasks: 63 } });
  for (let i = 0; i < 100; i++) rig.source.refresh(rig.question(`n${i}.example`), rig.clock.nowMs());
  expect(rig.source.outstanding).toBe(48);
  rig.resolve('example');
});

describe('EDNS', () => {
  const unable: [string, Partial<Packet>, ReplyChange][] = [
    ['FORMERR', { flags: 1, answers: [] }, {}],
    ['NOTIMP', { flags: 4, answers: [] }, {}],
    ['a bare header with FORMERR', { flags: 1, answers: [], questions: [] }, {}],
  ];
  it.each(unable)('%s without OPT: asked again without EDNS, and remembered for a while', (_what, packet, change) => {
    const rig = makeRig();
    rig.resolve('example');
    rig.answer(0, packet, change);
    expect(rig.network.sent).toHaveLength(2);
    expect(decode(Buffer.from(rig.network.sent[1]!.bytes)).additionals).toEqual([]);
    rig.answer(1);
    expect(rig.log).toEqual(['cache example', 'answered 0']);

    rig.resolve('other');
    expect(decode(Buffer.from(rig.network.sent[2]!.bytes)).additionals).toEqual([]);
    rig.answer(2);
    rig.advance(16 * 60_000, 1000);
    rig.resolve('third');
    expect(decode(Buffer.from(rig.network.sent.at(-1)!.bytes)).additionals).toHaveLength(1);
  });

  it('FORMERR with OPT is a failure', () => {
    const rig = makeRig();
    rig.resolve('example');
    rig.answer(0, { flags: 1, answers: [], additionals: [opt([])] });
    expect(rig.network.sent).toHaveLength(1);
    expect(rig.log.at(-1)).toBe('failed 0 0');
  });

  it('is not given up where the server fails without it as well', () => {
    const rig = makeRig();
    rig.resolve('example');
    rig.answer(0, { flags: 1, answers: [] });
    rig.answer(1, { flags: 1, answers: [] });
    expect(rig.log.at(-1)).toBe('failed 0 0');
    rig.resolve('other');
    expect(decode(Buffer.from(rig.network.sent[2]!.bytes)).additionals).toHaveLength(1);
  });
});

describe('over TCP', () => {
  it('a truncated answer is asked for again', async () => {
    const tcp = await listen((query) => reply(query, { answers: many(query, 200) }));
    const rig = makeRig({ servers: [{ address: '127.0.0.1', port: tcp.port, trusted: false }] });
    rig.resolve('example');
    rig.answer(0, { flags: 0x200, answers: [] });
    expect(rig.log).toEqual([]);
    await until(() => rig.log.length > 0);
    expect(rig.log).toEqual(['cache example', 'answered 0']);
    expect(rig.cached[0]?.length).toBeGreaterThan(3000);
    expect(rig.metric('sekisho_upstream_tcp_queries_total', { server: `127.0.0.1:${tcp.port}` })).toBe(1);
  });

  it('many at once share a connection, answered in another order', async () => {
    const held: (() => void)[] = [];
    const tcp = await listen((query, socket) => {
      held.push(() => socket.write(framed(reply(query, {}))));
      if (held.length === 20) for (const send of held.reverse()) send();
      return undefined;
    });
    const rig = makeRig({ servers: [{ address: '127.0.0.1', port: tcp.port, trusted: false }] });
    for (let i = 0; i < 20; i++) {
      rig.resolve(`n${i}.example`);
      rig.answer(i, { flags: 0x200, answers: [] });
    }
    await until(() => rig.log.filter((line) => line.startsWith('answered')).length === 20);
    expect(tcp.connections()).toBe(1);
    expect(rig.log.find((line) => line.startsWith('answered'))).toBe('answered 19');
  });

  it('refused, silent and closing servers: another server, or a failure', async () => {
    for (const behaviour of ['refuses', 'closes', 'garbage'] as const) {
      const tcp = await listen((_query, socket) => {
        if (behaviour === 'closes') socket.destroy();
        return behaviour === 'garbage' ? new Uint8Array(20) : undefined;
      });
      if (behaviour === 'refuses') await tcp.stop();
      const rig = makeRig({
        servers: [
          { address: '127.0.0.1', port: tcp.port, trusted: false },
          { address: '127.0.0.2', port: tcp.port, trusted: false },
        ],
      });
      rig.resolve('example');
      rig.answer(0, { flags: 0x200, answers: [] });
      if (behaviour === 'garbage') {
        await until(() => rig.metric('sekisho_upstream_mismatches_total', { reason: 'id' }) > 0);
        rig.advance(2100);
      } else {
        await until(() => rig.network.sent.length > 1);
      }
      // A server that never answered on the connection is not asked there again.
      if (behaviour === 'closes') expect(tcp.connections()).toBe(1);
      rig.answer(rig.network.sent.findIndex(({ server }) => server === '127.0.0.2'));
      expect(
        rig.log.filter((line) => !line.startsWith('slow')),
        behaviour,
      ).toEqual(['cache example', 'answered 0']);
    }
  });

  it('a connection that was closed for being idle is opened again', async () => {
    let first = true;
    const tcp = await listen((query, socket) => {
      if (decode(Buffer.from(query)).questions?.[0]?.name.toLowerCase() === 'second' && first) {
        first = false;
        socket.destroy();
        return undefined;
      }
      return reply(query, {});
    });
    const rig = makeRig({ servers: [{ address: '127.0.0.1', port: tcp.port, trusted: false }] });
    rig.resolve('first');
    rig.answer(0, { flags: 0x200, answers: [] });
    await until(() => rig.log.length === 2);
    rig.resolve('second');
    rig.answer(1, { flags: 0x200, answers: [] });
    await until(() => rig.log.length === 4);
    expect(rig.log[2]).toBe('cache second');
    expect(tcp.connections()).toBe(2);
  });
});

describe('one bad reply changes nothing about a server whose abilities were seen', () => {
  const good = { additionals: [opt([])] };

  it('EDNS: FORMERR without OPT is that question’s fallback alone', () => {
    const rig = makeRig();
    rig.resolve('seen');
    rig.answer(0, good);
    rig.resolve('bad', { dnssecOk: true });
    rig.answer(1, { flags: 1, answers: [] });
    rig.answer(2);
    expect(rig.log.slice(-2)).toEqual(['cache bad', 'answered 1']);
    expect(decode(Buffer.from(rig.network.sent[2]!.bytes)).additionals).toEqual([]);
    rig.resolve('next', { dnssecOk: true });
    expect(decode(Buffer.from(rig.network.sent[3]!.bytes)).additionals).toMatchObject([{ flag_do: true }]);
    rig.answer(3, good);
    // A server that has not shown it for an hour is believed.
    rig.advance(61 * 60_000, 60_000);
    rig.resolve('later');
    const later = rig.network.sent.length - 1;
    rig.answer(later, { flags: 1, answers: [] });
    rig.answer(later + 1);
    rig.resolve('last');
    expect(decode(Buffer.from(rig.network.sent.at(-1)!.bytes)).additionals).toEqual([]);
  });

  it('cookies: FORMERR with OPT is that question’s fallback alone', () => {
    const rig = makeRig({ cookies: true });
    const optionsOf = (sent: number) =>
      (decode(Buffer.from(rig.network.sent[sent]!.bytes)).additionals![0] as unknown as { options: unknown[] }).options;
    rig.resolve('seen');
    rig.answer(0, good);
    rig.resolve('bad');
    rig.answer(1, { flags: 1, answers: [], ...good });
    expect(optionsOf(2)).toEqual([]);
    rig.answer(2, good);
    rig.resolve('next');
    expect(optionsOf(3)).toHaveLength(1);
  });

  it('case: a name whose answer is in lower case over TCP as well is that name’s alone', async () => {
    const tcp = await listen((query) => {
      const name = decode(Buffer.from(query)).questions![0]!.name.toLowerCase();
      return reply(query, { questions: [{ type: 'A', name }], answers: [a(name)] });
    });
    const rig = makeRig({ servers: [{ address: '127.0.0.1', port: tcp.port, trusted: false }] });
    rig.resolve('a-name-that-keeps-its-case.example');
    rig.answer(0);
    const lower = 'a-name-in-lower-case.example';
    rig.resolve(lower);
    rig.answer(1, { questions: [{ type: 'A', name: lower }], answers: [a(lower)] });
    await until(() => rig.log.length === 4);
    expect(rig.log.slice(2)).toEqual([`cache ${lower}`, 'answered 1']);
    rig.resolve('another-name-with-letters.example');
    expect(rig.sentName(2)).not.toBe('another-name-with-letters.example');
  });
});

describe('letter case', () => {
  const name = 'some-name-with-letters.example';

  it.each([2, 5, 4])('a name that is a failure (rcode %i) in mixed case is asked for in lower case', (flags) => {
    const rig = makeRig();
    rig.resolve(name);
    expect(rig.sentName(0)).not.toBe(name);
    rig.answer(0, { flags, answers: [], additionals: [opt([])] });
    expect(rig.sentName(1)).toBe(name);
    rig.answer(1);
    expect(rig.log).toEqual([`cache ${name}`, 'answered 0']);
  });

  it('so is one that gets no answer', () => {
    const rig = makeRig();
    rig.resolve(name);
    rig.advance(1400);
    expect(rig.queries().length).toBeGreaterThanOrEqual(3);
    expect(rig.queries().map((query) => decode(Buffer.from(query.bytes)).questions![0]!.name === name)).toEqual([
      false,
      false,
      true,
    ]);
  });

  it('so is one whose answer in lower case cannot be checked, because the server has no TCP', async () => {
    const refusing = await listen(() => undefined);
    await refusing.stop();
    const rig = makeRig({ servers: [{ address: '127.0.0.1', port: refusing.port, trusted: false }] });
    rig.resolve(name);
    rig.answer(0, { questions: [{ type: 'A', name }], answers: [a(name)] });
    await until(() => rig.network.sent.length === 2);
    expect(rig.sentName(1)).toBe(name);
    rig.answer(1);
    expect(rig.log).toEqual([`cache ${name}`, 'answered 0']);
  });

  it('can be switched off, and zones can be exempt', () => {
    const off = makeRig({ mixedCase: false });
    off.resolve(name);
    expect(off.sentName(0)).toBe(name);
    const rig = makeRig({ lowerCaseZones: ['Letters.example'] });
    for (const asked of ['letters.example', `deep.below.letters.example`]) {
      rig.resolve(asked);
      expect(rig.sentName(rig.network.sent.length - 1)).toBe(asked);
    }
    for (const asked of ['some-letters.example', 'letters.example.another-name']) {
      rig.resolve(asked);
      expect(rig.sentName(rig.network.sent.length - 1)).not.toBe(asked);
    }
  });
});

describe('many wrong ids', () => {
  const guess = (rig: Rig, sent: number, times: number, change: { socket?: number; address?: string } = {}) => {
    // Every id but the right one, and but that of another question.
    for (let i = 1; i <= times; i++) {
      rig.answer(sent, {}, { change: (bytes) => bytes.set([bytes[0]! ^ i, bytes[1]! ^ 0x55]), ...change });
    }
  };

  it('for one question move it to TCP, and nothing over UDP is believed any more', async () => {
    let asked = () => {};
    const tcp = await listen((query, socket) => {
      asked = () => socket.write(framed(reply(query, {})));
      return undefined;
    });
    const rig = makeRig({ servers: [{ address: '127.0.0.1', port: tcp.port, trusted: false }] });
    rig.resolve('example');
    rig.resolve('other');
    guess(rig, 0, NEAR_MISSES - 1);
    expect(rig.metric('sekisho_upstream_wrong_id_tcp_total')).toBe(0);
    guess(rig, 0, 1);
    expect(rig.metric('sekisho_upstream_wrong_id_tcp_total')).toBe(1);
    await until(() => tcp.connections() === 1);
    // The guess that is right comes too late.
    rig.answer(0);
    expect(rig.log).toEqual([]);
    rig.answer(1);
    expect(rig.log).toEqual(['cache other', 'answered 1']);
    await until(() => {
      asked();
      return rig.log.length === 4;
    });
    expect(rig.log.slice(2)).toEqual(['cache example', 'answered 0']);
  });

  it('and no TCP: another server is asked over TCP, and UDP stays out of it', async () => {
    const refusing = await listen(() => undefined);
    await refusing.stop();
    const rig = makeRig({
      servers: [1, 2].map((i) => ({ address: `127.0.0.${i}`, port: refusing.port, trusted: false })),
    });
    rig.resolve('example');
    guess(rig, 0, NEAR_MISSES);
    await until(() => rig.log.length > 0);
    expect(rig.network.sent).toHaveLength(1);
    expect(rig.log.at(-1)).toMatch(/^failed 0/);
  });

  it('from a stranger, to other sockets or slowly mean nothing', () => {
    const rig = makeRig();
    rig.resolve('example');
    guess(rig, 0, 100, { address: '192.0.2.99' });
    for (let socket = 1000; socket < 1100; socket++) guess(rig, 0, 1, { socket });
    for (let i = 0; i < NEAR_MISSES - 2; i++) guess(rig, 0, 1);
    expect(rig.metric('sekisho_upstream_wrong_id_tcp_total')).toBe(0);
    rig.answer(0);
    expect(rig.log).toEqual(['cache example', 'answered 0']);
  });
});

describe('0x20', () => {
  const name = 'a-name-with-many-letters.example';
  const lowered = { questions: [{ type: 'A' as const, name }], answers: [a(name)] };

  it('an answer in another case is checked over TCP; where TCP keeps the case, the server stays under it', async () => {
    const tcp = await listen((query) => reply(query, {}));
    const rig = makeRig({ servers: [{ address: '127.0.0.1', port: tcp.port, trusted: false }] });
    rig.resolve(name);
    rig.answer(0, lowered);
    expect(rig.log).toEqual([]);
    await until(() => rig.log.length > 0);
    expect(rig.log).toEqual([`cache ${name}`, 'answered 0']);
    expect(rig.metric('sekisho_upstream_case_mismatches_total', { server: `127.0.0.1:${tcp.port}` })).toBe(1);
    rig.resolve(`other-${name}`);
    expect(rig.sentName(1)).not.toBe(`other-${name}`);
  });

  it('a server that loses the case over TCP as well is asked in lower case for an hour', async () => {
    const tcp = await listen((query) => reply(query, lowered));
    const rig = makeRig({ servers: [{ address: '127.0.0.1', port: tcp.port, trusted: false }] });
    rig.resolve(name);
    rig.answer(0, lowered);
    await until(() => rig.log.length > 0);
    expect(rig.log).toEqual([`cache ${name}`, 'answered 0']);
    rig.resolve('plain.example');
    expect(rig.sentName(1)).toBe('plain.example');
    rig.answer(1);
    rig.advance(61 * 60_000, 60_000);
    rig.resolve(name);
    expect(rig.sentName(rig.network.sent.length - 1)).not.toBe(name);
  });
});

it('replies with flipped bytes and random ones do no harm, and every question ends', () => {
  const rig = makeRig({ count: 2, limits: { tasks: 64 }, probesAnswered: true });
  let round = 0;
  const flips = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(fc.array(fc.oneof(flips, fc.uint8Array({ maxLength: 64 })), { maxLength: 6 }), (damages) => {
      rig.log.length = 0;
      const token = rig.resolve(`n${round++}.example`);
      for (const damage of damages) {
        const sent = rig.network.sent.at(-1);
        if (!sent) break;
        rig.replyTo(
          sent,
          {},
          {
            change: (bytes) => {
              if (damage instanceof Uint8Array) bytes.set(damage.subarray(0, bytes.length));
              else for (const [at, value] of damage) bytes[at % bytes.length] = value;
            },
          },
        );
      }
      rig.network.sent.length = 0;
      rig.advance(4100, 50);
      const ends = rig.log.filter((line) => line === `answered ${token}` || line.startsWith(`failed ${token} `));
      expect(ends).toHaveLength(1);
      expect(rig.source.outstanding).toBe(0);
    }),
    { numRuns: 400 },
  );
});

it('close fails everyone who waits', () => {
  const rig = makeRig();
  rig.resolve('example');
  rig.resolve('other');
  rig.source.close();
  expect(rig.log.sort()).toEqual([`failed 0 ${EDE.NOT_READY}`, `failed 1 ${EDE.NOT_READY}`]);
});

// ── the rig ─────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Sent {
  socket: number;
  bytes: Uint8Array;
  server: string;
  port: number;
}

interface ReplyChange {
  change?: (bytes: Uint8Array) => void;
  cut?: number;
  address?: string;
  port?: number;
  socket?: number;
}

/** Upstream sockets that keep what is sent. */
class Network implements UpstreamSockets {
  readonly sent: Sent[] = [];
  broken = false;
  /** All queries leave from one port. */
  onePort = false;
  #socket = 1000;
  send(bytes: Uint8Array, start: number, length: number, address: Int32Array, port: number): number {
    if (this.broken) return -1;
    const server = [24, 16, 8, 0].map((shift) => (address[3]! >>> shift) & 255).join('.');
    if (!this.onePort) this.#socket++;
    this.sent.push({ socket: this.#socket, bytes: bytes.slice(start, start + length), server, port });
    return this.#socket;
  }
  flush(): void {}
  tick(): void {}
  close(): void {}
}

type Rig = ReturnType<typeof makeRig>;

describe('when there is no more room', () => {
  it('the oldest question is given up for the newest, once it has been outstanding for long', () => {
    const rig = makeRig({ limits: { tasks: 4, shedAfterMs: 300, deadlineMs: 4000 } });
    const first = rig.resolve('first.example');
    rig.clock.advance(200);
    for (const name of ['second.example', 'third.example', 'fourth.example']) rig.resolve(name);
    const question = (name: string) => rig.source.resolve(rig.question(name), 9000, rig.clock.nowMs());
    // All are young: the newest is the one that goes.
    expect(question('early.example')).toBe(NO_ROOM);
    rig.clock.advance(150);
    expect(question('late.example')).toBe(RESOLVING);
    expect(rig.log).toContain(`failed ${first} ${EDE.NOT_READY}`);
    expect(rig.log.filter((line) => line.startsWith('failed'))).toHaveLength(1);
    expect(rig.metric('sekisho_upstream_failures_total', { reason: 'shed' })).toBe(1);
    expect(rig.source.outstanding).toBe(4);
    expect(question('next.example')).toBe(NO_ROOM);
  });
});

describe('cookies (RFC 7873)', () => {
  const cookieOf = (bytes: Uint8Array): Buffer | undefined => {
    const edns = decode(Buffer.from(bytes)).additionals?.[0] as unknown as {
      options: { code: number; data: Buffer }[];
    };
    return edns.options.find(({ code }) => code === 10)?.data;
  };
  const withCookie = (data: Uint8Array, extendedRcode = 0): Partial<Packet> => ({
    additionals: [{ ...opt([{ code: 10, data: Buffer.from(data) }]), extendedRcode } as DnsRecord],
  });
  const SERVER = Uint8Array.from({ length: 16 }, (_, i) => 0xa0 + i);
  /** A rig whose only server has shown that it knows cookies. */
  const acquainted = () => {
    const rig = makeRig({ cookies: true });
    rig.resolve('first.example');
    const client = cookieOf(rig.network.sent[0]!.bytes)!;
    rig.answer(0, withCookie(Buffer.concat([client, SERVER])));
    return { rig, client };
  };

  it('go out with the same client cookie to one server, and another to the next', () => {
    const rig = makeRig({ cookies: true, count: 2 });
    for (let i = 0; i < 200; i++) rig.resolve(`name-${i}.example`);
    const seen = new Map(rig.network.sent.map(({ bytes, server }) => [server, cookieOf(bytes)!.toString('hex')]));
    expect(rig.network.sent.every(({ bytes }) => cookieOf(bytes)!.length === 8)).toBe(true);
    expect(seen.size).toBe(2);
    expect(new Set(seen.values()).size).toBe(2);
  });

  it('come back with the server cookie that the server gave', () => {
    const { rig, client } = acquainted();
    expect(client).toHaveLength(8);
    rig.resolve('second.example');
    expect(cookieOf(rig.network.sent[1]!.bytes)).toEqual(Buffer.concat([client, SERVER]));
    rig.answer(1, withCookie(Buffer.concat([client, SERVER])));
    expect(rig.log.filter((line) => line.startsWith('answered'))).toHaveLength(2);
  });

  it('a server that answers without one is taken as it is', () => {
    const rig = makeRig({ cookies: true });
    const token = rig.resolve('example');
    rig.answer(0);
    expect(rig.log).toContain(`answered ${token}`);
  });

  it.each([
    ['without a cookie', (_: Buffer): Partial<Packet> => ({})],
    ['with another client cookie', (client: Buffer) => withCookie(Buffer.concat([client.map((b) => b ^ 1), SERVER]))],
    ['with a cookie of an illegal length', (client: Buffer) => withCookie(client)],
  ])('an answer %s, from a server that knows better, is not believed: TCP decides', async (_, forge) => {
    const tcp = await listen((query) =>
      reply(query, withCookie(Buffer.concat([cookieOf(query)!.subarray(0, 8), SERVER]))),
    );
    const rig = makeRig({ cookies: true, servers: [{ address: '127.0.0.1', port: tcp.port, trusted: false }] });
    rig.resolve('first.example');
    const client = cookieOf(rig.network.sent[0]!.bytes)!;
    rig.answer(0, withCookie(Buffer.concat([client, SERVER])));
    const token = rig.resolve('second.example');
    rig.answer(1, forge(client));
    expect(rig.log).not.toContain(`answered ${token}`);
    expect(rig.metric('sekisho_upstream_mismatches_total', { reason: 'cookie' })).toBe(1);
    await until(() => rig.log.includes(`answered ${token}`));
    expect(tcp.connections()).toBe(1);
  });

  it('a server that stopped using them is found out over TCP, and believed again', async () => {
    const tcp = await listen((query) => reply(query, {}));
    const rig = makeRig({ cookies: true, servers: [{ address: '127.0.0.1', port: tcp.port, trusted: false }] });
    rig.resolve('first.example');
    rig.answer(0, withCookie(Buffer.concat([cookieOf(rig.network.sent[0]!.bytes)!, SERVER])));
    const second = rig.resolve('second.example');
    rig.answer(1);
    await until(() => rig.log.includes(`answered ${second}`));
    const third = rig.resolve('third.example');
    rig.answer(2);
    expect(rig.log).toContain(`answered ${third}`);
  });

  it('FORMERR with OPT: asked again without the cookie, which is remembered for a while', () => {
    const rig = makeRig({ cookies: true });
    const formerr = { flags: 1, answers: [], additionals: [opt([])] };
    const token = rig.resolve('example');
    rig.answer(0, formerr);
    expect(cookieOf(rig.network.sent[1]!.bytes)).toBeUndefined();
    rig.answer(1, { additionals: [opt([])] });
    expect(rig.log).toContain(`answered ${token}`);
    expect(rig.metric('sekisho_upstream_cookie_fallbacks_total')).toBe(1);

    rig.resolve('other');
    expect(cookieOf(rig.network.sent[2]!.bytes)).toBeUndefined();
    rig.answer(2, { additionals: [opt([])] });
    rig.advance(16 * 60_000, 1000);
    rig.resolve('third');
    expect(cookieOf(rig.network.sent.at(-1)!.bytes)).toHaveLength(8);
  });

  it('FORMERR without a cookie as well is a failure, and nothing is remembered', () => {
    const rig = makeRig({ cookies: true });
    const formerr = { flags: 1, answers: [], additionals: [opt([])] };
    rig.resolve('example');
    rig.answer(0, formerr);
    rig.answer(1, formerr);
    expect(rig.log.at(-1)).toBe('failed 0 0');
    rig.resolve('other');
    expect(cookieOf(rig.network.sent[2]!.bytes)).toHaveLength(8);
  });

  it('FORMERR from a server that has shown its cookie is about the question', () => {
    const { rig, client } = acquainted();
    rig.resolve('second.example');
    rig.answer(1, { ...withCookie(Buffer.concat([client, SERVER])), flags: 1, answers: [] });
    expect(rig.network.sent).toHaveLength(2);
    expect(rig.log.at(-1)).toMatch(/^failed/);
  });

  it('BADCOOKIE is followed by the same question with the cookie it brought (§5.3)', () => {
    const { rig, client } = acquainted();
    const token = rig.resolve('second.example');
    const other = SERVER.map((byte) => byte ^ 0xff);
    rig.answer(1, { ...withCookie(Buffer.concat([client, other]), 1), flags: 7, answers: [] });
    expect(cookieOf(rig.network.sent[2]!.bytes)).toEqual(Buffer.concat([client, other]));
    rig.answer(2, withCookie(Buffer.concat([client, other])));
    expect(rig.log).toContain(`answered ${token}`);
  });
});

function makeRig(
  options: {
    count?: number;
    servers?: ServerConfig[];
    limits?: ForwardParts['limits'];
    random32?: () => number;
    probesAnswered?: boolean;
    cookies?: boolean;
    mixedCase?: boolean;
    lowerCaseZones?: string[];
    mayRepeat?: (name: string) => boolean;
  } = {},
) {
  const servers =
    options.servers ??
    Array.from({ length: options.count ?? 1 }, (_, i) => ({ address: `192.0.2.${i + 1}`, port: 53, trusted: false }));
  const network = new Network();
  const clock = new ManualClock();
  const metrics = new Metrics();
  const log: string[] = [];
  const cached: { ttl: number; authenticData: boolean; length: number }[] = [];
  const nameOf = (question: Question): string => decodeName(question.name.subarray(0, question.nameLength));
  let seed = 12345;
  let tokens = 0;
  const source = new ForwardSource({
    servers,
    mixedCase: options.mixedCase ?? true,
    lowerCaseZones: options.lowerCaseZones ?? [],
    sockets: () => network,
    waiters: {
      answered(token, answer) {
        log.push(`answered ${token}`);
        expect(answer.length).toBeGreaterThan(12);
        rig.onAnswered(token);
      },
      failed(token, ede) {
        log.push(`failed ${token} ${ede}`);
        rig.onFailed(token);
      },
      slow(token) {
        log.push(`slow ${token}`);
        return rig.stale.has(token);
      },
    },
    suspendedNext: new Int32Array(10_000).fill(-1),
    onAnswer(question, { ttl, authenticData, length }) {
      log.push(`cache ${nameOf(question)}`);
      cached.push({ ttl, authenticData, length });
    },
    onForeseen(question) {
      log.push(`foreseen ${nameOf(question)}`);
    },
    onFailure(question, ede, _nowMs, kind) {
      log.push(`failure ${nameOf(question)} ${ede} ${kind}`);
    },
    clock,
    random32:
      options.random32 ??
      (() => {
        // mulberry32
        seed = (seed + 0x6d2b79f5) | 0;
        let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return (t ^ (t >>> 14)) >>> 0;
      }),
    metrics,
    mayRepeat: (question) => options.mayRepeat?.(nameOf(question)) ?? true,
    ...(options.cookies ? { cookies: true } : {}),
    ...(options.limits ? { limits: options.limits } : {}),
  });
  open.push(source);

  const rig = {
    source,
    network,
    clock,
    log,
    cached,
    /** Tokens that have something stale to get. */
    stale: new Set<number>(),
    probesAnswered: options.probesAnswered ?? false,
    onAnswered: (_token: number): void => {},
    onFailed: (_token: number): void => {},
    question: makeQuestion,
    resolve(name: string, flags: { dnssecOk?: boolean; checkingDisabled?: boolean } = {}): number {
      const token = tokens++ % 10_000;
      expect(source.resolve(makeQuestion(name, flags), token, clock.nowMs())).toBe(RESOLVING);
      return token;
    },
    queries: (): Sent[] => network.sent.filter(({ bytes }) => !isProbe(bytes)),
    sentName: (i: number): string => decode(Buffer.from(network.sent[i]!.bytes)).questions![0]!.name,
    answer(i: number, packet: Partial<Packet> = {}, change: ReplyChange = {}): void {
      rig.replyTo(network.sent[i]!, packet, change);
    },
    replyTo(sent: Sent, packet: Partial<Packet>, change: ReplyChange = {}): void {
      const bytes = reply(sent.bytes, packet);
      change.change?.(bytes);
      const padded = Uint8Array.from([9, 9, 9, ...bytes, 9]);
      const address = addressWords(change.address ?? sent.server);
      source.datagram(
        change.socket ?? sent.socket,
        padded,
        3,
        change.cut ?? bytes.length,
        address,
        change.port ?? sent.port,
      );
    },
    /** Answer whatever was sent, each query's last sending. */
    answerAll(): void {
      for (const sent of network.sent.splice(0).reverse()) rig.replyTo(sent, {});
    },
    advance(ms: number, stepMs = 10): void {
      for (let t = 0; t < ms; t += stepMs) {
        clock.advance(stepMs);
        source.tick(clock.nowMs());
        if (!rig.probesAnswered) continue;
        const probes = network.sent.filter(({ bytes }) => isProbe(bytes));
        for (const probe of probes) {
          network.sent.splice(network.sent.indexOf(probe), 1);
          rig.replyTo(probe, { answers: [] });
        }
      }
    },
    metric(name: string, labels: Record<string, string> = {}): number {
      const index = metrics.cells.findIndex(
        (cell) => cell.name === name && Object.entries(labels).every(([key, value]) => cell.labels[key] === value),
      );
      if (index < 0) throw new Error(`no metric ${name} ${JSON.stringify(labels)}`);
      return metrics.values[index]!;
    },
  };
  return rig;
}

function makeQuestion(name: string, flags: { dnssecOk?: boolean; checkingDisabled?: boolean } = {}): Question {
  const question = new Question();
  const wire = textToName(name);
  question.name.set(wire);
  question.nameLength = wire.length;
  question.type = TYPE.A;
  question.class = 1;
  question.dnssecOk = flags.dnssecOk ?? false;
  question.checkingDisabled = flags.checkingDisabled ?? false;
  halfSipHash(question.nameWords, question.nameLength, 1, 2);
  question.hashLow = hashLow;
  question.hashHigh = hashHigh;
  return question;
}

/** A response to the query: NOERROR with one address, unless told otherwise. */
function reply(query: Uint8Array, packet: Partial<Packet>): Uint8Array {
  const { id, questions } = decode(Buffer.from(query));
  const answers = questions?.[0]?.type === 'A' ? [a(questions[0].name)] : [];
  return new Uint8Array(encode({ type: 'response', id, questions, answers, ...packet } as Packet));
}

function a(name: string): DnsRecord {
  return { type: 'A', name, ttl: 300, data: '192.0.2.200' };
}

function many(query: Uint8Array, count: number): DnsRecord[] {
  const name = decode(Buffer.from(query)).questions![0]!.name;
  return Array.from({ length: count }, (_, i) => ({ type: 'A' as const, name, ttl: 300, data: `192.0.2.${i}` }));
}

function opt(options: unknown[]): DnsRecord {
  return {
    type: 'OPT',
    name: '.',
    udpPayloadSize: 1232,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    options,
  } as unknown as DnsRecord;
}

function isProbe(bytes: Uint8Array): boolean {
  return bytes[12] === 0 && bytes[14] === TYPE.NS;
}

function decodeName(wire: Uint8Array): string {
  const labels: string[] = [];
  for (let at = 0; wire[at]; at += wire[at]! + 1)
    labels.push(Buffer.from(wire.subarray(at + 1, at + 1 + wire[at]!)).toString());
  return labels.join('.');
}

function framed(message: Uint8Array): Uint8Array {
  return Uint8Array.from([message.length >>> 8, message.length & 255, ...message]);
}

/** A TCP server on loopback that answers each message with what `handle` returns. */
async function listen(handle: (query: Uint8Array, socket: Socket) => Uint8Array | undefined) {
  let connections = 0;
  const sockets = new Set<Socket>();
  const server: NetServer = createServer((socket) => {
    connections++;
    sockets.add(socket);
    let pending = new Uint8Array(0);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      pending = Uint8Array.from([...pending, ...new Uint8Array(Buffer.from(chunk))]);
      while (pending.length >= 2 && pending.length >= 2 + pending[0]! * 256 + pending[1]!) {
        const length = pending[0]! * 256 + pending[1]!;
        const answer = handle(pending.subarray(2, 2 + length), socket);
        // In two pieces, so that framing is put to the test.
        if (answer) {
          socket.write(framed(answer).subarray(0, 3));
          socket.write(framed(answer).subarray(3));
        }
        pending = pending.slice(2 + length);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(() => resolve()));
  };
  open.push({ close: () => void stop() });
  return { port: (server.address() as AddressInfo).port, connections: () => connections, stop };
}

/** Wait for events of real sockets, with an end. */
async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 3000 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 1));
  expect(condition()).toBe(true);
}
