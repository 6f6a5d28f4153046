/** The history behind real leases: whatever is lost on the way, nobody is ever taken for somebody else. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { addressWords } from '../../address/address.ts';
import { Leases } from '../../subscribers/leases/leases.ts';
import { reporterOf, sessionName } from '../../subscribers/leases/session-name.ts';
import { AddressTable, type PortPrefix } from '../../subscribers/table/address-table.ts';
import { ManualClock } from '../../time/clock.ts';
import { HISTORY_FILE } from './lease-file.ts';
import { LeaseHistory } from './lease-history.ts';
import { type MatchRules, matchLease } from './lease-span.ts';
import { openInlineHistory } from './sqlite-history-store.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const LIFETIME = 7200;
const MARGIN = 60;
const REPORTER = reporterOf({ source: addressWords('10.0.0.1') });
const address = (text: string, port = 0, portBits = 0): PortPrefix => ({
  words: addressWords(text),
  bits: 128,
  port,
  portBits,
});

class World {
  readonly clock = new ManualClock(100_000_000);
  readonly leases: Leases;
  history!: LeaseHistory;
  readonly file: string;
  readonly numbers: string[] = [];
  watchedSinceMs = 0;

  constructor() {
    const folder = mkdtempSync(join(tmpdir(), 'lease-history-'));
    folders.push(folder);
    this.file = join(folder, HISTORY_FILE);
    this.leases = new Leases(
      new AddressTable(),
      () => LIFETIME,
      () => Math.floor(this.clock.nowMs() / 1000),
    );
  }

  async open(): Promise<this> {
    const { store } = await openInlineHistory(this.file, this.clock.wallMs());
    this.history = new LeaseHistory({
      store,
      clock: this.clock,
      numberOf: (holder) => this.numbers[holder],
      lifetimeMs: () => LIFETIME * 1000,
      log: { error: (fields, text) => expect.fail(`${text} ${JSON.stringify(fields)}`) },
    });
    this.leases.witness = this.history;
    this.watchedSinceMs = this.clock.wallMs();
    return this;
  }

  report(
    kind: 'start' | 'interim' | 'stop',
    who: string,
    session: string,
    prefixes: PortPrefix[],
    atSeconds?: number,
  ): void {
    if (!this.numbers.includes(who)) this.numbers.push(who);
    const now = Math.floor(this.clock.nowMs() / 1000);
    this.leases.report({
      kind,
      session: sessionName(session, REPORTER),
      prefixes,
      holder: this.numbers.indexOf(who),
      atSeconds: Math.min(now, atSeconds ?? now),
    });
  }

  async who(text: string, secondsAgo: number, port = -1): Promise<unknown> {
    const [found] = await this.history.find([{ words: addressWords(text), port }]);
    const fromMs = this.clock.wallMs() - secondsAgo * 1000;
    const rules: MatchRules = {
      nowMs: this.clock.wallMs(),
      inDoubt: false,
      marginMs: MARGIN * 1000,
      lifetimeMs: LIFETIME * 1000,
      keptMs: 7 * 86_400_000,
      watchedSinceMs: this.watchedSinceMs,
    };
    const verdict = matchLease({ fromMs, toMs: fromMs, hasPort: port >= 0, ...found!, range: undefined }, rules);
    return typeof verdict === 'string' ? verdict : verdict.subscriber;
  }
}

test('who had an address when, with ports where subscribers share it', async () => {
  const world = await new World().open();
  world.report('start', 'A', 'a1', [address('192.0.2.1')]);
  world.report('start', 'P', 'p1', [address('192.0.2.9', 1024, 6)]);
  world.report('start', 'Q', 'q1', [address('192.0.2.9', 2048, 6)]);
  world.report('start', 'V', 'v1', [{ words: addressWords('2001:db8:7::'), bits: 48, port: 0, portBits: 0 }]);
  world.clock.advance(3_600_000);
  world.report('stop', 'A', 'a1', []);
  world.clock.advance(600_000);
  world.report('start', 'B', 'b1', [address('192.0.2.1')]);
  world.clock.advance(2_400_000);
  expect(await world.who('192.0.2.1', 4800)).toBe('A');
  expect(await world.who('192.0.2.1', 2700)).toBe('nobody');
  expect(await world.who('192.0.2.1', 1200)).toBe('B');
  expect(await world.who('192.0.2.2', 1200)).toBe('nobody');
  expect(await world.who('192.0.2.9', 6300, 1030)).toBe('P');
  expect(await world.who('192.0.2.9', 6300, 2047)).toBe('P');
  expect(await world.who('192.0.2.9', 6300, 2050)).toBe('Q');
  expect(await world.who('192.0.2.9', 6300, 4096)).toBe('nobody');
  expect(await world.who('192.0.2.9', 6300)).toBe('port-missing');
  expect(await world.who('2001:db8:7:1::9', 6300)).toBe('V');
  await world.history.close();
});

test('what was missed while the server was down is believed of nobody', async () => {
  const world = await new World().open();
  world.report('start', 'A', 'a1', [address('192.0.2.1')]);
  world.report('start', 'B', 'b1', [address('192.0.2.2')]);
  world.clock.advance(600_000);
  await world.history.close();
  world.clock.advance(1_800_000);
  await world.open();
  expect(await world.who('192.0.2.1', 1200)).toBe('unconfirmed');
  // The same session goes on: it was there all the time.
  world.clock.advance(1_000_000);
  world.report('interim', 'B', 'b1', [address('192.0.2.2')]);
  expect(await world.who('192.0.2.2', 2000)).toBe('B');
  await world.history.close();
});

test('a history that could not be written is started over, and nothing in it is guessed', async () => {
  const world = await new World().open();
  const { store } = await openInlineHistory(`${world.file}.other`, 0);
  const errors: string[] = [];
  let broken = true;
  const history = new LeaseHistory({
    store: { ...store, write: (...args) => (broken ? Promise.reject(new Error('disk full')) : store.write(...args)) },
    clock: world.clock,
    numberOf: (holder) => world.numbers[holder],
    lifetimeMs: () => LIFETIME * 1000,
    log: { error: (_, text) => void errors.push(text) },
  });
  world.leases.witness = history;
  await store.write(
    [
      {
        prefix: '00'.repeat(16),
        bits: 128,
        port: 0,
        portBits: 0,
        session: 's',
        subscriber: 'X',
        atMs: 1,
        heardMs: 1,
        ended: false,
        unsure: false,
        clockDoubt: false,
      },
    ],
    1,
  );
  world.report('start', 'A', 'a1', [address('192.0.2.1')]);
  await history.flush();
  expect(errors).toHaveLength(1);
  expect(await history.count()).toBe(0);
  broken = false;
  world.report('stop', 'A', 'a1', []);
  world.report('start', 'B', 'b1', [address('192.0.2.1')]);
  await history.flush();
  expect(await history.count()).toBe(1);
  await history.close();
});

test('what is too old is deleted, and no byte of it stays', async () => {
  const world = await new World().open();
  for (let i = 0; i < 300; i++) {
    world.report('start', `S-OLD-${i}`, `s${i}`, [address(`192.0.2.${i % 250}`)]);
    world.report('stop', `S-OLD-${i}`, `s${i}`, []);
  }
  await world.history.flush();
  world.clock.advance(8 * 86_400_000);
  world.report('start', 'S-NEW', 'new', [address('192.0.2.77')]);
  await world.history.flush();
  expect(await world.history.deleteOlderThan(7 * 86_400_000)).toBe(300);
  await world.history.close();
  expect(readFileSync(world.file, 'latin1')).not.toContain('S-OLD');
  expect(readFileSync(world.file, 'latin1')).toContain('S-NEW');
});

/** One after the other has the address; of each session some messages come, late and out of order, from clocks that differ. */
const lives = fc.array(
  fc.record({
    who: fc.constantFrom('A', 'B', 'C'),
    pause: fc.integer({ min: 0, max: 4000 }),
    length: fc.integer({ min: 1, max: 20_000 }),
    skew: fc.integer({ min: -MARGIN, max: MARGIN }),
    delay: fc.integer({ min: 0, max: 3000 }),
    started: fc.boolean(),
    stopped: fc.boolean(),
    interims: fc.boolean(),
  }),
  { minLength: 1, maxLength: 8 },
);

test('whatever is lost, late or off by the margin, a match is the one who was there', async () => {
  let matches = 0;
  await fc.assert(
    fc.asyncProperty(lives, async (sessions) => {
      const world = await new World().open();
      const startSeconds = Math.floor(world.clock.nowMs() / 1000);
      const truth: { who: string; from: number; to: number }[] = [];
      const messages: { at: number; heard: number; kind: 'start' | 'interim' | 'stop'; who: string; id: string }[] = [];
      let at = startSeconds;
      sessions.forEach(({ who, pause, length, skew, delay, started, stopped, interims }, i) => {
        const from = at + pause;
        const to = from + length;
        truth.push({ who, from, to });
        const say = (kind: 'start' | 'interim' | 'stop', when: number) =>
          messages.push({ at: when + skew, heard: when + delay, kind, who, id: `s${i}` });
        if (started) say('start', from);
        if (interims) for (let each = from + 900; each < to; each += 900) say('interim', each);
        if (stopped) say('stop', to);
        at = to;
      });
      messages.sort((one, other) => one.heard - other.heard);
      for (const { at: atSeconds, heard, kind, who, id } of messages) {
        world.clock.advance(Math.max(0, heard * 1000 - world.clock.nowMs()));
        world.report(kind, who, id, kind === 'stop' ? [] : [address('192.0.2.1')], atSeconds);
      }
      // Later than any lease lasts: what is in force is believed for other reasons.
      world.clock.advance(Math.max(0, at * 1000 - world.clock.nowMs()) + (LIFETIME + 3600) * 1000);
      const now = Math.floor(world.clock.nowMs() / 1000);
      for (let when = startSeconds; when < at; when += Math.max(1, Math.floor((at - startSeconds) / 40))) {
        const found = await world.who('192.0.2.1', now - when);
        if (typeof found !== 'string' || !world.numbers.includes(found)) continue;
        matches++;
        expect(truth.filter(({ from, to }) => from <= when && when <= to).map(({ who }) => who)).toContain(found);
      }
      await world.history.close();
    }),
    { numRuns: 30, seed: 16 },
  );
  expect(matches).toBeGreaterThan(50);
});
