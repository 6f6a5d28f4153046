/**
 * When something was observed, as third parties write it. A time that could mean two instants means none: whoever held the
 * address at the other one would be told of a stranger's terminal.
 */

/** `UTC`, an offset such as `+09:00`, or a name of the IANA database such as `Asia/Tokyo`; for times that carry no zone. */
export type Zone = string;

/** The first and the last millisecond that a time may mean: one second of a report that knows seconds, a minute of one that does not. */
export interface ReportTime {
  readonly fromMs: number;
  readonly toMs: number;
}

export const TIME_PROBLEMS = [
  'time-unreadable',
  'time-without-zone',
  'time-too-coarse',
  'time-ambiguous',
  'time-nonexistent',
] as const;
export type TimeProblem = (typeof TIME_PROBLEMS)[number];

/** Year first: of `11/12/2026` nobody knows which is the month. */
const LOCAL =
  /^(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?:(?:[T ]|\s+)(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?\s*(.*)$/i;
const EPOCH_SECONDS = /^\d{9,10}(?:\.(\d{1,9}))?$/;
const EPOCH_MS = /^\d{12,13}$/;
/** Zones by a name that means one offset. Others (EST, IST, CST) mean several. */
const NAMED: Readonly<Record<string, number>> = { Z: 0, UTC: 0, GMT: 0, 'UTC+0': 0, JST: 540 };
const OFFSET = /^(?:UTC|GMT)?([+-])(\d{2}):?(\d{2})?$/;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** No zone is further from UTC. */
const MOST_MINUTES = 14 * 60;

/** `zone`: of a time that carries none. */
export function readReportTime(text: string, zone?: Zone): ReportTime | TimeProblem {
  const trimmed = text.trim();
  const seconds = EPOCH_SECONDS.exec(trimmed);
  if (seconds) return spanOf(Math.floor(Number(trimmed) * 1000), seconds[1] === undefined ? 1000 : 1);
  if (EPOCH_MS.test(trimmed)) return spanOf(Number(trimmed), 1);
  const read = LOCAL.exec(trimmed);
  if (!read) return 'time-unreadable';
  const [, year, , month, day, hour, minute, second, fraction, rest = ''] = read;
  if (hour === undefined) return rest === '' ? 'time-too-coarse' : 'time-unreadable';
  // A leap second has no millisecond of its own.
  const wholeSecond = Math.min(59, Number(second ?? 0));
  const ms = fraction === undefined ? 0 : Number(fraction.slice(0, 3).padEnd(3, '0'));
  const localMs = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), wholeSecond, ms);
  const back = new Date(localMs);
  // Date rolls 30 February, and 24 o'clock, over.
  const isReal =
    back.getUTCMonth() === Number(month) - 1 &&
    back.getUTCDate() === Number(day) &&
    back.getUTCHours() === Number(hour);
  if (!isReal || Number(minute) > 59 || Number(second ?? 0) > 60) return 'time-unreadable';
  const lengthMs = second === undefined ? MINUTE_MS : fraction === undefined ? 1000 : 1;
  const own = rest === '' ? zone : rest;
  if (own === undefined) return 'time-without-zone';
  const instants = instantsOf(localMs, own);
  if (instants === undefined) return rest === '' ? 'time-without-zone' : 'time-unreadable';
  if (instants.length === 0) return 'time-nonexistent';
  if (instants.length > 1) return 'time-ambiguous';
  return spanOf(instants[0]!, lengthMs);
}

/** Is it a zone that `readReportTime` takes? */
export function isZone(text: string): boolean {
  return instantsOf(0, text) !== undefined;
}

function spanOf(fromMs: number, lengthMs: number): ReportTime {
  return { fromMs, toMs: fromMs + lengthMs - 1 };
}

/** The instants at which clocks of the zone show that local time: none or two where they are set. Undefined: no such zone. */
function instantsOf(localMs: number, zone: Zone): number[] | undefined {
  const upper = zone.toUpperCase();
  const named = Object.hasOwn(NAMED, upper) ? NAMED[upper] : undefined;
  if (named !== undefined) return [localMs - named * MINUTE_MS];
  const offset = OFFSET.exec(upper);
  if (offset) {
    const minutes = Number(offset[2]) * 60 + Number(offset[3] ?? 0);
    if (minutes > MOST_MINUTES || Number(offset[3] ?? 0) > 59) return undefined;
    return [localMs - (offset[1] === '-' ? -minutes : minutes) * MINUTE_MS];
  }
  // An abbreviation may be known to the database, and mean another zone to whoever wrote it.
  if (!zone.includes('/')) return undefined;
  const format = formatOf(zone);
  if (!format) return undefined;
  const offsets = new Set([-DAY_MS, 0, DAY_MS].map((away) => offsetMs(format, localMs + away)));
  return [...offsets].map((of) => localMs - of).filter((at) => offsetMs(format, at) === localMs - at);
}

const formats = new Map<string, Intl.DateTimeFormat | undefined>();

function formatOf(zone: Zone): Intl.DateTimeFormat | undefined {
  if (formats.has(zone)) return formats.get(zone);
  let format: Intl.DateTimeFormat | undefined;
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      calendar: 'iso8601',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  } catch {
    format = undefined;
  }
  // Names come from configurations and command lines; a request could bring many.
  if (formats.size >= 64) formats.clear();
  formats.set(zone, format);
  return format;
}

/** What clocks of the zone are ahead of UTC by, at that instant. */
function offsetMs(format: Intl.DateTimeFormat, atMs: number): number {
  const parts = Object.fromEntries(format.formatToParts(atMs).map(({ type, value }) => [type, Number(value)]));
  const { year, month, day, hour, minute, second } = parts as Record<string, number>;
  const shownMs = Date.UTC(year!, month! - 1, day!, hour!, minute!, second!);
  return shownMs - Math.floor(atMs / 1000) * 1000;
}
