/** One measurement: load on one server for a while, and what that cost the server. */
import { coreBusySeconds, cpuSeconds } from '../../test/support/cpu.ts';
import { type LoadOptions, type LoadResult, quantile, runDnsperf } from '../../test/support/dnsperf.ts';
import { runFlood } from './flood.ts';
import { LOAD_CORE, SERVER_CORE, type Target } from './servers.ts';

/** Enough in flight to keep a server's queue filled, few enough for the smallest socket buffer among the peers. */
const FLOOD_OUTSTANDING = 400;

/** Figures of one server in one round. */
export interface Figures {
  /** CPU time of the server process, all threads, per query answered, in microseconds. */
  cpuMicroseconds: number;
  queriesPerSecond: number;
  /** Share of the core that the server used, 0–1: below about 0.97 the load, or its rate, was the limit. */
  utilisation: number;
  /** Share of the server's core that other processes took, 0–1. Above a few percent the round says little. */
  disturbance: number;
  lost: number;
  /** Answers with a response code other than NOERROR. */
  errors: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
  /** Memory per cached answer above its wire bytes (scenario `memory` only). */
  bytesPerEntry: number;
}

/** Load from dnsperf, on the load's core. */
export function measure(target: Target, load: Omit<LoadOptions, 'port' | 'core'>): Promise<Figures> {
  return costOf(target, () => runDnsperf({ timeoutSeconds: 2, ...load, port: target.port, core: LOAD_CORE }));
}

/** Load that keeps the server busy without a break. */
export function measureFlood(target: Target, queryFile: string, seconds: number): Promise<Figures> {
  const { port } = target;
  return costOf(target, () => runFlood({ port, queryFile, seconds, outstanding: FLOOD_OUTSTANDING, core: LOAD_CORE }));
}

/** The server is idle before and after `load`, so the whole difference in CPU time is its work. */
async function costOf(target: Target, load: () => Promise<LoadResult>): Promise<Figures> {
  const before = cpuSeconds(target.pid);
  const busyBefore = coreBusySeconds(SERVER_CORE);
  const began = performance.now();
  const result = await load();
  // The scheduler adds a running slice at its end: give the last answer's slice time to end.
  await new Promise((resolve) => setTimeout(resolve, 20));
  const cpu = cpuSeconds(target.pid) - before;
  const others = coreBusySeconds(SERVER_CORE) - busyBefore - cpu;
  const { completed, latenciesMs } = result;
  return {
    cpuMicroseconds: (cpu * 1e6) / completed,
    queriesPerSecond: result.queriesPerSecond,
    utilisation: cpu / result.seconds,
    disturbance: Math.max(0, (others * 1000) / (performance.now() - began)),
    lost: result.lost,
    errors: completed - (result.rcodes['NOERROR'] ?? 0),
    p50Ms: latenciesMs.length > 0 ? quantile(latenciesMs, 0.5) : result.averageLatencyMs,
    p99Ms: quantile(latenciesMs, 0.99),
    maxMs: result.maxLatencyMs,
    bytesPerEntry: Number.NaN,
  };
}

/** Send every line of `queryFile` and let the server keep what it learns. Returns the queries that got no NOERROR. */
export async function fill(target: Target, queryFile: string): Promise<number> {
  const result = await runDnsperf({
    port: target.port,
    core: LOAD_CORE,
    queryFile,
    runs: 1,
    outstanding: 200,
    clients: 4,
    timeoutSeconds: 2,
  });
  return result.sent - (result.rcodes['NOERROR'] ?? 0);
}
