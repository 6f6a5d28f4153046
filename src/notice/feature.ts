/** The notice page and the opt-out portal, as a feature of the control plane. */
import type { Endpoint } from '../address/address.ts';
import { declareFeature } from '../feature/feature.ts';
import type { NoticeSections } from './open.ts';

export const NOTICE = declareFeature<NoticeSections, { readonly endpoints: readonly Endpoint[] }>({
  name: 'notice',
  open: async (context) => (await import('./open.ts')).openNotice(context),
});
