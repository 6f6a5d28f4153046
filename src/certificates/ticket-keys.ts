/**
 * Keys of session tickets (RFC 8446 §4.6.1, RFC 5077): the same in every worker, and in every server with the same secret, so that a
 * client resumes wherever it lands. They follow from the secret and the time, so servers change them together without talking:
 *
 *     key of period n = HKDF(secret, n)        period: 12 hours; a ticket of a period that is over costs a whole handshake
 *
 * A secret made at the start is nowhere on disk: whoever takes the disk reads no recorded session.
 */
import { hkdfSync } from 'node:crypto';

export const TICKET_SECRET_BYTES = 32;
/** What node:tls wants: name, HMAC and AES keys of 16 bytes each. */
export const TICKET_KEY_BYTES = 48;
export const TICKET_PERIOD_MS = 12 * 3_600_000;

export function ticketPeriod(wallMs: number): number {
  return Math.floor(wallMs / TICKET_PERIOD_MS);
}

export function ticketKeys(secret: Uint8Array, period: number): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, '', `sekisho session tickets ${period}`, TICKET_KEY_BYTES));
}
