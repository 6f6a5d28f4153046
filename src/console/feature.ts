/** The web console of the admin listener, as a feature of the control plane. */
import { declareFeature } from '../feature/feature.ts';
import { CONSOLE_ERRORS } from './errors.ts';
import type { ConsoleSection } from './section.ts';

export const CONSOLE = declareFeature<ConsoleSection>({
  name: 'console',
  sections: async () => (await import('./section.ts')).CONSOLE_SECTION,
  errors: CONSOLE_ERRORS,
  open: async (context) => (await import('./open.ts')).openConsole(context),
});
