/**
 * What CSV and JSON lines have in common: which columns hold name, score and category, and which rows count.
 */
import { z } from 'zod';
import type { FormatContext } from './format.ts';
import { isBlank, listName } from './format.ts';

const columnName = () => z.string().min(1).max(200);

/** Zod schema of the configuration under `lists[].columns` and beside it. */
export const columnsSchema = z
  .strictObject({
    name: columnName()
      .default('name')
      .describe('Column (CSV: of the header row, or a number from 1; JSON: key) with the name.'),
    score: columnName().optional().describe('Column with a score; needs `min-score`.'),
    category: columnName().optional().describe('Column with a category; needs `categories`.'),
    'min-score': z.number().optional().describe('Rows with a lower score are left out.'),
    categories: z
      .array(z.string().min(1).max(200))
      .min(1)
      .max(200)
      .optional()
      .describe('Rows of other categories are left out; compared without regard to case.'),
    header: z
      .boolean()
      .default(true)
      .describe('CSV: the first row names the columns. Without it, columns are numbers from 1.'),
    separator: z.enum([',', ';', '\t', '|']).default(',').describe('CSV: the character between fields.'),
  })
  .superRefine((value, problems) => {
    if (value['min-score'] !== undefined && value.score === undefined)
      problems.addIssue({ code: 'custom', path: ['score'], message: 'must be given with min-score' });
    if (value.categories !== undefined && value.category === undefined)
      problems.addIssue({ code: 'custom', path: ['category'], message: 'must be given with categories' });
    if (value.header) return;
    for (const key of ['name', 'score', 'category'] as const) {
      const column = value[key];
      if (column !== undefined && !/^[1-9]\d{0,2}$/.test(column))
        problems.addIssue({
          code: 'custom',
          path: [key],
          message: 'must be a number from 1 to 999 where there is no header',
        });
    }
  });

export type Columns = z.output<typeof columnsSchema>;

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
