/**
 * The answer cache: truth only, one for all threads. What was learnt upstream is kept here as it came; policy is applied
 * when it is served.
 *
 * Readers take no lock. Each shard has a version that a writer makes odd while it works (a *seqlock*): a reader copies
 * the answer out, then looks whether the version is still what it was before; if not, what it copied may be a mixture
 * and is thrown away. Everything read before that check is held within bounds, whatever it says.
 *
 * Writers take the shard's lock for a microsecond or so. Who does not get it soon gives up: an answer that is not kept
 * costs one more upstream query, and waiting would cost the worker's whole batch.
 *
 * memory.ts: what lies where · entry.ts: one answer · rings.ts: which answers stay · failures.ts: what is not kept here
 */

import { Answer, FAILURE, POSITIVE } from '../wire/answer.ts';
import { EDE, FLAG_AD, FLAG_TC, HEADER_BYTES, MAX_MESSAGE_BYTES, RCODE, TYPE } from '../wire/constants.ts';
import { Normalizer } from '../wire/normalize.ts';
import { CACHE_HIT, CACHE_MISS, CACHE_STALE, type Query, TCP } from '../wire/query.ts';
import { Question } from '../wire/question.ts';
import { beginReply, put32, replyRoom, restoreSpelling, writeHeader } from '../wire/writer.ts';
import {
  answers,
  authenticData,
  CODES,
  concerns,
  ENTRY_HEADER_WORDS,
  EXPIRES_AT,
  edeOf,
  entryWords,
  incomplete,
  KEY_LOW,
  MAX_STORED_BYTES,
  messageLength,
  rcodeOf,
  STORED_AT,
  ttlCount,
  wordsFor,
  writeEntry,
} from './entry.ts';
import { keyHigh, keyLow } from './key.ts';
import {
  BUCKET_WORDS,
  type CacheMemory,
  clearShard,
  ENTRIES,
  EVICTIONS,
  GHOST_HITS,
  INSERTS,
  LIVE_WORDS,
  LOCK,
  MAIN,
  Shard,
  SKIPPED,
  SMALL,
  TAIL,
  VERSION,
  WAYS,
  WIRE_BYTES,
  WITH_DO,
} from './memory.ts';
import {
  bucketAt,
  emptySlot,
  FREQUENCY_MASK,
  fillSlot,
  freeSlot,
  frequencyAt,
  ghostLine,
  headLines,
  isRoomy,
  makeRoom,
  REFRESH_CLAIMED,
  takeGhost,
} from './rings.ts';

/** RFC 2308 §5: negative answers are kept no longer than one to three hours. Seconds. */
const MAX_NEGATIVE_TTL = 10_800;
/** TTL of every record of a stale answer, in seconds (RFC 8767 §4). */
const STALE_TTL = 30;
/** An entry whose life was shorter than this is not refreshed ahead, in seconds. */
const MIN_REFRESH_LIFE = 10;
/** Frequency from which an entry counts as popular. */
const POPULAR = 2;
/** Looks at a version before a reader gives up: a few microseconds, longer than a writer works. */
const READ_ATTEMPTS = 512;
/** What one torn copy costs of these. */
const TORN_ATTEMPTS = 64;
const LOCK_ATTEMPTS = 256;
/** Values of a bit to look up, in this order. */
const WITH: readonly boolean[] = [true];
const WITHOUT: readonly boolean[] = [false];
const BOTH: readonly boolean[] = [true, false];
/** The control plane can wait longer: about a second. */
const PATIENT_LOCK_ATTEMPTS = 50_000_000;
/** Processors other than these reorder plain reads past a later atomic one, so a reader needs a fence. */
const NEEDS_FENCE = process.arch !== 'x64' && process.arch !== 'ia32';
const fence = new Int32Array(1);

/** Where a message is copied to. */
type ReplyMemory = Pick<Query, 'reply' | 'replyWords' | 'replyStart' | 'replyCapacity'>;
/** For `read`: an answer's own memory. */
const READ_TARGET: ReplyMemory = {
  reply: new Uint8Array(0),
  replyWords: new Int32Array(0),
  replyStart: 0,
  replyCapacity: MAX_MESSAGE_BYTES,
};

export interface CacheSettings {
  /** Number of this thread in the locks, from 1, different from every other thread's. */
  readonly worker: number;
  /** Answers and their records live at least this long, in seconds; above 0 an answer with TTL 0 is kept, too. */
  readonly minTtl: number;
  /** … and at most this long, in seconds. */
  readonly maxTtl: number;
  /** How long after its end an answer may still be served, in seconds; 0 = never (RFC 8767). */
  readonly serveStale: number;
  /** Serving leaves no trace: nothing becomes more popular, nothing is to be refreshed. For the control plane. */
  readonly untouched?: boolean;
}

/** What `explain` says about an entry. */
export interface CachePeek {
  /** Seconds left; negative since it expired. */
  readonly ttlLeft: number;
  /** Seconds since it was stored. */
  readonly age: number;
  readonly rcode: number;
  /** Expired, but would be served where no fresh answer is available. */
  readonly stale: boolean;
}

export interface CacheStats {
  /** Answers held, expired ones included. */
  entries: number;
  /** Bytes of these answers with their headers. */
  bytesUsed: number;
  /** Bytes of these answers as they go over the wire. */
  wireBytes: number;
  /** Bytes of the whole cache, tables included. */
  capacity: number;
  inserts: number;
  /** Answers thrown out for others; not those replaced by newer ones. */
  evictions: number;
  /** Inserts of names that had been thrown out shortly before. */
  ghostHits: number;
  /** Inserts given up because another thread held the lock. */
  skipped: number;
}

export class AnswerCache {
  /**
   * After a CACHE_HIT: the answer is popular, in the last tenth of its life, and this hit is the one to start its
   * refresh. True once per entry, give or take a race.
   */
  refreshDue = false;
  /** Lookups of this thread that counted as misses because writers kept changing the shard. */
  contended = 0;
  /** Keeps the compiler from leaving out reads whose values nobody needs. */
  #foreseen = 0;
  /** For answers from which the records of DNSSEC are left out. */
  #normalizer: Normalizer | undefined;
  #stripped: Answer | undefined;
  readonly #shards: readonly Shard[];
  readonly #mask: number;
  readonly #worker: number;
  readonly #minTtl: number;
  readonly #maxTtl: number;
  readonly #serveStale: number;
  readonly #mostPopular: number;
  readonly #refreshFrom: number;
  readonly #staleTtl: number;

  constructor(memory: CacheMemory, settings: CacheSettings) {
    if (!(Number.isInteger(settings.worker) && settings.worker > 0))
      throw new RangeError('settings.worker counts from 1');
    this.#shards = memory.shards.map((buffer) => new Shard(buffer));
    this.#mask = memory.shards.length - 1;
    this.#worker = settings.worker;
    this.#minTtl = settings.minTtl;
    this.#maxTtl = settings.maxTtl;
    this.#serveStale = settings.serveStale;
    // Numbers instead of a question asked on each hit.
    this.#mostPopular = settings.untouched ? -1 : FREQUENCY_MASK;
    this.#refreshFrom = settings.untouched ? Number.POSITIVE_INFINITY : POPULAR;
    this.#staleTtl = Math.min(STALE_TTL, settings.maxTtl);
  }

  /**
   * Look `query.question` up at `query.nowMs`.
   *
   * CACHE_HIT: the reply is written, `query.rcode` and `query.ede` set. CACHE_STALE: an expired answer is there; with
   * `staleOk` the reply is written from it, else nothing is touched. CACHE_MISS: nothing is touched. What is too large
   * for the client or the reply's memory is written as header and question with TC.
   */
  serve(query: Query, staleOk: boolean): number {
    const { question } = query;
    // RFC 6840 §5.7, §5.8: AD only to a client that set DO or AD.
    const wantsAd = question.dnssecOk || (query.flags & FLAG_AD) !== 0;
    const found = this.#serveAs(query, staleOk, wantsAd, true);
    if (found === CACHE_HIT || (found === CACHE_STALE && staleOk)) return found;
    const other = question.dnssecOk && !staleOk ? CACHE_MISS : this.#serveOther(query, staleOk, wantsAd);
    return other === CACHE_MISS ? found : other;
  }

  /**
   * Look for an answer to the same question with other bits that holds what this one asks for: with DO the records are the
   * same and more (RFC 4035 §3.2.1). Where nothing better is available (`staleOk`), also one without DO, whose signatures
   * are missing; and for a question with CD what was checked. Never what may have failed a check for one without CD.
   */
  #serveOther(query: Query, staleOk: boolean, wantsAd: boolean): number {
    const { question } = query;
    const { dnssecOk, checkingDisabled } = question;
    let best = CACHE_MISS;
    for (const cd of checkingDisabled && staleOk ? BOTH : checkingDisabled ? WITH : WITHOUT) {
      for (const withDo of BOTH) {
        if (withDo === dnssecOk && cd === checkingDisabled) continue;
        if (!withDo && !staleOk) continue;
        // Whether it is too long is decided once its signatures are gone.
        const { transport } = query;
        if (withDo && !dnssecOk) query.transport = TCP;
        question.dnssecOk = withDo;
        question.checkingDisabled = cd;
        const shard = this.#shards[keyLow(question) & this.#mask]!;
        const none = withDo && shard.words[WITH_DO] === 0;
        const found = none ? CACHE_MISS : this.#serveAs(query, staleOk, wantsAd, false);
        question.dnssecOk = dnssecOk;
        question.checkingDisabled = checkingDisabled;
        query.transport = transport;
        if (found === CACHE_HIT || (found === CACHE_STALE && staleOk)) {
          if (!withDo || dnssecOk || this.#withoutDnssec(query)) return found;
        } else if (found === CACHE_STALE) best = found;
      }
    }
    return best;
  }

  /** RFC 4035 §3.2.1: leave signatures and denials out of the reply. Returns false where it cannot be read. */
  #withoutDnssec(query: Query): boolean {
    const { reply, replyStart, replyLength, replyCapacity } = query;
    // The reply's memory was too small for all of it.
    if ((reply[replyStart + 2]! & (FLAG_TC >>> 8)) !== 0) return true;
    this.#normalizer ??= new Normalizer();
    this.#stripped ??= new Answer();
    const answer = this.#stripped;
    const flags = ((reply[replyStart + 2]! << 8) | reply[replyStart + 3]!) & FLAG_AD;
    if (!this.#normalizer.normalize(reply, replyStart, replyLength, query.question, answer)) return false;
    if (answer.length > Math.min(replyCapacity, replyRoom(query))) {
      query.incomplete = false;
      beginReply(query, query.rcode, FLAG_TC);
      return true;
    }
    for (let i = 0, words = (answer.length + 3) >>> 2; i < words; i++) {
      query.replyWords[(replyStart >>> 2) + i] = answer.words[i]!;
    }
    writeHeader(query, query.rcode, flags);
    restoreSpelling(query);
    query.replyLength = answer.length;
    return true;
  }

  /** Look up exactly what `query.question` says. `popular`: the hit counts for the answer's refresh. */
  #serveAs(query: Query, staleOk: boolean, wantsAd: boolean, popular: boolean): number {
    this.refreshDue = false;
    const question = query.question;
    const low = keyLow(question);
    const tag = keyHigh(question);
    const shard = this.#shards[low & this.#mask]!;
    const words = shard.words;
    const bucket = bucketAt(shard, low);
    const now = (query.nowMs / 1000) | 0;
    for (let attempts = 0; attempts < READ_ATTEMPTS; attempts++) {
      const version = Atomics.load(words, VERSION);
      if ((version & 1) !== 0) continue;
      const slot = find(shard, bucket, tag, question);
      let head = 0;
      let codes = 0;
      let expiresAt = 0;
      let life = 0;
      let stale = false;
      let gone = true;
      if (slot >= 0) {
        const ref = words[slot + WAYS]!;
        // A writer may have moved the entry since `find` looked at it: check again, so that nothing beyond is read.
        if (ref < shard.arenaStart || ref >= shard.arenaEnd - ENTRY_HEADER_WORDS) continue;
        head = words[ref]!;
        if (ref + entryWords(head) > shard.arenaEnd) continue;
        codes = words[ref + CODES]!;
        expiresAt = words[ref + EXPIRES_AT]!;
        const storedAt = words[ref + STORED_AT]!;
        life = expiresAt - storedAt;
        stale = now >= expiresAt;
        gone = stale && now >= expiresAt + this.#serveStale;
        if (!gone && (!stale || staleOk))
          copyMessage(query, shard, ref, head, stale ? -1 : now - storedAt, this.#staleTtl);
      }
      if (NEEDS_FENCE) Atomics.store(fence, 0, 0);
      if (Atomics.load(words, VERSION) !== version) {
        attempts += TORN_ATTEMPTS;
        continue;
      }
      if (gone) return CACHE_MISS;
      if (stale && !staleOk) return CACHE_STALE;

      // From here on everything read is known to belong together.
      const at = frequencyAt(bucket, slot);
      let frequency = shard.bytes[at]!;
      if ((frequency & FREQUENCY_MASK) < this.#mostPopular) shard.bytes[at] = ++frequency;
      finish(query, head, codes, stale, wantsAd);
      if (stale) return CACHE_STALE;
      if (
        popular &&
        (expiresAt - now) * 10 <= life &&
        life >= MIN_REFRESH_LIFE &&
        (frequency & REFRESH_CLAIMED) === 0 &&
        (frequency & FREQUENCY_MASK) >= this.#refreshFrom
      ) {
        shard.bytes[at] = frequency | REFRESH_CLAIMED;
        this.refreshDue = true;
      }
      return CACHE_HIT;
    }
    this.contended++;
    return CACHE_MISS;
  }

  /**
   * Bring the TTLs of `answer` within the configured bounds, in place: whoever waits for it gets what everybody gets after
   * it. TTL 0 is raised like any other; an answer that may not be kept at all (`ttl` below 0) stays so.
   */
  bound(answer: Answer): void {
    if (answer.kind === FAILURE) return;
    const highest = answer.kind === POSITIVE ? this.#maxTtl : Math.min(this.#maxTtl, MAX_NEGATIVE_TTL);
    const lowest = Math.min(this.#minTtl, highest);
    if (answer.ttl >= 0) answer.ttl = Math.min(Math.max(answer.ttl, lowest), highest) | 0;
    // RFC 2308 §5: the SOA of a negative answer says how long it is kept, and no more.
    const highestOfRecords = answer.kind === POSITIVE || answer.ttl < 0 ? highest : answer.ttl;
    const { bytes, ttlOffsets, ttlCount } = answer;
    for (let i = 0; i < ttlCount; i++) {
      const at = ttlOffsets[i]!;
      const ttl = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
      if (ttl < lowest) put32(bytes, at, lowest);
      else if (ttl > highestOfRecords) put32(bytes, at, highestOfRecords);
    }
  }

  /**
   * Keep `answer` for `question`, its TTLs brought within bounds, in place of an older one. Returns false where it is not to be kept (a failure, TTL 0,
   * a message above 16 KiB or an eighth of the small ring) or the lock could not be taken.
   */
  insert(question: Question, answer: Answer, nowMs: number): boolean {
    this.bound(answer);
    // RFC 1035 §3.2.1: TTL 0 means "only for the transaction in progress"; RFC 9520 keeps failures, in failures.ts.
    if (answer.kind === FAILURE || answer.ttl <= 0) return false;
    if (answer.length > MAX_STORED_BYTES || answer.length < HEADER_BYTES + question.nameLength + 4) return false;
    const size = wordsFor(answer.length, answer.ttlCount);
    const low = keyLow(question);
    const tag = keyHigh(question);
    const shard = this.#shards[low & this.#mask]!;
    if (size > (shard.mainStart - shard.arenaStart) >>> 3) return false;
    const now = (nowMs / 1000) | 0;

    if (!lock(shard, this.#worker, LOCK_ATTEMPTS)) {
      Atomics.add(shard.words, SKIPPED, 1);
      return false;
    }
    const words = shard.words;
    const bucket = bucketAt(shard, low);
    let ring = SMALL;
    let frequency = 0;
    let ref = 0;
    let slot = find(shard, bucket, tag, question);
    if (slot >= 0) {
      // A newer answer stays where the older one was, as popular as that; one of the same size goes over it.
      const old = words[slot + WAYS]!;
      frequency = shard.bytes[frequencyAt(bucket, slot)]! & FREQUENCY_MASK;
      if (old >= shard.mainStart) ring = MAIN;
      if (entryWords(words[old]!) === size) ref = old;
      emptySlot(shard, slot);
    } else if (isRoomy(shard) || takeGhost(shard, bucket, tag)) {
      ring = MAIN;
    }
    if (ref === 0) ref = makeRoom(shard, ring, size, now - this.#serveStale);
    if (slot < 0) slot = freeSlot(shard, bucket, now);
    writeEntry(shard, ref, question, low, answer, now);
    fillSlot(shard, bucket, slot, tag, ref, frequency);
    words[INSERTS]!++;
    if (question.dnssecOk) words[WITH_DO] = 1;
    unlock(shard);
    return true;
  }

  /**
   * An insertion for `question` is coming soon: have the processor fetch what it will read and write. Each of these lines
   * lies in main memory, far from the others; asked for one insertion at a time they are waited for one after the other,
   * which is most of what an insertion costs. Changes nothing, takes no lock, and may be wrong about all of it.
   */
  foresee(question: Question): void {
    const low = keyLow(question);
    const shard = this.#shards[low & this.#mask]!;
    const { words } = shard;
    const bucket = bucketAt(shard, low);
    this.#foreseen ^= words[bucket]! ^ headLines(shard, MAIN);
    if (isRoomy(shard)) return;
    this.#foreseen ^= ghostLine(shard, bucket) ^ headLines(shard, SMALL);
    const oldest = words[SMALL + TAIL]!;
    if (oldest < shard.arenaStart || oldest >= shard.mainStart - ENTRY_HEADER_WORDS) return;
    const leaving = bucketAt(shard, words[oldest + KEY_LOW]!);
    this.#foreseen ^= words[leaving]! ^ ghostLine(shard, leaving);
  }

  /**
   * Copy what is kept for exactly `question` into `answer`, TTLs counted down, as a use of it. Returns the seconds that are
   * left, 0 where there is nothing in force. Sets the message and its rcode; kind and TTL offsets are not kept.
   */
  read(question: Question, nowMs: number, answer: Answer): number {
    const low = keyLow(question);
    const shard = this.#shards[low & this.#mask]!;
    const { words } = shard;
    const bucket = bucketAt(shard, low);
    const now = (nowMs / 1000) | 0;
    for (let attempts = 0; attempts < READ_ATTEMPTS; attempts++) {
      const version = Atomics.load(words, VERSION);
      if ((version & 1) !== 0) continue;
      const slot = find(shard, bucket, keyHigh(question), question);
      const ref = slot < 0 ? 0 : words[slot + WAYS]!;
      const inside = ref >= shard.arenaStart && ref < shard.arenaEnd - ENTRY_HEADER_WORDS;
      const head = inside ? words[ref]! : 0;
      const whole = inside && ref + entryWords(head) <= shard.arenaEnd;
      const left = whole ? words[ref + EXPIRES_AT]! - now : 0;
      if (left > 0) {
        READ_TARGET.reply = answer.bytes;
        READ_TARGET.replyWords = answer.words;
        copyMessage(READ_TARGET, shard, ref, head, now - words[ref + STORED_AT]!, 0);
        answer.length = messageLength(head);
        answer.rcode = rcodeOf(words[ref + CODES]!);
        answer.ede = edeOf(words[ref + CODES]!);
        answer.authenticData = authenticData(head);
        answer.ttl = left;
        answer.ttlCount = 0;
        answer.incomplete = incomplete(head);
      }
      if (NEEDS_FENCE) Atomics.store(fence, 0, 0);
      if (Atomics.load(words, VERSION) !== version) {
        attempts += TORN_ATTEMPTS;
        continue;
      }
      if (left <= 0) return 0;
      const at = frequencyAt(bucket, slot);
      const frequency = shard.bytes[at]!;
      if ((frequency & FREQUENCY_MASK) < this.#mostPopular) shard.bytes[at] = frequency + 1;
      return left;
    }
    this.contended++;
    return 0;
  }

  /** What the cache knows about `question`, without making it any more popular. For the control plane. */
  peek(question: Question, nowMs: number): CachePeek | undefined {
    const low = keyLow(question);
    const shard = this.#shards[low & this.#mask]!;
    const now = (nowMs / 1000) | 0;
    for (let attempts = 0; attempts < READ_ATTEMPTS; attempts++) {
      const version = Atomics.load(shard.words, VERSION);
      if ((version & 1) !== 0) continue;
      const slot = find(shard, bucketAt(shard, low), keyHigh(question), question);
      const ref = slot < 0 ? 0 : shard.words[slot + WAYS]!;
      const expiresAt = shard.words[ref + EXPIRES_AT] ?? 0;
      const storedAt = shard.words[ref + STORED_AT] ?? 0;
      const rcode = rcodeOf(shard.words[ref + CODES] ?? 0);
      if (NEEDS_FENCE) Atomics.store(fence, 0, 0);
      if (Atomics.load(shard.words, VERSION) !== version) continue;
      if (slot < 0 || now >= expiresAt + this.#serveStale) return undefined;
      return { ttlLeft: expiresAt - now, age: now - storedAt, rcode, stale: now >= expiresAt };
    }
    return undefined;
  }

  /** Forget every answer. Returns false where a lock could not be taken within about a second: its holder is dead. */
  flush(): boolean {
    let complete = true;
    for (const shard of this.#shards) {
      if (Atomics.load(shard.words, ENTRIES) === 0) continue;
      if (lock(shard, this.#worker, PATIENT_LOCK_ATTEMPTS)) {
        clearShard(shard);
        unlock(shard);
      } else complete = false;
    }
    return complete;
  }

  /**
   * Forget what is known about the question's name in its class: its own type and every type that has a name here
   * (wire/constants.ts TYPE), for all values of DO and CD. Returns how many answers that were.
   */
  flushName(question: Question): number {
    const one = new Question();
    one.copyFrom(question);
    let removed = 0;
    for (const type of new Set([question.type, ...Object.values(TYPE)])) {
      for (let bits = 0; bits < 4; bits++) {
        one.type = type;
        one.dnssecOk = (bits & 1) !== 0;
        one.checkingDisabled = (bits & 2) !== 0;
        if (this.#remove(one)) removed++;
      }
    }
    return removed;
  }

  /**
   * Forget what is known about `name` (wire form, lower case), or with `subtree` also about all below it; of one type, or of
   * every one (-1). Shards are looked through without a lock, one at a time with a pause after each, and only a bucket that
   * holds something of it is locked, for a microsecond. Resolves with how many answers that were.
   */
  async flushNames(name: Uint8Array, subtree: boolean, type: number, pause: () => Promise<void>): Promise<number> {
    let removed = 0;
    for (const shard of this.#shards) {
      for (let i = 0; i < shard.buckets; i++) {
        const bucket = shard.tableStart + i * BUCKET_WORDS;
        if (!mayHold(shard, bucket, name, subtree, type)) continue;
        if (!lock(shard, this.#worker, PATIENT_LOCK_ATTEMPTS)) continue;
        for (let slot = bucket; slot < bucket + WAYS; slot++) {
          if (shard.words[slot + WAYS] === 0 || !concerns(shard, shard.words[slot + WAYS]!, name, subtree, type))
            continue;
          emptySlot(shard, slot);
          removed++;
        }
        unlock(shard);
      }
      await pause();
    }
    return removed;
  }

  /** Sums over all shards; a snapshot taken without locks. */
  stats(): CacheStats {
    const sum: CacheStats = {
      entries: 0,
      bytesUsed: 0,
      wireBytes: 0,
      capacity: 0,
      inserts: 0,
      evictions: 0,
      ghostHits: 0,
      skipped: 0,
    };
    for (const { words } of this.#shards) {
      sum.entries += words[ENTRIES]!;
      sum.bytesUsed += words[LIVE_WORDS]! * 4;
      sum.wireBytes += words[WIRE_BYTES]!;
      sum.capacity += words.byteLength;
      sum.inserts += words[INSERTS]! >>> 0;
      sum.evictions += words[EVICTIONS]! >>> 0;
      sum.ghostHits += words[GHOST_HITS]! >>> 0;
      sum.skipped += words[SKIPPED]! >>> 0;
    }
    return sum;
  }

  #remove(question: Question): boolean {
    const low = keyLow(question);
    const shard = this.#shards[low & this.#mask]!;
    if (!lock(shard, this.#worker, PATIENT_LOCK_ATTEMPTS)) return false;
    const slot = find(shard, bucketAt(shard, low), keyHigh(question), question);
    if (slot >= 0) emptySlot(shard, slot);
    unlock(shard);
    return slot >= 0;
  }
}

/**
 * A worker has died: whatever shard it was writing to is in an unknown state, so it is emptied and given free. Called
 * by the main thread after the worker's end and before a successor gets its number. Returns how many shards that were.
 */
export function releaseLocksOf(memory: CacheMemory, worker: number): number {
  let released = 0;
  for (const buffer of memory.shards) {
    const shard = new Shard(buffer);
    if (Atomics.load(shard.words, LOCK) !== worker) continue;
    if ((Atomics.load(shard.words, VERSION) & 1) === 0) Atomics.add(shard.words, VERSION, 1);
    clearShard(shard);
    unlock(shard);
    released++;
  }
  return released;
}

/** Whether the bucket may hold something about the name. What changes while it is looked at may. */
function mayHold(shard: Shard, bucket: number, name: Uint8Array, subtree: boolean, type: number): boolean {
  const { words } = shard;
  const version = Atomics.load(words, VERSION);
  let holds = false;
  let empty = true;
  for (let slot = bucket; slot < bucket + WAYS && !holds; slot++) {
    const ref = words[slot + WAYS]!;
    if (ref === 0) continue;
    empty = false;
    holds = concerns(shard, ref, name, subtree, type);
  }
  if (NEEDS_FENCE) Atomics.store(fence, 0, 0);
  return holds || (!empty && ((version & 1) !== 0 || Atomics.load(words, VERSION) !== version));
}

/** Take the shard's lock and make its version odd. False after `attempts` tries. */
function lock(shard: Shard, worker: number, attempts: number): boolean {
  const words = shard.words;
  while (Atomics.compareExchange(words, LOCK, 0, worker) !== 0) if (--attempts <= 0) return false;
  Atomics.add(words, VERSION, 1);
  // The odd version must be seen before anything written after it: an atomic read behind an atomic write is a fence.
  Atomics.load(words, VERSION);
  return true;
}

function unlock(shard: Shard): void {
  Atomics.add(shard.words, VERSION, 1);
  Atomics.store(shard.words, LOCK, 0);
}

/** The slot that holds the answer to `question`, or -1. */
function find(shard: Shard, bucket: number, tag: number, question: Question): number {
  const words = shard.words;
  for (let slot = bucket; slot < bucket + WAYS; slot++) {
    if (words[slot] === tag && answers(shard, words[slot + WAYS]!, question)) return slot;
  }
  return -1;
}

/**
 * Copy the message into the reply's memory and set its TTLs: counted down by `age` seconds, or `staleTtl` for -1. What
 * does not fit is not copied. May run on an entry that is being changed; it stays inside arena and reply anyway.
 */
function copyMessage(query: ReplyMemory, shard: Shard, ref: number, head: number, age: number, staleTtl: number): void {
  const length = messageLength(head);
  const count = (length + 3) >>> 2;
  if (count << 2 > query.replyCapacity) return;
  const source = shard.words;
  const from = ref + ENTRY_HEADER_WORDS;
  const target = query.replyWords;
  const to = query.replyStart >>> 2;
  for (let i = 0; i < count; i++) target[to + i] = source[from + i]!;
  const { reply, replyStart } = query;
  const offsets = shard.halves;
  let offsetAt = (from + count) << 1;
  for (const end = offsetAt + ttlCount(head); offsetAt < end; offsetAt++) {
    const offset = offsets[offsetAt]!;
    if (offset + 4 > length) return;
    const at = replyStart + offset;
    let ttl = staleTtl;
    if (age >= 0) {
      ttl = ((reply[at]! << 24) | (reply[at + 1]! << 16) | (reply[at + 2]! << 8) | reply[at + 3]!) - age;
      if (ttl < 0) ttl = 0;
    }
    put32(reply, at, ttl);
  }
}

/** Make the copied message this client's reply. */
function finish(query: Query, head: number, codes: number, stale: boolean, wantsAd: boolean): void {
  const length = messageLength(head);
  const rcode = rcodeOf(codes);
  query.ede = edeOf(codes);
  query.incomplete = incomplete(head);
  // RFC 8914 §4.4 and §4.20.
  if (stale) query.ede = rcode === RCODE.NXDOMAIN ? EDE.STALE_NXDOMAIN : EDE.STALE_ANSWER;
  if (length > replyRoom(query) || ((length + 3) & ~3) > query.replyCapacity) {
    query.incomplete = false;
    beginReply(query, rcode, FLAG_TC);
    return;
  }
  writeHeader(query, rcode, wantsAd && !stale && authenticData(head) ? FLAG_AD : 0);
  restoreSpelling(query);
  query.replyLength = length;
}
