/** What the protocol takes PostgreSQL for: rows, commits in one order, beats that a crash may take away; slow, and gone at times. */
import type { FleetView, NodeRow, Objection, Registry } from '../../../src/fleet/registry.ts';
import { FIRST_HASH, type LedgerEntry } from '../../../src/subscribers/consent/ledger-store.ts';
import type { AppendOutcome, ConsentAppend, ConsentLog } from '../../../src/subscribers/fleet/consent-log.ts';
import type { VirtualTime } from './virtual-time.ts';

/** The way between one node and the engine. */
export interface Link {
  isUp(): boolean;
  /** Runs for the node: later where it is paused, never where it has ended. */
  deliver(run: () => void): void;
}

const STATEMENT_TIMEOUT_MS = 2500;

export class ModelEngine {
  readonly entries: LedgerEntry[] = [];
  readonly #changes = new Map<string, number>();
  #nodes = new Map<string, NodeRow>();
  /** As a crash would leave them. */
  #durable = new Map<string, NodeRow>();
  readonly #objections = new Map<string, Objection>();
  readonly #time: VirtualTime;
  readonly #random: () => number;
  readonly #listeners = new Set<{
    readonly link: Link;
    readonly channel: 'consent' | 'applied';
    readonly heard: () => void;
  }>();
  #life = 1;
  isUp = true;

  constructor(time: VirtualTime, random: () => number) {
    this.#time = time;
    this.#random = random;
  }

  crash(): void {
    this.isUp = false;
    // What was written without waiting for the disk is lost, or not.
    this.#nodes = new Map(
      [...this.#nodes].flatMap(([name, row]) => {
        const durable = this.#durable.get(name);
        return durable ? [[name, this.#random() < 0.5 ? { ...row } : { ...durable }] as const] : [];
      }),
    );
  }

  restart(): void {
    this.isUp = true;
    this.#life++;
  }

  listen(link: Link, channel: 'consent' | 'applied', heard: () => void): void {
    this.#listeners.add({ link, channel, heard });
  }

  registry(link: Link): Registry {
    const common = () => ({
      engine: `life ${this.#life}`,
      fleet: 'one',
      engineMs: this.#time.nowMs,
      objections: [...this.#objections.values()],
    });
    const change = (name: string, session: string, what: Partial<NodeRow>, durable: boolean): boolean => {
      const row = this.#nodes.get(name);
      if (row?.session !== session) return false;
      this.#keep({ ...row, ...what, seenMs: this.#time.nowMs }, durable);
      return true;
    };
    return {
      read: () => this.#ask(link, (): FleetView => ({ ...common(), nodes: [...this.#nodes.values()] })),
      add: (row) =>
        this.#ask(link, () => {
          if (this.#nodes.has(row.name)) return false;
          this.#keep({ ...row, beat: 0, seenMs: this.#time.nowMs }, true);
          return true;
        }),
      succeed: (row, seen) =>
        this.#ask(link, () => {
          const before = this.#nodes.get(row.name);
          if (before?.id !== row.id || before.session !== seen.session || before.beat !== seen.beat) return false;
          this.#keep({ ...row, beat: before.beat + 1, seenMs: this.#time.nowMs }, true);
          return true;
        }),
      beat: async (name, session, report) => {
        const beaten = await this.#ask(link, () =>
          change(name, session, { ...report, beat: (this.#nodes.get(name)?.beat ?? 0) + 1 }, false),
        );
        return beaten ? this.#ask(link, common) : undefined;
      },
      report: (name, session, report) =>
        this.#ask(link, () => {
          change(name, session, report, false);
          this.#notify('applied');
        }),
      rest: (name, session, resting) => this.#ask(link, () => change(name, session, { resting }, true)),
      facts: async () => {},
      object: (objection) => this.#ask(link, () => void this.#objections.set(objection.node, objection)),
      withdrawObjection: (name) => this.#ask(link, () => void this.#objections.delete(name)),
      forget: (name, { session, beat }) =>
        this.#ask(link, () => {
          const row = this.#nodes.get(name);
          if (row?.session !== session || row.beat !== beat) return false;
          this.#durable.delete(name);
          return this.#nodes.delete(name);
        }),
    };
  }

  log(link: Link, name: string, session: string): ConsentLog {
    return {
      read: (after, most) =>
        this.#ask(link, () => ({ end: this.#end(), entries: this.entries.slice(after, after + most) })),
      append: (append) => this.#ask(link, () => this.#append(name, session, append)),
      importedRows: async () => 0,
    };
  }

  #append(name: string, session: string, { id, base, entries }: ConsentAppend): AppendOutcome {
    const already = this.#changes.get(id);
    if (already !== undefined)
      return { outcome: 'recorded', end: { seq: already, hash: this.entries[already - 1]!.hash } };
    if (this.#nodes.get(name)?.session !== session) return { outcome: 'stranger' };
    const end = this.#end();
    if (end.seq !== base.seq || end.hash !== base.hash) return { outcome: 'moved', end };
    this.entries.push(...entries);
    this.#changes.set(id, this.entries.length);
    this.#notify('consent');
    return { outcome: 'recorded', end: this.#end() };
  }

  #end() {
    const last = this.entries.at(-1);
    return { seq: last?.seq ?? 0, hash: last?.hash ?? FIRST_HASH };
  }

  #keep(row: NodeRow, durable: boolean): void {
    this.#nodes.set(row.name, row);
    if (durable) this.#durable.set(row.name, row);
  }

  #notify(channel: 'consent' | 'applied'): void {
    for (const listener of this.#listeners)
      if (listener.channel === channel)
        this.#time.at(this.#latency(), () => {
          // Lost while there is no way.
          if (listener.link.isUp() && this.isUp) listener.link.deliver(listener.heard);
        });
  }

  /** There, at once; and back: what was done may stay unknown. */
  #ask<T>(link: Link, work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const life = this.#life;
      const fail = (afterMs: number) =>
        this.#time.at(afterMs, () => link.deliver(() => reject(new Error('PostgreSQL is out of reach'))));
      if (!this.isUp) return fail(1);
      if (!link.isUp()) return fail(STATEMENT_TIMEOUT_MS);
      this.#time.at(this.#latency(), () => {
        if (!link.isUp()) return fail(STATEMENT_TIMEOUT_MS);
        if (!this.isUp || life !== this.#life) return fail(1);
        const result = work();
        this.#time.at(this.#latency(), () => {
          if (!link.isUp()) return fail(STATEMENT_TIMEOUT_MS);
          if (!this.isUp || life !== this.#life) return fail(1);
          link.deliver(() => resolve(result));
        });
      });
    });
  }

  #latency(): number {
    const random = this.#random();
    // Mostly quick; at times a disk that takes longer than a fence.
    return random < 0.9 ? random * 10 : random < 0.99 ? random * 200 : random * 1600;
  }
}
