import { describe, expect, it } from 'vitest';
import { addressWords } from '../../address/address.ts';
import {
  CONDEMNED_BY_CLIENT,
  CONDEMNED_BY_OTHERS,
  createTcpShares,
  ENTER_CLIENT_LIMIT,
  ENTER_FULL,
  ENTER_UNCOUNTED,
  releaseTcpSharesOf,
  TcpShares,
} from './tcp-shares.ts';

const A = addressWords('192.0.2.1');
const B = addressWords('192.0.2.2');
const NONE = -1;

function workers(count: number, limits: { maxConnections: number; maxPerClient: number }) {
  const memory = createTcpShares(limits);
  const views = Array.from({ length: count }, (_, i) => new TcpShares(memory, i + 1, i, [11, 22]));
  return { memory, views, words: new Int32Array(memory.words) };
}

describe('shares of TCP connections over several workers', () => {
  it("a client's newcomer takes the place of its connection that has been idle longest, whichever worker has it", () => {
    const { views } = workers(2, { maxConnections: 10, maxPerClient: 3 });
    const [one, two] = views as [TcpShares, TcpShares];
    const first = two.enter(A, 1, NONE);
    const second = one.enter(A, 2, NONE);
    const third = two.enter(A, 3, NONE);
    // The first has been asked something since: the second is the longest idle one now.
    two.busy(first);
    two.quiet(first, 4);
    const foreign = one.enter(B, 0, NONE);
    const fourth = two.enter(A, 5, NONE);
    expect(fourth).toBeGreaterThanOrEqual(0);
    expect([first, second, third, foreign].map((place) => one.sentence(place))).toEqual([0, CONDEMNED_BY_CLIENT, 0, 0]);
    // It is another worker's: that one hears of it, once.
    expect([two.condemned, one.look(), one.look(), two.look()]).toEqual([-1, true, false, false]);
    // The next one is the worker's own.
    two.enter(A, 6, NONE);
    expect([two.condemned, two.sentence(third)]).toEqual([third, CONDEMNED_BY_CLIENT]);
  });

  it('refuses a newcomer only where none of its client is idle', () => {
    const { views } = workers(2, { maxConnections: 10, maxPerClient: 2 });
    const [one, two] = views as [TcpShares, TcpShares];
    const places = [one.enter(A, 1, NONE), two.enter(A, 2, NONE)];
    one.busy(places[0]!);
    two.busy(places[1]!);
    expect(one.enter(A, 3, NONE)).toBe(ENTER_CLIENT_LIMIT);
    two.quiet(places[1]!, 4);
    expect(one.enter(A, 5, NONE)).toBeGreaterThanOrEqual(0);
    expect(one.sentence(places[1]!)).toBe(CONDEMNED_BY_CLIENT);
  });

  it('counts all workers together', () => {
    const { views } = workers(3, { maxConnections: 4, maxPerClient: 4 });
    const [one, two, three] = views as [TcpShares, TcpShares, TcpShares];
    const mine = one.enter(A, 3, NONE);
    const oldest = two.enter(B, 1, NONE);
    const others = [two.enter(A, 2, NONE), three.enter(A, 4, NONE)];
    // A worker's own longest idle one goes first: no other has to be waited for.
    expect(one.enter(B, 5, mine)).toBeGreaterThanOrEqual(0);
    expect(one.condemned).toBe(mine);
    // Where it has none, the longest idle one of all.
    expect(one.enter(B, 6, NONE)).toBeGreaterThanOrEqual(0);
    expect([oldest, ...others].map((place) => one.sentence(place))).toEqual([CONDEMNED_BY_OTHERS, 0, 0]);
  });

  it('refuses where every connection has something outstanding', () => {
    const { views } = workers(1, { maxConnections: 2, maxPerClient: 2 });
    const [one] = views as [TcpShares];
    for (const address of [A, B]) one.busy(one.enter(address, 1, NONE));
    expect(one.enter(addressWords('192.0.2.3'), 2, NONE)).toBe(ENTER_FULL);
  });

  it('takes an IPv6 /64 for one client, and addresses of IPv4 apart', () => {
    const { views } = workers(1, { maxConnections: 9, maxPerClient: 1 });
    const [one] = views as [TcpShares];
    const first = one.enter(addressWords('2001:db8::1'), 1, NONE);
    one.enter(addressWords('2001:db8:0:1::1'), 2, NONE);
    expect(one.condemned).toBe(NONE);
    one.enter(addressWords('2001:db8::ffff'), 3, NONE);
    expect(one.condemned).toBe(first);
  });

  it('gives places back, and finds them again', () => {
    const { views, memory } = workers(2, { maxConnections: 5, maxPerClient: 2 });
    const [one, two] = views as [TcpShares, TcpShares];
    for (let round = 0; round < 500; round++) {
      const view = round % 2 === 0 ? one : two;
      const places = [A, A, B].map((address, i) => view.enter(address, round + i, NONE));
      expect(places.every((place) => place >= 0 && place < memory.places)).toBe(true);
      expect(new Set(places).size).toBe(3);
      for (const place of places) view.leave(place);
    }
    expect(one.enter(A, 1, NONE)).toBeGreaterThanOrEqual(0);
    expect(one.condemned).toBe(NONE);
  });

  it('keeps its count when those condemned leave late', () => {
    const { views } = workers(2, { maxConnections: 100, maxPerClient: 2 });
    const [one, two] = views as [TcpShares, TcpShares];
    const places: number[] = [];
    for (let i = 0; i < 50; i++) places.push(one.enter(A, i, NONE));
    const alive = places.filter((place) => one.sentence(place) === 0);
    expect(alive).toHaveLength(2);
    for (const place of places) one.leave(place);
    two.enter(A, 100, NONE);
    two.enter(A, 101, NONE);
    expect(two.condemned).toBe(NONE);
    two.enter(A, 102, NONE);
    expect(two.condemned).toBeGreaterThanOrEqual(0);
  });
});

describe('a worker that dies', () => {
  it('leaves its places to others', () => {
    const { views, memory } = workers(2, { maxConnections: 4, maxPerClient: 2 });
    const [one, two] = views as [TcpShares, TcpShares];
    one.enter(A, 1, NONE);
    one.busy(one.enter(A, 2, NONE));
    const kept = two.enter(B, 3, NONE);
    expect(releaseTcpSharesOf(memory, 1)).toBe(true);
    for (let i = 0; i < 2; i++) expect(two.enter(A, 4 + i, NONE)).toBeGreaterThanOrEqual(0);
    expect([two.condemned, two.sentence(kept)]).toEqual([NONE, 0]);
    two.enter(A, 6, NONE);
    expect(two.condemned).toBeGreaterThanOrEqual(0);
  });

  it('with the lock in its hand keeps nobody out', () => {
    const { views, memory, words } = workers(2, { maxConnections: 4, maxPerClient: 2 });
    const two = views[1]!;
    const before = two.enter(A, 1, NONE);
    Atomics.store(words, 0, 1);
    // Nobody waits for it for ever, and nobody is refused because of it.
    expect(two.enter(A, 2, NONE)).toBe(ENTER_UNCOUNTED);
    two.leave(before);
    expect(releaseTcpSharesOf(memory, 1)).toBe(true);
    two.look();
    const places = [two.enter(A, 3, NONE), two.enter(A, 4, NONE)];
    expect([two.condemned, places.every((place) => place >= 0)]).toEqual([NONE, true]);
  });
});
