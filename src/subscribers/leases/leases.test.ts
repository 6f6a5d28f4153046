import { describe, expect, it } from 'vitest';
import { addressWords, parsePrefix } from '../../address/address.ts';
import { AddressReader, AddressTable } from '../table/address-table.ts';
import { NOBODY, UNKNOWN } from '../table/prefix-table.ts';
import { type LeaseEvent, Leases, sessionWord } from './leases.ts';

const LIFETIME = 3600;
const A = sessionWord(1, 0xaaaa);
const B = sessionWord(1, 0xbbbb);

function setUp() {
  const table = new AddressTable();
  const leases = new Leases(table, () => LIFETIME);
  const report = (kind: LeaseEvent['kind'], holder: number, session: number, atSeconds: number, more: object = {}) =>
    leases.report({
      kind,
      prefix: { ...parsePrefix('192.0.2.7'), port: 0, portBits: 0 },
      holder,
      session,
      atSeconds,
      ...more,
    });
  const who = (nowSeconds: number) => new AddressReader(table.memory).find(addressWords('192.0.2.7'), 4, 1, nowSeconds);
  return { leases, report, who };
}

describe('leases', () => {
  it('begin with a start, are prolonged by interims, end with a stop', () => {
    const { report, who } = setUp();
    expect(who(0)).toBe(UNKNOWN);
    expect(report('start', 5, A, 1000)).toBe('taken');
    expect([who(1000), who(1000 + LIFETIME - 1), who(1000 + LIFETIME)]).toEqual([5, 5, NOBODY]);
    expect(report('interim', 5, A, 4000)).toBe('taken');
    expect(who(4000 + LIFETIME - 1)).toBe(5);
    expect(report('stop', 5, A, 5000)).toBe('ended');
    expect(who(5000)).toBe(NOBODY);
  });

  it('pass to the next holder, whose stop alone ends them', () => {
    const { report, who } = setUp();
    report('start', 5, A, 1000);
    // The stop of A was lost.
    expect(report('start', 6, B, 2000)).toBe('taken');
    expect(who(2000)).toBe(6);
    expect(report('stop', 5, A, 1900)).toBe('not-the-holder');
    expect(report('stop', 5, A, 2100)).toBe('not-the-holder');
    expect(who(2100)).toBe(6);
  });

  it('are not moved by messages that come late or twice', () => {
    const { report, who } = setUp();
    report('start', 5, A, 1000);
    expect(report('start', 5, A, 1000)).toBe('taken');
    report('stop', 5, A, 1500);
    expect(report('interim', 5, A, 1400)).toBe('late');
    expect(report('start', 5, A, 1000)).toBe('late');
    expect(who(1500)).toBe(NOBODY);
    report('start', 6, B, 2000);
    // A's start was overtaken by B's: it is history.
    expect(report('start', 5, sessionWord(2, 1), 1800)).toBe('late');
    expect(who(2000)).toBe(6);
    // An interim overtaken by another does not shorten anything.
    report('interim', 6, B, 3000);
    report('interim', 6, B, 2500);
    expect(who(3000 + LIFETIME - 1)).toBe(6);
  });

  it('are taken over by an interim whose start was lost', () => {
    const { report, who } = setUp();
    expect(report('interim', 5, A, 1000)).toBe('taken');
    expect(who(1000)).toBe(5);
    expect(report('stop', 5, A, 1100)).toBe('ended');
    expect(report('interim', 6, B, 2000)).toBe('taken');
    expect(report('interim', 7, A, 3000, { beganSeconds: 2500 })).toBe('taken');
    expect(who(3000)).toBe(7);
  });

  it('belong to nobody while two sessions claim them and nothing tells which is right', () => {
    const { report, who } = setUp();
    report('start', 5, A, 1000);
    report('start', 6, B, 2000);
    expect(report('interim', 5, A, 3000, { beganSeconds: 1000 })).toBe('conflict');
    expect(who(3000)).toBe(NOBODY);
    expect(report('start', 6, B, 4000)).toBe('taken');
    expect(report('interim', 5, A, 5000)).toBe('conflict');
    expect(who(5000)).toBe(NOBODY);
  });

  it('of one reporter end together when it begins anew', () => {
    const { leases, report, who } = setUp();
    report('start', 5, A, 1000);
    expect(leases.endReporter(2, 1100)).toBe(0);
    expect(who(1100)).toBe(5);
    expect(leases.endReporter(1, 1200)).toBe(1);
    expect(who(1200)).toBe(NOBODY);
    expect(report('interim', 5, A, 1150)).toBe('late');
    expect(report('start', 5, A, 1200)).toBe('late');
    expect(report('start', 5, A, 1300)).toBe('taken');
  });
});
