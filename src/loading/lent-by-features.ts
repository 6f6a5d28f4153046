/** What the contract lends to plugins' hooks out of the features' halves in the same thread. */
import type { DataHalves } from '../feature/data-halves.ts';
import { LISTS } from '../lists/feature.ts';
import { RULES } from '../rules/feature.ts';
import { SUBSCRIBERS } from '../subscribers/feature.ts';
import type { MountParts } from './plugins.ts';

export function lentByFeatures(halves: DataHalves): Required<Pick<MountParts, 'lists' | 'subscribers' | 'measures'>> {
  return { lists: halves.of(LISTS), subscribers: halves.of(SUBSCRIBERS), measures: halves.of(RULES) };
}
