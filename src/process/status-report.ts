/**
 * Puts `GET /v1/status` and `GET /metrics` together from the workers' counters and what the main thread knows itself.
 */

import { endpointText } from '../address/address.ts';
import { spokenAt } from '../address/listen-entry.ts';
import { networkAround } from '../address/network-around.ts';
import type { UpstreamServer } from '../address/upstream-server.ts';
import type { CacheStatsReport } from '../admin/cache.ts';
import type { Status } from '../admin/status.ts';
import { cacheStats } from '../cache/desk.ts';
import type { Config } from '../config/config.ts';
import type { DropEntry } from '../drops/drop-table.ts';
import {
  type CounterSample,
  counterSamples,
  type MetricSample,
  type MetricsSource,
  metricSamples,
  metricsText,
  metricsTotal,
  type RetiredMetrics,
} from '../metrics/prometheus.ts';
import { type MetricCell, metricPrefix } from '../metrics/registry.ts';
import { OUTCOMES } from '../resolve/iterate/iterate-counters.ts';
import { programHasChanged } from '../system/program.ts';
import { RCODE } from '../wire/constants.ts';
import { CACHE_RESULTS } from '../wire/query.ts';
import { Partitions } from '../zones/partitions.ts';
import type { Generation } from './generation.ts';
import type { KernelPath } from './kernel-path.ts';
import type { IoKind } from './worker-messages.ts';

/** What the report is made of, besides the generation in force. */
export interface ReportParts {
  readonly version: string;
  readonly io: IoKind;
  readonly kernel: KernelPath | undefined;
  /** How often the worker at each place was replaced. */
  readonly replaced: readonly number[];
  /** How often the worker at each place was found to get too little processor time. */
  readonly starved: readonly number[];
  readonly retired: RetiredMetrics;
  readonly startedAtMs: number;
  readonly nowMs: () => number;
  /** Workers of former configurations that still answer what waits. */
  readonly retiring: () => readonly MetricsSource[];
}

export function statusReport(generation: Generation, configuredAtMs: number, parts: ReportParts): Status {
  const sources = generation.workers.metrics;
  const counted = [...sources, ...parts.retiring()];
  const total = (name: string, labels: Record<string, string | undefined> = {}) =>
    metricsTotal(counted, parts.retired, name, labels);
  const dryRunVerdicts = (view: string, plugin: string) =>
    total('sekisho_view_dry_run_total', { view, plugin }) -
    total('sekisho_view_dry_run_total', { view, plugin, verdict: 'continue' });
  const cache = cacheStats(generation.cache);
  const { config, workers } = generation;
  const fastPath = parts.kernel?.state ?? { interfaces: [], reasons: [] };
  const fastListeners = new Set((parts.kernel?.fastPath?.listeners ?? []).map(endpointText));
  return {
    version: parts.version,
    node: process.versions.node,
    pid: process.pid,
    startedAt: new Date(parts.startedAtMs).toISOString(),
    uptimeSeconds: Math.round((parts.nowMs() - parts.startedAtMs) / 1000),
    configuration: config.source,
    configuredAt: new Date(configuredAtMs).toISOString(),
    ready: workers.serving && generation.features.unready().length === 0,
    warnings: [
      ...generation.features.unready().map((why) => `not ready: ${why}`),
      ...generation.features.warnings(),
      ...(programHasChanged()
        ? ['the program on disk has changed since this process began: restart the server (SEKISHO_RESTART_DUE)']
        : []),
      ...config.warnings,
    ],
    workers: workers.states.map(({ place, state, replaced, sinceMs }) => ({
      number: place,
      state,
      restarts: replaced,
      uptimeSeconds: Math.max(0, Math.round((parts.nowMs() - sinceMs) / 1000)),
      queries: sources
        .filter(({ worker }) => worker === place)
        .reduce((sum, source) => sum + totalOf([source], 'sekisho_queries_total'), 0),
    })),
    listeners: (generation.listeners?.bound ?? config.server.listen).map((endpoint) => ({
      address: endpointText(endpoint),
      transports: spokenAt(endpoint),
      packets: parts.io === 'dgram' ? 'dgram' : fastListeners.has(endpointText(endpoint)) ? 'xdp' : 'batched',
    })),
    fastPath: {
      asked: config.server.udp.io === 'xdp',
      interfaces: [...fastPath.interfaces],
      reasons: [...fastPath.reasons],
    },
    kernelDrops: (parts.kernel?.entries() ?? []).map(shownDrop),
    upstreams: upstreamsOf(config).map(({ server, zone, view }) => {
      // The same server may be asked for something else, too: absent is absent.
      const labels = { server: endpointText(server), zone, view };
      const encrypted = total('sekisho_upstream_tls_queries_total', labels);
      const queries = total('sekisho_upstream_queries_total', labels) + encrypted;
      const tlsWorks = gauges(sources, 'sekisho_upstream_tls', labels).some((value) => value > 0);
      const up = gauges(sources, 'sekisho_upstream_up', labels);
      const rtts = gauges(sources, 'sekisho_upstream_rtt_seconds', labels).filter((rtt) => rtt > 0);
      const what = [
        ...(zone === undefined ? [] : [`zone ${zone}`]),
        ...(view === undefined ? [] : [`view ${view}`]),
      ].join(' of ');
      return {
        address: what === '' ? labels.server : `${labels.server} (${what})`,
        state: queries === 0 ? 'unknown' : up.some((value) => value > 0) ? 'up' : 'down',
        rttMs: rtts.length === 0 ? null : (rtts.reduce((sum, rtt) => sum + rtt, 0) / rtts.length) * 1000,
        trusted: server.trusted,
        tls: server.tls === undefined ? null : encrypted > 0 && !tlsWorks ? 'failing' : server.tls.mode,
        queries,
        failures: total('sekisho_upstream_timeouts_total', labels),
      };
    }),
    resolve: resolveReport(generation, total),
    views: config.views.map(({ name, plugins }) => ({
      name,
      queries: total('sekisho_view_queries_total', { view: name }),
      rcodes: Object.fromEntries(
        Object.keys(RCODE)
          .map((rcode) => [rcode, total('sekisho_view_responses_total', { view: name, rcode })] as const)
          .filter(([, count]) => count > 0),
      ),
      dryRun: Object.fromEntries(
        Object.keys(plugins)
          .filter((plugin) => plugins[plugin] === 'dry-run')
          .map((plugin) => [plugin, dryRunVerdicts(name, plugin)]),
      ),
    })),
    plugins: workers.chain.map(({ name, stage }) => {
      const labels = { plugin: name };
      const samples = total('sekisho_plugin_cost_samples_total', labels);
      return {
        name,
        stage,
        meanCostNs:
          samples === 0 ? null : Math.round((total('sekisho_plugin_cost_seconds_total', labels) / samples) * 1e9),
        errors: total('sekisho_plugin_faults_total', labels),
      };
    }),
    cache: {
      entries: cache.entries,
      usedBytes: cache.bytesUsed,
      sizeBytes: config.cache.sizeBytes,
      hits: total('sekisho_cache_lookups_total', { result: CACHE_RESULTS[1] }),
      misses: total('sekisho_cache_lookups_total', { result: CACHE_RESULTS[2] }),
      stale: total('sekisho_cache_lookups_total', { result: CACHE_RESULTS[3] }),
    },
    ...generation.features.status(),
    queries: {
      total: total('sekisho_queries_total'),
      udp: total('sekisho_queries_total', { transport: 'udp' }),
      tcp: total('sekisho_queries_total', { transport: 'tcp' }),
      dropped: total('sekisho_drops_total'),
      shed: total('sekisho_overload_shed_total', { dry_run: 'false' }),
      rcodes: Object.fromEntries(
        Object.keys(RCODE)
          .map((rcode) => [rcode, total('sekisho_responses_total', { rcode })] as const)
          .filter(([, count]) => count > 0),
      ),
    },
  };
}

/**
 * Who asks what stays apart, but who asked too much is a client's address too: a host is shown by its network. The table itself
 * has it exactly.
 */
function shownDrop({ source, reason, endsInMs, passPerSecond }: DropEntry): Status['kernelDrops'][number] {
  const what = source.includes('/') && !source.endsWith('/64') ? 'network' : 'host';
  return {
    source: reason === 'outsider' || (what === 'network' && !source.includes(':')) ? source : aroundOf(source),
    what,
    reason: reason as Exclude<typeof reason, 'let-pass'>,
    endsInSeconds: endsInMs === null ? null : Math.ceil(endsInMs / 1000),
    passPerSecond,
  };
}

function aroundOf(source: string): string {
  return networkAround(source.replace(/\/\d+$/, ''));
}

/** The sum of a metric over all workers, ended ones included. */
export function totalMetric(
  generation: Generation,
  parts: ReportParts,
  name: string,
  labels: Record<string, string>,
): number {
  return metricsTotal([...generation.workers.metrics, ...parts.retiring()], parts.retired, name, labels);
}

/** What `sekisho cache stats` shows. */
export function cacheReport(generation: Generation, parts: ReportParts): CacheStatsReport {
  const { entries, bytesUsed, wireBytes, inserts, evictions, ghostHits, skipped } = cacheStats(generation.cache);
  const lookups = (result: string | undefined) =>
    totalMetric(generation, parts, 'sekisho_cache_lookups_total', { result: result ?? '' });
  return {
    entries,
    usedBytes: bytesUsed,
    wireBytes,
    sizeBytes: generation.config.cache.sizeBytes,
    hits: lookups(CACHE_RESULTS[1]),
    misses: lookups(CACHE_RESULTS[2]),
    stale: lookups(CACHE_RESULTS[3]),
    failures: lookups(CACHE_RESULTS[4]),
    inserts,
    evictions,
    readmitted: ghostHits,
    skipped,
  };
}

/** For plugins: what the page for Prometheus says under one name. */
export function samplesReport(generation: Generation, parts: ReportParts, name: string): readonly MetricSample[] {
  const main = { snapshot: mainThreadMetrics(generation, parts) };
  return metricSamples([...generation.workers.metrics, ...parts.retiring(), main], parts.retired, name);
}

/** Counters of what was asked and of what the plugins did: what the transparency report may tell. */
export function measureCounters(generation: Generation, parts: ReportParts): CounterSample[] {
  const prefixes = generation.workers.chain.map(({ name }) => `${metricPrefix(name)}_`);
  const wanted = (name: string) =>
    name === 'sekisho_queries_total' || prefixes.some((prefix) => name.startsWith(prefix));
  const sources = [...generation.workers.metrics, ...parts.retiring(), { snapshot: generation.metrics.snapshot() }];
  return counterSamples(sources, parts.retired, wanted);
}

/** The page for Prometheus. */
export function metricsReport(generation: Generation, parts: ReportParts): string {
  return metricsText(
    [
      ...generation.workers.metrics,
      ...parts.retiring(),
      { snapshot: generation.metrics.snapshot() },
      { snapshot: mainThreadMetrics(generation, parts) },
    ],
    parts.retired,
  );
}

/** Numbers that no worker can know. */
function mainThreadMetrics(generation: Generation, parts: ReportParts): MetricsSource['snapshot'] {
  const cells: MetricCell[] = [];
  const values: number[] = [];
  const put = (
    type: 'counter' | 'gauge',
    name: string,
    help: string,
    value: number,
    labels: Record<string, string> = {},
  ) => {
    cells.push({ name, help, type, labels, perWorker: false });
    values.push(value);
  };
  put('gauge', 'sekisho_build_info', 'Version of the program and of Node.js, always 1.', 1, {
    version: parts.version,
    nodejs: process.version,
  });
  put('gauge', 'sekisho_info', 'Version, always 1.', 1, { version: parts.version, io: parts.io });
  put(
    'gauge',
    'sekisho_start_time_seconds',
    'When the server was started, seconds since 1970.',
    parts.startedAtMs / 1000,
  );
  put('gauge', 'sekisho_process_resident_bytes', 'Memory of the process that is in RAM.', process.memoryUsage.rss());
  const cpu = process.cpuUsage();
  put(
    'counter',
    'sekisho_process_cpu_seconds_total',
    'CPU time of the process, all threads.',
    (cpu.user + cpu.system) / 1e6,
  );
  for (const { endpoint, drops } of generation.listeners?.kernelDrops() ?? []) {
    const labels = { listener: endpointText(endpoint) };
    put(
      'counter',
      'sekisho_udp_kernel_drops_total',
      'Datagrams dropped by the kernel because no worker took them in time.',
      drops,
      labels,
    );
  }
  for (const { reason, cpu, packets } of parts.kernel?.dropped() ?? []) {
    put(
      'counter',
      'sekisho_kernel_drops_total',
      'Packets that programs in the kernel dropped because of their source.',
      packets,
      { reason, cpu: String(cpu) },
    );
  }
  if (parts.kernel) {
    const { interfaces } = parts.kernel.state;
    const queues = interfaces.reduce((sum, each) => sum + each.queues, 0);
    const shut = interfaces.reduce((sum, each) => sum + each.shut, 0);
    put('gauge', 'sekisho_kernel_drop_entries', 'Sources that the kernel drops now.', parts.kernel.entries().length);
    put('gauge', 'sekisho_xdp_queues', 'Receive queues of network interfaces that are served straight.', queues - shut);
    put('gauge', 'sekisho_xdp_queues_shut', 'Receive queues whose packets come by the sockets for now.', shut);
    put(
      'counter',
      'sekisho_xdp_lost_frames_total',
      'Frames dropped by the kernel because no worker took them in time.',
      parts.kernel.fastPath?.lost ?? 0,
    );
  }
  const states = generation.workers.states;
  put(
    'gauge',
    'sekisho_workers_serving',
    'Workers that answer queries.',
    states.filter(({ state }) => state === 'running').length,
  );
  put(
    'counter',
    'sekisho_worker_restarts_total',
    'Workers that died or hung and were replaced.',
    parts.replaced.reduce((sum, times) => sum + times, 0),
  );
  put(
    'counter',
    'sekisho_worker_starved_total',
    'Times that a worker gave no sign of life because it got too little processor time; it is left alone.',
    parts.starved.reduce((sum, times) => sum + times, 0),
  );
  const cache = cacheStats(generation.cache);
  put('gauge', 'sekisho_cache_entries', 'Answers held, expired ones included.', cache.entries);
  put('gauge', 'sekisho_cache_used_bytes', 'Bytes of the answers held, with their headers.', cache.bytesUsed);
  put('gauge', 'sekisho_cache_capacity_bytes', 'Bytes of the whole cache.', cache.capacity);
  put('counter', 'sekisho_cache_inserts_total', 'Answers stored.', cache.inserts);
  put('counter', 'sekisho_cache_evictions_total', 'Answers thrown out for others.', cache.evictions);
  put(
    'counter',
    'sekisho_cache_skipped_inserts_total',
    'Answers not stored because another worker was writing.',
    cache.skipped,
  );
  return { cells, values: Float64Array.from(values) };
}

function gauges(sources: readonly MetricsSource[], name: string, labels: Record<string, string | undefined>): number[] {
  return sources.flatMap(({ snapshot }) =>
    snapshot.cells.flatMap((cell, i) => {
      const matches = cell.name === name && Object.entries(labels).every(([key, value]) => cell.labels[key] === value);
      return matches ? [snapshot.values[i] ?? 0] : [];
    }),
  );
}

function totalOf(sources: readonly MetricsSource[], name: string): number {
  return sources.reduce(
    (sum, { snapshot }) =>
      snapshot.cells.reduce((inner, cell, i) => (cell.name === name ? inner + (snapshot.values[i] ?? 0) : inner), sum),
    0,
  );
}

/** Null where the server forwards. */
function resolveReport(
  { iterateDesk }: Generation,
  total: (name: string, labels?: Record<string, string>) => number,
): Status['resolve'] {
  if (iterateDesk === undefined) return null;
  return {
    ...iterateDesk.report(),
    queries: total('sekisho_iterator_queries_total'),
    timeouts: total('sekisho_iterator_timeouts_total'),
    outstanding: total('sekisho_iterator_outstanding'),
    outcomes: Object.fromEntries(
      OUTCOMES.map((outcome) => [outcome, total('sekisho_iterator_outcomes_total', { outcome })] as const).filter(
        ([, count]) => count > 0,
      ),
    ),
    exhausted: total('sekisho_iterator_budget_exhausted_total'),
  };
}

/** The servers of `upstream`, and those of zones and views that have their own. */
function upstreamsOf({ upstream, zones, partitions }: Config): readonly Asked[] {
  const keys = partitions.map((_, i) => i + 1);
  const special = new Partitions(zones, partitions, keys).groups.flatMap(({ servers, zone, view }) =>
    servers.map((server) => ({ server, zone, view })),
  );
  return [...upstream.servers.map((server) => ({ server, zone: undefined, view: undefined })), ...special];
}

interface Asked {
  readonly server: UpstreamServer;
  /** What it is asked for; both undefined: everything that nothing else is said about. */
  readonly zone: string | undefined;
  readonly view: string | undefined;
}
