/** dnstap from a real server to readers that others wrote: dnstap-read (BIND) and fstrm_capture (Farsight). */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { EMERGENCY_END } from '../support/dates.ts';
import { ensurePackages, requireProgram } from '../support/debian.ts';
import { sekisho } from '../support/field.ts';
import { logOf, scrape, stoppedAfterwards, waitFor } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { honest, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 300_000 });
const keep = stoppedAfterwards();
const ground = {
  kind: 'self-defence',
  effect: 'floods the resolvers',
  evidence: 'ticket 4711, graphs of the routers',
  approver: 'shift lead',
  expires: EMERGENCY_END,
};
let upstream: ScriptedUpstream;

beforeAll(async () => {
  expect(ensurePackages(['dnstap-read', 'fstrm_capture', 'dig'])).toEqual(new Map());
  upstream = keep(await startScriptedUpstream(honest()));
});

const start = async (dnstap: object) =>
  keep(
    await startSekisho({
      config: {
        server: { workers: 2 },
        upstream: { servers: [`127.0.0.1:${upstream.port}`] },
        plugins: { access: {}, dnstap: { ground, ...dnstap } },
      },
    }),
  );

/** dig, with a cookie and a client subnet of its own; from any loopback address. */
async function dig(server: SekishoServer, name: string, from: string, ...more: string[]): Promise<void> {
  const words = [`@127.0.0.1`, '-p', String(server.port), '-b', from, name, '+subnet=203.0.113.77/32', ...more];
  const child = spawn(requireProgram('dig'), [...words, '+tries=3', '+time=5'], { stdio: 'ignore' });
  expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(0);
}

/** One line a message, as BIND's reader prints it. */
function dnstapRead(file: string, ...options: string[]): string {
  const { status, stdout, stderr } = spawnSync(requireProgram('dnstap-read'), [...options, file], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([0, '']);
  return stdout;
}

const frames = async (server: SekishoServer) => (await scrape(server)).total('sekisho_dnstap_frames_total');

describe('into a file', () => {
  it("BIND's reader reads every query and reply, with times, transports and pseudonyms of a common prefix", async () => {
    const server = await start({ file: 'queries.dnstap' });
    const names = Array.from({ length: 6 }, (_, i) => `host${i}.popular.test`);
    await Promise.all(names.map((name, i) => dig(server, name, `127.0.0.${10 + i}`, ...(i === 5 ? ['+tcp'] : []))));
    await waitFor('twelve frames', async () => (await frames(server)) >= 12, 20_000);
    const file = join(server.folder, 'data', 'dnstap', 'queries.dnstap');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const key = join(server.folder, 'data', 'dnstap', 'pseudonyms.key');
    expect(statSync(key).mode & 0o777).toBe(0o600);
    await server.stop();
    const lines = dnstapRead(file).trim().split('\n');
    expect(lines).toHaveLength(12);
    for (const name of names)
      expect(lines.filter((line) => line.includes(`${name}/IN/A`)).map((line) => / (CQ|CR) /.exec(line)?.[1])).toEqual([
        'CQ',
        'CR',
      ]);
    expect(lines.filter((line) => / TCP /.test(line))).toHaveLength(2);
    // No address of a client, its subnet or its cookie; not even among the bytes.
    const clear = dnstapRead(file, '-y');
    expect(clear).not.toMatch(/127\.0\.0\.1\d|203\.0\.113|COOKIE|CLIENT-SUBNET/i);
    const pseudonyms = [...clear.matchAll(/query_address: "?([0-9.]+)/g)].map((match) => match[1] ?? '');
    expect(pseudonyms).toHaveLength(12);
    // 127.0.0.10–15 are six addresses of one /24, so their pseudonyms are as well.
    expect(new Set(pseudonyms).size).toBe(6);
    expect(new Set(pseudonyms.map((address) => address.split('.').slice(0, 3).join('.'))).size).toBe(1);
    const seconds = Number(/query_time: !!timestamp (\S+)/.exec(clear)?.[1]?.slice(0, 4));
    expect(seconds).toBe(new Date().getUTCFullYear());
    expect(clear).toMatch(/response_message_data|response_message/);
  });

  it('a new start puts the file before aside, so that each file is whole', async () => {
    const server = await start({ file: 'queries.dnstap', addresses: 'none', messages: ['client-query'] });
    const folder = join(server.folder, 'data', 'dnstap');
    await dig(server, 'before.popular.test', '127.0.0.2');
    await waitFor('the frame', async () => (await frames(server)) >= 1, 20_000);
    process.kill(server.pid, 'SIGHUP');
    await waitFor('the reload', () => logOf(server).some((line) => line['msg'] === 'reloaded'), 30_000);
    await dig(server, 'after.popular.test', '127.0.0.2');
    await server.stop();
    expect(readdirSync(folder).sort()).toEqual(['queries.dnstap', 'queries.dnstap.old']);
    expect(dnstapRead(join(folder, 'queries.dnstap.old'))).toMatch(/ CQ .*before\.popular\.test/);
    expect(dnstapRead(join(folder, 'queries.dnstap'))).toMatch(/^.* CQ .*after\.popular\.test\/IN\/A\n$/);
  });
});

describe('to a socket', () => {
  it("Farsight's reader shakes hands, takes the frames, and sees the end; before it listens, frames are counted as lost", async () => {
    const folder = temporaryFolder('dnstap');
    const socket = join(folder, 'tap.sock');
    const capture = join(folder, 'capture.dnstap');
    const server = await start({ socket });
    await dig(server, 'lost.popular.test', '127.0.0.2');
    await waitFor(
      'what is lost to be counted',
      async () => (await scrape(server)).total('sekisho_dnstap_frames_dropped_total', { reason: 'no-reader' }) === 2,
      20_000,
    );
    expect(logOf(server).some((line) => line['msg'] === 'dnstap messages cannot be written')).toBe(true);
    const words = ['-t', 'protobuf:dnstap.Dnstap', '-u', socket, '-w', capture];
    const reader = spawn(requireProgram('fstrm_capture'), words, { stdio: 'ignore' });
    const ended = new Promise((resolve) => reader.once('exit', resolve));
    try {
      await waitFor('the reader', async () => (await scrape(server)).total('sekisho_dnstap_connected') === 1, 20_000);
      await Promise.all(Array.from({ length: 20 }, (_, i) => dig(server, `n${i}.popular.test`, '127.0.0.2')));
      await waitFor('the frames', async () => (await frames(server)) >= 40, 20_000);
      await server.stop();
    } finally {
      reader.kill('SIGTERM');
      await ended;
    }
    expect(existsSync(capture)).toBe(true);
    const lines = dnstapRead(capture).trim().split('\n');
    expect(lines).toHaveLength(40);
    expect(lines.join('\n')).not.toContain('lost.popular.test');
  });
});

it('`sekisho check` refuses it without a ground, and says why', async () => {
  const server = await start({ file: 'x.dnstap' });
  const config = readFileSync(server.configFile, 'utf8');
  const without = join(server.folder, 'without.yaml');
  const { writeFileSync } = await import('node:fs');
  writeFileSync(without, config.replace(/ {4}ground:\n(?: {6}.*\n)+/, ''));
  const { code, stdout, stderr } = await sekisho(['check', '--config', without], { limitMs: 30_000 });
  expect(code).toBe(1);
  expect(stdout + stderr).toMatch(/plugins\.dnstap.*records who asks for what.*ground/);
});
