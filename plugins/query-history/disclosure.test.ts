/**
 * The two marginals are not put together again: an attacker (joiner.ts) who knows everything that leaves the history, and the file on
 * disk besides, assigns no more sources to names than by chance, beyond the limit that docs/history-privacy.md states.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ManualClock } from '../../src/testing/testing.ts';
import { rulesWithoutStore } from '../../test/support/desk-without-store.ts';
import { observed, testRecorder } from '../../test/support/history-queries.ts';
import { Archive, SPAN_MS } from './archive.ts';
import { inlineArchive } from './archive-thread.ts';
import { HistoryDesk } from './desk.ts';
import { type Guess, joined, tracksOf } from './joiner.ts';
import { HistoryReading } from './reading.ts';
import type { HistoryReport } from './report-shapes.ts';
import { banded, roundedRate } from './rounding.ts';

const DAY = 24 * SPAN_MS.hour;
const PEOPLE = 8;
const METHODS = ['counts', 'differences', 'sums', 'presence'] as const;
const reader = { who: 'sato', role: 'operator' };
const reason = 'resolver slow, ticket 4711';

/** Who asks what: each line has a name of its own, and a rate of its own; `lines` of each network. */
interface Person {
  readonly clients: readonly string[];
  readonly name: string;
  readonly perSecond: number;
}

function people(lines = 1, rate = (i: number) => 2 + i): Person[] {
  return Array.from({ length: PEOPLE }, (_, i) => ({
    clients: Array.from({ length: lines }, (_, j) => `10.${20 + i}.7.${10 + j}`),
    name: `host.site${i}.example`,
    perSecond: rate(i),
  }));
}

function begin() {
  const clock = new ManualClock();
  const archive = new Archive(join(mkdtempSync(join(tmpdir(), 'joins-')), 'history.db'), clock.wallMs());
  const silent = () => {};
  const audit = { record: silent };
  const surroundings = { cpuSeconds: 0, kernelDrops: 0, upstreams: {} };
  const desk = new HistoryDesk({
    clock,
    log: { info: silent, warn: silent, error: silent },
    audit,
    archive: inlineArchive(archive),
    retention: { minutes: DAY, hours: 35 * DAY, sources: DAY },
    cores: 1,
    surroundings: () => ({ ...surroundings }),
  });
  const { recorders, collector, teacher } = testRecorder();
  desk.attach(collector, teacher);
  const reading = new HistoryReading(desk, audit, clock, rulesWithoutStore());
  const pass = async (
    seconds: number,
    crowd: readonly Person[],
    active: (person: Person, second: number) => boolean = () => true,
  ) => {
    for (let second = 0; second < seconds; second++) {
      for (const person of crowd)
        if (active(person, second))
          for (let k = 0; k < person.perSecond; k++) {
            const client = person.clients[(second * person.perSecond + k) % person.clients.length]!;
            recorders[0]!.observe(observed({ name: person.name, client, nowMs: clock.nowMs() }));
          }
      clock.advance(1000);
      desk.tick();
      await desk.settled();
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { clock, archive, desk, reading, pass, surroundings };
}

const seen = ({ tops }: HistoryReport) => ({
  names: new Map(tops.name.map(({ key, queries }) => [key, queries])),
  sources: new Map([...tops.network, ...tops.address].map(({ key, queries }) => [key, queries])),
});

/** How many of the guesses are right. */
function right(guesses: readonly Guess[], crowd: readonly Person[]): number {
  return guesses.filter(({ source, name }) => {
    const person = crowd.find((each) => each.name === name);
    return person?.clients.some(
      (client) => client === source || source === `${client.split('.').slice(0, 3).join('.')}.0/24`,
    );
  }).length;
}

const most = (observations: Parameters<typeof tracksOf>[0], crowd: readonly Person[]) =>
  Math.max(...METHODS.map((method) => right(joined(tracksOf(observations), method), crowd)));

test('the attacker is no straw man: from exact marginals it assigns all of them', () => {
  const crowd = people();
  const exact = [1, 2, 3].map((minute) => ({
    names: new Map(crowd.map(({ name, perSecond }) => [name, perSecond * 60 * minute])),
    sources: new Map(crowd.map(({ clients, perSecond }) => [clients[0]!, perSecond * 60 * minute])),
  }));
  for (const method of ['counts', 'differences', 'sums'] as const)
    expect(right(joined(tracksOf(exact), method), crowd)).toBe(PEOPLE);
  const when = Array.from({ length: PEOPLE }, (_, i) => ({
    names: new Map([[crowd[i]!.name, null]]),
    sources: new Map([[crowd[i]!.clients[0]!, null]]),
  }));
  expect(right(joined(tracksOf(when), 'presence'), crowd)).toBe(PEOPLE);
});

test('single lines with names of their own: nothing to assign, in one window, in successive ones, in differences and sums', async () => {
  const { reading, pass } = begin();
  const crowd = people();
  const observations = [];
  for (let i = 0; i < 8; i++) {
    await pass(20, crowd, (person) => crowd.indexOf(person) % (i + 1) === 0 || i < 3);
    for (const windowSeconds of [10, 20, 60])
      observations.push(seen(await reading.shownHistory(reader, { reason, windowSeconds }, 300)));
  }
  expect(observations.some(({ names }) => names.size === PEOPLE)).toBe(true);
  expect(most(observations, crowd)).toBe(0);
});

test('over a quarter of an hour networks of many lines are there, but no number that tells one from another', async () => {
  const { reading, pass } = begin();
  const crowd = people(12, (i) => 6 + 2 * i);
  await pass(930, crowd);
  const report = await reading.shownHistory(reader, { reason, windowSeconds: 900 }, 300);
  expect(report.tops.network).toHaveLength(PEOPLE);
  expect(new Set(report.tops.network.map(({ key: _, ...told }) => JSON.stringify(told))).size).toBe(1);
  expect(report.tops.address).toEqual([]);
  expect(new Set(report.tops.name.map(({ queries }) => queries)).size).toBe(PEOPLE);
  // By chance one of eight is right, in the mean; three and more in one of fifty.
  expect(most([seen(report)], crowd)).toBeLessThanOrEqual(3);
}, 120_000);

test('networks of fewer than five lines are not there, however long the window', async () => {
  const { reading, pass } = begin();
  await pass(930, people(4));
  const report = await reading.shownHistory(reader, { reason, windowSeconds: 900 }, 300);
  expect([report.tops.network, report.tops.address]).toEqual([[], []]);
}, 120_000);

test('the file on disk is no better for it: minutes and hours, with the key to nothing', async () => {
  const { archive, pass, clock } = begin();
  const crowd = people(1);
  await pass(610, crowd, (person, second) => (second / 60 + crowd.indexOf(person)) % 3 < 2);
  for (const resolution of ['minute', 'hour'] as const) {
    const rows = archive.range(resolution, 0, clock.wallMs() + DAY);
    expect(rows.length).toBeGreaterThan(0);
    const observations = rows.map(({ tops }) => ({
      names: new Map(tops.name.map(({ key, count }) => [key, count])),
      sources: new Map([...tops.network, ...tops.address].map(({ key, count }) => [key, count])),
    }));
    expect(most(observations, crowd), resolution).toBe(0);
  }
}, 120_000);

test('the limit: a network of five lines that makes a quarter of the load is shown, in quarters; never more exactly', async () => {
  const { reading, pass } = begin();
  const crowd = people(6, (i) => (i === 0 ? 60 : 5));
  await pass(60, crowd);
  const report = await reading.shownHistory(reader, { reason, windowSeconds: 60 }, 300);
  expect(report.tops.network.map(({ key }) => key)).toEqual(['10.20.7.0/24']);
  const [first] = report.tops.network;
  expect((first?.queries ?? 0) / (report.rate * report.window.seconds)).toBeCloseTo(0.5, 2);
  expect(report.tops.address).toEqual([]);
});

test('single addresses: never beside names, and only where an overload is detected or a second person approves', async () => {
  const { reading, pass, surroundings, desk } = begin();
  const crowd = people(1, (i) => (i === 0 ? 60 : 5));
  await pass(30, crowd);
  const ask = (more: object = {}) =>
    reading.shownHistory(reader, { reason, windowSeconds: 30, addresses: true, ...more }, 300);
  await expect(ask()).rejects.toThrow(/detected/);
  for (const approver of ['sato', 'ＳＡＴＯ', ' Sato ', '…'])
    await expect(ask({ approver }), approver).rejects.toThrow(
      expect.objectContaining({ code: 'SEKISHO_REQUEST_INVALID' }),
    );
  const approved = await ask({ approver: 'privacy officer' });
  expect(approved.tops.address.map(({ key }) => key)).toEqual(['10.20.7.10']);
  expect([approved.tops.name, approved.tops.domain, approved.tops.pattern]).toEqual([[], [], []]);
  for (let i = 0; i < 4; i++) {
    surroundings.kernelDrops += 1000;
    await pass(10, crowd);
  }
  expect(desk.overload.detected).toBeDefined();
  expect((await ask()).tops.address.map(({ key }) => key)).toEqual(['10.20.7.10']);
  expect((await reading.shownHistory(reader, { reason, windowSeconds: 30 }, 300)).tops.address).toEqual([]);
});

test('a diagnosis of a client in a loop: nobody is named where the overload is only declared, the address beside no name otherwise', async () => {
  const { reading, pass } = begin();
  const crowd = people(1, () => 2);
  await pass(400, crowd);
  const loop = [...crowd, { clients: ['10.99.1.77'], name: 'h42.loop.example', perSecond: 100 }];
  await pass(60, loop);
  const declared = await reading.shownDiagnosis(reader, { reason, windowSeconds: 30 });
  expect(declared.causes[0]).toMatchObject({ cause: 'broken-client', about: '' });
  expect(declared.causes[0]?.text).toMatch(/One client in a loop: nearly all of the rise comes from one client alone/);
  expect(declared.proposals[0]?.text).toMatch(/one client \(--approver WHO shows which\)/);
  const { causes: told, explains, proposals } = declared;
  expect(JSON.stringify([told.map(({ text, signs }) => [text, signs]), explains, proposals])).not.toContain('10.99.1');
  const approved = await reading.shownDiagnosis(reader, { reason, windowSeconds: 30, approver: 'privacy officer' });
  expect(approved.causes[0]).toMatchObject({ cause: 'broken-client', about: '10.99.1.77' });
  expect(JSON.stringify(approved)).not.toContain('loop.example');
});

test('steps are those that the argument needs', () => {
  expect([0, 0.24, 0.25, 0.49, 0.5, 0.99, 1, 1.5].map(banded)).toEqual([0, 0, 0.25, 0.25, 0.5, 0.75, 1, 1]);
  expect([0, 0.3, 1, 1.1, 99, 101, 812].map(roundedRate)).toEqual([0, 0.3, 1, 2, 90 + 10, 200, 900]);
});
