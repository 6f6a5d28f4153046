/** The server's time as people see it, as a feature of the control plane. The clock itself runs before all features. */
import { declareFeature } from '../feature/feature.ts';

export const TIME = declareFeature({
  name: 'time',
  commands: { time: async () => (await import('./cli/time-command.ts')).timeCommand },
  open: async (context) => (await import('./open.ts')).openTimekeeping(context),
});
