/** Rules that end (`sekisho measures`), as a feature of the control plane. */
import { declareFeature } from '../feature/feature.ts';
import { MeasuresInForce, type PublishedMeasures } from './in-force.ts';
import type { LentMeasures, MeasuresSection } from './open.ts';

export const MEASURES = declareFeature<MeasuresSection, LentMeasures, MeasuresInForce>({
  name: 'measures',
  sections: async () => (await import('./section.ts')).MEASURES_SECTION,
  commands: { measures: async () => (await import('./cli/measures-command.ts')).measuresCommand },
  open: async (context) => (await import('./open.ts')).openMeasures(context),
  data: ({ workers, worker }) => {
    const measures = new MeasuresInForce(workers, worker < 0);
    return { data: measures, take: (published) => measures.take(published as PublishedMeasures) };
  },
});
