/** Who opted out, or is not known for certain, is not matched, counted or logged: by no way of asking, at no moment. */
import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { ConsentExport } from '../../src/subscribers/consent/routes.ts';
import { stoppedAfterwards } from '../support/observe.ts';
import { cannotRun, type Home, home, INSPECTED, NOT_INSPECTED, TRANSPORTS } from './clients.ts';
import { MOMENTS } from './moments.ts';
import { startWorld, type World } from './world.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 });
const keep = stoppedAfterwards();

const rows = (at: Home, subscriber: string): string => `${at.ipv4},${subscriber}\n${at.ipv6},${subscriber}\n`;
const CONSENTS = home(1);
const OPTED_OUT = home(2);
const STRANGER = home(3);
const WHOLESALE = home(4);
const CONTRADICTED = home(5);
const MOVED = home(6);
const LEASE_ENDED = home(7);

const DOUBTS = [
  { doubt: 'opted out', at: OPTED_OUT },
  { doubt: 'is in no range and has no lease', at: STRANGER },
  { doubt: 'is in a group that no terms cover', at: WHOLESALE },
  { doubt: 'is claimed by two rows', at: CONTRADICTED },
  { doubt: 'was known by a row that is gone', at: MOVED },
  { doubt: 'had a lease that ended', at: LEASE_ENDED },
];
const TABLE = DOUBTS.flatMap((doubt) => TRANSPORTS.map((transport) => ({ ...doubt, transport })));

describe.skipIf(cannotRun)('nobody looks at who', () => {
  let world: World;
  beforeAll(async () => {
    const ranges = [
      rows(CONSENTS, 'C-4701'),
      rows(OPTED_OUT, 'C-4702'),
      rows(WHOLESALE, '@wholesale'),
      rows(CONTRADICTED, 'C-4705'),
      rows(CONTRADICTED, 'C-4755'),
    ].join('');
    world = keep(await startWorld({ ranges: ranges + rows(MOVED, 'C-4706') }));
    for (const transport of TRANSPORTS) expect(await world.look(MOVED, transport)).toEqual(INSPECTED);
    world.replace(world.rangesFile, ranges);
    await world.reload();
    const session = { 'User-Name': 'C-4707', 'Acct-Session-Id': 'S1', 'NAS-IP-Address': '127.0.0.1' };
    const lease = {
      ...session,
      'Framed-IP-Address': LEASE_ENDED.ipv4,
      'Framed-IPv6-Prefix': `${LEASE_ENDED.ipv6}/128`,
    };
    expect(await world.account('Start', lease)).toBe(true);
    for (const transport of TRANSPORTS) expect(await world.look(LEASE_ENDED, transport)).toEqual(INSPECTED);
    expect(await world.account('Stop', lease)).toBe(true);
    expect((await world.json('POST', '/v1/consent/subscribers/C-4702/opt-out', {})).status).toBe(200);
  });

  describe.each(MOMENTS)('$name', ({ come }) => {
    beforeAll(() => come(world));

    it.each(TABLE)('$doubt, over $transport.name', async ({ at, transport }) => {
      expect(await world.look(at, transport)).toEqual(NOT_INSPECTED);
    });

    it.each(TRANSPORTS)('while somebody who consents is found, over $name', async (transport) => {
      expect(await world.look(CONSENTS, transport)).toEqual(INSPECTED);
    });
  });

  it('and nothing about them was recorded', async () => {
    const exported = async (subscriber: string) =>
      (await world.json<ConsentExport>('GET', `/v1/consent/subscribers/${subscriber}/export?reason=test`)).body;
    await vi.waitFor(async () => expect((await exported('C-4701')).notices.length).toBeGreaterThan(0), 10_000);
    for (const subscriber of ['C-4702', 'C-4705', 'C-4755']) expect((await exported(subscriber)).notices).toEqual([]);
    for (const { at } of DOUBTS) for (const address of [at.ipv4, at.ipv6]) expect(world.log()).not.toContain(address);
    expect(world.log()).not.toMatch(/C-47|c2\.example|bots\.example/);
  });
});
