/**
 * Everything that belongs to one configuration: listening sockets, the plugins' halves in the main thread, the cache and
 * the workers. A reload makes a new generation out of what it can take over from the old one, and retires the old one
 * when the new one serves.
 */

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { PluginRoutes } from '../admin/deps.ts';
import type { AuditLog } from '../audit/log.ts';
import type { FailureMemory } from '../cache/failures.ts';
import { type CacheMemory, createCacheMemory } from '../cache/memory.ts';
import { type Config, serverFacts } from '../config/config.ts';
import type { Control, ControlContext, Plugin } from '../contract/plugin.ts';
import { LISTS_TOPIC, MEASURES_TOPIC, Publications, pluginTopic, SUBSCRIBERS_TOPIC } from '../contract/publications.ts';
import { errorText, SekishoError } from '../errors/errors.ts';
import { faultOf, faultText } from '../errors/fault-text.ts';
import type { Approval } from '../grounds/approval.ts';
import { threadCompiler } from '../lists/compiler.ts';
import { ListDesk } from '../lists/desk.ts';
import type { CompiledLists } from '../lists/in-force.ts';
import { listFacts } from '../lists/list-config.ts';
import { pluginError } from '../loading/errors.ts';
import { loadPlugin, metricPrefix } from '../loading/plugins.ts';
import type { MetricSample, RetiredMetrics } from '../metrics/prometheus.ts';
import { Metrics } from '../metrics/registry.ts';
import type { RuleCarrier } from '../rules/carriers.ts';
import type { RulesDesk } from '../rules/desk.ts';
import type { TimeStore } from '../store/time-store.ts';
import { noticeDesk } from '../subscribers/consent/notice-desk.ts';
import { SubscriberDesk } from '../subscribers/desk.ts';
import type { SubscriberState } from '../subscribers/state.ts';
import { makeDataFolder } from '../system/data-folder.ts';
import { atMost } from '../time/at-most.ts';
import type { Clock } from '../time/clock.ts';
import type { LatestTime } from '../time/latest-time.ts';
import { Listeners } from '../transports/listeners.ts';
import { markEndedGrounds } from './configured-grounds.ts';
import { processError } from './errors.ts';
import type { LastingParts } from './lasting.ts';
import type { IoKind } from './worker-messages.ts';
import { Workers } from './workers.ts';

/** What was begun in vain gets so long to let go of what it has, at most. */
const ABANDON_MS = 1_000;

/** What lasts as long as the process, whatever the configuration. */
export interface ProcessParts {
  readonly giveUp?: (why: string) => void;
  readonly io: IoKind;
  readonly log: Logger;
  readonly clock: Clock;
  /** The same clock, as what it is. */
  readonly time: LatestTime;
  readonly timeStore: TimeStore;
  readonly hashKey: readonly [number, number];
  readonly cookieSecret: Uint8Array;
  readonly failures: FailureMemory;
  readonly retired: RetiredMetrics;
  readonly nextSerial: () => number;
  /** Numbers compiled lists, from 1. */
  readonly nextListsVersion: () => number;
  /** What is known of subscribers; opened by the first configuration that has any. */
  subscribers?: SubscriberState;
  /** How often the worker at each place was replaced. */
  readonly replaced: number[];
  /** How often the worker at each place was found to get too little processor time. */
  readonly starved: number[];
  /** What plugins keep beyond a reload. */
  readonly lasting: LastingParts;
  readonly audit: AuditLog;
  readonly rules: RulesDesk;
  /** What /metrics shows under a name; nothing while the server is not up. */
  readonly samples: (name: string) => readonly MetricSample[];
}

export class Generation {
  readonly config: Config;
  readonly plugins: readonly Plugin[];
  readonly listeners: Listeners | undefined;
  readonly cache: CacheMemory;
  /** `shared` of each plugin, in the order of the configuration. */
  readonly shared: readonly unknown[];
  readonly publications: Publications;
  /** Numbers of the plugins' halves in the main thread. */
  readonly metrics: Metrics;
  readonly workers: Workers;
  readonly pluginRoutes: readonly PluginRoutes[];
  readonly desk: ListDesk;
  /** Undefined where the configuration knows no subscribers. */
  readonly subscribers: SubscriberDesk | undefined;
  /** Brings the numbers of the main thread up to date that are not counted as things happen. */
  readonly measure: () => void;
  /** Deletes names of notices, where no plugin in force takes any; resolves with what ends that. */
  readonly #forgetNames: () => Promise<() => void>;
  #stopForgetting: (() => void) | undefined;
  readonly #setInForce: (inForce: boolean) => void;
  readonly #closers: (() => void | Promise<void>)[];
  readonly #retired: RetiredMetrics;
  readonly #rules: RulesDesk;

  private constructor(
    config: Config,
    plugins: readonly Plugin[],
    listeners: Listeners | undefined,
    cache: CacheMemory,
    shared: readonly unknown[],
    workers: Workers,
    desk: ListDesk,
    subscribers: SubscriberDesk | undefined,
    controls: Controls,
    parts: ProcessParts,
  ) {
    this.config = config;
    this.plugins = plugins;
    this.listeners = listeners;
    this.cache = cache;
    this.shared = shared;
    this.publications = controls.publications;
    this.metrics = controls.metrics;
    this.workers = workers;
    this.desk = desk;
    this.subscribers = subscribers;
    this.pluginRoutes = controls.routes;
    const { audit } = parts;
    const auditHolds = controls.auditHolds;
    const measures = controls.measures;
    this.measure = () => {
      controls.metrics.values[auditHolds] = audit.damage === undefined ? 1 : 0;
      subscribers?.measure();
      const running = parts.rules.list(({ origin, endedAtMs }) => origin === 'diagnosis' && endedAtMs === undefined);
      for (const state of ['in-force', 'dry-run'] as const)
        controls.metrics.values[measures[state]] = running.filter(({ rule }) => rule.state === state).length;
    };
    this.#setInForce = (inForce) => {
      controls.inForce = inForce;
    };
    this.#forgetNames = async () => {
      if (controls.noticesTaken) return () => {};
      const { forgetNames } = await import('../subscribers/consent/forget-names.ts');
      return forgetNames({ dataFolder: config.server.dataFolder, state: parts.subscribers, audit, log: parts.log });
    };
    controls.closers.push(() => this.#stopForgetting?.());
    this.#closers = controls.closers;
    this.#retired = parts.retired;
    this.#rules = parts.rules;
  }

  /** Bring `config` up beside `old`. Rejects with SekishoError, leaving nothing behind and `old` as it was. */
  static async start(config: Config, parts: ProcessParts, old?: Generation): Promise<Generation> {
    const plugins = await Promise.all(config.plugins.map(loadPlugin));
    const listeners = parts.io === 'mmsg' ? openListeners(config, old) : undefined;
    const controls = new Controls();
    markEndedGrounds(config, parts.timeStore);
    controls.showTime(parts.time);
    try {
      const cache =
        old?.config.cache.sizeBytes === config.cache.sizeBytes
          ? old.cache
          : createCacheMemory({ bytes: config.cache.sizeBytes });
      const subscribers = await openSubscribers(config, parts, controls);
      const shared: unknown[] = [];
      for (const [i, plugin] of plugins.entries())
        shared.push((await controls.start(plugin, config.plugins[i]?.options, config, parts))?.shared);
      controls.closers.push(
        await parts.rules.attach({
          plugins: new Set(plugins.filter(({ carriesMeasures }) => carriesMeasures).map(({ name }) => name)),
          carriers: controls.carriers,
          publish: (measures) => controls.publications.publish(MEASURES_TOPIC, measures),
        }),
      );
      const desk = await openDesk(config, parts, controls);
      const workers = new Workers({
        ...parts,
        config,
        listeners,
        cache,
        shared,
        publications: controls.publications,
      });
      await workers.start().catch((error: unknown) => {
        throw error instanceof SekishoError
          ? error
          : processError('SEKISHO_WORKERS_FAILED', errorText(error), { cause: error });
      });
      return new Generation(config, plugins, listeners, cache, shared, workers, desk, subscribers, controls, parts);
    } catch (error) {
      await atMost(ABANDON_MS, closeAll(controls.closers, parts.log));
      listeners?.close();
      throw error;
    }
  }

  /** It serves from now on: its lists are fetched, its terms are in force. Rejects where something cannot be had. */
  async activate(): Promise<void> {
    this.#rules.approval = approvalOf(this.config);
    this.#rules.keepMs = this.config.measures.keepMs;
    await this.desk.activate();
    await this.subscribers?.activate();
    this.#setInForce(true);
    this.#stopForgetting?.();
    this.#stopForgetting = await this.#forgetNames();
  }

  /** Rest, so that another generation may write to the same files. */
  async deactivate(): Promise<void> {
    this.#setInForce(false);
    this.#stopForgetting?.();
    await this.desk.deactivate();
    await this.subscribers?.deactivate();
  }

  /**
   * The first half of an end: `successor`, if there is one, takes over its sockets, and nothing new is taken on the others.
   */
  async stopReceiving(drainMs: number, successor?: Generation): Promise<void> {
    if (this.listeners) successor?.listeners?.adopt(this.listeners);
    this.listeners?.closeTcp();
    await this.workers.stopReceiving(drainMs, (place) => this.listeners?.owned(place) ?? []);
  }

  /** It came up but is not to serve after all: take it away at once, and leave what it borrowed. */
  async discard(log: Logger): Promise<void> {
    await atMost(ABANDON_MS, this.workers.terminate());
    this.listeners?.close();
    await atMost(ABANDON_MS, closeAll(this.#closers, log));
  }

  /** The second half: resolves when everything that waits has been answered, or `drainMs` have passed. */
  async drained(log: Logger, drainMs: number): Promise<void> {
    await this.workers.drained(drainMs);
    this.#retired.fold(this.metrics.snapshot());
    this.listeners?.close();
    await closeAll(this.#closers, log);
  }
}

/** Sockets that both configurations have go on serving: not even one packet is lost on them. */
function openListeners(config: Config, old: Generation | undefined): Listeners {
  const { listen, workers, udp, listenIsDefault } = config.server;
  return new Listeners(
    { endpoints: listen, workers, receiveBufferBytes: udp.receiveBufferBytes, skipMissing: listenIsDefault },
    old?.listeners,
  );
}

/** Lists that lie on disk are in force before the first worker starts. */
async function openDesk(config: Config, parts: ProcessParts, controls: Controls): Promise<ListDesk> {
  const { log, clock, nextListsVersion } = parts;
  const random = () => randomBytes(4).readUInt32LE();
  const folder = join(config.server.dataFolder, 'lists');
  makeDataFolder(folder);
  const desk = await ListDesk.open({
    audit: parts.audit,
    config,
    folder,
    log,
    clock,
    random,
    metrics: controls.metrics,
    compiler: threadCompiler({
      key: [random() | 0, random() | 0, random() | 0, random() | 0],
      popularNamesFile: config.popularNamesFile,
    }),
    nextVersion: nextListsVersion,
    publish: (compiled) => controls.publications.publish(LISTS_TOPIC, compiled),
  });
  controls.closers.push(() => desk.close());
  return desk;
}

/** The static ranges are loaded before the first worker starts; the ledger lasts as long as the process. */
async function openSubscribers(
  config: Config,
  parts: ProcessParts,
  controls: Controls,
): Promise<SubscriberDesk | undefined> {
  if (!config.subscribers) return undefined;
  const { log, clock } = parts;
  if (!parts.subscribers) {
    // Brings SQLite along, which a server without subscribers need not load.
    const { SubscriberState } = await import('../subscribers/state.ts');
    const { dataFolder, anchorsFolder } = config.server;
    const keep = { leaseMs: config.subscribers.leaseMs, believedMs: config.subscribers.leaseAfterRestartMs };
    parts.subscribers = new SubscriberState(dataFolder, clock, log, keep, {
      audit: parts.audit,
      outside: anchorsFolder,
    });
  }
  const desk = await SubscriberDesk.open({
    audit: parts.audit,
    config: config.subscribers,
    access: config.server.access,
    state: parts.subscribers,
    log,
    metrics: controls.metrics,
    publish: (published) => controls.publications.publish(SUBSCRIBERS_TOPIC, published),
  });
  controls.closers.push(() => desk.close());
  return desk;
}

function approvalOf({ admin }: Config): Approval {
  return { singleApproverReason: admin.singleApproverReason };
}

/** The plugins' halves in the main thread. */
class Controls {
  readonly publications = new Publications();
  readonly metrics = new Metrics();
  readonly routes: PluginRoutes[] = [];
  readonly closers: (() => void | Promise<void>)[] = [];
  readonly carriers = new Map<string, RuleCarrier>();
  /** A plugin keeps notices, and answers for how long. */
  noticesTaken = false;
  /** Between `activate` and `deactivate`. */
  inForce = false;
  readonly measures = {
    'in-force': this.#measures('in-force'),
    'dry-run': this.#measures('dry-run'),
  };
  readonly auditHolds = this.metrics.gauge(
    'sekisho_audit_log_holds',
    '0 where the audit log was found damaged and nobody has acknowledged it: reads of personal data are refused.',
  );

  #measures(state: string): number {
    return this.metrics.gauge('sekisho_measures', 'Measures that operators have put in force.', { state });
  }

  /** Different names on the list, as compiled last; undefined while nothing is. */
  #namesOf(list: number): number | undefined {
    const compiled = this.publications.latest().find(({ topic }) => topic === LISTS_TOPIC)?.value as
      | CompiledLists
      | undefined;
    return compiled?.names.lists[list]?.names;
  }

  /** How the system's clock stands to the server's time. */
  showTime(time: LatestTime): void {
    const behind = this.metrics.gauge(
      'sekisho_clock_behind_seconds',
      "How far the system's clock is behind the server's time.",
    );
    const doubt = this.metrics.gauge(
      'sekisho_clock_in_doubt',
      '1 while nothing with a term acts, because the time is not known.',
    );
    const show = () => {
      const { behindMs, inDoubt } = time.state;
      this.metrics.values[behind] = behindMs / 1000;
      this.metrics.values[doubt] = inDoubt ? 1 : 0;
    };
    show();
    const timer = setInterval(show, 1_000);
    timer.unref();
    this.closers.push(() => clearInterval(timer));
  }

  async start(plugin: Plugin, options: unknown, config: Config, parts: ProcessParts): Promise<Control | undefined> {
    const takeNotices = () => {
      this.noticesTaken = true;
      const { subscribers, audit, log } = parts;
      return (
        config.subscribers &&
        subscribers &&
        noticeDesk(
          subscribers,
          config.lists,
          (list) => this.#namesOf(list),
          audit,
          log,
          () => this.inForce,
        )
      );
    };
    const context: ControlContext<never> = {
      options: options as never,
      server: serverFacts(config.server, config.notice),
      lists: config.lists.map(listFacts),
      log: parts.log.child({ plugin: plugin.name }),
      clock: parts.clock,
      get notices() {
        return takeNotices();
      },
      hashKey: parts.hashKey,
      lasting: (make) => {
        const { value, release } = parts.lasting.take(plugin.name, make);
        this.closers.push(release);
        return value;
      },
      workers: config.server.workers,
      audit: parts.audit,
      measures: parts.rules,
      rules: parts.rules,
      approval: approvalOf(config),
      beforeTimeIsSetBack: (record) => void this.closers.push(parts.time.onAccept(record)),
      carryRules: (carrier) => void this.carriers.set(plugin.name, carrier),
      samples: parts.samples,
      dataFolder: () => {
        const folder = join(config.server.dataFolder, plugin.name);
        makeDataFolder(folder);
        return folder;
      },
      publish: (value) => this.publications.publish(pluginTopic(plugin.name), value),
      counter: (name, help, labels) => this.metrics.counter(`${metricPrefix(plugin.name)}_${name}_total`, help, labels),
      gauge: (name, help, labels) => this.metrics.gauge(`${metricPrefix(plugin.name)}_${name}`, help, labels),
      numbers: this.metrics.values,
      routes: (register) => this.routes.push({ plugin: plugin.name, register }),
      onClose: (close) => this.closers.push(close),
    };
    try {
      return (await plugin.control?.(context)) ?? undefined;
    } catch (error) {
      throw pluginError('SEKISHO_PLUGIN_FAILED', `plugin ${plugin.name}: ${errorText(error)}`, { cause: error });
    }
  }
}

/** Each once, the last one first. */
async function closeAll(closers: (() => void | Promise<void>)[], log: Logger): Promise<void> {
  for (const close of closers.splice(0).reverse()) {
    try {
      await close();
    } catch (error) {
      log.error({ fault: faultOf(error) }, 'a plugin failed to close');
      log.debug({ message: faultText(error) }, 'a plugin failed to close: message');
    }
  }
}
