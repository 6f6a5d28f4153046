/**
 * What CSV and JSON lines have in common: which columns hold name, score and category, and which rows count.
 */
import type { Columns } from './columns-schema.ts';
import type { FormatContext } from './format.ts';
import { isBlank, listName } from './format.ts';

/** What the configuration's schema makes of nothing at all. */
export const DEFAULT_COLUMNS: Columns = { name: 'name', header: true, separator: ',' };

/** Text of a field; undefined where the row has none. */
export type FieldText = string | undefined;

/** Decides over rows by score and category. */
export function rowFilter(columns: Columns) {
  const minScore = columns['min-score'];
  const categories = columns.categories && new Set(columns.categories.map((text) => text.trim().toLowerCase()));
  return {
    needsScore: minScore !== undefined,
    needsCategory: categories !== undefined,
    /** `take`, `leave`, or `bad-score` where the score cannot be read. */
    decide(score: FieldText, category: FieldText): 'take' | 'leave' | 'bad-score' {
      if (categories !== undefined && !categories.has((category ?? '').trim().toLowerCase())) return 'leave';
      if (minScore === undefined) return 'take';
      const text = (score ?? '').trim();
      const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?%?$/i.test(text) ? Number.parseFloat(text) : Number.NaN;
      if (Number.isNaN(value)) return 'bad-score';
      return value >= minScore ? 'take' : 'leave';
    },
  };
}

/** Trim and list what stands in the name column. */
export function listField(
  context: FormatContext,
  bytes: Uint8Array,
  from: number,
  to: number,
  line: number,
  lineFrom: number,
): void {
  while (from < to && isBlank(bytes[from]!)) from++;
  while (to > from && isBlank(bytes[to - 1]!)) to--;
  listName(context, bytes, from, to, line, lineFrom);
}
