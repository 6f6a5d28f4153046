/** DNS cookies (RFC 7873, RFC 9018) with the clients and servers of others: dig, kdig, BIND. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { startBind } from '../support/bind.ts';
import { ensurePackages } from '../support/debian.ts';
import { dig } from '../support/field.ts';
import { type DnsServer, zoneText } from '../support/nsd.ts';
import { logOf, scrape, stoppedAfterwards, waitFor } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 240_000 });
const keep = stoppedAfterwards();
const missing = ensurePackages(['dig', 'kdig', 'named']);
const ONE = 'e5e973e5a6b2a43f48e7dc849e37bfcf';
const TWO = 'dd3bdf9344b678b185a6f5cb60fca715';
const ZONE = { name: 'biscuit.test', text: zoneText('biscuit.test', 'www A 192.0.2.7') };

/** The cookie that dig shows, client and server part together, and what it thinks of it. */
function cookieIn(output: string): { hex: string; verdict: string } {
  const [, hex = '', verdict = ''] = /; COOKIE: ([0-9a-f]+)(?: \((\w+)\))?/.exec(output) ?? [];
  return { hex, verdict };
}

describe.skipIf(missing.size > 0)('cookies', () => {
  let bind: DnsServer;
  beforeAll(async () => {
    bind = keep(await startBind({ zones: [ZONE] }));
  });

  const start = async (secretFile?: string, cookies: object = {}): Promise<SekishoServer> =>
    keep(
      await startSekisho({
        config: {
          server: { cookies: { ...(secretFile && { 'secret-file': secretFile }), ...cookies } },
          upstream: { servers: [`127.0.0.1:${bind.port}`] },
          cache: { size: '1MiB' },
        },
      }),
    );
  const ask = (server: SekishoServer, cookie: string): Promise<string> =>
    dig('dig', `@127.0.0.1 -p ${server.port} www.biscuit.test A +cookie${cookie && `=${cookie}`}`);

  it('dig gets one, sends it back, and both are counted', async () => {
    const server = await start();
    const first = cookieIn(await ask(server, ''));
    expect(first).toMatchObject({ verdict: 'good' });
    expect(first.hex).toHaveLength(48);
    const second = cookieIn(await ask(server, first.hex));
    expect(second.hex).toBe(first.hex);
    const bad = cookieIn(await ask(server, `${first.hex.slice(0, 46)}00`));
    expect(bad.hex).toHaveLength(48);
    const metrics = await scrape(server);
    expect(metrics.total('sekisho_cookies_total', { result: 'client-only' })).toBe(1);
    expect(metrics.total('sekisho_cookies_total', { result: 'good' })).toBe(1);
    expect(metrics.total('sekisho_cookies_total', { result: 'bad' })).toBe(1);
  });

  it('kdig takes them too, and is told FORMERR for one of an illegal length', async () => {
    const server = await start();
    const asked = `@127.0.0.1 -p ${server.port} www.biscuit.test A`;
    expect(await dig('kdig', `${asked} +cookie=0123456789abcdef`)).toMatch(/COOKIE: 0123456789ABCDEF[0-9A-F]{32}/i);
    expect(await dig('kdig', `${asked} +ednsopt=10:0123`)).toContain('FORMERR');
  });

  it('a query without a question is one for a cookie (RFC 7873 §5.4)', async () => {
    const server = await start();
    const output = await dig('dig', `@127.0.0.1 -p ${server.port} +header-only +cookie`);
    expect(output).toMatch(/status: NOERROR[\s\S]*QUERY: 0, ANSWER: 0/);
    expect(cookieIn(output).verdict).toBe('good');
    const bare = await dig('dig', `@127.0.0.1 -p ${server.port} +header-only +nocookie`);
    expect(bare).toContain('status: FORMERR');
  });

  it('enabled: false leaves the option alone', async () => {
    const server = await start(undefined, { enabled: false });
    const output = await ask(server, '');
    expect(output).toContain('192.0.2.7');
    expect(output).not.toContain('COOKIE: ');
  });

  it('a fleet that shares a secret takes each other’s cookies, through a rollover, without a lost client', async () => {
    const files = ['first', 'second'].map((name) => join(temporaryFolder('secrets'), name));
    for (const file of files) writeFileSync(file, `${ONE}\n`);
    const servers = [await start(files[0]), await start(files[1])] as const;
    const reloaded = async (server: SekishoServer, times: number): Promise<void> => {
      process.kill(server.pid, 'SIGHUP');
      await waitFor('the reload', () => logOf(server).filter(({ msg }) => msg === 'reloaded').length === times);
    };
    const { hex: old } = cookieIn(await ask(servers[0], ''));
    expect(cookieIn(await ask(servers[1], old)).hex).toBe(old);

    // RFC 9018 §5: the new secret is first known everywhere, then used, then the old one goes.
    for (const [i, file] of files.entries()) {
      writeFileSync(file, `${ONE}\n${TWO}\n`);
      await reloaded(servers[i]!, 1);
    }
    writeFileSync(files[0]!, `${TWO}\n${ONE}\n`);
    await reloaded(servers[0], 2);
    const { hex: renewed } = cookieIn(await ask(servers[0], old));
    expect(renewed).not.toBe(old);
    expect(renewed.slice(0, 16)).toBe(old.slice(0, 16));
    // The server that is not that far yet accepts both.
    await ask(servers[1], renewed);
    await ask(servers[1], old);
    for (const server of servers)
      expect((await scrape(server)).total('sekisho_cookies_total', { result: 'bad' })).toBe(0);

    writeFileSync(files[0]!, `${TWO}\n`);
    await reloaded(servers[0], 3);
    await ask(servers[0], old);
    expect((await scrape(servers[0])).total('sekisho_cookies_total', { result: 'bad' })).toBe(1);
  });

  it('a secret file that is wrong is named with its line, and the old secret stays', async () => {
    const file = join(temporaryFolder('secrets'), 'secrets');
    writeFileSync(file, `${ONE}\n`);
    const server = await start(file);
    const { hex } = cookieIn(await ask(server, ''));
    writeFileSync(file, `${TWO}\nnonsense\n`);
    process.kill(server.pid, 'SIGHUP');
    const refused = await waitFor('the refusal', () => logOf(server).find(({ problems }) => problems !== undefined));
    expect(String(refused['problems'])).toContain('secrets:2:1: expected 32 hexadecimal digits');
    expect(cookieIn(await ask(server, hex)).hex).toBe(hex);
  });

  it('towards BIND: it gives one, and with require-server-cookie answers nobody who does not bring it back', async () => {
    const strict = keep(await startBind({ zones: [ZONE], options: 'require-server-cookie yes;' }));
    // BIND itself tells a client without a cookie BADCOOKIE; so what is answered below was asked with one.
    const raw = await dig('dig', `@127.0.0.1 -p ${strict.port} www.biscuit.test A +cookie +nobadcookie`);
    expect(raw).toContain('status: BADCOOKIE');
    const server = keep(
      await startSekisho({ config: { upstream: { servers: [`127.0.0.1:${strict.port}`] }, cache: { size: '1MiB' } } }),
    );
    for (const name of ['www', 'ns', 'absent', 'other'])
      expect(await dig('dig', `@127.0.0.1 -p ${server.port} ${name}.biscuit.test A`)).toMatch(/NOERROR|NXDOMAIN/);
    const metrics = await scrape(server);
    // One question was asked twice, because of BADCOOKIE; nothing went over TCP.
    expect(metrics.total('sekisho_upstream_queries_total')).toBe(5);
    expect(metrics.total('sekisho_upstream_tcp_queries_total')).toBe(0);
    expect(metrics.total('sekisho_upstream_mismatches_total', { reason: 'cookie' })).toBe(0);
  });
});
