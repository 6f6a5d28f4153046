import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, describe, expect, it } from 'vitest';
import { addressWords, parsePrefix } from '../../address/address.ts';
import { ManualClock } from '../../time/clock.ts';
import { SubscriberState } from '../state.ts';
import { AddressReader } from '../table/address-table.ts';
import { LeaseArchive } from './lease-archive.ts';
import { inlineWriter, type LeaseWriter } from './lease-writer.ts';
import { type LeaseEvent, sessionHash, sessionWord } from './leases.ts';

const folder = mkdtempSync(join(tmpdir(), 'sekisho-leases-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const MINUTE = 60_000;
const LIFETIME = 120 * MINUTE;
/** As accounting.ts names one: with the bytes of its address. */
const NAS = '4:\x7f\x00\x00\x01;';

/** A process: the same folder and clock as the one before it. `kill` leaves everything as it is. */
function start(data: string, clock: ManualClock, believedMs = 15 * MINUTE, wrap = (writer: LeaseWriter) => writer) {
  const writer = (file: string, run: number) => wrap(inlineWriter(new LeaseArchive(file, clock.wallMs(), run)));
  const state = new SubscriberState(data, clock, pino({ level: 'silent' }), { believedMs, writer });
  const terms = { version: 't', covers: ['c2' as const] };
  state.putInForce({ terms, groups: [], unfiltered: [], leaseMs: LIFETIME, leaseAfterRestartMs: believedMs });
  const report = async (kind: LeaseEvent['kind'], address: string, subscriber: string, id: string, agoMs = 0) => {
    const result = state.leases.report({
      kind,
      prefix: { ...parsePrefix(address), port: 0, portBits: 0 },
      holder: state.register.holderFor(subscriber),
      session: sessionWord(state.reporterOf(NAS, 9), sessionHash(id)),
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
    const first = start(data, clock);
    first.state.register.holderFor('somebody-else');
    await first.report('start', '192.0.2.7', '4711', 'a');
    await first.report('start', '2001:db8:77::/56', '4712', 'b');
    await first.report('start', '192.0.2.8', '4713', 'c');
    await first.report('stop', '192.0.2.8', '4713', 'c');
    clock.advance(2 * MINUTE);
    // Killed: nobody closes anything.
    const second = start(data, clock);
    expect(['192.0.2.7', '2001:db8:77::5', '192.0.2.8', '192.0.2.9'].map(second.who)).toEqual([
      '4711',
      '4712',
      undefined,
      undefined,
    ]);
    // What came late before the restart comes late after it.
    expect(await second.report('start', '192.0.2.8', '4713', 'c', 3 * MINUTE)).toBe('late');
    expect(await second.report('start', '192.0.2.7', '9999', 'older', 5 * MINUTE)).toBe('late');
    expect(await second.report('stop', '192.0.2.7', '4711', 'not-this')).toBe('not-the-holder');
    expect(await second.report('interim', '192.0.2.7', '4711', 'a')).toBe('taken');
    expect(second.who('192.0.2.7')).toBe('4711');
  });

  it('are believed for a while only: then a message must have confirmed them', async () => {
    const { data, clock } = setUp();
    const first = start(data, clock);
    await first.report('start', '192.0.2.7', '4711', 'a');
    await first.report('start', '192.0.2.8', '4712', 'b');
    await first.report('start', '192.0.2.9', '4713', 'c');
    clock.advance(5 * MINUTE);
    const second = start(data, clock);
    await second.report('interim', '192.0.2.7', '4711', 'a');
    await second.report('start', '192.0.2.8', '4714', 'd');
    clock.advance(10 * MINUTE);
    await second.state.leases.keeper!.endUnconfirmed(second.state.leases);
    expect(['192.0.2.7', '192.0.2.8', '192.0.2.9'].map(second.who)).toEqual(['4711', '4714', undefined]);
    // The session goes on, and its next message says so.
    expect(await second.report('interim', '192.0.2.9', '4713', 'c')).toBe('taken');
    expect(second.who('192.0.2.9')).toBe('4713');
  });

  it.each([
    ['a long time down', 15 * MINUTE, (clock: ManualClock) => clock.advance(16 * MINUTE)],
    ['where that is not wanted', 0, () => {}],
  ])('are not believed at all: %s', async (_, believedMs, pass) => {
    const { data, clock } = setUp();
    const first = start(data, clock, believedMs);
    await first.report('start', '192.0.2.7', '4711', 'a');
    pass(clock);
    expect(start(data, clock, believedMs).who('192.0.2.7')).toBeUndefined();
  });

  it('end when their own time is over, restart or not', async () => {
    const { data, clock } = setUp();
    const first = start(data, clock, LIFETIME * 2);
    await first.report('start', '192.0.2.7', '4711', 'a');
    clock.advance(LIFETIME - MINUTE);
    const second = start(data, clock, LIFETIME * 2);
    expect(second.who('192.0.2.7')).toBe('4711');
    clock.advance(2 * MINUTE);
    expect(second.who('192.0.2.7')).toBeUndefined();
    expect(start(data, clock, LIFETIME * 2).who('192.0.2.7')).toBeUndefined();
  });

  it('of a client that begins anew end, those of before the restart too, and what it starts then stays', async () => {
    const { data, clock } = setUp();
    const first = start(data, clock);
    await first.report('start', '192.0.2.7', '4711', 'a');
    await first.report('start', '192.0.2.8', '4712', 'b');
    const second = start(data, clock);
    clock.advance(MINUTE);
    second.state.leases.endReporter(second.state.reporterOf(NAS, 9), second.state.nowSeconds());
    clock.advance(MINUTE);
    await second.report('start', '192.0.2.8', '4715', 'e');
    const third = start(data, clock);
    expect(['192.0.2.7', '192.0.2.8'].map(third.who)).toEqual([undefined, '4715']);
  });

  it('leave nothing of a subscriber in the file once they have ended', async () => {
    const { data, clock } = setUp();
    const first = start(data, clock);
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
    const first = start(data, clock, 15 * MINUTE, (writer) => ({
      ...writer,
      write: (batches, heardMs) => (full ? Promise.reject(new Error('disk is full')) : writer.write(batches, heardMs)),
    }));
    await first.report('start', '192.0.2.7', '4711', 'a');
    full = true;
    expect(await first.report('start', '192.0.2.7', '4712', 'b')).toBe('taken');
    expect(first.who('192.0.2.7')).toBe('4712');
    full = false;
    await first.report('start', '192.0.2.9', '4713', 'c');
    const second = start(data, clock);
    expect(['192.0.2.7', '192.0.2.9'].map(second.who)).toEqual([undefined, '4713']);
  });
});
