/**
 * An answer for cache and clients, put together from what several authorities said: the records written out one after the other,
 * then read and rewritten by the normaliser as every answer is, so that the same rules hold for it.
 */
import { type Answer, NODATA, NXDOMAIN, POSITIVE } from '../../wire/answer.ts';
import { CLASS, FLAG_AA, FLAG_QR, HEADER_BYTES, MAX_MESSAGE_BYTES, RCODE, TYPE } from '../../wire/constants.ts';
import type { Normalizer } from '../../wire/normalize.ts';
import type { Question } from '../../wire/question.ts';
import { RecordCursor } from '../../wire/records.ts';
import { put16, put32 } from '../../wire/writer.ts';
import { putName } from './name-text.ts';
import type { RRset } from './reply.ts';

const bytes = new Uint8Array(MAX_MESSAGE_BYTES + 1024);
const cursor = new RecordCursor();

export interface Parts {
  readonly rcode: number;
  readonly answer: readonly RRset[];
  readonly authority: readonly RRset[];
  readonly additional?: readonly RRset[];
}

/** Write the answer to `question`. False where it is too large, or makes no sense to the normaliser. */
export function assemble(parts: Parts, question: Question, normalizer: Normalizer, answer: Answer): boolean {
  bytes.fill(0, 0, HEADER_BYTES);
  put16(bytes, 2, FLAG_QR | FLAG_AA | parts.rcode);
  bytes[5] = 1;
  let at = HEADER_BYTES;
  for (let i = 0; i < question.nameLength; i++) bytes[at++] = question.name[i]!;
  put16(bytes, at, question.type);
  put16(bytes, at + 2, question.class);
  at += 4;
  const sections = [parts.answer, parts.authority, parts.additional ?? []];
  for (const [section, sets] of sections.entries()) {
    let count = 0;
    for (const set of sets) {
      for (const data of set.data) {
        at = putRecord(at, set, set.type, data);
        count++;
      }
      if (!question.dnssecOk && question.type !== TYPE.RRSIG) continue;
      for (const data of set.signatures) {
        at = putRecord(at, set, TYPE.RRSIG, data);
        count++;
      }
      if (at > MAX_MESSAGE_BYTES) return false;
    }
    put16(bytes, 6 + section * 2, count);
  }
  if (at > MAX_MESSAGE_BYTES) return false;
  return normalizer.normalize(bytes, 0, at, question, answer);
}

function putRecord(at: number, { owner, ttl }: RRset, type: number, data: Uint8Array): number {
  // Beyond the end nothing is written; the length is looked at by the caller.
  if (at + owner.length + 10 + data.length > bytes.length) return bytes.length;
  at = putName(owner, bytes, at);
  put16(bytes, at, type);
  put16(bytes, at + 2, CLASS.IN);
  put32(bytes, at + 4, ttl);
  put16(bytes, at + 8, data.length);
  bytes.set(data, at + 10);
  return at + 10 + data.length;
}

/** Find out again where the TTLs of a stored message stand, and what kind of answer it is. */
export function describe(answer: Answer): void {
  cursor.open(answer.bytes, 0, answer.length);
  answer.ttlCount = 0;
  while (cursor.next()) answer.ttlOffsets[answer.ttlCount++] = cursor.ttlAt;
  const records = (answer.bytes[6]! << 8) | answer.bytes[7]!;
  answer.kind = answer.rcode === RCODE.NXDOMAIN ? NXDOMAIN : records > 0 ? POSITIVE : NODATA;
}
