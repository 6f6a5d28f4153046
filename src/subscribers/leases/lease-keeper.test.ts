import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, describe, expect, it } from 'vitest';
import { addressWords, parsePrefix } from '../../address/address.ts';
import { ManualClock } from '../../time/clock.ts';
import { SubscriberState } from '../state.ts';
import { AddressReader } from '../table/address-table.ts';
import type { LeaseKeeper } from './lease-keeper.ts';
import type { LeaseStore } from './lease-store.ts';
import type { LeaseEvent } from './leases.ts';
import { reporterOf, sessionName } from './session-name.ts';
import { openInlineLeases } from './sqlite-lease-store.ts';

const folder = mkdtempSync(join(tmpdir(), 'sekisho-leases-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const MINUTE = 60_000;
const LIFETIME = 120 * MINUTE;
const NAS = reporterOf({ source: addressWords('127.0.0.1'), address: addressWords('127.0.0.1') });

/** A process: the same folder and clock as the one before it. `kill` leaves everything as it is. */
async function start(data: string, clock: ManualClock, believedMs = 15 * MINUTE, wrap = (store: LeaseStore) => store) {
  const open = async (file: string, wallMs: number) => {
    const opened = await openInlineLeases(file, wallMs);
    return { ...opened, store: wrap(opened.store) };
  };
  const state = new SubscriberState(data, clock, pino({ level: 'silent' }), { leaseMs: LIFETIME, believedMs, open });
  await state.restored;
  const terms = { version: 't', covers: ['c2' as const] };
  void state.putInForce({
    terms,
    groups: [],
    unfiltered: [],
    leaseMs: LIFETIME,
    leaseAfterRestartMs: believedMs,
    provisioning: { shortestIpv4: 32, shortestIpv6: 48, portal: false },
  });
  const report = async (kind: LeaseEvent['kind'], address: string, subscriber: string, id: string, agoMs = 0) => {
    const result = state.leases.report({
      kind,
      prefixes: address.split(' ').map((text) => ({ ...parsePrefix(text), port: 0, portBits: 0 })),
      holder: state.register.holderFor(subscriber),
      session: sessionName(id, NAS),
      atSeconds: state.nowSeconds() - Math.round(agoMs / 1000),
    });
    await state.recorded();
    return result;
  };
  const who = (address: string) => {
    const words = addressWords(address);
    const reader = new AddressReader(state.leases.table.memory);
    const holder = reader.find(words, address.includes(':') ? 6 : 4, 1, state.nowSeconds());
    return state.register.directory.numberOf(holder);
  };
  return { state, report, who };
}
const setUp = () => ({ data: join(folder, String(files++)), clock: new ManualClock(500_000_000) });

describe('leases over a restart', () => {
  it('are there again, with the time they had, whatever else was numbered before', async () => {
    const { data, clock } = setUp();
    const first = await start(data, clock);
    first.state.register.holderFor('somebody-else');
    await first.report('start', '192.0.2.7', '4711', 'a');
    await first.report('start', '2001:db8:77::/56', '4712', 'b');
    await first.report('start', '192.0.2.8', '4713', 'c');
    await first.report('stop', '192.0.2.8', '4713', 'c');
    clock.advance(2 * MINUTE);
    // Killed: nobody closes anything.
    const second = await start(data, clock);
    expect(['192.0.2.7', '2001:db8:77::5', '192.0.2.8', '192.0.2.9'].map(second.who)).toEqual([
      '4711',
      '4712',
      undefined,
      undefined,
    ]);
    // What came late before the restart comes late after it.
    expect(await second.report('start', '192.0.2.8', '4713', 'c', 3 * MINUTE)).toBe('late');
    expect(await second.report('start', '192.0.2.8', '4713', 'c')).toBe('late');
    expect(await second.report('start', '192.0.2.8', '4714', 'older', 5 * MINUTE)).toBe('late');
    expect(second.who('192.0.2.8')).toBeUndefined();
    expect(await second.report('stop', '192.0.2.7', '4711', 'not-this')).toBe('not-the-holder');
    expect(await second.report('interim', '192.0.2.7', '4711', 'a')).toBe('taken');
    expect(second.who('192.0.2.7')).toBe('4711');
  });

  it('are believed for a while only: then a message must have confirmed them', async () => {
    const { data, clock } = setUp();
    const first = await start(data, clock);
    await first.report('start', '192.0.2.7', '4711', 'a');
    await first.report('start', '192.0.2.8', '4712', 'b');
    await first.report('start', '192.0.2.9', '4713', 'c');
    clock.advance(5 * MINUTE);
    const second = await start(data, clock);
    await second.report('interim', '192.0.2.7', '4711', 'a');
    // Handed over while nobody listened, or not: two claim it.
    expect(await second.report('start', '192.0.2.8', '4714', 'd')).toBe('conflict');
    clock.advance(10 * MINUTE);
    await (second.state.leases.keeper as LeaseKeeper).endUnconfirmed(second.state.leases);
    const seen = () => ['192.0.2.7', '192.0.2.8', '192.0.2.9'].map(second.who);
    expect(seen()).toEqual(['4711', undefined, undefined]);
    // The session goes on, and its next message says so.
    expect(await second.report('interim', '192.0.2.9', '4713', 'c')).toBe('taken');
    expect(await second.report('interim', '192.0.2.8', '4714', 'd')).toBe('conflict');
    expect(seen()).toEqual(['4711', undefined, '4713']);
    clock.advance(LIFETIME - 15 * MINUTE);
    // Of the other one nothing was heard for the lifetime of a lease.
    expect(await second.report('interim', '192.0.2.8', '4714', 'd')).toBe('taken');
    expect(second.who('192.0.2.8')).toBe('4714');
  });

  it('are not believed a second time, where the process before heard nothing of them', async () => {
    const { data, clock } = setUp();
    await (await start(data, clock)).report('start', '192.0.2.7', '4711', 'a');
    clock.advance(10 * MINUTE);
    const second = await start(data, clock);
    await second.report('start', '192.0.2.8', '4712', 'b');
    expect(['192.0.2.7', '192.0.2.8'].map(second.who)).toEqual(['4711', '4712']);
    clock.advance(10 * MINUTE);
    expect(['192.0.2.7', '192.0.2.8'].map((await start(data, clock)).who)).toEqual([undefined, '4712']);
  });

  it('are nobody’s after it where they were before: whoever claims one, and whose last message is missing', async () => {
    const { data, clock } = setUp();
    const first = await start(data, clock);
    await first.report('start', '192.0.2.7', '4711', 'a');
    await first.report('start', '192.0.2.7', '4712', 'b');
    await first.report('start', '192.0.2.8', '4713', 'c');
    await first.report('start', '192.0.2.8', '4714', 'd');
    await first.report('stop', '192.0.2.8', '4714', 'd');
    await first.report('start', '192.0.2.9', '4715', 'e');
    await first.report('interim', '192.0.2.9', '4716', 'e');
    const addresses = ['192.0.2.7', '192.0.2.8', '192.0.2.9'];
    expect(addresses.map(first.who)).toEqual([undefined, undefined, undefined]);
    for (let restart = 0; restart < 2; restart++) {
      clock.advance(MINUTE);
      const next = await start(data, clock);
      expect(addresses.map(next.who)).toEqual([undefined, undefined, undefined]);
      expect(await next.report('interim', '192.0.2.7', '4712', 'b')).toBe('conflict');
    }
    clock.advance(30 * MINUTE);
    const last = await start(data, clock);
    expect(await last.report('interim', '192.0.2.7', '4712', 'b')).toBe('conflict');
    expect(await last.report('interim', '192.0.2.9', '4716', 'e')).toBe('conflict');
    // A replay of what the process before had heard end.
    expect(await last.report('start', '192.0.2.8', '4714', 'd')).toBe('late');
    expect(addresses.map(last.who)).toEqual([undefined, undefined, undefined]);
    await last.report('stop', '192.0.2.7', '4711', 'a');
    await last.report('interim', '192.0.2.8', '4713', 'c');
    expect(addresses.map(last.who)).toEqual(['4712', '4713', undefined]);
  });

  it('of one session end together with its stop, those of before the restart too', async () => {
    const { data, clock } = setUp();
    await (await start(data, clock)).report('start', '192.0.2.7 2001:db8:77::/56', '4711', 'a');
    const second = await start(data, clock);
    const seen = (at: Awaited<ReturnType<typeof start>>) => ['192.0.2.7', '2001:db8:77::1'].map(at.who);
    expect(seen(second)).toEqual(['4711', '4711']);
    await second.report('stop', '192.0.2.7', '4711', 'a');
    expect(seen(second)).toEqual([undefined, undefined]);
    const third = await start(data, clock);
    expect(seen(third)).toEqual([undefined, undefined]);
    // What was on its way when the process ended.
    expect(await third.report('start', '192.0.2.7 2001:db8:77::/56', '4711', 'a')).toBe('late');
    expect(seen(third)).toEqual([undefined, undefined]);
  });

  it('that ended before anything was heard of them do not begin after the restart', async () => {
    const { data, clock } = setUp();
    await (await start(data, clock)).report('stop', '192.0.2.7', '4711', 'a');
    expect(await (await start(data, clock)).report('start', '192.0.2.7', '4711', 'a')).toBe('late');
  });

  it('are doubted, all of them, where the clock went back', async () => {
    const { data, clock } = setUp();
    const first = await start(data, clock);
    await first.report('start', '192.0.2.7', '4711', 'a');
    await first.report('start', '192.0.2.8', '4712', 'b');
    await first.report('start', '192.0.2.8', '4713', 'c');
    const second = await start(data, new ManualClock(500_000_000 - 60 * MINUTE));
    expect(['192.0.2.7', '192.0.2.8'].map(second.who)).toEqual([undefined, undefined]);
    expect(await second.report('interim', '192.0.2.8', '4713', 'c')).toBe('conflict');
    expect(await second.report('interim', '192.0.2.7', '4711', 'a')).toBe('taken');
  });

  it.each([
    ['a long time down', 15 * MINUTE, (clock: ManualClock) => clock.advance(16 * MINUTE)],
    ['where that is not wanted', 0, () => {}],
  ])('are not believed at all: %s', async (_, believedMs, pass) => {
    const { data, clock } = setUp();
    const first = await start(data, clock, believedMs);
    await first.report('start', '192.0.2.7', '4711', 'a');
    pass(clock);
    expect((await start(data, clock, believedMs)).who('192.0.2.7')).toBeUndefined();
  });

  it('end when their own time is over, restart or not', async () => {
    const { data, clock } = setUp();
    const first = await start(data, clock, LIFETIME * 2);
    await first.report('start', '192.0.2.7', '4711', 'a');
    clock.advance(LIFETIME - MINUTE);
    const second = await start(data, clock, LIFETIME * 2);
    expect(second.who('192.0.2.7')).toBe('4711');
    clock.advance(2 * MINUTE);
    expect(second.who('192.0.2.7')).toBeUndefined();
    expect((await start(data, clock, LIFETIME * 2)).who('192.0.2.7')).toBeUndefined();
  });

  it('of a client that starts over end, those of before the restart too, and what it starts then stays', async () => {
    const { data, clock } = setUp();
    const first = await start(data, clock);
    await first.report('start', '192.0.2.7', '4711', 'a');
    await first.report('start', '192.0.2.8', '4712', 'b');
    const second = await start(data, clock);
    clock.advance(MINUTE);
    second.state.leases.endReporter(NAS, second.state.nowSeconds());
    clock.advance(MINUTE);
    await second.report('start', '192.0.2.8', '4715', 'e');
    const third = await start(data, clock);
    expect(['192.0.2.7', '192.0.2.8'].map(third.who)).toEqual([undefined, '4715']);
  });

  it('leave nothing of a subscriber in the file once they have ended', async () => {
    const { data, clock } = setUp();
    const first = await start(data, clock);
    await first.report('start', '192.0.2.7', 'subscriber-who-leaves', 'a');
    await first.report('stop', '192.0.2.7', 'subscriber-who-leaves', 'a');
    clock.advance(2 * MINUTE);
    await first.report('start', '192.0.2.8', 'subscriber-who-stays', 'b');
    await first.state.close();
    const names = readdirSync(join(data, 'subscribers')).filter((name) => name.startsWith('leases'));
    const text = names.map((name) => readFileSync(join(data, 'subscribers', name), 'latin1')).join();
    expect(text).toContain('subscriber-who-stays');
    expect(text).not.toContain('subscriber-who-leaves');
  });

  it('are given up, all of them, where the disk takes no more: none is restored that a lost one has replaced', async () => {
    const { data, clock } = setUp();
    let full = false;
    const first = await start(data, clock, 15 * MINUTE, (store) => ({
      ...store,
      write: (batches, heardMs) => (full ? Promise.reject(new Error('disk is full')) : store.write(batches, heardMs)),
    }));
    await first.report('start', '192.0.2.7', '4711', 'a');
    full = true;
    await first.report('stop', '192.0.2.7', '4711', 'a');
    expect(await first.report('start', '192.0.2.7', '4712', 'b')).toBe('taken');
    expect(first.who('192.0.2.7')).toBe('4712');
    full = false;
    await first.report('start', '192.0.2.9', '4713', 'c');
    const second = await start(data, clock);
    expect(['192.0.2.7', '192.0.2.9'].map(second.who)).toEqual([undefined, '4713']);
  });
});
