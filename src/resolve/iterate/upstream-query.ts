/**
 * The query that goes to an authority: RD is not set, the name is in random case (0x20), OPT announces 1232 bytes and DO, and
 * carries our cookie. Nothing of the client's query is in it but, at the end, its name and type (RFC 9156 §2).
 */
import {
  CLASS,
  EDNS_FLAG_DO,
  EDNS_OPTION,
  HEADER_BYTES,
  MAX_NAME_BYTES,
  MAX_UDP_BYTES,
  OPT_BYTES,
  TYPE,
} from '../../wire/constants.ts';
import { put16 } from '../../wire/writer.ts';
import type { WireName } from './name-text.ts';
import { MAX_SERVER_COOKIE, type ServerPlace, type ServerTable } from './server-memory.ts';

const CLIENT_COOKIE = 8;
const QUERY_BYTES = HEADER_BYTES + MAX_NAME_BYTES + 4 + OPT_BYTES + 4 + CLIENT_COOKIE + MAX_SERVER_COOKIE;

const scratch = new Uint8Array(QUERY_BYTES);

export interface QueryParts {
  readonly id: number;
  readonly name: WireName;
  readonly type: number;
  /** A CSPRNG for the case of the name; undefined: lower case. */
  readonly random32: (() => number) | undefined;
  readonly edns: boolean;
  readonly dnssecOk: boolean;
  /** With the cookie for this server, where it may carry one. */
  readonly cookie:
    | { readonly table: ServerTable; readonly place: ServerPlace; readonly address: Int32Array }
    | undefined;
}

/** The message, in memory of its own. */
export function queryBytes({ id, name, type, random32, edns, dnssecOk, cookie }: QueryParts): Uint8Array {
  const bytes = scratch;
  put16(bytes, 0, id);
  bytes.fill(0, 2, HEADER_BYTES);
  bytes[5] = 1;
  let bits = 0;
  let left = 0;
  let at = HEADER_BYTES;
  for (let i = 0; i < name.length; i++) {
    let byte = name.charCodeAt(i);
    // Length bytes are at most 63 and never look like a letter.
    if (byte >= 0x61 && byte <= 0x7a && random32) {
      if (left === 0) {
        bits = random32();
        left = 32;
      }
      byte ^= (bits & 1) << 5;
      bits >>>= 1;
      left--;
    }
    bytes[at++] = byte;
  }
  put16(bytes, at, type);
  put16(bytes, at + 2, CLASS.IN);
  at += 4;
  if (!edns) return bytes.slice(0, at);
  bytes[11] = 1;
  // RFC 6891 §6.1.2; the size fits one packet everywhere (RFC 9715 §3.2).
  bytes[at] = 0;
  put16(bytes, at + 1, TYPE.OPT);
  put16(bytes, at + 3, MAX_UDP_BYTES);
  put16(bytes, at + 5, 0);
  put16(bytes, at + 7, dnssecOk ? EDNS_FLAG_DO : 0);
  let options = 0;
  if (cookie) {
    const option = at + OPT_BYTES;
    put16(bytes, option, EDNS_OPTION.COOKIE);
    cookie.table.putClientCookie(cookie.address, bytes, option + 4);
    const server = cookie.table.putServerCookie(cookie.place, bytes, option + 4 + CLIENT_COOKIE);
    put16(bytes, option + 2, CLIENT_COOKIE + server);
    options = 4 + CLIENT_COOKIE + server;
  }
  put16(bytes, at + 9, options);
  return bytes.slice(0, at + OPT_BYTES + options);
}
