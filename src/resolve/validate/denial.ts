/**
 * What verified NSEC or NSEC3 records of one zone prove about a name. Both kinds answer the same questions:
 *
 *   about(name)     is there such a name, and which types does it have?
 *   nxdomain(name)  neither it nor a wildcard that would match it exists
 *   nodata(name)    it, or the wildcard that matches it, exists without the type
 *   unmatched(name) the name itself does not exist, so a wildcard may stand in for it (RFC 4035 §5.3.4)
 *   noDs(name)      a delegation without DS, or no delegation at all
 */
import type { Name } from './canonical-name.ts';

export interface Proof {
  readonly proven: boolean;
  /** By an opt-out span: there may be an unsigned delegation (RFC 5155 §9.2: no AD). */
  readonly optOut: boolean;
  /** RFC 9276 §3.2: too many iterations to be looked at; counts as insecure. */
  readonly tooManyIterations: boolean;
  /** The closest name that exists at or above, where the proof needed it. */
  readonly closestEncloser: Name | undefined;
}

export const UNPROVEN: Proof = { proven: false, optOut: false, tooManyIterations: false, closestEncloser: undefined };

export function proven(closestEncloser?: Name, optOut = false): Proof {
  return { proven: true, optOut, tooManyIterations: false, closestEncloser };
}

/** What is known of a name at which a delegation may be. */
export const CUT_UNKNOWN = 0;
/** A delegation without DS: what lies below is insecure. */
export const CUT_INSECURE = 1;
/** No delegation here; the zone goes on, or there is no such name. */
export const CUT_NONE = 2;

export interface Denial {
  nxdomain(name: Name): Proof;
  nodata(name: Name, type: number): Proof;
  /** `encloserLabels`: labels of the closest encloser that the wildcard hangs from. */
  unmatched(name: Name, encloserLabels: number): Proof;
  /** CUT_…; of a name below the zone's apex. */
  cutAt(name: Name): { readonly cut: number; readonly proof: Proof };
}
