import { describe, expect, it } from 'vitest';
import { SocketBudget, SourcePorts } from './source-ports.ts';

const SERVER = Int32Array.of(0, 0, 0xffff, 0x7f000001);
const OTHER = Int32Array.of(0, 0, 0xffff, 0x7f000002);

/** mulberry32: the same ports in every run. */
function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
}

function start(limit: number | SocketBudget, taken: (port: number) => boolean = () => false) {
  const budget = typeof limit === 'number' ? new SocketBudget(limit) : limit;
  const open = new Map<number, number>();
  const clock = { nowMs: 0 };
  const ports = new SourcePorts<number>({
    budget,
    random32: seeded(1),
    nowMs: () => clock.nowMs,
    open: (_address, _destination, port, number) => {
      if (taken(port) || [...open.values()].includes(port)) return undefined;
      open.set(number, port);
      return port;
    },
    close: (_port, number) => expect(open.delete(number)).toBe(true),
  });
  return { ports, budget, open, clock };
}

describe('source ports', () => {
  it('are as many as allowed, each drawn once a turn, in an order of chance', () => {
    const { ports, budget } = start(256);
    const share = 224;
    const drawn: number[] = [];
    for (let i = 0; i < share * 8; i++) drawn.push(ports.draw(SERVER, 53)!.socket);
    // The pool has filled: from now on every turn draws every port once.
    const turn = drawn.slice(-share);
    expect(budget.open).toBeLessThanOrEqual(256);
    expect(new Set(turn).size).toBeGreaterThan(share * 0.8);
    const rises = turn.filter((port, i) => i > 0 && port > turn[i - 1]!).length;
    expect(rises).toBeGreaterThan(share * 0.4);
    expect(rises).toBeLessThan(share * 0.6);
  });

  it('give way to new ones after some uses, and listen a while longer', () => {
    const { ports, open, clock } = start(1);
    const first = ports.draw(SERVER, 53)!;
    for (let draws = 1; first.uses < 32 && draws < 2000; draws++) ports.draw(SERVER, 53);
    expect(first.uses).toBe(32);
    for (let i = 0; i < 20; i++) expect(ports.draw(SERVER, 53)).not.toBe(first);
    expect(open.has(first.number)).toBe(true);
    clock.nowMs += 4000;
    ports.tick(clock.nowMs);
    expect(open.has(first.number)).toBe(true);
    clock.nowMs += 1000;
    ports.tick(clock.nowMs);
    expect(open.has(first.number)).toBe(false);
  });

  it('stay in use where too many would listen for late answers at a time', () => {
    const { ports, open } = start(16);
    for (let i = 0; i < 14 * 40; i++) ports.draw(SERVER, 53);
    expect(open.size).toBe(16);
    expect(ports.draw(SERVER, 53)!.uses).toBeGreaterThan(32);
  });

  it('give way after some time, a few at a time', () => {
    const { ports, open, clock } = start(64);
    for (let i = 0; i < 56; i++) ports.draw(SERVER, 53);
    const before = new Set(open.keys());
    expect(before.size).toBe(56);
    for (clock.nowMs = 0; clock.nowMs < 700_000; clock.nowMs += 20) {
      ports.tick(clock.nowMs);
      if (clock.nowMs % 1000 === 0) ports.draw(SERVER, 53);
      expect(open.size).toBeLessThanOrEqual(64);
    }
    expect([...open.keys()].filter((number) => before.has(number))).toEqual([]);
  });

  it('never exceed the limit, however many destinations there are, and each destination has one', () => {
    const { ports, open, clock } = start(128);
    for (let i = 0; i < 400; i++) ports.draw(SERVER, 53);
    for (let i = 0; i < 400; i++) {
      expect(ports.draw(OTHER, 53)).toBeDefined();
      clock.nowMs += 100;
      ports.tick(clock.nowMs);
      expect(open.size).toBeLessThanOrEqual(129);
    }
    const numbers = (address: Int32Array) =>
      new Set(Array.from({ length: 200 }, () => ports.draw(address, 53)!.number));
    const [one, two] = [numbers(SERVER), numbers(OTHER)];
    expect([...one].filter((number) => two.has(number))).toEqual([]);
    expect(two.size).toBeGreaterThanOrEqual(40);
    // A name server after the other: those that were not asked for longest give their ports up.
    for (let i = 0; i < 1000; i++) {
      expect(ports.draw(Int32Array.of(0, 0, 0xffff, i), 53)).toBeDefined();
      clock.nowMs += 1000;
      ports.tick(clock.nowMs);
    }
    expect(open.size).toBeLessThanOrEqual(129);
  });

  it('of several groups of servers keep within one limit, and each group gets its share', () => {
    const budget = new SocketBudget(128);
    const groups = Array.from({ length: 4 }, () => start(budget));
    const [first, ...others] = groups;
    for (let i = 0; i < 1000; i++) first!.ports.draw(SERVER, 53);
    expect(budget.open).toBe(112);
    for (let round = 1; round <= 400; round++) {
      for (const { ports, clock } of groups) {
        expect(ports.draw(SERVER, 53)).toBeDefined();
        clock.nowMs = round * 100;
        ports.tick(clock.nowMs);
      }
      // One is given to a destination that has none, whatever the others hold.
      expect(budget.open).toBeLessThanOrEqual(128 + others.length);
    }
    const total = () => groups.reduce((sum, { open }) => sum + open.size, 0);
    expect(budget.open).toBe(total());
    for (const { ports, open } of others) {
      expect(open.size).toBeGreaterThanOrEqual(20);
      ports.close();
    }
    expect(budget.open).toBe(first!.open.size);
    // What the others held is the first one's again.
    for (let i = 0; i < 1000; i++) first!.ports.draw(SERVER, 53);
    expect(first!.open.size).toBeGreaterThanOrEqual(112);
  });

  it('are not opened where every port is taken, and none is left open at the end', () => {
    expect(start(16, () => true).ports.draw(SERVER, 53)).toBeUndefined();
    const { ports, budget, open } = start(16);
    for (let i = 0; i < 900; i++) ports.draw(SERVER, 53);
    ports.close();
    expect(open.size).toBe(0);
    expect({ ...budget }).toEqual({ limit: 16, open: 0, retired: 0, destinations: 0 });
    expect(ports.draw(SERVER, 53)).toBeUndefined();
  });
});
