/**
 * The audit log shows tampering: cut, rewritten, removed, replaced, unlinked or rolled back, while the server runs or is down, it
 * says so loudly, and nobody reads personal data until a person of the role privacy acknowledges it with a reason. Answers and
 * withdrawals of consent go on.
 */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { Status } from '../../src/admin/status.ts';
import type { AuditVerdict } from '../../src/audit/audit-store.ts';
import { scrape, stoppedAfterwards, waitFor } from '../support/observe.ts';
import { cannotRun, home, INSPECTED, TRANSPORTS } from './clients.ts';
import { meddlings } from './damage.ts';
import { KILL_9, RELOAD, STEADY, WORKER_RESTART } from './moments.ts';
import { startWorld, type World } from './world.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });
const keep = stoppedAfterwards();
const CONSENTS = home(1);
const [UDP] = TRANSPORTS;
const MEDDLINGS = meddlings('audit', 'sequence');
const PERSONAL = [
  '/v1/consent/subscribers/4711?reason=a+call+of+the+subscriber',
  '/v1/consent/subscribers/4711/export?reason=a+call+of+the+subscriber',
  `/v1/explain?name=c2.example&client=${CONSENTS.ipv4}&reason=a+call+of+the+subscriber`,
];

describe.skipIf(cannotRun)('an audit log', () => {
  let world: World;
  let file: string;

  const holds = async () => (await scrape(world.server)).total('sekisho_audit_log_holds');
  const refused = async () => {
    expect(await holds()).toBe(0);
    for (const path of PERSONAL) {
      const { status, body } = await world.json<{ error: { code: string } }>('GET', path, undefined);
      expect([path, status, JSON.stringify(body)]).toEqual([
        path,
        503,
        expect.stringContaining('SEKISHO_AUDIT_DAMAGED'),
      ]);
    }
    const verified = await world.json<AuditVerdict>('GET', '/v1/audit/verify', undefined, 'privacy');
    expect(verified).toMatchObject({ status: 200, body: { ok: false } });
    const status = await world.json<Status>('GET', '/v1/status', undefined, 'viewer');
    expect(status.body.warnings.join()).toContain('the audit log is damaged');
    // What needs no record of a read goes on.
    expect(await world.look(CONSENTS, UDP!)).toEqual(INSPECTED);
    expect((await world.json('POST', '/v1/consent/subscribers/4712/opt-out', {})).status).toBe(200);
  };

  const acknowledge = async () => {
    const path = '/v1/audit/acknowledge';
    for (const role of ['viewer', 'operator', 'security', 'portal'] as const)
      expect((await world.json('POST', path, { reason: 'because' }, role)).status).toBe(403);
    expect((await world.json('POST', path, { reason: '' }, 'privacy')).status).toBe(400);
    const done = await world.json<AuditVerdict>('POST', path, { reason: 'ticket 815' }, 'privacy');
    expect(done).toMatchObject({ status: 200, body: { ok: true } });
    expect(await holds()).toBe(1);
    for (const read of PERSONAL) expect((await world.json('GET', read)).status).toBe(200);
    expect((await world.json('POST', path, { reason: 'again' }, 'privacy')).status).toBe(409);
  };

  beforeAll(async () => {
    // One worker: none of them reads the audit log, and every start costs less.
    world = keep(await startWorld({ ranges: `${CONSENTS.ipv4},4711\n${CONSENTS.ipv6},4711\n`, workers: 1 }));
    file = join(world.dataFolder, 'audit.db');
    await world.json('GET', PERSONAL[0]!);
    await world.restart(() => copyFileSync(file, `${file}.copy`));
    for (const path of PERSONAL) expect((await world.json('GET', path)).status).toBe(200);
    expect(await holds()).toBe(1);
  });

  it.each(MEDDLINGS)('that is $name while the server is down: at the start, and at any moment', async ({ meddle }) => {
    for (const path of PERSONAL) await world.json('GET', path);
    await world.kill9(() => meddle(file));
    expect(world.log()).toContain('THE AUDIT LOG IS DAMAGED');
    for (const { come } of [STEADY, RELOAD, WORKER_RESTART, KILL_9]) {
      await come(world);
      await refused();
    }
    await acknowledge();
  });

  it.each(MEDDLINGS)(
    'that is $name while the server runs: within seconds, at any moment, and is sound once acknowledged',
    async ({ meddle }) => {
      for (const path of PERSONAL) await world.json('GET', path);
      meddle(file);
      await waitFor('it is noticed', async () => (await holds()) === 0, 20_000);
      expect(world.log()).toContain('THE AUDIT LOG IS DAMAGED');
      for (const { come } of [STEADY, RELOAD, KILL_9]) {
        await come(world);
        await refused();
      }
      await acknowledge();
      // Left as it is found again.
      await world.kill9();
      expect(await holds()).toBe(1);
      expect((await world.json<AuditVerdict>('GET', '/v1/audit/verify', undefined, 'privacy')).body.ok).toBe(true);
    },
  );

  it('is verified and acknowledged on the command line', async () => {
    for (const path of PERSONAL) await world.json('GET', path);
    await world.kill9(() => MEDDLINGS[0]!.meddle(file));
    const verified = await world.cli('audit', 'verify');
    expect(verified.code).toBe(1);
    expect(verified.stderr).toContain('SEKISHO_AUDIT_BROKEN');
    expect((await world.cli('audit', 'acknowledge')).code).toBe(2);
    await refused();
    expect((await world.cli('audit', 'acknowledge', '--reason', 'ticket 815')).code).toBe(0);
    expect(await holds()).toBe(1);
    expect((await world.cli('audit', 'verify')).code).toBe(0);
  });
});
