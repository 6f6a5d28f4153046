/** Filters for the operator’s routers (`sekisho export ip53b`), as a feature of the control plane. */
import { declareFeature } from '../feature/feature.ts';
import type { Ip53bSection } from './routes.ts';

export const ROUTER_FILTERS = declareFeature<Ip53bSection>({
  name: 'router-filters',
  sections: async () => (await import('./section.ts')).IP53B_SECTION,
  commands: { export: async () => (await import('./cli/export-command.ts')).exportCommand },
  open: async ({ config }) => {
    const { filterRoutes } = await import('./routes.ts');
    return { desk: undefined, routes: (app) => filterRoutes(app, config) };
  },
});
