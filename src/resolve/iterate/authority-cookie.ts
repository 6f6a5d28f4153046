/**
 * DNS cookies, client side (RFC 7873 §5.1, §5.3), towards authorities: ours comes from a key and the address, theirs is kept in the
 * table of servers. A server that has shown that it knows cookies is held to them.
 */
import { EDNS_OPTION, RCODE, TYPE } from '../../wire/constants.ts';
import { RecordCursor } from '../../wire/records.ts';
import type { AuthorityServer } from './authority-server.ts';
import { MAX_SERVER_COOKIE, type ServerTable } from './server-memory.ts';

const CLIENT_BYTES = 8;
/** RFC 7873 §4: a server cookie has 8 to 32 bytes. */
const MIN_SERVER_BYTES = 8;

/** Nothing to object to. */
export const COOKIE_FINE = 0;
/** Not the cookie we sent, none where one was due, or a broken option: not from that server. */
export const COOKIE_FORGED = 1;
/** Ours, and the server wants another one of its own, which has been noted: ask again (BADCOOKIE). */
export const COOKIE_RENEWED = 2;

const cursor = new RecordCursor();
const ours = new Uint8Array(CLIENT_BYTES);

/** Look at the reply to a query that carried our cookie. `overTcp`: nobody can forge it, and it shows what the server does. */
export function checkCookie(
  servers: ServerTable,
  server: AuthorityServer,
  bytes: Uint8Array,
  start: number,
  length: number,
  overTcp: boolean,
): number {
  const { place } = server;
  let rcode = bytes[start + 3]! & 15;
  let option = 0;
  let size = 0;
  cursor.open(bytes, start, length);
  while (option === 0 && cursor.next()) {
    if (cursor.type !== TYPE.OPT) continue;
    rcode |= bytes[cursor.ttlAt]! << 4;
    for (let at = cursor.dataStart; at + 4 <= cursor.dataEnd; at += 4 + ((bytes[at + 2]! << 8) | bytes[at + 3]!)) {
      if (((bytes[at]! << 8) | bytes[at + 1]!) !== EDNS_OPTION.COOKIE) continue;
      size = (bytes[at + 2]! << 8) | bytes[at + 3]!;
      if (at + 4 + size > cursor.dataEnd) return COOKIE_FORGED;
      option = at + 4;
      // RFC 7873 §5.3: of several, all but the first are ignored.
      break;
    }
  }
  if (option === 0) {
    if (overTcp) servers.forgetCookie(place);
    return servers.expectsCookie(place) ? COOKIE_FORGED : COOKIE_FINE;
  }
  // RFC 7873 §5.3: an illegal length or another client cookie than ours: the response MUST be discarded.
  if (size < CLIENT_BYTES + MIN_SERVER_BYTES || size > CLIENT_BYTES + MAX_SERVER_COOKIE) return COOKIE_FORGED;
  servers.putClientCookie(server.address, ours, 0);
  for (let i = 0; i < CLIENT_BYTES; i++) if (bytes[option + i] !== ours[i]) return COOKIE_FORGED;
  servers.keepCookie(place, bytes, option + CLIENT_BYTES, size - CLIENT_BYTES);
  return rcode === RCODE.BADCOOKIE ? COOKIE_RENEWED : COOKIE_FINE;
}
