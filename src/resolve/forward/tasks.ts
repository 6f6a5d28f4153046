/**
 * Questions outstanding: a fixed pool, found again by question (to join those who ask the same) and by id (when a reply
 * comes). Nothing here grows.
 *
 *   question ──hash──▶ heads ─▶ task ─▶ task          id ──▶ byId[65536] ──▶ task: no two tasks share an id
 */
import { Question } from '../../wire/question.ts';
import { QUERY_BYTES } from './query-message.ts';

/** Times that a question is sent, all servers together. */
export const MAX_TRIES = 4;

/** One sending of a query. The reply may come to any of them, however late. */
export class Try {
  /** Index of the server. */
  server = -1;
  /** What `UpstreamSockets.send` returned; -1: could not be sent. */
  socket = -1;
  /** It went over TLS; `socket` says nothing then. */
  encrypted = false;
  /** The connection was there when it was sent. */
  timed = false;
  /** The name went out in lower case. */
  plain = false;
  /** Begins as a fraction, like all instants here, so that the field holds a double from the start. */
  sentMs = 0.1;
}

/** One question outstanding. */
export class Task {
  readonly slot: number;
  readonly question = new Question();
  /** The query as sent, name in random case. */
  readonly query = new Uint8Array(QUERY_BYTES);
  /** The same in lower case, for servers that lose the case; written when first needed. */
  readonly plainQuery = new Uint8Array(QUERY_BYTES);
  readonly tries: readonly Try[] = Array.from({ length: MAX_TRIES }, () => new Try());
  /** Changes when the slot is used again. */
  generation = 0;
  active = false;
  id = 0;
  /** Index of the server that is probed, or -1: a probe has no waiters and is not in the table of questions. */
  probe = -1;
  /** Nobody waits for it (`Source.refresh`), or nobody did when it began. */
  background = false;
  tryCount = 0;
  plainWritten = false;
  /** Servers asked, and servers that answered with a failure, as bit masks. */
  tried = 0;
  refusedBy = 0;
  /** Failures received. */
  refusals = 0;
  /** Extended error of the last failure, or EDE.NONE. */
  ede = -1;
  /** Index of the server that is asked over TCP, or -1. */
  tcpServer = -1;
  tcpTries = 0;
  /** Many wrong ids came: UDP is not believed any more. */
  onlyTcp = false;
  /** The name goes out in lower case: configured so, or what it got in mixed case was no answer. */
  lowerCase = false;
  /** Servers asked without EDNS, as a bit mask. */
  withoutEdns = 0;
  /** Servers asked without our cookie, as a bit mask. */
  withoutCookie = 0;
  /** Tokens of those who wait, chained. */
  firstWaiter = -1;
  lastWaiter = -1;
  waiters = 0;
  /** The client response timer ran out (RFC 8767 §5) and those who waited were told. */
  slowTold = false;
  startedMs = 0.1;
  /** When the current try is given up. */
  tryUntilMs = 0.1;
  /** When `tick` has to look at it again. */
  wakeMs = 0.1;
  /** Next task with the same place in the table of questions. */
  hashNext = -1;
  /** Place in the list of active tasks. */
  activeAt = -1;

  constructor(slot: number) {
    this.slot = slot;
  }
}

export class TaskPool {
  readonly capacity: number;
  /** Slots of the active tasks, the first `active` ones; order changes when a task ends. */
  readonly activeSlots: Int32Array;
  active = 0;
  readonly #tasks: readonly Task[];
  readonly #free: Int32Array;
  #freeCount: number;
  readonly #byId = new Int32Array(65536).fill(-1);
  readonly #heads: Int32Array;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#tasks = Array.from({ length: capacity }, (_, slot) => new Task(slot));
    this.#free = Int32Array.from({ length: capacity }, (_, i) => capacity - 1 - i);
    this.#freeCount = capacity;
    this.activeSlots = new Int32Array(capacity);
    this.#heads = new Int32Array(2 ** Math.ceil(Math.log2(capacity * 2))).fill(-1);
  }

  /** Tasks that can still be taken. */
  get free(): number {
    return this.#freeCount;
  }

  at(slot: number): Task {
    return this.#tasks[slot]!;
  }

  /** The task for `question`, if there is one. */
  find(question: Question): Task | undefined {
    for (let slot = this.#heads[this.#place(question)]!; slot >= 0; ) {
      const task = this.#tasks[slot]!;
      if (task.question.equals(question)) return task;
      slot = task.hashNext;
    }
    return undefined;
  }

  /** The task whose queries carry `id`, if there is one. */
  byId(id: number): Task | undefined {
    const slot = this.#byId[id]!;
    return slot < 0 ? undefined : this.#tasks[slot];
  }

  /** Take a task with a random id of its own; its question is still the last user's. Undefined where all are in use. */
  take(random32: () => number): Task | undefined {
    if (this.#freeCount === 0) return undefined;
    const task = this.#tasks[this.#free[--this.#freeCount]!]!;
    const byId = this.#byId;
    let id = random32() & 0xffff;
    // At most a few draws: the pool is far smaller than the range. A generator that is stuck must not stop us.
    for (let draws = 0; byId[id]! >= 0; draws++) id = draws < 64 ? random32() & 0xffff : (id + 1) & 0xffff;
    byId[id] = task.slot;
    task.id = id;
    task.active = true;
    task.probe = -1;
    task.background = false;
    task.tryCount = 0;
    task.plainWritten = false;
    task.tried = 0;
    task.refusedBy = 0;
    task.refusals = 0;
    task.ede = -1;
    task.tcpServer = -1;
    task.tcpTries = 0;
    task.onlyTcp = false;
    task.lowerCase = false;
    task.withoutEdns = 0;
    task.withoutCookie = 0;
    task.firstWaiter = -1;
    task.lastWaiter = -1;
    task.waiters = 0;
    task.slowTold = false;
    task.hashNext = -1;
    task.activeAt = this.active;
    this.activeSlots[this.active++] = task.slot;
    return task;
  }

  /** Make the task known by its question, so that others join it. */
  publish(task: Task): void {
    const place = this.#place(task.question);
    task.hashNext = this.#heads[place]!;
    this.#heads[place] = task.slot;
  }

  /** Give the task back. */
  release(task: Task): void {
    if (task.probe < 0) this.#unpublish(task);
    this.#byId[task.id] = -1;
    task.active = false;
    task.generation = (task.generation + 1) | 0;
    const last = this.activeSlots[--this.active]!;
    this.activeSlots[task.activeAt] = last;
    this.#tasks[last]!.activeAt = task.activeAt;
    this.#free[this.#freeCount++] = task.slot;
  }

  #unpublish(task: Task): void {
    const place = this.#place(task.question);
    if (this.#heads[place] === task.slot) {
      this.#heads[place] = task.hashNext;
      return;
    }
    for (let slot = this.#heads[place]!; slot >= 0; ) {
      const before = this.#tasks[slot]!;
      if (before.hashNext === task.slot) {
        before.hashNext = task.hashNext;
        return;
      }
      slot = before.hashNext;
    }
  }

  #place(question: Question): number {
    return (question.hashLow ^ Math.imul(question.type, 0x9e3779b1)) & (this.#heads.length - 1);
  }
}
