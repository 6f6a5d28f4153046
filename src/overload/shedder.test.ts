import { describe, expect, it } from 'vitest';
import { addressWords, isMapped, parsePrefix } from '../address/address.ts';
import { PrefixSet } from '../address/prefix-set.ts';
import { Metrics } from '../metrics/registry.ts';
import { ManualClock } from '../time/clock.ts';
import { Query } from '../wire/query.ts';
import { Shedder } from './shedder.ts';

const FD = 7;

/** A worker whose only queue is as old and as full as the test says. */
function rig(options: { dryRun?: boolean; exempt?: string[] } = {}) {
  const clock = new ManualClock();
  const metrics = new Metrics();
  const gauge = { ageMs: 0, fill: 0, looks: 0, read: () => void gauge.looks++ };
  const shedder = new Shedder({
    targetMs: 20,
    limitMs: 250,
    dryRun: options.dryRun ?? false,
    exempt: options.exempt && new PrefixSet(options.exempt.map(parsePrefix)),
    sockets: 1,
    key: [0x1234567, 0x89abcde],
    clock,
    metrics,
    gauge,
  });
  const query = new Query();
  const batch = (full = true) => shedder.batch(0, FD, full, clock.nowMs());
  const count = (reason: string) =>
    metrics.cells.reduce((sum, { name, labels }, i) => {
      const counted = name === 'sekisho_overload_shed_total' && labels['reason'] === reason;
      return counted ? sum + metrics.values[i]! : sum;
    }, 0);
  return {
    clock,
    gauge,
    shedder,
    batch,
    count,
    /** Full batches, one a millisecond. */
    pass: (ms: number) => {
      for (let i = 0; i < ms; i++) {
        clock.advance(1);
        batch();
      }
    },
    /** How many of `packets` packets from `client` are let through. */
    served: (client: string, packets: number) => {
      query.clientWords.set(addressWords(client));
      query.family = isMapped(query.clientWords) ? 4 : 6;
      let served = 0;
      for (let i = 0; i < packets; i++) if (!shedder.sheds(query)) served++;
      return served;
    },
  };
}

/** Behind for long enough, with `heavy` asking far more than can be answered. */
function overloaded(heavy: readonly string[], options: Parameters<typeof rig>[0] = {}) {
  const worker = rig(options);
  worker.gauge.ageMs = 100;
  worker.pass(170);
  for (let epoch = 0; epoch < 20; epoch++) {
    for (const client of heavy) worker.served(client, 1000);
    worker.pass(26);
  }
  return worker;
}

describe('a worker that keeps up', () => {
  it('looks at no queue while batches are not full', () => {
    const { batch, gauge } = rig();
    for (let i = 0; i < 1000; i++) expect(batch(false)).toBe(false);
    expect(gauge.looks).toBe(0);
  });

  it('sheds nothing for a burst, however old its packets are', () => {
    const { gauge, pass, batch, clock } = rig();
    for (let burst = 0; burst < 20; burst++) {
      gauge.ageMs = 80;
      pass(90);
      clock.advance(1);
      expect(batch(false)).toBe(false);
    }
  });

  it('is not behind while packets wait for less than the target', () => {
    const { gauge, pass, batch } = rig();
    gauge.ageMs = 19;
    pass(1000);
    expect(batch()).toBe(false);
  });
});

describe('a worker that is behind', () => {
  it('sheds what a host asks beyond its share, and nothing of others', () => {
    const { served, count } = overloaded(['192.0.2.1']);
    expect(served('192.0.2.1', 1000)).toBeLessThan(10);
    for (let i = 2; i < 20; i++) expect(served(`198.51.${i}.1`, 1)).toBe(1);
    expect(count('host-share')).toBeGreaterThan(900);
    expect(count('queue-age')).toBe(0);
  });

  it('counts a network as a whole, IPv4 by /24 and IPv6 by /56', () => {
    for (const hosts of [
      Array.from({ length: 100 }, (_, i) => `192.0.2.${i}`),
      Array.from({ length: 100 }, (_, i) => `2001:db8:1:aa${i.toString(16).padStart(2, '0')}::1`),
    ]) {
      const { served, count } = overloaded(hosts);
      const all = hosts.reduce((sum, host) => sum + served(host, 1), 0);
      expect(all).toBeLessThan(50);
      expect(count('network-share')).toBeGreaterThan(50);
      expect(served('198.51.100.1', 1)).toBe(1);
      expect(served('2001:db8:2:aa00::1', 1)).toBe(1);
    }
  });

  it('sees a buffer that is too small for anything in it to grow old', () => {
    const { gauge, pass, served } = rig();
    gauge.fill = 0.9;
    pass(200);
    for (let epoch = 0; epoch < 20; epoch++) {
      served('192.0.2.1', 1000);
      pass(26);
    }
    expect(served('192.0.2.1', 1000)).toBeLessThan(10);
  });

  it('throws away unread what waited longer than the limit, whoever sent it', () => {
    const { gauge, pass, served, count } = overloaded(['192.0.2.1']);
    gauge.ageMs = 251;
    pass(1);
    expect(served('198.51.100.1', 1)).toBe(0);
    expect(count('queue-age')).toBe(1);
    gauge.ageMs = 249;
    pass(1);
    expect(served('198.51.100.1', 1)).toBe(1);
  });

  it('leaves exempt networks alone', () => {
    const { served } = overloaded(['192.0.2.1', '192.0.3.1'], { exempt: ['192.0.3.0/24'] });
    expect(served('192.0.2.1', 1000)).toBeLessThan(10);
    expect(served('192.0.3.1', 1000)).toBe(1000);
  });

  it('only counts in a dry run', () => {
    const { served, count } = overloaded(['192.0.2.1'], { dryRun: true });
    const before = count('host-share');
    expect(served('192.0.2.1', 1000)).toBe(1000);
    expect(count('host-share')).toBeGreaterThan(before + 900);
  });

  it('gives shares back as it catches up, and stops when nothing was shed for a while', () => {
    const { gauge, pass, served, batch } = overloaded(['192.0.2.1']);
    gauge.ageMs = 5;
    let before = 0;
    for (let step = 0; step < 3; step++) {
      for (let epoch = 0; epoch < 10; epoch++) {
        served('192.0.2.1', 1000);
        pass(26);
      }
      const now = served('192.0.2.1', 1000);
      expect(now).toBeGreaterThan(before);
      before = now;
    }
    // The flood is over.
    pass(2200);
    expect(batch()).toBe(false);
  });
});
