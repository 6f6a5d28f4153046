/**
 * Rows and their cells out of the lines of an exported file: separated by commas, semicolons, tabs or bars, quoted or not,
 * with a row of column names or without, with comments. Quoting is csv-parse's; what this file adds is that nothing is lost:
 * what is not a row comes out as one that cannot be read, with all its text, and whoever it speaks of is not inspected.
 */
import { parse } from 'csv-parse/sync';
import { cellText, plainText } from './exported-cell.ts';
import { type ExportedLine, readingsOf } from './exported-text.ts';

/** None of them is part of an address or of a subscriber number. */
const SEPARATORS = [',', ';', '\t', '|'];
const SEPARATOR = /[,;\t|]/;
/** Lines that one quoted field may span before its quote is taken for a stray one. */
const MAX_SPAN = 50;

export interface ExportedRow {
  /** The line on which it begins, from 1. */
  readonly line: number;
  /** Every way to read its lines, before anything was taken off. */
  readonly texts: readonly string[];
  /** Its cells, by way to read it; where it has none, `fault` says why. */
  readonly readings: readonly (readonly string[])[];
  readonly fault?: 'longer than a row can be' | 'a quote that does not end on its line';
  /** A further piece of a row that was reported. */
  readonly more?: boolean;
}

export class ExportedRows {
  /** Lines since a quote that has not ended. */
  #open: ExportedLine[] = [];
  #quotes = 0;
  #tooLong = 0;

  /** True where the next line begins a row. */
  get atStart(): boolean {
    return this.#open.length === 0;
  }

  /** The row that the line ends, undefined where it ends none: it is empty or a comment, or a quote is open. */
  take(line: ExportedLine): ExportedRow | undefined {
    if (line.piece) {
      const more = this.#tooLong === line.number;
      this.#tooLong = line.number;
      const texts = [...this.#close(), ...readingsOf(line)];
      return { line: line.number, texts, readings: [], fault: 'longer than a row can be', more };
    }
    if (this.atStart && isEmptyOrComment(line)) return undefined;
    this.#open.push(line);
    this.#quotes += quotesIn(plainText(readingsOf(line)[0]!));
    if (this.#quotes % 2 === 0) return this.#finish();
    return this.#open.length < MAX_SPAN ? undefined : this.#unreadable();
  }

  /** What is open at the end of the file. */
  finish(): ExportedRow | undefined {
    return this.atStart ? undefined : this.#unreadable();
  }

  #finish(): ExportedRow | undefined {
    // A field over several lines holds a person's words, and lines in it that look like rows are none.
    if (this.#open.length > 1) return this.#unreadable();
    const [first] = this.#open;
    const line = first!.number;
    const texts = this.#close();
    const readings = texts.map(cellsOf).filter((cells) => cells !== undefined);
    if (readings.length === 0) return { line, texts, readings, fault: 'a quote that does not end on its line' };
    if (readings.every((cells) => cells.every((cell) => cell === ''))) return undefined;
    // A comment that a spreadsheet has put in quotes.
    if (readings.every(([first = '']) => first.startsWith('#'))) return undefined;
    return { line, texts, readings };
  }

  #unreadable(): ExportedRow {
    const line = this.#open[0]!.number;
    return { line, texts: this.#close(), readings: [], fault: 'a quote that does not end on its line' };
  }

  #close(): string[] {
    const texts = this.#open.flatMap(readingsOf);
    this.#open = [];
    this.#quotes = 0;
    return texts;
  }
}

/** Excel's `sep=;` is one too. */
function isEmptyOrComment(line: ExportedLine): boolean {
  const texts = readingsOf(line).map((text) => plainText(text).trim());
  return texts.every((text) => text === '' || text.startsWith('#') || /^sep=.?$/i.test(text));
}

/** The cells of a line, empty ones after the second left out at its end; undefined where its quotes make no sense. */
function cellsOf(line: string): string[] | undefined {
  const text = plainText(line);
  const cells = text.includes('"') ? quotedCells(text) : text.split(SEPARATOR);
  const cleaned = cells?.map(cellText);
  while (cleaned && cleaned.length > 2 && cleaned.at(-1) === '') cleaned.pop();
  return cleaned;
}

function quotedCells(text: string): string[] | undefined {
  try {
    // Quotes inside a field that does not begin with one: ="192.0.2.1".
    const rows = parse(text, { delimiter: SEPARATORS, relax_quotes: true, relax_column_count: true, trim: true });
    return rows.length === 1 ? rows[0] : undefined;
  } catch {
    return undefined;
  }
}

function quotesIn(text: string): number {
  let count = 0;
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) count++;
  return count;
}
