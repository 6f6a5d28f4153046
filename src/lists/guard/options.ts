/** Bounds of the guard, per list in the configuration under `guard`. */
import { z } from 'zod';
import { NameError, textToName } from '../../wire/name.ts';

const percent = (most: number) => z.number().min(0).max(most);

export const guardSchema = z.strictObject({
  'max-shrink': percent(100).default(30).describe('Percent of its names that a list may lose in one update.'),
  'max-growth': percent(100_000).default(30).describe('Percent of its names that a list may gain in one update.'),
  slack: z
    .int()
    .min(0)
    .max(10_000_000)
    .default(500)
    .describe('Changes of up to this many names are never too large: small lists change by large percentages.'),
  'min-overlap': percent(100)
    .default(50)
    .describe('Percent of the names in force that the new version must still hold.'),
  'max-bad-lines': percent(100)
    .default(50)
    .describe('Percent of lines that may be nonsense before the file is taken for something other than a list.'),
  'popular-names': z
    .enum(['refuse', 'allow'])
    .default('refuse')
    .describe('What to do with a version that lists a popular name, or everything below one of its parents.'),
  'public-suffixes': z
    .enum(['refuse', 'allow'])
    .default('refuse')
    .describe('What to do with a version that lists a public suffix such as `co.jp`.'),
  'private-suffixes': z
    .boolean()
    .default(true)
    .describe(
      'Count suffixes under which companies give names away (`github.io`) as public suffixes too, where a rule covers what is below.',
    ),
  'allow-names': z
    .array(z.string().refine(isName, 'must be a domain name'))
    .max(10_000)
    .default([])
    .describe(
      'Names that this list may hold although they are popular or public suffixes: somebody has looked at them.',
    ),
});

export type GuardOptions = z.output<typeof guardSchema>;

function isName(text: string): boolean {
  try {
    textToName(text);
    return true;
  } catch (error) {
    if (error instanceof NameError) return false;
    throw error;
  }
}
