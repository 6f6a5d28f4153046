/** Every upstream is gone: what is known is served stale, what is not fails with a reason, and all is well soon after. */
import { beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { askUdp, dataOf } from '../support/dns-client.ts';
import { pause, scrape, stoppedAfterwards, waitFor } from '../support/observe.ts';
import { honest, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';

const STALE_ANSWER = 3;
const NETWORK_ERRORS = [13, 22, 23];
vi.setConfig({ testTimeout: 180_000, hookTimeout: 240_000 });
const keep = stoppedAfterwards();
let upstreams: ScriptedUpstream[];
let server: SekishoServer;
let asked = 0;

beforeAll(async () => {
  upstreams = [
    keep(await startScriptedUpstream(honest('192.0.2.7', 1))),
    keep(await startScriptedUpstream(honest('192.0.2.7', 1))),
  ];
  server = keep(
    await startSekisho({
      config: { upstream: { servers: upstreams.map(({ port }) => `127.0.0.1:${port}`) }, cache: { size: '4MiB' } },
    }),
  );
});
beforeEach(() => {
  for (const upstream of upstreams) upstream.down = false;
});

const ask = (name: string) => askUdp({ name, udpSize: 1232 }, { port: server.port, timeoutMs: 6_000 });
const setDown = (down: boolean) => {
  for (const upstream of upstreams) upstream.down = down;
};
const fresh = () => `fresh-${++asked}.example.test`;
const serversUp = async () => (await scrape(server)).total('sekisho_upstream_up');

it('serves stale, fails with a reason, and recovers', async () => {
  expect(dataOf((await ask('known.example.test')).answers, 'A')).toEqual(['192.0.2.7']);
  await pause(1_500);
  setDown(true);

  // Nobody knows yet that they are down: the client response timer of RFC 8767 §5 ends the wait.
  const beganMs = performance.now();
  const stale = await ask('known.example.test');
  const staleMs = performance.now() - beganMs;
  expect(dataOf(stale.answers, 'A')).toEqual(['192.0.2.7']);
  expect(stale.answers[0]).toMatchObject({ ttl: 30 });
  expect(stale.extendedErrors).toEqual([STALE_ANSWER]);
  const unknown = await ask(fresh());
  expect(unknown.rcode).toBe(2);
  expect(unknown.extendedErrors.length).toBe(1);
  expect(NETWORK_ERRORS).toContain(unknown.extendedErrors[0]);

  await waitFor(
    'both are known to be down',
    async () => {
      await ask(fresh());
      return (await serversUp()) === 0;
    },
    15_000,
  );
  const quickMs = performance.now();
  const again = await ask('known.example.test');
  expect(again.answers[0]).toMatchObject({ ttl: 30 });
  expect(again.extendedErrors).toEqual([STALE_ANSWER]);
  const refused = await ask(fresh());
  expect(refused.rcode).toBe(2);
  expect(NETWORK_ERRORS).toContain(refused.extendedErrors[0]);
  const laterMs = performance.now() - quickMs;

  setDown(false);
  const returnedMs = performance.now();
  await waitFor('a new name is answered', async () => (await ask(fresh())).rcode === 0, 4_000);
  const recoveredMs = performance.now() - returnedMs;
  const renewed = await waitFor(
    'the known name is fresh again',
    async () => {
      const reply = await ask('known.example.test');
      return reply.extendedErrors.length === 0 && reply;
    },
    8_000,
  );
  expect(renewed.rcode).toBe(0);
  console.info(
    `stale after ${staleMs.toFixed(0)} ms at first, two answers in ${laterMs.toFixed(0)} ms once known; recovery took ${recoveredMs.toFixed(0)} ms`,
  );
});

it('notices the return also where nobody asks', async () => {
  setDown(true);
  await waitFor(
    'both are known to be down',
    async () => {
      await ask(fresh());
      return (await serversUp()) === 0;
    },
    15_000,
  );
  setDown(false);
  await waitFor('both are up again', async () => (await serversUp()) === 2, 4_000);
  expect((await ask(fresh())).rcode).toBe(0);
});

it('one that is down costs nobody an answer', async () => {
  const [first] = upstreams;
  if (first) first.down = true;
  for (let i = 0; i < 30; i++) expect((await ask(fresh())).rcode).toBe(0);
});

it('a storm of questions while all are down is bounded and over at once', async () => {
  setDown(true);
  const replies = await Promise.all(Array.from({ length: 300 }, () => ask(fresh()).catch(() => undefined)));
  expect(replies.map((reply) => reply?.rcode).filter((rcode) => rcode !== 2)).toEqual([]);
  setDown(false);
  await waitFor('a new name is answered', async () => (await ask(fresh())).rcode === 0, 4_000);
  await waitFor('nothing waits', async () => (await scrape(server)).total('sekisho_waiting_queries') === 0);
});
