import { expect, test } from 'vitest';
import {
  type LeaseSpan,
  type MatchQuestion,
  type MatchRules,
  matchLease,
  SPAN_ENDED,
  SPAN_OPEN,
} from './lease-span.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NOW = 1_000 * HOUR;
const RULES: MatchRules = {
  nowMs: NOW,
  inDoubt: false,
  marginMs: MINUTE,
  lifetimeMs: 2 * HOUR,
  keptMs: 168 * HOUR,
  watchedSinceMs: NOW - 100 * HOUR,
};

/** From and to in hours before now. */
function span(subscriber: string, from: number, more: Partial<LeaseSpan> = {}): LeaseSpan {
  return {
    subscriber,
    fromMs: NOW - from * HOUR,
    lastMs: more.heardMs ?? NOW - 0.5 * HOUR,
    heardMs: NOW - 0.5 * HOUR,
    endMs: 0,
    state: SPAN_OPEN,
    unsure: false,
    clockDoubt: false,
    bits: 128,
    ...more,
  };
}
const ended = (subscriber: string, from: number, to: number, more: Partial<LeaseSpan> = {}) =>
  span(subscriber, from, { state: SPAN_ENDED, heardMs: NOW - to * HOUR, endMs: NOW - to * HOUR, ...more });

const ask = (
  hoursAgo: number,
  spans: readonly LeaseSpan[],
  more: Partial<MatchQuestion> = {},
  rules: Partial<MatchRules> = {},
) =>
  matchLease(
    {
      fromMs: NOW - hoursAgo * HOUR,
      toMs: NOW - hoursAgo * HOUR + 999,
      hasPort: true,
      spans,
      everLeased: spans.length > 0,
      range: undefined,
      ...more,
    },
    { ...RULES, ...rules },
  );

test('the lease of that time, and no other', () => {
  const spans = [ended('A', 20, 10), ended('B', 9, 5), span('C', 4)];
  expect(ask(15, spans)).toEqual({ subscriber: 'A' });
  expect(ask(7, spans)).toEqual({ subscriber: 'B' });
  expect(ask(3, spans)).toEqual({ subscriber: 'C' });
  expect(ask(0.01, spans)).toEqual({ subscriber: 'C' });
  expect(ask(9.5, spans)).toBe('nobody');
  expect(ask(30, spans)).toBe('nobody');
});

test('two who claim the address, or one that nobody knows, are nobody', () => {
  expect(ask(7, [ended('A', 20, 5), ended('B', 8, 6)])).toBe('contested');
  expect(ask(7, [ended('A', 20, 5), ended('', 8, 6)])).toBe('contested');
  expect(ask(7, [ended('', 20, 5)])).toBe('contested');
  // One subscriber's two sessions.
  expect(ask(7, [ended('A', 20, 5), ended('A', 8, 6)])).toEqual({ subscriber: 'A' });
});

test('close to a change of the lease the clocks decide nothing', () => {
  const spans = [ended('A', 20, 10), span('B', 10)];
  const minute = 1 / 60;
  expect(ask(10 + minute / 2, spans)).toBe('contested');
  expect(ask(10 - minute / 2, spans)).toBe('contested');
  expect(ask(10 + 2 * minute, spans)).toEqual({ subscriber: 'A' });
  expect(ask(10 - 2 * minute, spans)).toEqual({ subscriber: 'B' });
  expect(ask(20 - minute / 2, [ended('A', 20, 10)])).toBe('near-a-change');
  expect(ask(10 + minute / 2, [ended('A', 20, 10)])).toBe('near-a-change');
  expect(ask(20 - minute / 2, [ended('A', 20, 10)], {}, { marginMs: 0 })).toEqual({ subscriber: 'A' });
  // The same subscriber again, at once: no gap. After a pause: a gap in which another one may have been.
  expect(ask(10, [ended('A', 20, 10), span('A', 10)])).toEqual({ subscriber: 'A' });
  expect(ask(10 + minute / 4, [ended('A', 20, 10 + minute / 2), span('A', 10)])).toBe('near-a-change');
});

test('a lease that fell silent is believed to the last message, and stands in the way of others longer', () => {
  const silent = span('A', 20, { heardMs: NOW - 10 * HOUR });
  expect(ask(11, [silent])).toEqual({ subscriber: 'A' });
  expect(ask(9, [silent])).toBe('unconfirmed');
  expect(ask(7, [silent])).toBe('nobody');
  expect(ask(9, [silent, span('B', 9.5)])).toBe('contested');
  // Doubted: its session has to say so again.
  expect(ask(0.1, [span('A', 20, { unsure: true })])).toBe('unconfirmed');
  // In force when the server went down: it may have ended unheard.
  expect(ask(0.3, [span('A', 20)], {}, { watchedSinceMs: NOW - 0.2 * HOUR })).toBe('unconfirmed');
});

test('a message that comes late tells of then, not of now', () => {
  const late = span('A', 20, { lastMs: NOW - 10 * HOUR, heardMs: NOW });
  expect(ask(11, [late])).toEqual({ subscriber: 'A' });
  expect(ask(9, [late])).toBe('unconfirmed');
  expect(ask(9, [late, span('B', 9.5)])).toBe('contested');
});

test('a shared address needs the port', () => {
  const block = ended('A', 20, 5, { bits: 138 });
  expect(ask(7, [block])).toEqual({ subscriber: 'A' });
  expect(ask(7, [block], { hasPort: false })).toBe('port-missing');
  expect(ask(7, [block, ended('B', 20, 5)])).toBe('contested');
});

test('times that cannot be placed', () => {
  const spans = [span('A', 200, { heardMs: NOW })];
  expect(ask(-0.5, spans)).toBe('time-ahead');
  expect(ask(169, spans)).toBe('too-old');
  expect(ask(7, spans, {}, { inDoubt: true })).toBe('clock-unsure');
  expect(ask(7, [ended('A', 20, 5, { clockDoubt: true })])).toBe('clock-unsure');
});

test('static ranges: the more exact one counts, and a lease that has ended hides the range', () => {
  const range = { subscriber: 'R', bits: 120, sinceMs: NOW - 100 * HOUR };
  expect(ask(7, [], { range })).toEqual({ subscriber: 'R' });
  expect(ask(7, [ended('A', 20, 5)], { range })).toEqual({ subscriber: 'A' });
  expect(ask(7, [ended('A', 20, 5, { bits: 112 })], { range })).toEqual({ subscriber: 'R' });
  expect(ask(30, [ended('A', 20, 5)], { range })).toBe('nobody');
  expect(ask(7, [], { range: { ...range, sinceMs: NOW - 6 * HOUR } })).toBe('ranges-changed');
  expect(ask(7, [], { range: { ...range, subscriber: '@home' } })).toBe('group');
  expect(ask(7, [], { range: { ...range, subscriber: '' } })).toBe('contested');
  expect(ask(7, [], { range: { ...range, bits: 140 }, hasPort: false })).toBe('port-missing');
});
