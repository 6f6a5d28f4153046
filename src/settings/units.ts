/**
 * Values with a unit: durations (`500ms`, `10s`, `10m`, `2h`, `1d`, `1w`) and sizes (`64KiB`, `256MiB`, `2GiB`), as Zod
 * schemas with bounds. A bare number is an error, because nobody can see whether it means seconds or milliseconds; 0
 * needs no unit.
 */
import { z } from 'zod';

/** Longest first, so that a value is written back in the largest unit that holds it exactly. */
const DURATION_UNITS = [
  ['w', 7 * 86_400_000],
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
] as const;

const SIZE_UNITS = [
  ['TiB', 2 ** 40],
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
  ['B', 1],
] as const;

export interface Bounds {
  /** Smallest and largest value that are taken, in the same notation as the value itself. */
  readonly min?: string;
  readonly max?: string;
}

/** A duration, yielded as whole milliseconds. */
export function durationMs(bounds: Bounds = {}) {
  return quantity('duration', 'duration', '10s', bounds, parseDurationMs, durationText);
}

/** A duration, yielded as whole seconds; for what DNS counts in seconds. */
export function durationSeconds(bounds: Bounds = {}) {
  return quantity('duration', 'duration of whole seconds', '10s', bounds, parseDurationMs, durationText).transform(
    (ms, context) => {
      if (ms % 1000 === 0) return ms / 1000;
      context.addIssue({ code: 'custom', message: `must be whole seconds, found ${durationText(ms)}` });
      return z.NEVER;
    },
  );
}

/** A size in memory, yielded as bytes. */
export function sizeBytes(bounds: Bounds = {}) {
  return quantity('size', 'size', '256MiB', bounds, parseSizeBytes, sizeText);
}

/** `10s` → 10 000; undefined where the text is no duration. */
export function parseDurationMs(text: string): number | undefined {
  return parseQuantity(text, DURATION_UNITS);
}

/** 10 000 → `10s`. `ms` is a whole number. */
export function durationText(ms: number): string {
  return quantityText(ms, DURATION_UNITS);
}

/** `1KiB` → 1024; undefined where the text is no size. */
export function parseSizeBytes(text: string): number | undefined {
  return parseQuantity(text, SIZE_UNITS);
}

/** 1024 → `1KiB`. `bytes` is a whole number. */
export function sizeText(bytes: number): string {
  return quantityText(bytes, SIZE_UNITS);
}

type Units = readonly (readonly [unit: string, factor: number])[];

/** The schema; its input is unknown so that every wrong type gets one clear message instead of a union's. */
function quantity(
  noun: string,
  typeText: string,
  example: string,
  bounds: Bounds,
  parse: (text: string) => number | undefined,
  write: (value: number) => string,
) {
  const min = bounds.min === undefined ? 0 : known(bounds.min, parse);
  const max = bounds.max === undefined ? Number.MAX_SAFE_INTEGER : known(bounds.max, parse);
  return z
    .unknown()
    .transform((value, context): number => {
      const parsed = value === 0 ? 0 : typeof value === 'string' ? parse(value) : undefined;
      const message =
        parsed === undefined
          ? `expected a ${noun} such as ${example}, found ${found(value)}`
          : parsed < min
            ? `must be at least ${write(min)}, found ${write(parsed)}`
            : parsed > max
              ? `must be at most ${write(max)}, found ${write(parsed)}`
              : undefined;
      if (parsed !== undefined && message === undefined) return parsed;
      context.addIssue({ code: 'custom', message: message ?? '', input: value });
      return z.NEVER;
    })
    .meta({ typeText: rangeText(typeText, bounds) });
}

function rangeText(noun: string, { min, max }: Bounds): string {
  if (min !== undefined && max !== undefined) return `${noun}, ${min}–${max}`;
  if (min !== undefined) return `${noun}, ≥ ${min}`;
  return max === undefined ? noun : `${noun}, ≤ ${max}`;
}

function found(value: unknown): string {
  if (typeof value === 'number') return `${value} without a unit`;
  return value === undefined ? 'nothing' : (JSON.stringify(value) ?? String(value)).slice(0, 60);
}

function known(text: string, parse: (text: string) => number | undefined): number {
  const value = text === '0' ? 0 : parse(text);
  if (value === undefined) throw new TypeError(`bound '${text}' cannot be read`);
  return value;
}

function parseQuantity(text: string, units: Units): number | undefined {
  const match = /^(\d{1,15})\s?([A-Za-z]+)$/.exec(text.trim());
  const factor = units.find(([unit]) => unit === match?.[2])?.[1];
  if (!match || factor === undefined) return text.trim() === '0' ? 0 : undefined;
  const value = Number(match[1]) * factor;
  return Number.isSafeInteger(value) ? value : undefined;
}

function quantityText(value: number, units: Units): string {
  if (value === 0) return '0';
  const [unit, factor] = units.find(([, each]) => value % each === 0) ?? ['', 1];
  return `${value / factor}${unit}`;
}
