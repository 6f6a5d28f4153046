/**
 * The whole server, from configuration to exit code. Read this first.
 *
 *     configuration ─▶ data folder ─▶ listening sockets ─▶ plugins' control ─▶ workers ─▶ notice page, admin API ─▶ serving
 *                                    └────────────── generation.ts ──────────────────┘
 *
 * A reload goes the same way beside what runs, and only when its workers serve are the old ones drained: a configuration
 * that does not come up never takes anything away.
 */

import { randomBytes, randomInt } from 'node:crypto';
import { type Logger, pino } from 'pino';
import { endpointText } from '../address/address.ts';
import type { AdminDeps } from '../admin/deps.ts';
import { reloadWent } from '../admin/reload-went.ts';
import type { Admin } from '../admin/server.ts';
import type { ReloadResult } from '../admin/status.ts';
import type { AuditEntry } from '../audit/entry.ts';
import { AuditLog } from '../audit/log.ts';
import { type FlushOrder, flushCache } from '../cache/desk.ts';
import { createFailureMemory } from '../cache/failures.ts';
import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { counted } from '../errors/counted.ts';
import { errorText, SekishoError } from '../errors/errors.ts';
import { faultOf, faultText } from '../errors/fault-text.ts';
import type { AnyFeature, Prepared } from '../feature/feature.ts';
import { KeptParts } from '../feature/kept-parts.ts';
import type { StatusPart } from '../feature/status.ts';
import { featuresIn } from '../features.ts';
import { resolvePlugin } from '../loading/plugins.ts';
import { countersOnly, RetiredMetrics } from '../metrics/prometheus.ts';
import { settingsError } from '../settings/errors.ts';
import { problemText } from '../settings/yaml-source.ts';
import { TimeStore } from '../store/time-store.ts';
import { closeDataFolder, makeDataFolder } from '../system/data-folder.ts';
import { lockDataFolder } from '../system/data-folder-lock.ts';
import { nativeUnavailable } from '../system/libc.ts';
import { programHasChanged } from '../system/program.ts';
import { version } from '../system/version.ts';
import { atMost } from '../time/at-most.ts';
import { LatestTime, NOTABLE_MS } from '../time/latest-time.ts';
import { goByTurnedClock, TurnedClock, threadClock, threadTimers } from '../time/turned-clock.ts';
import { batchedIoFault } from '../transports/udp/self-test.ts';
import { nameToText } from '../wire/name.ts';
import { COOKIE_SECRET_BYTES } from '../wire/server-cookies.ts';
import { otherWays } from '../zones/other-ways.ts';
import { PartitionKeys } from '../zones/partitions.ts';
import { ConfigurationLog } from './configuration-log.ts';
import { recordEndedGrounds } from './configured-grounds.ts';
import { Explainer } from './explain.ts';
import { Generation } from './generation.ts';
import { KernelPath } from './kernel-path.ts';
import { LastingParts } from './lasting.ts';
import { refuseTakenAddresses } from './listening-places.ts';
import { scarceSourcePorts } from './open-files.ts';
import type { ProcessParts } from './process-parts.ts';
import {
  cacheReport,
  measureCounters,
  metricsReport,
  type ReportParts,
  samplesReport,
  statusReport,
} from './status-report.ts';
import type { IoKind } from './worker-messages.ts';

/** Queries that wait get so long to be answered when the server stops or a configuration is replaced. */
const DRAIN_MS = 5_000;
const TIME_MS = 500;
/** A start that failed gets so long to let go of what it has; what hangs is left to the end of the process. */
const ABANDON_MS = 1_000;

/** Who asks for a reload. */
type Asker = Pick<AuditEntry, 'who' | 'role'>;

export interface RunOptions {
  /** The file named with `--config`; without it the default places are looked at. */
  readonly configPath?: string | undefined;
  /** URL of a module with FEATURES of its own, for programs that carry others; src/features.ts unless given. */
  readonly featureList?: string | undefined;
  /** Memory of a clock that a test turns; the system's clock unless given. Said loudly: it is nothing to serve people by. */
  readonly turnedClock?: SharedArrayBuffer | undefined;
}

/** Run the server until SIGTERM or SIGINT. Resolves with the exit code; rejects with SekishoError where it cannot start. */
export async function runServer(options: RunOptions): Promise<number> {
  // What is kept is for the server's own user alone, whatever makes the file.
  process.umask(0o077);
  const config = await load(options);
  const server = await Server.start(config, options);
  return server.stopped;
}

async function load({ configPath, featureList }: RunOptions): Promise<Config> {
  const features = await featuresIn(featureList);
  const result = await loadConfig({ path: configPath, resolvePlugin, features });
  if (result.ok) return result.config;
  const details = result.problems.map(problemText);
  throw settingsError('SEKISHO_CONFIG_INVALID', `${result.source}: ${counted(details.length, 'problem')}`, { details });
}

class Server {
  /** Resolves with the exit code when everything has ended. */
  readonly stopped: Promise<number>;
  readonly #options: RunOptions;
  readonly #log: Logger;
  readonly #process: ProcessParts;
  readonly #report: ReportParts;
  #generation: Generation;
  #explainer: Explainer;
  readonly #configurations: ConfigurationLog;
  #configuredAtMs: number;
  #admin: Admin | undefined;
  #stopKeepingTime = () => {};
  #timeSaid = '';
  #timeFailed = false;
  #reloading: Promise<ReloadResult> | undefined;
  #nextReload: Promise<ReloadResult> | undefined;
  /** Former generations that still answer what waits, and when that ends. */
  readonly #retiring = new Map<Generation, Promise<void>>();
  #stopping = false;
  #finish: (exitCode: number) => void = () => {};

  private constructor(
    options: RunOptions,
    log: Logger,
    parts: ProcessParts,
    report: Omit<ReportParts, 'retiring'>,
    generation: Generation,
    explainer: Explainer,
  ) {
    this.#options = options;
    this.#log = log;
    this.#process = parts;
    this.#configuredAtMs = report.startedAtMs;
    parts.time.onAccept(() => recordEndedGrounds(this.#generation.config, parts.timeStore, parts.time, log));
    const retiring = () =>
      [...this.#retiring.keys()].flatMap(({ workers, metrics }) =>
        [...workers.metrics, { snapshot: metrics.snapshot() }].map(countersOnly),
      );
    this.#report = { ...report, retiring };
    this.#generation = generation;
    this.#explainer = explainer;
    const { dataFolder } = generation.config.server;
    this.#configurations = new ConfigurationLog(dataFolder, parts.audit, log);
    this.stopped = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  static async start(config: Config, options: RunOptions): Promise<Server> {
    // Whatever is thrown and logged as it is, a plugin's too: its kind and places, never its text.
    const log = pino({ level: config.server.logLevel, serializers: { err: faultOf } });
    for (const warning of config.warnings) log.warn(warning);
    if (options.turnedClock) goByTurnedClock(options.turnedClock);
    const clock = threadClock();
    if (clock instanceof TurnedClock) log.warn('THE CLOCK IS TURNED BY A TEST: this process is not to serve anybody');
    const reason = config.server.udp.io === 'dgram' ? 'server.udp.io: dgram' : batchedIoFault();
    if (reason !== undefined && config.server.udp.io === 'mmsg')
      throw settingsError('SEKISHO_CONFIG_INVALID', `server.udp.io: mmsg is not available here: ${reason}`);
    if (reason !== undefined)
      log.warn({ reason }, 'packets are received one at a time through node:dgram, at several times the CPU cost');
    const io: IoKind = reason === undefined ? 'mmsg' : 'dgram';
    const kernel = io === 'mmsg' ? KernelPath.open(config, log) : undefined;
    const scarce = scarceSourcePorts(config);
    if (scarce !== undefined)
      log.warn(
        scarce,
        'the open-file limit leaves room for few source ports towards upstreams: raise it, e.g. LimitNOFILE=65536',
      );
    const [impossible] = impossibleWith(io, config);
    if (impossible !== undefined) throw settingsError('SEKISHO_CONFIG_INVALID', impossible);
    closeDataFolder(config.server.dataFolder, log);
    lockDataFolder(config.server.dataFolder, clock.wallMs(), (reason) =>
      log.warn({ reason }, 'failed to lock the data folder: make sure that no other server uses it'),
    );
    const { anchorsFolder } = config.server;
    if (anchorsFolder !== undefined) makeDataFolder(anchorsFolder, 'server.anchors');
    if (nativeUnavailable() === undefined) refuseTakenAddresses(config);

    const timeStore = new TimeStore(config.server.dataFolder, log, clock.wallMs());
    const time = new LatestTime(clock, timeStore);
    const audit = new AuditLog(config.server.dataFolder, time, log, anchorsFolder);
    let server: Server | undefined;
    let serial = 0;
    const features = await featuresIn(options.featureList);
    const parts: ProcessParts = {
      version: version(),
      io,
      kernel,
      log,
      clock: time,
      time,
      timers: threadTimers(),
      timeStore,
      hashKey: [randomInt(2 ** 32) | 0, randomInt(2 ** 32) | 0],
      cookieSecret: Uint8Array.from(randomBytes(COOKIE_SECRET_BYTES)),
      failures: createFailureMemory(),
      partitionKeys: new PartitionKeys(),
      retired: new RetiredMetrics(),
      nextSerial: () => ++serial,
      replaced: [],
      starved: [],
      featureList: options.featureList,
      features,
      statusSchemas: await statusSchemasOf(features),
      kept: new KeptParts(),
      lasting: new LastingParts(),
      audit,
      samples: (name) => (server === undefined ? [] : samplesReport(server.#generation, server.#report, name)),
      counters: () => (server === undefined ? [] : measureCounters(server.#generation, server.#report)),
      giveUp: (why) => {
        log.fatal({ reason: why }, 'no worker is serving: this process exits so that a supervisor can restart it');
        if (server) server.#finish(1);
      },
    };
    const report = {
      version: parts.version,
      io,
      kernel,
      retired: parts.retired,
      replaced: parts.replaced,
      starved: parts.starved,
      startedAtMs: clock.wallMs(),
      nowMs: () => clock.wallMs(),
    };
    let generation: Generation | undefined;
    try {
      generation = await Generation.start(config, parts);
      const explainer = await Explainer.create(generation, parts);
      server = new Server(options, log, parts, report, generation, explainer);
      await generation.activate();
      server.#recordSingleApprover(config);
      await server.#serveFast();
      const prepared = await generation.prepare();
      // Workers answer by now: no packet waits for what only people need.
      const { startAdmin } = await import('../admin/server.ts');
      server.#admin = await startAdmin(server.#adminDeps(generation)).catch((error: unknown) => {
        prepared.discard();
        throw error;
      });
      prepared.commit();
      server.#configurations.started(config);
      server.#listenToSignals();
      server.#keepTime();
      server.#announce('serving');
      return server;
    } catch (error) {
      await generation?.discard(log);
      await atMost(ABANDON_MS, closeParts(parts));
      throw error;
    }
  }

  /**
   * Bring the configuration file into force again. Whatever is wrong with it, what runs now runs on. Resolves when the new
   * one is in force. One that is asked for while another is under way comes after it, and reads the file then.
   */
  reload(by: Asker): Promise<ReloadResult> {
    if (!this.#reloading) return this.#beginReload(by);
    this.#nextReload ??= this.#reloading.then(() => this.#beginReload(by));
    return this.#nextReload;
  }

  #beginReload(by: Asker): Promise<ReloadResult> {
    this.#nextReload = undefined;
    const reloading = this.#reload(by).finally(() => {
      if (this.#reloading === reloading) this.#reloading = undefined;
    });
    this.#reloading = reloading;
    return reloading;
  }

  async #reload(by: Asker): Promise<ReloadResult> {
    const refused = (problems: readonly string[]): ReloadResult => {
      this.#log.error({ problems }, 'reload refused; the current configuration stays in force');
      return { ok: false, problems: [...problems] };
    };
    // What a plugin threw is told to whoever asked for the reload; the log gets its kind.
    const failed = (error: unknown): ReloadResult => {
      if (!saysPluginsWords(error)) return refused([errorText(error)]);
      this.#log.error({ fault: faultOf(error) }, 'reload refused; the current configuration stays in force');
      this.#log.debug({ message: faultText(error) }, 'reload refused: message');
      return { ok: false, problems: [errorText(error)] };
    };
    const old = this.#generation;
    const { features } = this.#process;
    const loaded = await loadConfig({ path: this.#options.configPath, resolvePlugin, features });
    if (!loaded.ok) return refused(loaded.problems.map(problemText));
    const { config } = loaded;
    if (this.#stopping) return refused(['the server is stopping']);
    if (programHasChanged())
      return refused([
        'a restart is due: the program on disk has changed since this process began (SEKISHO_RESTART_DUE)',
      ]);
    const fixed = [...needsRestart(old.config, config), ...impossibleWith(this.#process.io, config)];
    if (fixed.length > 0) return refused(fixed);
    let inForce: ReturnType<ConfigurationLog['change']>;
    try {
      inForce = this.#configurations.change(config, by);
    } catch (error) {
      return refused([errorText(error)]);
    }
    // Two desks must not write the same files: the new one opens them when the old one is at rest.
    await old.deactivate();
    let next: Generation;
    try {
      next = await this.#startBeside(old, config);
    } catch (error) {
      await this.#reactivateDesk();
      inForce(saysPluginsWords(error) ? faultOf(error).error : errorText(error));
      return failed(error);
    }
    const ready: Prepared[] = [];
    try {
      const explainer = await Explainer.create(next, this.#process);
      ready.push(await next.prepare());
      if (this.#admin) ready.push(await this.#admin.prepare(this.#adminDeps(next)));
      this.#recordSingleApprover(config);
      // Last of what can fail: the terms of a configuration that is not to serve must not be in force for a moment.
      await next.activate();
      for (const { commit } of ready) commit();
      this.#explainer = explainer;
    } catch (error) {
      for (const { discard } of ready) discard();
      await next.discard(this.#log);
      await this.#reactivateDesk();
      inForce(saysPluginsWords(error) ? faultOf(error).error : errorText(error));
      return failed(error);
    }
    inForce();
    this.#generation = next;
    this.#configuredAtMs = this.#report.nowMs();
    this.#log.level = config.server.logLevel;
    for (const warning of config.warnings) this.#log.warn(warning);
    const stopped = old.stopReceiving(DRAIN_MS, next);
    const drained = stopped.then(() => old.drained(this.#log, DRAIN_MS)).finally(() => this.#retiring.delete(old));
    this.#retiring.set(old, drained);
    await stopped;
    await this.#serveFast();
    await this.#forgetOtherWays(old.config, next);
    this.#announce('reloaded');
    return { ok: true, problems: [] };
  }

  /** What the cache holds of names that go another way than before came from somebody who is not asked any more. */
  async #forgetOtherWays(before: Config, { config, cache }: Generation): Promise<void> {
    for (const name of otherWays(before.zones, config.zones)) {
      const forgotten = await flushCache(cache, this.#process.failures, { name, subtree: true });
      this.#log.info(
        { zone: nameToText(name), forgotten },
        'the zone is routed differently now: its cached answers were discarded',
      );
    }
  }

  /**
   * Bring `config` up while `old` serves. node:dgram cannot share a port: there `old` is let go first, and brought up
   * again should `config` fail.
   */
  async #startBeside(old: Generation, config: Config): Promise<Generation> {
    if (this.#process.io === 'mmsg') return Generation.start(config, this.#process, old);
    await old.stopReceiving(DRAIN_MS);
    await old.drained(this.#log, DRAIN_MS);
    try {
      return await Generation.start(config, this.#process, old);
    } catch (error) {
      this.#generation = await Generation.start(old.config, this.#process, old);
      throw error;
    }
  }

  /** The workers in force get their queues of network interfaces, where there are any to be had. */
  async #serveFast(): Promise<void> {
    const { workers, listeners, config } = this.#generation;
    if (listeners) await this.#process.kernel?.serve(workers, listeners, config);
  }

  async #reactivateDesk(): Promise<void> {
    await this.#generation.activate().catch((error: unknown) => {
      this.#log.error({ fault: faultOf(error) }, 'failed to restore the previous configuration');
      this.#log.debug({ message: faultText(error) }, 'failed to restore the previous configuration: message');
    });
  }

  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#log.info('stopping: answering pending queries');
    await this.#reloading;
    await this.#generation.stopReceiving(DRAIN_MS);
    await this.#process.kept.stop();
    this.#configurations.close();
    await Promise.all([this.#generation.drained(this.#log, DRAIN_MS), ...this.#retiring.values()]);
    await this.#admin?.close();
    this.#stopKeepingTime();
    this.#lookAtTime();
    await this.#process.kernel?.close();
    await closeParts(this.#process);
    this.#log.info('stopped');
    this.#finish(0);
  }

  /** The clock is looked at every second: the packet threads hear of jumps, the mark is kept, ends are recorded. */
  #keepTime(): void {
    this.#lookAtTime();
    this.#stopKeepingTime = this.#process.timers.every(TIME_MS, () => this.#lookAtTime());
  }

  #lookAtTime(): void {
    const { time, timeStore } = this.#process;
    const { behindMs, inDoubt } = time.state;
    const said = inDoubt ? 'doubt' : behindMs > NOTABLE_MS ? 'behind' : '';
    const fields = { behindSeconds: Math.round(behindMs / 1000) };
    if (said !== this.#timeSaid) {
      if (said === 'doubt')
        this.#log.error(
          fields,
          'THE CLOCK IS BEHIND the latest time that the data folder has seen: nothing with a term acts. Set the clock right; if it is right, say so: sekisho time accept --reason TEXT',
        );
      else if (said === 'behind')
        this.#log.error(
          fields,
          'the clock was set back; terms end as if it had not been. If it is right now: sekisho time accept --reason TEXT',
        );
      else this.#log.warn(fields, 'the clock has caught up');
    }
    this.#timeSaid = said;
    try {
      time.tick();
      recordEndedGrounds(this.#generation.config, timeStore, time, this.#log);
      this.#timeFailed = false;
    } catch (error) {
      if (!this.#timeFailed) this.#log.error({ reason: errorText(error) }, 'failed to save the time on disk');
      this.#timeFailed = true;
    }
  }

  /** One person may do what needs two: said in the audit log whenever such a configuration comes into force. */
  #recordSingleApprover({ admin }: Config): void {
    if (admin.singleApproverReason === undefined) return;
    this.#process.audit.record({
      who: 'server',
      role: 'server',
      action: 'approval.single',
      purpose: admin.singleApproverReason,
    });
  }

  #listenToSignals(): void {
    process.on('SIGHUP', () => void this.#reloadBySignal());
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void this.stop());
    // Nothing that goes wrong in the control plane may take the packet threads along.
    for (const [event, what] of [
      ['uncaughtException', 'uncaught error'],
      ['unhandledRejection', 'unhandled rejection'],
    ] as const)
      process.on(event, (error: unknown) => {
        this.#log.error({ fault: faultOf(error) }, `${what} in the main thread; serving goes on`);
        this.#log.debug({ message: faultText(error) }, `${what} in the main thread: message`);
      });
  }

  async #reloadBySignal(): Promise<void> {
    const by = { who: 'server', role: 'server' };
    const purpose = 'to put the configuration file in force';
    const asked = { ...by, action: 'configuration.reload', purpose, detail: { over: 'SIGHUP' } };
    // A signal asks for what the file says; whatever that changes is recorded, or refused, when it is known (#reload).
    this.#configurations.recordQuietly(asked);
    const { outcome, detail } = reloadWent(await this.reload(by));
    const action = `configuration.reload.${outcome}`;
    this.#configurations.recordQuietly({ ...asked, action, detail: { ...asked.detail, ...detail } });
  }

  #adminDeps(generation: Generation): AdminDeps {
    return {
      config: generation.config,
      version: this.#report.version,
      log: this.#log,
      metricsText: () => {
        this.#generation.measure();
        return metricsReport(this.#generation, this.#report);
      },
      status: () => statusReport(this.#generation, this.#configuredAtMs, this.#report),
      explain: (question) => this.#explainer.explain(question),
      reload: (by) => this.reload(by),
      audit: this.#process.audit,
      ready: () =>
        !this.#stopping && this.#generation.workers.serving && this.#generation.features.unready().length === 0,
      statusSchemas: this.#process.statusSchemas,
      featureRoutes: generation.features.routes(),
      pluginRoutes: generation.pluginRoutes,
      entrances: generation.features.entrances(),
      cache: {
        stats: () => cacheReport(this.#generation, this.#report),
        flush: (order) => this.#flush(order),
        log: this.#log,
        audit: this.#process.audit,
      },
    };
  }

  /** Answers, and with them what is known of the way there: whoever flushes a name wants it found again. */
  async #flush(order: FlushOrder): Promise<number> {
    const { cache, iterateDesk, features } = this.#generation;
    await features.forget(order.name, order.subtree);
    const known = (await iterateDesk?.flush(order.name, order.subtree)) ?? 0;
    return known + (await flushCache(cache, this.#process.failures, order));
  }

  /** What somebody wants to see who has just started the server: where it listens, whom it asks, what decides. */
  #announce(what: string): void {
    const { config, listeners, workers, features } = this.#generation;
    const bound = (listeners?.bound ?? config.server.listen).map(endpointText);
    for (const { endpoint, reason } of listeners?.skipped ?? [])
      this.#log.warn({ listener: endpointText(endpoint), reason }, 'not listening');
    this.#log.info(
      {
        version: this.#report.version,
        configuration: config.source,
        listeners: bound,
        packets: this.#process.io === 'mmsg' ? 'batched system calls' : 'node:dgram',
        ...fastInterfaces(this.#process.kernel),
        receiveBufferBytes: listeners?.receiveBufferBytes,
        workers: config.server.workers,
        ...(config.resolve
          ? { resolve: `from the root down, ${config.resolve.hints.length} root servers known` }
          : { upstreams: config.upstream.servers.map(endpointText) }),
        chain: workers.chain.map(({ name, stage }) => `${stage}:${name}`),
        admin: endpointText({
          address: config.admin.listen.address,
          port: this.#admin?.port ?? config.admin.listen.port,
        }),
        ...features.announced(),
        access: config.server.access,
      },
      what,
    );
  }
}

/** What the features add to `/v1/status`. */
async function statusSchemasOf(features: readonly AnyFeature[]): Promise<StatusPart['schemas']> {
  const parts = await Promise.all(features.map((feature) => feature.status?.()));
  return Object.assign({}, ...parts.map((part) => part?.schemas));
}

/** Its text is not ours: a plugin's half in the main thread threw it, or a worker's did. */
function saysPluginsWords(error: unknown): boolean {
  return (
    !(error instanceof SekishoError) ||
    error.code === 'SEKISHO_PLUGIN_FAILED' ||
    error.code === 'SEKISHO_WORKERS_FAILED'
  );
}

/** The files and threads that last as long as the process. */
async function closeParts({ kept, audit, timeStore }: ProcessParts): Promise<void> {
  await kept.stop();
  // Audit log and consent ledger note their ends in each other's file.
  audit.look();
  await kept.close();
  audit.close();
  timeStore.close();
}

/** Settings that a reload cannot change, where they differ: what the operator asked for must not be half done in silence. */
function needsRestart(before: Config, after: Config): string[] {
  const changed: string[] = [];
  if (before.server.udp.io !== after.server.udp.io) changed.push('server.udp.io: can only be changed by a restart');
  if (before.server.dataFolder !== after.server.dataFolder)
    changed.push('server.data: the folder can only be changed by a restart');
  if (before.server.anchorsFolder !== after.server.anchorsFolder)
    changed.push('server.anchors: the folder can only be changed by a restart');
  if (endpointText(before.admin.listen) !== endpointText(after.admin.listen))
    changed.push('admin.listen: the address can only be changed by a restart');
  return changed;
}

/** Network interfaces that packets are taken from straight. */
function fastInterfaces(kernel: KernelPath | undefined): { readonly fastPath?: string[] } {
  const names = (kernel?.state.interfaces ?? []).map(({ name, mode, queues }) => `${name} (${mode}, ${queues} queues)`);
  return names.length > 0 ? { fastPath: names } : {};
}

/** What only batched packet I/O can do. */
function impossibleWith(io: IoKind, config: Config): string[] {
  if (io === 'mmsg' || config.server.workers === 1) return [];
  return ['server.workers: several workers share a port through batched packet I/O on Linux only; set it to 1'];
}
