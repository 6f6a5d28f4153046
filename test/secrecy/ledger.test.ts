/**
 * The consent ledger does not come back older: missing, cut, replaced, unlinked or rolled back, while the server runs or is down,
 * it lets nobody be inspected until a person of the role privacy accepts it with a reason.
 */
import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { Status } from '../../src/admin/status.ts';
import type { ConsentView, LedgerView } from '../../src/subscribers/consent/routes.ts';
import { run } from '../support/field.ts';
import { scrape, stoppedAfterwards, waitFor } from '../support/observe.ts';
import { sekishoMain } from '../support/sekisho.ts';
import { cannotRun, home, INSPECTED, NOT_INSPECTED, TRANSPORTS } from './clients.ts';
import { type Meddling, meddlings, removeDatabase } from './damage.ts';
import { CLOCK_FORWARD, KILL_9, RELOAD, STEADY, WORKER_RESTART } from './moments.ts';
import { clockCanStep } from './stepping-clock.ts';
import { startWorld, type World } from './world.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });
const keep = stoppedAfterwards();
const CONSENTS = home(1);
const OPTED_OUT = home(2);
const LATER = home(3);
const [UDP] = TRANSPORTS;
const MOMENTS = [STEADY, RELOAD, WORKER_RESTART, KILL_9, ...(clockCanStep ? [CLOCK_FORWARD] : [])];

const MEDDLINGS: (Meddling & { readonly auditToo?: boolean })[] = [
  ...meddlings('entry', 'seq'),
  // What had not been folded back into the file is gone with it.
  { name: 'robbed of its write-ahead log', meddle: (file: string) => rmSync(`${file}-wal`, { force: true }) },
  {
    name: 'replaced together with its anchor',
    // Anchors of both lie in that folder.
    auditToo: true,
    meddle: (file: string) => {
      removeDatabase(file);
      copyFileSync(`${file}.copy`, file);
      rmSync(join(file, '..', '..', 'anchors'), { recursive: true });
    },
  },
];

describe.skipIf(cannotRun)('a consent ledger', () => {
  let world: World;
  let file: string;

  const optOut = (subscriber: string) =>
    world.json<ConsentView>('POST', `/v1/consent/subscribers/${subscriber}/opt-out`, {});
  const holds = async () => (await scrape(world.server)).total('sekisho_subscribers_ledger_holds');
  /** Nobody is inspected, and everywhere it is said why. */
  const nobody = async () => {
    for (const at of [CONSENTS, OPTED_OUT, LATER]) expect(await world.look(at, UDP!)).toEqual(NOT_INSPECTED);
    expect(await holds()).toBe(0);
    const { body } = await world.json<LedgerView>('GET', '/v1/consent/ledger', undefined, 'privacy');
    expect(body.holds).toBe(false);
    const status = await world.json<Status>('GET', '/v1/status', undefined, 'viewer');
    expect(status.body.warnings.join()).toContain('the consent ledger is damaged');
  };

  beforeAll(async () => {
    const ranges = [CONSENTS, OPTED_OUT, LATER]
      .flatMap(({ ipv4, ipv6 }, i) => [`${ipv4},470${i + 1}`, `${ipv6},470${i + 1}`])
      .join('\n');
    // One worker: what damage does lies in the memory that all of them share, and every start costs less.
    world = keep(await startWorld({ ranges: `${ranges}\n`, workers: 1 }));
    file = join(world.dataFolder, 'subscribers', 'consent.db');
    await optOut('9999');
    // Stopped in order, so that all of it is in the one file.
    await world.restart(() => copyFileSync(file, `${file}.copy`));
    await optOut('4702');
    expect(await world.look(CONSENTS, UDP!)).toEqual(INSPECTED);
  });

  /** As the ledger and the opt-outs since say. */
  const asTheLedgerSays = async () => {
    expect(await holds()).toBe(1);
    expect(await world.look(CONSENTS, UDP!)).toEqual(INSPECTED);
    expect(await world.look(OPTED_OUT, UDP!)).toEqual(NOT_INSPECTED);
  };
  /** Anybody else is refused, and without a reason too; then everybody is as the ledger and the opt-outs since say. */
  const accept = async () => {
    const path = '/v1/consent/ledger/accept-damage';
    for (const role of ['viewer', 'operator', 'security', 'portal'] as const)
      expect((await world.json('POST', path, { reason: 'because' }, role)).status).toBe(403);
    expect((await world.json('POST', path, { reason: '' }, 'privacy')).status).toBe(400);
    expect(await world.look(CONSENTS, UDP!)).toEqual(NOT_INSPECTED);
    // Those who opted out are known to the call centre, and said again.
    expect((await optOut('4702')).status).toBe(200);
    expect((await world.json('POST', path, { reason: 'ticket 815' }, 'privacy')).status).toBe(200);
    await asTheLedgerSays();
    expect((await world.json('POST', path, { reason: 'again' }, 'privacy')).status).toBe(409);
    const verified = await world.json<LedgerView>('GET', '/v1/consent/ledger', undefined, 'privacy');
    expect(verified.body).toMatchObject({ holds: true, problem: null });
  };

  it.each(MEDDLINGS)(
    'that is $name while the server is down inspects nobody, at any moment, until it is accepted',
    async ({ meddle, auditToo = false }) => {
      await optOut('4702');
      await world.kill9(() => meddle(file));
      expect(world.log()).toContain('THE CONSENT LEDGER IS DAMAGED');
      expect(world.log()).toContain('put no older copy in its place');
      for (const { come } of MOMENTS) {
        await come(world);
        await nobody();
      }
      await accept();
      expect((await scrape(world.server)).total('sekisho_audit_log_holds')).toBe(auditToo ? 0 : 1);
      const acknowledged = () => world.json('POST', '/v1/audit/acknowledge', { reason: 'ticket 815' }, 'privacy');
      if (auditToo) expect((await acknowledged()).status).toBe(200);
    },
  );

  it.each(MEDDLINGS.slice(0, -1))(
    'that is $name while the server runs inspects nobody, at any moment, until it is accepted, and is sound then',
    async ({ meddle }) => {
      await optOut('4702');
      meddle(file);
      await waitFor('it is noticed', async () => (await holds()) === 0, 20_000);
      for (const { come } of [STEADY, RELOAD, KILL_9]) {
        await come(world);
        await nobody();
      }
      await accept();
      // Left as it is found again.
      await world.kill9();
      await asTheLedgerSays();
    },
  );

  it.each(MEDDLINGS.slice(0, 4))(
    'that is $name is noticed by the next change, which is not lost',
    async ({ meddle }) => {
      meddle(file);
      const { status, body } = await optOut('4703');
      expect([200, 202]).toContain(status);
      expect(body.purposes[0]).toMatchObject({ state: 'opted-out', inspected: false });
      expect(await world.look(CONSENTS, UDP!)).toEqual(NOT_INSPECTED);
      const durable = async () =>
        (await world.json<ConsentView>('GET', '/v1/consent/subscribers/4703?reason=a+test')).body.durable;
      await waitFor('it is on the disk', durable, 20_000);
      await world.kill9();
      await nobody();
      await accept();
      expect(await world.look(LATER, UDP!)).toEqual(NOT_INSPECTED);
    },
  );

  it('is accepted on the command line, for every transport', async () => {
    await world.kill9(() => MEDDLINGS[0]!.meddle(file));
    await nobody();
    const refused = await world.cli('consent', 'accept-damage');
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('--reason')]);
    expect((await optOut('4702')).status).toBe(200);
    const accepted = await world.cli('consent', 'accept-damage', '--reason', 'ticket 815');
    expect(accepted.stderr + accepted.stdout).toContain('accepted, and recorded');
    for (const transport of TRANSPORTS) {
      expect(await world.look(CONSENTS, transport)).toEqual(INSPECTED);
      expect(await world.look(OPTED_OUT, transport)).toEqual(NOT_INSPECTED);
    }
    expect((await world.cli('consent', 'verify')).stdout).toContain('the ledger is intact');
  });

  it('is there for one process: a second one exits with 1 and names the first', async () => {
    const { code, stderr } = await run(process.execPath, [sekishoMain(), 'run', '--config', world.server.configFile]);
    expect(code).toBe(1);
    expect(stderr).toContain('SEKISHO_DATA_IN_USE');
    expect(stderr).toMatch(new RegExp(`process ${world.server.pid}, since 20\\d\\d-`));
    expect(await world.look(CONSENTS, UDP!)).toEqual(INSPECTED);
    // And a process that was killed leaves nothing that would have to be cleaned up.
    await world.kill9();
    expect(await world.look(CONSENTS, UDP!)).toEqual(INSPECTED);
  });

  it('that was killed in the midst of changes is sound, and lost none that was acknowledged', async () => {
    for (let round = 0; round < 3; round++) {
      const acknowledged: string[] = [];
      let running = true;
      const callers = Array.from({ length: 8 }, async (_, caller) => {
        for (let i = 0; running; i++) {
          const subscriber = `k${round}-${caller}-${i}`;
          const done = await optOut(subscriber).catch(() => undefined);
          if (done?.status === 200) acknowledged.push(subscriber);
        }
      });
      await waitFor('some changes', () => acknowledged.length > 50, 60_000);
      await world.kill9(() => {
        running = false;
      });
      await Promise.all(callers);
      expect(await holds()).toBe(1);
      for (const subscriber of acknowledged) {
        const { body } = await world.json<ConsentView>('GET', `/v1/consent/subscribers/${subscriber}?reason=a+test`);
        expect([subscriber, body.purposes[0]?.state]).toEqual([subscriber, 'opted-out']);
      }
    }
  });
});
