/**
 * Completes a reply that ends in a CNAME (the verdict COMPLETE): the records of the CNAME's target, as a resolver's answer
 * has to hold them (RFC 1034 §4.3.2, step 3a).
 *
 *   reply     |header|question| … |CNAME ▶ target|            written by a plugin
 *   target    |header|question = target| records … |          from the cache or the source
 *   whole     |header|question| … |CNAME ▶ target| records …|  names rewritten: their pointers meant another message
 *
 * A reply whose target has to be fetched is kept here beside its suspended query. That is the one allocation, and it
 * happens once per target and TTL: afterwards the cache has it.
 */
import { COMPLETE, CONTINUE } from '../contract/plugin.ts';
import type { Answer } from '../wire/answer.ts';
import { EDE, FLAG_AD, FLAG_CD, FLAG_TC, isBogus, MAX_MESSAGE_BYTES, RCODE, TYPE } from '../wire/constants.ts';
import { MessageName } from '../wire/message-name.ts';
import { COMPRESS, LAYOUTS, MAX_CHAIN, NAME_COUNT, PREFIX_SHIFT } from '../wire/normalize.ts';
import { CACHE_HIT, CACHE_STALE, type Query } from '../wire/query.ts';
import { RecordCursor } from '../wire/records.ts';
import { transportOf } from '../wire/transports.ts';
import { addOwnedRecord, addRecordRange, beginReply, writeHeader } from '../wire/writer.ts';
import { setFailure } from './failure-reasons.ts';
import { SideQuestion, type SideQuestionParts } from './side-question.ts';
import { NO_ROOM, type Source } from './source.ts';

/** What `begin` said: the reply is whole … */
export const WHOLE = 0;
/** … or waits for the source, which calls the chain back … */
export const WAITS = 1;
/** … or there is no room to wait. */
export const FAILED = 2;

/** Aliases from zone to zone; a loop ends here. */
const MAX_ALIASES = 8;

/** A reply that waits for its target. */
interface Begun {
  readonly reply: Uint8Array;
  readonly ede: number;
  readonly edeText: Uint8Array;
  readonly decidedBy: number;
  /** An answer hook wrote it: those behind it are not asked. */
  readonly byAnswerHook: boolean;
}

export class CnameCompletion {
  readonly #parts: SideQuestionParts;
  readonly #begun = new Map<number, Begun>();
  /** The question for the target, and the reply that the cache gives to it. */
  readonly #side: SideQuestion;
  readonly #cursor = new RecordCursor();
  readonly #name = new MessageName();
  readonly #targetName = new MessageName();
  /** A record's data, uncompressed: names grow by at most 254 bytes each. */
  readonly #data = new Uint8Array(MAX_MESSAGE_BYTES + 1024);
  /** Where the target's name stands in the reply. */
  #targetAt = 0;

  constructor(parts: SideQuestionParts) {
    this.#parts = parts;
    this.#side = new SideQuestion(parts.hashKey);
  }

  /** Complete the reply in `query`, or have it wait: the source then calls with a token for which `holds` is true. */
  begin(query: Query, byAnswerHook: boolean, source: Source | undefined, aliases = 0): number {
    if (!this.#readTarget(query)) {
      serverFailure(query, EDE.OTHER);
      return WHOLE;
    }
    const { cache, failures, localZones, suspended } = this.#parts;
    const target = this.#side.query;
    const found = cache.serve(target, false);
    if (found === CACHE_HIT) {
      if (cache.refreshDue) source?.refresh(target.question, query.nowMs);
      const { incomplete } = target;
      const whole = this.#append(query, target.reply, target.replyLength, target.rcode);
      // An alias in its turn, of a zone whose servers speak for it alone.
      return whole && incomplete && aliases < MAX_ALIASES
        ? this.begin(query, byAnswerHook, source, aliases + 1)
        : WHOLE;
    }
    const local = localZones?.decide(target);
    if (local !== undefined && local !== CONTINUE) {
      this.#append(query, target.reply, target.replyLength, target.rcode);
      // An alias to a name that is not here: it is completed in its turn.
      return local === COMPLETE && query.rcode === RCODE.NOERROR && aliases < MAX_ALIASES
        ? this.begin(query, byAnswerHook, source, aliases + 1)
        : WHOLE;
    }
    const failure = failures.active(target.question, query.nowMs);
    if (failure >= 0) {
      if (isBogus(failure) || !this.#appendStale(query)) serverFailure(query, failure);
      return WHOLE;
    }
    const token = source === undefined ? -1 : suspended.hold(query);
    if (token < 0 || source === undefined) return FAILED;
    const { reply, replyStart, replyLength, ede, edeText, decidedBy } = query;
    const written = reply.slice(replyStart, replyStart + replyLength);
    this.#begun.set(token, { reply: written, ede, edeText, decidedBy, byAnswerHook });
    if (source.resolve(target.question, token, query.nowMs) !== NO_ROOM) return WAITS;
    this.forget(token);
    suspended.release(token);
    return FAILED;
  }

  /** The query behind `token` waits for a CNAME's target. */
  holds(token: number): boolean {
    return this.#begun.has(token);
  }

  byAnswerHook(token: number): boolean {
    return this.#begun.get(token)?.byAnswerHook ?? false;
  }

  /** The token is given back. */
  forget(token: number): void {
    this.#begun.delete(token);
  }

  /** The target's answer has come; `query` was restored from `token`. Returns whether the reply holds all of it. */
  answered(token: number, query: Query, answer: Answer): boolean {
    if (this.#resume(token, query)) return this.#append(query, answer.bytes, answer.length, answer.rcode);
    serverFailure(query, EDE.OTHER);
    return false;
  }

  /** Complete with what the cache held longest, if it has something (RFC 8767 §5). */
  stale(token: number, query: Query): boolean {
    return this.#resume(token, query) && this.#appendStale(query);
  }

  /** The target is not available. A CNAME alone would read as if the target had no records. */
  failed(query: Query, ede: number): void {
    serverFailure(query, ede);
  }

  #resume(token: number, query: Query): boolean {
    const begun = this.#begun.get(token);
    if (!begun) return false;
    const { reply } = begun;
    for (let i = 0; i < reply.length; i++) query.reply[query.replyStart + i] = reply[i]!;
    query.replyLength = reply.length;
    query.rcode = RCODE.NOERROR;
    query.ede = begun.ede;
    query.edeText = begun.edeText;
    query.decidedBy = begun.decidedBy;
    return this.#readTarget(query);
  }

  /** Make the question for the target of the last CNAME in the reply. */
  #readTarget(query: Query): boolean {
    const cursor = this.#cursor;
    const { reply, replyStart, replyLength, question } = query;
    if (!cursor.open(reply, replyStart, replyLength)) return false;
    let at = -1;
    let aliases = 0;
    while (cursor.next()) {
      if (cursor.section !== 0 || cursor.type !== TYPE.CNAME) continue;
      at = cursor.dataStart;
      aliases++;
    }
    const name = this.#targetName;
    // A loop over several answers ends here, too.
    if (at < 0 || aliases > MAX_CHAIN || cursor.broken || !name.read(reply, at, replyStart + replyLength, replyStart))
      return false;
    this.#targetAt = at - replyStart;

    this.#side.ask(query, name.bytes, name.length, question.type, query.flags & (FLAG_CD | FLAG_AD));
    return true;
  }

  #appendStale(query: Query): boolean {
    if (!query.mayBeStale) return false;
    const target = this.#side.query;
    const found = this.#parts.cache.serve(target, true);
    if ((found !== CACHE_STALE && found !== CACHE_HIT) || target.incomplete) return false;
    this.#append(query, target.reply, target.replyLength, target.rcode);
    return true;
  }

  /** Add answer and SOA of the target's message of `length` bytes to the reply. Returns whether all of it is there. */
  #append(query: Query, bytes: Uint8Array, length: number, rcode: number): boolean {
    // RFC 6672 §2.2: the target may be a name that a DNAME makes too long.
    if (rcode !== RCODE.NOERROR && rcode !== RCODE.NXDOMAIN && rcode !== RCODE.YXDOMAIN) {
      serverFailure(query, EDE.OTHER);
      return false;
    }
    const cursor = this.#cursor;
    let whole = cursor.open(bytes, 0, length);
    while (whole && cursor.next()) {
      // RFC 2308 §5: the SOA says for how long the lack may be kept; name servers and addresses are a luxury.
      if (cursor.section === 0 || (cursor.section === 1 && cursor.type === TYPE.SOA)) whole = this.#addRecord(query);
    }
    if (whole && !cursor.broken) {
      writeHeader(query, rcode, 0);
      return true;
    }
    if (cursor.broken || !transportOf(query).mayTruncate) serverFailure(query, EDE.OTHER);
    else beginReply(query, rcode, FLAG_TC);
    return false;
  }

  /** Add the record at the cursor. False where the reply is full. */
  #addRecord(query: Query): boolean {
    const { bytes, section, type, ttl, dataStart, dataEnd, owner } = this.#cursor;
    const data = this.#data;
    let at = dataStart;
    let length = 0;
    const layout = type < LAYOUTS.length ? LAYOUTS[type]! : 0;
    // Of the types that hold names, only these came compressed (RFC 3597 §4).
    if ((layout & COMPRESS) !== 0) {
      for (const end = at + (layout >>> PREFIX_SHIFT); at < end; ) data[length++] = bytes[at++]!;
      for (let i = 0; i < (layout & NAME_COUNT); i++) {
        const name = this.#name;
        if (!name.read(bytes, at, dataEnd, 0)) return false;
        for (let k = 0; k < name.length; k++) data[length++] = name.bytes[k]!;
        at = name.behind;
      }
    }
    while (at < dataEnd) data[length++] = bytes[at++]!;
    const name = this.#name;
    if (!name.read(bytes, owner, dataEnd, 0)) return false;
    if (name.equals(this.#targetName))
      return addRecordRange(query, section, this.#targetAt, type, ttl, data, 0, length);
    return addOwnedRecord(query, section, name.bytes, name.length, type, ttl, data, length);
  }
}

function serverFailure(query: Query, ede: number): void {
  beginReply(query, RCODE.SERVFAIL);
  setFailure(query, ede);
}
