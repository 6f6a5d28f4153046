/**
 * One worker thread: sets up the data plane from what the main thread hands over, then runs the packet loop until told to
 * drain. Nothing of the control plane is loaded here.
 */
import { networkInterfaces } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { parsePrefix } from '../address/address.ts';
import { PrefixSet } from '../address/prefix-set.ts';
import { FAST_PATH_CAPABILITIES } from '../bpf/capable.ts';
import { AnswerCache } from '../cache/cache.ts';
import { FailureTable, NETWORK_FAILURE_SECONDS, SERVFAIL_SECONDS } from '../cache/failures.ts';
import { Chain } from '../chain/chain.ts';
import { OwnAddresses } from '../chain/own-addresses.ts';
import { OwnNames } from '../chain/own-names.ts';
import { SuspendedQueries } from '../chain/suspended.ts';
import { serverFacts } from '../config/config.ts';
import { RESOLVED_FAILURE, RESOLVED_TIMEOUT, RESOLVED_UNREACHABLE } from '../contract/plugin.ts';
import { faultOf, faultText } from '../errors/fault-text.ts';
import { DataHalves } from '../feature/data-halves.ts';
import { type Publication, pluginTopic } from '../feature/publications.ts';
import { featuresIn } from '../features.ts';
import { lentByFeatures } from '../loading/lent-by-features.ts';
import { mountPlugins } from '../loading/plugins.ts';
import { Metrics } from '../metrics/registry.ts';
import { PendingShares } from '../overload/pending-shares.ts';
import { FAILED_ANSWERED, FAILED_TIMEOUT, type ForwardLimits, ForwardSource } from '../resolve/forward/forward.ts';
import { randomPool } from '../resolve/forward/random.ts';
import { SourceRouter } from '../resolve/forward/router.ts';
import type { ServerConfig } from '../resolve/forward/servers.ts';
import { dropCapabilities } from '../system/capabilities.ts';
import { ownThreadId } from '../system/thread-time.ts';
import { RoundClock } from '../time/clock.ts';
import { SharedTime } from '../time/shared-time.ts';
import { threadClock } from '../time/turned-clock.ts';
import { StreamTransports } from '../transports/streams.ts';
import { TcpServer } from '../transports/tcp/tcp.ts';
import { DEFAULT_TCP_LIMITS } from '../transports/tcp/tcp-limits.ts';
import { TcpShares } from '../transports/tcp/tcp-shares.ts';
import { ViewTable } from '../views/view-table.ts';
import { textToName } from '../wire/name.ts';
import { HTTPS, type Query, TCP, TLS, UDP } from '../wire/query.ts';
import type { Question } from '../wire/question.ts';
import { ServerCookies } from '../wire/server-cookies.ts';
import { Partitions } from '../zones/partitions.ts';
import type { ServerGroup } from '../zones/ways.ts';
import { openIterator } from './open-iterator.ts';
import { type SourceReports, validatingSource, wrappedReports } from './validating.ts';
import { openIo, type WorkerIo } from './worker-io.ts';
import type { FromWorker, LogLevel, ToWorker, WorkerSetup } from './worker-messages.ts';

/** Queries that may wait for their answers in one worker. */
const MAX_SUSPENDED = 16_384;
/** Questions that may be outstanding at once at the servers of one zone. */
const ZONE_TASKS = 1024;
/** What plugins are told of a failure, by FAILED_…. */
const OUTCOME_OF_FAILURE = [RESOLVED_FAILURE, RESOLVED_TIMEOUT, RESOLVED_UNREACHABLE, RESOLVED_TIMEOUT] as const;
/** TCP deadlines are looked at this often. */
const SWEEP_MS = 100;

const setup = workerData as WorkerSetup;
// What strangers' packets are read with needs none of these: the main thread opens what takes them.
if (setup.io === 'mmsg') dropCapabilities(FAST_PATH_CAPABILITIES);
const main = parentPort!;
const monotonic = threadClock();
const clock = new RoundClock(new SharedTime(monotonic, setup.time));
const heartbeat = new Int32Array(setup.heartbeat);
Atomics.store(heartbeat, 1, ownThreadId());

/** The shape of pino's logger, as far as the packet threads use it; the main thread writes the lines. */
const log = {
  debug: (fields: object, text: string) => say('debug', fields, text),
  info: (fields: object, text: string) => say('info', fields, text),
  warn: (fields: object, text: string) => say('warn', fields, text),
  error: (fields: object, text: string) => say('error', fields, text),
};

serve().catch((error: unknown) => {
  // Told first, so that a worker that cannot start says why; then the thread ends and is buried by the main thread.
  tell({
    type: 'failed',
    message: error instanceof Error ? error.message : faultText(error),
    places: faultOf(error).places,
  });
  throw error;
});

async function serve(): Promise<void> {
  const { config } = setup;
  const metrics = new Metrics();
  const random32 = randomPool();
  const suspended = new SuspendedQueries(
    MAX_SUSPENDED,
    pendingShares(metrics, () => general?.room ?? 0),
  );
  const cache = new AnswerCache(setup.cache, {
    worker: setup.serial,
    minTtl: config.cache.minTtlSeconds,
    maxTtl: config.cache.maxTtlSeconds,
    serveStale: config.cache.serveStaleSeconds,
  });
  const failures = new FailureTable(setup.failures);
  const partitions = new Partitions(config.zones, config.partitions, setup.partitionKeys);
  const views = config.views.length > 0 ? new ViewTable(config.views, setup.partitionKeys, metrics) : undefined;
  const features = new DataHalves(await featuresIn(setup.featureList), {
    config,
    workers: config.server.workers,
    worker: setup.place,
    metrics,
  });
  let chain: Chain | undefined;
  let nudge = () => {};
  const plugins = await mountPlugins(config.plugins, {
    server: serverFacts(config.server, config.notice, config.views),
    ...lentByFeatures(features),
    shared: setup.shared,
    worker: setup.place,
    clock,
    hashKey: setup.hashKey,
    random32,
    metrics,
    defer: (query, deadlineMs) => {
      // Whatever the plugin has begun for its answer, libuv carries on.
      nudge();
      return chain?.defer(query, deadlineMs);
    },
    resume: (ticket, verdict, write) => chain?.resume(ticket, verdict, write) ?? false,
    refresh: (question) => source?.refresh(question, clock.nowMs()),
  });
  chain = new Chain({
    plugins,
    ownNames: new OwnNames(config.server.identity),
    cache,
    failures,
    localZones: partitions,
    views,
    suspended,
    metrics,
    clock,
    hashKey: setup.hashKey,
    log,
    cookies: serverCookies(),
    ownAddresses: new OwnAddresses(config.server.listen, networkInterfaces()),
  });

  const io = await openIo({
    setup,
    chain,
    clock,
    metrics,
    random32,
    tick,
    busy: () => suspended.size > 0 || (source?.outstanding ?? 0) > 0,
  });
  nudge = io.nudge;
  const { server: tcp, streams } = await openStreams(chain, features, metrics, io);
  const reports: SourceReports = {
    onAnswer: (question, answer, nowMs, effort) => {
      cache.insert(question, answer, nowMs);
      failures.forget(question, nowMs);
      // POSITIVE, NXDOMAIN, NODATA are RESOLVED_ANSWER, …_NXDOMAIN, …_NODATA.
      chain?.resolved(question, answer.kind, effort, nowMs, answer);
    },
    onFailure: (question, ede, nowMs, kind, effort) => {
      chain?.resolved(question, OUTCOME_OF_FAILURE[kind]!, effort, nowMs);
      // RFC 9520 §3.2: failures are kept for a while, so that those who ask again do not add to the trouble.
      if (kind === FAILED_ANSWERED) failures.record(question, ede, nowMs, SERVFAIL_SECONDS);
      else if (kind === FAILED_TIMEOUT) failures.record(question, ede, nowMs, NETWORK_FAILURE_SECONDS);
    },
  };
  const validating = validatingSource({
    features,
    waiters: chain,
    suspended,
    cache,
    failures,
    reports,
    timeoutMs: config.upstream.timeoutMs,
    cryptoMicroseconds: config.resolve?.budget.cryptoMicroseconds,
    clock,
    metrics,
    hashKey: setup.hashKey,
    nudge: io.nudge,
    isPublic: (question) => partitions.groupOf(question) === 0,
    tell: (feature, value) => tell({ type: 'told', feature, value }),
  });
  const { onAnswer, onFailure } = validating === undefined ? reports : wrappedReports(validating);
  const wiring = {
    sockets: io.openUpstream,
    waiters: validating ?? chain,
    suspendedNext: validating?.tokens.next ?? suspended.next,
    onAnswer,
    onForeseen: (question: Question) => cache.foresee(question),
    onFailure,
    mayRepeat: (question: Question) => chain?.mayAskAgain(question) ?? true,
    clock,
    random32,
    metrics,
    cookies: config.upstream.cookies,
    authorities: config.upstream.authorities,
    nameServers: config.lists.some(({ category }) => category === 'policy'),
    mixedCase: config.upstream.mixedCase,
    nudge: io.nudge,
  };
  const openSource = (servers: readonly ServerConfig[], limits: Partial<ForwardLimits>, group?: ServerGroup) =>
    new ForwardSource({
      ...wiring,
      servers,
      ...(group && { labels: labelsOf(group) }),
      ...(group?.kind === 'stub' && { stub: textToName(group.zone ?? '.') }),
      limits: { ...limits, deadlineMs: config.upstream.timeoutMs },
      lowerCaseZones: config.upstream.lowerCaseZones,
    });
  const general = config.resolve
    ? openIterator(setup, config.resolve, partitions, wiring)
    : openSource(config.upstream.servers, {});
  const special = partitions.groups.map((group) =>
    openSource(group.servers, group.zone === undefined ? {} : { tasks: ZONE_TASKS }, group),
  );
  const router = new SourceRouter(partitions, [general, ...special]);
  if (validating !== undefined) validating.inner = router;
  const source = validating ?? router;
  chain.source = source;
  chain.routes[UDP] = io.listener;
  chain.routes[TCP] = tcp;
  chain.routes[TLS] = tcp;
  chain.routes[HTTPS] = streams.doh;

  const waiting = metrics.gauge('sekisho_waiting_queries', 'Queries that wait for an answer.');
  const longest = metrics.gauge(
    'sekisho_longest_pause_seconds',
    'Longest time since its start for which packets had to wait because the worker was busy.',
    {},
    true,
  );
  let lastSweepMs = 0;
  let drainedByMs = Number.POSITIVE_INFINITY;
  let draining = false;

  function tick(nowMs: number): void {
    Atomics.add(heartbeat, 0, 1);
    source.tick(nowMs);
    chain?.tick(nowMs);
    metrics.values[waiting] = suspended.size;
    metrics.values[longest] = io.longestBusyMs() / 1000;
    tcp.makeRoom();
    if (nowMs - lastSweepMs >= SWEEP_MS) {
      tcp.tick(nowMs);
      streams.tick(nowMs);
      lastSweepMs = nowMs;
    }
    if (draining && (nowMs >= drainedByMs || (suspended.size === 0 && tcp.connections === 0))) io.stop();
  }

  const updates = new Map<string, (value: unknown) => void>();
  for (const { plugin, hooks } of plugins) {
    if (hooks.update) updates.set(pluginTopic(plugin.name), (value) => hooks.update?.(value));
  }
  const take = (publication: Publication) => {
    features.take(publication);
    updates.get(publication.topic)?.(publication.value);
  };
  for (const publication of setup.published) take(publication);

  main.on('message', (message: ToWorker) => {
    if (message.type === 'publish') {
      hold(message.publication, take);
      return;
    }
    if (message.type === 'fast-path') {
      // One that drains has given its queues back, and says so all the same.
      io.attach(message.share);
      tell({ type: 'holds', serial: message.serial });
      return;
    }
    if (draining) return;
    draining = true;
    drainedByMs = monotonic.nowMs() + message.deadlineMs;
    io.listener.stopReceiving(message.leaving);
    tcp.drain();
    tell({ type: 'stopped' });
  });

  tell({
    type: 'ready',
    metrics: metrics.snapshot(),
    chain: plugins.map(({ plugin, hooks }) => ({ name: plugin.name, stage: plugin.stage, hooks: Object.keys(hooks) })),
  });
  await io.run();

  source.close();
  tcp.close();
  io.close();
  main.close();
}

/** Take what the control plane publishes, and tell whether that worked: somebody waits for it. */
function hold(publication: Publication, take: (publication: Publication) => void): void {
  const { serial } = publication;
  try {
    take(publication);
    tell({ type: 'holds', serial });
  } catch (error) {
    const { topic } = publication;
    log.error({ topic, fault: faultOf(error) }, 'failed to apply a publication; the previous one stays in force');
    log.debug({ topic, message: faultText(error) }, 'failed to apply a publication: message');
    // What somebody who waits for it is told ends up in logs and answers: the kind of the error is enough there.
    tell({ type: 'holds', serial, problem: faultOf(error).error });
  }
}

/** Undefined where `server.overload` is switched off. `room`: questions that the source can still take. */
function pendingShares(metrics: Metrics, room: () => number): PendingShares | undefined {
  const { enabled, exempt, dryRun } = setup.config.server.overload;
  if (!enabled) return undefined;
  return new PendingShares({
    tokens: MAX_SUSPENDED,
    key: setup.hashKey,
    exempt: exempt.length > 0 ? new PrefixSet(exempt.map(parsePrefix)) : undefined,
    room,
    dryRun,
    metrics,
  });
}

/** Cookies towards clients, from the secrets that a fleet shares or from the process's own. */
function serverCookies(): ServerCookies | undefined {
  const { enabled, secrets } = setup.config.server.cookies;
  if (!enabled) return undefined;
  const bytes = secrets.map((text) => Uint8Array.from(Buffer.from(text, 'hex')));
  return new ServerCookies(bytes.length > 0 ? bytes : [setup.cookieSecret], () => clock.wallMs());
}

/** TCP, and what lies on it, rides on libuv; the loop gives it turns. */
async function openStreams(chain: Chain, features: DataHalves, metrics: Metrics, io: WorkerIo) {
  const { tcp, tls, listen } = setup.config.server;
  const handle = (query: Query) => chain.handle(query);
  // Each chunk that libuv brings is a round of its own.
  const each = { nowMs: () => clock.refresh(), wallMs: () => clock.wallMs(), termMs: () => clock.termMs() };
  const limits = {
    ...DEFAULT_TCP_LIMITS,
    maxConnections: tcp.maxConnections,
    maxPerClient: tcp.maxConnectionsPerClient,
    maxInFlight: tcp.maxPipelined,
    idleMs: tcp.idleTimeoutMs,
    messageMs: tcp.messageTimeoutMs,
    lifetimeMs: tcp.totalTimeoutMs,
  };
  const server = new TcpServer({
    handle,
    clock: each,
    metrics,
    shares: new TcpShares(setup.tcpShares, setup.serial, setup.place, setup.hashKey),
    limits,
    nudge: io.nudge,
  });
  const streams = new StreamTransports({
    tcp: server,
    features,
    handle,
    limits,
    handshakes: tls.handshakes,
    clock: each,
    metrics,
    nudge: io.nudge,
  });
  for (const [listener, entry] of listen.entries()) {
    const spoken = streams.spokenAt(entry);
    const taken = setup.tcp.find((socket) => socket.listener === listener);
    if (taken) await server.listen({ fd: taken.fd }, listener, spoken);
    // Without sockets of the main thread each worker has its own; an address that was left out has none.
    else if (setup.tcp.length === 0) await server.listen({ host: entry.address, port: entry.port }, listener, spoken);
  }
  return { server, streams };
}

function labelsOf({ zone, view }: ServerGroup): Record<string, string> {
  return { ...(zone !== undefined && { zone }), ...(view !== undefined && { view }) };
}

function say(level: LogLevel, fields: object, text: string): void {
  tell({ type: 'log', level, fields: plain(fields), text });
}

/**
 * What a plugin throws may hold anything, also what cannot be sent to another thread, or what nobody may read: only the kind of an error
 * and its places are.
 */
function plain(fields: object): Record<string, unknown> {
  const entries = Object.entries(fields).map(([key, value]) => [
    key,
    value instanceof Error ? faultOf(value) : sendable(value),
  ]);
  return Object.fromEntries(entries.filter(([, value]) => typeof value !== 'function' && typeof value !== 'symbol'));
}

function sendable(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  try {
    return structuredClone(value);
  } catch {
    return 'something that cannot be sent to another thread';
  }
}

function tell(message: FromWorker): void {
  main.postMessage(message);
}
