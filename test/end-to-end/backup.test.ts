/**
 * Backup and restore of a running server: whole, verified, and never a way back into inspection. One server, whose moments follow
 * one another. Follows docs/operations.md and docs/operations.ja.md.
 */
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test, vi } from 'vitest';
import type { Manifest } from '../../src/backup/manifest.ts';
import { entriesAfter } from '../secrecy/audit-entries.ts';
import { home, INSPECTED, NOT_INSPECTED, TRANSPORTS } from '../secrecy/clients.ts';
import { startWorld, type World } from '../secrecy/world.ts';
import { stoppedAfterwards, waitFor } from '../support/observe.ts';
import { repositoryRoot } from '../support/root.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });
const keep = stoppedAfterwards();
const [STAYS, LEAVES] = [home(1), home(2)];
const UDP = TRANSPORTS[0]!;
const REASON = ['--reason', 'nightly backup, ticket 9'];
let world: World;
let folder: string;

beforeAll(async () => {
  world = keep(
    await startWorld({
      workers: 1,
      ranges: `${STAYS.ipv4},S-STAYS\n${LEAVES.ipv4},S-LEAVES\n`,
      plugins: { sinkhole: { ipv4: '192.0.2.1', ipv6: '2001:db8::1' } },
    }),
  );
  folder = join(world.folder, 'backup');
  const ground = [
    '--ground',
    'self-defence',
    '--effect',
    'floods the resolvers of this network',
    '--evidence',
    'ticket 4711, graph of 14:02',
  ];
  const added = await world.cli(
    'sinkhole',
    'add',
    'www.victim.example',
    ...ground,
    '--approver',
    'shift lead',
    '--expires',
    '2h',
  );
  expect(added.code).toBe(0);
  expect(await world.look(LEAVES, UDP)).toEqual(INSPECTED);
});

test('a backup of the running server is whole, closed to others, and on record before it is made', async () => {
  const dry = await world.cli('backup', folder, '--dry-run');
  expect(dry.stdout).toContain('subscribers/consent.db');
  expect(existsSync(folder)).toBe(false);
  const unstated = await world.cli('backup', folder);
  expect(unstated.code).toBe(2);
  const made = await world.cli('backup', folder, ...REASON);
  expect(made.stderr).toBe('');
  expect(made.stdout).toMatch(/backup: \d+ files \(\d+ stores\), .*, verified\n$/);
  const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as Manifest;
  expect(manifest.audited).toBe(true);
  expect(manifest.files.map(({ path }) => path)).toEqual(
    expect.arrayContaining([
      'anchors/audit',
      'anchors/consent',
      'audit.db',
      'rules/rules.db',
      'subscribers/consent.db',
      'subscribers/notices.db',
      'tally.db',
      'time.db',
    ]),
  );
  expect(manifest.files.filter(({ path }) => /-wal$|-shm$|^lock$/.test(path))).toEqual([]);
  for (const path of ['', 'manifest.json', 'data/audit.db']) expect(statSync(join(folder, path)).mode & 0o077).toBe(0);
  const entry = entriesAfter(world.dataFolder, 0).find(({ action }) => action === 'backup.create');
  expect(entry).toMatchObject({ purpose: REASON[1], detail: { to: folder } });
  // Nobody worked on the server's files: it goes on as before.
  expect(await world.look(LEAVES, UDP)).toEqual(INSPECTED);
  expect((await world.cli('consent', 'verify')).code).toBe(0);
  expect((await world.cli('backup', folder, ...REASON)).stderr).toContain('exists already');
});

test('a backup that has changed is told file by file, and is not restored', async () => {
  expect((await world.cli('backup', 'verify', folder)).stdout).toContain('is whole');
  const copy = join(world.folder, 'changed');
  spawnSync('cp', ['-a', folder, copy]);
  appendFileSync(join(copy, 'data', 'tally.db'), 'x');
  appendFileSync(join(copy, 'data', 'stranger'), 'x');
  const verified = await world.cli('backup', 'verify', copy);
  expect(verified.code).toBe(1);
  expect(verified.stderr).toContain('SEKISHO_BACKUP_DAMAGED');
  expect(verified.stderr).toContain('tally.db: has');
  expect(verified.stderr).toContain('stranger: is not in the manifest');
  const inUse = await world.cli('restore', folder, ...REASON);
  expect(inUse.stderr).toContain('SEKISHO_DATA_IN_USE');
});

test('what comes back is older: nobody is inspected, and no rule acts, until somebody has accepted it', async () => {
  await world.json('POST', '/v1/consent/subscribers/S-LEAVES/opt-out', { reason: 'by telephone' });
  expect((await world.cli('sinkhole', 'remove', 'www.victim.example', '--reason', 'over')).code).toBe(0);
  const restore = (...words: string[]) =>
    spawnSync(
      process.execPath,
      [
        join(repositoryRoot(), 'dist', 'src', 'main.js'),
        'restore',
        folder,
        ...words,
        '--config',
        world.server.configFile,
      ],
      { encoding: 'utf8' },
    );
  await world.restart(() => {
    const dry = restore('--dry-run');
    expect(dry.stdout).toContain('is whole');
    const { status, stdout } = restore('--reason', 'disk replaced, ticket 10');
    expect(status).toBe(0);
    expect(stdout).toContain('1 temporary rule that ran then was lifted');
    expect(stdout).toContain('NOBODY IS INSPECTED');
  });
  expect(readdirSync(world.folder).some((name) => name.startsWith('data.before-restore-'))).toBe(true);
  // Had it come back silently, S-LEAVES would be inspected again.
  expect(await world.look(LEAVES, UDP)).toEqual(NOT_INSPECTED);
  expect(await world.look(STAYS, UDP)).toEqual(NOT_INSPECTED);
  expect((await world.cli('sinkhole', 'list', '--json', '--reason', 'after the restore')).stdout).not.toContain(
    '"in-force"',
  );
  const status = await world.cli('status');
  expect(status.stdout).toContain('restored from a backup of');
  const refused = await world.cli('consent', 'show', 'S-STAYS', '--reason', 'a look');
  expect(refused.stderr).toContain('SEKISHO_AUDIT_DAMAGED');
  await world.cli('audit', 'acknowledge', '--reason', 'restored after the disk, ticket 10');
  const csv = join(world.folder, 'withdrawals.csv');
  appendFileSync(csv, 'S-LEAVES,c2,opt-out\n');
  expect((await world.cli('consent', 'import', csv, '--reason', 'since the backup')).code).toBe(0);
  expect((await world.cli('consent', 'accept-damage', '--reason', 'restored after the disk, ticket 10')).code).toBe(0);
  await waitFor('the consent of the other', async () => {
    const look = await world.look(STAYS, UDP);
    return look.lookedUp === INSPECTED.lookedUp;
  });
  expect(await world.look(LEAVES, UDP)).toEqual(NOT_INSPECTED);
  expect(JSON.stringify(entriesAfter(world.dataFolder, 0))).toContain('disk replaced, ticket 10');
});
