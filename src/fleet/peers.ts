/**
 * Whether a change acts on every node, as one node judges it by its own monotonic clock. No clock of another machine is asked: neither
 * PostgreSQL's nor any node's.
 *
 * A node renews its fence in this order, and the fence lasts from the first step on:
 *
 *   t0 ──▶ beat + 1 recorded ──▶ read what is recorded ──▶ apply all of it ──▶ fence until t0 + F
 *
 * So where a change was recorded at C, a node whose fence reaches beyond C + F has read it and acts on it. Three things show that a
 * change acts on a node, or that its fence has run out:
 *  - it said so (`applied`), or that it has no fence (`resting`);
 *  - its beat is the same as F ago: its last renewal began before that was first seen, and one that begins after this look reads the change;
 *  - F has passed since the change was known to be recorded. This needs no word of anybody.
 */
import type { EngineIdentity, FleetView, NodeRow } from './registry.ts';

/** Clocks of two machines run at rates that differ by less than this; NTP slews by 0.05 % at most. */
const RATE = 1.02;
const SURE_MS = 5;

/** How long to wait by the own clock, so that `fenceMs` of another's have passed. */
export function outlastMs(fenceMs: number): number {
  return fenceMs * RATE + SURE_MS;
}

interface Seen {
  readonly session: string;
  readonly beat: number;
  readonly sinceMs: number;
}

export class Peers {
  readonly #own: string;
  #engine: EngineIdentity | undefined;
  #seen = new Map<string, Seen>();

  /** `own`: name of this node, which judges itself. */
  constructor(own: string) {
    this.#own = own;
  }

  /** `doneMs`: when the answer was there. */
  observe({ engine, nodes }: FleetView, doneMs: number): void {
    // Beats need not be durable: what was seen of them before a restart says nothing.
    const before = engine === this.#engine ? this.#seen : new Map<string, Seen>();
    this.#engine = engine;
    this.#seen = new Map(
      nodes.map(({ name, session, beat }) => {
        const seen = before.get(name);
        const same = seen?.session === session && seen.beat === beat;
        return [name, same ? seen : { session, beat, sinceMs: doneMs }];
      }),
    );
  }

  /** Its fence has run out as far as the last observation tells, and stays so until its beat moves. */
  hasRunOut({ name, session, beat, fenceMs, resting }: NodeRow, nowMs: number): boolean {
    if (resting) return true;
    const seen = this.#seen.get(name);
    return seen?.session === session && seen.beat === beat && nowMs - seen.sinceMs > outlastMs(fenceMs);
  }

  /**
   * Names of the nodes on which entry `seq` may not act although they may inspect. `view` was asked for after the entry was known to be
   * recorded, at `recordedMs`, and has been observed.
   */
  waitingFor(seq: number, recordedMs: number, { nodes }: FleetView, nowMs: number): string[] {
    return nodes
      .filter(
        (node) =>
          node.name !== this.#own &&
          node.applied < seq &&
          !this.hasRunOut(node, nowMs) &&
          nowMs - recordedMs <= outlastMs(node.fenceMs),
      )
      .map(({ name }) => name);
  }
}
