/**
 * Workers that get no processor, as beside much other work: they are left alone, and answer late. Those that sleep on something
 * that does not come are ended. The load is bounded: one loop on one core, for as long as it takes the watch to notice.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { findProgram } from '../support/debian.ts';
import { askUdp, exchangeDatagram, queryBytes } from '../support/dns-client.ts';
import { logOf, pause, scrape, stoppedAfterwards, waitFor } from '../support/observe.ts';
import { honest, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';
import { writePlugin } from '../support/third-party-plugin.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 240_000 });
const keep = stoppedAfterwards();
let upstream: ScriptedUpstream;
let loop: ChildProcess | undefined;
beforeAll(async () => {
  upstream = keep(await startScriptedUpstream(honest()));
});
afterEach(() => {
  loop?.kill('SIGKILL');
  loop = undefined;
});

const start = async (core?: number): Promise<SekishoServer> =>
  keep(
    await startSekisho({
      config: {
        server: { workers: 2 },
        upstream: { servers: [`127.0.0.1:${upstream.port}`] },
        cache: { size: '1MiB' },
        plugins: {
          sleeper: {
            module: writePlugin(
              'sleeper',
              `query(query) {
                if (is(query, 'sleep.test')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
                return CONTINUE;
              },`,
            ),
          },
        },
      },
      ...(core !== undefined && { core }),
      readyTimeoutMs: 60_000,
    }),
  );
const restarts = async (server: SekishoServer) => (await scrape(server)).total('sekisho_worker_restarts_total');
const linesOf = (server: SekishoServer, text: string) => logOf(server).filter(({ msg }) => String(msg).includes(text));

const mayStarve = ['chrt', 'taskset'].every((program) => findProgram(program as never) !== undefined);

/** Every thread but the main one runs only where nothing else wants the core, and something else wants it all the time. */
function starve({ pid }: SekishoServer, core: number): void {
  for (const id of readdirSync(`/proc/${pid}/task`)) {
    if (id !== String(pid)) expect(spawnSync('chrt', ['--idle', '--pid', '0', id]).status).toBe(0);
  }
  const words = ['--pdeathsig', 'KILL', 'taskset', '-c', String(core), process.execPath, '-e', 'for (;;);'];
  loop = spawn('setpriv', words, { stdio: 'ignore' });
}

describe.skipIf(!mayStarve)('workers that get no processor', () => {
  it('are left alone, and serve when they get one again', async () => {
    const server = await start(0);
    for (let i = 0; i < 20; i++) await askUdp({ name: `warm-${i}.example.test` }, { port: server.port });
    starve(server, 0);
    let asking = true;
    const traffic = (async () => {
      for (let i = 0; asking; i++) {
        void exchangeDatagram(queryBytes({ name: `new-${i}.example.test` }), { port: server.port, timeoutMs: 200 });
        await pause(2);
      }
    })();
    await waitFor(
      'both are known to get too little',
      () => new Set(linesOf(server, 'too little CPU time').map(({ worker }) => worker)).size === 2,
      60_000,
    );
    // What would have been three times the time after which they were ended.
    await pause(1_500);
    asking = false;
    await traffic;
    loop?.kill('SIGKILL');
    await waitFor(
      'it answers again',
      async () => {
        const asked = Array.from({ length: 16 }, (_, i) =>
          askUdp({ name: `after-${i}.example.test` }, { port: server.port, timeoutMs: 1_000 }).then(
            () => true,
            () => false,
          ),
        );
        return (await Promise.all(asked)).every(Boolean);
      },
      60_000,
    );
    expect(await restarts(server)).toBe(0);
    expect(linesOf(server, 'hangs')).toEqual([]);
  });
});

it('a worker that sleeps on something that does not come is ended, with one line that says so, and the other one is not', async () => {
  const server = await start();
  for (let i = 0; i < 20; i++) await askUdp({ name: `warm-${i}.example.test` }, { port: server.port });
  // Two at once, as likely as not one for each worker: they go one after the other.
  for (let i = 0; i < 2; i++)
    void exchangeDatagram(queryBytes({ name: 'sleep.test' }), { port: server.port, timeoutMs: 100 }).catch(() => {});
  await waitFor('it was replaced', async () => (await restarts(server)) > 0, 60_000);
  await waitFor(
    'both serve',
    async () => {
      const metrics = await scrape(server);
      return metrics.total('sekisho_workers_serving') === 2 && linesOf(server, 'the new worker is serving').length > 0;
    },
    60_000,
  );
  const ended = linesOf(server, 'worker hangs, restarting');
  expect(ended.length).toBeLessThanOrEqual(2);
  expect(ended[0]).toMatchObject({ why: 'it waits for something that does not come', asleepMs: expect.any(Number) });
  expect(linesOf(server, 'worker died')).toEqual([]);
});
