/** A worker that dies or hangs under load: the others go on, it is replaced, and nothing piles up. */
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { askTcp, askUdp, exchangeDatagram, queryBytes, readReply } from '../support/dns-client.ts';
import { logOf, openDescriptors, scrape, stoppedAfterwards, waitFor } from '../support/observe.ts';
import { honest, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';
import { writePlugin } from '../support/third-party-plugin.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 240_000 });
const keep = stoppedAfterwards();
let upstream: ScriptedUpstream;
let server: SekishoServer;
const asking = () => ({ port: server.port });
const restarts = async () => (await scrape(server)).total('sekisho_worker_restarts_total');

beforeAll(async () => {
  upstream = keep(await startScriptedUpstream(honest()));
  const module = writePlugin(
    'fragile',
    `
      query(query) {
        if (is(query, 'hang.test')) for (;;);
        if (is(query, 'exit.test')) process.exit(3);
        if (is(query, 'outside.test')) setTimeout(() => { throw new Error('outside containment'); }, 0);
        if (is(query, 'reject.test')) Promise.reject(new Error('nobody catches this'));
        return CONTINUE;
      },`,
  );
  server = keep(
    await startSekisho({
      config: {
        server: { workers: 2 },
        upstream: { servers: [`127.0.0.1:${upstream.port}`] },
        cache: { size: '4MiB' },
        plugins: { fragile: { module } },
      },
    }),
  );
});

/** Queries one after the other on many sockets, until told to stop: how many were asked and how many lost. */
function load(): { stop(): Promise<{ asked: number; lost: number }> } {
  let running = true;
  let asked = 0;
  let lost = 0;
  const clients = Array.from({ length: 8 }, async (_, client) => {
    for (let i = 0; running; i++) {
      asked++;
      const query = queryBytes({ name: `load-${client}-${i % 50}.example.test` });
      const bytes = await exchangeDatagram(query, { port: server.port, timeoutMs: 250 });
      if (bytes === undefined) lost++;
      else expect(readReply(bytes).rcode).toBe(0);
    }
  });
  return {
    stop: async () => {
      running = false;
      await Promise.all(clients);
      return { asked, lost };
    },
  };
}

/** Until both workers answer again: sockets of either are hit by chance, so many are tried. */
async function bothServe(): Promise<void> {
  const askedOnce = async () => {
    const queries = Array.from({ length: 24 }, () =>
      askUdp({ name: 'both.example.test' }, { port: server.port, timeoutMs: 400 }).then(
        () => true,
        () => false,
      ),
    );
    return (await Promise.all(queries)).every(Boolean);
  };
  await waitFor('both workers answer', askedOnce, 30_000);
}

describe.each([
  ['hangs', 'hang.test'],
  ['exits', 'exit.test'],
  ['throws outside containment', 'outside.test'],
  ['leaves a rejection unhandled', 'reject.test'],
])('a worker that %s', (_, name) => {
  it.each(['udp', 'tcp'] as const)('is replaced, over %s, while the other one goes on', async (transport) => {
    const before = await restarts();
    const traffic = load();
    await bothServe();
    const beganMs = performance.now();
    const ask = transport === 'udp' ? askUdp : askTcp;
    void ask({ name }, { port: server.port, timeoutMs: 300 }).catch(() => {});
    await waitFor('the worker is counted as replaced', async () => (await restarts()) > before, 30_000);
    const noticedMs = performance.now() - beganMs;
    await waitFor(
      'two workers serve',
      async () => (await scrape(server)).total('sekisho_workers_serving') === 2,
      30_000,
    );
    const servingMs = performance.now() - beganMs;
    await bothServe();
    const { asked, lost } = await traffic.stop();
    console.info(
      `${name} over ${transport}: noticed after ${noticedMs.toFixed(0)} ms, replaced after ${servingMs.toFixed(0)} ms, ${lost} of ${asked} queries lost`,
    );
    expect(await restarts()).toBe(before + 1);
    // What fell to the dead one is lost until it is replaced; what falls to the other one is not.
    expect(asked - lost).toBeGreaterThan(lost);
    expect((await askTcp({ name: 'www.example.test' }, asking())).rcode).toBe(0);
  });
});

it('after all of that the process is the same, its log tells what happened, and nothing has leaked', async () => {
  const died = logOf(server).filter(({ msg }) => msg === 'worker died, restarting');
  // One line for one event: those that hung are not said to have died as well.
  const hung = logOf(server).filter(({ msg }) => String(msg).startsWith('worker hangs, restarting'));
  expect([died.length, hung.length]).toEqual([6, 2]);
  // Where each fault arose stands in the log, and what was thrown does not: a plugin's words may hold what a client asked for.
  const places = died.map(({ fault }) => (fault as { places: string[] }).places.join(' '));
  expect(places.filter((place) => /\bfragile\.mjs\b/.test(place)).length).toBe(4);
  expect(server.stdout()).not.toMatch(/outside containment|nobody catches this/);
  await bothServe();
  const before = openDescriptors(server.pid);
  const restarted = await restarts();
  for (let i = 1; i <= 6; i++) {
    void askUdp({ name: 'exit.test' }, { port: server.port, timeoutMs: 100 }).catch(() => {});
    await waitFor('the new worker is serving', async () => {
      const metrics = await scrape(server);
      return (
        metrics.total('sekisho_worker_restarts_total') === restarted + i &&
        metrics.total('sekisho_workers_serving') === 2
      );
    });
  }
  await bothServe();
  // Upstream ports come and go; each worker that leaked would leave a dozen descriptors.
  const after = openDescriptors(server.pid);
  console.info(`descriptors: ${before} before six replacements, ${after} after`);
  expect(after - before).toBeLessThan(40);
  process.kill(server.pid, 0);
});

it('counters never run backwards over a replacement', async () => {
  const before = await scrape(server);
  void askUdp({ name: 'exit.test' }, { port: server.port, timeoutMs: 100 }).catch(() => {});
  const restarted = before.total('sekisho_worker_restarts_total');
  let last = before.total('sekisho_queries_total');
  await waitFor('the new worker is serving', async () => {
    const metrics = await scrape(server);
    const queries = metrics.total('sekisho_queries_total');
    expect(queries).toBeGreaterThanOrEqual(last);
    last = queries;
    return metrics.total('sekisho_worker_restarts_total') > restarted && metrics.total('sekisho_workers_serving') === 2;
  });
  expect(last).toBeGreaterThan(before.total('sekisho_queries_total'));
});
