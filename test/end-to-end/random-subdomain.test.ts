/** A random-subdomain attack on the whole server: dnsperf floods, dig asks for names that exist, across a restart. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ensurePackages } from '../support/debian.ts';
import { askUdp } from '../support/dns-client.ts';
import { runDnsperf } from '../support/dnsperf.ts';
import { dig } from '../support/field.ts';
import { logOf, scrape, stoppedAfterwards } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import {
  answerTo,
  honest,
  type Script,
  type ScriptedUpstream,
  soa,
  startScriptedUpstream,
} from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
const keep = stoppedAfterwards();
const missing = ensurePackages(['dig', 'dnsperf']);
const LIMIT = 20;

describe.skipIf(missing.size > 0)('a random-subdomain attack', () => {
  let upstream: ScriptedUpstream;
  let server: SekishoServer;
  let victimDown = false;
  const data = temporaryFolder('data');
  const flood = join(temporaryFolder('flood'), 'queries');
  writeFileSync(flood, Array.from({ length: 3000 }, (_, i) => `x${i}k.victim.test A\n`).join(''));

  const script: Script = (query) => {
    if (query.name.endsWith('victim.test')) {
      if (victimDown) return;
      // Behind the names there are others, which no list holds: mail and news exist as well as www.
      if (!/^(www|mail|news)\./.test(query.name)) {
        query.send(answerTo(query, { rcode: 3, authorities: [soa(60)] }));
        return;
      }
    }
    honest('192.0.2.7', 1)(query);
  };
  const start = () =>
    startSekisho({
      config: {
        server: { data },
        upstream: { servers: [`127.0.0.1:${upstream.port}`] },
        cache: { size: '1MiB', 'serve-stale': 0 },
        plugins: { 'random-subdomain': { limit: LIMIT, outstanding: 50 } },
      },
    });
  const ask = (name: string) => dig('dig', `@127.0.0.1 -p ${server.port} ${name} A +tries=1 +time=8`);
  /** More names at once than may be asked for: who is refused is told Network Error, who was asked for in vain is told so. */
  const expectRefused = async (label: string) => {
    const names = Array.from({ length: 3 * LIMIT }, (_, i) => `${label}${i}.victim.test`);
    const replies = await Promise.all(
      names.map((name) => askUdp({ name, udpSize: 1232 }, { port: server.port, timeoutMs: 10_000 })),
    );
    const sent = new Set(upstream.queries.map(({ name }) => name));
    expect(replies.map(({ rcode, extendedErrors }) => [rcode, extendedErrors])).toEqual(
      // RFC 8914 §4.23, §4.24: 22 where no server answered, 23 where it was not worth asking.
      names.map((name) => [2, [sent.has(name) ? 22 : 23]]),
    );
    expect(names.filter((name) => !sent.has(name)).length).toBeGreaterThan(0);
  };
  const askedFor = (name: string) => upstream.queries.filter((query) => query.name === name).length;

  beforeAll(async () => {
    upstream = keep(await startScriptedUpstream(script));
    server = await start();
    for (const name of ['www', 'mail', 'www']) await ask(`${name}.victim.test`);
    await ask('www.other.test');
    // Known is what was seen after the zone itself was.
    await ask('mail.victim.test');
    victimDown = true;
  });
  afterAll(() => server.stop());

  it('is kept from the upstream, and told Network Error', async () => {
    const before = upstream.queries.length;
    const began = performance.now();
    const { completed, rcodes } = await runDnsperf({
      port: server.port,
      queryFile: flood,
      runs: 1,
      timeoutSeconds: 10,
    });
    const seconds = (performance.now() - began) / 1000;
    expect(completed).toBe(3000);
    expect(rcodes['SERVFAIL']).toBe(3000);
    const names = new Set(upstream.queries.slice(before).map(({ name }) => name));
    // What may wait at once, some that came before the zone's name was known, and the limit.
    expect(names.size).toBeLessThan(50 + 200 + LIMIT * seconds);
    await expectRefused('another');
    const metrics = await scrape(server);
    expect(metrics.total('sekisho_random_subdomain_refused_total')).toBeGreaterThan(2500);
  });

  it('once found out is sent no more than the limit, repeated questions included', async () => {
    const asked = () => upstream.queries.filter(({ name }) => name.endsWith('victim.test')).length;
    const before = asked();
    const began = performance.now();
    // Long enough for what is asked to be asked again, were it allowed.
    await runDnsperf({
      port: server.port,
      queryFile: flood,
      seconds: 4,
      rate: 500,
      outstanding: 2000,
      timeoutSeconds: 5,
    });
    const seconds = Math.ceil((performance.now() - began) / 1000);
    const sent = asked() - before;
    expect(sent).toBeGreaterThan(LIMIT);
    expect(sent).toBeLessThanOrEqual(LIMIT * seconds);
  });

  it('leaves other zones alone', async () => {
    expect(await ask('fresh.other.test')).toMatch(/NOERROR[\s\S]*192\.0\.2\.7/);
  });

  it('names that exist are asked for, also after a restart', async () => {
    await server.stop();
    const before = askedFor('mail.victim.test');
    server = await start();
    // The new process finds the zone in trouble anew.
    await ask('www.other.test');
    await ask('x.victim.test');
    await runDnsperf({ port: server.port, queryFile: flood, runs: 1, timeoutSeconds: 10 });
    await expectRefused('one-more');
    victimDown = false;
    expect(await ask('mail.victim.test')).toMatch(/NOERROR[\s\S]*192\.0\.2\.7/);
    expect(askedFor('mail.victim.test')).toBe(before + 1);
    const loaded = logOf(server).find(({ msg }) => msg === 'names known to exist');
    expect(loaded).toMatchObject({ loaded: true, plugin: 'random-subdomain' });
    expect(loaded?.['names']).toBeGreaterThanOrEqual(2);
  });
});
