/** More than the server can answer comes from one address: the others are answered anyway. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { ensurePackages } from '../support/debian.ts';
import { askUdp, exchangeDatagram, queryBytes, readReply } from '../support/dns-client.ts';
import { runDnsperf } from '../support/dnsperf.ts';
import { flood } from '../support/flooder.ts';
import { scrape, stoppedAfterwards } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { honest, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';
import { writePlugin } from '../support/third-party-plugin.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });
const keep = stoppedAfterwards();
const NAME = 'www.popular.test';
/** Longer than anything may wait in a queue; one try, so that nothing is answered by persistence. */
const PATIENCE_MS = 2000;
const FLOOD_SECONDS = 6;
const FLOOD_RATE = 20_000;
const clients = Array.from({ length: 8 }, (_, i) => `127.0.${i + 1}.3`);

describe('a flood beyond what the server can answer', () => {
  let upstream: ScriptedUpstream;
  // Every query costs 0.2 ms, so no machine answers more than 5000 a second: what is shown does not depend on how fast it is.
  const slow = writePlugin(
    'slow',
    'query() { const end = performance.now() + 0.2; while (performance.now() < end); return CONTINUE; }',
  );
  beforeAll(async () => {
    upstream = keep(await startScriptedUpstream(honest('192.0.2.7', 3600)));
  });

  /** Share of the modest clients' questions that was answered while 127.0.0.2 floods, after a second of it. */
  async function answeredDuringFlood(server: SekishoServer): Promise<number> {
    await askUdp({ name: NAME }, { port: server.port });
    const flooding = flood({
      port: server.port,
      seconds: FLOOD_SECONDS,
      rate: FLOOD_RATE,
      name: NAME,
      from: ['127.0.0.2'],
    });
    await pause(1500);
    let asked = 0;
    let answered = 0;
    const until = performance.now() + (FLOOD_SECONDS - 2.5) * 1000;
    await Promise.all(
      clients.map(async (from) => {
        while (performance.now() < until) {
          asked++;
          const bytes = await exchangeDatagram(queryBytes({ name: NAME }), {
            port: server.port,
            from,
            timeoutMs: PATIENCE_MS,
          });
          if (bytes && readReply(bytes).answers.length === 1) answered++;
          await pause(50);
        }
      }),
    );
    await flooding;
    return answered / asked;
  }
  const start = async (overload: Record<string, unknown>) =>
    keep(
      await startSekisho({
        config: {
          server: { overload },
          upstream: { servers: [`127.0.0.1:${upstream.port}`] },
          plugins: { slow: { module: slow } },
        },
      }),
    );

  it('is shed, and the others are answered', async () => {
    const server = await start({});
    expect(await answeredDuringFlood(server)).toBeGreaterThanOrEqual(0.95);
    const metrics = await scrape(server);
    expect(metrics.total('sekisho_overload_shed_total', { reason: 'host-share', dry_run: 'false' })).toBeGreaterThan(
      10_000,
    );
    expect(metrics.total('sekisho_overload_episodes_total')).toBeGreaterThan(0);
  });

  it('is only counted in a dry run', async () => {
    const server = await start({ 'dry-run': true });
    await answeredDuringFlood(server);
    const metrics = await scrape(server);
    expect(metrics.total('sekisho_overload_shed_total', { dry_run: 'true' })).toBeGreaterThan(10_000);
    // What is counted is answered anyway.
    expect(metrics.total('sekisho_queries_total')).toBeGreaterThan(metrics.total('sekisho_overload_shed_total'));
  });
});

/** Questions that one worker's source can have outstanding (upstream/forward.ts). */
const QUESTIONS = 4096;

describe.skipIf(ensurePackages(['dnsperf']).size > 0)('a client that asks for what answers slowly', () => {
  it('holds a third of the places, and the others are answered', async () => {
    const upstream = keep(
      await startScriptedUpstream((query) => {
        if (!query.name.endsWith('.slow.test')) honest()(query);
      }),
    );
    const server = keep(await startSekisho({ config: { upstream: { servers: [`127.0.0.1:${upstream.port}`] } } }));
    const file = join(temporaryFolder('slow'), 'queries');
    writeFileSync(file, Array.from({ length: 8000 }, (_, i) => `x${i}.slow.test A\n`).join(''));
    const flooding = runDnsperf({
      port: server.port,
      queryFile: file,
      from: '127.0.0.2',
      runs: 1,
      outstanding: 8000,
      timeoutSeconds: 10,
    });
    let most = 0;
    let refused = 0;
    while (refused === 0) {
      await pause(20);
      const metrics = await scrape(server);
      most = Math.max(most, metrics.total('sekisho_upstream_outstanding'));
      refused = metrics.total('sekisho_overload_refused_total', { limit: 'host', dry_run: 'false' });
    }
    for (let i = 0; i < 20; i++) {
      const reply = await askUdp({ name: `n${i}.quick.test` }, { port: server.port, from: '127.0.1.3' });
      expect(reply.answers).toHaveLength(1);
      most = Math.max(most, (await scrape(server)).total('sekisho_upstream_outstanding'));
    }
    // A probe of a server that does not answer is outstanding as well.
    expect(most).toBeLessThanOrEqual(QUESTIONS / 3 + 10);
    await flooding;
  });
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
