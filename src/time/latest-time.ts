/**
 * The server's time: the system's clock, but never behind the latest time that the data folder has seen. What has ended by that
 * time has ended for good, whatever the system's clock says afterwards.
 *
 *   system's clock ──▶ max ──▶ wallMs, termMs ──▶ main thread, and by shared memory the packet threads
 *   mark on disk  ──▶  ▲           │
 *                      └───────────┘ flushed every ten seconds, and whenever an end is recorded
 *
 * - While the process runs it goes on with the monotonic clock where the system's is set back: terms end when they would have.
 * - At a start with the system's clock behind the mark nobody knows how late it is: some time later than the mark. Until the
 *   system's clock has caught up, or somebody says that it is right (`accept`), the time is *in doubt*: `termMs` is infinite,
 *   so that nothing with a term acts, and nothing is recorded as ended either.
 * - A clock that has run far ahead by mistake has ended everything. `accept` takes the system's clock as right again; what was
 *   recorded as ended stays ended.
 */
import type { Clock } from './clock.ts';
import { SharedTime } from './shared-time.ts';

/** Where the mark is kept (time-store.ts). */
export interface MarkStore {
  /** Wall-clock milliseconds; undefined where none was kept. */
  readonly mark: number | undefined;
  keepMark(wallMs: number): void;
  /** Set the mark back. */
  accepted(fromMs: number, toMs: number, who: string, reason: string): void;
}

/** The time as `sekisho time` shows it. */
export interface TimeState {
  readonly wallMs: number;
  readonly systemMs: number;
  /** How far the system's clock is behind the server's time; 0 where it leads. */
  readonly behindMs: number;
  readonly inDoubt: boolean;
}

const FLUSH_MS = 10_000;
/** Adjustments of a second are every day's business; more than this is said. */
export const NOTABLE_MS = 5_000;

export class LatestTime implements Clock {
  readonly shared: SharedTime;
  readonly #system: Clock;
  readonly #store: MarkStore;
  /** Server's time less the monotonic clock. Grows, but for `accept`. */
  #offsetMs: number;
  #inDoubt: boolean;
  #flushedMs: number;
  /** The mark on the disk, as far as this process knows. */
  #flushedWallMs = Number.NEGATIVE_INFINITY;
  readonly #endings = new Set<() => void | Promise<void>>();

  constructor(system: Clock, store: MarkStore) {
    this.#system = system;
    this.#store = store;
    const systemMs = system.wallMs();
    const mark = store.mark ?? Number.NEGATIVE_INFINITY;
    this.#inDoubt = systemMs < mark;
    this.#offsetMs = Math.max(systemMs, mark) - system.nowMs();
    this.#flushedMs = system.nowMs();
    this.shared = new SharedTime(system);
    this.#share();
  }

  nowMs(): number {
    return this.#system.nowMs();
  }

  wallMs(): number {
    const nowMs = this.#system.nowMs();
    const systemMs = this.#system.wallMs();
    if (systemMs >= nowMs + this.#offsetMs) {
      this.#offsetMs = systemMs - nowMs;
      this.#inDoubt = false;
      this.#share();
    }
    // Whole milliseconds, as of Date.now(): stores keep integers.
    return Math.round(nowMs + this.#offsetMs);
  }

  termMs(): number {
    const wallMs = this.wallMs();
    return this.#inDoubt ? Number.POSITIVE_INFINITY : wallMs;
  }

  get state(): TimeState {
    const wallMs = this.wallMs();
    const systemMs = this.#system.wallMs();
    return { wallMs, systemMs, behindMs: Math.max(0, wallMs - systemMs), inDoubt: this.#inDoubt };
  }

  /** To be called every second or so: brings the time to the packet threads, and the mark to the disk. Throws what the store does. */
  tick(): void {
    const jumped = this.wallMs() - this.#flushedWallMs >= 2 * FLUSH_MS;
    if (jumped || this.#system.nowMs() - this.#flushedMs >= FLUSH_MS) this.flush();
  }

  /** Bring the mark to the disk: also to be called when an end is recorded. Throws what the store does. */
  flush(): void {
    // Until it is known to be later, the time has not moved on from what was seen.
    if (this.#inDoubt) return;
    this.#flushedWallMs = this.wallMs();
    this.#store.keepMark(this.#flushedWallMs);
    this.#flushedMs = this.#system.nowMs();
  }

  /** `record` is called before the time is set back: it records what has ended by then. Returns what takes it away again. */
  onAccept(record: () => void | Promise<void>): () => void {
    this.#endings.add(record);
    return () => void this.#endings.delete(record);
  }

  /**
   * The system's clock is right. What has ended by the time that the folder has seen is recorded first, so that it does not
   * return. Rejects where that fails; the time stays as it was then.
   */
  async accept(who: string, reason: string): Promise<TimeState> {
    const doubted = this.#inDoubt;
    this.#inDoubt = false;
    this.#share();
    try {
      for (const record of this.#endings) await record();
      const toMs = this.#system.wallMs();
      this.#store.accepted(this.wallMs(), toMs, who, reason);
      this.#offsetMs = toMs - this.#system.nowMs();
      this.#flushedWallMs = toMs;
    } catch (error) {
      this.#inDoubt = doubted;
      throw error;
    } finally {
      this.#share();
    }
    return this.state;
  }

  #share(): void {
    this.shared.set(this.#offsetMs, this.#inDoubt);
  }
}
