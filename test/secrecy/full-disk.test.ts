/** A disk that is full: a withdrawal acts at once and is told as not yet durable; nobody is inspected because of it. */
import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ConsentView } from '../../src/subscribers/consent/routes.ts';
import { scrape, stoppedAfterwards, waitFor } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { formOf } from '../support/visitor.ts';
import { cannotRun, home, INSPECTED, NOT_INSPECTED, TRANSPORTS } from './clients.ts';
import { RELOAD, STEADY, WORKER_RESTART } from './moments.ts';
import { PORTAL_HOST, startWorld, type World } from './world.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });
const keep = stoppedAfterwards();
const disk = temporaryFolder('full-ledger-disk');
let mounted = false;
const CONSENTS = home(1);
const CALLS = home(2);
const AT_THE_PORTAL = home(3);
const [UDP] = TRANSPORTS;

describe.skipIf(cannotRun || process.getuid?.() !== 0)('on a full disk', () => {
  let world: World;
  const filler = join(disk, 'filler');
  /** As much as fits, to the last page. */
  const fill = () => {
    expect(() => writeFileSync(filler, new Uint8Array(32 << 20))).toThrow(/ENOSPC/);
    expect(() => writeFileSync(`${filler}-2`, new Uint8Array(1 << 20))).toThrow(/ENOSPC/);
  };
  const makeRoom = () => {
    for (const file of [filler, `${filler}-2`]) rmSync(file, { force: true });
  };
  const change = (subscriber: string, action: 'opt-out' | 'opt-in') =>
    world.json<ConsentView>('POST', `/v1/consent/subscribers/${subscriber}/${action}`, {});
  const holds = async () => (await scrape(world.server)).total('sekisho_subscribers_ledger_holds');

  beforeAll(async () => {
    mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=16m,mode=700', 'tmpfs', disk]).status === 0;
    expect(mounted).toBe(true);
    const ranges = [CONSENTS, CALLS, AT_THE_PORTAL].map(({ ipv4 }, i) => `${ipv4},470${i + 1}\n`).join('');
    world = keep(await startWorld({ ranges, dataFolder: join(disk, 'data') }));
    for (const at of [CONSENTS, CALLS, AT_THE_PORTAL]) expect(await world.look(at, UDP!)).toEqual(INSPECTED);
  });
  afterAll(async () => {
    await world?.stop();
    if (mounted) spawnSync('umount', ['-l', disk]);
  });

  it('a withdrawal acts at once, over the API and in the portal, and says that it is not durable', async () => {
    const portal = world.visitor(AT_THE_PORTAL.ipv4);
    fill();
    const { status, body } = await change('4702', 'opt-out');
    expect([status, body.durable, body.purposes[0]?.state]).toEqual([202, false, 'opted-out']);
    expect(await world.look(CALLS, UDP!)).toEqual(NOT_INSPECTED);
    expect(world.log()).toContain('A WITHDRAWAL OF CONSENT CANNOT BE WRITTEN');
    // The settings cannot be shown, since no look goes unrecorded; to withdraw, nothing needs to be seen.
    const page = await portal.visit({ host: PORTAL_HOST, path: '/?lang=ja' });
    expect(page.status).toBe(503);
    const taken = await portal.visit({ host: PORTAL_HOST, path: '/consent', form: formOf(page.text, 'opt-out') });
    expect(taken.status).toBe(202);
    expect(taken.text).toContain('まだ保存されていません');
    expect(await world.look(AT_THE_PORTAL, UDP!)).toEqual(NOT_INSPECTED);
    // A consent that cannot be written does not act.
    expect((await change('4702', 'opt-in')).status).toBe(503);
    expect(await world.look(CALLS, UDP!)).toEqual(NOT_INSPECTED);
  });

  it.each([STEADY, RELOAD, WORKER_RESTART])('it goes on acting $name', async ({ come }) => {
    await come(world);
    for (const at of [CALLS, AT_THE_PORTAL]) expect(await world.look(at, UDP!)).toEqual(NOT_INSPECTED);
  });

  it('it is written as soon as there is room', async () => {
    makeRoom();
    for (const subscriber of ['4702', '4703']) {
      const durable = async () =>
        (await world.json<ConsentView>('GET', `/v1/consent/subscribers/${subscriber}?reason=a+test`)).body.durable;
      await waitFor(`${subscriber} is durable`, durable, 20_000);
    }
    await world.kill9();
    expect(await holds()).toBe(1);
    for (const at of [CALLS, AT_THE_PORTAL]) expect(await world.look(at, UDP!)).toEqual(NOT_INSPECTED);
    expect(await world.look(CONSENTS, UDP!)).toEqual(INSPECTED);
    expect((await change('4702', 'opt-in')).status).toBe(200);
    expect(await world.look(CALLS, UDP!)).toEqual(INSPECTED);
  });

  it('one that the process takes with it leaves nobody inspected, until a person accepts that', async () => {
    fill();
    expect((await change('4702', 'opt-out')).status).toBe(202);
    await world.kill9(makeRoom);
    expect(await holds()).toBe(0);
    for (const at of [CONSENTS, CALLS]) expect(await world.look(at, UDP!)).toEqual(NOT_INSPECTED);
    expect(world.log()).toContain('1 withdrawal(s) of consent acted but could not be written');
    expect((await change('4702', 'opt-out')).status).toBe(200);
    expect((await world.cli('consent', 'accept-damage', '--reason', 'said again by telephone')).code).toBe(0);
    expect(await world.look(CONSENTS, UDP!)).toEqual(INSPECTED);
    expect(await world.look(CALLS, UDP!)).toEqual(NOT_INSPECTED);
  });
});
