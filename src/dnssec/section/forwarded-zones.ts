/** Zones that go another way and are validated nevertheless: worth a warning, because the public tree may deny them. */
import { isWithin } from '../../resolve/validate/canonical-name.ts';
import type { Finding } from '../../settings/finding.ts';
import type { DnssecConfig } from '../dnssec-config.ts';

/** A zone with servers of its own, and where it stands in the configuration. */
export interface ForwardedZone {
  readonly zone: string;
  readonly apex: Uint8Array;
  readonly index: number;
}

export function forwardedZoneFindings(
  { validate, insecure }: DnssecConfig,
  zones: readonly ForwardedZone[],
): readonly Finding[] {
  if (!validate) return [];
  return zones
    .filter(({ apex }) => !insecure.some((point) => isWithin(apex, point)))
    .map(({ zone, index }) => ({
      path: ['zones', index],
      message: `answers for '${zone}' are validated from the trust anchor down: where the public tree does not have this zone, they are refused as bogus. List a private zone in dnssec.insecure`,
    }));
}
