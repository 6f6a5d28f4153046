/**
 * What an authoritative server says to a question for its zone that was asked without recursion (RFC 1034 §4.3.1): an answer of
 * its own, with AA; a referral to servers further down; or neither, because it is no authority for the zone (it is *lame*).
 */
import { FLAG_AA, RCODE, TYPE } from '../../wire/constants.ts';
import { MessageName } from '../../wire/message-name.ts';
import { RecordCursor } from '../../wire/records.ts';

export const AUTHORITATIVE = 0;
export const REFERRAL = 1;
export const LAME = 2;

const AUTHORITY_SECTION = 1;

/** Reads answers of the servers of one stub zone. */
export class StubAnswers {
  readonly #apex = new MessageName();
  readonly #cursor = new RecordCursor();
  readonly #owner = new MessageName();

  /** `apex`: wire form, lower case. */
  constructor(apex: Uint8Array) {
    this.#apex.set(apex);
  }

  /** What the message of `length` bytes at `start`, whose question was compared, is. */
  kind(bytes: Uint8Array, start: number, length: number): number {
    const flags = (bytes[start + 2]! << 8) | bytes[start + 3]!;
    if ((flags & FLAG_AA) !== 0) return AUTHORITATIVE;
    if ((flags & 15) !== RCODE.NOERROR || bytes[start + 6] !== 0 || bytes[start + 7] !== 0) return LAME;
    const cursor = this.#cursor;
    if (!cursor.open(bytes, start, length)) return LAME;
    while (cursor.next()) {
      if (cursor.section !== AUTHORITY_SECTION || cursor.type !== TYPE.NS) continue;
      const owner = this.#owner;
      // Upwards or sideways is no way down.
      if (!owner.read(bytes, cursor.owner, start + length, start)) return LAME;
      if (owner.labelCount > this.#apex.labelCount && owner.isAtOrBelow(this.#apex)) return REFERRAL;
    }
    return LAME;
  }
}
