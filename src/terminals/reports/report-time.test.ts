import { expect, test } from 'vitest';
import { isZone, readReportTime } from './report-time.ts';

const at = (iso: string, lengthMs = 1000) => ({ fromMs: Date.parse(iso), toMs: Date.parse(iso) + lengthMs - 1 });

test.each([
  ['2026-11-28T10:00:00Z', at('2026-11-28T10:00:00Z')],
  ['2026-11-28 19:00:00+09:00', at('2026-11-28T10:00:00Z')],
  ['2026-11-28 19:00:00 +0900', at('2026-11-28T10:00:00Z')],
  ['2026/11/28 19:00:00 JST', at('2026-11-28T10:00:00Z')],
  ['2026-11-28T10:00:00.250Z', at('2026-11-28T10:00:00.250Z', 1)],
  ['2026-11-28T10:00Z', at('2026-11-28T10:00:00Z', 60_000)],
  ['1795860000', at('2026-11-28T10:00:00Z')],
  ['1795860000123', at('2026-11-28T10:00:00.123Z', 1)],
  // A leap second (RFC 3339 §5.7).
  ['2016-12-31T23:59:60Z', at('2016-12-31T23:59:59Z')],
])('%s is one instant', (text, time) => {
  expect(readReportTime(text)).toEqual(time);
});

test.each([
  ['2026-11-28 10:00:00', 'time-without-zone'],
  ['2026-11-28', 'time-too-coarse'],
  ['11/12/2026 10:00:00', 'time-unreadable'],
  ['2026-02-30T10:00:00Z', 'time-unreadable'],
  ['2026-11-28T24:00:00Z', 'time-unreadable'],
  ['2026-11-28T10:61:00Z', 'time-unreadable'],
  // Eastern, Indian, China, Irish: abbreviations mean several zones.
  ['2026-11-28T10:00:00 EST', 'time-unreadable'],
  ['2026-11-28T10:00:00 IST', 'time-unreadable'],
  ['2026-11-28T10:00:00+25:00', 'time-unreadable'],
  ['yesterday', 'time-unreadable'],
  ['', 'time-unreadable'],
])('%s is refused: %s', (text, problem) => {
  expect(readReportTime(text)).toBe(problem);
});

test('a zone that is declared holds for times without one, and for no others', () => {
  expect(readReportTime('2026-11-28 19:00:00', 'Asia/Tokyo')).toEqual(at('2026-11-28T10:00:00Z'));
  expect(readReportTime('2026-11-28 19:00:00', '+09:00')).toEqual(at('2026-11-28T10:00:00Z'));
  expect(readReportTime('2026-11-28 19:00:00', 'UTC')).toEqual(at('2026-11-28T19:00:00Z'));
  expect(readReportTime('2026-11-28 19:00:00Z', 'Asia/Tokyo')).toEqual(at('2026-11-28T19:00:00Z'));
});

test('what clocks showed twice, or never, is nobody’s time', () => {
  // Europe/Berlin: 2026-10-25 03:00 CEST becomes 02:00 CET; 2026-03-29 02:00 CET becomes 03:00 CEST.
  expect(readReportTime('2026-10-25 02:30:00', 'Europe/Berlin')).toBe('time-ambiguous');
  expect(readReportTime('2026-10-25 01:59:59', 'Europe/Berlin')).toEqual(at('2026-10-24T23:59:59Z'));
  expect(readReportTime('2026-10-25 03:00:00', 'Europe/Berlin')).toEqual(at('2026-10-25T02:00:00Z'));
  expect(readReportTime('2026-03-29 02:30:00', 'Europe/Berlin')).toBe('time-nonexistent');
  expect(readReportTime('2026-03-29 03:00:00', 'Europe/Berlin')).toEqual(at('2026-03-29T01:00:00Z'));
  expect(readReportTime('2026-10-25 02:30:00 +01:00', 'Europe/Berlin')).toEqual(at('2026-10-25T01:30:00Z'));
});

test('zones are told from words', () => {
  for (const zone of ['UTC', 'Z', '+09:00', '-0330', 'Asia/Tokyo', 'America/New_York']) expect(isZone(zone)).toBe(true);
  for (const zone of ['EST', 'Mars/Olympus', 'Tokyo', '', '+99:00']) expect(isZone(zone)).toBe(false);
});
