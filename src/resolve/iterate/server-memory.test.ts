import { describe, expect, it } from 'vitest';
import { addressWords } from '../../address/address.ts';
import { createServerMemory, FIRST_TIMEOUT_MS, ServerTable } from './server-memory.ts';

const KEY = [1, 2] as const;
const table = () => new ServerTable(createServerMemory(), KEY);
const A = addressWords('192.0.2.1');

describe('the table of servers', () => {
  it('is one for all workers', () => {
    const memory = createServerMemory();
    const one = new ServerTable(memory, KEY);
    one.answered(one.place(A, 0), 20);
    const other = new ServerTable(memory, KEY);
    expect(other.rttMs(other.find(A))).toBe(20);
  });

  it('waits for a server according to how fast it answers', () => {
    const servers = table();
    const place = servers.place(A, 0);
    expect(servers.timeoutMs(place)).toBe(FIRST_TIMEOUT_MS);
    for (let i = 0; i < 50; i++) servers.answered(place, 100);
    expect(servers.timeoutMs(place)).toBeGreaterThanOrEqual(200);
    expect(servers.timeoutMs(place)).toBeLessThan(400);
  });

  it('lets a silent server rest, longer each time, and forgives it with one answer', () => {
    const servers = table();
    const place = servers.place(A, 0);
    for (let i = 0; i < 3; i++) servers.timedOut(place, 1000);
    expect(servers.rests(place, 1500)).toBe(true);
    expect(servers.rests(place, 4000)).toBe(false);
    for (let i = 0; i < 3; i++) servers.timedOut(place, 4000);
    expect(servers.rests(place, 15_000)).toBe(true);
    servers.answered(place, 5);
    expect(servers.rests(place, 15_000)).toBe(false);
  });

  it('forgets after a while what a server cannot do, and keeps what it has shown', () => {
    const servers = table();
    const place = servers.place(A, 0);
    servers.lacksEdns(place, 0);
    expect(servers.usesEdns(place, 10_000)).toBe(false);
    expect(servers.usesEdns(place, 1_000_000)).toBe(true);
    servers.showsEdns(place, 1_000_000);
    servers.lacksEdns(place, 1_000_000);
    expect(servers.usesEdns(place, 1_001_000)).toBe(true);
  });

  it('gives the place of the one unused for longest to a newcomer, however many there are', () => {
    const servers = table();
    servers.answered(servers.place(A, 0), 20);
    for (let i = 0; i < 60_000; i++) servers.place(Int32Array.of(0x20010db8, 0, 0, i), 60_000 + i);
    expect(servers.find(A)).toBe(-1);
  });

  it('sends each server a client cookie of its own, which nobody knows without the key', () => {
    const cookie = (key: readonly [number, number], address: Int32Array) => {
      const bytes = new Uint8Array(8);
      new ServerTable(createServerMemory(), key).putClientCookie(address, bytes, 0);
      return Buffer.from(bytes).toString('hex');
    };
    const all = [cookie(KEY, A), cookie([3, 4], A), cookie(KEY, addressWords('192.0.2.2'))];
    expect(new Set(all).size).toBe(3);
    expect(cookie(KEY, A)).toBe(all[0]);
  });
});
