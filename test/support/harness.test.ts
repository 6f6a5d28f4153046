import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, describe, expect, it } from 'vitest';
import { ask } from './ask.ts';
import { startBind } from './bind.ts';
import { cpuSeconds, memory } from './cpu.ts';
import { findProgram, type Program, requireProgram } from './debian.ts';
import { startDnsdist } from './dnsdist.ts';
import { quantile, readDnsperf, runDnsperf } from './dnsperf.ts';
import { freePort } from './free-port.ts';
import { startNsd, zoneText } from './nsd.ts';
import { startPdnsRecursor } from './pdns-recursor.ts';
import { type RunningProcess, startProcess, temporaryFolder } from './process.ts';
import { startUnbound } from './unbound.ts';

const servers: RunningProcess[] = [];
afterAll(async () => {
  await Promise.all(servers.map((server) => server.stop()));
});

function started<Server extends RunningProcess>(server: Server): Server {
  servers.push(server);
  return server;
}

const present = (...programs: Program[]): boolean => programs.every((program) => findProgram(program) !== undefined);
const zone = { name: 'pool.test', text: zoneText('pool.test', '* A 192.0.2.7') };

describe('ports', () => {
  it('are never given out twice', async () => {
    const ports = await Promise.all(Array.from({ length: 20 }, () => freePort()));
    expect(new Set(ports).size).toBe(20);
    expect(Math.min(...ports)).toBeGreaterThan(1023);
  });
});

describe('processes', () => {
  const node = (script: string, ready: () => Promise<boolean>): Promise<RunningProcess> =>
    startProcess({ name: 'child', command: process.execPath, args: ['-e', script], ready, readyTimeoutMs: 2_000 });

  it('are ready when they say so, and end when they are told', async () => {
    const file = join(temporaryFolder('ready'), 'up');
    const child = await node(
      `console.error('hello'); require('fs').writeFileSync(${JSON.stringify(file)}, ''); setInterval(() => {}, 1000)`,
      async () => existsSync(file),
    );
    expect(cpuSeconds(child.pid)).toBeGreaterThan(0);
    expect(memory(child.pid).rssBytes).toBeGreaterThanOrEqual(memory(child.pid).pssBytes);
    expect(await child.stop()).toBe('SIGTERM');
    expect(child.stderr()).toContain('hello');
    expect(await child.stop()).toBe('SIGTERM');
  });

  it('that end before they are ready are reported with what they wrote', async () => {
    await expect(node('console.error("no such port"); process.exit(3)', async () => false)).rejects.toThrow(
      /ended \(3\) before it was ready:\nno such port/,
    );
  });

  it('that do not exist are reported', async () => {
    const options = { name: 'nobody', command: '/nonexistent/program', args: [], ready: async () => false };
    await expect(startProcess(options)).rejects.toThrow(/nobody ended .*(No such file|ENOENT)/s);
  });
});

describe('programs', () => {
  it('that are not installed are named with their package', () => {
    const path = process.env['PATH'];
    expect(() => requireProgram('no-such-program' as Program)).toThrow(/no-such-program is not installed/);
    expect(process.env['PATH']).toBe(path);
  });
});

describe('dnsperf output', () => {
  const statistics = `Statistics:

  Queries sent:         11
  Queries completed:    10 (90.91%)
  Queries lost:         1 (9.09%)

  Response codes:       NOERROR 9 (90.00%), SERVFAIL 1 (10.00%)
  Average packet size:  request 40, response 56
  Run time (s):         2.000
  Queries per second:   5.000000

  Average Latency (s):  0.001500 (min 0.000100, max 0.250000)
`;

  it('yields counts, rates and latencies', async () => {
    const lines = '> NOERROR b.test A 0.000300\n> SERVFAIL a.test A 0.000100\n> T c.test A\n';
    const result = await readDnsperf(Readable.from([lines + statistics]));
    expect(result).toMatchObject({ sent: 11, completed: 10, lost: 1, seconds: 2, queriesPerSecond: 5 });
    expect(result.rcodes).toEqual({ NOERROR: 9, SERVFAIL: 1 });
    expect(result.averageLatencyMs).toBeCloseTo(1.5);
    expect(result.maxLatencyMs).toBeCloseTo(250);
    expect([...result.latenciesMs].map((ms) => Math.round(ms * 1000))).toEqual([100, 300]);
  });

  it('without statistics is an error', async () => {
    await expect(readDnsperf(Readable.from(['unable to open input file\n']))).rejects.toThrow('Queries completed');
  });

  it('quantiles are values that occurred', () => {
    const values = Float64Array.from({ length: 100 }, (_, i) => i + 1);
    expect([quantile(values, 0), quantile(values, 0.5), quantile(values, 0.99), quantile(values, 1)]).toEqual([
      1, 50, 99, 100,
    ]);
    expect(quantile(new Float64Array(0), 0.5)).toBeNaN();
  });
});

describe.skipIf(!present('nsd', 'taskset'))('real servers', () => {
  const authority = startNsd({ zones: [zone] }).then(started);

  it('NSD answers from a wildcard', async () => {
    const { packet } = await ask((await authority).port, 'anything.pool.test');
    expect(packet.answers?.[0]).toMatchObject({ name: 'anything.pool.test', data: '192.0.2.7' });
  });

  it.skipIf(!present('named'))('BIND serves a zone', async () => {
    const bind = started(await startBind({ zones: [zone] }));
    expect((await ask(bind.port, 'x.pool.test')).packet.answers).toHaveLength(1);
  });

  const forwarders = [
    { program: 'unbound', start: startUnbound },
    { program: 'pdns_recursor', start: startPdnsRecursor },
    { program: 'dnsdist', start: startDnsdist },
  ] as const;
  for (const { program, start } of forwarders) {
    it.skipIf(!present(program))(`${program} forwards to NSD`, async () => {
      const upstreamPort = (await authority).port;
      const forwarder = started(await start({ upstreamPort, probeName: 'probe.pool.test', core: 0 }));
      const { packet } = await ask(forwarder.port, 'forwarded.pool.test');
      expect(packet.answers?.[0]).toMatchObject({ data: '192.0.2.7' });
    });
  }

  it.skipIf(!present('dnsperf'))('dnsperf completes one run through its file', async () => {
    const queryFile = join(temporaryFolder('queries'), 'queries');
    writeFileSync(queryFile, Array.from({ length: 200 }, (_, i) => `n${i}.pool.test A\n`).join(''));
    const result = await runDnsperf({ port: (await authority).port, queryFile, runs: 1, latencies: true });
    expect(result).toMatchObject({ sent: 200, completed: 200, lost: 0, rcodes: { NOERROR: 200 } });
    expect(result.latenciesMs).toHaveLength(200);
  });
});
