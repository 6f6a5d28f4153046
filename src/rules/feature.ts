/** Temporary rules (`sekisho rules`), as a feature of the control plane. */
import { declareFeature } from '../feature/feature.ts';
import { RULES_ERRORS } from './errors.ts';
import { MeasuresInForce, type PublishedMeasures } from './in-force.ts';
import type { LentRules, RulesSection } from './open.ts';

export const RULES = declareFeature<RulesSection, LentRules, MeasuresInForce>({
  name: 'rules',
  errors: RULES_ERRORS,
  deletions: ['measures.delete'],
  sections: async () => (await import('./section.ts')).MEASURES_SECTION,
  commands: {
    measures: async () => (await import('./cli/measures-command.ts')).measuresCommand,
    rules: async () => (await import('./cli/rules-command.ts')).rulesCommand,
  },
  open: async (context) => (await import('./open.ts')).openRules(context),
  data: ({ workers, worker }) => {
    const measures = new MeasuresInForce(workers, worker < 0);
    return { data: measures, take: (published) => measures.take(published as PublishedMeasures) };
  },
});
