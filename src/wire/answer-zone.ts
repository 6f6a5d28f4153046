/** Which zone an answer shows its question to lie in. */
import { type Answer, POSITIVE } from './answer.ts';
import { HEADER_BYTES, TYPE } from './constants.ts';
import type { Question } from './question.ts';

/** A pointer instead of a name (RFC 1035 §4.1.4). */
const POINTER = 0xc0;

/**
 * Where in `question.name` the name of a zone begins that `answer` shows to be one: the owner of the SOA record that comes
 * with a negative answer (RFC 2308 §3), of name servers in the authority section, or the question itself where it was
 * for the name servers. -1 where it shows none.
 */
export function zoneShown(answer: Answer, question: Question): number {
  if (answer.kind === POSITIVE && question.type === TYPE.NS) return 0;
  const { bytes, ttlOffsets, ttlCount } = answer;
  const answers = (bytes[6]! << 8) | bytes[7]!;
  const end = Math.min(ttlCount, answers + ((bytes[8]! << 8) | bytes[9]!));
  const questionEnd = HEADER_BYTES + question.nameLength + 4;
  for (let i = answers; i < end; i++) {
    const ttlAt = ttlOffsets[i]!;
    const type = (bytes[ttlAt - 4]! << 8) | bytes[ttlAt - 3]!;
    if (type !== TYPE.SOA && type !== TYPE.NS) continue;
    const before = i === 0 ? -1 : ttlOffsets[i - 1]! + 4;
    const ownerAt = i === 0 ? questionEnd : before + 2 + ((bytes[before]! << 8) | bytes[before + 1]!);
    // A suffix of the question is written as a pointer into it; what is not lies elsewhere.
    if (ttlAt - 4 - ownerAt !== 2 || (bytes[ownerAt]! & POINTER) !== POINTER) continue;
    const at = (((bytes[ownerAt]! & ~POINTER) << 8) | bytes[ownerAt + 1]!) - HEADER_BYTES;
    if (at >= 0 && at < question.nameLength) return at;
  }
  return -1;
}
