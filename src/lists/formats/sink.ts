/**
 * What every list format turns into, and where it goes.
 *
 *     bytes ─► parser of the format ─► EntrySink (policy index builder, guard, a test)
 *                   └─► RejectLog: bad lines, counted by reason, the first ones kept
 *
 * Everything handed to a sink is borrowed: it is overwritten by the next entry, so copy what is to be kept.
 */

import type { SuffixHash } from '../index/suffix-hash.ts';

/**
 * An action (ACTION_… of index/rules.ts). PASSTHRU from an adblock exception (`@@||name^`) reaches other adblock lists and no
 * list of another form (in-force.ts): no feed opens a hole where nobody expects it.
 */
export type Action = number;

/** Which names a rule covers: EXACT, SUBTREE or both (index/rules.ts). */
export type Kind = number;

/** Triggers of RPZ that hold a network (draft-vixie-dnsop-dns-rpz §4.2–4.4). */
export const ADDRESS_TRIGGER = { CLIENT_IP: 1, IP: 2, NSIP: 3 } as const;

export type AddressTrigger = (typeof ADDRESS_TRIGGER)[keyof typeof ADDRESS_TRIGGER];

/** What stands behind the guard, which hashes each name once for all: the arguments are those of EntrySink. */
export interface HashedSink {
  /** `hash`: of the name, under the key of the index; borrowed. `labels`: how many it has, at least one. */
  hashedEntry(
    hash: SuffixHash,
    labels: number,
    kind: Kind,
    action: Action,
    data: Uint8Array | undefined,
    name: Uint8Array,
  ): void;

  hashedNameServer(
    hash: SuffixHash,
    labels: number,
    kind: Kind,
    action: Action,
    data: Uint8Array | undefined,
    name: Uint8Array,
  ): void;

  network(
    trigger: AddressTrigger,
    words: Int32Array,
    bits: number,
    action: Action,
    data: Uint8Array | undefined,
    line: number,
  ): void;
}

export interface EntrySink {
  /**
   * A rule on the name asked for. `name[0..nameLength)`: wire form, lower case, root label included. `data`: one
   * record in the form of index/rules.ts, only with ACTION_LOCAL_DATA, a copy that may be kept; an owner with several
   * records comes as several entries. `line`: where it stands, from 1 (in a zone
   * transfer: the number of the record).
   */
  entry(
    name: Uint8Array,
    nameLength: number,
    kind: Kind,
    action: Action,
    data: Uint8Array | undefined,
    line: number,
  ): void;

  /** A rule on the name of a name server (RPZ-NSDNAME); arguments as in `entry`. */
  nameServer(
    name: Uint8Array,
    nameLength: number,
    kind: Kind,
    action: Action,
    data: Uint8Array | undefined,
    line: number,
  ): void;

  /** A rule on a network: `words` and `bits` as in net/address.ts (IPv4 as ::ffff:a.b.c.d, 96 + n bits). */
  network(
    trigger: AddressTrigger,
    words: Int32Array,
    bits: number,
    action: Action,
    data: Uint8Array | undefined,
    line: number,
  ): void;
}
