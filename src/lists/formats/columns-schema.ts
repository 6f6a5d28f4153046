/**
 * How the configuration says which columns of CSV and JSON lines hold what. Apart from columns.ts, because the compiler
 * thread has no use for zod and would wait a tenth of a second for it.
 */
import { z } from 'zod';

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
