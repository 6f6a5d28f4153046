/** The whole server on node:dgram, as it runs where batched system calls are not available. */
import { writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { askTcp, askUdp, dataOf } from '../support/dns-client.ts';
import { logOf, scrape, stoppedAfterwards, waitFor } from '../support/observe.ts';
import { honest, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoConfig, type SekishoServer, startSekisho } from '../support/sekisho.ts';

const kept = stoppedAfterwards();

describe('server.udp.io: dgram', () => {
  let upstream: ScriptedUpstream;
  let server: SekishoServer;
  let config: SekishoConfig;
  beforeAll(async () => {
    upstream = kept(await startScriptedUpstream(honest()));
    config = { server: { udp: { io: 'dgram' } }, upstream: { servers: [`127.0.0.1:${upstream.port}`] } };
    server = kept(await startSekisho({ config }));
  });

  it('answers over both transports, from upstream and from the cache', async () => {
    for (const ask of [askUdp, askTcp, askUdp, askTcp]) {
      const reply = await ask({ name: 'www.example.test' }, { port: server.port });
      expect(reply.rcode).toBe(0);
      expect(dataOf(reply.answers, 'A')).toEqual(['192.0.2.7']);
    }
    expect((await scrape(server)).total('sekisho_cache_lookups_total', { result: 'hit' })).toBe(3);
  });

  it('says so', () => {
    expect(logOf(server).find(({ msg }) => msg === 'serving')?.['packets']).toBe('node:dgram');
  });

  it('reloads, and comes back as it was where the new configuration cannot be', async () => {
    const reload = async (text: string) => {
      const before = logOf(server).length;
      writeFileSync(server.configFile, text);
      process.kill(server.pid, 'SIGHUP');
      return waitFor('the outcome of the reload', () =>
        logOf(server)
          .slice(before)
          .find(({ msg }) => /^reload/.test(String(msg))),
      );
    };
    const answers = async () => (await askUdp({ name: 'www.example.test' }, { port: server.port })).rcode === 0;
    expect((await reload(`${server.config}\n# the same\n`))['msg']).toBe('reloaded');
    expect(await answers()).toBe(true);
    const listen = { listen: [`127.0.0.1:${server.port}`, '198.51.100.1:53'] };
    const impossible = stringify({
      ...config,
      server: { ...config.server, ...listen, data: `${server.folder}/data` },
      admin: { listen: `127.0.0.1:${server.adminPort}` },
    });
    expect((await reload(impossible))['msg']).toMatch(/refused/);
    expect(await answers()).toBe(true);
    expect((await askTcp({ name: 'www.example.test' }, { port: server.port })).rcode).toBe(0);
  });

  it('drains and exits with 0', async () => {
    expect(await server.stop()).toBe(0);
  });
});
