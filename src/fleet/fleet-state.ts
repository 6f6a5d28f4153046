/** What a node of a fleet keeps for as long as the process lives: its connection to PostgreSQL, its place among the others, its fence. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../time/clock.ts';
import { systemTimers } from '../time/timers.ts';
import { Engine } from './engine/engine.ts';
import { engineError } from './engine/errors.ts';
import { fleetError } from './errors.ts';
import { Fence } from './fence.ts';
import type { FleetConfig } from './fleet-config.ts';
import { type FleetLog, Membership } from './membership.ts';
import { migrate, requireSchema, type SchemaState, schemaState } from './migrations/migrate.ts';
import { nodeIdentity } from './node-identity.ts';
import { PostgresRegistry } from './postgres-registry.ts';

/** What a node says of itself to the others, besides how far it has come; for `sekisho fleet status`. */
export type Facts = Readonly<Record<string, unknown>>;

export interface FleetSurroundings {
  readonly dataFolder: string;
  readonly clock: Clock;
  readonly log: FleetLog;
  readonly version: string;
}

/** What `sekisho fleet init` did or would do, as sentences. */
export interface InitResult {
  readonly done: readonly string[];
  /** Why this node still inspects nobody; undefined where it is in the fleet. */
  readonly problem: string | undefined;
}

/** So often and so long is looked whether the node has joined. */
const JOIN_LOOKS = 40;
const JOIN_LOOK_MS = 250;

export class FleetState {
  readonly config: FleetConfig;
  readonly engine: Engine;
  readonly registry: PostgresRegistry;
  readonly membership: Membership;
  readonly fence = new Fence();
  readonly session: string = randomUUID();
  readonly #lastWork: (() => Promise<void>)[] = [];
  readonly #facts = new Map<string, () => unknown>();
  #schema: SchemaState | undefined;
  #usable = false;

  /** Nothing here waits for PostgreSQL. Throws SekishoError where the data folder or the files of the section cannot be read. */
  constructor(config: FleetConfig, { dataFolder, clock, log, version }: FleetSurroundings) {
    this.config = config;
    this.engine = new Engine({ ...config.postgres, name: config.node }, log);
    this.registry = new PostgresRegistry(this.engine);
    this.membership = new Membership({
      node: config.node,
      fenceMs: config.fenceMs,
      registry: this.registry,
      fence: this.fence,
      identity: nodeIdentity(dataFolder),
      session: this.session,
      clock,
      timers: systemTimers,
      usable: () => this.#requireUsable(),
      facts: () => this.#factsNow(version),
      log,
    });
    this.engine.listen('sekisho_applied', { heard: () => this.membership.look() });
    this.engine.watch({
      lost: () => {
        // Another version may have migrated it meanwhile.
        this.#usable = false;
      },
    });
  }

  start(): void {
    this.engine.start();
    this.membership.start();
  }

  /** The schema as last seen; undefined before. */
  get schema(): SchemaState | undefined {
    return this.#schema;
  }

  /** Something that this node tells the others of itself, under `key`: small, plain, and nothing of subscribers or queries. */
  tell(key: string, fact: () => unknown): void {
    this.#facts.set(key, fact);
  }

  /** Rejects with SEKISHO_FLEET_CHANGED where the section is another one. */
  requireSame(config: FleetConfig | undefined): void {
    if (isDeepStrictEqual({ ...config, readyWithFence: false }, { ...this.config, readyWithFence: false })) return;
    throw fleetError(
      'SEKISHO_FLEET_CHANGED',
      'the section fleet has changed: restart the server, a reload cannot change it',
    );
  }

  /** Bring the schema forward, join, and make this node's ledger and the fleet's agree. A second time it finds nothing to do. */
  async init(dryRun: boolean): Promise<InitResult> {
    const { engine, membership, config } = this;
    const { version, known } = await schemaState(engine);
    if (dryRun) {
      const steps = version < known ? [`bring the schema from version ${version} to ${known}`] : [];
      if (version === known && membership.part) steps.push(...(await membership.part.reconcile(true)));
      if (!membership.isJoined) steps.push(`join the fleet as node ${config.node}`);
      return { done: steps, problem: membership.problem?.message };
    }
    const done = (await migrate(engine, config.node)).map((name) => `schema: ${name}`);
    const wasJoined = membership.isJoined;
    this.#usable = false;
    membership.admit();
    const until = async (condition: () => boolean) => {
      for (let i = 0; i < JOIN_LOOKS && !condition(); i++) {
        await membership.round();
        if (!condition()) await new Promise((resolve) => setTimeout(resolve, JOIN_LOOK_MS));
      }
      return condition();
    };
    if (await until(() => membership.isJoined)) {
      if (!wasJoined) done.push(`joined the fleet as node ${config.node}`);
      if (membership.part) done.push(...(await membership.part.reconcile(false)));
      await until(() => membership.problem === undefined && !membership.isFenced);
    }
    return { done, problem: membership.problem?.message };
  }

  async stop(): Promise<void> {
    await this.membership.leave();
  }

  /** Done before the connection to PostgreSQL is closed. */
  beforeEnd(work: () => Promise<void>): void {
    this.#lastWork.push(work);
  }

  async close(): Promise<void> {
    await this.membership.leave();
    for (const work of this.#lastWork) await work();
    await this.engine.close();
  }

  async #requireUsable(): Promise<void> {
    const { engine } = this;
    if (!engine.connected)
      throw engine.failure ?? engineError('SEKISHO_ENGINE_UNREACHABLE', 'the connection to PostgreSQL is not up yet');
    if (this.#usable) return;
    this.#schema = await schemaState(engine);
    await requireSchema(engine);
    this.#usable = true;
  }

  #factsNow(version: string): Facts {
    const told = [...this.#facts].map(([key, fact]) => [key, fact()] as const);
    return { version, host: hostname(), pid: process.pid, ...Object.fromEntries(told) };
  }
}
