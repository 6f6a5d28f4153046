/** Leases from a real RADIUS client: Debian's radclient. */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { ensurePackages, requireProgram } from '../support/debian.ts';
import { askUdp } from '../support/dns-client.ts';
import { freePort } from '../support/free-port.ts';
import { scrape, stoppedAfterwards } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { honest, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 });
const keep = stoppedAfterwards();
const missing = ensurePackages(['radclient']);
const CLIENT = '127.0.0.21';
const SECRET = 'xyzzy5461';

/** What radclient prints about one packet. */
function radclient(port: number, attributes: string, secret = SECRET): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(requireProgram('radclient'), ['-x', '-r', '1', '-t', '2', `127.0.0.1:${port}`, 'acct', secret]);
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk));
    child.once('error', reject);
    child.once('close', () => resolve(text));
    child.stdin.end(attributes);
  });
}

describe.skipIf(missing.size > 0)('radclient', () => {
  let server: SekishoServer;
  let port: number;
  let upstreamPort = 0;
  let folder = '';
  const blocked = async () => (await askUdp({ name: 'c2.example' }, { port: server.port, from: CLIENT })).rcode === 3;
  const account = (status: string, user: string, session: string, more = '', secret?: string) =>
    radclient(
      port,
      `Acct-Status-Type = ${status}\nUser-Name = "${user}"\nAcct-Session-Id = "${session}"\nNAS-IP-Address = 127.0.0.1\nFramed-IP-Address = ${CLIENT}\nFramed-IPv6-Prefix = 2001:db8:1::/64\nDelegated-IPv6-Prefix = 2001:db8:77::/56\n${more}`,
      secret,
    );

  const start = async (data?: string) =>
    keep(
      await startSekisho({
        config: {
          server: { access: ['127.0.0.0/8', '2001:db8::/32'], ...(data !== undefined && { data }) },
          upstream: { servers: [`127.0.0.1:${upstreamPort}`] },
          cache: { size: '1MiB' },
          subscribers: {
            terms: '2026-04',
            radius: { listen: `127.0.0.1:${port}`, 'secret-file': join(folder, 'secret') },
          },
          lists: [{ name: 'feed', category: 'c2', tier: 'confirmed', format: 'domains', file: join(folder, 'c2.txt') }],
          plugins: { access: {}, 'c2-block': {} },
        },
        readyTimeoutMs: 30_000,
      }),
    );

  beforeAll(async () => {
    const upstream = keep(await startScriptedUpstream(honest()));
    upstreamPort = upstream.port;
    folder = temporaryFolder('radius');
    port = await freePort();
    writeFileSync(join(folder, 'secret'), `${SECRET}\n`);
    writeFileSync(join(folder, 'c2.txt'), 'c2.example\n');
    server = await start();
  });

  it('starts, prolongs and stops a lease, and takes the answers for genuine', async () => {
    expect(await blocked()).toBe(false);
    expect(await account('Start', '4711', 'A1')).toContain('Received Accounting-Response');
    expect(await blocked()).toBe(true);
    expect(await account('Interim-Update', '4711', 'A1')).toContain('Received Accounting-Response');
    expect(await account('Stop', '4711', 'A1')).toContain('Received Accounting-Response');
    expect(await blocked()).toBe(false);
  });

  it('ends all that a session holds with a Stop that names one address, and leaves what two claim to nobody', async () => {
    const seen = async () => (await scrape(server)).total('sekisho_subscribers_lease_conflicts_total');
    await account('Start', '4711', 'B1');
    const stop = `Acct-Status-Type = Stop\nAcct-Session-Id = "B1"\nNAS-IP-Address = 127.0.0.1\nFramed-IPv6-Prefix = 2001:db8:1::/64\n`;
    expect(await radclient(port, stop)).toContain('Received Accounting-Response');
    expect(await blocked()).toBe(false);
    await account('Start', '4711', 'B2');
    const before = await seen();
    expect(await account('Start', '4719', 'B3')).toContain('Received Accounting-Response');
    expect(await account('Interim-Update', '4711', 'B2')).toContain('Received Accounting-Response');
    expect(await blocked()).toBe(false);
    expect(await seen()).toBe(before + 2);
    await account('Stop', '4719', 'B3');
    expect(await blocked()).toBe(true);
    await account('Stop', '4711', 'B2');
    expect(await blocked()).toBe(false);
  });

  it('is not heard with a wrong secret', async () => {
    expect(await account('Start', '4711', 'A2', '', 'guessed')).not.toContain('Received Accounting-Response');
    expect(await blocked()).toBe(false);
    expect(
      (await scrape(server)).total('sekisho_radius_packets_total', { result: 'bad-authenticator' }),
    ).toBeGreaterThan(0);
  });

  it('cannot stop somebody else’s session; Accounting-On ends all of its own', async () => {
    await account('Start', '4711', 'A3');
    expect(await account('Stop', '4711', 'other')).toContain('Received Accounting-Response');
    expect(await blocked()).toBe(true);
    const on = 'Acct-Status-Type = Accounting-On\nNAS-IP-Address = 127.0.0.1\n';
    expect(await radclient(port, on)).toContain('Received Accounting-Response');
    expect(await blocked()).toBe(false);
  });

  it('goes on being heard after a reload, and leases last', async () => {
    await account('Start', '4712', 'A4');
    expect(await blocked()).toBe(true);
    process.kill(server.pid, 'SIGHUP');
    await vi.waitFor(() => expect(server.stdout()).toContain('"msg":"reloaded"'), 30_000);
    expect(await blocked()).toBe(true);
    expect(await account('Stop', '4712', 'A4')).toContain('Received Accounting-Response');
    expect(await blocked()).toBe(false);
    expect(server.stdout()).not.toMatch(/4712|127\.0\.0\.21|xyzzy/);
  });

  it('is not forgotten by a kill: what was answered is there again, and nobody inherits what another holds now', async () => {
    await account('Start', '4711', 'K1');
    await account('Stop', '4711', 'K1');
    expect(await account('Start', '4713', 'K2')).toContain('Received Accounting-Response');
    const token = readFileSync(join(server.folder, 'data', 'admin.token'), 'utf8').trim();
    const optOut = (at: SekishoServer, who: string) =>
      fetch(`http://127.0.0.1:${at.adminPort}/v1/consent/subscribers/${who}/opt-out`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: '{}',
      });
    const data = join(server.folder, 'data');
    process.kill(server.pid, 'SIGKILL');
    await server.ended;
    server = await start(data);
    expect(server.stdout()).toContain('"restored":3');
    expect(await blocked()).toBe(true);
    // It is 4713's and not 4711's: only the former's opt-out changes anything.
    expect((await optOut(server, '4711')).status).toBe(200);
    expect(await blocked()).toBe(true);
    expect((await optOut(server, '4713')).status).toBe(200);
    expect(await blocked()).toBe(false);
    expect(server.stdout()).not.toMatch(/4713|127\.0\.0\.21/);
    expect(await account('Stop', '4713', 'K2')).toContain('Received Accounting-Response');
    process.kill(server.pid, 'SIGKILL');
    await server.ended;
    server = await start(data);
    expect(server.stdout()).toContain('"restored":0');
  });
});
