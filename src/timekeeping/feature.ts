/** The server's time as people see it, as a feature of the control plane. The clock itself runs before all features. */
import { declareFeature } from '../feature/feature.ts';

export const TIME = declareFeature({
  name: 'time',
  open: async (context) => (await import('./open.ts')).openTimekeeping(context),
});
