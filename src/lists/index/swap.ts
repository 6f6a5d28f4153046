/**
 * How a new policy index replaces the old one without losing a query, and when the old one's memory is free.
 *
 *   compiler thread          main thread                       worker
 *   build(version 8) ──────▶ sent(worker, 8) ────memory──────▶ holder.replace(memory): between two packets
 *                            held(worker, 8) ◀───8──────────── tells its version
 *   pool.release(7) ◀─────── free versions: [7]                version 7 is not looked into any more
 *
 * A lookup is synchronous and what it found is read before the next packet, so that a worker that says "8" reads nothing
 * of 7. Queries that wait for an answer keep no match: the hooks that run later look the name up again.
 */
import type { PolicyIndexMemory } from './memory.ts';
import { PolicyIndex } from './policy-index.ts';

/** A worker's index in force; hooks read `current` for each packet and keep no reference. */
export class PolicyHolder {
  /** None until the first lists are compiled. */
  current: PolicyIndex | undefined = undefined;
  /** 0 while there is none. */
  version = 0;

  /**
   * Put the index in force and return the version to report. One that is older than that in force is left alone, so that
   * messages out of turn do no harm; a rollback is a new version with old rules.
   */
  replace(memory: PolicyIndexMemory): number {
    if (memory.version > this.version) {
      this.current = new PolicyIndex(memory);
      this.version = memory.version;
    }
    return this.version;
  }
}

/** In the main thread: which thread may still read which version. Threads are named by any number of their own. */
export class PolicyLedger {
  /** Versions that were sent to a thread, the one that it holds included. */
  readonly #held = new Map<number, Set<number>>();
  readonly #known = new Set<number>();

  /** The version exists, whether or not it is sent to anybody. */
  made(version: number): void {
    this.#known.add(version);
  }

  sent(thread: number, version: number): void {
    const versions = this.#held.get(thread) ?? new Set();
    this.#held.set(thread, versions.add(version));
  }

  /** The thread says that it holds `version`: nothing older is read there. Returns the versions that became free. */
  held(thread: number, version: number): number[] {
    const versions = this.#held.get(thread);
    for (const older of versions ?? []) if (older < version) versions?.delete(older);
    return this.#takeFree();
  }

  /** The thread ended. Returns the versions that became free. */
  gone(thread: number): number[] {
    this.#held.delete(thread);
    return this.#takeFree();
  }

  /** All that nobody holds but the newest, which a new worker will want. */
  #takeFree(): number[] {
    const newest = Math.max(...this.#known);
    const free = [...this.#known].filter(
      (version) => version !== newest && ![...this.#held.values()].some((versions) => versions.has(version)),
    );
    for (const version of free) this.#known.delete(version);
    return free;
  }
}
