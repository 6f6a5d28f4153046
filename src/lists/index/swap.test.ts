import { describe, expect, test } from 'vitest';
import { PolicyIndexBuilder } from './builder.ts';
import { MemoryPool } from './memory-pool.ts';
import { PolicyHolder, PolicyLedger } from './swap.ts';

const memoryOf = (version: number) => new PolicyIndexBuilder({ key: [1, 2, 3, 4], version }).build();

describe('a worker', () => {
  test('puts newer indexes in force and leaves older ones alone', () => {
    const holder = new PolicyHolder();
    expect([holder.version, holder.current]).toEqual([0, undefined]);
    expect(holder.replace(memoryOf(2))).toBe(2);
    const second = holder.current;
    expect(holder.replace(memoryOf(1))).toBe(2);
    expect(holder.current).toBe(second);
    expect(holder.replace(memoryOf(3))).toBe(3);
    expect(holder.current?.memory.version).toBe(3);
  });
});

describe('the ledger', () => {
  test('frees a version when the last worker has a newer one', () => {
    const ledger = new PolicyLedger();
    ledger.made(1);
    for (const worker of [0, 1]) ledger.sent(worker, 1);
    expect([ledger.held(0, 1), ledger.held(1, 1)]).toEqual([[], []]);
    ledger.made(2);
    for (const worker of [0, 1]) ledger.sent(worker, 2);
    expect(ledger.held(0, 2)).toEqual([]);
    expect(ledger.held(1, 2)).toEqual([1]);
    expect(ledger.held(1, 2)).toEqual([]);
  });

  test('counts what is still on its way to a worker as held', () => {
    const ledger = new PolicyLedger();
    for (const version of [1, 2, 3]) {
      ledger.made(version);
      ledger.sent(0, version);
    }
    expect(ledger.held(0, 1)).toEqual([]);
    expect(ledger.held(0, 3)).toEqual([1, 2]);
  });

  test('frees what a worker held when it dies, but never the newest', () => {
    const ledger = new PolicyLedger();
    ledger.made(1);
    ledger.sent(0, 1);
    ledger.made(2);
    ledger.sent(0, 2);
    expect(ledger.gone(0)).toEqual([1]);
    expect(ledger.gone(5)).toEqual([]);
  });
});

describe('the pool', () => {
  test('lets indexes of about the same size take turns in two buffers', () => {
    const pool = new MemoryPool();
    const seen = new Set<SharedArrayBuffer>();
    for (let version = 1; version <= 20; version++) {
      seen.add(pool.take(version, 100_000 + version * 1000));
      expect(pool.release(version - 1)).toBe(true);
    }
    expect(seen.size).toBe(2);
    expect(pool.reservedBytes).toBeLessThan(260_000);
  });

  test('does not give out a buffer that somebody may read', () => {
    const pool = new MemoryPool();
    const first = pool.take(1, 1000);
    expect(pool.take(2, 1000)).not.toBe(first);
    pool.release(1);
    expect(pool.take(3, 1000)).toBe(first);
  });

  test('gives up a buffer that the lists have outgrown', () => {
    const pool = new MemoryPool();
    pool.take(1, 1000);
    pool.take(2, 9000);
    expect(pool.release(1)).toBe(false);
    expect(pool.reservedBytes).toBe(11_250);
  });
});
