/**
 * The history on a disk that fills up, and after kill -9: a real server, a file system of its own that is really full, a real
 * kill. At most the last minute is lost, and nobody's queries are.
 */
import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { HistoryReport } from '../../plugins/query-history/report-shapes.ts';
import { queryBytes } from '../support/dns-client.ts';
import { logOf, stoppedAfterwards, waitFor } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { honest, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { startTurned, type TurnedServer } from '../support/turned-server.ts';

vi.setConfig({ testTimeout: 200_000, hookTimeout: 240_000 });
const keep = stoppedAfterwards();
const REASON = 'measured in a test';
const disk = temporaryFolder('full-disk');
/** Only root may mount; elsewhere the part about the full disk says so and is left out. */
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m,mode=700', 'tmpfs', disk]).status === 0;
const data = join(disk, 'data');
let server: TurnedServer;
let config: object;
/** What the clock has been put on by: it does not go back when the server starts again. */
let onMs = 0;

const start = async () => keep(await startTurned({ config: { ...config, server: { data } } }, { onMs }));
const minutePasses = async () => {
  onMs += 60_000;
  await server.turn({ onMs: 60_000 });
};

beforeAll(async () => {
  const upstream = keep(await startScriptedUpstream(honest()));
  config = { upstream: { servers: [`127.0.0.1:${upstream.port}`] }, plugins: { access: {}, 'query-history': {} } };
  server = await start();
});
afterAll(async () => {
  await server.stop();
  if (mounted) spawnSync('umount', ['-l', disk]);
});

/** Ask for `name` so many times; resolves with the number of replies. */
function ask(name: string, times: number): Promise<number> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    let replies = 0;
    const finish = () => {
      clearTimeout(giveUp);
      socket.close();
      resolve(replies);
    };
    const giveUp = setTimeout(finish, 10_000);
    socket.on('message', () => {
      if (++replies === times) finish();
    });
    for (let i = 0; i < times; i++) socket.send(queryBytes({ name }), server.port, '127.0.0.1');
  });
}

/** Queries of the name as rows of minutes, read beside the running server. */
function queriesOnDisk(): number {
  const file = join(data, 'query-history', 'history.db');
  if (!existsSync(file)) return 0;
  const database = new Database(file, { readonly: true });
  try {
    const rows = database
      .prepare("SELECT count(*) AS rows FROM tops WHERE kind = 'name' AND resolution = 'minute'")
      .all();
    return (rows as { rows: number }[])[0]?.rows ?? 0;
  } finally {
    database.close();
  }
}

async function read(): Promise<HistoryReport> {
  const token = readFileSync(join(data, 'admin.token'), 'utf8').trim();
  const response = await fetch(`http://127.0.0.1:${server.adminPort}/v1/query-history/read`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ windowSeconds: 3600, reason: REASON }),
  });
  expect(response.status).toBe(200);
  return (await response.json()) as HistoryReport;
}

const said = (words: string) => logOf(server).some((line) => String(line['msg']).includes(words));

it('kill -9 loses at most the minute under way', async () => {
  expect(await ask('kept.popular.test', 40)).toBe(40);
  await minutePasses();
  await waitFor('the first minute on disk', () => queriesOnDisk() > 0, 100_000);
  expect(await ask('late.popular.test', 40)).toBe(40);
  process.kill(server.pid, 'SIGKILL');
  expect(await server.ended).toBe('SIGKILL');
  server = await start();
  expect(said('DAMAGED')).toBe(false);
  const report = await read();
  expect(report.tops.name).toEqual(
    expect.arrayContaining([expect.objectContaining({ key: 'kept.popular.test', queries: 40 })]),
  );
  expect(await ask('kept.popular.test', 1)).toBe(1);
});

it.skipIf(!mounted)(
  'a full disk is said loudly, costs no query, and the minutes follow when there is room',
  async () => {
    const filler = join(disk, 'filler');
    // As much as fits: the write that does not fit throws, and leaves the disk full.
    expect(() => writeFileSync(filler, new Uint8Array(8 << 20))).toThrow(/ENOSPC/);
    expect(await ask('waiting.popular.test', 40)).toBe(40);
    await minutePasses();
    await waitFor('the log to say so', () => said('THE HISTORY CANNOT BE WRITTEN'), 100_000);
    expect(await ask('waiting.popular.test', 40)).toBe(40);
    rmSync(filler);
    await minutePasses();
    await waitFor('the history to be written again', () => said('history writes have recovered'), 100_000);
    const report = await read();
    expect(report.tops.name.find(({ key }) => key === 'waiting.popular.test')?.queries).toBe(80);
  },
);
