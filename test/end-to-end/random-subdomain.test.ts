/** A random-subdomain attack on the whole server: dnsperf floods, dig asks for names that exist, across a restart. */
import { readFileSync, writeFileSync } from 'node:fs';
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

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });
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
  const ask = (name: string, from = '127.0.0.1') =>
    dig('dig', `@127.0.0.1 -p ${server.port} -b ${from} ${name} A +tries=1 +time=8`);
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
    await ask('www.other.test');
    // Known is what two networks have asked for, two seconds apart at least, and no wildcard answers.
    await vi.waitFor(
      async () => {
        for (const name of ['www', 'mail'])
          for (const from of ['127.0.0.1', '127.0.9.1']) await ask(`${name}.victim.test`, from);
        expect((await scrape(server)).total('sekisho_random_subdomain_names_learnt_total')).toBeGreaterThanOrEqual(2);
      },
      { timeout: 30_000, interval: 500 },
    );
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
    // The new process finds the zone in trouble again.
    await ask('www.other.test');
    await ask('x.victim.test');
    await runDnsperf({ port: server.port, queryFile: flood, runs: 1, timeoutSeconds: 10 });
    await expectRefused('one-more');
    victimDown = false;
    expect(await ask('mail.victim.test')).toMatch(/NOERROR[\s\S]*192\.0\.2\.7/);
    expect(askedFor('mail.victim.test')).toBe(before + 1);
    const loaded = logOf(server).find(({ msg }) => msg === 'loaded known names');
    expect(loaded).toMatchObject({ loaded: true, plugin: 'random-subdomain' });
    expect(loaded?.['names']).toBeGreaterThanOrEqual(2);
  });
});

/** What fails is limited where it fails, and all of it together. */
describe.skipIf(missing.size > 0)('what does not answer', () => {
  const FLOOD_SECONDS = 6;
  const perSecond = (count: number) => Array.from({ length: count * FLOOD_SECONDS }, (_, i) => i);
  const queriesOf = (name: string, lines: readonly string[]) => {
    const file = join(temporaryFolder(name), 'queries');
    writeFileSync(file, `${lines.join('\n')}\n`);
    return file;
  };

  async function flooded(silent: (name: string) => boolean, attack: string, rate: number, honestNames: string) {
    const upstream = keep(
      await startScriptedUpstream((query) => {
        if (!silent(query.name)) honest('192.0.2.7', 60)(query);
      }),
    );
    const server = keep(
      await startSekisho({
        readyTimeoutMs: 60_000,
        config: {
          upstream: { servers: [`127.0.0.1:${upstream.port}`] },
          cache: { 'serve-stale': 0 },
          plugins: { 'random-subdomain': { limit: 20, 'failing-budget': 40 } },
        },
      }),
    );
    const to = { port: server.port, seconds: FLOOD_SECONDS, outstanding: 5000, timeoutSeconds: 6 };
    // Its zones have been asked before, as always.
    const before = await runDnsperf({ ...to, seconds: 2, queryFile: honestNames, rate: 50, from: '127.0.3.1' });
    expect(before.rcodes['NOERROR']).toBe(before.completed);
    const began = performance.now();
    const [, ordinary] = await Promise.all([
      runDnsperf({ ...to, queryFile: attack, rate }),
      runDnsperf({ ...to, queryFile: honestNames.replace('before', 'during'), rate: 100, from: '127.0.3.1' }),
    ]);
    const seconds = (performance.now() - began) / 1000;
    const sent = upstream.queries.filter(({ name }) => silent(name)).length;
    return { answered: (ordinary.rcodes['NOERROR'] ?? 0) / ordinary.sent, sent, seconds, server };
  }

  it('below a delegation leaves the other names of its domain alone', async () => {
    const attack = queriesOf(
      'attack',
      perSecond(300).map((i) => `x${i}.broken.customer.cdn.test A`),
    );
    const names = (run: string) => perSecond(100).map((i) => `${run}${i}.cdn.test A`);
    const folder = temporaryFolder('honest');
    for (const run of ['before', 'during']) writeFileSync(join(folder, run), `${names(run).join('\n')}\n`);
    const { answered, sent, seconds, server } = await flooded(
      (name) => name.endsWith('.broken.customer.cdn.test'),
      attack,
      300,
      join(folder, 'before'),
    );
    expect(answered).toBeGreaterThanOrEqual(0.99);
    expect(sent).toBeLessThan(20 * seconds + 500);
    const token = readFileSync(join(server.folder, 'data', 'admin.token'), 'utf8').trim();
    const url = `http://127.0.0.1:${server.adminPort}/v1/random-subdomain/zones?reason=ticket+7`;
    const { zones } = (await (await fetch(url, { headers: { authorization: `Bearer ${token}` } })).json()) as {
      zones: { zone: string }[];
    };
    expect(zones.map(({ zone }) => zone)).toEqual(['broken.customer.cdn.test']);
  });

  it('in thousands of zones is sent no more than the budget, and zones that answer notice nothing', async () => {
    const attack = queriesOf(
      'attack',
      perSecond(1000).map((i) => `www.silent${i % 5000}.test A`),
    );
    const names = (run: string) => perSecond(100).map((i) => `${run}${i}.shop${i % 20}.test A`);
    const folder = temporaryFolder('honest');
    for (const run of ['before', 'during']) writeFileSync(join(folder, run), `${names(run).join('\n')}\n`);
    const { answered, sent, seconds, server } = await flooded(
      (name) => /\.silent\d+\.test$/.test(name),
      attack,
      1000,
      join(folder, 'before'),
    );
    expect(answered).toBeGreaterThanOrEqual(0.99);
    // The budget, a tenth of what is answered, and what may be under way at once.
    expect(sent).toBeLessThan((40 + 10) * seconds + 40 * 2.5 + 400);
    expect(
      (await scrape(server)).total('sekisho_random_subdomain_refused_total', { reason: 'budget' }),
    ).toBeGreaterThan(3000);
  });
});
