/**
 * Everything that belongs to one configuration: listening sockets, the features and the plugins' halves in the main thread, the
 * cache and the workers. A reload makes a new generation out of what it can take over from the old one, and retires the old
 * one when the new one serves.
 */

import type { Logger } from 'pino';
import type { PluginRoutes } from '../admin/deps.ts';
import { type CacheMemory, createCacheMemory } from '../cache/memory.ts';
import { approvalOf, type Config } from '../config/config.ts';
import type { Plugin } from '../contract/plugin.ts';
import { errorText, SekishoError } from '../errors/errors.ts';
import { faultOf, faultText } from '../errors/fault-text.ts';
import type { Close, Prepared } from '../feature/feature.ts';
import { OpenFeatures } from '../feature/open-features.ts';
import { Publications } from '../feature/publications.ts';
import { loadPlugin } from '../loading/plugins.ts';
import type { RetiredMetrics } from '../metrics/prometheus.ts';
import { Metrics } from '../metrics/registry.ts';
import { IterateDesk } from '../resolve/iterate/iterate-desk.ts';
import { createIterateMemory, type IterateMemory } from '../resolve/iterate/iterate-memory.ts';
import { atMost } from '../time/at-most.ts';
import { Listeners } from '../transports/listeners.ts';
import { markEndedGrounds } from './configured-grounds.ts';
import { type ControlParts, startControl } from './controls.ts';
import { processError } from './errors.ts';
import type { ProcessParts } from './process-parts.ts';
import { Workers } from './workers.ts';

/** What was begun in vain gets so long to let go of what it has, at most. */
const ABANDON_MS = 1_000;

export class Generation {
  readonly config: Config;
  readonly plugins: readonly Plugin[];
  readonly listeners: Listeners | undefined;
  readonly cache: CacheMemory;
  /** The number of each partition in keys of the cache. */
  readonly partitionKeys: readonly number[];
  /** With `config.resolve`. */
  readonly iterate: IterateMemory | undefined;
  /** The same, to be looked at and flushed. */
  readonly iterateDesk: IterateDesk | undefined;
  /** `shared` of each plugin, in the order of the configuration. */
  readonly shared: readonly unknown[];
  readonly publications: Publications;
  /** Numbers of features and plugins in the main thread. */
  readonly metrics: Metrics;
  readonly workers: Workers;
  readonly pluginRoutes: readonly PluginRoutes[];
  readonly features: OpenFeatures;
  readonly #closers: Close[];
  readonly #retired: RetiredMetrics;

  private constructor(
    { config, features, publications, metrics, routes, closers }: ControlParts,
    retired: RetiredMetrics,
    plugins: readonly Plugin[],
    listeners: Listeners | undefined,
    cache: CacheMemory,
    partitionKeys: readonly number[],
    iterate: IterateMemory | undefined,
    iterateDesk: IterateDesk | undefined,
    shared: readonly unknown[],
    workers: Workers,
  ) {
    this.config = config;
    this.plugins = plugins;
    this.listeners = listeners;
    this.cache = cache;
    this.partitionKeys = partitionKeys;
    this.iterate = iterate;
    this.iterateDesk = iterateDesk;
    this.shared = shared;
    this.publications = publications;
    this.metrics = metrics;
    this.workers = workers;
    this.features = features;
    this.pluginRoutes = routes;
    this.#closers = closers;
    this.#retired = retired;
  }

  /** Bring `config` up beside `old`. Rejects with SekishoError, leaving nothing behind and `old` as it was. */
  static async start(config: Config, process: ProcessParts, old?: Generation): Promise<Generation> {
    const plugins = await Promise.all(config.plugins.map(loadPlugin));
    const listeners = process.io === 'mmsg' ? openListeners(config, old) : undefined;
    const closers: Close[] = [];
    const metrics = new Metrics();
    const publications = new Publications();
    markEndedGrounds(config, process.timeStore);
    try {
      const cache =
        old?.config.cache.sizeBytes === config.cache.sizeBytes
          ? old.cache
          : createCacheMemory({ bytes: config.cache.sizeBytes });
      const iterate = iterateMemory(config, old);
      const features = new OpenFeatures(process.features, {
        config,
        server: config.server,
        plugins,
        log: process.log,
        time: process.time,
        audit: process.audit,
        approval: approvalOf(config),
        metrics,
        counters: process.counters,
        samples: process.samples,
        version: process.version,
        publications,
        keptParts: process.kept,
        closers,
      });
      await features.open();
      const controls: ControlParts = { config, process, features, publications, metrics, routes: [], closers };
      const shared: unknown[] = [];
      for (const [i, plugin] of plugins.entries())
        shared.push((await startControl(plugin, config.plugins[i]?.options, controls))?.shared);
      await features.afterPlugins();
      const partitionKeys = config.partitions.map((partition) => process.partitionKeys.of(partition));
      const workers = new Workers({
        ...process,
        config,
        listeners,
        fastPath: process.kernel?.fastPath,
        drops: process.kernel?.drops.maps,
        cache,
        partitionKeys,
        iterate,
        shared,
        publications,
        told: (feature, value, worker) => features.heard(feature, value, worker),
      });
      await workers.start().catch((error: unknown) => {
        throw error instanceof SekishoError
          ? error
          : processError('SEKISHO_WORKERS_FAILED', errorText(error), { cause: error });
      });
      return new Generation(
        controls,
        process.retired,
        plugins,
        listeners,
        cache,
        partitionKeys,
        iterate,
        iterate && config.resolve && new IterateDesk(iterate, config.resolve.hints, process.hashKey),
        shared,
        workers,
      );
    } catch (error) {
      await atMost(ABANDON_MS, closeAll(closers, process.log));
      listeners?.close();
      throw error;
    }
  }

  /** Make everything ready that others outside see and that can fail. Rejects with SekishoError, with nothing left half ready. */
  prepare(): Promise<Prepared> {
    return this.features.prepare();
  }

  /** It serves from now on: its lists are fetched, its terms are in force. Rejects where something is not available. */
  activate(): Promise<void> {
    return this.features.activate();
  }

  /** Rest, so that another generation may write to the same files. */
  deactivate(): Promise<void> {
    return this.features.deactivate();
  }

  /** Bring the numbers of the main thread up to date that are not counted as things happen. */
  measure(): void {
    this.features.measure();
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

/** What is known of zones and authorities stays over a reload, as answers do. */
function iterateMemory({ resolve }: Config, old: Generation | undefined): IterateMemory | undefined {
  if (resolve === undefined) return undefined;
  const same = old?.config.resolve?.delegationsBytes === resolve.delegationsBytes;
  return (same ? old?.iterate : undefined) ?? createIterateMemory(resolve.delegationsBytes);
}

/** Sockets that both configurations have go on serving: not even one packet is lost on them. */
function openListeners(config: Config, old: Generation | undefined): Listeners {
  const { listen, workers, udp, listenIsDefault } = config.server;
  return new Listeners(
    { endpoints: listen, workers, receiveBufferBytes: udp.receiveBufferBytes, skipMissing: listenIsDefault },
    old?.listeners,
  );
}

/** Each once, the last one first. */
async function closeAll(closers: Close[], log: Logger): Promise<void> {
  for (const close of closers.splice(0).reverse()) {
    try {
      await close();
    } catch (error) {
      log.error({ fault: faultOf(error) }, 'a feature or plugin failed to close');
      log.debug({ message: faultText(error) }, 'a feature or plugin failed to close: message');
    }
  }
}
