/**
 * Files of rows as spreadsheets and other systems write them, line by line: any of the line ends CR LF, LF and CR; UTF-8 with or
 * without a mark (BOM), UTF-16 (Excel's "Unicode text", PowerShell's `>`), Shift_JIS (CP932), EUC-JP, Windows-1252.
 *
 * What is looked for, addresses and numbers, is ASCII in all of them or a full-width form of it. So a line is taken as it
 * is, and only one with other bytes is decoded (`readingsOf`): each line for itself, because files are put together out of several.
 */
import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { TextDecoder } from 'node:util';
import { subscribersError } from '../errors.ts';

const CHUNK_BYTES = 1 << 16;
/** Longest line that is looked at as a whole; no row comes near. */
export const MAX_LINE = 4096;
/** Characters of a longer one that two of its pieces share, so that an address is whole in one of them. */
const OVERLAP = 128;

type Utf16 = 'utf-16le' | 'utf-16be';

export interface ExportedLine {
  /** From 1. */
  readonly number: number;
  /** A character of it is a byte of the file, or one of what it was decoded from. No line end. */
  readonly text: string;
  readonly decodedFrom: Utf16 | undefined;
  /** A piece of a line that is too long for a row; pieces overlap. */
  readonly piece: boolean;
}

/** Files that are no text at all, by how they begin, in latin1. */
const NO_TEXT: readonly [begin: string, what: string][] = [
  ['PK\x03\x04', 'a spreadsheet or an archive (xlsx, ods, zip)'],
  ['\xd0\xcf\x11\xe0', 'a spreadsheet (xls)'],
  ['\x1f\x8b', 'compressed (gzip)'],
  ['BZh', 'compressed (bzip2)'],
  ['\xfd7zXZ', 'compressed (xz)'],
  ['\x28\xb5\x2f\xfd', 'compressed (zstd)'],
  ['%PDF', 'a PDF'],
  ['SQLite format 3', 'a database (SQLite)'],
  ['\xff\xfe\0\0', 'text in UTF-32'],
  ['\0\0\xfe\xff', 'text in UTF-32'],
];

/** The lines, a chunk's at a time: between two the control plane gets its turn. Rejects where the file is no text or cannot be read. */
export async function* exportedLines(file: string): AsyncGenerator<ExportedLine[]> {
  let decoder: TextDecoder | undefined;
  let lines: Lines | undefined;
  for await (const chunk of createReadStream(file, { highWaterMark: CHUNK_BYTES }) as AsyncIterable<Buffer>) {
    if (lines === undefined) {
      const encoding = utf16Of(refuseWhatIsNoText(file, chunk));
      if (encoding !== undefined) decoder = new TextDecoder(encoding);
      lines = new Lines(encoding);
    }
    yield lines.take(decoder ? decoder.decode(chunk, { stream: true }) : chunk.toString('latin1'));
  }
  if (lines) yield lines.finish(decoder?.decode() ?? '');
}

/**
 * What a line says: itself, or, where it has more than ASCII, every way to read it. UTF-8 is certain where it fits; of the
 * others none is. A file that was begun in UTF-16 and added to in ASCII (PowerShell's `>` and `>>`), or the other way
 * round, has lines that make no sense in what it was decoded from.
 */
export function readingsOf({ text, decodedFrom }: Pick<ExportedLine, 'text' | 'decodedFrom'>): string[] {
  if (!/[^\x01-\x7f]/.test(text)) return [text];
  if (decodedFrom) return [text, bytesIn(text, decodedFrom).toString('latin1')];
  const bytes = Buffer.from(text, 'latin1');
  const decoders = isUtf8(bytes) ? [UTF8] : OTHER_ENCODINGS;
  const readings = decoders.map((decoder) => decoder.decode(bytes));
  if (text.includes('\0')) {
    // The second half of a line end stands at the beginning of the next line.
    const whole = bytes[0] === 0 ? [bytes, bytes.subarray(1)] : [bytes];
    for (const each of whole) readings.push(...UTF16.map((decoder) => decoder.decode(each)));
  }
  return [...new Set(readings)];
}

/** The bytes that a text was decoded from. */
function bytesIn(text: string, encoding: Utf16): Buffer {
  const bytes = Buffer.from(text, 'utf16le');
  return encoding === 'utf-16le' ? bytes : bytes.swap16();
}

const OTHER_ENCODINGS = ['shift_jis', 'euc-jp', 'windows-1252'].map((encoding) => new TextDecoder(encoding));
const UTF16 = ['utf-16le', 'utf-16be'].map((encoding) => new TextDecoder(encoding));
const UTF8 = new TextDecoder();

function refuseWhatIsNoText(file: string, begin: Buffer): Buffer {
  const text = begin.subarray(0, 16).toString('latin1');
  const found = NO_TEXT.find(([bytes]) => text.startsWith(bytes));
  if (found) throw subscribersError('SEKISHO_NO_TEXT', `${file} is ${found[1]}, not text: save it as CSV, UTF-8`);
  return begin;
}

/** UTF-16 by its mark, or by the zero beside each ASCII character. */
function utf16Of(begin: Buffer): Utf16 | undefined {
  const [a = 1, b = 1, c = 1, d = 1] = begin;
  if (a === 0xff && b === 0xfe) return 'utf-16le';
  if (a === 0xfe && b === 0xff) return 'utf-16be';
  if (a !== 0 && b === 0 && c !== 0 && d === 0) return 'utf-16le';
  if (a === 0 && b !== 0 && c === 0 && d !== 0) return 'utf-16be';
  return undefined;
}

class Lines {
  readonly #decodedFrom: Utf16 | undefined;
  #rest = '';
  #number = 1;
  /** What was handed out last belongs to a line that goes on. */
  #inPieces = false;

  constructor(decodedFrom: Utf16 | undefined) {
    this.#decodedFrom = decodedFrom;
  }

  take(chunk: string): ExportedLine[] {
    let text = this.#rest + chunk;
    // What follows decides whether it is half of CR LF.
    const half = text.endsWith('\r');
    if (half) text = text.slice(0, -1);
    if (text.includes('\r')) text = text.replaceAll('\r\n', '\n').replaceAll('\r', '\n');
    const texts = text.split('\n');
    const last = texts.pop() ?? '';
    const lines: ExportedLine[] = [];
    for (const each of texts) this.#add(each, lines);
    this.#rest = this.#withoutPieces(last, lines) + (half ? '\r' : '');
    return lines;
  }

  finish(chunk: string): ExportedLine[] {
    const lines = this.take(`${chunk}\n`);
    // A line end was added: where the last line had one of its own, an empty line came of it.
    return lines.at(-1)?.text === '' ? lines.slice(0, -1) : lines;
  }

  #add(text: string, lines: ExportedLine[]): void {
    const rest = this.#withoutPieces(text, lines);
    if (!this.#inPieces || rest.length > OVERLAP) lines.push(this.#line(rest, this.#inPieces));
    this.#inPieces = false;
    this.#number++;
  }

  /** Hands out what is too long in pieces; returns what is left of it. */
  #withoutPieces(text: string, lines: ExportedLine[]): string {
    let rest = text;
    while (rest.length > MAX_LINE) {
      this.#inPieces = true;
      lines.push(this.#line(rest.slice(0, MAX_LINE), true));
      rest = rest.slice(MAX_LINE - OVERLAP);
    }
    return rest;
  }

  #line(text: string, piece: boolean): ExportedLine {
    return { number: this.#number, text, decodedFrom: this.#decodedFrom, piece };
  }
}
