/**
 * The packet's way through the server, as a list:
 *
 *     (foresee and fetch hooks, for a batch)
 *     → packet hooks (guards) → read → query hooks of guards → own names → query hooks of policy → cache → zones
 *     with records here → miss hooks → source → resolved hooks → answer hooks → OPT and size limit → observe hooks
 *
 * Everything is synchronous. A query whose answer is not there yet is put aside (suspended.ts) and comes back through
 * `answered`, `failed` or `slow`. One `try` around it all keeps a faulty plugin from costing more than its query.
 */
import type { AnswerCache } from '../cache/cache.ts';
import type { FailureTable } from '../cache/failures.ts';
import {
  ANSWER,
  COMPLETE,
  CONTINUE,
  DROP,
  FAIL,
  LOOK_UP,
  REFUSE,
  RESOLVED_NOT_ASKED,
  type Ticket,
  TRUNCATE,
  type Verdict,
} from '../contract/plugin.ts';
import type { Metrics } from '../metrics/registry.ts';
import type { Clock } from '../time/clock.ts';
import type { ViewTable } from '../views/view-table.ts';
import type { Answer } from '../wire/answer.ts';
import { zoneShown } from '../wire/answer-zone.ts';
import { EDE, FLAG_AD, FLAG_TC, isBogus, RCODE, TYPE } from '../wire/constants.ts';
import { cutTtls } from '../wire/cut-ttls.ts';
import {
  CACHE_FAILURE,
  CACHE_HIT,
  CACHE_MISS,
  CACHE_STALE,
  COOKIE_BAD,
  DROP_CLIENT_GONE,
  DROP_FAULT,
  DROP_OUTSIDER_MALFORMED,
  DROP_OWN_ADDRESS,
  DROP_PLUGIN,
  DROP_PORT_ZERO,
  DROP_RESPONSE,
  DROP_SHORT,
  Query,
} from '../wire/query.ts';
import type { Question } from '../wire/question.ts';
import {
  READ_BADVERS,
  READ_COOKIE_ONLY,
  READ_MALFORMED,
  READ_OK,
  READ_OPCODE,
  READ_RESPONSE,
  READ_SHORT,
  readQuery,
} from '../wire/reader.ts';
import type { ServerCookies } from '../wire/server-cookies.ts';
import { TRANSPORT_TABLE } from '../wire/transports.ts';
import { beginReply, finishReply, replyRoom, restoreSpelling, writeHeader } from '../wire/writer.ts';
import type { Partitions } from '../zones/partitions.ts';
import { CnameCompletion, FAILED, WAITS, WHOLE } from './completion.ts';
import { setFailure } from './failure-reasons.ts';
import { type FaultLog, type MountedPlugin, PluginHooks } from './hooks.ts';
import type { OwnAddresses } from './own-addresses.ts';
import { minimalAny, type OwnNames } from './own-names.ts';
import { QueryCounters } from './query-counters.ts';
import type { ReplyRoute } from './routes.ts';
import { SecondLookup } from './second-lookup.ts';
import { type Effort, NO_ROOM, type Source, type Waiters } from './source.ts';
import type { SuspendedQueries } from './suspended.ts';

/** The source has the query; beyond the verdicts of plugins. */
const WAITING = 9;
/** A plugin may hold a query for so long at most. */
const MAX_DEFER_MS = 10_000;

export interface ChainParts {
  /** In the order in which their hooks run (plugins.ts sorts them by stage). */
  readonly plugins: readonly MountedPlugin[];
  readonly ownNames: Pick<OwnNames, 'decide'>;
  readonly cache: Pick<AnswerCache, 'serve' | 'refreshDue'>;
  readonly failures: Pick<FailureTable, 'active'>;
  /** Zones whose records are here (zones/partitions.ts). */
  readonly localZones?: Pick<Partitions, 'decide'> | undefined;
  /** Who gets which view; undefined where the configuration has none. */
  readonly views?: ViewTable | undefined;
  readonly suspended: SuspendedQueries;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly hashKey: readonly [number, number];
  readonly log: FaultLog;
  /** DNS cookies (RFC 7873); without them cookies are an unknown option, which is ignored. */
  readonly cookies?: ServerCookies | undefined;
  /** Where the server itself listens. */
  readonly ownAddresses?: OwnAddresses | undefined;
}

export class Chain implements Waiters {
  /** Where suspended queries are answered, by transport. Set by whoever opens the transports. */
  readonly routes: (ReplyRoute | undefined)[] = TRANSPORT_TABLE.map(() => undefined);
  /** Set by whoever makes the source (which needs the chain first). */
  source: Source | undefined;
  readonly #hooks: PluginHooks;
  readonly #counters: QueryCounters;
  readonly #ownNames: ChainParts['ownNames'];
  readonly #cache: ChainParts['cache'];
  readonly #failures: ChainParts['failures'];
  readonly #localZones: ChainParts['localZones'];
  readonly #views: ViewTable | undefined;
  readonly #cookies: ServerCookies | undefined;
  readonly #ownAddresses: OwnAddresses | undefined;
  readonly #suspended: SuspendedQueries;
  readonly #clockMs: () => number;
  readonly #key0: number;
  readonly #key1: number;
  readonly #resumed = new Query();
  /** A deferred query goes through hooks and source again, during which others may be answered through `#resumed`. */
  readonly #undeferred = new Query();
  readonly #completion: CnameCompletion;
  readonly #second: SecondLookup;
  readonly #tickets = new Map<number, { generation: number; deadlineMs: number }>();

  constructor(parts: ChainParts) {
    this.#hooks = new PluginHooks(parts.plugins, parts.metrics, parts.log, parts.views?.configs);
    this.#counters = new QueryCounters(parts.metrics);
    this.#ownNames = parts.ownNames;
    this.#cache = parts.cache;
    this.#failures = parts.failures;
    this.#localZones = parts.localZones;
    this.#views = parts.views;
    this.#cookies = parts.cookies;
    this.#ownAddresses = parts.ownAddresses;
    this.#suspended = parts.suspended;
    this.#clockMs = () => parts.clock.nowMs();
    [this.#key0, this.#key1] = parts.hashKey;
    this.#completion = new CnameCompletion(parts);
    this.#second = new SecondLookup(parts);
  }

  /** Handle the packet in `query`. Returns true when the reply stands in it; false when it was dropped or has to wait. */
  handle(query: Query): boolean {
    this.#counters.received(query);
    query.reset();
    if (this.#views !== undefined) {
      this.#views.enter(query);
      this.#views.received(query);
    }
    this.#hooks.beginQuery();
    try {
      return this.#settle(query, this.#decide(query));
    } catch (error) {
      return this.#contain(query, error);
    }
  }

  /** The source is done with a question (RESOLVED_…): plugins hear of it before those who wait. `answer`: where there is one. */
  resolved(question: Question, outcome: number, effort: Effort, nowMs: number, answer?: Answer): void {
    if (!this.#hooks.hearsResolved) return;
    try {
      const elapsedMs = effort.tryCount === 0 ? 0 : nowMs - effort.startedMs;
      const zoneAt = answer === undefined ? -1 : zoneShown(answer, question);
      this.#hooks.resolved(question, outcome, elapsedMs, effort.tryCount, effort.background, zoneAt);
    } catch (error) {
      this.#hooks.fault(error, this.#clockMs());
    }
  }

  /** Some plugin asks the memory ahead for a batch of packets: the listener then calls `foresee` and `fetch`. */
  get foresees(): boolean {
    return this.#hooks.foresees;
  }

  /** A packet of a batch whose sender alone is known; `handle` follows for each of them. */
  foresee(query: Query): void {
    try {
      this.#hooks.foresee(query);
    } catch (error) {
      this.#hooks.fault(error, this.#clockMs());
    }
  }

  /** The batch's senders are known. */
  fetch(): void {
    try {
      this.#hooks.fetch();
    } catch (error) {
      this.#hooks.fault(error, this.#clockMs());
    }
  }

  /** The source would send `question` once more, or nobody waits for it: plugins may object. */
  mayAskAgain(question: Question): boolean {
    try {
      return this.#hooks.again(question);
    } catch (error) {
      this.#hooks.fault(error, this.#clockMs());
      return true;
    }
  }

  /** Waiters: the answer has come. */
  answered(token: number, answer: Answer): void {
    const query = this.#restore(token);
    if (query) {
      if (this.#second.holds(token)) {
        this.#sendFound(query, token, answer.bytes, answer.length, answer.authenticData);
      } else if (this.#completion.holds(token)) {
        const more = this.#completion.answered(token, query, answer) && answer.incomplete;
        this.#sendCompleted(query, token, more ? COMPLETE : ANSWER);
      } else {
        const whole = serveAnswer(query, answer);
        this.#sendResumed(query, whole && answer.incomplete ? COMPLETE : ANSWER);
      }
    }
    this.#release(token);
  }

  /** Waiters: there is none. Something stale is better than nothing (RFC 8767 §4). */
  failed(token: number, ede: number): void {
    const query = this.#restore(token);
    if (query && this.#second.holds(token)) {
      this.#sendFound(query, token, this.#second.message, 0, false);
    } else if (query && this.#completion.holds(token)) {
      // RFC 8767 is for answers that are not available, not for those that are false.
      if (isBogus(ede) || !this.#completion.stale(token, query)) this.#completion.failed(query, ede);
      this.#sendCompleted(query, token, ANSWER);
    } else if (query) {
      const stale = !isBogus(ede) && this.#serveStale(query);
      if (!stale) {
        beginReply(query, RCODE.SERVFAIL);
        setFailure(query, ede);
      }
      this.#sendResumed(query, stale ? held(query) : ANSWER);
    }
    this.#release(token);
  }

  /** Waiters: the client response timer ran out (RFC 8767 §5). */
  slow(token: number): boolean {
    if (this.#second.holds(token)) return false;
    const query = this.#restore(token);
    if (query && this.#completion.holds(token)) {
      if (!this.#completion.stale(token, query)) return false;
      this.#sendCompleted(query, token, ANSWER);
    } else if (query) {
      if (!this.#serveStale(query)) return false;
      this.#sendResumed(query, held(query));
    }
    this.#release(token);
    return true;
  }

  /** Plugins' `context.defer`: called from inside a query hook. */
  defer(query: Query, deadlineMs: number): Ticket | undefined {
    query.resumeAt = this.#hooks.currentQueryHook + 1;
    const token = this.#suspended.hold(query);
    if (token < 0) return undefined;
    const generation = this.#suspended.generation(token);
    const bounded = Math.min(MAX_DEFER_MS, Math.max(1, deadlineMs));
    this.#tickets.set(token, { generation, deadlineMs: query.nowMs + bounded });
    return { token, generation };
  }

  /** Plugins' `context.resume`. */
  resume(ticket: Ticket, verdict: Verdict, write?: (query: Query) => void): boolean {
    if (this.#tickets.get(ticket.token)?.generation !== ticket.generation) return false;
    this.#tickets.delete(ticket.token);
    const query = this.#restore(ticket.token, this.#undeferred);
    if (query) {
      try {
        const counted = this.#hooks.isDryRun(query.resumeAt - 1, query, verdict);
        const goesOn = verdict === CONTINUE || counted;
        if (write && !counted) write(query);
        this.#sendResumed(query, goesOn ? this.#decideFrom(query, query.resumeAt) : verdict);
      } catch (error) {
        if (this.#contain(query, error)) this.#deliver(query);
      }
    }
    this.#suspended.release(ticket.token);
    return true;
  }

  /** Fail deferred queries whose deadline has passed. */
  tick(nowMs: number): void {
    for (const [token, ticket] of this.#tickets) {
      if (nowMs >= ticket.deadlineMs) this.resume({ token, generation: ticket.generation }, FAIL);
    }
  }

  /** Deferred queries outstanding. */
  get deferred(): number {
    return this.#tickets.size;
  }

  /** The UDP answers given at once since the last call took at most `elapsedMs`. */
  recordBatch(elapsedMs: number): void {
    this.#counters.recordBatch(elapsedMs);
  }

  // ── deciding ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #decide(query: Query): number {
    // Nothing can be sent to port 0; such a source is forged.
    if (query.port === 0) return this.#drop(query, DROP_PORT_ZERO);
    // What claims to come from a socket of ours was forged to make the server answer itself.
    if (this.#ownAddresses?.has(query)) return this.#drop(query, DROP_OWN_ADDRESS);
    const hooks = this.#hooks;
    for (let i = 0; i < hooks.packetCount; i++) {
      const verdict = hooks.runPacket(i, query);
      if (verdict !== CONTINUE) return this.#refuseUnread(query, verdict);
    }
    const read = readQuery(query, this.#key0, this.#key1);
    if (query.cookieLength > 0) this.#examineCookie(query);
    if (read !== READ_OK) return this.#unreadable(query, read);
    return this.#decideFrom(query, 0);
  }

  #examineCookie(query: Query): void {
    if (this.#cookies === undefined) return;
    this.#cookies.examine(query);
    this.#counters.cookie(query.cookie);
  }

  /** Query hooks from index `from` on, then cache and source. */
  #decideFrom(query: Query, from: number): number {
    const hooks = this.#hooks;
    let i = from;
    for (; i < hooks.guardCount; i++) {
      const verdict = hooks.runQuery(i, query);
      if (verdict !== CONTINUE) return verdict;
    }
    // A query deferred by a policy hook has been past this point.
    if (from <= hooks.guardCount) {
      const verdict = this.#ownNames.decide(query);
      if (verdict !== CONTINUE) return verdict;
    }
    for (; i < hooks.queryCount; i++) {
      const verdict = hooks.runQuery(i, query);
      if (verdict !== CONTINUE) return verdict;
    }
    return query.question.type === TYPE.ANY ? minimalAny(query) : this.#lookUp(query);
  }

  #lookUp(query: Query): number {
    const found = this.#cache.serve(query, false);
    if (found === CACHE_HIT) {
      query.cacheResult = CACHE_HIT;
      // RFC 8767 is for failures; for popular names the answer is fetched before it expires.
      if (this.#cache.refreshDue && this.mayAskAgain(query.question)) this.source?.refresh(query.question, query.nowMs);
      return held(query);
    }
    if (this.#localZones !== undefined) {
      const verdict = this.#localZones.decide(query);
      if (verdict !== CONTINUE) return verdict;
    }
    // RFC 9520 §3: a failure is remembered, so that retries do not become a storm.
    const failure = this.#failures.active(query.question, query.nowMs);
    if (failure >= 0) {
      if (!isBogus(failure) && this.#serveStale(query)) return held(query);
      query.cacheResult = CACHE_FAILURE;
      beginReply(query, RCODE.SERVFAIL);
      query.ede = failure === EDE.OTHER ? EDE.CACHED_ERROR : failure;
      return ANSWER;
    }
    query.cacheResult = CACHE_MISS;
    // Joining a question that is being asked adds no work, so nobody has to be asked whether it may.
    if (this.#hooks.missCount === 0 || this.source?.has(query.question)) return this.#askSource(query, false);
    if (found === CACHE_STALE) query.cacheResult = CACHE_STALE;
    const verdict = this.#hooks.runMiss(query);
    query.cacheResult = CACHE_MISS;
    if (verdict === CONTINUE) return this.#askSource(query, true);
    return verdict === FAIL ? this.#failMiss(query) : verdict;
  }

  /** A miss hook does not let the source be asked: something stale, else SERVFAIL for the hook's reason. */
  #failMiss(query: Query): number {
    const { ede, edeText } = query;
    if (this.#serveStale(query)) return held(query);
    beginReply(query, RCODE.SERVFAIL);
    query.ede = ede;
    query.edeText = edeText;
    return ANSWER;
  }

  /** `announced`: miss hooks have let it pass and wait to hear what became of it. */
  #askSource(query: Query, announced: boolean): number {
    const token = this.#suspended.hold(query);
    if (token >= 0) {
      if (this.source?.resolve(query.question, token, query.nowMs) !== NO_ROOM) return WAITING;
      this.#suspended.release(token);
    }
    this.#counters.shed();
    if (announced) this.#hooks.resolved(query.question, RESOLVED_NOT_ASKED, 0, 0, false);
    // Answers to others may have gone out meanwhile: take a place for this one again.
    this.routes[query.transport]?.prepare(query);
    if (this.#serveStale(query)) return held(query);
    beginReply(query, RCODE.SERVFAIL);
    query.ede = EDE.NOT_READY;
    return ANSWER;
  }

  #serveStale(query: Query): boolean {
    if (!query.mayBeStale) return false;
    const found = this.#cache.serve(query, true);
    if (found !== CACHE_STALE && found !== CACHE_HIT) return false;
    query.cacheResult = found;
    return true;
  }

  /** A guard has decided before the packet was read: what is answered still needs the question. */
  #refuseUnread(query: Query, verdict: number): number {
    if (verdict === DROP) return verdict;
    const read = readQuery(query, this.#key0, this.#key1);
    if (read === READ_OK || read === READ_BADVERS) return verdict;
    query.unreadable = read === READ_RESPONSE || read === READ_SHORT || read === READ_MALFORMED;
    // Whoever may not ask is not told what is wrong with the question either.
    return this.#drop(
      query,
      read === READ_RESPONSE ? DROP_RESPONSE : read === READ_SHORT ? DROP_SHORT : DROP_OUTSIDER_MALFORMED,
    );
  }

  #unreadable(query: Query, read: number): number {
    query.unreadable = read === READ_RESPONSE || read === READ_SHORT || read === READ_MALFORMED;
    switch (read) {
      case READ_SHORT:
        return this.#drop(query, DROP_SHORT);
      case READ_RESPONSE:
        return this.#drop(query, DROP_RESPONSE);
      case READ_OPCODE:
        beginReply(query, RCODE.NOTIMP);
        return ANSWER;
      case READ_BADVERS:
        beginReply(query, RCODE.BADVERS);
        return ANSWER;
      case READ_COOKIE_ONLY:
        // RFC 7873 §5.4; without cookies of our own it is a query without a question.
        beginReply(
          query,
          !query.answersCookie ? RCODE.FORMERR : query.cookie === COOKIE_BAD ? RCODE.BADCOOKIE : RCODE.NOERROR,
        );
        return ANSWER;
      case READ_MALFORMED:
        beginReply(query, RCODE.FORMERR);
        return ANSWER;
      default:
        throw new Error(`readQuery returned ${read}`);
    }
  }

  // ── ending ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Carry a verdict out. Returns true when a reply stands in the query. */
  #settle(query: Query, verdict: number): boolean {
    switch (verdict) {
      case ANSWER:
        break;
      case REFUSE:
        beginReply(query, RCODE.REFUSED);
        if (query.ede === EDE.NONE) query.ede = EDE.PROHIBITED;
        break;
      case FAIL:
        beginReply(query, RCODE.SERVFAIL);
        break;
      case TRUNCATE:
        beginReply(query, RCODE.NOERROR, FLAG_TC);
        break;
      case DROP:
        return this.#dropByPlugin(query);
      case COMPLETE:
        if (!this.#completeCname(query, false)) return false;
        break;
      default:
        // DEFER, WAITING: the query comes back.
        return false;
    }
    return this.#complete(query);
  }

  /** Answer hooks, OPT, counters, observers. */
  #complete(query: Query): boolean {
    return this.#answerHooks(query, 0, CONTINUE);
  }

  /** Answer hooks from `from` on; the one before it has said `verdict`. */
  #answerHooks(query: Query, from: number, verdict: number): boolean {
    const hooks = this.#hooks;
    for (let i = from; verdict === CONTINUE && i < hooks.answerCount; i++) {
      verdict = hooks.runAnswer(i, query);
      if (verdict === LOOK_UP) verdict = this.#lookUpOther(query, i);
    }
    // The query comes back.
    if (verdict === WAITING) return false;
    if (verdict === DROP) return this.#dropByPlugin(query);
    if (verdict === COMPLETE && !this.#completeCname(query, true)) return false;
    if (verdict === TRUNCATE) beginReply(query, query.rcode, FLAG_TC);
    else if (verdict === REFUSE) beginReply(query, RCODE.REFUSED);
    else if (verdict === FAIL) beginReply(query, RCODE.SERVFAIL);
    return this.#finish(query);
  }

  /** The answer hook at `i` wants another type of the same name. Returns its verdict, or WAITING. */
  #lookUpOther(query: Query, i: number): number {
    const second = this.#second;
    const { message } = second;
    const found = second.begin(query, i, this.source);
    if (found === WAITS) {
      // Where the source called back at once, what became of the query has been seen to.
      query.dropReason = -1;
      return WAITING;
    }
    if (found === FAILED) {
      this.#counters.shed();
      // Answers to others may have gone out meanwhile: take a place for this one again.
      this.routes[query.transport]?.prepare(query);
      second.putBack(query);
    }
    return this.#hooks.runFound(i, query, message, second.length, second.authentic);
  }

  /** What an answer hook wanted looked up has come, or is not available: `length` 0. */
  #sendFound(query: Query, token: number, message: Uint8Array, length: number, authentic: boolean): void {
    let ready: boolean;
    try {
      const hook = this.#second.resume(token, query);
      ready = this.#answerHooks(query, hook + 1, this.#hooks.runFound(hook, query, message, length, authentic));
    } catch (error) {
      ready = this.#contain(query, error);
    }
    if (ready) this.#deliver(query);
    else if (query.dropReason >= 0) this.routes[query.transport]?.abandon?.(query);
  }

  /** OPT, counters, observers. */
  #finish(query: Query): boolean {
    if (query.view !== 0) this.#finishInView(query);
    finishReply(query);
    this.#counters.answered(query, this.#clockMs);
    this.#hooks.observe(query);
    return true;
  }

  #finishInView(query: Query): void {
    const maxTtl = this.#views?.maxTtl(query) ?? Number.POSITIVE_INFINITY;
    if (maxTtl !== Number.POSITIVE_INFINITY) cutTtls(query, maxTtl);
    this.#views?.answered(query);
  }

  /** Add what the CNAME at the end of the reply leads to. Returns false where the query has to wait for it. */
  #completeCname(query: Query, byAnswerHook: boolean): boolean {
    const found = this.#completion.begin(query, byAnswerHook, this.source);
    if (found === WHOLE) return true;
    if (found === FAILED) {
      this.#counters.shed();
      // Answers to others may have gone out meanwhile: take a place for this one again.
      this.routes[query.transport]?.prepare(query);
      beginReply(query, RCODE.SERVFAIL);
      query.ede = EDE.NOT_READY;
      return true;
    }
    // Where the source called back at once, what became of the query has been seen to.
    query.dropReason = -1;
    return false;
  }

  #dropByPlugin(query: Query): boolean {
    if (query.dropReason < 0) this.#drop(query, DROP_PLUGIN);
    query.replyLength = 0;
    this.#hooks.observe(query);
    return false;
  }

  #drop(query: Query, reason: number): number {
    query.dropReason = reason;
    this.#counters.dropped(reason);
    return DROP;
  }

  /** A hook or the server itself threw: count it, say so now and then, and answer SERVFAIL without asking anybody else. */
  #contain(query: Query, error: unknown): boolean {
    const observing = this.#hooks.observing;
    this.#hooks.fault(error, this.#clockMs());
    const answered = this.#failedReply(query);
    if (!observing) this.#observeFailed(query);
    return answered;
  }

  /** The SERVFAIL of a query on which something threw; false where not even that can be written. */
  #failedReply(query: Query): boolean {
    try {
      if (query.questionEnd === 0) {
        this.#drop(query, DROP_FAULT);
        query.replyLength = 0;
        return false;
      }
      beginReply(query, RCODE.SERVFAIL);
      query.ede = EDE.NONE;
      finishReply(query);
      this.#counters.failed();
      return true;
    } catch {
      this.#drop(query, DROP_FAULT);
      query.replyLength = 0;
      return false;
    }
  }

  /** Observers see also what did not go the usual way. One that throws here is counted, and that is the end of it. */
  #observeFailed(query: Query): void {
    try {
      this.#hooks.observe(query);
    } catch (error) {
      this.#hooks.fault(error, this.#clockMs());
    }
  }

  // ── suspended queries ─────────────────────────────────────────────────────────────────────────────────────────────

  /** The query behind `token`, ready to be answered; undefined where its client is gone. */
  #restore(token: number, query: Query = this.#resumed): Query | undefined {
    this.#suspended.restore(token, query, this.#key0, this.#key1);
    this.#views?.enter(query);
    query.nowMs = this.#clockMs();
    if (query.cookieLength > 0) this.#cookies?.examine(query);
    this.#hooks.resumeQuery();
    if (this.routes[query.transport]?.prepare(query)) return query;
    this.#drop(query, DROP_CLIENT_GONE);
    query.replyLength = 0;
    this.#observeFailed(query);
    return undefined;
  }

  #sendResumed(query: Query, verdict: number): void {
    let ready: boolean;
    try {
      ready = this.#settle(query, verdict);
    } catch (error) {
      ready = this.#contain(query, error);
    }
    if (ready) this.#deliver(query);
    else if (query.dropReason >= 0) this.routes[query.transport]?.abandon?.(query);
  }

  /** A reply that waited for a CNAME's target is whole, or the target is not available. */
  #sendCompleted(query: Query, token: number, verdict: number): void {
    let ready: boolean;
    try {
      // COMPLETE: what came ends in another CNAME.
      if (!this.#completion.byAnswerHook(token)) ready = this.#settle(query, verdict);
      else ready = (verdict !== COMPLETE || this.#completeCname(query, true)) && this.#finish(query);
    } catch (error) {
      ready = this.#contain(query, error);
    }
    if (ready) this.#deliver(query);
    else if (query.dropReason >= 0) this.routes[query.transport]?.abandon?.(query);
  }

  #release(token: number): void {
    this.#completion.forget(token);
    this.#second.forget(token);
    this.#suspended.release(token);
  }

  #deliver(query: Query): void {
    this.routes[query.transport]?.send(query);
  }
}

/** What to do with a reply out of the cache: its CNAME's target may be another answer. */
function held(query: Query): number {
  return query.incomplete ? COMPLETE : ANSWER;
}

/**
 * Write an upstream's answer into the reply: the same as a cache hit, with an age of nothing. Returns false where it is too
 * long, and header and question are written with TC.
 */
export function serveAnswer(query: Query, answer: Answer): boolean {
  if (answer.length > Math.min(replyRoom(query), query.replyCapacity)) {
    beginReply(query, answer.rcode, FLAG_TC);
    return false;
  }
  const from = answer.words;
  const to = query.replyWords;
  const at = query.replyStart >>> 2;
  for (let i = 0, words = (answer.length + 3) >>> 2; i < words; i++) to[at + i] = from[i]!;
  // RFC 6840 §5.7, §5.8: AD only for clients that understand it.
  const wantsAd = query.question.dnssecOk || (query.flags & FLAG_AD) !== 0;
  writeHeader(query, answer.rcode, answer.authenticData && wantsAd ? FLAG_AD : 0);
  restoreSpelling(query);
  query.replyLength = answer.length;
  if (query.ede === EDE.NONE) query.ede = answer.ede;
  return true;
}
