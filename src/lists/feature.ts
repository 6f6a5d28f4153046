/** Reputation lists and policy zones, as a feature of the control plane. */
import { declareFeature } from '../feature/feature.ts';
import { LIST_ERRORS } from './errors.ts';
import { type CompiledLists, ListsInForce } from './in-force.ts';
import { type ListSections, listFacts } from './list-config.ts';
import type { LentLists } from './open.ts';

export const LISTS = declareFeature<ListSections, LentLists, ListsInForce>({
  name: 'lists',
  errors: LIST_ERRORS,
  sections: async () => (await import('./section/sections.ts')).LIST_SECTIONS,
  commands: { lists: async () => (await import('./cli/lists-command.ts')).listsCommand },
  open: async (context) => (await import('./open.ts')).openLists(context),
  data: ({ config }) => {
    const lists = new ListsInForce(config.lists.map(listFacts));
    return { data: lists, take: (compiled) => lists.take(compiled as CompiledLists) };
  },
});
