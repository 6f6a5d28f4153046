/** Every thread of a real server goes by the clock that a test turns, and no setting of the command leads there. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it, vi } from 'vitest';
import { askUdp } from '../support/dns-client.ts';
import { logOf, stoppedAfterwards } from '../support/observe.ts';
import { honest, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoConfig, type SekishoServer, startSekisho } from '../support/sekisho.ts';
import { startTurned, type TurnedServer } from '../support/turned-server.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 240_000 });
const keep = stoppedAfterwards();
const HOUR = 3_600_000;
let config: SekishoConfig;
let server: TurnedServer;

async function ttlOf({ port }: SekishoServer): Promise<number | undefined> {
  const [record] = (await askUdp({ name: 'www.example.test' }, { port })).answers;
  return record && 'ttl' in record ? record.ttl : undefined;
}
async function timeOf({ adminPort, folder }: SekishoServer): Promise<number> {
  const authorization = `Bearer ${readFileSync(join(folder, 'data', 'admin.token'), 'utf8').trim()}`;
  const response = await fetch(`http://127.0.0.1:${adminPort}/v1/time`, { headers: { authorization } });
  return Date.parse(((await response.json()) as { time: string }).time);
}

beforeAll(async () => {
  const upstream = keep(await startScriptedUpstream(honest('192.0.2.7', 1200)));
  config = { server: { workers: 2 }, upstream: { servers: [`127.0.0.1:${upstream.port}`] } };
  server = keep(await startTurned({ config }));
});

it('packet threads count a TTL down as it is turned', async () => {
  expect(await ttlOf(server)).toBe(1200);
  await server.turn({ onMs: 1_000_000 });
  const left = await ttlOf(server);
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThanOrEqual(200);
  await server.turn({ onMs: HOUR });
  expect(await ttlOf(server)).toBe(1200);
  expect((await timeOf(server)) - Date.now()).toBeGreaterThan(HOUR);
});

it('says loudly that it is nothing to serve people by', () => {
  expect(logOf(server).some(({ msg }) => String(msg).startsWith('THE CLOCK IS TURNED BY A TEST'))).toBe(true);
});

it('is not reached by a server that is started as people start it', async () => {
  const env = { CLOCK_PORT: '1', CLOCK_ON_MS: String(HOUR), CLOCK_SPEED: '100' };
  const ordinary = keep(await startSekisho({ config, env }));
  expect(logOf(ordinary).some(({ msg }) => /CLOCK/.test(String(msg)))).toBe(false);
  expect(Math.abs((await timeOf(ordinary)) - Date.now())).toBeLessThan(HOUR / 2);
});
