/** For how long an answer may be kept on its way, as HTTP says it. */
import { TYPE } from '../../wire/constants.ts';
import { RecordCursor } from '../../wire/records.ts';

/** Longest that is said, seconds; answers that may be kept longer are not that many. */
const LONGEST = 86_400;
/** Above, whole minutes: so many texts that they can be kept. */
const EXACT = 300;
const TEXTS: string[] = [];
/** Bytes of an SOA's data behind its two names, of which the last four are MINIMUM (RFC 1035 §3.3.13). */
const MINIMUM_BYTES = 4;

const cursor = new RecordCursor();

/**
 * RFC 8484 §5.1: the smallest TTL of the answer section; of a negative answer what RFC 2308 §5 says, the lesser of the SOA's TTL and its
 * MINIMUM. Seconds; 0 where nothing says for how long.
 */
export function freshSeconds(bytes: Uint8Array, start: number, length: number): number {
  let least = Number.POSITIVE_INFINITY;
  let negative = Number.POSITIVE_INFINITY;
  if (!cursor.open(bytes, start, length)) return 0;
  while (cursor.next()) {
    if (cursor.section === 0) least = Math.min(least, cursor.ttl);
    else if (cursor.section === 1 && cursor.type === TYPE.SOA && cursor.dataEnd - cursor.dataStart >= MINIMUM_BYTES) {
      const at = cursor.dataEnd - MINIMUM_BYTES;
      const minimum = ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
      negative = Math.min(negative, cursor.ttl, minimum);
    }
  }
  if (cursor.broken) return 0;
  const seconds = Math.min(least, negative, LONGEST);
  return least === Number.POSITIVE_INFINITY && negative === Number.POSITIVE_INFINITY ? 0 : seconds;
}

/** `max-age=…`; the same text each time. */
export function maxAge(seconds: number): string {
  const said = seconds <= EXACT ? seconds : seconds - (seconds % 60);
  TEXTS[said] ??= `max-age=${said}`;
  return TEXTS[said];
}
