/**
 * DS and DNSKEY sets that lie in the answer cache, unvalidated, under DO and CD: whichever thread fetched them, and clients
 * that asked for them so.
 */
import { CACHE_HIT, Query, TCP } from '../../wire/query.ts';
import type { Question } from '../../wire/question.ts';
import { type MessageSets, readSets } from '../validate/rrset.ts';

/** Longest message that is kept in the cache, and a little. */
const MESSAGE_BYTES = 17 * 1024;

/** What of the answer cache, and of the table of failures, is needed here. */
interface HeldAnswers {
  serve(query: Query, staleOk: boolean): number;
}

interface HeldFailures {
  active(question: Question, nowMs: number): number;
}

export class CachedParts {
  readonly #cache: HeldAnswers;
  readonly #failures: HeldFailures;
  readonly #query = new Query();

  constructor(cache: HeldAnswers, failures: HeldFailures) {
    this.#cache = cache;
    this.#failures = failures;
    const query = this.#query;
    query.reply = new Uint8Array(MESSAGE_BYTES);
    query.replyWords = new Int32Array(query.reply.buffer);
    query.replyCapacity = MESSAGE_BYTES;
    query.transport = TCP;
  }

  /** The RRsets held, or an extended error where asking failed a moment ago (RFC 9520); undefined: it has to be asked. */
  find(question: Question, nowMs: number): MessageSets | { readonly failed: number } | undefined {
    const query = this.#query;
    query.question.copyFrom(question);
    query.nowMs = nowMs;
    query.replyLength = 0;
    if (this.#cache.serve(query, false) === CACHE_HIT)
      return readSets(query.reply, query.replyStart, query.replyLength);
    const ede = this.#failures.active(question, nowMs);
    return ede < 0 ? undefined : { failed: ede };
  }
}
