/**
 * Deleted is deleted: not a byte of a name, a notice or a number that was given up is left in a database, its write-ahead log, its
 * index or a free page; what is kept is for the server's own user alone.
 */
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { parse, stringify } from 'yaml';
import type { TransparencyReport } from '../../src/report/report.ts';
import type { ConsentExport } from '../../src/subscribers/consent/routes.ts';
import { askUdp } from '../support/dns-client.ts';
import { run } from '../support/field.ts';
import { freePort } from '../support/free-port.ts';
import { stoppedAfterwards, waitFor } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { repositoryRoot } from '../support/root.ts';
import { sekishoMain } from '../support/sekisho.ts';
import { cannotRun, home } from './clients.ts';
import { KILL_9, type Moment, RELOAD, STEADY, WORKER_RESTART } from './moments.ts';
import { clockCanStep } from './stepping-clock.ts';
import { startWorld, type World } from './world.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });
const keep = stoppedAfterwards();
const CONSENTS = home(1);
const NUMBER = 'number-4711-of-a-person';
const WITHIN_MS = 40_000;
const DAY = 86_400;
const MOMENTS: Moment[] = [STEADY, RELOAD, WORKER_RESTART, KILL_9];
const GROUND = {
  kind: 'legitimate-business',
  purpose: 'tell infected subscribers what they look up',
  necessity: 'without names nobody can be helped',
  proportionality: 'listed names only, of those who consent',
  approver: 'security desk',
};

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? filesBelow(join(folder, entry.name)) : [join(folder, entry.name)],
  );
}

describe.skipIf(cannotRun)('what is deleted', () => {
  let world: World;
  let names = 0;

  /** Files of databases, with their logs and indices, in which the text stands in plain bytes. */
  const holding = (text: string): string[] =>
    filesBelow(world.dataFolder)
      .filter((file) => /\.db(-wal|-shm|\.[^/]*)?$/.test(file))
      .filter((file) => readFileSync(file).includes(text))
      .map((file) => file.slice(world.dataFolder.length + 1));
  const gone = (text: string) => waitFor(`no byte of ${text}`, () => holding(text).length === 0, WITHIN_MS);
  const options = (recordNames: object | undefined) => {
    const config = parse(readFileSync(world.server.configFile, 'utf8')) as { plugins: Record<string, object> };
    config.plugins['c2-block'] = recordNames === undefined ? {} : { 'record-names': recordNames };
    world.replace(world.server.configFile, stringify(config));
    return world.reload();
  };
  const withGround = () => {
    const review = new Date(world.clock.nowMs() + 90 * DAY * 1000).toISOString().slice(0, 10);
    return options({ ground: { ...GROUND, review }, keep: '1h' });
  };
  /** Look a listed name up, so that it is kept. */
  const keptName = async (): Promise<string> => {
    const name = `secret-name-${++names}.bots.example`;
    await askUdp({ name }, { port: world.port, from: CONSENTS.ipv4 });
    await waitFor('the name is kept', () => holding(name).length > 0, WITHIN_MS);
    return name;
  };
  const exported = async () =>
    (await world.json<ConsentExport>('GET', `/v1/consent/subscribers/${NUMBER}/export?reason=of+the+subscriber`)).body;
  const reported = async (dataset: string): Promise<number> => {
    const today = new Date(world.clock.nowMs()).toISOString().slice(0, 10);
    const { body } = await world.json<TransparencyReport>('GET', `/v1/report?from=${today}&to=${today}`);
    // How many rows is not told below the smallest cell; how often something was deleted is.
    return body.deletions.find((each) => each.dataset === dataset)?.times ?? 0;
  };

  beforeAll(async () => {
    world = keep(await startWorld({ ranges: `${CONSENTS.ipv4},${NUMBER}\n` }));
  });

  describe.each(MOMENTS)('$name', ({ come }) => {
    it('a name goes at once when the ground for it is gone', async () => {
      await withGround();
      const name = await keptName();
      await come(world);
      expect(holding(name)).not.toEqual([]);
      const before = await reported('notices/names');
      await options(undefined);
      await gone(name);
      const { names: left, notices } = await exported();
      expect([left, notices.length]).toEqual([[], 1]);
      expect(await reported('notices/names')).toBeGreaterThan(before);
      expect(holding('notice.delete')).not.toEqual([]);
    });

    it('the number of a lease that was stopped goes within seconds', async () => {
      const number = `leased-number-${++names}`;
      const lease = { 'User-Name': number, 'Acct-Session-Id': `S${names}`, 'Framed-IP-Address': home(2).ipv4 };
      expect(await world.account('Start', lease)).toBe(true);
      expect(holding(number)).not.toEqual([]);
      await come(world);
      expect(await world.account('Stop', lease)).toBe(true);
      await gone(number);
    });
  });

  it('a name goes when its ground ends by itself', async () => {
    const seconds = clockCanStep ? 7_200 : 20;
    const expires = new Date(world.clock.nowMs() + seconds * 1000).toISOString().replace(/\.\d+/, '');
    const { purpose: effect } = GROUND;
    const ground = { kind: 'self-defence', effect, evidence: 'ticket 4711', approver: 'desk', expires };
    // Longer than the ground lasts: it is not retention that deletes.
    await options({ ground, keep: '6h' });
    const name = await keptName();
    if (clockCanStep) await world.stepClock(seconds);
    await gone(name);
  });

  it('a name goes when the plugin that kept it is no longer there', async () => {
    await withGround();
    const name = await keptName();
    const text = readFileSync(world.server.configFile, 'utf8');
    const { 'c2-block': _, ...others } = (parse(text) as { plugins: Record<string, object> }).plugins;
    world.replace(world.server.configFile, stringify({ ...(parse(text) as object), plugins: others }));
    await world.reload();
    await gone(name);
    world.replace(world.server.configFile, text);
    await world.reload();
  });

  it.skipIf(!clockCanStep)('a notice goes when its time has come, and the report says so', async () => {
    await world.look(CONSENTS, { name: 'UDP', family: 4, ask: askUdp });
    await waitFor('the notice', () => holding(NUMBER).includes('subscribers/notices.db-wal'), WITHIN_MS);
    const notices = () => holding(NUMBER).filter((file) => file.startsWith('subscribers/notices.db'));
    await world.kill9(() => world.clock.step(31 * DAY));
    await waitFor('no notice', () => notices().length === 0, WITHIN_MS);
    expect(await reported('notices')).toBeGreaterThan(0);
  });

  it('and what is kept is for the server’s own user alone', async () => {
    for (const file of filesBelow(world.dataFolder)) {
      // What a list's source brings is there for a moment only.
      const stat = statSync(file, { throwIfNoEntry: false });
      if (stat !== undefined) expect([file, stat.mode & 0o777]).toEqual([file, 0o600]);
    }
    const folders = (folder: string): string[] => [
      folder,
      ...readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
        entry.isDirectory() ? folders(join(folder, entry.name)) : [],
      ),
    ];
    for (const folder of folders(world.dataFolder))
      expect([folder, statSync(folder).mode & 0o777]).toEqual([folder, 0o700]);
  });

  it('a file that was opened to others is closed at the next start', async () => {
    const file = join(world.dataFolder, 'subscribers', 'consent.db');
    await world.kill9(() => {
      chmodSync(file, 0o644);
      chmodSync(world.dataFolder, 0o755);
    });
    expect([statSync(file).mode & 0o777, statSync(world.dataFolder).mode & 0o777]).toEqual([0o600, 0o700]);
    expect(world.log()).toContain('the path was accessible to others');
  });
});

it('a data folder that others may write to is refused, and a secret that others can read is warned of', async () => {
  const folder = temporaryFolder('open-folder');
  mkdirSync(join(folder, 'data'));
  chmodSync(join(folder, 'data'), 0o777);
  const secret = join(folder, 'cookie-secrets');
  writeFileSync(secret, `${'5'.repeat(32)}\n`);
  chmodSync(secret, 0o644);
  const file = join(folder, 'sekisho.yaml');
  const listen = async () => [`127.0.0.1:${await freePort()}`];
  const [dns, admin, notice] = [await listen(), (await listen())[0], await listen()];
  const server = { listen: dns, data: join(folder, 'data'), cookies: { 'secret-file': secret } };
  const upstream = { servers: await listen() };
  writeFileSync(file, stringify({ server, upstream, admin: { listen: admin }, notice: { listen: notice } }));
  const { code, stdout, stderr } = await run(process.execPath, [sekishoMain(), 'run', '--config', file]);
  expect([code, stderr]).toEqual([1, expect.stringContaining('SEKISHO_DATA_OPEN')]);
  expect(stdout).toMatch(/server\.cookies\.secret-file: .* has mode 0644: others than the server can read this secret/);
});

it('the unit of the documentation closes files, the folder and core dumps', () => {
  const text = readFileSync(join(repositoryRoot(), 'docs', 'operations.md'), 'utf8');
  const unit = /```ini\n([\s\S]*?)```/.exec(text)?.[1] ?? '';
  expect(unit.split('\n')).toEqual(
    expect.arrayContaining(['UMask=0077', 'StateDirectory=sekisho', 'StateDirectoryMode=0700', 'LimitCORE=0']),
  );
});
