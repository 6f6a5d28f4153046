/** The saturating load (flood.c): what dnsperf is too slow for. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { LoadResult } from '../../test/support/dnsperf.ts';
import { compiledProgram } from './compiled.ts';

export interface FloodOptions {
  port: number;
  queryFile: string;
  seconds: number;
  /** Queries in flight. */
  outstanding: number;
  core: number;
}

const RCODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];

/** Run it against 127.0.0.1. Latencies are not measured. */
export async function runFlood(options: FloodOptions): Promise<LoadResult> {
  const { port, queryFile, seconds, outstanding, core } = options;
  const command = [compiledProgram('flood'), String(port), queryFile, String(seconds), String(outstanding)];
  // Ends by itself a fifth of a second after its time; killed when it does not.
  const timeout = (seconds + 5) * 1000;
  const { stdout } = await promisify(execFile)('taskset', ['-c', String(core), ...command], { timeout });
  const result = JSON.parse(stdout) as {
    sent: number;
    completed: number;
    lost: number;
    seconds: number;
    rcodes: number[];
  };
  const rcodes = result.rcodes.map((count, rcode) => [RCODES[rcode] ?? `RCODE${rcode}`, count] as const);
  return {
    ...result,
    queriesPerSecond: result.completed / result.seconds,
    rcodes: Object.fromEntries(rcodes.filter(([, count]) => count > 0)),
    averageLatencyMs: Number.NaN,
    maxLatencyMs: Number.NaN,
    latenciesMs: new Float64Array(0),
  };
}
