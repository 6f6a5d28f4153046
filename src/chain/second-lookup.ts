/**
 * Looks the question's own name up with another type, for an answer hook that needs it (the verdict LOOK_UP): in the cache, then
 * at the source, while the query waits. The reply that stood in the query stands there again when the hook's `found` is called.
 *
 *   reply     |header|question AAAA| no records |          kept beside the suspended query
 *   found     |header|question A   | records …  |          lent to `found`, which makes of both what the client gets
 */
import type { AnswerCache } from '../cache/cache.ts';
import type { FailureTable } from '../cache/failures.ts';
import { CONTINUE } from '../contract/plugin.ts';
import { FLAG_AD, FLAG_CD, FLAG_RD, HEADER_BYTES, MAX_MESSAGE_BYTES } from '../wire/constants.ts';
import { CACHE_HIT, Query, TCP } from '../wire/query.ts';
import { readQuery } from '../wire/reader.ts';
import { put16 } from '../wire/writer.ts';
import type { Partitions } from '../zones/partitions.ts';
import { FAILED, WAITS, WHOLE } from './completion.ts';
import { NO_ROOM, type Source } from './source.ts';
import type { SuspendedQueries } from './suspended.ts';

export interface SecondLookupParts {
  readonly cache: Pick<AnswerCache, 'serve' | 'refreshDue'>;
  readonly failures: Pick<FailureTable, 'active'>;
  readonly localZones?: Pick<Partitions, 'decide'> | undefined;
  readonly suspended: SuspendedQueries;
  readonly hashKey: readonly [number, number];
}

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
  readonly #parts: SecondLookupParts;
  readonly #begun = new Map<number, Begun>();
  #unsent: Begun | undefined;
  readonly #target = new Query();
  readonly #question = new Uint8Array(HEADER_BYTES + 256 + 4);

  constructor(parts: SecondLookupParts) {
    this.#parts = parts;
    const memory = new ArrayBuffer(MAX_MESSAGE_BYTES + 1);
    this.message = new Uint8Array(memory);
    this.#target.reply = this.message;
    this.#target.replyWords = new Int32Array(memory);
    this.#target.replyCapacity = memory.byteLength;
    this.#target.message = this.#question;
    this.#target.transport = TCP;
  }

  /** Look up `query.soughtType` for the answer hook at `hook`, or have the query wait: the source then calls with a token for which `holds` is true. */
  begin(query: Query, hook: number, source: Source | undefined): number {
    this.length = 0;
    this.#ask(query);
    const { cache, failures, localZones, suspended } = this.#parts;
    const target = this.#target;
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
    const { replyLength } = this.#target;
    this.length = replyLength;
    this.authentic = (this.message[AD_BYTE]! & FLAG_AD) !== 0;
    return WHOLE;
  }

  #ask({ question, flags, nowMs, mayBeStale, soughtType }: Query): void {
    const bytes = this.#question;
    const { name, nameLength } = question;
    bytes.fill(0, 0, HEADER_BYTES);
    // AD asks whether it was validated (RFC 6840 §5.7).
    put16(bytes, 2, FLAG_RD | FLAG_AD | (flags & FLAG_CD));
    bytes[5] = 1;
    for (let i = 0; i < nameLength; i++) bytes[HEADER_BYTES + i] = name[i]!;
    put16(bytes, HEADER_BYTES + nameLength, soughtType);
    put16(bytes, HEADER_BYTES + nameLength + 2, question.class);
    const target = this.#target;
    target.reset();
    target.length = HEADER_BYTES + nameLength + 4;
    target.nowMs = nowMs;
    readQuery(target, this.#parts.hashKey[0], this.#parts.hashKey[1]);
    target.question.dnssecOk = question.dnssecOk;
    target.question.partition = question.partition;
    target.mayBeStale = mayBeStale;
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
