/** DNSSEC validation, as a feature of the control plane. */
import { declareFeature } from '../feature/feature.ts';
import type { DnssecSection } from './dnssec-config.ts';
import { DNSSEC_ERRORS } from './errors.ts';
import type { LentTrust } from './open.ts';
import { type PublishedTrust, TrustInForce } from './trust-in-force.ts';

export const DNSSEC = declareFeature<DnssecSection, LentTrust, TrustInForce>({
  name: 'dnssec',
  errors: DNSSEC_ERRORS,
  commands: { dnssec: async () => (await import('./cli/dnssec-command.ts')).dnssecCommand },
  sections: async () => (await import('./section/sections.ts')).DNSSEC_SECTIONS,
  open: async (context) => (await import('./open.ts')).openDnssec(context),
  data: ({ config }) => {
    const trust = new TrustInForce(config.dnssec);
    return { data: trust, take: (published) => trust.take(published as PublishedTrust) };
  },
});
