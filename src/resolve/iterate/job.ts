/** One question on its way from the root, or from the closest zone known, to its answer. walk.ts moves it. */
import { Question } from '../../wire/question.ts';
import type { AuthorityServer } from './authority-server.ts';
import type { Budget } from './budget.ts';
import type { Delegation } from './delegation.ts';
import type { Exchange, ExchangeOwner } from './exchanges.ts';
import type { WireName } from './name-text.ts';
import type { Reply, RRset } from './reply.ts';

/** A client's question, an address of a name server, or the root's name servers (RFC 8109). */
export type JobKind = 'client' | 'address' | 'prime';

/** A server of the zone at hand. */
export interface Candidate {
  readonly server: AuthorityServer;
  /** Times it was asked in this step. */
  tries: number;
  /** What it answered was of no use. */
  failed: boolean;
}

/** What `walk.ts` is told of an exchange. */
export interface JobEvents {
  replied(job: Job, exchange: Exchange, reply: Reply, bytes: number, nowMs: number): void;
  unanswered(job: Job, exchange: Exchange, nowMs: number): void;
  failed(job: Job, exchange: Exchange, nowMs: number): void;
}

/** What is asked on behalf of others is nobody's question. */
const NO_QUESTION = new Question();

export class Job implements ExchangeOwner {
  readonly kind: JobKind;
  /** Where it is found by those who ask the same. */
  readonly key: string;
  readonly budget: Budget;
  /** Questions on whose behalf this one is asked: 0 for a client's. */
  readonly depth: number;
  readonly type: number;
  /** The client's question, borrowed for as long as the job lasts; of others one that is empty. */
  readonly question: Question;
  readonly #events: JobEvents;

  /** What is looked for now: the question's name, or the target of the last alias. */
  name: WireName;
  aliases = 0;
  readonly answer: RRset[] = [];
  readonly authority: RRset[] = [];

  zone: Delegation | undefined = undefined;
  candidates: Candidate[] = [];
  /** Name servers of the zone whose addresses have been asked for. */
  readonly lookedUp = new Set<WireName>();
  /** Queries sent in this zone for the name at hand. */
  sends = 0;
  /** Failures received in this zone. */
  failures = 0;
  /** RFC 9156: fewer labels than the name has are asked for. */
  minimise = true;
  minimised = 0;
  /** Labels of the name that is asked for now. */
  labels = 0;
  /** Referrals in a row from a server to itself. */
  selfReferrals = 0;

  readonly exchanges: Exchange[] = [];
  readonly waitsFor = new Set<Job>();
  readonly waitedForBy = new Set<Job>();
  done = false;

  /** The zone whose share of places it has (zone-shares.ts). */
  share: WireName | undefined = undefined;

  // For those who wait (forward/waiting.ts).
  firstWaiter = -1;
  lastWaiter = -1;
  waiters = 0;
  slowTold = false;
  generation = 0;
  background = false;
  tryCount = 0;
  readonly startedMs: number;

  constructor(
    kind: JobKind,
    key: string,
    name: WireName,
    type: number,
    budget: Budget,
    depth: number,
    nowMs: number,
    events: JobEvents,
    question: Question = NO_QUESTION,
  ) {
    this.kind = kind;
    this.key = key;
    this.name = name;
    this.type = type;
    this.budget = budget;
    this.depth = depth;
    this.startedMs = nowMs;
    this.#events = events;
    this.question = question;
  }

  mayAsk(nowMs: number): boolean {
    if (!this.budget.takeQuery(nowMs)) return false;
    this.tryCount++;
    return true;
  }

  replied(exchange: Exchange, reply: Reply, bytes: number, nowMs: number): void {
    this.#events.replied(this, exchange, reply, bytes, nowMs);
  }

  unanswered(exchange: Exchange, nowMs: number): void {
    this.#events.unanswered(this, exchange, nowMs);
  }

  failed(exchange: Exchange, nowMs: number): void {
    this.#events.failed(this, exchange, nowMs);
  }

  /** Somebody whom this one waits for, directly or not, is `other`. */
  dependsOn(other: Job): boolean {
    if (this === other) return true;
    for (const each of this.waitsFor) if (each.dependsOn(other)) return true;
    return false;
  }
}
