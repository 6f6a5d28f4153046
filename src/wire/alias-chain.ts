/**
 * The names to which a reply leads: its chain of CNAMEs, from the question on (RFC 1034 §3.6.2). A DNAME needs no care of
 * its own, because the CNAME that follows from it stands in the answer too (RFC 6672 §3.1).
 *
 *   question ─CNAME▶ names[1] ─CNAME▶ … names[last]
 *
 * Everything is copied out, so that the reply may be rewritten. One is used again and again.
 */

import { TYPE } from './constants.ts';
import { MessageName } from './message-name.ts';
import type { Query } from './query.ts';
import { RecordCursor } from './records.ts';

/** CNAMEs followed; resolvers give up earlier (BIND and unbound: 11). */
export const MAX_ALIASES = 16;

export class AliasChain {
  /** `names[0]` is the question's; each following one is the target of the CNAME before. */
  readonly names: readonly MessageName[] = Array.from({ length: MAX_ALIASES + 1 }, () => new MessageName());
  /** Seconds of the CNAME that leads from `names[i]` to the next. */
  readonly ttls = new Int32Array(MAX_ALIASES + 1);
  /** Position of the last name. */
  last = 0;
  readonly #cursor = new RecordCursor();
  readonly #owner = new MessageName();

  /** Only the question: no reply stands there yet, or none is looked at. */
  begin(query: Query): void {
    this.names[0]!.copyQuestion(query.question);
    this.last = 0;
  }

  /** Follow the reply from the question on. False where the chain is too long to be followed, or the reply broken. */
  follow(query: Query): boolean {
    this.begin(query);
    const { reply, replyStart, replyLength } = query;
    const end = replyStart + replyLength;
    const cursor = this.#cursor;
    // Upstreams write a chain in its order, so that one pass is enough; each pass takes at least one step.
    for (let before = -1; before !== this.last; ) {
      before = this.last;
      cursor.open(reply, replyStart, replyLength);
      while (cursor.next() && cursor.section === 0) {
        if (cursor.type !== TYPE.CNAME) continue;
        if (!this.#owner.read(reply, cursor.owner, end, replyStart)) return false;
        if (!this.#owner.equals(this.names[this.last]!)) continue;
        if (this.last === MAX_ALIASES) return false;
        this.ttls[this.last] = cursor.ttl;
        if (!this.names[this.last + 1]!.read(reply, cursor.dataStart, end, replyStart)) return false;
        this.last++;
      }
      if (cursor.broken) return false;
    }
    return true;
  }
}

/** True where the question itself is for the alias: it is answered, not followed. */
export function asksForAlias(type: number): boolean {
  return type === TYPE.CNAME || type === TYPE.ANY;
}

/** False where the first record answers the question's own name: then no CNAME is followed. */
export function mayHoldAlias({ reply, replyStart, questionEnd, question }: Query): boolean {
  if ((reply[replyStart + 6]! | reply[replyStart + 7]!) === 0 || asksForAlias(question.type)) return false;
  const at = replyStart + questionEnd;
  return reply[at] !== 0xc0 || reply[at + 1] !== 12 || ((reply[at + 2]! << 8) | reply[at + 3]!) !== question.type;
}
