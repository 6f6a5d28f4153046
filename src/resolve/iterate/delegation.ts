/** A zone cut as its parent tells it: the names of the zone's servers, and the addresses that came along (glue). */
import { MAX_NAME_BYTES, TYPE } from '../../wire/constants.ts';
import { LOWER } from '../../wire/reader.ts';
import { isAtOrBelow, isBelow, type WireName } from './name-text.ts';
import type { Reply, RRset } from './reply.ts';

/** Name servers of one zone that are kept; com. has 13. More help nobody but an attacker (NXNS). */
export const MAX_NAME_SERVERS = 16;
/** Addresses of one name server, of either kind together. */
const MAX_GLUE = 8;

export interface NameServer {
  readonly name: WireName;
  /** Addresses as four words, IPv4 mapped. Used to ask, never to answer. */
  readonly glue: readonly Int32Array[];
}

export interface Delegation {
  readonly zone: WireName;
  readonly servers: readonly NameServer[];
  /** Monotonic; never after the end of the delegation above it. */
  readonly expiresMs: number;
}

/**
 * The delegation that `reply`, from a server of `parent`, makes for a zone that `name` is in: undefined where it makes none
 * below `parent`. RFC 2181 §5.4.1: glue is taken from this very reply, for names of these servers inside the bailiwick of who
 * speaks, and for nothing else.
 */
export function referralIn(
  reply: Reply,
  parent: Delegation,
  name: WireName,
  nowMs: number,
  maxTtl: number,
): Delegation | undefined {
  let cut: RRset | undefined;
  for (const set of reply.authority) {
    if (set.type !== TYPE.NS || set.data.length === 0) continue;
    if (!isBelow(set.owner, parent.zone) || !isAtOrBelow(name, set.owner)) continue;
    // Of several, the highest: what is below it is not the parent's to say.
    if (cut === undefined || set.owner.length < cut.owner.length) cut = set;
  }
  return (
    cut &&
    delegationFrom(
      cut,
      reply.additional,
      parent.zone,
      Math.min(parent.expiresMs, nowMs + Math.min(cut.ttl, maxTtl) * 1000),
    )
  );
}

/** The servers of `ns`, with their addresses in `additional` as far as these are inside `bailiwick`. */
export function delegationFrom(
  ns: RRset,
  additional: readonly RRset[],
  bailiwick: WireName,
  expiresMs: number,
): Delegation {
  const servers: NameServer[] = [];
  for (const data of ns.data) {
    if (servers.length >= MAX_NAME_SERVERS) break;
    const name = lowerName(data);
    if (servers.some((each) => each.name === name)) continue;
    servers.push({ name, glue: isAtOrBelow(name, bailiwick) ? addressesIn(additional, name) : [] });
  }
  return { zone: ns.owner, servers, expiresMs };
}

/** RDATA that holds a name and nothing else was written out, and is no longer than a name. */
const lowered = Buffer.alloc(MAX_NAME_BYTES + 1);

/** The name in the data of an NS or CNAME record. */
export function lowerName(data: Uint8Array): WireName {
  const { length } = data;
  for (let i = 0; i < length; i++) lowered[i] = LOWER[data[i]!]!;
  return lowered.toString('latin1', 0, length);
}

/** Addresses of `name` among the RRsets. */
export function addressesIn(sets: readonly RRset[], name: WireName): Int32Array[] {
  const found: Int32Array[] = [];
  for (const set of sets) {
    if (set.owner !== name || (set.type !== TYPE.A && set.type !== TYPE.AAAA)) continue;
    for (const data of set.data) if (found.length < MAX_GLUE) found.push(wordsOfAddress(data));
  }
  return found;
}

/** Four big-endian words from the data of an A or AAAA record. */
export function wordsOfAddress(data: Uint8Array): Int32Array {
  const words = new Int32Array(4);
  if (data.length === 4) {
    words[2] = 0xffff;
    words[3] = wordAt(data, 0);
  } else for (let i = 0; i < 4; i++) words[i] = wordAt(data, i * 4);
  return words;
}

function wordAt(data: Uint8Array, at: number): number {
  return (data[at]! << 24) | (data[at + 1]! << 16) | (data[at + 2]! << 8) | data[at + 3]!;
}

/** The data of an A or AAAA record from four words. */
export function bytesOfAddress(words: Int32Array): Uint8Array {
  const mapped = words[0] === 0 && words[1] === 0 && words[2] === 0xffff;
  const bytes = new Uint8Array(mapped ? 4 : 16);
  const view = new DataView(bytes.buffer);
  if (mapped) view.setInt32(0, words[3]!);
  else for (let i = 0; i < 4; i++) view.setInt32(i * 4, words[i]!);
  return bytes;
}
