/**
 * One node's place in the fleet: it joins under its name, renews its fence, and tells when a change acts everywhere.
 *
 *   round, four in each fence:   t0 ─▶ beat ─▶ catch up (consent) ─▶ no doubt? ─▶ fence until t0 + F ─▶ look at the others
 *
 * What fails by itself (PostgreSQL out of reach) lets the fence run out. What is a doubt (another process with this identity, a database
 * that has forgotten something, a ledger that does not fit) closes it at once. Both say why in `problem`, and go on trying.
 */
import { errorText, SekishoError } from '../errors/errors.ts';
import type { Clock } from '../time/clock.ts';
import type { Timers } from '../time/timers.ts';
import { fleetError } from './errors.ts';
import type { Fence } from './fence.ts';
import type { NodeIdentity } from './node-identity.ts';
import { outlastMs, Peers } from './peers.ts';
import type { FleetView, NodeRow, Registry, Report } from './registry.ts';

/** What has to be up to date before this node may inspect: the consent ledger. */
export interface FleetPart {
  /**
   * Resolves when everything acts here that was recorded before the call. Rejects with a SekishoError of this room where what is recorded
   * and what this node has contradict each other.
   */
  catchUp(): Promise<void>;
  /** What acts here. */
  end(): Report;
  /**
   * Make what this node has and what the fleet has agree, as a person has asked for: what the fleet lacks is given to it. Returns what was done,
   * or with `dryRun` would be, as sentences; none where they agree.
   */
  reconcile(dryRun: boolean): Promise<string[]>;
}

export interface MembershipParts {
  readonly node: string;
  readonly fenceMs: number;
  readonly registry: Registry;
  readonly fence: Fence;
  readonly identity: NodeIdentity;
  /** Of this process. */
  readonly session: string;
  readonly clock: Pick<Clock, 'nowMs' | 'wallMs'>;
  readonly timers: Timers;
  /** Rejects where the database cannot be worked with: its schema, or notifications that do not arrive. */
  readonly usable: () => Promise<void>;
  readonly facts: () => Readonly<Record<string, unknown>>;
  readonly log: FleetLog;
}

export interface FleetLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

interface Waiting {
  readonly seq: number;
  readonly recordedMs: number;
  readonly done: () => void;
}

/** Rounds in the life of a fence. */
const ROUNDS = 4;
/** While somebody waits, besides each word of a node. */
const LOOK_MS = 50;
/** Longest fence that a configuration may set: so long is waited where nobody can be asked. */
const LONGEST_FENCE_MS = 60_000;
/** Doubts that concern what all nodes rely on. */
const OBJECTIONABLE: readonly string[] = ['SEKISHO_FLEET_OLDER_DATABASE', 'SEKISHO_FLEET_DIVERGED'];

export class Membership {
  readonly #parts: MembershipParts;
  readonly #peers: Peers;
  readonly #waiting = new Set<Waiting>();
  #part: FleetPart | undefined;
  readonly #beside: (() => Promise<void>)[] = [];
  #view: FleetView | undefined;
  #viewMs = Number.NEGATIVE_INFINITY;
  #problem: SekishoError | undefined;
  /** This process owns the row of its name. */
  #joined = false;
  #resting = true;
  /** A person has said that it may join again. */
  #admitted = false;
  #engine: string | undefined;
  /** Until then others may object to a database that this process sees for the first time. */
  #graceUntilMs = 0;
  /** Of the process that has the row, where that is another one. */
  #former: Pick<NodeRow, 'session' | 'beat'> | undefined;
  #engineAheadMs: number | undefined;
  #factsSent = '';
  #begunMs = Number.NEGATIVE_INFINITY;
  #running = 0;
  #looking: Promise<void> | undefined;
  #lookAgain = false;
  #stopRounds: (() => void) | undefined;
  #stopLooks: (() => void) | undefined;
  #left = false;

  constructor(parts: MembershipParts) {
    this.#parts = parts;
    this.#peers = new Peers(parts.node);
  }

  start(): void {
    if (this.#left) return;
    this.#stopRounds ??= this.#parts.timers.every(this.#parts.fenceMs / ROUNDS, () => void this.round());
    void this.round();
  }

  /** From now on this node may inspect, once that part has caught up. */
  attach(part: FleetPart): void {
    this.#part = part;
  }

  /** What else has to be up to date, as FleetPart.catchUp. */
  attachBeside(catchUp: () => Promise<void>): void {
    this.#beside.push(catchUp);
  }

  /** Nobody is inspected, since the start or because of what `problem` says. */
  get isFenced(): boolean {
    return this.#parts.clock.nowMs() >= this.#parts.fence.untilMs;
  }

  /** Milliseconds that the fence still has; 0 or less: it has run out. */
  get fenceLeftMs(): number {
    return this.#parts.fence.untilMs - this.#parts.clock.nowMs();
  }

  /** See the nodes as they are now. Rejects as the engine does. */
  refresh(): Promise<FleetView> {
    return this.#read();
  }

  /** Why the last round did not renew the fence; undefined where it did, and before the first has ended. */
  get problem(): SekishoError | undefined {
    return this.#problem;
  }

  /** As last seen, with how long ago. */
  get view(): { readonly view: FleetView; readonly agoMs: number } | undefined {
    return this.#view && { view: this.#view, agoMs: this.#parts.clock.nowMs() - this.#viewMs };
  }

  /** How far PostgreSQL's clock is ahead of this system's, milliseconds; undefined before it was heard. */
  get engineAheadMs(): number | undefined {
    return this.#engineAheadMs;
  }

  get session(): string {
    return this.#parts.session;
  }

  /** Nothing speaks against adding to the fleet's ledger from here. */
  get mayAppend(): boolean {
    return this.#joined && this.#problem === undefined && this.#parts.clock.nowMs() >= this.#graceUntilMs;
  }

  hasRunOut(row: NodeRow): boolean {
    return this.#peers.hasRunOut(row, this.#parts.clock.nowMs());
  }

  /** This process speaks for the node. */
  get isJoined(): boolean {
    return this.#joined;
  }

  get part(): FleetPart | undefined {
    return this.#part;
  }

  /** A person has said so (`sekisho fleet init`): a node that was forgotten, or comes from another fleet, may join. */
  admit(): void {
    this.#admitted = true;
  }

  /** Tell those who wait what acts here. Never rejects: the next round tells it too. */
  async report(): Promise<void> {
    if (!this.#joined || this.#part === undefined) return;
    const { registry, node, session } = this.#parts;
    await registry.report(node, session, this.#part.end()).catch(() => {});
  }

  /**
   * Resolves when entry `seq` acts on every node, or their fences have run out. `recordedMs`: when it was known to be recorded, by the own
   * clock. Never rejects.
   */
  everywhere(seq: number, recordedMs: number): Promise<void> {
    return new Promise((done) => {
      this.#waiting.add({ seq, recordedMs, done });
      this.#stopLooks ??= this.#parts.timers.every(LOOK_MS, () => this.look());
      this.look();
    });
  }

  /** Somebody has said something. */
  look(): void {
    if (this.#looking) {
      this.#lookAgain = true;
      return;
    }
    if (this.#waiting.size === 0) return;
    this.#looking = this.#look().finally(() => {
      this.#looking = undefined;
      if (!this.#lookAgain) return;
      this.#lookAgain = false;
      this.look();
    });
  }

  /** The fence is closed, and the others need not wait for this node. Never rejects. */
  async leave(): Promise<void> {
    if (this.#left) return;
    this.#left = true;
    this.#stopRounds?.();
    this.#stopLooks?.();
    const { fence, registry, node, session } = this.#parts;
    fence.close();
    if (this.#joined) await registry.rest(node, session, true).catch(() => {});
  }

  /** One renewal. Never rejects. Those that hang do not keep the next from trying. */
  async round(): Promise<void> {
    const { clock, fenceMs } = this.#parts;
    const t0 = clock.nowMs();
    if (this.#left || (this.#running > 0 && t0 - this.#begunMs < fenceMs)) return;
    this.#begunMs = t0;
    this.#running++;
    try {
      await this.#renew(t0);
    } catch (error) {
      await this.#failed(error);
    } finally {
      this.#running--;
    }
  }

  async #renew(t0: number): Promise<void> {
    const { registry, node, session, fence, fenceMs, clock, usable } = this.#parts;
    await usable();
    if (!this.#joined && !(await this.#join())) return;
    const said = await registry.beat(node, session, this.#end());
    if (said === undefined) {
      this.#joined = false;
      fence.close();
      await this.#join();
      return;
    }
    if (said.engine !== this.#engine) {
      this.#engine = said.engine;
      this.#graceUntilMs = clock.nowMs() + outlastMs(fenceMs);
    }
    await Promise.all([this.#part?.catchUp(), ...this.#beside.map((catchUp) => catchUp())]);
    await this.#heedObjections(said);
    if (this.#left) return;
    this.#parts.identity.join(said.fleet);
    this.#admitted = false;
    if (this.#part && this.#resting) {
      // On the disk before the fence is up: whoever waits must know of it.
      if (!(await registry.rest(node, session, false))) return;
      this.#resting = false;
      return;
    }
    if (this.#part && clock.nowMs() >= this.#graceUntilMs && !this.#left) fence.renew(t0 + fenceMs);
    this.#well();
    await this.#sayFacts();
    await this.#read();
  }

  #end(): Report {
    return this.#part?.end() ?? { applied: 0, head: '' };
  }

  async #heedObjections({ objections, fleet }: Pick<FleetView, 'objections' | 'fleet'>): Promise<void> {
    const { node, registry, identity } = this.#parts;
    if (identity.fleet !== undefined && identity.fleet !== fleet && !this.#admitted) throw otherDatabase();
    const other = objections.find((objection) => objection.node !== node);
    if (objections.some((objection) => objection.node === node)) await registry.withdrawObjection(node);
    if (other)
      throw fleetError(
        'SEKISHO_FLEET_OLDER_DATABASE',
        `node ${other.node} remembers ${other.seq} entries of the consent ledger that do not all stand in the database; run there: sekisho fleet init --reason TEXT`,
      );
  }

  /** True where this process has the row of its name. */
  async #join(): Promise<boolean> {
    const { registry, node, session, identity, fenceMs } = this.#parts;
    const view = await this.#read();
    const mine = {
      name: node,
      id: identity.id,
      session,
      fenceMs,
      resting: true,
      ...this.#end(),
      facts: this.#parts.facts(),
    };
    if (identity.fleet !== undefined && identity.fleet !== view.fleet && !this.#admitted) throw otherDatabase();
    const row = view.nodes.find(({ name }) => name === node);
    if (!row) {
      if (identity.fleet === view.fleet && !this.#admitted)
        throw fleetError(
          'SEKISHO_FLEET_FORGOTTEN',
          `the fleet has forgotten node ${node}; to join again: sekisho fleet init --reason TEXT`,
        );
      return (await registry.add(mine)) && this.#isIn();
    }
    if (row.id !== identity.id)
      throw fleetError(
        'SEKISHO_FLEET_NAME_TAKEN',
        `another data folder has joined as node ${node}${where(row)}; give this one another name (fleet.node), or stop that one and run: sekisho fleet forget ${node}`,
      );
    if (row.session === session) return this.#isIn();
    const former = this.#former;
    this.#former = { session: row.session, beat: row.beat };
    if (this.#peers.hasRunOut(row, this.#parts.clock.nowMs()))
      return (await registry.succeed(mine, row)) && this.#isIn();
    if (former?.session === row.session && former.beat !== row.beat)
      throw fleetError(
        'SEKISHO_FLEET_COPY',
        `another process runs as node ${node}${where(row)}, with a copy of this data folder or with this very one; stop one of them`,
      );
    return false;
  }

  #isIn(): true {
    this.#joined = true;
    this.#resting = true;
    this.#former = undefined;
    this.#factsSent = '';
    this.#parts.log.info({ node: this.#parts.node }, 'joined the fleet');
    return true;
  }

  async #read(): Promise<FleetView> {
    const view = await this.#parts.registry.read();
    this.#observe(view);
    return view;
  }

  #observe(view: FleetView): void {
    const nowMs = this.#parts.clock.nowMs();
    this.#peers.observe(view, nowMs);
    this.#view = view;
    this.#viewMs = nowMs;
    this.#engineAheadMs = view.engineMs - this.#parts.clock.wallMs();
  }

  async #sayFacts(): Promise<void> {
    const facts = this.#parts.facts();
    const text = JSON.stringify(facts);
    if (text === this.#factsSent) return;
    await this.#parts.registry.facts(this.#parts.node, this.#parts.session, facts);
    this.#factsSent = text;
  }

  #well(): void {
    if (this.#problem)
      this.#parts.log.info({ node: this.#parts.node }, 'the fleet is in reach again: the fence is renewed');
    this.#problem = undefined;
  }

  async #failed(error: unknown): Promise<void> {
    const { fence, log, node, registry, identity } = this.#parts;
    const problem =
      error instanceof SekishoError
        ? error
        : fleetError('SEKISHO_FLEET_LEDGER_ALTERED', errorText(error), { cause: error });
    const isDoubt = problem.code.startsWith('SEKISHO_FLEET_');
    if (isDoubt) fence.close();
    if (problem.code !== this.#problem?.code)
      log.error(
        { node, code: problem.code, reason: problem.message, next: problem.remedy },
        isDoubt
          ? 'THIS NODE OF THE FLEET IS IN DOUBT: nobody is inspected, DNS goes on'
          : 'the fence cannot be renewed: nobody is inspected once it has run out, DNS goes on',
      );
    this.#problem = problem;
    // A node that has never agreed with this fleet concerns nobody else.
    if (!this.#joined || !OBJECTIONABLE.includes(problem.code) || !this.#part) return;
    if (identity.fleet === undefined || identity.fleet !== this.#view?.fleet) return;
    if (this.#view?.objections.some((objection) => objection.node !== node)) return;
    const { applied, head } = this.#part.end();
    await registry.object({ node, seq: applied, hash: head }).catch(() => {});
  }

  async #look(): Promise<void> {
    const { clock, registry } = this.#parts;
    const waiting = [...this.#waiting];
    const view = await registry.read().catch(() => undefined);
    if (view) this.#observe(view);
    const nowMs = clock.nowMs();
    for (const each of waiting) {
      const { seq, recordedMs, done } = each;
      const isOver = view
        ? this.#peers.waitingFor(seq, recordedMs, view, nowMs).length === 0
        : nowMs - recordedMs > outlastMs(LONGEST_FENCE_MS);
      if (!isOver) continue;
      this.#waiting.delete(each);
      done();
    }
    if (this.#waiting.size > 0) return;
    this.#stopLooks?.();
    this.#stopLooks = undefined;
  }
}

function otherDatabase(): SekishoError {
  return fleetError(
    'SEKISHO_FLEET_OTHER_DATABASE',
    'the database is not the one of the fleet that this node has joined: was it created again, or is the URL another one?',
  );
}

function where({ facts }: NodeRow): string {
  const { host, pid } = facts;
  return typeof host === 'string'
    ? ` (on ${host.slice(0, 64)}${typeof pid === 'number' ? `, process ${pid}` : ''})`
    : '';
}
