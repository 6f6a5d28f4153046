/** What clients are told that speak HTTP/1.1: politely, and without a parser for it. */
import type { TLSSocket } from 'node:tls';

const TEXT = 'DNS over HTTPS is spoken over HTTP/2 here (RFC 8484 section 5.2).\n';
/** RFC 9110 §15.5.22: 426 names the protocol that is needed. */
const REPLY = [
  'HTTP/1.1 426 Upgrade Required',
  'Upgrade: h2',
  'Connection: Upgrade, close',
  'Content-Type: text/plain; charset=utf-8',
  `Content-Length: ${TEXT.length}`,
  '',
  TEXT,
].join('\r\n');

/** Answer whatever is asked with that, and close. */
export function politeRefusal(secure: TLSSocket): void {
  secure.resume();
  secure.end(REPLY);
}
