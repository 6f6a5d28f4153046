/** The ports that the running server asks from, seen from the upstream: RFC 5452 §9.2. */
import { createSocket } from 'node:dgram';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { sourcePortsOf } from '../../src/process/open-files.ts';
import { queryBytes } from '../support/dns-client.ts';
import { openDescriptors, scrape, stoppedAfterwards } from '../support/observe.ts';
import { honest, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 240_000 });

/** Questions asked, so many at a time. */
const QUESTIONS = 15_000;
const OUTSTANDING = 100;

function entropyOf(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / values.length) * Math.log2(count / values.length);
  return bits;
}

/** Ask for `count` names, a new one for each answer. */
async function askMany(port: number, count: number): Promise<void> {
  const client = createSocket('udp4');
  await new Promise<void>((bound) => client.bind(0, '127.0.0.1', bound));
  let asked = 0;
  let answered = 0;
  const ask = () => client.send(queryBytes({ name: `n${asked++}.example.test` }), port, '127.0.0.1');
  await new Promise<void>((done) => {
    client.on('message', () => {
      if (++answered === count) done();
      else if (asked < count) ask();
    });
    for (let i = 0; i < OUTSTANDING; i++) ask();
    // Should datagrams get lost on a machine that is busy to the brim, others take their places.
    let before = -1;
    const watch = setInterval(() => {
      if (answered >= count) clearInterval(watch);
      else if (answered === before) for (let i = 0; i < OUTSTANDING; i++) ask();
      before = answered;
    }, 5_000);
  });
  client.close();
}

describe.each(['auto', 'dgram'])('server.udp.io: %s', (io) => {
  const keep = stoppedAfterwards();
  let upstream: ScriptedUpstream;
  let server: SekishoServer;

  beforeAll(async () => {
    upstream = keep(await startScriptedUpstream(honest()));
    server = keep(
      await startSekisho({
        config: { server: { udp: { io } }, upstream: { servers: [`127.0.0.1:${upstream.port}`], cookies: false } },
      }),
    );
  });

  it('a burst of questions has as much port entropy as it has with unbound, and hardly two in a row share a port', async () => {
    await askMany(server.port, QUESTIONS);
    const ports = upstream.queries.map(({ port }) => port);
    expect(ports.length).toBeGreaterThanOrEqual(QUESTIONS);
    // unbound has 13.7 bits here: log2(15 000), less what ports cost that come twice. Fewer files may be open on a small system.
    const room = sourcePortsOf('auto', 1, 2000);
    expect(entropyOf(ports)).toBeGreaterThan(room >= 16_384 ? 13.7 : Math.log2(room * 0.85));
    expect(ports.filter((port, i) => port === ports[i - 1]).length).toBeLessThan(QUESTIONS / 100);
    expect(openDescriptors(server.pid)).toBeLessThan(room + 200);
    expect((await scrape(server)).total('sekisho_upstream_send_errors_total')).toBe(0);
  });
});
