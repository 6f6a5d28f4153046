/**
 * Looks the question's own name up with another type, for an answer hook that needs it (the verdict LOOK_UP): in the cache, then
 * at the source, while the query waits. The reply that stood in the query stands there again when the hook's `found` is called.
 *
 *   reply     |header|question AAAA| no records |          kept beside the suspended query
 *   found     |header|question A   | records …  |          lent to `found`, which makes of both what the client gets
 */
import { CONTINUE } from '../contract/plugin.ts';
import { FLAG_AD, FLAG_CD } from '../wire/constants.ts';
import { CACHE_HIT, type Query } from '../wire/query.ts';
import { FAILED, WAITS, WHOLE } from './completion.ts';
import { SideQuestion, type SideQuestionParts } from './side-question.ts';
import { NO_ROOM, type Source } from './source.ts';

/** A reply that waits for what is looked up. */
interface Begun {
  readonly reply: Uint8Array;
  readonly rcode: number;
  readonly ede: number;
  readonly edeText: Uint8Array;
  readonly decidedBy: number;
  readonly hook: number;
}

const AD_BYTE = 3;

export class SecondLookup {
  /** The message found where `begin` returned WHOLE; nothing is there where `length` is 0. */
  readonly message: Uint8Array;
  length = 0;
  /** What is found was validated, or its server is trusted to have done so. */
  authentic = false;
  readonly #parts: SideQuestionParts;
  readonly #begun = new Map<number, Begun>();
  #unsent: Begun | undefined;
  readonly #side: SideQuestion;

  constructor(parts: SideQuestionParts) {
    this.#parts = parts;
    this.#side = new SideQuestion(parts.hashKey);
    this.message = this.#side.query.reply;
  }

  /** Look up `query.soughtType` for the answer hook at `hook`, or have the query wait: the source then calls with a token for which `holds` is true. */
  begin(query: Query, hook: number, source: Source | undefined): number {
    this.length = 0;
    const { name, nameLength } = query.question;
    // AD asks whether it was validated (RFC 6840 §5.7).
    this.#side.ask(query, name, nameLength, query.soughtType, FLAG_AD | (query.flags & FLAG_CD));
    const { cache, failures, localZones, suspended } = this.#parts;
    const target = this.#side.query;
    if (cache.serve(target, false) === CACHE_HIT) {
      if (cache.refreshDue) source?.refresh(target.question, query.nowMs);
      return this.#take();
    }
    const local = localZones?.decide(target);
    if (local !== undefined && local !== CONTINUE) return this.#take();
    if (failures.active(target.question, query.nowMs) >= 0) return WHOLE;
    const { reply, replyStart, replyLength, rcode, ede, edeText, decidedBy } = query;
    const written = reply.slice(replyStart, replyStart + replyLength);
    const begun = { reply: written, rcode, ede, edeText, decidedBy, hook };
    this.#unsent = begun;
    const token = source === undefined ? -1 : suspended.hold(query);
    if (token < 0 || source === undefined) return FAILED;
    this.#begun.set(token, begun);
    if (source.resolve(target.question, token, query.nowMs) !== NO_ROOM) return WAITS;
    this.forget(token);
    suspended.release(token);
    return FAILED;
  }

  holds(token: number): boolean {
    return this.#begun.has(token);
  }

  /** The token is given back. */
  forget(token: number): void {
    this.#begun.delete(token);
  }

  /** Put the reply back into `query`, which was restored from `token`. Returns the number of the hook that waits. */
  resume(token: number, query: Query): number {
    const begun = this.#begun.get(token)!;
    restore(begun, query);
    return begun.hook;
  }

  /** `begin` returned FAILED: put the reply back into `query`, which has got other memory for it. */
  putBack(query: Query): void {
    if (this.#unsent !== undefined) restore(this.#unsent, query);
    this.#unsent = undefined;
  }

  #take(): number {
    this.length = this.#side.query.replyLength;
    this.authentic = (this.message[AD_BYTE]! & FLAG_AD) !== 0;
    return WHOLE;
  }
}

function restore({ reply, rcode, ede, edeText, decidedBy }: Begun, query: Query): void {
  for (let i = 0; i < reply.length; i++) query.reply[query.replyStart + i] = reply[i]!;
  query.replyLength = reply.length;
  query.rcode = rcode;
  query.ede = ede;
  query.edeText = edeText;
  query.decidedBy = decidedBy;
}
