/**
 * CSV (RFC 4180): fields may stand in quotes, a quote inside is doubled, and a quoted field may go over several lines.
 * Rows that begin with `#` are comments. Fields other than the three of the configuration are walked over.
 */
import { listField, rowFilter } from './columns.ts';
import type { Columns } from './columns-schema.ts';
import type { FormatContext, LineFormat } from './format.ts';
import { safeText } from './rejects.ts';

const QUOTE = 0x22;
const HASH = 0x23;
const MAX_RECORD_BYTES = 65_536;
const MAX_COLUMNS = 1000;
const COLUMNS_SHOWN = 20;

export function csvFormat(context: FormatContext, columns: Columns): LineFormat {
  const { rejects, counts } = context;
  const filter = rowFilter(columns);
  const separator = columns.separator.charCodeAt(0);
  const fields = new Fields();
  /** A row whose quotes are still open. */
  const record = new Uint8Array(MAX_RECORD_BYTES);
  let recordLength = 0;
  let recordLine = 0;
  let nameAt = columns.header ? -1 : Number(columns.name) - 1;
  let scoreAt = columns.header || columns.score === undefined ? -1 : Number(columns.score) - 1;
  let categoryAt = columns.header || columns.category === undefined ? -1 : Number(columns.category) - 1;
  let headerSeen = !columns.header;
  let refused: { reason: 'no-header'; message: string } | undefined;

  function header(bytes: Uint8Array): void {
    headerSeen = true;
    const found = Array.from({ length: fields.count }, (_, i) => fields.text(bytes, i).trim().toLowerCase());
    const find = (column: string | undefined): number =>
      column === undefined ? -1 : found.indexOf(column.toLowerCase());
    nameAt = find(columns.name);
    scoreAt = find(columns.score);
    categoryAt = find(columns.category);
    const missing = [
      nameAt < 0 ? columns.name : undefined,
      filter.needsScore && scoreAt < 0 ? columns.score : undefined,
      filter.needsCategory && categoryAt < 0 ? columns.category : undefined,
    ].filter((column) => column !== undefined);
    if (missing.length === 0) return;
    refused = {
      reason: 'no-header',
      message: `the header row has no column ${missing.map((column) => `'${column}'`).join(', ')}; the columns there are: ${columnsText(found)}`,
    };
  }

  function row(bytes: Uint8Array, from: number, to: number, line: number): void {
    if (!headerSeen) {
      header(bytes);
      return;
    }
    if (nameAt >= fields.count) {
      rejects.reject(line, 1, 'missing-column', bytes, from, to);
      return;
    }
    if (filter.needsScore || filter.needsCategory) {
      const score = scoreAt >= 0 && scoreAt < fields.count ? fields.text(bytes, scoreAt) : undefined;
      const category = categoryAt >= 0 && categoryAt < fields.count ? fields.text(bytes, categoryAt) : undefined;
      const decision = filter.decide(score, category);
      if (decision === 'bad-score') rejects.reject(line, 1, 'bad-score', bytes, from, to);
      if (decision === 'leave') counts.filtered++;
      if (decision !== 'take') return;
    }
    // A doubled quote inside the name stays as it is: no name has one, so it is rejected either way.
    listField(context, bytes, fields.from[nameAt]!, fields.to[nameAt]!, line, from);
  }

  return {
    maxLineBytes: MAX_RECORD_BYTES - 1,
    get refused() {
      return refused;
    },
    line(bytes, from, to, line) {
      if (recordLength > 0) {
        if (recordLength + 1 + to - from > MAX_RECORD_BYTES) {
          rejects.reject(recordLine, 1, 'line-too-long', record, 0, recordLength);
          recordLength = 0;
          return;
        }
        record[recordLength++] = 10;
        record.set(bytes.subarray(from, to), recordLength);
        recordLength += to - from;
        // Only an odd number of quotes can close the field; so a record is walked through once, not once a line.
        if (!hasOddQuotes(bytes, from, to)) return;
        const outcome = fields.split(record, 0, recordLength, separator);
        const length = recordLength;
        recordLength = 0;
        if (outcome !== 'whole') rejects.reject(recordLine, 1, 'bad-quoting', record, 0, length);
        else row(record, 0, length, recordLine);
        return;
      }
      if (from === to || bytes[from] === HASH) return;
      const outcome = fields.split(bytes, from, to, separator);
      if (outcome === 'whole') {
        row(bytes, from, to, line);
      } else if (outcome === 'bad') {
        rejects.reject(line, 1, 'bad-quoting', bytes, from, to);
      } else {
        record.set(bytes.subarray(from, to), 0);
        recordLength = to - from;
        recordLine = line;
      }
    },
    lineLost() {
      recordLength = 0;
    },
    end() {
      if (recordLength > 0) rejects.reject(recordLine, 1, 'bad-quoting', record, 0, recordLength);
    },
  };
}

/** The first columns of a header, safe to show. */
function columnsText(found: readonly string[]): string {
  const more = found.length > COLUMNS_SHOWN ? ` and ${found.length - COLUMNS_SHOWN} more` : '';
  return `${found
    .slice(0, COLUMNS_SHOWN)
    .map((column) => `'${safeText(column)}'`)
    .join(', ')}${more}`;
}

function hasOddQuotes(bytes: Uint8Array, from: number, to: number): boolean {
  let odd = false;
  for (let i = from; i < to; i++) if (bytes[i] === QUOTE) odd = !odd;
  return odd;
}

/** Where the fields of one row stand, without their quotes. */
class Fields {
  readonly from = new Int32Array(MAX_COLUMNS);
  readonly to = new Int32Array(MAX_COLUMNS);
  count = 0;

  split(bytes: Uint8Array, from: number, to: number, separator: number): 'whole' | 'open' | 'bad' {
    this.count = 0;
    let at = from;
    for (;;) {
      if (this.count === MAX_COLUMNS) return 'bad';
      if (bytes[at] === QUOTE && at < to) {
        const begin = ++at;
        for (;;) {
          while (at < to && bytes[at] !== QUOTE) at++;
          if (at >= to) return 'open';
          if (bytes[at + 1] !== QUOTE || at + 1 >= to) break;
          at += 2;
        }
        this.from[this.count] = begin;
        this.to[this.count++] = at++;
        if (at < to && bytes[at] !== separator) return 'bad';
      } else {
        this.from[this.count] = at;
        while (at < to && bytes[at] !== separator) at++;
        this.to[this.count++] = at;
      }
      if (at >= to) return 'whole';
      at++;
    }
  }

  text(bytes: Uint8Array, index: number): string {
    const text = decoder.decode(bytes.subarray(this.from[index]!, this.to[index]!));
    return text.includes('"') ? text.replaceAll('""', '"') : text;
  }
}

const decoder = new TextDecoder();
