/** One JSON object a line; its keys are the columns. Blank lines are skipped. */
import { listField, rowFilter } from './columns.ts';
import type { Columns } from './columns-schema.ts';
import type { FormatContext, LineFormat } from './format.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

export function jsonlFormat(context: FormatContext, columns: Columns): LineFormat {
  const { rejects, counts } = context;
  const filter = rowFilter(columns);
  /** A name is at most 1016 bytes of UTF-8; more is cut and then found too long. */
  const name = new Uint8Array(4096);
  return {
    maxLineBytes: 65_536,
    line(bytes, from, to, line) {
      while (from < to && bytes[from]! <= 0x20) from++;
      if (from === to) return;
      const row = parse(bytes, from, to);
      if (typeof row === 'string') {
        rejects.reject(line, 1, row, bytes, from, to);
        return;
      }
      const value = field(row, columns.name);
      if (typeof value !== 'string') {
        rejects.reject(line, 1, 'missing-column', bytes, from, to);
        return;
      }
      if (filter.needsScore || filter.needsCategory) {
        const decision = filter.decide(text(field(row, columns.score)), text(field(row, columns.category)));
        if (decision === 'bad-score') rejects.reject(line, 1, 'bad-score', bytes, from, to);
        if (decision === 'leave') counts.filtered++;
        if (decision !== 'take') return;
      }
      const { written } = encoder.encodeInto(value, name);
      listField(context, name, 0, written, line, 0);
    },
  };
}

function parse(bytes: Uint8Array, from: number, to: number): object | 'bad-json' | 'not-utf8' {
  let source: string;
  try {
    source = decoder.decode(bytes.subarray(from, to));
  } catch {
    return 'not-utf8';
  }
  try {
    const value: unknown = JSON.parse(source);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : 'bad-json';
  } catch {
    return 'bad-json';
  }
}

function field(row: object, key: string | undefined): unknown {
  return key !== undefined && Object.hasOwn(row, key) ? (row as Record<string, unknown>)[key] : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}
