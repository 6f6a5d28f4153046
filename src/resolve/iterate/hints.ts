/**
 * Where the root's servers are, as long as nobody has asked them (RFC 8109 §2): built in, or from a file in the form of IANA's
 * `named.root`. Source: https://www.internic.net/domain/named.root.
 */

import { addressWords } from '../../address/address.ts';
import { TYPE } from '../../wire/constants.ts';
import { type Delegation, type NameServer, wordsOfAddress } from './delegation.ts';
import { ROOT_NAME } from './name-text.ts';

/** A name server of the root, in text. */
export interface RootHint {
  /** Without the final dot. */
  readonly name: string;
  readonly addresses: readonly string[];
}

export const BUILT_IN_HINTS: readonly RootHint[] = [
  ['a', '198.41.0.4', '2001:503:ba3e::2:30'],
  ['b', '170.247.170.2', '2801:1b8:10::b'],
  ['c', '192.33.4.12', '2001:500:2::c'],
  ['d', '199.7.91.13', '2001:500:2d::d'],
  ['e', '192.203.230.10', '2001:500:a8::e'],
  ['f', '192.5.5.241', '2001:500:2f::f'],
  ['g', '192.112.36.4', '2001:500:12::d0d'],
  ['h', '198.97.190.53', '2001:500:1::53'],
  ['i', '192.36.148.17', '2001:7fe::53'],
  ['j', '192.58.128.30', '2001:503:c27::2:30'],
  ['k', '193.0.14.129', '2001:7fd::1'],
  ['l', '199.7.83.42', '2001:500:9f::42'],
  ['m', '202.12.27.33', '2001:dc3::35'],
].map(([letter, ...addresses]) => ({ name: `${letter}.root-servers.net`, addresses }));

/** The hints as a delegation that never ends; they are replaced by what the root itself says. */
export function hintsDelegation(hints: readonly RootHint[]): Delegation {
  const servers: NameServer[] = hints.map(({ name, addresses }) => ({
    name: `${name
      .toLowerCase()
      .split('.')
      .map((label) => String.fromCharCode(label.length) + label)
      .join('')}\0`,
    glue: addresses.map(addressWords),
  }));
  return { zone: ROOT_NAME, servers, expiresMs: Number.POSITIVE_INFINITY };
}

/** Records of a hints file, as the zone-file reader gives them. */
export interface HintRecord {
  readonly owner: Uint8Array;
  readonly type: number;
  readonly data: Uint8Array;
}

/** The servers that the file names, with their addresses; those without an address are of no use and left out. */
export function hintsFrom(
  records: readonly HintRecord[],
  text: (name: Uint8Array) => string,
  address: (words: Int32Array) => string,
): RootHint[] {
  const names = records
    .filter(({ owner, type }) => type === TYPE.NS && owner.length === 1)
    .map(({ data }) => text(data).toLowerCase());
  return [...new Set(names)]
    .map((name) => ({
      name,
      addresses: records
        .filter(({ owner, type }) => (type === TYPE.A || type === TYPE.AAAA) && text(owner).toLowerCase() === name)
        .map(({ data }) => address(wordsOfAddress(data))),
    }))
    .filter(({ addresses }) => addresses.length > 0);
}
