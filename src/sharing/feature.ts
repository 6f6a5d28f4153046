/** What is shared with other operators, as a feature of the control plane. */
import { declareFeature } from '../feature/feature.ts';
import { SHARING_ERRORS } from './errors.ts';
import type { SharingSections } from './open.ts';

export const SHARING = declareFeature<SharingSections>({
  name: 'sharing',
  errors: SHARING_ERRORS,
  commands: { share: async () => (await import('./cli/share-command.ts')).shareCommand },
  open: async (context) => (await import('./open.ts')).openSharing(context),
});
