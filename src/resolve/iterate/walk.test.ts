/** A question on its way from the root to its answer, over authorities that a script plays; without a socket. */
import { decode, encode, type Answer as PacketAnswer } from 'dns-packet';
import { describe, expect, it } from 'vitest';
import { addressText } from '../../address/address.ts';
import { PrefixSet } from '../../address/prefix-set.ts';
import type { DatagramSink } from '../../chain/routes.ts';
import { Metrics } from '../../metrics/registry.ts';
import { ManualClock } from '../../time/clock.ts';
import type { Answer } from '../../wire/answer.ts';
import { CLASS, TYPE } from '../../wire/constants.ts';
import { textToName } from '../../wire/name.ts';
import { Question } from '../../wire/question.ts';
import { InfraStore } from './infra-store.ts';
import { IterateSource } from './iterate.ts';
import { createIterateMemory } from './iterate-memory.ts';
import { ServerTable } from './server-memory.ts';

interface Says {
  readonly answers?: PacketAnswer[];
  readonly authorities?: PacketAnswer[];
  readonly additionals?: PacketAnswer[];
  readonly rcode?: number;
  readonly aa?: boolean;
  /** Lets the reply come with another id, or of another case. */
  readonly wrongId?: boolean;
  readonly lowerCase?: boolean;
}

const ns = (name: string, data: string): PacketAnswer => ({ name, type: 'NS', ttl: 3600, data });
const a = (name: string, data: string): PacketAnswer => ({ name, type: 'A', ttl: 300, data });
const SOA: PacketAnswer = {
  name: 'example',
  type: 'SOA',
  ttl: 60,
  data: { mname: 'ns.example', rname: 'h.example', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 60 },
};
const ROOT = '198.51.100.1';

/** `script`: what the server at an address says to `NAME TYPE`; undefined: nothing. */
function internet(script: (address: string, question: string) => Says | undefined) {
  const clock = new ManualClock();
  const memory = createIterateMemory(1 << 20);
  const sent: string[] = [];
  const outcomes: (number | string)[] = [];
  const pending: (() => void)[] = [];
  let sockets = 0;
  let sink: DatagramSink;
  let random = 7;
  const source = new IterateSource({
    sockets: (given) => {
      sink = given;
      return {
        send(bytes, start, length, address, port) {
          const query = decode(Buffer.from(bytes.subarray(start, start + length)));
          const { name, type } = query.questions![0]!;
          const asked = `${name.toLowerCase()} ${type}`;
          sent.push(`${addressText(address)} ${asked}`);
          const says = script(addressText(address), asked);
          const socket = sockets++;
          if (says === undefined) return socket;
          const reply = encode({
            id: says.wrongId ? query.id! ^ 1 : query.id!,
            type: 'response',
            flags: ((says.aa ?? says.answers !== undefined) ? 0x400 : 0) | (says.rcode ?? 0),
            questions: [{ name: says.lowerCase ? name.toLowerCase() : name, type }],
            answers: says.answers ?? [],
            authorities: says.authorities ?? [],
            additionals: says.additionals ?? [],
          } as Parameters<typeof encode>[0]);
          pending.push(() => sink.datagram(socket, reply, 0, reply.length, Int32Array.from(address), port));
          return socket;
        },
        flush() {},
        tick() {},
        close() {},
      };
    },
    waiters: {
      answered: (_token, answer: Answer) => void outcomes.push(answer.rcode),
      failed: (_token, ede) => void outcomes.push(`failed ${ede}`),
      slow: () => false,
    },
    suspendedNext: new Int32Array(16).fill(-1),
    onAnswer() {},
    onFailure() {},
    infra: new InfraStore(memory.infra, { worker: 1, hashKey: [1, 2], maxTtl: 86_400 }),
    servers: new ServerTable(memory.servers, [1, 2]),
    hints: [{ name: 'a.root', addresses: [ROOT] }],
    forbidden: new PrefixSet([]),
    clock,
    random32: () => (random = (Math.imul(random, 1664525) + 1013904223) >>> 0),
    metrics: new Metrics(),
    cookies: false,
    ipv6: false,
  });
  const settle = () => {
    for (let i = 0; i < 100 && pending.length > 0; i++) pending.shift()!();
  };
  return {
    sent,
    outcomes,
    advance(ms: number) {
      for (let passed = 0; passed < ms; passed += 10) {
        clock.advance(10);
        source.tick(clock.nowMs());
        settle();
      }
    },
    ask(name: string, type: number = TYPE.A) {
      const question = new Question();
      const wire = textToName(name);
      question.name.set(wire);
      question.nameLength = wire.length;
      for (let at = 0; wire[at]! > 0; at += wire[at]! + 1) question.labelStarts[question.labelCount++] = at;
      question.type = type;
      question.class = CLASS.IN;
      source.resolve(question, 0, clock.nowMs());
      settle();
    },
  };
}

const COM = '198.51.100.2';
const HOST = '198.51.100.3';
/** Root, com and example.com, all well. */
function well(address: string, question: string): Says | undefined {
  if (address === ROOT && question === '. NS')
    return { answers: [ns('.', 'a.root')], additionals: [a('a.root', ROOT)] };
  if (address === ROOT) return { authorities: [ns('com', 'ns.com')], additionals: [a('ns.com', COM)] };
  if (address === COM)
    return { authorities: [ns('example.com', 'ns.example.com')], additionals: [a('ns.example.com', HOST)] };
  const [name = ''] = question.split(' ');
  if (name === 'www.example.com') return { answers: [a(name, '192.0.2.1')] };
  return { authorities: [{ ...SOA, name: 'example.com' }], rcode: 3, aa: true };
}

const withoutPriming = (sent: readonly string[]) => sent.filter((each) => !each.endsWith(' . NS'));

describe('the walk', () => {
  it('goes from the root down, tells each server no more of the name than it needs, and starts at the closest zone next time', () => {
    const net = internet(well);
    net.ask('www.example.com');
    expect(net.outcomes).toEqual([0]);
    expect(withoutPriming(net.sent)).toEqual([`${ROOT} com A`, `${COM} example.com A`, `${HOST} www.example.com A`]);
    net.ask('nope.example.com');
    expect([net.outcomes, net.sent.at(-1), withoutPriming(net.sent).length]).toEqual([
      [0, 3],
      `${HOST} nope.example.com A`,
      4,
    ]);
  });

  it('asks a silent server twice and no more, then says that nobody could be reached', () => {
    const net = internet((address, question) => (address === HOST ? undefined : well(address, question)));
    net.ask('www.example.com');
    net.advance(5000);
    expect(net.outcomes).toEqual(['failed 22']);
    expect(net.sent.filter((each) => each.startsWith(HOST)).length).toBe(2);
  });

  it('does not take a reply with another id, and waits past it', () => {
    let tries = 0;
    const net = internet((address, question) => {
      const says = well(address, question);
      return address === HOST && says && tries++ === 0 ? { ...says, wrongId: true } : says;
    });
    net.ask('www.example.com');
    expect(net.outcomes).toEqual([]);
    net.advance(2000);
    expect(net.outcomes).toEqual([0]);
  });

  it('passes over a lame server and takes the next one', () => {
    const other = '198.51.100.4';
    const net = internet((address, question) => {
      if (address === COM)
        return {
          authorities: [ns('example.com', 'ns1.example.com'), ns('example.com', 'ns2.example.com')],
          additionals: [a('ns1.example.com', HOST), a('ns2.example.com', other)],
        };
      if (address === HOST) return { rcode: 5 };
      return well(address, question);
    });
    net.ask('www.example.com');
    net.advance(1000);
    expect(net.outcomes).toEqual([0]);
  });

  it('gives up on name servers that wait for each other', () => {
    const net = internet((address, question) => {
      if (address !== COM) return well(address, question);
      const of = question.includes('one.com') ? 'ns.two.com' : 'ns.one.com';
      return { authorities: [ns(question.includes('one.com') ? 'one.com' : 'two.com', of)] };
    });
    net.ask('www.one.com');
    net.advance(5000);
    expect(net.outcomes).toEqual(['failed 22']);
    expect(withoutPriming(net.sent).length).toBeLessThan(10);
  });

  it('believes no address of a server that its parent may not speak of', () => {
    const net = internet((address, question) => {
      if (address !== COM) return well(address, question);
      return { authorities: [ns('example.com', 'ns.example.net')], additionals: [a('ns.example.net', '192.0.2.66')] };
    });
    net.ask('www.example.com');
    net.advance(3000);
    expect(net.sent.some((each) => each.startsWith('192.0.2.66'))).toBe(false);
  });
});
