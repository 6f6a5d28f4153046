/**
 * The time of the fleet's PostgreSQL, by which terms are judged on every node: asked now and then, and carried on by the node's own
 * monotonic clock while nobody can be asked. It never goes back: what has ended never returns, also where somebody sets PostgreSQL's clock.
 */
import type { Clock } from '../../time/clock.ts';
import type { Session } from './session.ts';

/** Two clocks drift apart by less between two answers; more is somebody's hand. */
const DRIFT_MS = 1_000;
/** An answer that took longer says too little. */
const LONGEST_ANSWER_MS = 2_000;
/** From here on somebody has to look at one of the two clocks. */
export const CLOCKS_APART_MS = 60_000;

export class EngineTime implements Clock {
  readonly #own: Clock;
  /** PostgreSQL's wall clock less this process's monotonic clock; undefined before anything of it was. */
  #offsetMs: number | undefined;
  /** PostgreSQL was heard by this process. */
  #wasHeard = false;
  /** How far it was put back since, milliseconds; 0: not at all. */
  #backMs = 0;

  constructor(own: Clock) {
    this.#own = own;
  }

  nowMs(): number {
    return this.#own.nowMs();
  }

  /** The node's own time before PostgreSQL was heard. */
  wallMs(): number {
    return this.#offsetMs === undefined ? this.#own.wallMs() : this.#own.nowMs() + this.#offsetMs;
  }

  termMs(): number {
    return this.#offsetMs === undefined ? this.#own.termMs() : this.wallMs();
  }

  /** How far PostgreSQL's clock is ahead of this node's; undefined before it was heard. */
  get aheadMs(): number | undefined {
    return this.#wasHeard ? this.wallMs() - this.#own.wallMs() : undefined;
  }

  /** A former process has heard PostgreSQL say `wallMs`: it is no earlier than that, whatever this machine's clock shows. */
  atLeast(wallMs: number): void {
    if (wallMs > this.wallMs()) this.#offsetMs = wallMs - this.#own.nowMs();
  }

  /** Ask. Rejects as the engine does; the time goes on. */
  async ask(session: Session): Promise<void> {
    const fromMs = this.#own.nowMs();
    const [row] = await session.query<{ ms: number }>(
      'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::DOUBLE PRECISION AS ms',
    );
    const toMs = this.#own.nowMs();
    if (row && toMs - fromMs <= LONGEST_ANSWER_MS) this.heard(row.ms, (fromMs + toMs) / 2);
  }

  /** PostgreSQL's clock showed `wallMs` when this process's monotonic clock showed `atMs`. */
  heard(wallMs: number, atMs: number): void {
    const offsetMs = wallMs - atMs;
    const backMs = (this.#offsetMs ?? offsetMs) - offsetMs;
    this.#wasHeard = true;
    this.#backMs = backMs > DRIFT_MS ? backMs : 0;
    if (this.#backMs === 0) this.#offsetMs = offsetMs;
  }

  /** What somebody should look at, as sentences. */
  warnings(): string[] {
    const seconds = (ms: number) => `${Math.round(Math.abs(ms) / 1000)} s`;
    if (this.#backMs > 0)
      return [
        `PostgreSQL's clock was put back by ${seconds(this.#backMs)}: terms are judged by the time as it was until it catches up; check its clock`,
      ];
    const { aheadMs } = this;
    if (aheadMs === undefined || Math.abs(aheadMs) < CLOCKS_APART_MS) return [];
    return [
      `PostgreSQL's clock is ${seconds(aheadMs)} ${aheadMs > 0 ? 'ahead of' : 'behind'} this node's: terms are judged by PostgreSQL's on every node; check both clocks`,
    ];
  }
}
