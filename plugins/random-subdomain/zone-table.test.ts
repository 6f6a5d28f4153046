import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nameToText, textToName } from '../../src/contract/plugin.ts';
import { Question } from '../../src/wire/question.ts';
import {
  createZoneMemory,
  FADE_MS,
  FAILING,
  KNOWN,
  NEW,
  OVER_LIMIT,
  PASS,
  REVERSE6,
  SPARED,
  TOO_MUCH_OUTSTANDING,
  UNKNOWN,
  WELL,
  ZoneTable,
} from './zone-table.ts';

const LIMITS = { limit: 20, outstanding: 40, least: 20, slowMs: 1000 };
const T0 = 1_000_000;

function asked(text: string): Question {
  const question = new Question();
  const wire = textToName(text);
  question.name.set(wire);
  question.nameLength = wire.length;
  for (let at = 0; wire[at] !== 0; at += wire[at]! + 1) question.labelStarts[question.labelCount++] = at;
  return question;
}

function rig(zones = 64, memory = createZoneMemory(zones)) {
  const table = new ZoneTable(memory, LIMITS, [1, 2]);
  const add = (text: string, nowMs = T0, kind = 0) =>
    table.addRegistered(textToName(text), text.split('.').length, nowMs, kind);
  /** Let it pass or not, and leave it outstanding: what gives it back, or what was said. */
  const begin = (text: string, nowMs: number, worth = UNKNOWN): number | (() => void) => {
    const question = asked(text);
    table.locate(question);
    const said = table.ask(question, worth, nowMs);
    const { passedAt } = table;
    if (said !== PASS) return said;
    return () => {
      table.locate(question);
      table.release(passedAt);
    };
  };
  /** One question, asked and answered at once. */
  const ask = (text: string, nowMs: number, failed: boolean, worth = UNKNOWN, elapsedMs = 5): number => {
    const end = begin(text, nowMs, worth);
    if (typeof end === 'number') return end;
    end();
    table.judge(failed, elapsedMs, nowMs);
    return PASS;
  };
  const troubled = () => table.troubled().map(({ name }) => nameToText(name));
  return { table, add, ask, begin, troubled, memory };
}

let serial = 0;
const random = (zone: string) => `x${serial++}.${zone}`;

test('a zone is found by its name, and by nothing else', () => {
  const { table, add } = rig();
  add('example.com');
  expect(table.locate(asked('www.example.com'))).toBe(true);
  expect(table.locate(asked('example.com'))).toBe(true);
  expect(table.locate(asked('wexample.com'))).toBe(false);
  expect(table.locate(asked('com'))).toBe(false);
});

test('what other servers are asked about is another zone', () => {
  const { table, add } = rig();
  add('example.com');
  const question = asked('www.example.com');
  question.partition = 1;
  expect(table.locate(question)).toBe(false);
  table.addRegistered(textToName('example.com'), 2, T0, 0, 1);
  expect(table.locate(question)).toBe(true);
});

describe('a zone that is well', () => {
  test('is not limited, however much is asked', () => {
    const { add, ask } = rig();
    add('example.com');
    for (let i = 0; i < 10_000; i++) expect(ask(random('example.com'), T0 + i / 10, false)).toBe(PASS);
  });

  test('is not in trouble for a few failures, nor for a third', () => {
    const { table, add, ask, troubled } = rig();
    add('few.example');
    for (let i = 0; i < LIMITS.least - 1; i++) ask(random('few.example'), T0, true);
    add('third.example');
    for (let i = 0; i < 3000; i++) ask(random('third.example'), T0 + i, i % 3 === 2);
    expect(troubled()).toEqual([]);
    expect(table.inTrouble).toBe(0);
  });
});

describe('a zone in trouble', () => {
  const ZONE = 'victim.example';
  const victim = () => {
    const one = rig();
    one.add(ZONE);
    for (let i = 0; i < 20; i++) one.ask(random(ZONE), T0, true);
    expect(one.troubled()).toEqual([ZONE]);
    expect(one.table.inTrouble).toBe(1);
    return one;
  };

  test('because its answers are slow', () => {
    const { add, ask, troubled } = rig();
    add('slow.example');
    for (let i = 0; i < 20; i++) ask(random('slow.example'), T0, false, UNKNOWN, 1000);
    expect(troubled()).toEqual(['slow.example']);
  });

  test('not because all zones are slow: that is the upstream’s doing', () => {
    const { add, ask, troubled } = rig(1024);
    for (let i = 0; i < 40; i++) add(`z${i}.example`);
    for (let second = 0; second < 60; second++)
      for (let i = 0; i < 40; i++) ask(random(`z${i}.example`), T0 + 1000 * second, false, UNKNOWN, 1800);
    expect(troubled()).toEqual([]);
  });

  /** Ask everything that can be asked, once a millisecond for 20 s; `most` in any one second. */
  const flooded = (step: (now: number) => boolean[]) => {
    const sent: number[] = [];
    let most = 0;
    for (let i = 0; i < 20_000; i++) {
      sent.push(...step(T0 + 1000 + i).flatMap((passed) => (passed ? [i] : [])));
      most = Math.max(most, sent.filter((at) => at > i - 1000).length);
    }
    return { sent: sent.length, most };
  };

  test('gets no more than its limit in any second, and most of it', () => {
    const { ask } = victim();
    const { sent, most } = flooded((now) => [ask(random(ZONE), now, true) === PASS]);
    expect(most).toBeLessThanOrEqual(20);
    expect(sent).toBeGreaterThanOrEqual(20 * 15 - 5);
  });

  test('the limit holds for all that is sent, whatever it is', () => {
    const { table, ask } = victim();
    const { most } = flooded((now) => [
      ask(random(ZONE), now, true) === PASS,
      ask(random(ZONE), now, true, KNOWN) === PASS,
      table.spend(SPARED, now),
    ]);
    expect(most).toBeLessThanOrEqual(20);
  });

  test('what others leave is for known names, most of it for those of them that somebody waits for', () => {
    const { table, ask } = victim();
    const now = T0 + 2000;
    const passed = (asked: () => boolean) => Array.from({ length: 20 }, asked).filter(Boolean).length;
    // Five have gathered.
    expect(passed(() => ask(random(ZONE), now, true) === PASS)).toBe(3);
    expect(passed(() => table.spend(SPARED, now))).toBe(1);
    expect(passed(() => ask(random(ZONE), now, true, KNOWN) === PASS)).toBe(1);
  });

  test('known names that are answered are not limited, and again when they fail', () => {
    const { table, ask } = victim();
    let now = T0 + 2000;
    const known = (failed: boolean) => {
      const said = ask('www.victim.example', now, failed, KNOWN);
      if (said === PASS) table.judgeKnown(failed);
      return said === PASS;
    };
    for (let i = 0; i < 10; i++, now += 1000) {
      // What is unknown goes on failing.
      ask(random(ZONE), now, true);
      ask(random(ZONE), now, true);
      known(false);
    }
    // Five would have gathered.
    expect(Array.from({ length: 15 }, () => known(false)).every(Boolean)).toBe(true);
    for (let i = 0; i < 20; i++) known(true);
    expect(Array.from({ length: 100 }, () => known(true)).filter(Boolean).length).toBeLessThan(10);
    expect(table.inTrouble).toBe(1);
  });

  test('leaves its neighbours alone', () => {
    const { add, ask } = victim();
    add('other.example');
    for (let i = 0; i < 1000; i++) expect(ask(random('other.example'), T0 + 1000, false)).toBe(PASS);
  });

  test('is well again when what passes is answered, and stays in trouble while it is not', () => {
    const { table, ask, troubled } = victim();
    let now = T0;
    for (; now < T0 + 10 * FADE_MS; now += 50) ask(random(ZONE), now, true);
    expect(troubled()).toEqual([ZONE]);
    const back = now;
    for (; table.inTrouble > 0 && now < back + 10 * FADE_MS; now += 50) ask(random(ZONE), now, false);
    expect(now - back).toBeLessThan(3 * FADE_MS);
    expect(table.inTrouble).toBe(0);
  });
});

describe('trouble belongs to the narrowest zone that explains it', () => {
  const BROKEN = 'broken.customer.cdn.example';
  /** `seconds` of a flood below `zones` that fails after 4 s, and of ordinary names of the registered domain, which do not. */
  function mixed(domain: string, zones: readonly string[], rate: number, ordinary: (i: number) => string, kind = 0) {
    const one = rig(1024);
    one.add(domain, T0, kind);
    const late: { at: number; question: Question; end: () => void; tries: number }[] = [];
    let [answered, asked_, sent] = [0, 0, 0];
    for (let ms = 0; ms < 20_000; ms++) {
      const now = T0 + ms;
      for (const waiting of late.splice(0, late.findIndex(({ at }) => at > now) + 1 || late.length)) {
        one.table.locate(waiting.question);
        if (waiting.tries === 0) {
          one.table.late(now);
          late.push({ ...waiting, at: now + 3600, tries: 1 });
        } else {
          waiting.end();
          one.table.judge(true, 4000, now);
        }
      }
      late.sort((a, b) => a.at - b.at);
      for (let i = Math.floor((ms * rate) / 1000); i < Math.floor(((ms + 1) * rate) / 1000); i++) {
        const name = `x${i}.${zones[i % zones.length]}`;
        const end = one.begin(name, now);
        if (typeof end === 'number') continue;
        sent++;
        late.push({ at: now + 400, question: asked(name), end, tries: 0 });
      }
      late.sort((a, b) => a.at - b.at);
      if (ms % 20 !== 0) continue;
      asked_++;
      if (one.ask(ordinary(ms), now, false) === PASS) answered++;
    }
    return { ...one, share: answered / asked_, sent };
  }
  const cdn = (i: number) => `img${i}.cdn.example`;

  test.each([30, 150, 1000, 5000])('a delegation that is silent, %i a second', (rate) => {
    const { share, troubled, sent } = mixed('cdn.example', [BROKEN], rate, cdn);
    expect(troubled()).toEqual([BROKEN]);
    expect(share).toBeGreaterThanOrEqual(0.99);
    expect(sent).toBeLessThanOrEqual(20 * LIMITS.limit + 3 * LIMITS.outstanding);
  });

  test('five delegations at once', () => {
    const zones = [1, 2, 3, 4, 5].map((i) => `broken${i}.customer.cdn.example`);
    const { share, troubled } = mixed('cdn.example', zones, 150, cdn);
    expect(troubled().sort()).toEqual(zones);
    expect(share).toBeGreaterThanOrEqual(0.9);
  });

  test('names at random on two levels are the zone’s own trouble', () => {
    const one = rig(1024);
    one.add('victim.example');
    for (let i = 0; i < 40; i++) one.ask(`a${i}.b${i}.victim.example`, T0 + i, true);
    expect(one.troubled()).toEqual(['victim.example']);
  });

  test('a reverse zone is in trouble, and its neighbours in the same /16 are not', () => {
    const { share, troubled } = mixed(
      '0.192.in-addr.arpa',
      ['2.0.192.in-addr.arpa'],
      150,
      (i) => `${i % 256}.7.0.192.in-addr.arpa`,
    );
    expect(troubled()).toEqual(['2.0.192.in-addr.arpa']);
    expect(share).toBeGreaterThanOrEqual(0.99);
  });

  test('and so for IPv6, by the lengths at which networks are cut', () => {
    const nibbles = (text: string) => `${[...text].join('.')}.ip6.arpa`;
    const { share, troubled } = mixed(
      nibbles('8bd01002'),
      Array.from({ length: 256 }, (_, i) => nibbles(`${(i * 257).toString(16).padStart(4, '0')}00018bd01002`)),
      150,
      (i) => nibbles(`${String(i % 1000).padStart(20, '0')}00028bd01002`),
      REVERSE6,
    );
    expect(troubled()).toEqual([nibbles('00018bd01002')]);
    expect(share).toBeGreaterThanOrEqual(0.99);
  });

  test('zones that answers name are kept, and found out by themselves', () => {
    const { table, add, ask, troubled } = rig(1024);
    add('cdn.example');
    // Deeper than suffixes are looked at.
    const cut = 'a.b.c.d.e.cdn.example';
    const question = asked(`x.${cut}`);
    table.locate(question);
    table.learnCut(question, cut.split('.').length, T0);
    for (let i = 0; i < 40; i++) {
      ask(random(cut), T0 + i, true);
      ask(random('cdn.example'), T0 + i, false);
    }
    expect(troubled()).toEqual([cut]);
    // A name server may call anything its zone: what lies above the registered domain is not believed.
    table.locate(question);
    table.learnCut(question, 1, T0);
    expect(table.locate(asked('other.example'))).toBe(false);
  });
});

test('how a zone stands: well once it answers, failing once it does not, new before', () => {
  const { table, add, ask } = rig();
  add('a.example');
  const standing = (nowMs: number) => {
    table.locate(asked('www.a.example'));
    return table.standing(nowMs);
  };
  expect(standing(T0)).toBe(NEW);
  ask('www.a.example', T0, false);
  expect(standing(T0)).toBe(WELL);
  expect(standing(T0 + 300_000)).toBe(WELL);
  ask('www.a.example', T0 + 300_000, true);
  expect(standing(T0 + 300_000)).toBe(FAILING);
  // Failures are forgotten before that it has ever answered.
  expect(standing(T0 + 400_000)).toBe(WELL);
  expect(standing(T0 + 700_000)).toBe(NEW);
});

describe('what is outstanding', () => {
  const ZONE = 'silent.example';

  test('has a cap, which names known to exist may exceed once', () => {
    const { add, begin, troubled } = rig();
    add(ZONE);
    for (let i = 0; i < 40; i++) expect(begin(random(ZONE), T0)).toBeTypeOf('function');
    expect(begin(random(ZONE), T0)).toBe(TOO_MUCH_OUTSTANDING);
    expect(troubled()).toEqual([ZONE]);
    for (let i = 0; i < 40; i++) expect(begin(random(ZONE), T0 + 1000 + 100 * i, KNOWN)).toBeTypeOf('function');
    expect(begin(random(ZONE), T0 + 5000, KNOWN)).toBe(TOO_MUCH_OUTSTANDING);
  });

  test('a successor of a worker begins with nothing outstanding, and what is in trouble stays so', () => {
    const memory = createZoneMemory(64);
    const { add, begin } = rig(64, memory);
    add(ZONE);
    for (let i = 0; i < 41; i++) begin(random(ZONE), T0);
    const successor = new ZoneTable(memory, LIMITS, [1, 2]);
    successor.forgetOutstanding();
    expect(successor.inTrouble).toBe(1);
    expect(successor.troubled()).toMatchObject([{ outstanding: 0 }]);
  });

  test('comes back to nothing, whatever names are asked for and whatever zones are found meanwhile', () => {
    const step = fc.record({
      name: fc.constantFrom('x', 'a.x', 'b.a.x', 'c.b.a.x', 'y', 'a.y'),
      what: fc.constantFrom('ask', 'known', 'end', 'fail', 'cut'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const { table, add, begin, memory } = rig(256);
        for (const zone of ['x.example', 'y.example']) add(zone);
        const ends: (() => void)[] = [];
        steps.forEach(({ name, what }, at) => {
          const text = `${random(name)}.example`;
          if (what === 'end' || what === 'fail') ends.pop()?.();
          table.locate(asked(text));
          if (what === 'fail') table.judge(true, 4000, T0 + at);
          if (what === 'cut') table.learnCut(asked(text), text.split('.').length - 1, T0 + at);
          if (what !== 'ask' && what !== 'known') return;
          const end = begin(text, T0 + at, what === 'known' ? KNOWN : UNKNOWN);
          if (typeof end === 'function') ends.push(end);
          else expect([OVER_LIMIT, TOO_MUCH_OUTSTANDING]).toContain(end);
        });
        const words = new Int32Array(memory.words);
        const outstanding = () => Array.from({ length: words.length / 7 }, (_, zone) => words[zone * 7 + 2]!);
        expect(Math.min(...outstanding())).toBeGreaterThanOrEqual(0);
        expect(Math.max(...outstanding())).toBeLessThanOrEqual(80);
        for (const end of ends) end();
        expect(outstanding().every((count) => count === 0)).toBe(true);
      }),
    );
  });
});

describe('a full table', () => {
  test('forgets what was of use longest ago, what is in trouble last', () => {
    const { table, add, ask, memory, troubled } = rig(64);
    add('victim.example');
    for (let i = 0; i < 20; i++) ask(random('victim.example'), T0, true);
    for (let i = 0; i < 10_000; i++) add(`n${i}.example`, T0 + 1 + i);
    expect(memory.words.byteLength).toBe(64 * 7 * 4);
    expect(troubled()).toEqual(['victim.example']);
    expect(table.locate(asked('n0.example'))).toBe(false);
    expect(table.locate(asked('n9999.example'))).toBe(true);
  });

  test('keeps zones that answer when many come that do not', () => {
    const { table, add, ask } = rig(256);
    for (let i = 0; i < 30; i++) {
      add(`good${i}.example`);
      ask(`www.good${i}.example`, T0, false);
    }
    for (let i = 0; i < 5000; i++) {
      add(`silent${i}.example`, T0 + 2 * i);
      ask(`www.silent${i}.example`, T0 + 2 * i, true);
    }
    for (let i = 0; i < 30; i++) expect(table.locate(asked(`www.good${i}.example`))).toBe(true);
  });
});

test('a zone that answers everything cannot make all the world known', () => {
  const { table, add } = rig();
  add('wildcard.example');
  table.locate(asked('x.wildcard.example'));
  let learnt = 0;
  for (let i = 0; i < 20_000; i++) if (table.mayLearn(T0 + i / 20)) learnt++;
  expect(learnt).toBeGreaterThanOrEqual(1000);
  expect(learnt).toBeLessThan(1300);
});
