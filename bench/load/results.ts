/** What a run leaves behind: one JSON file, from which the tables are made. */
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { programVersion } from '../../test/support/debian.ts';
import type { Figures } from './measure.ts';
import type { Goal, Metric } from './scenarios.ts';
import { median, medianRatio } from './statistics.ts';

export interface ServerResult {
  name: string;
  peer: boolean;
  /** One entry a round, in order; the same round of all servers belongs together. */
  rounds: Figures[];
}

export interface ScenarioResult {
  name: string;
  text: string;
  metric: Metric;
  goals: readonly Goal[];
  seconds: number;
  entries: number;
  servers: ServerResult[];
}

export interface Results {
  /** When the run began, ISO 8601. */
  date: string;
  machine: { cpu: string; cores: number; memoryGiB: number; kernel: string; node: string };
  /** Version of each program by server or tool. */
  versions: Record<string, string>;
  /** Why something was not measured. */
  skipped: Record<string, string>;
  /** Configuration of each server as it ran, ports and folders included. */
  configs: Record<string, string>;
  scenarios: ScenarioResult[];
}

export function describeMachine(): Results['machine'] {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
  };
}

export function describeVersions(): Record<string, string> {
  return {
    nsd: programVersion('nsd'),
    dnsperf: programVersion('dnsperf'),
    dnsdist: programVersion('dnsdist'),
    unbound: programVersion('unbound'),
    'pdns-recursor': programVersion('pdns_recursor'),
  };
}

export function readResults(path: string): Results {
  return JSON.parse(readFileSync(path, 'utf8'), (_, value: unknown) =>
    value === null ? Number.NaN : value,
  ) as Results;
}

/** Values of one metric, round by round. */
export function series(server: ServerResult | undefined, metric: keyof Figures): number[] {
  return server?.rounds.map((figures) => figures[metric]) ?? [];
}

/** Median of one metric over the rounds. */
export function medianOf(server: ServerResult, metric: keyof Figures): number {
  return median(series(server, metric));
}

/** The peer with the lowest median of `metric` among those whose name starts with `prefix`. */
export function cheapestPeer(scenario: ScenarioResult, metric: Metric, prefix = ''): ServerResult | undefined {
  const peers = scenario.servers.filter((server) => server.peer && server.name.startsWith(prefix));
  return peers.sort((a, b) => medianOf(a, metric) - medianOf(b, metric))[0];
}

export interface Verdict {
  goal: Goal;
  /** What Sekisho is compared with; undefined for an absolute goal. */
  reference: string | undefined;
  /** Median ratio, or the figure itself; NaN where something was not measured. */
  value: number;
  met: boolean;
}

/** How Sekisho stands to one goal. A longest pause is the worst of all rounds, not their median. */
export function judge(scenario: ScenarioResult, goal: Goal): Verdict {
  const own = series(find(scenario, 'sekisho'), goal.metric);
  const reference = referenceOf(scenario, goal);
  let value: number;
  if (goal.against !== 'none') value = medianRatio(own, series(reference, goal.metric));
  else value = goal.metric === 'maxMs' ? Math.max(Number.NEGATIVE_INFINITY, ...own) : median(own);
  if (own.length === 0) value = Number.NaN;
  return { goal, reference: reference?.name, value, met: value <= goal.atMost };
}

function referenceOf(scenario: ScenarioResult, goal: Goal): ServerResult | undefined {
  if (goal.against === 'none') return undefined;
  if (goal.against === 'echo') return find(scenario, 'echo');
  return cheapestPeer(scenario, goal.metric, goal.against === 'dnsdist' ? 'dnsdist' : '');
}

function find(scenario: ScenarioResult, name: string): ServerResult | undefined {
  return scenario.servers.find((server) => server.name === name);
}
