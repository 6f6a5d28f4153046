/** `lists`, `transfer` and `popular-names` as the feature declares them. */
import type { Sections } from '../../feature/sections.ts';
import { listsSchema, popularNamesSchema, transferSchema } from './lists-section.ts';
import { loadLists } from './load-lists.ts';

export const LIST_SECTIONS: Sections = {
  schemas: {
    lists: listsSchema
      .optional()
      .describe(
        'Reputation lists and policy zones, at most 32; the order is that of precedence. Without this key: the samples of lists/, whose names nobody has.',
      ),
    transfer: transferSchema,
    'popular-names': popularNamesSchema,
  },
  async load(raw, { found, source }) {
    const { problems, dangers, ...values } = await loadLists(raw, found, source);
    return { values, problems, dangers };
  },
};
