/**
 * The plugins' hooks as the chain runs them: flat lists in chain order, one counter per plugin and verdict, a share of the
 * queries with the time taken, and one place that knows whose hook is running when something throws.
 */

import {
  ANSWER,
  CONTINUE,
  DEFER,
  type Hooks,
  LOOK_UP,
  type Plugin,
  RESOLVED_NOT_ASKED,
  TRUNCATE,
  VERDICTS,
  type Verdict,
} from '../contract/plugin.ts';
import { faultOf, faultText } from '../errors/fault-text.ts';
import type { Metrics } from '../metrics/registry.ts';
import type { ViewConfig } from '../views/view-config.ts';
import type { Query } from '../wire/query.ts';
import type { Question } from '../wire/question.ts';
import { transportOf } from '../wire/transports.ts';
import { ReplySnapshot } from './reply-snapshot.ts';

/** One query in this many has its plugins' time taken. */
const SAMPLE = 256;
/** A plugin's faults are logged at most this often. */
const FAULT_LOG_MS = 10_000;

/** A plugin's hooks as set up in this worker. */
export interface MountedPlugin {
  readonly plugin: Plugin;
  readonly hooks: Hooks;
}

/** The part of a logger that is needed here. */
export interface FaultLog {
  error(fields: object, text: string): void;
  debug?(fields: object, text: string): void;
}

/** Hooks of one kind, and the plugin that each belongs to. */
class HookList<Hook> {
  readonly hooks: Hook[] = [];
  readonly owners: number[] = [];

  add(hook: Hook | undefined, owner: number): void {
    if (hook === undefined) return;
    this.hooks.push(hook);
    this.owners.push(owner);
  }
}

/** How a plugin acts in a view. */
const ACTS = 0;
const OFF = 1;
const DRY_RUN = 2;

type DecidingHook = (query: Query) => Verdict;

const NOTHING = new Uint8Array(0);

export class PluginHooks {
  readonly #foresee = new HookList<(query: Query) => void>();
  readonly #fetch = new HookList<() => void>();
  readonly #packet = new HookList<DecidingHook>();
  readonly #query = new HookList<DecidingHook>();
  readonly #miss = new HookList<DecidingHook>();
  readonly #again = new HookList<NonNullable<Hooks['again']>>();
  readonly #resolved = new HookList<NonNullable<Hooks['resolved']>>();
  readonly #answer = new HookList<DecidingHook>();
  readonly #observe = new HookList<(query: Query) => void>();
  /** By plugin; what was found lies in the fields below while one runs. */
  readonly #found: (DecidingHook | undefined)[] = [];
  #foundMessage: Uint8Array = NOTHING;
  #foundLength = 0;
  #foundAuthentic = false;
  readonly packetCount: number;
  readonly queryCount: number;
  readonly missCount: number;
  readonly answerCount: number;
  /** Query hooks below this index belong to guards. */
  readonly guardCount: number;
  /** Index of the query hook that runs or ran last: a deferred query goes on behind it. */
  currentQueryHook = 0;
  /** An observe hook is running, or threw last. */
  observing = false;
  /** Plugin whose hook is running, -1 for the server itself. */
  #running = -1;
  #countdown = SAMPLE;
  #timing = false;

  readonly #names: readonly string[];
  readonly #log: FaultLog;
  readonly #values: Float64Array;
  readonly #verdicts: readonly number[];
  readonly #faults: readonly number[];
  readonly #costSeconds: readonly number[];
  readonly #costSamples: readonly number[];
  readonly #lastFaultLogMs: number[];
  /** By view, then by plugin: how it acts there. */
  readonly #modes: readonly (readonly number[])[];
  /** By view, then by plugin: the first of its counters of verdicts that were not carried out; -1 = none. */
  readonly #dryRuns: readonly (readonly number[])[];
  readonly #snapshot = new ReplySnapshot();

  /** `plugins` in chain order. `views` may switch some off. Throws TypeError where one has an async hook. */
  constructor(plugins: readonly MountedPlugin[], metrics: Metrics, log: FaultLog, views: readonly ViewConfig[] = []) {
    let guards = 0;
    plugins.forEach(({ plugin, hooks }, owner) => {
      refuseAsync(plugin, hooks);
      this.#foresee.add(hooks.foresee, owner);
      this.#fetch.add(hooks.fetch, owner);
      if (plugin.stage === 'guard') this.#packet.add(hooks.packet, owner);
      this.#query.add(hooks.query, owner);
      this.#miss.add(hooks.miss, owner);
      this.#again.add(hooks.again, owner);
      this.#resolved.add(hooks.resolved, owner);
      this.#answer.add(hooks.answer, owner);
      const { found } = hooks;
      this.#found.push(found && ((query) => found(query, this.#foundMessage, this.#foundLength, this.#foundAuthentic)));
      this.#observe.add(hooks.observe, owner);
      if (plugin.stage === 'guard') guards = this.#query.hooks.length;
    });
    this.packetCount = this.#packet.hooks.length;
    this.queryCount = this.#query.hooks.length;
    this.missCount = this.#miss.hooks.length;
    this.answerCount = this.#answer.hooks.length;
    this.guardCount = guards;
    this.#log = log;
    this.#names = plugins.map(({ plugin }) => plugin.name);
    this.#lastFaultLogMs = this.#names.map(() => Number.NEGATIVE_INFINITY);
    this.#values = metrics.values;
    const perPlugin = (name: string, help: string) =>
      this.#names.map((plugin) => metrics.counter(name, help, { plugin }));
    this.#verdicts = this.#names.map((plugin) =>
      metrics.counters('sekisho_plugin_verdicts_total', 'Queries decided by a plugin.', 'verdict', VERDICTS, {
        plugin,
      }),
    );
    this.#faults = perPlugin('sekisho_plugin_faults_total', 'Hooks that threw or returned no verdict.');
    this.#costSeconds = perPlugin(
      'sekisho_plugin_cost_seconds_total',
      `Time spent in a plugin's hooks, on one query in ${SAMPLE}.`,
    );
    this.#costSamples = perPlugin('sekisho_plugin_cost_samples_total', "Queries on which a plugin's time was taken.");
    const modeOf = (view: ViewConfig, name: string) =>
      view.plugins[name] === 'off' ? OFF : view.plugins[name] === 'dry-run' ? DRY_RUN : ACTS;
    this.#modes = views.map((view) => this.#names.map((name) => modeOf(view, name)));
    this.#dryRuns = views.map((view) =>
      this.#names.map((plugin) => {
        if (modeOf(view, plugin) !== DRY_RUN) return -1;
        const help = 'Verdicts of plugins that are a dry run in a view, which were not carried out.';
        return metrics.counters('sekisho_view_dry_run_total', help, 'verdict', VERDICTS, { view: view.name, plugin });
      }),
    );
  }

  /** Some plugin asks the memory ahead for a batch. */
  get foresees(): boolean {
    return this.#foresee.hooks.length > 0;
  }

  /** The sender of one packet of a batch is known. Throws what a hook throws. */
  foresee(query: Query): void {
    const { hooks, owners } = this.#foresee;
    for (let i = 0; i < hooks.length; i++) {
      this.#running = owners[i]!;
      hooks[i]!(query);
      this.#running = -1;
    }
  }

  /** All senders of a batch are known. Throws what a hook throws. */
  fetch(): void {
    const { hooks, owners } = this.#fetch;
    for (let i = 0; i < hooks.length; i++) {
      this.#running = owners[i]!;
      hooks[i]!();
      this.#running = -1;
    }
  }

  /** A new packet: decide whether its plugins' time is taken. */
  beginQuery(): void {
    this.#running = -1;
    this.observing = false;
    this.#timing = --this.#countdown === 0;
    if (!this.#timing) return;
    this.#countdown = SAMPLE;
    for (const cell of this.#costSamples) this.#values[cell]! += 1;
  }

  /** A query that waited goes on; its time was taken or not when it came. */
  resumeQuery(): void {
    this.#running = -1;
    this.observing = false;
    this.#timing = false;
  }

  runPacket(i: number, query: Query): number {
    return this.#runInView(this.#packet.hooks[i]!, this.#packet.owners[i]!, query);
  }

  runQuery(i: number, query: Query): number {
    this.currentQueryHook = i;
    return this.#runInView(this.#query.hooks[i]!, this.#query.owners[i]!, query);
  }

  /** All miss hooks. Those that let the question pass are told when a later one does not. */
  runMiss(query: Query): number {
    for (let i = 0; i < this.missCount; i++) {
      const owner = this.#miss.owners[i]!;
      const verdict = this.#run(this.#miss.hooks[i]!, owner, query);
      if (verdict === CONTINUE) continue;
      if (verdict === DEFER) this.#complain(owner, 'a miss hook cannot defer');
      this.#tellResolved(query.question, RESOLVED_NOT_ASKED, 0, 0, false, -1, owner);
      return verdict;
    }
    return CONTINUE;
  }

  /** May a question be sent to which no miss belongs? All have to agree. Throws what a hook throws. */
  again(question: Question): boolean {
    const { hooks, owners } = this.#again;
    for (let i = 0; i < hooks.length; i++) {
      this.#running = owners[i]!;
      const may = hooks[i]!(question);
      this.#running = -1;
      if (!may) return false;
    }
    return true;
  }

  /** The source is done with a question: tell everyone. Throws what a hook throws. */
  resolved(
    question: Question,
    outcome: number,
    elapsedMs: number,
    sent: number,
    background: boolean,
    zoneAt = -1,
  ): void {
    this.#tellResolved(question, outcome, elapsedMs, sent, background, zoneAt, Number.POSITIVE_INFINITY);
  }

  /** Some plugin wants to hear what became of questions. */
  get hearsResolved(): boolean {
    return this.#resolved.hooks.length > 0;
  }

  #tellResolved(
    question: Question,
    outcome: number,
    elapsedMs: number,
    sent: number,
    background: boolean,
    zoneAt: number,
    beforeOwner: number,
  ): void {
    const { hooks, owners } = this.#resolved;
    for (let i = 0; i < hooks.length && owners[i]! < beforeOwner; i++) {
      this.#running = owners[i]!;
      hooks[i]!(question, outcome, elapsedMs, sent, background, zoneAt);
      this.#running = -1;
    }
  }

  runAnswer(i: number, query: Query): number {
    const owner = this.#answer.owners[i]!;
    const verdict = this.#runInView(this.#answer.hooks[i]!, owner, query, true);
    if (verdict === DEFER) this.#complain(owner, 'an answer hook cannot defer');
    return verdict;
  }

  /** What the answer hook at `i` wanted looked up is there. */
  runFound(i: number, query: Query, message: Uint8Array, length: number, authentic: boolean): number {
    const owner = this.#answer.owners[i]!;
    const found = this.#found[owner];
    if (found === undefined) return CONTINUE;
    this.#foundMessage = message;
    this.#foundLength = length;
    this.#foundAuthentic = authentic;
    const verdict = this.#run(found, owner, query);
    if (verdict === DEFER) this.#complain(owner, 'a found hook cannot defer');
    return verdict;
  }

  observe(query: Query): void {
    const { hooks, owners } = this.#observe;
    this.observing = true;
    for (let i = 0; i < hooks.length; i++) {
      const owner = owners[i]!;
      if (query.view !== 0 && this.#modes[query.view - 1]![owner] === OFF) continue;
      this.#running = owner;
      const begin = this.#timing ? performance.now() : 0;
      hooks[i]!(query);
      if (this.#timing) this.#addCost(owner, begin);
      this.#running = -1;
    }
    this.observing = false;
  }

  /** Something threw: count it against the plugin whose hook was running, and say so now and then. */
  fault(error: unknown, nowMs: number): void {
    const owner = this.#running;
    this.#running = -1;
    if (owner >= 0) {
      this.#values[this.#faults[owner]!]! += 1;
      if (nowMs - this.#lastFaultLogMs[owner]! < FAULT_LOG_MS) return;
      this.#lastFaultLogMs[owner] = nowMs;
    }
    const plugin = this.#names[owner] ?? 'server';
    // Its text is the plugin's, and may hold what the query held.
    this.#log.error({ plugin, fault: faultOf(error) }, 'a hook failed; its query gets SERVFAIL');
    this.#log.debug?.({ plugin, message: faultText(error) }, 'a hook failed: message');
  }

  /**
   * The query hook at `i` has said `verdict` of a query that it had put aside, and is a dry run in its view: that is counted, and the
   * query goes on.
   */
  isDryRun(i: number, query: Query, verdict: Verdict): boolean {
    if (query.view === 0) return false;
    const cells = this.#dryRuns[query.view - 1]![this.#query.owners[i] ?? -1] ?? -1;
    if (cells < 0) return false;
    this.#values[cells + verdict]! += 1;
    return true;
  }

  /** Run one hook as the query's view has it. Miss hooks are about what is sent, which no view changes. */
  #runInView(hook: DecidingHook, owner: number, query: Query, answering = false): number {
    if (query.view === 0) return this.#run(hook, owner, query, answering);
    const mode = this.#modes[query.view - 1]![owner];
    if (mode === ACTS) return this.#run(hook, owner, query, answering);
    if (mode === OFF) return CONTINUE;
    const snapshot = this.#snapshot;
    snapshot.take(query);
    query.dryRun = true;
    const verdict = this.#run(hook, owner, query, answering);
    query.dryRun = false;
    // It comes back through `isDryRun`.
    if (verdict === DEFER) return DEFER;
    snapshot.putBack(query);
    this.#values[this.#dryRuns[query.view - 1]![owner]! + verdict]! += 1;
    return CONTINUE;
  }

  /** Run one hook; the verdict is checked, counted and, where nothing is truncated (TCP), TRUNCATE made CONTINUE. */
  #run(hook: DecidingHook, owner: number, query: Query, answering = false): number {
    this.#running = owner;
    const verdict = this.#timing ? this.#timed(hook, owner, query) : hook(query);
    this.#running = -1;
    if (verdict === CONTINUE) return CONTINUE;
    if (!(verdict >= ANSWER && verdict <= LOOK_UP)) this.#complain(owner, 'the hook returned no verdict');
    if (verdict === LOOK_UP && !answering) this.#complain(owner, 'only an answer hook can look something up');
    if (verdict === TRUNCATE && !transportOf(query).mayTruncate) return CONTINUE;
    this.#values[this.#verdicts[owner]! + verdict]! += 1;
    query.decidedBy = owner;
    return verdict;
  }

  #timed(hook: DecidingHook, owner: number, query: Query): Verdict {
    const begin = performance.now();
    const verdict = hook(query);
    this.#addCost(owner, begin);
    return verdict;
  }

  #addCost(owner: number, begin: number): void {
    this.#values[this.#costSeconds[owner]!]! += (performance.now() - begin) / 1000;
  }

  #complain(owner: number, message: string): never {
    this.#running = owner;
    throw new TypeError(message);
  }
}

const HOOK_NAMES = [
  'foresee',
  'fetch',
  'packet',
  'query',
  'miss',
  'again',
  'resolved',
  'answer',
  'found',
  'observe',
  'update',
  'explain',
] as const;

/** A promise on the packet path would be a verdict that nobody waits for. */
function refuseAsync(plugin: Plugin, hooks: Hooks): void {
  for (const name of HOOK_NAMES) {
    if (hooks[name]?.constructor.name === 'AsyncFunction') {
      throw new TypeError(`plugin ${plugin.name}: hook '${name}' is async; hooks are synchronous (use context.defer)`);
    }
  }
}
