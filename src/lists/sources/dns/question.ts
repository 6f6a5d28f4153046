/** The questions a secondary asks its primary. */
import { encode } from 'dns-packet';
import { FLAG_AA } from '../../../wire/constants.ts';

/** SOA, AXFR (RFC 5936 §2.1) or IXFR (RFC 1995 §3). `haveSerial` is what IXFR starts from. */
export function zoneQuestion(type: 'SOA' | 'AXFR' | 'IXFR', zone: string, id: number, haveSerial = 0): Uint8Array {
  const name = zone === '.' ? '.' : zone.replace(/\.$/, '');
  // Only the serial counts; the names may be anything.
  const data = { mname: '.', rname: '.', serial: haveSerial, refresh: 0, retry: 0, expire: 0, minimum: 0 };
  const authorities = type === 'IXFR' ? [{ type: 'SOA' as const, name, class: 'IN' as const, ttl: 0, data }] : [];
  return new Uint8Array(encode({ type: 'query', id, flags: 0, questions: [{ type, name, class: 'IN' }], authorities }));
}

/** True where the answer is authoritative (RFC 1035 §4.1.1). */
export function isAuthoritative(message: Uint8Array): boolean {
  return ((((message[2] ?? 0) << 8) | (message[3] ?? 0)) & FLAG_AA) !== 0;
}
