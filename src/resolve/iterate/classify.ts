/**
 * What a reply of a server of `zone` says to a question: only what lies in that zone's bailiwick is looked at, whatever else the
 * message holds (RFC 2181 §5.4.1, RFC 5452 §6; MaginotDNS is what happens otherwise).
 *
 *   answer     records of the type asked, maybe at the end of aliases, all inside the zone
 *   alias      aliases that lead out of what this reply answers: to be asked on
 *   nxdomain, nodata    the end of the aliases does not exist, or has no such records
 *   referral   another zone below, see `delegation.ts`
 *   lame       the server does not serve the zone, or refers upwards or to itself
 *   failure    another rcode
 */
import { RCODE, TYPE } from '../../wire/constants.ts';
import { MAX_CHAIN } from '../../wire/normalize.ts';
import { type Delegation, lowerName, referralIn } from './delegation.ts';
import { isAtOrBelow, isBelow, substituted, type WireName } from './name-text.ts';
import type { Reply, RRset } from './reply.ts';

export type Verdict =
  | { readonly kind: 'answer' | 'alias' | 'nxdomain' | 'nodata'; readonly found: Found }
  | { readonly kind: 'referral'; readonly delegation: Delegation }
  | { readonly kind: 'lame' | 'failure' | 'loop' };

/** What counts of the reply. */
export interface Found {
  /** The aliases, a DNAME ahead of the CNAME made from it, then the records asked for. */
  readonly answer: readonly RRset[];
  /** SOA and denials (NSEC, NSEC3) of names inside the zone. */
  readonly authority: readonly RRset[];
  /** The name at the end of the aliases. */
  readonly end: WireName;
  /** Aliases followed. */
  readonly aliases: number;
}

export function classify(
  reply: Reply,
  zone: Delegation,
  name: WireName,
  type: number,
  nowMs: number,
  maxTtl: number,
): Verdict {
  const { rcode } = reply;
  if (rcode !== RCODE.NOERROR && rcode !== RCODE.NXDOMAIN && rcode !== RCODE.YXDOMAIN) return { kind: 'failure' };
  const answer: RRset[] = [];
  let end = name;
  let aliases = 0;
  for (;;) {
    const records = setsAt(reply.answer, end, type);
    if (records.length > 0) {
      answer.push(...records);
      return { kind: 'answer', found: { answer, authority: denials(reply, zone.zone, false), end, aliases } };
    }
    const next = follow(reply.answer, end, type, zone.zone, answer);
    if (next === undefined) break;
    if (++aliases > MAX_CHAIN) return { kind: 'loop' };
    end = next;
    if (!isAtOrBelow(end, zone.zone)) break;
    // RFC 1034 §3.6.2: CNAME loops are an error.
    if (answer.some((set) => set.type === TYPE.CNAME && set.owner === end)) return { kind: 'loop' };
  }
  const inside = isAtOrBelow(end, zone.zone);
  const soa = inside ? soaFor(reply, end, zone.zone) : undefined;
  // RFC 6604 §3: the rcode is about the last name. It is believed where the server may speak for that name.
  if (rcode === RCODE.NXDOMAIN && inside && (soa || reply.authoritative || aliases === 0))
    return { kind: 'nxdomain', found: { answer, authority: denials(reply, zone.zone, true), end, aliases } };
  if (aliases > 0 && soa === undefined)
    return { kind: 'alias', found: { answer, authority: denials(reply, zone.zone, false), end, aliases } };
  if (soa) return { kind: 'nodata', found: { answer, authority: denials(reply, zone.zone, true), end, aliases } };
  const delegation = referralIn(reply, zone, name, nowMs, maxTtl);
  if (delegation) return { kind: 'referral', delegation };
  // Records, but none for this question; or a referral upwards, sideways or to itself.
  if (reply.authority.some((set) => set.type === TYPE.NS) || !reply.authoritative || reply.answer.some(hasData))
    return { kind: 'lame' };
  return { kind: 'nodata', found: { answer, authority: [], end, aliases } };
}

/** RRsets of the type at `name`; for RRSIG the signatures over all of its types that came. */
function setsAt(sets: readonly RRset[], name: WireName, type: number): RRset[] {
  return sets.filter(
    (set) =>
      set.owner === name &&
      (type === TYPE.RRSIG ? set.signatures.length > 0 : (set.type === type || type === TYPE.ANY) && hasData(set)),
  );
}

function hasData(set: RRset): boolean {
  return set.data.length > 0;
}

/** The name that `name` is an alias of, in this reply; puts the records that say so into `answer`. */
function follow(
  sets: readonly RRset[],
  name: WireName,
  type: number,
  zone: WireName,
  answer: RRset[],
): WireName | undefined {
  // RFC 1034 §3.6.2: a query for CNAME is not restarted.
  if (type === TYPE.CNAME) return undefined;
  // RFC 6672 §3.2: a DNAME above says it for all names below; the CNAME beside it is made from it, and unsigned.
  for (const set of sets) {
    if (set.type !== TYPE.DNAME || !hasData(set) || !isBelow(name, set.owner) || !isAtOrBelow(set.owner, zone))
      continue;
    const target = substituted(name, set.owner, lowerName(set.data[0]!));
    if (target === undefined) return undefined;
    if (!answer.includes(set)) answer.push(set);
    answer.push({ owner: name, type: TYPE.CNAME, ttl: set.ttl, data: [bytesOf(target)], signatures: [] });
    return target;
  }
  for (const set of sets) {
    if (set.type !== TYPE.CNAME || set.owner !== name || !hasData(set)) continue;
    // RFC 2181 §10.1: a name has one CNAME; of several, the first counts.
    answer.push(set.data.length === 1 ? set : { ...set, data: [set.data[0]!] });
    return lowerName(set.data[0]!);
  }
  return undefined;
}

/** The SOA of the zone that denies `name`: at or above it, and the server's to say. */
function soaFor(reply: Reply, name: WireName, zone: WireName): RRset | undefined {
  return reply.authority.find(
    (set) => set.type === TYPE.SOA && hasData(set) && isAtOrBelow(name, set.owner) && isAtOrBelow(set.owner, zone),
  );
}

function denials(reply: Reply, zone: WireName, soa: boolean): RRset[] {
  return reply.authority.filter(
    (set) =>
      isAtOrBelow(set.owner, zone) &&
      hasData(set) &&
      (set.type === TYPE.NSEC || set.type === TYPE.NSEC3 || (soa && set.type === TYPE.SOA)),
  );
}

function bytesOf(name: WireName): Uint8Array {
  return Uint8Array.from(name, (char) => char.charCodeAt(0));
}
