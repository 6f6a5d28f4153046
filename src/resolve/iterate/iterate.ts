/**
 * The source that asks the authorities themselves, from the root down, where nobody is there to forward to.
 *
 *   chain ─ resolve ─▶ joined to an identical question, or a new job with a budget of its own
 *                        job ─▶ walk.ts ─▶ exchanges.ts ─▶ authorities
 *                         │        └─▶ infra-store.ts: zones, addresses, DS   server-memory.ts: latency, capability
 *                         ▼
 *                   assemble.ts ─▶ normalised answer ─▶ cache ─▶ everyone who waits
 *
 * Whoever calls `resolve` or `refresh` sees to it that the sockets are flushed afterwards; `tick` does it itself.
 */
import type { PrefixSet } from '../../address/prefix-set.ts';
import type { DatagramSink, UpstreamSockets } from '../../chain/routes.ts';
import { type Effort, NO_ROOM, RESOLVING, type Source, type SourceBudget, type Waiters } from '../../chain/source.ts';
import type { Metrics } from '../../metrics/registry.ts';
import type { Clock } from '../../time/clock.ts';
import { Answer, FAILURE, POSITIVE } from '../../wire/answer.ts';
import { CLASS, EDE, RCODE, TYPE } from '../../wire/constants.ts';
import { Normalizer } from '../../wire/normalize.ts';
import { Question } from '../../wire/question.ts';
import { WaitingList } from '../forward/waiting.ts';
import { assemble, describe, type Parts } from './assemble.ts';
import { BUDGET_LIMITS, Budget, type BudgetLimits } from './budget.ts';
import { bytesOfAddress, type Delegation } from './delegation.ts';
import { Exchanges } from './exchanges.ts';
import { hintsDelegation, type RootHint } from './hints.ts';
import { type InfraStore, nameOfQuestion } from './infra-store.ts';
import { IterateCounters } from './iterate-counters.ts';
import { Job } from './job.ts';
import { LameServers } from './lame-servers.ts';
import { bytesOfName, isAtOrBelow, putName, ROOT_NAME, type WireName } from './name-text.ts';
import { type Reply, readReply } from './reply.ts';
import type { ServerTable } from './server-memory.ts';
import { type End, Walk } from './walk.ts';
import { ZoneShares } from './zone-shares.ts';

/** Servers answered, but with failures or garbage, or the question cannot be answered. */
export const ITERATE_FAILED_ANSWERED = 0;
/** Nobody answered in time. */
export const ITERATE_FAILED_TIMEOUT = 1;
/** Given up for newer questions; not worth remembering. */
export const ITERATE_FAILED_SHED = 3;

/** Seconds for which name servers put into an answer for policies hold at most: it is not to live any longer for them. */
const MAX_NAME_SERVER_TTL = 300;

export interface IterateParts {
  readonly sockets: (sink: DatagramSink) => UpstreamSockets;
  readonly waiters: Waiters;
  /** Chains the tokens of those who wait (`SuspendedQueries.next`). */
  readonly suspendedNext: Int32Array;
  /** A new answer, before those who wait get it: for the cache. All are borrowed. */
  onAnswer(question: Question, answer: Answer, nowMs: number, effort: Effort): void;
  /** There is no answer, and why: an info code (RFC 8914) and ITERATE_FAILED_…. Question and effort are borrowed. */
  onFailure(question: Question, ede: number, nowMs: number, kind: number, effort: Effort): void;
  /** May `question` be sent once more, or to another server? Borrowed. */
  mayRepeat?(question: Question): boolean;
  /** The name goes another way (`zones`): aliases to it are the chain's to follow. */
  readonly elsewhere?: (name: WireName) => boolean;
  readonly infra: InfraStore;
  readonly servers: ServerTable;
  readonly hints: readonly RootHint[];
  /** Addresses that are never asked. */
  readonly forbidden: PrefixSet;
  readonly clock: Clock;
  readonly random32: () => number;
  readonly metrics: Metrics;
  readonly budget?: Partial<BudgetLimits>;
  readonly limits?: Partial<IterateLimits>;
  readonly ipv4?: boolean;
  readonly ipv6?: boolean;
  readonly minimise?: boolean;
  readonly cookies?: boolean;
  readonly mixedCase?: boolean;
  /** Ask for signatures always: what comes is validated. */
  readonly dnssecOk?: boolean;
  /** A policy looks at the name servers of zones: they are put into answers. */
  readonly nameServers?: boolean;
  readonly nudge?: () => void;
}

export interface IterateLimits {
  /** Questions of clients outstanding at once. */
  readonly questions: number;
  /** Queries that wait for the same question. */
  readonly waiters: number;
  /** Milliseconds after which those who wait may be served something stale (RFC 8767 §5). */
  readonly slowMs: number;
  /** When there is no more room a question that has been outstanding for so long may be given up for a new one. */
  readonly shedAfterMs: number;
}

export const ITERATE_LIMITS: IterateLimits = { questions: 4096, waiters: 512, slowMs: 1800, shedAfterMs: 400 };

export class IterateSource implements Source {
  readonly #parts: IterateParts;
  readonly #limits: IterateLimits;
  readonly #budget: BudgetLimits;
  readonly #counters: IterateCounters;
  readonly #shares: ZoneShares;
  readonly #exchanges: Exchanges;
  readonly #walk: Walk;
  readonly #waiting: WaitingList;
  readonly #normalizer: Normalizer;
  readonly #answer = new Answer();
  /** For what is known beforehand: apart, because it is answered at once, while another answer is in others' hands. */
  readonly #dsQuestion = new Question();
  readonly #dsAnswer = new Answer();
  /** Given back by jobs that are over; no more than there were jobs at once. */
  readonly #questions: Question[] = [];
  /** In the order in which they began. */
  readonly #jobs = new Map<string, Job>();

  constructor(parts: IterateParts) {
    this.#parts = parts;
    this.#limits = { ...ITERATE_LIMITS, ...parts.limits };
    this.#budget = { ...BUDGET_LIMITS, ...parts.budget };
    this.#counters = new IterateCounters(parts.metrics);
    this.#shares = new ZoneShares(this.#limits.questions);
    this.#dsQuestion.type = TYPE.DS;
    this.#dsQuestion.class = CLASS.IN;
    this.#dsQuestion.dnssecOk = true;
    this.#normalizer = new Normalizer({ nameServers: parts.nameServers ?? false });
    this.#waiting = new WaitingList(parts.waiters, parts.suspendedNext);
    const { clock, random32, infra, servers } = parts;
    const counters = this.#counters;
    const dnssecOk = true;
    this.#exchanges = new Exchanges({
      sockets: parts.sockets,
      servers,
      clock,
      random32,
      counters,
      dnssecOk,
      cookies: parts.cookies ?? true,
      mixedCase: parts.mixedCase ?? true,
      nudge: parts.nudge ?? (() => {}),
    });
    this.#walk = new Walk({
      exchanges: this.#exchanges,
      infra,
      servers,
      lame: new LameServers(),
      counters,
      clock,
      random32,
      hints: hintsDelegation(parts.hints),
      forbidden: parts.forbidden,
      ipv4: parts.ipv4 ?? true,
      ipv6: parts.ipv6 ?? true,
      minimise: parts.minimise ?? true,
      dnssecOk,
      elsewhere: parts.elsewhere ?? (() => false),
      mayRepeat: (job) => job.kind !== 'client' || (parts.mayRepeat?.(job.question) ?? true),
      ended: (job, end, nowMs) => this.#ended(job, end, nowMs),
      referred: (delegation, parent, reply, nowMs) => this.#keepDs(delegation, parent, reply, nowMs),
    });
    this.#walk.prime = (nowMs) => this.#prime(nowMs);
  }

  get outstanding(): number {
    return this.#jobs.size;
  }

  /** Questions that can still be taken. */
  get room(): number {
    return Math.max(0, this.#limits.questions - this.#jobs.size);
  }

  has(question: Question): boolean {
    return this.#jobs.size > 0 && this.#jobs.has(keyOf(question));
  }

  /** One budget for all that a client's question makes necessary, validation included. */
  openBudget(_question: Question, nowMs: number): SourceBudget {
    return new Budget(this.#budget, nowMs);
  }

  resolve(question: Question, token: number, nowMs: number, spending?: SourceBudget): number {
    const key = keyOf(question);
    const joined = this.#jobs.get(key);
    if (joined) return this.#join(joined, token);
    if (question.class !== CLASS.IN) {
      this.#parts.waiters.failed(token, EDE.NOT_SUPPORTED);
      return RESOLVING;
    }
    if (this.room === 0 && !this.#shedOldest(nowMs)) return NO_ROOM;
    const zone = this.#parts.infra.closest(nameOfQuestion(question), nowMs)?.zone ?? ROOT_NAME;
    if (!this.#shares.allows(zone, this.#jobs.size)) {
      this.#counters.zoneFull();
      return NO_ROOM;
    }
    const job = this.#open(question, key, nowMs, spending);
    job.share = zone;
    this.#shares.take(zone);
    this.#waiting.append(job, token);
    this.#begin(job, nowMs);
    return RESOLVING;
  }

  refresh(question: Question, nowMs: number): void {
    // A luxury: it leaves a quarter of the room to those who wait.
    if (question.class !== CLASS.IN || this.room <= this.#limits.questions >>> 2 || this.has(question)) return;
    const job = this.#open(question, keyOf(question), nowMs);
    job.background = true;
    this.#begin(job, nowMs);
  }

  tick(nowMs: number): void {
    this.#exchanges.tick(nowMs);
    this.#walk.tick(nowMs);
    for (const job of this.#jobs.values()) {
      if (nowMs >= job.budget.endsMs) {
        job.budget.takeQuery(nowMs);
        this.#walk.abandon(job, 'budget', EDE.NO_REACHABLE_AUTHORITY, nowMs);
      } else if (!job.slowTold && nowMs >= job.startedMs + this.#limits.slowMs) this.#waiting.tellSlow(job);
    }
    this.#counters.outstanding(this.#jobs.size);
    this.#exchanges.flush();
  }

  /** Everyone who waits is failed, so close the source before the transports that carry the replies. */
  close(): void {
    const nowMs = this.#parts.clock.nowMs();
    for (const job of [...this.#jobs.values()]) this.#walk.abandon(job, 'shed', EDE.NOT_READY, nowMs);
    this.#exchanges.close();
  }

  #open(question: Question, key: string, nowMs: number, spending?: SourceBudget): Job {
    const budget = spending instanceof Budget ? spending : new Budget(this.#budget, nowMs);
    const own = this.#questions.pop() ?? new Question();
    own.copyFrom(question);
    const job = new Job('client', key, nameOfQuestion(question), question.type, budget, 0, nowMs, this.#walk, own);
    this.#jobs.set(key, job);
    return job;
  }

  #begin(job: Job, nowMs: number): void {
    // What the parent said with its referral is the answer to this question (RFC 4035 §3.1.4.1).
    if (job.type === TYPE.DS && this.#parts.infra.readDs(job.name, nowMs, this.#dsAnswer)) {
      describe(this.#dsAnswer);
      this.#counters.outcome(this.#dsAnswer.kind === POSITIVE ? 'answer' : 'nodata');
      this.#deliver(job, this.#dsAnswer, nowMs);
      return;
    }
    if (this.#cutShort(job, nowMs)) return;
    this.#walk.begin(job, nowMs);
  }

  /** RFC 8020 §2: below a name that does not exist there is nothing. */
  #cutShort(job: Job, nowMs: number): boolean {
    const { infra } = this.#parts;
    const { question, name } = job;
    const zone = infra.closest(name, nowMs)?.zone ?? ROOT_NAME;
    const answer = this.#dsAnswer;
    if (!infra.readAbsentAbove(name, zone, question.dnssecOk, nowMs, answer)) return false;
    const reply = readReply(answer.bytes, 0, answer.length);
    const parts = { rcode: RCODE.NXDOMAIN, answer: [], authority: reply?.authority ?? [] };
    if (reply === undefined || !assemble(parts, question, this.#normalizer, answer)) return false;
    this.#counters.cut();
    this.#counters.outcome('nxdomain');
    this.#deliver(job, answer, nowMs);
    return true;
  }

  #prime(nowMs: number): void {
    const budget = new Budget(this.#budget, nowMs);
    this.#walk.begin(new Job('prime', '', ROOT_NAME, TYPE.NS, budget, 0, nowMs, this.#walk), nowMs);
  }

  #join(job: Job, token: number): number {
    if (job.waiters >= this.#limits.waiters) return NO_ROOM;
    if (job.slowTold) {
      // It has been taking long already: the same holds for who comes now.
      if (this.#waiting.slow(token)) return RESOLVING;
      if (job.done) return NO_ROOM;
    }
    this.#waiting.append(job, token);
    return RESOLVING;
  }

  /** Newest first: the oldest question is given up for a new one; whoever asked it has mostly given up as well. */
  #shedOldest(nowMs: number): boolean {
    const oldest = this.#jobs.values().next().value;
    if (oldest === undefined || nowMs - oldest.startedMs < this.#limits.shedAfterMs) return false;
    this.#walk.abandon(oldest, 'shed', EDE.NOT_READY, nowMs);
    return true;
  }

  // ── what comes of it ──────────────────────────────────────────────────────────────────────────────────────────────

  #ended(job: Job, end: End, nowMs: number): void {
    if (job.kind !== 'client') return;
    const { question } = job;
    const answer = this.#answer;
    if (end.outcome === 'budget' && job.budget.exhausted) this.#counters.exhausted(job.budget.exhausted);
    if (end.rcode === RCODE.SERVFAIL) {
      this.#fail(job, end, nowMs);
      return;
    }
    const parts = this.#partsOf(job, end.rcode);
    if (!assemble(parts, question, this.#normalizer, answer) || answer.kind === FAILURE) {
      this.#fail(job, { ...end, outcome: 'servers-fail', ede: EDE.OTHER }, nowMs);
      return;
    }
    if (end.outcome === 'nxdomain' && job.answer.length === 0)
      this.#parts.infra.putAbsent(job.name, question.dnssecOk, answer, nowMs);
    // The chain goes on with the alias, which leads to a zone that goes another way.
    if (end.incomplete) answer.incomplete = true;
    this.#counters.outcome(end.outcome);
    this.#deliver(job, answer, nowMs);
  }

  /** Policies on name servers (RPZ: NSDNAME, NSIP) see those of the zone that answered, as its parent told them. */
  #partsOf({ answer, authority, zone }: Job, rcode: number): Parts {
    if (!(this.#parts.nameServers ?? false) || zone === undefined || zone.zone === ROOT_NAME)
      return { rcode, answer, authority };
    const ttl = Math.min(MAX_NAME_SERVER_TTL, ...[...answer, ...authority].map((set) => set.ttl));
    const data = zone.servers.map(({ name }) => bytesOfName(name));
    const servers = { owner: zone.zone, type: TYPE.NS, ttl, data, signatures: [] };
    const addresses = zone.servers.flatMap(({ name, glue }) =>
      [TYPE.A, TYPE.AAAA].map((type) => ({
        owner: name,
        type,
        ttl,
        data: glue.map(bytesOfAddress).filter((bytes) => (bytes.length === 4) === (type === TYPE.A)),
        signatures: [],
      })),
    );
    const additional = addresses.filter(({ data }) => data.length > 0);
    return { rcode, answer, authority: [...authority, servers], additional };
  }

  #deliver(job: Job, answer: Answer, nowMs: number): void {
    job.done = true;
    this.#parts.onAnswer(job.question, answer, nowMs, job);
    this.#jobs.delete(job.key);
    if (job.share !== undefined) this.#shares.give(job.share);
    const first = this.#waiting.detach(job);
    job.generation++;
    this.#questions.push(job.question);
    this.#waiting.answered(first, answer);
  }

  #fail(job: Job, { outcome, ede }: End, nowMs: number): void {
    this.#counters.outcome(outcome);
    const shed = outcome === 'shed';
    const kind = shed
      ? ITERATE_FAILED_SHED
      : outcome === 'no-reachable-server'
        ? ITERATE_FAILED_TIMEOUT
        : ITERATE_FAILED_ANSWERED;
    this.#parts.onFailure(job.question, ede, nowMs, kind, job);
    this.#jobs.delete(job.key);
    if (job.share !== undefined) this.#shares.give(job.share);
    const first = this.#waiting.detach(job);
    job.generation++;
    this.#questions.push(job.question);
    this.#waiting.failed(first, outcome === 'budget' ? (job.budget.ede ?? ede) : ede);
  }

  /**
   * RFC 4035 §3.1.4: a referral of a signed zone says whether there are DS records, and proves it where there are none. Kept
   * as the answer to the question for DS, it saves that question; it is believed no more than one that was asked for.
   */
  #keepDs(delegation: Delegation, parent: Delegation, reply: Reply, nowMs: number): void {
    const ds = reply.authority.find(
      (set) => set.type === TYPE.DS && set.owner === delegation.zone && set.data.length > 0,
    );
    const proofs = reply.authority.filter(
      (set) =>
        (set.type === TYPE.NSEC || set.type === TYPE.NSEC3) &&
        set.data.length > 0 &&
        isAtOrBelow(set.owner, parent.zone),
    );
    const sets = ds ? [ds] : proofs;
    if (sets.every(({ signatures }) => signatures.length === 0)) return;
    const question = this.#dsQuestion;
    const parts = { rcode: RCODE.NOERROR, answer: ds ? [ds] : [], authority: ds ? [] : proofs };
    setName(question, delegation.zone);
    if (!assemble(parts, question, this.#normalizer, this.#dsAnswer)) return;
    const left = Math.floor((delegation.expiresMs - nowMs) / 1000);
    this.#dsAnswer.ttl = Math.min(left, ...sets.map(({ ttl }) => ttl));
    this.#parts.infra.putDs(delegation.zone, this.#dsAnswer, nowMs);
  }
}

/** The name alone: what a message is written and read with. */
function setName(question: Question, name: WireName): void {
  question.nameLength = putName(name, question.name, 0);
  question.labelCount = 0;
  for (let at = 0; at < name.length - 1; at += name.charCodeAt(at) + 1)
    question.labelStarts[question.labelCount++] = at;
}

function keyOf(question: Question): string {
  const bits = (question.dnssecOk ? 1 : 0) | (question.checkingDisabled ? 2 : 0);
  return `${question.type} ${question.class} ${bits} ${nameOfQuestion(question)}`;
}
