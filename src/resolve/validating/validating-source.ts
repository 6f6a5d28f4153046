/**
 * The source that believes nothing: it wraps another one (a forwarder, a router to several, an iterator), asks it with DO
 * and CD (RFC 6840 §5.9), and hands on what was validated.
 *
 *   resolve ─▶ job: joined, or new ─▶ wrapped source ─▶ answer ─▶ Validation (validate/validate.ts)
 *                                         ▲                          │ needs DS, DNSKEY
 *                                         └──────────────────────────┤ (from the cache, else asked; joined with others')
 *                                                                    ▼
 *             secure: AD  ·  insecure  ·  bogus, indeterminate: SERVFAIL with its extended error, remembered as a failure
 *
 * What a client asks with CD is passed on as it comes and kept under CD alone (RFC 4035 §3.2.2): it never answers a question
 * without. One budget a job bounds what a hostile zone can make of one question (validate/budget.ts).
 */
import { type Effort, NO_ROOM, RESOLVING, type Source, type SourceBudget, type Waiters } from '../../chain/source.ts';
import { halfSipHash, hashHigh, hashLow } from '../../hash/siphash.ts';
import type { Metrics } from '../../metrics/registry.ts';
import type { Clock } from '../../time/clock.ts';
import { Answer } from '../../wire/answer.ts';
import { CLASS, EDE, RCODE, TYPE } from '../../wire/constants.ts';
import { Normalizer } from '../../wire/normalize.ts';
import { Question } from '../../wire/question.ts';
import { assemble } from '../iterate/assemble.ts';
import { AllowedValidation, type ValidationAllowance } from '../validate/budget.ts';
import { isRoot, type Name, nameKey, ROOT_NAME } from '../validate/canonical-name.ts';
import type { TrustParts } from '../validate/chain-of-trust.ts';
import { type MessageSets, readSets } from '../validate/rrset.ts';
import { Validation } from '../validate/validate.ts';
import {
  type AskStep,
  BOGUS,
  type CheckStep,
  INDETERMINATE,
  INSECURE,
  SECURE,
  type Step,
  type StepReply,
  type Verdict,
} from '../validate/verdict.ts';
import { ZoneTrustStore } from '../validate/zone-trust.ts';
import type { DearChecks } from './dear-checks.ts';
import { InnerTokens } from './inner-tokens.ts';
import type { ProvenDenials } from './proven-denials.ts';
import { copyAnswer, KeptAnswer, ServedAnswers } from './served-answer.ts';
import { ValidationCounters } from './validation-counters.ts';

export interface ValidatingParts {
  readonly trust: TrustParts;
  readonly waiters: Waiters;
  /** Chains the tokens of those who wait (`SuspendedQueries.next`). */
  readonly suspendedNext: Int32Array;
  /** A validated answer, or one asked with CD, before those who wait get it: for the cache. All are borrowed. */
  onAnswer(question: Question, answer: Answer, nowMs: number, effort: Effort): void;
  /** The wrapped source found no answer: what its own `onFailure` was told. */
  onFailure(question: Question, ede: number, nowMs: number, kind: number, effort: Effort): void;
  /** An answer was found bogus, or could not be judged. Question is borrowed. */
  onRejected(question: Question, ede: number, nowMs: number, effort: Effort, verdict: Verdict): void;
  /** DS or DNSKEY came, asked with DO and CD: for the cache, where other threads find it. */
  onPart(question: Question, answer: Answer, nowMs: number): void;
  /** DS or DNSKEY could not be had. */
  onPartFailed(question: Question, ede: number, nowMs: number, kind: number): void;
  /** What the cache holds of a question for DS or DNSKEY, unvalidated: undefined, or an extended error where it failed lately. */
  cached(question: Question, nowMs: number): MessageSets | { readonly failed: number } | undefined;
  /** The DNSKEY set of a trust anchor's zone came, as the message is; now and then. Borrowed. */
  onAnchorKeys(zone: Name, answer: Answer): void;
  /** Whether the anchors of `zone` fit what it serves; called when that changes. */
  onAnchor(zone: Name, failed: boolean, why: string): void;
  readonly dearChecks: DearChecks;
  /** Denials that answer further questions (RFC 8198); undefined: each question is asked. */
  readonly denials?: ProvenDenials | undefined;
  /** The question goes where all others go: what the public tree says of its name holds. */
  readonly isPublic?: (question: Question) => boolean;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** The keys of `Question`'s hash. */
  readonly hashKey: readonly [number, number];
  readonly allowance?: ValidationAllowance;
  readonly limits?: Partial<ValidatingLimits>;
  /** Called when something was begun that libuv must carry on. */
  readonly nudge?: () => void;
}

export interface ValidatingLimits {
  /** Questions being fetched or validated at once. */
  readonly jobs: number;
  /** Queries that wait for the same question. */
  readonly waiters: number;
  /** Milliseconds after which a question has failed, everything that it needs included. */
  readonly deadlineMs: number;
  /** Milliseconds after which those who wait may be served something stale (RFC 8767 §5). */
  readonly slowMs: number;
}

export const VALIDATING_LIMITS: ValidatingLimits = { jobs: 4096, waiters: 512, deadlineMs: 10_000, slowMs: 1800 };

/** A kind of failure (forward.ts, FAILED_…) where nobody said one. */
const FAILED_ANSWERED = 0;
/** Ticks, of ten milliseconds, between two looks at zones and anchors. */
const LOOK_EVERY = 100;
/** RFC 5011 §2.3: the keys of an anchor's zone are asked for at least so often, whether or not anybody needs them. */
const ANCHOR_REFRESH_MS = 3_600_000;
/** … and handed on at most so often. */
const ANCHOR_REPORT_MS = 60_000;

class Job {
  readonly question = new Question();
  /** The same as it is asked: with DO and CD. */
  readonly asked = new Question();
  generation = 0;
  startedMs = 0.1;
  tryCount = 0;
  background = false;
  slowTold = false;
  validation: Validation | undefined = undefined;
  budget: AllowedValidation | undefined = undefined;
  /** What the wrapped source may still do for this question. */
  spending: SourceBudget | undefined = undefined;
  /** The answer, where it had to be put aside. */
  kept: KeptAnswer | undefined = undefined;
  firstWaiter = -1;
  lastWaiter = -1;
  waiterCount = 0;
  activeAt = -1;
  /** Next job in the same place of the table. */
  same: Job | undefined = undefined;
}

export class ValidatingSource implements Source, Waiters {
  /** For the wrapped source: the waiters that it answers are this source's. */
  readonly tokens: InnerTokens<Job>;
  /** Set by whoever makes the wrapped source, which needs this one first. */
  inner: Source | undefined;
  readonly #parts: ValidatingParts;
  readonly #limits: ValidatingLimits;
  readonly #counters: ValidationCounters;
  readonly #active: Job[] = [];
  readonly #free: Job[] = [];
  readonly #byQuestion = new Map<number, Job>();
  readonly #part = new Question();
  /** Trust as other partitions than the top level's see it (zones/partitions.ts): by the number of the partition. */
  readonly #others = new Map<number, TrustParts>();
  readonly #served = new ServedAnswers();
  readonly #normalizer = new Normalizer();
  /** One for each depth of delivering: who is answered may ask again, and be answered at once. */
  readonly #scratch: Answer[] = [new Answer()];
  #depth = 0;
  #ticks = 0;
  #anchorsDueMs = 0.1;
  /** By zone: when its keys were last handed on. */
  readonly #reportedMs = new Map<string, number>();
  /** Zones whose anchors do not fit. */
  #failing = new Set<string>();
  /** What the wrapped source said of the answer or failure that it is about to hand over. */
  #effort = { startedMs: 0, tryCount: 0, background: false };
  #failureKind = FAILED_ANSWERED;

  constructor(parts: ValidatingParts) {
    this.#parts = parts;
    this.#limits = { ...VALIDATING_LIMITS, ...parts.limits };
    this.#counters = new ValidationCounters(parts.metrics);
    // A job waits for one thing at a time.
    this.tokens = new InnerTokens<Job>(this.#limits.jobs * 2);
  }

  get outstanding(): number {
    return this.#active.length + (this.inner?.outstanding ?? 0);
  }

  /**
   * Trust in zones was withdrawn or given (new anchors, negative trust anchors), or somebody wants that of the zone `name`, or of all
   * below it as well, to be found out again. What is under way goes on with what it had.
   */
  forgetTrust(name: Name = ROOT_NAME, subtree = true): void {
    this.#parts.denials?.forget(name, subtree);
    for (const { store } of [this.#parts.trust, ...this.#others.values()]) {
      if (isRoot(name) && subtree) store.clear();
      else store.forget(name, subtree);
    }
    if (isRoot(name) && subtree) this.#others.clear();
  }

  // ── the wrapped source's reports, each right before `answered` or `failed` ──────────────────────────────────────────

  noteAnswer(question: Question, answer: Answer, nowMs: number, effort: Effort): void {
    this.#noteEffort(effort);
    if (!isPart(question)) return;
    this.#parts.onPart(question, answer, nowMs);
    if (question.type === TYPE.DNSKEY) this.#reportKeys(question, answer);
  }

  noteFailure(question: Question, ede: number, nowMs: number, kind: number, effort: Effort): void {
    this.#noteEffort(effort);
    this.#failureKind = kind;
    if (isPart(question)) this.#parts.onPartFailed(question, ede, nowMs, kind);
  }

  #noteEffort({ startedMs, tryCount, background }: Effort): void {
    this.#effort = { startedMs, tryCount, background };
  }

  // ── Source ────────────────────────────────────────────────────────────────────────────────────────────────────────

  has(question: Question): boolean {
    return this.#find(question) !== undefined;
  }

  resolve(question: Question, token: number, nowMs: number): number {
    const joined = this.#find(question);
    if (joined !== undefined) return this.#join(joined, token);
    if (this.#isDenied(question, token, nowMs)) return RESOLVING;
    const job = this.#open(question, nowMs, false);
    if (job === undefined) return NO_ROOM;
    this.#append(job, token);
    if (this.#ask(job, job.asked, nowMs)) return RESOLVING;
    // The token stays the caller's.
    this.#end(job);
    return NO_ROOM;
  }

  refresh(question: Question, nowMs: number): void {
    // A luxury: it leaves a quarter of the room to those who wait.
    if (this.#active.length >= (this.#limits.jobs * 3) >>> 2 || this.has(question)) return;
    const job = this.#open(question, nowMs, true);
    if (job !== undefined && !this.#ask(job, job.asked, nowMs)) this.#end(job);
  }

  tick(nowMs: number): void {
    this.inner?.tick(nowMs);
    const { slowMs, deadlineMs } = this.#limits;
    for (let i = this.#active.length - 1; i >= 0; i--) {
      const job = this.#active[i];
      if (job === undefined) continue;
      if (!job.slowTold && nowMs >= job.startedMs + slowMs) this.#tellSlow(job);
      if (nowMs >= job.startedMs + deadlineMs) this.#giveUp(job, EDE.DNSSEC_INDETERMINATE, nowMs);
    }
    const { values, outstanding } = this.#counters;
    values[outstanding] = this.#active.length;
    if (this.#ticks++ % LOOK_EVERY === LOOK_EVERY - 1) this.#look(nowMs);
  }

  #look(nowMs: number): void {
    const { values, keysAndZones, anchorsFailed, denials, denialBytes } = this.#counters;
    const { store, anchors } = this.#parts.trust;
    const counts = store.counts();
    for (const [i, index] of keysAndZones.entries()) values[index] = counts[i] ?? 0;
    values[denials] = this.#parts.denials?.records ?? 0;
    values[denialBytes] = this.#parts.denials?.bytes ?? 0;
    const now = this.#seconds();
    const failing = new Set<string>();
    for (const zone of anchors.zones) {
      const trust = store.get(zone, now);
      const key = nameKey(zone);
      // Between two attempts nothing is known; what was, stands.
      const failed = trust === undefined ? this.#failing.has(key) : trust.anchorFailed === true;
      if (failed) failing.add(key);
      if (failed !== this.#failing.has(key)) this.#parts.onAnchor(zone, failed, trust?.why ?? '');
    }
    this.#failing = failing;
    values[anchorsFailed] = failing.size;
    if (nowMs < this.#anchorsDueMs) return;
    this.#anchorsDueMs = nowMs + ANCHOR_REFRESH_MS;
    for (const zone of anchors.zones) {
      setQuestion(this.#part, zone, TYPE.DNSKEY, this.#parts.hashKey);
      this.refresh(this.#part, nowMs);
    }
  }

  #reportKeys(question: Question, answer: Answer): void {
    const zone = this.#parts.trust.anchors.zones.find(
      (one) => one.length === question.nameLength && one.every((byte, i) => question.name[i] === byte),
    );
    if (zone === undefined) return;
    const key = nameKey(zone);
    const nowMs = this.#parts.clock.nowMs();
    if (nowMs < (this.#reportedMs.get(key) ?? Number.NEGATIVE_INFINITY) + ANCHOR_REPORT_MS) return;
    this.#reportedMs.set(key, nowMs);
    this.#parts.onAnchorKeys(zone, answer);
  }

  close(): void {
    this.inner?.close();
  }

  // ── Waiters of the wrapped source ─────────────────────────────────────────────────────────────────────────────────

  answered(token: number, answer: Answer): void {
    const job = this.tokens.give(token);
    if (job === undefined) return;
    const nowMs = this.#parts.clock.nowMs();
    if (job.validation !== undefined) {
      // DS or DNSKEY.
      const sets = readSets(answer.bytes, 0, answer.length);
      this.#go(job, job.validation.resume(sets ?? { failed: EDE.OTHER }), undefined, nowMs);
      return;
    }
    job.tryCount = this.#effort.tryCount;
    if (job.question.checkingDisabled) {
      // RFC 4035 §3.2.2, §3.2.3: passed on as it came, and nobody vouches for it.
      this.#withScratch((scratch) => {
        copyAnswer(answer, scratch);
        scratch.authenticData = false;
        this.#deliver(job, scratch, nowMs);
      });
      return;
    }
    const sets = readSets(answer.bytes, 0, answer.length);
    if (sets === undefined) {
      this.#giveUp(job, EDE.OTHER, nowMs);
      return;
    }
    const { name, nameLength, type } = job.question;
    job.budget = new AllowedValidation(this.#parts.allowance);
    const question = { name: name.slice(0, nameLength), type };
    job.validation = new Validation(this.#trustFor(job.question), question, sets, this.#seconds(), job.budget);
    this.#go(job, job.validation.start(), answer, nowMs);
  }

  failed(token: number, ede: number): void {
    const job = this.tokens.give(token);
    if (job === undefined) return;
    const nowMs = this.#parts.clock.nowMs();
    if (job.validation !== undefined) {
      this.#go(job, job.validation.resume({ failed: ede }), undefined, nowMs);
      return;
    }
    job.tryCount = this.#effort.tryCount;
    this.#parts.onFailure(job.question, ede, nowMs, this.#failureKind, job);
    this.#fail(job, ede);
  }

  /** The clock of a job is looked at in `tick`: a token that waits goes on waiting. */
  slow(_token: number): boolean {
    return false;
  }

  // ── a job's way ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Carry out steps until one has to be waited for, or the verdict is there. `answer`: still in the wrapped source's hands. */
  #go(job: Job, first: Step | undefined, answer: Answer | undefined, nowMs: number): void {
    let step = first;
    while (step !== undefined) {
      if (job.kept === undefined && answer !== undefined) job.kept = new KeptAnswer(answer);
      const reply = step.step === 'ask' ? this.#fetchPart(job, step, nowMs) : this.#check(job, step);
      if (reply === WAIT) return;
      step = job.validation!.resume(reply);
    }
    this.#judged(job, job.validation!.verdict!, answer, nowMs);
  }

  #judged(job: Job, verdict: Verdict, answer: Answer | undefined, nowMs: number): void {
    this.#count(job, verdict);
    if (verdict.status === BOGUS || verdict.status === INDETERMINATE) {
      this.#parts.onRejected(job.question, verdict.ede, nowMs, job, verdict);
      this.#fail(job, verdict.ede);
      return;
    }
    if (this.#isPublic(job.question)) this.#parts.denials?.learn(verdict, nowMs);
    this.#withScratch((scratch) => {
      if (job.kept !== undefined) job.kept.putInto(scratch);
      else if (answer !== undefined) copyAnswer(answer, scratch);
      const made = this.#served.made(job.question, scratch, verdict);
      if (made === undefined) {
        this.#giveUp(job, EDE.OTHER, nowMs);
        return;
      }
      if (made !== scratch) copyAnswer(made, scratch);
      scratch.authenticData = verdict.status === SECURE;
      // RFC 8914 §4.2: the reason why what might be signed is not validated.
      if (verdict.status === INSECURE && verdict.ede !== EDE.NONE) scratch.ede = verdict.ede;
      this.#deliver(job, scratch, nowMs);
    });
  }

  /** RFC 8198: what was proven for others answers this question, too. */
  #isDenied(question: Question, token: number, nowMs: number): boolean {
    const { denials, trust } = this.#parts;
    if (denials === undefined || question.checkingDisabled || question.class !== CLASS.IN) return false;
    if (!this.#isPublic(question)) return false;
    const name = question.name.slice(0, question.nameLength);
    const denied = denials.deny(name, question.type, nowMs);
    if (denied === undefined || trust.insecurePoint?.(name) !== undefined) return false;
    const { rcode, authority } = denied;
    let made = false;
    this.#withScratch((scratch) => {
      // RFC 4035 §3.2.1: denials go to those that set DO.
      const parts = { rcode, answer: [], authority: question.dnssecOk ? authority : authority.slice(0, 1) };
      if (!assemble(parts, question, this.#normalizer, scratch)) return;
      made = true;
      scratch.authenticData = true;
      const { values, proven } = this.#counters;
      values[proven + (rcode === RCODE.NXDOMAIN ? 0 : 1)]! += 1;
      this.#parts.onAnswer(question, scratch, nowMs, { startedMs: nowMs, tryCount: 0, background: false });
      this.#parts.waiters.answered(token, scratch);
    });
    return made;
  }

  #isPublic(question: Question): boolean {
    return question.partition === 0 && (this.#parts.isPublic?.(question) ?? true);
  }

  /** What some servers say of a zone's keys, or fail to say, is nothing for those who ask others. */
  #trustFor({ partition }: Question): TrustParts {
    const { trust } = this.#parts;
    if (partition === 0) return trust;
    const known = this.#others.get(partition);
    if (known !== undefined) return known;
    const { keys, limits, insecurePoint } = trust;
    const own: TrustParts = {
      // Anchors may change.
      get anchors() {
        return trust.anchors;
      },
      store: new ZoneTrustStore(PARTITION_TRUST_BYTES),
      keys,
      limits,
      insecurePoint,
    };
    this.#others.set(partition, own);
    return own;
  }

  /** DS or DNSKEY: from the cache, or asked for. */
  #fetchPart(job: Job, { name, type }: AskStep, nowMs: number): StepReply | typeof WAIT {
    const question = this.#part;
    setQuestion(question, name, type, this.#parts.hashKey);
    question.partition = job.question.partition;
    const held = this.#parts.cached(question, nowMs);
    if (held !== undefined) return held;
    this.#counters.values[this.#counters.questions]! += 1;
    // What is called back at once, before `resolve` returns, is taken up where it comes.
    return this.#ask(job, question, nowMs) ? WAIT : { failed: EDE.NOT_READY };
  }

  #check(job: Job, step: CheckStep): StepReply | typeof WAIT {
    this.#counters.values[this.#counters.dear]! += 1;
    const { generation } = job;
    const taken = this.#parts.dearChecks.check(step, (right) => {
      if (job.generation !== generation || job.validation === undefined) return;
      this.#go(job, job.validation.resume(right), undefined, this.#parts.clock.nowMs());
    });
    if (!taken) return false;
    this.#parts.nudge?.();
    return WAIT;
  }

  #ask(job: Job, question: Question, nowMs: number): boolean {
    const token = this.tokens.take(job);
    if (token < 0) return false;
    // What is asked for the sake of one question draws on one budget.
    job.spending ??= this.inner?.openBudget?.(job.asked, nowMs);
    if (this.inner?.resolve(question, token, nowMs, job.spending) !== NO_ROOM) return true;
    this.tokens.give(token);
    return false;
  }

  #count({ budget }: Job, { status, ede }: Verdict): void {
    const { values } = this.#counters;
    this.#counters.verdict(status, ede);
    if (budget === undefined) return;
    const { micros, signatures, hashes } = budget.cost;
    values[this.#counters.signatures]! += signatures;
    values[this.#counters.hashes]! += hashes;
    values[this.#counters.seconds]! += micros / 1e6;
    if (budget.exhausted !== undefined) values[this.#counters.overBudget]! += 1;
  }

  // ── those who wait ────────────────────────────────────────────────────────────────────────────────────────────────

  #deliver(job: Job, answer: Answer, nowMs: number): void {
    this.#parts.onAnswer(job.question, answer, nowMs, job);
    for (let token = this.#end(job); token >= 0; ) {
      const next = this.#parts.suspendedNext[token]!;
      this.#parts.waiters.answered(token, answer);
      token = next;
    }
  }

  #fail(job: Job, ede: number): void {
    for (let token = this.#end(job); token >= 0; ) {
      const next = this.#parts.suspendedNext[token]!;
      this.#parts.waiters.failed(token, ede);
      token = next;
    }
  }

  /** It took too long, or what came could not be read. */
  #giveUp(job: Job, ede: number, nowMs: number): void {
    this.#parts.onFailure(job.question, ede, nowMs, FAILED_ANSWERED, job);
    this.#fail(job, ede);
  }

  #join(job: Job, token: number): number {
    if (job.waiterCount >= this.#limits.waiters) return NO_ROOM;
    if (job.slowTold) {
      // It has been taking long already: the same holds for who comes now.
      const { generation } = job;
      if (this.#parts.waiters.slow(token)) return RESOLVING;
      if (job.generation !== generation) return NO_ROOM;
    }
    this.#append(job, token);
    return RESOLVING;
  }

  #append(job: Job, token: number): void {
    const next = this.#parts.suspendedNext;
    next[token] = -1;
    if (job.lastWaiter < 0) job.firstWaiter = token;
    else next[job.lastWaiter] = token;
    job.lastWaiter = token;
    job.waiterCount++;
  }

  #tellSlow(job: Job): void {
    job.slowTold = true;
    const { generation } = job;
    let token = job.firstWaiter;
    job.firstWaiter = -1;
    job.lastWaiter = -1;
    job.waiterCount = 0;
    while (token >= 0) {
      const next = this.#parts.suspendedNext[token]!;
      if (!this.#parts.waiters.slow(token)) {
        // Whoever was served something stale may have ended this very job; then there is nothing to wait for.
        if (job.generation === generation) this.#append(job, token);
        else this.#parts.waiters.failed(token, EDE.NOT_READY);
      }
      token = next;
    }
  }

  // ── jobs ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #find(question: Question): Job | undefined {
    for (let job = this.#byQuestion.get(placeOf(question)); job !== undefined; job = job.same) {
      if (job.question.equals(question)) return job;
    }
    return undefined;
  }

  #open(question: Question, nowMs: number, background: boolean): Job | undefined {
    if (this.#active.length >= this.#limits.jobs) return undefined;
    const job = this.#free.pop() ?? new Job();
    job.question.copyFrom(question);
    job.asked.copyFrom(question);
    if (!question.checkingDisabled && question.class === CLASS.IN) {
      job.asked.dnssecOk = true;
      job.asked.checkingDisabled = true;
    }
    job.startedMs = nowMs;
    job.tryCount = 0;
    job.background = background;
    job.slowTold = false;
    job.activeAt = this.#active.push(job) - 1;
    const place = placeOf(question);
    job.same = this.#byQuestion.get(place);
    this.#byQuestion.set(place, job);
    return job;
  }

  /** The job is done. Returns the first of those who wait, or -1. */
  #end(job: Job): number {
    const first = job.firstWaiter;
    const place = placeOf(job.question);
    const head = this.#byQuestion.get(place);
    if (head === job) {
      if (job.same === undefined) this.#byQuestion.delete(place);
      else this.#byQuestion.set(place, job.same);
    } else {
      for (let at = head; at !== undefined; at = at.same) if (at.same === job) at.same = job.same;
    }
    const last = this.#active.pop()!;
    if (last !== job) {
      this.#active[job.activeAt] = last;
      last.activeAt = job.activeAt;
    }
    job.generation = (job.generation + 1) | 0;
    job.same = undefined;
    job.validation = undefined;
    job.budget = undefined;
    job.spending = undefined;
    job.kept = undefined;
    job.firstWaiter = -1;
    job.lastWaiter = -1;
    job.waiterCount = 0;
    this.#free.push(job);
    return first;
  }

  #withScratch(use: (scratch: Answer) => void): void {
    this.#scratch[this.#depth] ??= new Answer();
    const scratch = this.#scratch[this.#depth]!;
    this.#depth++;
    try {
      use(scratch);
    } finally {
      this.#depth--;
    }
  }

  #seconds(): number {
    return Math.floor(this.#parts.clock.wallMs() / 1000);
  }
}

/** What is known of zones in each partition of a view, in bytes. */
const PARTITION_TRUST_BYTES = 4 * 1024 * 1024;
/** The step's answer will come. */
const WAIT = Symbol('wait');

function placeOf(question: Question): number {
  return (
    question.hashLow ^
    Math.imul(question.type, 0x9e3779b1) ^
    (question.dnssecOk ? 1 : 0) ^
    (question.checkingDisabled ? 2 : 0)
  );
}

/** The question for DS or DNSKEY of `name`, with DO and CD. */
export function setQuestion(
  question: Question,
  name: Name,
  type: number,
  [key0, key1]: readonly [number, number],
): void {
  question.clear();
  question.name.set(name);
  question.nameLength = name.length;
  for (let at = 0; name[at]! > 0; at += name[at]! + 1) question.labelStarts[question.labelCount++] = at;
  // The hash reads whole words.
  question.name.fill(0, name.length, (name.length + 3) & ~3);
  halfSipHash(question.nameWords, name.length, key0, key1);
  question.hashLow = hashLow;
  question.hashHigh = hashHigh;
  question.type = type;
  question.class = CLASS.IN;
  question.dnssecOk = true;
  question.checkingDisabled = true;
}

/** A question for DS or DNSKEY: what comes is kept for others, too. */
export function isPart({ type, dnssecOk, checkingDisabled }: Question): boolean {
  return (type === TYPE.DS || type === TYPE.DNSKEY) && dnssecOk && checkingDisabled;
}
