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
}

export interface SubscribersConfig {
  /** Absolute. */
  readonly rangesFile?: string;
  /** Rows that name an address and cannot be read: no start (default), or nobody behind the address. */
  readonly unreadableRows?: 'refuse' | 'hide';
  readonly terms: Terms;
  readonly groups: readonly ContractGroup[];
  /** By listening address. */
  readonly unfiltered: readonly boolean[];
  readonly leaseMs: number;
  /** Leases from before a restart are believed so long after the last that was heard. */
  readonly leaseAfterRestartMs: number;
  readonly radius?: RadiusConfig;
}
