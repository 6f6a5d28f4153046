/**
 * Numbers and tables for people.
 */
import { bold, type Terminal } from './terminal.ts';

/** Columns as wide as their widest cell, two blanks between them; numbers to the right. The last column is not padded. */
export function table(
  heads: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  terminal: Terminal,
): string {
  const texts = rows.map((row) => row.map((cell) => (typeof cell === 'number' ? numberText(cell) : cell)));
  const widths = heads.map((head, i) => Math.max(head.length, ...texts.map((row) => row[i]?.length ?? 0)));
  const right = heads.map((_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === 'number'));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) =>
        right[i] ? cell.padStart(widths[i] ?? 0) : i === heads.length - 1 ? cell : cell.padEnd(widths[i] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return `${[bold(line(heads), terminal), ...texts.map(line)].join('\n')}\n`;
}

/** 1234567 → `1 234 567`. */
export function numberText(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ' ');
}

/** A share of a whole, `–` of nothing. */
export function shareText(part: number, whole: number): string {
  return whole > 0 ? `${((100 * part) / whole).toFixed(1)} %` : '–';
}

/** The two largest units that are not 0: 93 784 → `1d 2h`. */
export function durationWords(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [
    [Math.floor(whole / 86_400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'm'],
    [whole % 60, 's'],
  ] as const;
  const first = parts.findIndex(([value]) => value > 0);
  if (first < 0) return '0s';
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value > 0)
    .map(([value, unit]) => `${value}${unit}`)
    .join(' ');
}

/** 268435456 → `256 MiB`. */
export function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number.isInteger(value) || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}
