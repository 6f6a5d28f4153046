/** One node in virtual time: the real protocol, ledger and register, with a disk that forgets what was not flushed. */
import { Fence } from '../../../src/fleet/fence.ts';
import { Membership } from '../../../src/fleet/membership.ts';
import type { LedgerEnd, LedgerEntry, LedgerRecord } from '../../../src/subscribers/consent/ledger-store.ts';
import { FIRST_HASH } from '../../../src/subscribers/consent/ledger-store.ts';
import { Register } from '../../../src/subscribers/consent/register.ts';
import { FleetLedger, type Replica } from '../../../src/subscribers/fleet/fleet-ledger.ts';
import type { Timers } from '../../../src/time/timers.ts';
import type { ModelEngine } from './model-engine.ts';
import type { VirtualTime } from './virtual-time.ts';

export const FENCE_MS = 1000;
const TERMS = { version: '2026-04', covers: ['c2'] } as const;
const silent = { info: () => {}, warn: () => {}, error: () => {} };

interface Life {
  readonly session: string;
  readonly membership: Membership;
  readonly ledger: FleetLedger;
  readonly fence: Fence;
  readonly register: Register;
}

export class ModelNode {
  readonly name: string;
  readonly #time: VirtualTime;
  readonly #engine: ModelEngine;
  /** Of the clock, ±0.1 %. */
  readonly #rate: number;
  readonly #subscribers: readonly string[];
  #life: Life | undefined;
  #lives = 0;
  #paused = false;
  /** It was started since it began to leave. */
  #wanted = false;
  #isConnected = true;
  #kept: LedgerEntry[] = [];
  /** Entries on the disk. */
  #flushed = 0;
  #fleet: string | undefined;
  #later: (() => void)[] = [];

  constructor(name: string, time: VirtualTime, engine: ModelEngine, rate: number, subscribers: readonly string[]) {
    this.name = name;
    this.#time = time;
    this.#engine = engine;
    this.#rate = rate;
    this.#subscribers = subscribers;
  }

  get isRunning(): boolean {
    return this.#life !== undefined && !this.#paused;
  }

  get applied(): number {
    return this.#kept.length;
  }

  /** Does it look a query of this subscriber up, this very moment? */
  inspects(subscriber: string): boolean {
    if (!this.#life || this.#paused) return false;
    const { fence, register } = this.#life;
    const holder = register.directory.find(subscriber);
    return this.#nowMs() < fence.untilMs && register.consentsNow(holder, 'c2');
  }

  /** The same, whatever its fence says. */
  consents(subscriber: string): boolean {
    const register = this.#life?.register;
    return register?.consentsNow(register.directory.find(subscriber), 'c2') ?? false;
  }

  get problem(): string | undefined {
    return this.#life?.membership.problem?.message;
  }

  start(): void {
    this.#wanted = true;
    if (this.#life) return;
    const session = `${this.name} ${++this.#lives}`;
    const isMine = () => this.#life?.session === session;
    const link = {
      isUp: () => this.#isConnected,
      deliver: (run: () => void) => {
        if (!isMine()) return;
        if (this.#paused) this.#later.push(() => isMine() && run());
        else run();
      },
    };
    const timers: Timers = {
      every: (ms, work) => {
        let stopped = false;
        const again = () =>
          this.#time.at(ms, () => {
            if (stopped || !isMine()) return;
            link.deliver(() => {
              work();
              if (!stopped) again();
            });
          });
        again();
        return () => {
          stopped = true;
        };
      },
    };
    const clock = { nowMs: () => this.#nowMs(), wallMs: () => Math.floor(this.#nowMs()) };
    const register = new Register(100);
    const replica = this.#replica(register);
    register.putInForce(TERMS, [], this.#kept);
    for (const subscriber of this.#subscribers) register.holderFor(subscriber);
    const fence = new Fence();
    const node = this;
    const membership = new Membership({
      node: this.name,
      fenceMs: FENCE_MS,
      registry: this.#engine.registry(link),
      fence,
      identity: {
        id: this.name,
        get fleet() {
          return node.#fleet;
        },
        join: (fleet) => {
          this.#fleet = fleet;
        },
      },
      session,
      clock,
      timers,
      usable: async () => {},
      facts: () => ({}),
      log: silent,
    });
    const log = this.#engine.log(link, this.name, session);
    const ledger = new FleetLedger({
      log,
      replica: () => replica,
      membership,
      clock,
      timers,
      node: this.name,
      withdrawals: () => register.withdrawals(),
      beginAnew: async () => {},
    });
    membership.attach(ledger);
    this.#life = { session, membership, ledger, fence, register };
    this.#engine.listen(link, 'consent', () => void ledger.catchUp().catch(() => {}));
    this.#engine.listen(link, 'applied', () => membership.look());
    membership.start();
  }

  /** Rejects, or never ends where the node is killed. */
  append(record: LedgerRecord): Promise<unknown> {
    return this.#life?.ledger.append([record]) ?? Promise.reject(new Error('not running'));
  }

  /** `flushed`: of what was not flushed, so much had reached the disk (0 … 1). */
  kill(flushed: number): void {
    this.#life = undefined;
    this.#paused = false;
    this.#later = [];
    this.#kept.length = this.#flushed + Math.floor((this.#kept.length - this.#flushed) * flushed);
    this.#flushed = this.#kept.length;
  }

  async leave(): Promise<void> {
    const life = this.#life;
    if (!life || this.#paused) return;
    this.#wanted = false;
    await life.membership.leave();
    if (this.#life === life) this.kill(1);
    if (this.#wanted) this.start();
  }

  pause(): void {
    if (this.#life) this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    for (const run of this.#later.splice(0)) this.#time.at(0, run);
  }

  connect(isConnected: boolean): void {
    this.#isConnected = isConnected;
  }

  #nowMs(): number {
    return this.#time.nowMs * this.#rate;
  }

  #replica(register: Register): Replica {
    const kept = this.#kept;
    return {
      get endNow(): LedgerEnd {
        const last = kept.at(-1);
        return { seq: last?.seq ?? 0, hash: last?.hash ?? FIRST_HASH };
      },
      hashAt: (seq) => (seq === 0 ? FIRST_HASH : kept[seq - 1]?.hash),
      async *pages({ after }) {
        yield kept.slice(after);
      },
      replicate: (entries) => {
        kept.push(...entries);
        for (const entry of entries) register.apply(entry);
        this.#time.at(50, () => {
          this.#flushed = Math.min(kept.length, Math.max(this.#flushed, kept.length - 3));
        });
      },
    };
  }
}
