import { describe, expect, it } from 'vitest';
import { addressWords, isMapped, parsePrefix, prefixContains } from '../../address/address.ts';
import { AddressReader, AddressTable } from '../table/address-table.ts';
import { NOBODY, UNKNOWN } from '../table/prefix-table.ts';
import { type LeaseEvent, type LeaseResult, Leases } from './leases.ts';
import { namedReporter, type ReporterFacts, reporterOf, sessionName } from './session-name.ts';

const LIFETIME = 3600;
const NAS = reporterOf({ source: addressWords('192.0.2.1'), identifier: 'bng1' });
const OTHER_NAS = reporterOf({ source: addressWords('192.0.2.2'), identifier: 'bng2' });
const A = sessionName('a', NAS);
const B = sessionName('b', NAS);
const C = sessionName('c', OTHER_NAS);
const V4 = '192.0.2.7';
const V6 = '2001:db8:77::/56';

function setUp(room?: number) {
  const table = new AddressTable();
  const reader = new AddressReader(table.memory);
  let now = 10_000;
  const leases = new Leases(
    table,
    () => LIFETIME,
    () => now,
    room,
  );
  type More = Partial<Omit<LeaseEvent, 'prefixes'>> & { prefixes?: readonly string[] };
  const report = (kind: LeaseEvent['kind'], holder: number, session: Int32Array, more: More = {}): LeaseResult =>
    leases.report({
      kind,
      holder,
      session,
      atSeconds: now,
      ...more,
      prefixes: (more.prefixes ?? [V4]).map((text) => ({ ...parsePrefix(text), port: 0, portBits: 0 })),
    });
  const who = (address = V4) => {
    const words = addressWords(address);
    return reader.find(words, isMapped(words) ? 4 : 6, 1, now);
  };
  return { leases, report, who, pass: (seconds: number) => (now += seconds), now: () => now };
}

describe('room for sessions', () => {
  const START = 'start';
  it('is shared: a client that takes its share is refused, others are not, and what has gone makes room', () => {
    const { report, who, pass } = setUp(8);
    const results = Array.from({ length: 8 }, (_, i) =>
      report(START, 5, sessionName(`s${i}`, NAS), { prefixes: [`192.0.2.${i + 10}`] }),
    );
    expect(results).toEqual([...Array(6).fill('taken'), 'client-full', 'client-full']);
    expect([who('192.0.2.15'), who('192.0.2.16')]).toEqual([5, UNKNOWN]);
    // By whatever other name it calls itself.
    const renamed = reporterOf({ source: addressWords('192.0.2.1'), identifier: 'bng77' });
    expect(report(START, 6, sessionName('x', renamed), { prefixes: ['192.0.2.30'] })).toBe('client-full');
    expect(report(START, 7, C, { prefixes: ['192.0.2.31'] })).toBe('taken');
    expect(report(START, 7, sessionName('d', OTHER_NAS), { prefixes: ['192.0.2.32'] })).toBe('taken');
    expect(report(START, 7, sessionName('e', OTHER_NAS), { prefixes: ['192.0.2.33'] })).toBe('full');
    // What ended is remembered for a while, and what is silent goes by itself.
    pass(LIFETIME + 1);
    for (let i = 0; i < 8; i++) report('stop', 0, sessionName('none', OTHER_NAS), { prefixes: [] });
    expect(report(START, 8, sessionName('y', renamed), { prefixes: ['192.0.2.34'] })).toBe('taken');
  });

  it('holds for the addresses of sessions too', () => {
    const { report } = setUp(8);
    const many = Array.from({ length: 20 }, (_, i) => `192.0.2.${i + 10}`);
    expect(report(START, 5, A, { prefixes: many })).toBe('client-full');
    expect(report(START, 6, C, { prefixes: ['192.0.2.60'] })).toBe('taken');
  });
});

describe('why nobody holds an address', () => {
  const source = { clientWords: addressWords(V4), port: 1 };
  it('is told: two claim it, or a prefix around it; it was not confirmed; or it has ended', () => {
    const { leases, report, who } = setUp();
    report('start', 5, A);
    report('start', 6, C);
    expect([who(), leases.whyNobody(source, 128)]).toEqual([NOBODY, 'contested']);
    report('stop', 6, C);
    expect([who(), leases.whyNobody(source, 128)]).toEqual([NOBODY, 'unconfirmed']);
    report('interim', 5, A);
    expect(who()).toBe(5);
    report('stop', 5, A);
    expect([who(), leases.whyNobody(source, 128)]).toEqual([NOBODY, 'ended']);
  });

  it('is that it is contested where one session names two subscribers, or prefixes overlap', () => {
    const { leases, report } = setUp();
    report('start', 5, A);
    report('interim', 6, A);
    expect(leases.whyNobody(source, 128)).toBe('contested');
    report('start', 5, B, { prefixes: [V6] });
    report('start', 6, C, { prefixes: ['2001:db8:77::1'] });
    expect(leases.whyNobody({ clientWords: addressWords('2001:db8:77::1'), port: 1 }, 128)).toBe('contested');
  });
});

describe('a lease', () => {
  it('begins with a start, is prolonged by interims, ends with a stop', () => {
    const { report, who, pass } = setUp();
    expect(who()).toBe(UNKNOWN);
    expect(report('start', 5, A)).toBe('taken');
    pass(LIFETIME - 1);
    expect(who()).toBe(5);
    expect(report('interim', 5, A)).toBe('taken');
    pass(LIFETIME - 1);
    expect(who()).toBe(5);
    pass(1);
    expect(who()).toBe(NOBODY);
    expect(report('interim', 5, A)).toBe('taken');
    expect(report('stop', 5, A)).toBe('ended');
    expect(who()).toBe(NOBODY);
    expect(report('stop', 5, A)).toBe('ended');
  });

  it('begins with an interim whose start was lost', () => {
    const { report, who } = setUp();
    expect(report('interim', 5, A)).toBe('taken');
    expect(who()).toBe(5);
  });

  it('passes to the next holder once the one before has ended', () => {
    const { report, who } = setUp();
    report('start', 5, A);
    report('stop', 5, A);
    expect(report('start', 6, B)).toBe('taken');
    expect(report('stop', 5, A)).toBe('not-the-holder');
    expect(who()).toBe(6);
  });

  it('runs from when it happened, not from when that was heard', () => {
    const { report, who, pass, now } = setUp();
    report('start', 5, A, { atSeconds: now() - 3000 });
    pass(500);
    expect(who()).toBe(5);
    pass(200);
    expect(who()).toBe(NOBODY);
  });
});

describe('a session holds several addresses', () => {
  const both = { prefixes: [V4, V6, '2001:db8:1::9'] };
  const all = [V4, '2001:db8:77:12::1', '2001:db8:1::9'];

  it.each([
    ['a stop that names one of them', 'stop', [V4]],
    ['a stop that names none', 'stop', []],
    ['a stop that names others', 'stop', ['198.51.100.1']],
    ['a start with none', 'start', []],
  ] as const)('and all end with %s', (_, kind, prefixes) => {
    const { report, who } = setUp();
    report('start', 5, A, both);
    expect(all.map(who)).toEqual([5, 5, 5]);
    report(kind, 5, A, { prefixes });
    expect(all.map(who)).toEqual([NOBODY, NOBODY, NOBODY]);
  });

  it.each(['start', 'interim'] as const)('and those end that its next %s does not name', (kind) => {
    const { report, who } = setUp();
    report('start', 5, A, both);
    expect(report(kind, 5, A, { prefixes: ['198.51.100.1', V6] })).toBe('taken');
    expect([...all, '198.51.100.1'].map(who)).toEqual([NOBODY, 5, NOBODY, 5]);
    report('stop', 5, A, { prefixes: [] });
    expect([...all, '198.51.100.1'].map(who)).toEqual([NOBODY, NOBODY, NOBODY, NOBODY]);
  });

  it('and a message that was overtaken ends what it does not name, and brings nothing back', () => {
    const { report, who } = setUp();
    report('start', 5, A, { prefixes: [V4], stampSeconds: 100 });
    report('interim', 5, A, { prefixes: [V6, '198.51.100.1'], stampSeconds: 300 });
    expect(report('interim', 5, A, { prefixes: [V4, '198.51.100.1'], stampSeconds: 200 })).toBe('late');
    expect([V4, '2001:db8:77::1', '198.51.100.1'].map(who)).toEqual([NOBODY, NOBODY, 5]);
  });
});

describe('two sessions that claim an address', () => {
  it.each([
    ['the end of the first was lost', {}, {}],
    ['the clock of the one NAS is behind', {}, { atSeconds: 9000, stampSeconds: 5 }],
    ['the clock of the other NAS is behind', { atSeconds: 9000, stampSeconds: 5 }, {}],
    ['the second was delayed', { stampSeconds: 700 }, { atSeconds: 9400 }],
    ['all clocks say that the second is later', { stampSeconds: 700 }, { stampSeconds: 800 }],
  ])('mean nobody, where %s', (_, first, second) => {
    for (const other of [B, C])
      for (const kind of ['start', 'interim'] as const) {
        const { report, who, pass } = setUp();
        report('start', 5, A, first);
        pass(10);
        expect(report(kind, 6, other, second)).toBe('conflict');
        expect(who()).toBe(NOBODY);
        pass(10);
        // Neither wins it back by going on.
        expect(report('interim', 5, A)).toBe('conflict');
        expect(report('interim', 6, other)).toBe('conflict');
        expect(who()).toBe(NOBODY);
      }
  });

  it('leave it to the later one once the earlier has ended', () => {
    const { report, who } = setUp();
    report('start', 5, A);
    report('start', 6, B);
    expect(report('stop', 5, A)).toBe('ended');
    expect(who()).toBe(6);
  });

  it('leave it to the earlier one once the later has ended, and the earlier said that it goes on', () => {
    const { report, who, pass } = setUp();
    report('start', 5, A);
    report('start', 6, B);
    pass(10);
    expect(report('stop', 6, B)).toBe('ended');
    // A may have gone unheard before B came.
    expect(who()).toBe(NOBODY);
    expect(report('interim', 5, A, { atSeconds: 10_005 })).toBe('late');
    expect(who()).toBe(NOBODY);
    expect(report('interim', 5, A)).toBe('taken');
    expect(who()).toBe(5);
  });

  it('leave it to the one that goes on while the other is silent for the lifetime of a lease', () => {
    const { report, who, pass } = setUp();
    report('start', 5, A);
    report('start', 6, B);
    for (let i = 0; i < 3; i++) {
      pass(LIFETIME / 4);
      expect(report('interim', 6, B)).toBe('conflict');
    }
    // Whatever the time of its events, the other one was heard just now.
    expect(report('interim', 5, A, { atSeconds: 10_000 })).toBe('conflict');
    for (let i = 0; i < 3; i++) {
      pass(LIFETIME / 4);
      expect(report('interim', 6, B)).toBe('conflict');
    }
    pass(LIFETIME / 4);
    expect(report('interim', 6, B)).toBe('taken');
    expect(who()).toBe(6);
  });

  it('are no doubt where both are the same subscriber’s, and of the one that is left a message must tell', () => {
    const { report, who } = setUp();
    report('start', 5, A);
    expect(report('start', 5, B)).toBe('taken');
    expect(who()).toBe(5);
    expect(report('start', 6, C)).toBe('conflict');
    expect(report('stop', 6, C)).toBe('ended');
    expect(who()).toBe(NOBODY);
    expect(report('interim', 5, B)).toBe('taken');
    report('stop', 5, B);
    expect(who()).toBe(NOBODY);
    report('interim', 5, A);
    expect(who()).toBe(5);
  });

  it('may claim it with different prefixes: what both hold is nobody’s, the rest stays', () => {
    const { report, who } = setUp();
    report('start', 5, A, { prefixes: [V6] });
    expect(report('start', 6, B, { prefixes: ['2001:db8:77:12::/64'] })).toBe('conflict');
    expect([who('2001:db8:77:12::1'), who('2001:db8:77:13::1')]).toEqual([NOBODY, 5]);
    report('stop', 5, A);
    expect([who('2001:db8:77:12::1'), who('2001:db8:77:13::1')]).toEqual([6, NOBODY]);
  });

  it('may claim it with the wider prefix last', () => {
    const { report, who } = setUp();
    report('start', 5, A, { prefixes: ['2001:db8:77:12::/64', '2001:db8:77:13::9'] });
    report('start', 6, C, { prefixes: [V6] });
    const seen = () => ['2001:db8:77:12::1', '2001:db8:77:13::9', '2001:db8:77:13::8'].map(who);
    expect(seen()).toEqual([NOBODY, NOBODY, 6]);
    report('stop', 6, C);
    expect(seen()).toEqual([NOBODY, NOBODY, NOBODY]);
    report('interim', 5, A, { prefixes: ['2001:db8:77:12::/64', '2001:db8:77:13::9'] });
    expect(seen()).toEqual([5, 5, NOBODY]);
  });

  it('may agree on a prefix and one in it until the wider one’s subscriber is in doubt', () => {
    const { report, who } = setUp();
    report('start', 5, A, { prefixes: [V6] });
    report('start', 5, B, { prefixes: ['2001:db8:77:12::/64'] });
    expect(who('2001:db8:77:12::1')).toBe(5);
    report('interim', 6, A, { prefixes: [V6] });
    expect([who('2001:db8:77:12::1'), who('2001:db8:77:13::1')]).toEqual([NOBODY, NOBODY]);
    report('stop', 5, A);
    expect(who('2001:db8:77:12::1')).toBe(5);
  });

  it('may claim a network of IPv4 and an address in it', () => {
    const { report, who } = setUp();
    report('start', 5, A);
    report('start', 6, B, { prefixes: ['192.0.2.0/29'] });
    expect([who(), who('192.0.2.6')]).toEqual([NOBODY, 6]);
    report('start', 7, C, { prefixes: ['192.0.2.6'] });
    expect(who('192.0.2.6')).toBe(NOBODY);
    report('stop', 6, B);
    expect([who(), who('192.0.2.6')]).toEqual([NOBODY, 7]);
  });
});

describe('messages out of their order', () => {
  it('do not bring back what has ended, wherever it was heard first', () => {
    const { report, who, pass } = setUp();
    expect(report('stop', 5, A)).toBe('ended');
    expect(report('start', 5, A, { atSeconds: 9_990 })).toBe('late');
    pass(100);
    expect(report('start', 5, A)).toBe('late');
    expect(report('interim', 5, A)).toBe('late');
    expect(who()).toBe(UNKNOWN);
    pass(LIFETIME + 1);
    expect(report('interim', 5, A)).toBe('taken');
  });

  it('begin an ended session again only where the reporter’s clock proves that they are later', () => {
    const { report, who, pass } = setUp();
    report('start', 5, A, { stampSeconds: 100 });
    report('stop', 5, A, { stampSeconds: 200 });
    pass(50);
    expect(report('start', 5, A, { stampSeconds: 150 })).toBe('late');
    expect(report('interim', 5, A, { stampSeconds: 250 })).toBe('late');
    expect(report('start', 5, A)).toBe('late');
    expect(who()).toBe(NOBODY);
    expect(report('start', 5, A, { stampSeconds: 250 })).toBe('taken');
    expect(who()).toBe(5);
  });

  it('of another session than the one that ended wait where they happened before that end', () => {
    const { report, who, pass } = setUp();
    report('start', 5, A);
    pass(100);
    report('stop', 5, A);
    // B's clock is behind, or B is history.
    expect(report('start', 6, B, { atSeconds: 10_050 })).toBe('late');
    expect(who()).toBe(NOBODY);
    pass(100);
    expect(report('interim', 6, B, { atSeconds: 10_150 })).toBe('taken');
    expect(who()).toBe(6);
  });

  it('do not shorten anything, and change nothing when they come twice', () => {
    const { report, who, pass } = setUp();
    report('start', 5, A);
    pass(1000);
    report('interim', 5, A);
    expect(report('interim', 5, A, { atSeconds: 10_500 })).toBe('late');
    expect(report('start', 5, A, { atSeconds: 10_000 })).toBe('late');
    pass(LIFETIME - 1);
    expect(who()).toBe(5);
  });

  it('that name two subscribers for one session leave it to nobody until it ends', () => {
    const { report, who } = setUp();
    report('start', 5, A);
    expect(report('interim', 6, A)).toBe('conflict');
    expect(who()).toBe(NOBODY);
    expect(report('interim', 5, A)).toBe('conflict');
    expect(who()).toBe(NOBODY);
    report('stop', 5, A);
    expect(report('start', 6, B)).toBe('taken');
  });

  it('with a number that is used again end what it held before', () => {
    const { report, who } = setUp();
    report('start', 5, A, { stampSeconds: 100, prefixes: [V4, V6] });
    expect(report('start', 6, A, { stampSeconds: 200 })).toBe('taken');
    expect([who(), who('2001:db8:77::1')]).toEqual([6, NOBODY]);
  });

  it('without a subscriber leave the address to nobody until the next that names one', () => {
    const { report, who } = setUp();
    report('start', NOBODY, A);
    expect(who()).toBe(NOBODY);
    report('interim', 5, A);
    expect(who()).toBe(5);
    report('interim', NOBODY, A);
    expect(who()).toBe(NOBODY);
    report('interim', 5, A);
    expect(who()).toBe(5);
  });
});

describe('a reporter', () => {
  const facts = (more: Partial<ReporterFacts>) => reporterOf({ source: addressWords('192.0.2.1'), ...more });
  const address = addressWords('10.0.0.1');
  const ipv6Address = addressWords('2001:db8::1');
  const full = facts({ address, ipv6Address, identifier: 'bng1' });

  it.each([
    ['its source alone', facts({})],
    ['its NAS-IP-Address', facts({ address })],
    ['its NAS-IPv6-Address', facts({ ipv6Address })],
    ['its NAS-Identifier', facts({ identifier: 'bng1' })],
    ['its NAS-IP-Address, over another proxy', facts({ source: addressWords('192.0.2.99'), address })],
    ['its NAS-IPv6-Address, over another proxy', facts({ source: addressWords('192.0.2.99'), ipv6Address })],
    ['its NAS-Identifier, over another proxy', facts({ source: addressWords('192.0.2.99'), identifier: 'bng1' })],
    ['its NAS-IP-Address as the source', facts({ source: address })],
  ])('that starts over is known by %s, and so is the one of a stop', (_, by) => {
    const { leases, report, who } = setUp();
    report('start', 5, sessionName('1', full));
    expect(leases.endReporter(by, 10_000)).toBe(1);
    expect(who()).toBe(NOBODY);
    report('start', 5, sessionName('2', full));
    expect(who()).toBe(5);
    expect(report('stop', 5, sessionName('2', by))).toBe('ended');
    expect(who()).toBe(NOBODY);
  });

  it.each([
    ['another one', facts({ source: addressWords('192.0.2.99') })],
    ['another one behind the same proxy', facts({ address: addressWords('10.0.0.2'), identifier: 'bng2' })],
    ['the API', namedReporter('bng1')],
  ])('does not start over with %s', (_, by) => {
    const { leases, report, who } = setUp();
    report('start', 5, sessionName('1', full));
    expect(leases.endReporter(by, 10_000)).toBe(0);
    expect(report('stop', 5, sessionName('1', by))).toBe('not-the-holder');
    expect(who()).toBe(5);
  });

  it('goes on with a session over another proxy', () => {
    const { report, who } = setUp();
    report('start', 5, sessionName('1', full));
    expect(report('interim', 5, sessionName('1', facts({ source: addressWords('192.0.2.99'), address })))).toBe(
      'taken',
    );
    expect(who()).toBe(5);
  });

  it('whose messages come in their order hands an address over without an end', () => {
    const { report, who } = setUp();
    const [one, other] = [sessionName('5', namedReporter('dhcp')), sessionName('6', namedReporter('dhcp'))];
    const more = { inOrder: true };
    report('start', 5, one, more);
    expect(report('start', 6, other, more)).toBe('taken');
    expect(who()).toBe(6);
    expect(report('interim', 5, one, more)).toBe('late');
    expect(report('start', 7, sessionName('7', namedReporter('another')), more)).toBe('conflict');
    expect(who()).toBe(NOBODY);
    report('stop', 6, other, more);
    report('stop', 7, sessionName('7', namedReporter('another')), more);
    expect(report('start', 6, other, more)).toBe('taken');
    expect(who()).toBe(6);
  });

  it('that names no session ends whatever holds the address', () => {
    const { leases, report, who } = setUp();
    report('start', 5, sessionName('1', full), { prefixes: [V4, V6] });
    const prefixes = [{ ...parsePrefix(V4), port: 0, portBits: 0 }];
    expect(leases.endUnnumbered(OTHER_NAS, prefixes, 10_000)).toBe(0);
    expect(leases.endUnnumbered(facts({ address }), prefixes, 10_000)).toBe(1);
    expect([who(), who('2001:db8:77::1')]).toEqual([NOBODY, NOBODY]);
  });
});

/** What the rule says, written down without tables: every session with what it named last. */
interface Told {
  holder: number;
  prefixes: readonly string[];
  ended: boolean;
  heard: number;
}

describe('whatever messages come', () => {
  it('nobody is taken for the holder whom no live session names, or whom another live one contradicts', () => {
    let seed = 11;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
      return (seed >>> 8) % below;
    };
    const prefixes = [
      '192.0.2.1',
      '192.0.2.2',
      '192.0.2.0/30',
      V6,
      '2001:db8:77::/64',
      '2001:db8:77:1::/64',
      '2001:db8:77::5',
    ];
    const addresses = [
      '192.0.2.1',
      '192.0.2.2',
      '2001:db8:77::5',
      '2001:db8:77::6',
      '2001:db8:77:1::1',
      '2001:db8:77:2::1',
    ];
    const holding = new Map(
      prefixes.map((text) => [
        text,
        addresses.filter((address) => prefixContains(parsePrefix(text), addressWords(address))),
      ]),
    );
    const holds = (text: string, address: string) => holding.get(text)!.includes(address);
    const wrong: object[] = [];
    let held = 0;
    for (let round = 0; round < 60; round++) {
      const { leases, report, who, pass, now } = setUp();
      const told = new Map<string, Told>();
      let stamp = 1;
      for (let step = 0; step < 150; step++) {
        pass(random(4) === 0 ? random(LIFETIME) : random(60));
        const id = String(random(5));
        const nas = random(2) === 0 ? NAS : OTHER_NAS;
        const holder = Number(id) % 3;
        const key = `${id} ${nas.join()}`;
        const before = told.get(key);
        const named = prefixes.filter(() => random(4) === 0);
        const kind = (['start', 'interim', 'interim', 'stop'] as const)[random(4)]!;
        const delay = random(3) === 0 ? random(500) : 0;
        if (random(40) === 0) {
          leases.endReporter(nas, now());
          for (const [each, state] of told) {
            if (!each.endsWith(nas.join())) continue;
            // Of one that was forgotten before, so that its end is known for certain.
            report('stop', 0, sessionName(each.split(' ')[0]!, nas), { prefixes: [], stampSeconds: ++stamp });
            const isOver = state.ended && now() - state.heard <= LIFETIME;
            told.set(each, { ...state, prefixes: [], ended: true, heard: isOver ? state.heard : now() });
          }
        } else {
          // By the clock of the NAS each message is later than the one before; as it is heard, not always.
          const more = { prefixes: named, atSeconds: now() - delay, stampSeconds: ++stamp };
          report(kind, holder, sessionName(id, nas), more);
          const isOver = before?.ended === true && now() - before.heard <= LIFETIME;
          if (kind === 'stop')
            told.set(key, { holder, prefixes: [], ended: true, heard: isOver ? before.heard : now() });
          else if (!isOver || kind === 'start') told.set(key, { holder, prefixes: named, ended: false, heard: now() });
        }
        const live = [...told.values()].filter((each) => !each.ended && now() - each.heard < LIFETIME);
        for (const address of addresses) {
          const found = who(address);
          if (found < 0) continue;
          held++;
          const claims = live.filter((each) => each.prefixes.some((text) => holds(text, address)));
          if (claims.length === 0 || claims.some((each) => each.holder !== found)) wrong.push({ round, step, address });
        }
      }
    }
    expect(wrong).toEqual([]);
    expect(held).toBeGreaterThan(1000);
  });
});
