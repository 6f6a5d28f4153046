/** The main thread's half of DNSSEC validation. */
import type { FeatureContext, Opened } from '../feature/feature.ts';
import type { DnssecSection } from './dnssec-config.ts';

export interface LentTrust {
  readonly validate: boolean;
}

export function openDnssec({ config }: FeatureContext<DnssecSection>): Opened<LentTrust> {
  return { desk: { validate: config.dnssec.validate } };
}
