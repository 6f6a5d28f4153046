/** `--window 5m`: a span of time on the command line. */
import { usageError } from './errors.ts';

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds; `fallback` where the option was not given. */
export function spanSeconds(text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  const [, number, unit = 's'] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const seconds = Number(number) * (UNITS[unit] ?? 1);
  if (!(seconds >= 10 && seconds <= 35 * 86_400))
    throw usageError(`--window takes a time from 10s to 35d (30s, 5m, 1h, 7d), not '${text}'`);
  return seconds;
}

/**
 * What a command sends when it reads the history: checked here, so that the message names the option. `fallback`: seconds without one;
 * undefined: the server finds the window.
 */
export function readingRequest(reason: string | undefined, window: string | undefined, fallback: number | undefined) {
  if (reason !== undefined && reason.trim().length < 8)
    throw usageError('--reason takes a sentence: it is recorded in the audit log');
  const span =
    window === undefined && fallback === undefined ? {} : { windowSeconds: spanSeconds(window, fallback ?? 60) };
  return { ...(reason !== undefined && { reason }), ...span };
}
