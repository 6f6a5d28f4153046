/**
 * Numbers and tables for people.
 */
import { counted, grouped } from '../errors/counted.ts';
import { bold, printable, type Terminal } from './terminal.ts';

/** Columns as wide as their widest cell, two blanks between them; numbers to the right. The last column is not padded. */
export function table(
  heads: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  terminal: Terminal,
): string {
  const texts = rows.map((row) => row.map((cell) => (typeof cell === 'number' ? numberText(cell) : printable(cell))));
  const widths = heads.map((head, i) => Math.max(...[head, ...texts.map((row) => row[i] ?? '')].map(columns)));
  const right = heads.map((_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === 'number'));
  const padding = (cell: string, i: number) => ' '.repeat((widths[i] ?? 0) - columns(cell));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => (right[i] ? padding(cell, i) + cell : i === heads.length - 1 ? cell : cell + padding(cell, i)))
      .join('  ')
      .trimEnd();
  return `${[bold(line(heads), terminal), ...texts.map(line)].join('\n')}\n`;
}

/** Columns that a terminal takes for the text: Chinese, Japanese and Korean characters are two wide. */
function columns(text: string): number {
  return (
    text.length + (text.match(/[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60]/g)?.length ?? 0)
  );
}

/** 1234567 → `1 234 567`. */
export function numberText(value: number): string {
  return grouped(value);
}

/** 1 → `1 entry`. */
export function entriesText(count: number): string {
  return counted(count, 'entry', 'entries');
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
