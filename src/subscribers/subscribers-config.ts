/** `subscribers` as configured, every value checked. Plain data. Made by config/subscribers-section.ts. */
import type { Endpoint } from '../address/address.ts';
import type { Terms } from './consent/consent.ts';
import type { ContractGroup } from './consent/register.ts';

export interface RadiusConfig {
  readonly listen: Endpoint;
  /** Absolute. What is in it stays out of the configuration, and so out of every worker and log. */
  readonly secretFile: string;
  /** Networks in CIDR notation. */
  readonly clients: readonly string[];
  readonly subscriber: 'user-name' | 'calling-station-id' | 'chargeable-user-identity' | 'class';
  /** Bits of the shortest IPv6 prefix that is taken. IPv4 comes as single addresses. */
  readonly shortestIpv6: number;
}

/** What leases over the API may do (`POST /v1/leases`, role provisioning). */
export interface ProvisioningConfig {
  /** Networks in CIDR notation; absent: those of server.access. */
  readonly prefixes?: readonly string[];
  readonly shortestIpv4: number;
  readonly shortestIpv6: number;
  /** The portal recognises a subscriber by such a lease. */
  readonly portal: boolean;
}

export interface SubscribersConfig {
  /** Absolute. */
  readonly rangesFile?: string;
  readonly terms: Terms;
  readonly groups: readonly ContractGroup[];
  /** By listening address. */
  readonly unfiltered: readonly boolean[];
  readonly leaseMs: number;
  /** Leases from before a restart are believed so long after the last that was heard. */
  readonly leaseAfterRestartMs: number;
  readonly radius?: RadiusConfig;
  readonly provisioning: ProvisioningConfig;
}
