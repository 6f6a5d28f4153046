/**
 * Is the resolver overloaded? Detected from what is measured, or declared by the operator with a reason. While neither
 * holds, nobody reads the history (guideline (ス): kept for recovery from an overload that affects the service).
 *
 * No threshold is a bare number: each carries the rationale that is recorded when it opens an overload.
 */
import type { Baseline } from './baseline.ts';

/** What was measured over ten seconds. */
export interface Measures {
  /** Queries a second. */
  readonly rate: number;
  /** Share of answers that are SERVFAIL. */
  readonly servfail: number;
  /** Datagrams that the kernel threw away, per second. */
  readonly kernelDrops: number;
  /** CPU of the process as a share of the cores that its workers can use; can exceed 1 a little. */
  readonly cpu: number;
  /** 95th percentile of the latency, milliseconds. */
  readonly latencyMs: number;
}

export type SignalName = keyof Measures;

export interface Signal {
  readonly signal: SignalName;
  readonly value: number;
  readonly threshold: number;
  readonly rationale: string;
}

/** Below this nothing is an overload, whatever its ratio: a test of three queries after a quiet night is not. */
export const LEAST_RATE = 200;
/** Spreads above the median that a value has to reach. For a normal distribution one hour in half a million does by chance. */
const SPREADS = 5;

/** The signals that hold. */
export function signalsOf(measures: Measures, normal: Baseline): Signal[] {
  const known = normal.basis !== 'none';
  const of = (typical: { median: number; spread: number }) => typical.median + SPREADS * typical.spread;
  const rate = Math.max(LEAST_RATE, normal.rate.median * 2, of(normal.rate));
  const servfail = Math.max(0.1, of(normal.servfail));
  const latency = Math.max(500, normal.latency.median * 4, of(normal.latency));
  const candidates: (Signal | false)[] = [
    known && {
      signal: 'rate',
      value: measures.rate,
      threshold: rate,
      rationale: `queries/s: the largest of twice the median of the ${normal.basis}, ${SPREADS} spreads above it, and ${LEAST_RATE}; ordinary days stay within 1.5 times`,
    },
    measures.rate >= LEAST_RATE / 4 && {
      signal: 'servfail',
      value: measures.servfail,
      threshold: servfail,
      rationale: `share of answers that are SERVFAIL: 10 %, or ${SPREADS} spreads above the median where that is more; one subscriber's answer in ten fails`,
    },
    {
      signal: 'kernelDrops',
      value: measures.kernelDrops,
      threshold: 10,
      rationale:
        'datagrams/s lost before a worker saw them: any are queries without an answer; ten keep a single burst out',
    },
    {
      signal: 'cpu',
      value: measures.cpu,
      threshold: 0.9,
      rationale: "share of the workers' cores in use: above 90 % queues grow without bound",
    },
    known &&
      measures.rate >= LEAST_RATE / 4 && {
        signal: 'latencyMs',
        value: measures.latencyMs,
        threshold: latency,
        rationale:
          '95th percentile in milliseconds: 500, four times the median or five spreads above it, whichever is most; stubs ask again after a second or two',
      },
  ];
  return candidates.filter((signal) => signal !== false).filter(({ value, threshold }) => value >= threshold);
}

export interface Overload {
  readonly by: 'detected' | 'declared';
  readonly sinceMs: number;
  /** Declared: in the words of whoever declared it. */
  readonly reason: string;
  readonly who: string;
  /** Monotonic milliseconds at which a declared one ends. */
  readonly untilMs: number;
  /** As they were when it opened. */
  readonly signals: readonly Signal[];
}

/** Tens of seconds in a row that a signal must hold, and must be absent, before a detected overload opens and closes. */
const OPEN_AFTER = 2;
const CLOSE_AFTER = 30;
export const DECLARED_MS = 3_600_000;

/** Declarations that are open at once: more than a shift makes. */
const MOST_DECLARED = 32;

/** `open`: whether the history is open after it, because another one holds. */
export type Change =
  | { readonly opened: Overload }
  | { readonly closed: Overload; readonly why: string; readonly open: boolean };

export class OverloadState {
  #detected: Overload | undefined;
  /** Each with its person, reason and begin; oldest first. */
  #declared: Overload[] = [];
  #holding = 0;
  #absent = 0;
  #signals: readonly Signal[] = [];

  /** The one under which the history is read: the last that somebody declared, else the one that was detected. */
  get open(): Overload | undefined {
    return this.#declared.at(-1) ?? this.#detected;
  }

  /** All that hold, the detected one first, then in the order in which they were declared. */
  get all(): readonly Overload[] {
    return this.#detected ? [this.#detected, ...this.#declared] : this.#declared;
  }

  /** One that was measured, whatever somebody declares. */
  get detected(): Overload | undefined {
    return this.#detected;
  }

  /** Those that hold now, whether or not they have held for long enough. */
  get signals(): readonly Signal[] {
    return this.#signals;
  }

  /** Every ten seconds. */
  observe(signals: readonly Signal[], nowMs: number, wallMs: number): Change[] {
    const opened: Overload[] = [];
    const closed: { readonly closed: Overload; readonly why: string }[] = [];
    this.#signals = signals;
    for (const over of this.#declared.filter(({ untilMs }) => nowMs >= untilMs))
      closed.push({ closed: over, why: 'its time is over' });
    this.#declared = this.#declared.filter(({ untilMs }) => nowMs < untilMs);
    this.#holding = signals.length > 0 ? this.#holding + 1 : 0;
    this.#absent = signals.length > 0 ? 0 : this.#absent + 1;
    if (this.#detected && this.#absent >= CLOSE_AFTER) {
      closed.push({ closed: this.#detected, why: 'nothing has been above its threshold for five minutes' });
      this.#detected = undefined;
    }
    if (!this.#detected && this.#holding >= OPEN_AFTER) {
      const reason = signals.map(({ signal }) => signal).join(', ');
      const untilMs = Number.POSITIVE_INFINITY;
      this.#detected = { by: 'detected', sinceMs: wallMs, reason, who: 'server', untilMs, signals };
      opened.push(this.#detected);
    }
    const open = this.open !== undefined;
    return [...opened.map((each) => ({ opened: each })), ...closed.map((each) => ({ ...each, open }))];
  }

  /** Somebody says that there is one. Ends by itself after an hour; said again for the same reason, it goes on for another. */
  declare(who: string, reason: string, nowMs: number, wallMs: number): Overload {
    const untilMs = nowMs + DECLARED_MS;
    const again = this.#declared.find((each) => each.who === who && each.reason === reason);
    const declared: Overload = again
      ? { ...again, untilMs }
      : { by: 'declared', sinceMs: wallMs, reason, who, untilMs, signals: this.#signals };
    this.#declared = [...this.#declared.filter((each) => each !== again), declared].slice(-MOST_DECLARED);
    return declared;
  }

  /** The operator says that it is over: all of them. A signal that goes on holding opens another. */
  close(): readonly Overload[] {
    const closed = this.all;
    this.#declared = [];
    this.#detected = undefined;
    this.#holding = 0;
    return closed;
  }
}
