/** dnsperf as the load: runs it and reads what it prints. */
import { spawn } from 'node:child_process';
import { closeSync, createReadStream, existsSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { requireProgram } from './debian.ts';
import { temporaryFolder } from './process.ts';

export interface LoadOptions {
  port: number;
  /** One `name type` per line, sent in this order and from the beginning again at the end. */
  queryFile: string;
  /** Stop after so many seconds … */
  seconds?: number;
  /** … or so many runs through the file. One of both must be given. */
  runs?: number;
  /** Queries per second at most; as fast as answers come where left out. */
  rate?: number;
  /** Queries that may wait for their answers at once (default 100). */
  outstanding?: number;
  /** Sockets it sends from (default 1). */
  clients?: number;
  core?: number;
  /** Address of this machine that it asks from (default 127.0.0.1). */
  from?: string;
  /** Measure every query's latency (dnsperf -v): costs the load some speed. */
  latencies?: boolean;
  mode?: 'udp' | 'tcp' | 'dot';
  /** Send an OPT record (4096 bytes), so that large answers come over UDP. */
  edns?: boolean;
  /** A query without an answer for so long is lost (default 5 s). */
  timeoutSeconds?: number;
}

export interface LoadResult {
  sent: number;
  completed: number;
  lost: number;
  /** Seconds from the first query to the last answer. */
  seconds: number;
  queriesPerSecond: number;
  /** Answers by response code, e.g. `{ NOERROR: 1000 }`. */
  rcodes: Record<string, number>;
  averageLatencyMs: number;
  maxLatencyMs: number;
  /** Latency of every completed query in milliseconds, ascending; empty unless asked for. */
  latenciesMs: Float64Array;
}

/** Run dnsperf against 127.0.0.1. Rejects where it fails, or runs ten seconds longer than it should. */
export async function runDnsperf(options: LoadOptions): Promise<LoadResult> {
  const args = ['-s', '127.0.0.1', '-p', String(options.port), '-d', options.queryFile, '-T', '1', '-b', '4096'];
  args.push('-m', options.mode ?? 'udp', '-q', String(options.outstanding ?? 100), '-c', String(options.clients ?? 1));
  args.push('-t', String(options.timeoutSeconds ?? 5));
  if (options.seconds !== undefined) args.push('-l', String(options.seconds));
  if (options.runs !== undefined) args.push('-n', String(options.runs));
  if (options.rate !== undefined) args.push('-Q', String(options.rate));
  if (options.latencies) args.push('-v');
  if (options.edns) args.push('-e');
  if (options.from !== undefined) args.push('-a', options.from);
  // Warnings of late answers would be mixed into the statistics.
  args.push('-O', 'suppress=timeouts,congestion,sendfailed,sockready,unexpected');
  // It writes straight into memory: a pipe would take CPU from the load's core, a disk could stall it.
  const folder = temporaryFolder('load', existsSync('/dev/shm') ? '/dev/shm' : tmpdir());
  const output = join(folder, 'output');
  const limitMs = ((options.seconds ?? 110) + (options.timeoutSeconds ?? 5) + 10) * 1000;
  try {
    await run(requireProgram('dnsperf'), args, options.core, output, limitMs);
    return await readDnsperf(createReadStream(output));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function run(
  command: string,
  args: string[],
  core: number | undefined,
  output: string,
  limitMs: number,
): Promise<void> {
  const pinned = core === undefined ? [command, ...args] : ['taskset', '-c', String(core), command, ...args];
  const file = openSync(output, 'w');
  const child = spawn(pinned[0] ?? '', pinned.slice(1), { stdio: ['ignore', file, 'pipe'] });
  closeSync(file);
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-4_000);
  });
  const kill = (): void => void child.kill('SIGKILL');
  process.on('exit', kill);
  const timer = setTimeout(kill, limitMs);
  try {
    const ended = await new Promise<number | string>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => resolve(code ?? signal ?? 'a signal'));
    });
    if (ended !== 0) throw new Error(`dnsperf ended with ${ended}: ${errors}`);
  } finally {
    clearTimeout(timer);
    process.off('exit', kill);
  }
}

/** Read dnsperf's output, line by line. Rejects where the statistics are missing. */
export async function readDnsperf(input: NodeJS.ReadableStream): Promise<LoadResult> {
  const values = new Map<string, string>();
  const latencies: number[] = [];
  for await (const line of createInterface({ input })) {
    // `> NOERROR name type 0.000123` for each answer with -v.
    if (line.startsWith('> ')) {
      const seconds = Number(line.slice(line.lastIndexOf(' ') + 1));
      if (Number.isFinite(seconds)) latencies.push(seconds * 1000);
      continue;
    }
    const [, key, value] = /^\s+([A-Z][^:]*):\s+(.+)$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) values.set(key, value);
  }
  const number = (key: string): number => {
    const text = values.get(key);
    if (text === undefined) throw new Error(`dnsperf did not print '${key}'`);
    return Number.parseFloat(text);
  };
  const completed = number('Queries completed');
  const max = /max ([\d.]+)/.exec(values.get('Average Latency (s)') ?? '')?.[1];
  return {
    sent: number('Queries sent'),
    completed,
    lost: number('Queries lost'),
    seconds: number('Run time (s)'),
    queriesPerSecond: number('Queries per second'),
    rcodes: responseCodes(values.get('Response codes') ?? ''),
    averageLatencyMs: completed === 0 ? Number.NaN : number('Average Latency (s)') * 1000,
    maxLatencyMs: Number(max ?? Number.NaN) * 1000,
    latenciesMs: Float64Array.from(latencies).sort(),
  };
}

/** `NOERROR 10 (90.91%), SERVFAIL 1 (9.09%)` as an object. */
function responseCodes(text: string): Record<string, number> {
  return Object.fromEntries([...text.matchAll(/([A-Z]\w*) (\d+) \(/g)].map(([, name, count]) => [name, Number(count)]));
}

/** The `share` quantile (0–1) of ascending values; NaN where there are none. */
export function quantile(sorted: Float64Array, share: number): number {
  if (sorted.length === 0) return Number.NaN;
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? Number.NaN;
}
