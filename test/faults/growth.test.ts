/** Nothing grows without bound: a flood of names that are asked once, through a small cache. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { ensurePackages } from '../support/debian.ts';
import { askUdp } from '../support/dns-client.ts';
import { runDnsperf } from '../support/dnsperf.ts';
import { type DnsServer, startNsd, zoneText } from '../support/nsd.ts';
import { openDescriptors, scrape, stoppedAfterwards } from '../support/observe.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 240_000 });
const NAMES = 100_000;
const MIB = 1024 * 1024;
const missing = ensurePackages(['nsd', 'dnsperf']);
const why = [...missing.values()].join('; ');
const keep = stoppedAfterwards();

const residentBytes = (pid: number): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;

describe.skipIf(missing.size > 0)(`a flood of ${NAMES} names asked once ${why}`, () => {
  let nsd: DnsServer;
  let server: SekishoServer;
  beforeAll(async () => {
    nsd = keep(await startNsd({ zones: [{ name: 'flood.test', text: zoneText('flood.test', '* A 192.0.2.9') }] }));
    server = keep(
      await startSekisho({ config: { upstream: { servers: [`127.0.0.1:${nsd.port}`] }, cache: { size: '4MiB' } } }),
    );
  });

  it('leaves memory, descriptors and what waits where they were', async () => {
    const flood = async (round: number) => {
      const queryFile = join(server.folder, `names-${round}`);
      writeFileSync(queryFile, Array.from({ length: NAMES }, (_, i) => `n${round}-${i}.flood.test A`).join('\n'));
      return runDnsperf({ port: server.port, queryFile, runs: 1, outstanding: 200, rate: 20_000 });
    };
    await flood(0);
    const before = residentBytes(server.pid);
    const descriptors = openDescriptors(server.pid);
    const result = await flood(1);
    const after = residentBytes(server.pid);
    console.info(
      `resident: ${(before / MIB).toFixed(1)} MiB before, ${(after / MIB).toFixed(1)} MiB after ${NAMES} names more; ${result.lost} lost, ${result.queriesPerSecond.toFixed(0)} queries/s`,
    );
    expect(result.completed).toBeGreaterThan(NAMES * 0.99);
    expect(result.rcodes['NOERROR']).toBeGreaterThan(NAMES * 0.99);
    // The garbage collector's heap breathes; 100 000 answers kept somewhere would take far more.
    expect(after - before).toBeLessThan(16 * MIB);
    expect(openDescriptors(server.pid) - descriptors).toBeLessThan(64);
    const metrics = await scrape(server);
    expect(metrics.total('sekisho_cache_used_bytes')).toBeLessThanOrEqual(4 * MIB);
    expect(metrics.total('sekisho_cache_evictions_total')).toBeGreaterThan(NAMES);
    expect(metrics.total('sekisho_worker_restarts_total')).toBe(0);
    expect((await askUdp({ name: 'afterwards.flood.test' }, { port: server.port })).rcode).toBe(0);
  });
});
