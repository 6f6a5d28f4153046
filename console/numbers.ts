/** Numbers and times as people read them, with the zone that they are told in. */
import { keep, language, remembered } from './language.ts';

const KEPT = 'sekisho-zone';
let utc = remembered(KEPT) === 'utc';

export function zoneIsUtc(): boolean {
  return utc;
}

export function chooseZone(toUtc: boolean): void {
  utc = toUtc;
  keep(KEPT, toUtc ? 'utc' : 'local');
}

function zone(): string {
  return utc ? 'UTC' : Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
}

/** `JST (UTC+09:00)`, at an instant. */
export function zoneText(at: Date = new Date()): string {
  if (utc) return 'UTC';
  const minutes = -at.getTimezoneOffset();
  const sign = minutes < 0 ? '−' : '+';
  const two = (value: number) => String(Math.floor(Math.abs(value))).padStart(2, '0');
  const offset = `UTC${sign}${two(minutes / 60)}:${two(minutes % 60)}`;
  return zone() === 'UTC' ? 'UTC' : `${zone()} (${offset})`;
}

/** `2026-11-28 14:05:09`: the same in both languages, so that it can be read out over the telephone. */
export function timeText(at: string | number | Date, { seconds = true, date = true } = {}): string {
  const instant = new Date(at);
  if (Number.isNaN(instant.getTime())) return String(at);
  const parts = Object.fromEntries(
    new Intl.DateTimeFormat('en-CA', {
      timeZone: zone(),
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    })
      .formatToParts(instant)
      .map(({ type, value }) => [type, value]),
  );
  const clock = `${parts['hour']}:${parts['minute']}${seconds ? `:${parts['second']}` : ''}`;
  return date ? `${parts['year']}-${parts['month']}-${parts['day']} ${clock}` : clock;
}

export function countText(value: number): string {
  return new Intl.NumberFormat(language(), { maximumFractionDigits: 0 }).format(value);
}

/** Queries a second: 12.3, 412, 18,400, 1.2 M. */
export function rateText(value: number): string {
  if (value >= 1e6) return `${decimal(value / 1e6, 2)} M`;
  return value < 100 && value !== 0 ? decimal(value, value < 10 ? 1 : 0) : countText(value);
}

export function shareText(share: number): string {
  const percent = share * 100;
  return `${decimal(percent, percent !== 0 && percent < 10 ? 1 : 0)} %`;
}

export function msText(ms: number): string {
  return `${ms < 10 ? decimal(ms, ms < 1 ? 2 : 1) : countText(ms)} ms`;
}

export function bytesText(bytes: number): string {
  for (const [unit, size] of [
    ['GiB', 2 ** 30],
    ['MiB', 2 ** 20],
    ['KiB', 2 ** 10],
  ] as const)
    if (bytes >= size) return `${decimal(bytes / size, bytes / size < 10 ? 1 : 0)} ${unit}`;
  return `${bytes} B`;
}

/** `2 h 05 min`, `4 min 09 s`, `12 d 3 h`. */
export function spanText(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [d, h, m, s] = [
    Math.floor(whole / 86_400),
    Math.floor(whole / 3600) % 24,
    Math.floor(whole / 60) % 60,
    whole % 60,
  ];
  const ja = language() === 'ja';
  const [D, H, M, S] = ja ? ['日', '時間', '分', '秒'] : [' d', ' h', ' min', ' s'];
  const gap = ja ? '' : ' ';
  if (d > 0) return h > 0 ? `${d}${D}${gap}${h}${H}` : `${d}${D}`;
  if (h > 0) return `${h}${H}${gap}${String(m).padStart(2, '0')}${M}`;
  if (m > 0) return `${m}${M}${gap}${String(s).padStart(2, '0')}${S}`;
  return `${s}${S}`;
}

function decimal(value: number, digits: number): string {
  return new Intl.NumberFormat(language(), { minimumFractionDigits: 0, maximumFractionDigits: digits }).format(value);
}
