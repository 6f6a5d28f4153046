/**
 * The features of the control plane. To add one: its folder, and a line here (ARCHITECTURE.md, "Adding a feature").
 *
 * They are opened, and activated, in this order: each sees what those above it lend. Subscribers' terms come after what may fail
 * of the lists: those of a configuration that is not to serve must not be in force for a moment.
 */
import { AUDIT } from './audit-desk/feature.ts';
import { BACKUP } from './backup/feature.ts';
import { CERTIFICATES } from './certificates/feature.ts';
import { CONSOLE } from './console/feature.ts';
import { DNSSEC } from './dnssec/feature.ts';
import { type AnyFeature, type ConfigOf, refuseDoubles } from './feature/feature.ts';
import { FLEET } from './fleet/feature.ts';
import { LISTS } from './lists/feature.ts';
import { NOTICE } from './notice/feature.ts';
import { REPORT } from './report/feature.ts';
import { ROUTER_FILTERS } from './router-filters/feature.ts';
import { RULES } from './rules/feature.ts';
import { SHARING } from './sharing/feature.ts';
import { SUBSCRIBERS } from './subscribers/feature.ts';
import { TERMINALS } from './terminals/feature.ts';
import { TIME } from './timekeeping/feature.ts';

export const FEATURES = [
  TIME,
  AUDIT,
  CERTIFICATES,
  FLEET,
  RULES,
  LISTS,
  SUBSCRIBERS,
  TERMINALS,
  REPORT,
  NOTICE,
  ROUTER_FILTERS,
  DNSSEC,
  CONSOLE,
  SHARING,
  BACKUP,
] as const satisfies readonly AnyFeature[];

/** What the configuration holds for them, besides what every feature is told. */
export type FeatureConfig = ConfigOf<typeof FEATURES>;

/**
 * Those of another module's FEATURES (its URL); without one, these. Threads cannot be sent a feature, but told where it is. Throws
 * TypeError where two of them have the same name, command or error code.
 */
export async function featuresIn(list?: string): Promise<readonly AnyFeature[]> {
  const features =
    list === undefined ? FEATURES : ((await import(list)) as { readonly FEATURES: readonly AnyFeature[] }).FEATURES;
  refuseDoubles(features);
  return features;
}
