/** Who asks in the tests of this folder, by which way, and what a look at them may show. */
import { ensurePackages } from '../support/debian.ts';
import { askTcp, askUdp } from '../support/dns-client.ts';
import { enterOwnNetwork } from '../support/own-network.ts';

// What has to be fetched comes first: the test's own network has no way out.
const missing = ensurePackages(['nsd', 'faketime', 'ip']);
const ipv6Possible = enterOwnNetwork();
/** Why the tests of this folder cannot run at all; empty where they can. */
export const cannotRun = missing.has('nsd') ? 'nsd is not installed' : '';

/** Where somebody's questions come from. */
export interface Home {
  readonly ipv4: string;
  readonly ipv6: string;
}

/** The addresses of home `n`, 1–250. Each /56 of IPv6 and each IPv4 address is one home's. */
export function home(n: number): Home {
  return { ipv4: `127.70.0.${n}`, ipv6: `2001:db8:70:${(n << 8).toString(16)}::1` };
}

export interface Transport {
  readonly name: string;
  readonly family: 4 | 6;
  readonly ask: typeof askUdp;
}

/** All ways to ask. Without a network of its own (no root), IPv6 is left out, loudly. */
export const TRANSPORTS: readonly Transport[] = [
  { name: 'UDP and IPv4', family: 4, ask: askUdp },
  { name: 'TCP and IPv4', family: 4, ask: askTcp },
  ...(ipv6Possible
    ? [
        { name: 'UDP and IPv6', family: 6, ask: askUdp } as const,
        { name: 'TCP and IPv6', family: 6, ask: askTcp } as const,
      ]
    : []),
];
if (!ipv6Possible) console.warn('transports over IPv6 are left out: no network namespace without root');

/** What became of a few queries for listed names. */
export interface Look {
  /** `blocked`, `served`, or what else came; of several different ones all. */
  readonly answers: string;
  /** How many of them were looked up in lists. */
  readonly lookedUp: 'all' | 'none' | number;
}
export const INSPECTED: Look = { answers: 'blocked', lookedUp: 'all' };
export const NOT_INSPECTED: Look = { answers: 'served', lookedUp: 'none' };
