/**
 * A lease belongs to a session, and two claims mean nobody: whoever a message leaves in doubt is not inspected, is sent no
 * notice and is not recognised by the portal, at no moment. All over the wire, as NAS and provisioning systems send it.
 */
import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { ExplainResult } from '../../src/admin/status.ts';
import type { ConsentExport } from '../../src/subscribers/consent/routes.ts';
import { scrape, stoppedAfterwards } from '../support/observe.ts';
import { ownAddress } from '../support/own-network.ts';
import type { Attributes } from '../support/radius-client.ts';
import { cannotRun, type Home, home, INSPECTED, NOT_INSPECTED, TRANSPORTS } from './clients.ts';
import { KILL_9, RELOAD, STEADY, WORKER_RESTART } from './moments.ts';
import { PORTAL_HOST, startWorld, type World } from './world.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 });
const keep = stoppedAfterwards();

type Status = 'Start' | 'Interim-Update' | 'Stop' | 'Accounting-On' | 'Accounting-Off';
interface Message {
  readonly status: Status;
  readonly attributes: Attributes;
  readonly from?: string;
}

const NAS = { 'NAS-IP-Address': '10.0.0.1', 'NAS-Identifier': 'bng1' };
const OTHER_NAS = { 'NAS-IP-Address': '10.0.0.2', 'NAS-Identifier': 'bng2' };
/** The /56 that `home` promises to nobody else. */
const prefixOf = (at: Home): string => at.ipv6.replace(/::1$/, '::/56');
const both = (at: Home): Attributes => ({
  'Framed-IP-Address': at.ipv4,
  'Delegated-IPv6-Prefix': prefixOf(at),
});
let serial = 0;
/** No two packets are alike, so that none is taken for one that was heard before. */
const message = (status: Status, attributes: Attributes, from?: string): Message => ({
  status,
  attributes: { 'Acct-Session-Time': ++serial, ...attributes },
  ...(from !== undefined && { from }),
});
const of = (status: Status, user: string, session: string, more: Attributes = {}, from?: string): Message =>
  message(status, { ...NAS, 'User-Name': user, 'Acct-Session-Id': session, ...more }, from);
const now = Math.floor(Date.now() / 1000);

/** Who is left in doubt, or has gone, by which messages. Every row has a home of its own; MOVED is a second one. */
interface Doubt {
  readonly doubt: string;
  messages(at: Home, moved: Home, user: string, id: string): Message[];
}

const ENDED: readonly Doubt[] = [
  {
    doubt: 'has gone with a Stop that names IPv4 alone',
    messages: (at, _, user, id) => [
      of('Start', user, id, both(at)),
      of('Stop', user, id, { 'Framed-IP-Address': at.ipv4 }),
    ],
  },
  {
    doubt: 'has gone with a Stop that names nothing',
    messages: (at, _, user, id) => [of('Start', user, id, both(at)), of('Stop', user, id)],
  },
  {
    doubt: 'got another address in an Interim-Update',
    messages: (at, moved, user, id) => [of('Start', user, id, both(at)), of('Interim-Update', user, id, both(moved))],
  },
  {
    doubt: 'has gone after an Interim-Update with another address',
    messages: (at, moved, user, id) => [
      of('Start', user, id, both(at)),
      of('Interim-Update', user, id, both(moved)),
      of('Stop', user, id, both(moved)),
    ],
  },
  {
    doubt: 'got another address in a Start',
    messages: (at, moved, user, id) => [of('Start', user, id, both(at)), of('Start', user, id, both(moved))],
  },
  {
    doubt: 'has gone with a Stop over another proxy, which says less of the NAS',
    messages: (at, _, user, id) => [
      of('Start', user, id, both(at), '127.0.0.2'),
      message('Stop', { 'NAS-IP-Address': '10.0.0.1', 'Acct-Session-Id': id }, '127.0.0.3'),
    ],
  },
  {
    doubt: 'has gone before the Start was heard',
    messages: (at, _, user, id) => [of('Stop', user, id, both(at)), of('Start', user, id, both(at))],
  },
  {
    doubt: 'has gone, and the Start comes once more',
    messages: (at, _, user, id) => [
      of('Start', user, id, both(at)),
      of('Stop', user, id, both(at)),
      of('Start', user, id, both(at)),
      of('Interim-Update', user, id, both(at)),
    ],
  },
  {
    doubt: 'has gone with a Stop whose other attributes make no sense',
    messages: (at, _, user, id) => [
      of('Start', user, id, both(at)),
      of('Stop', user, id, { 'Framed-IPv6-Prefix': '2001:db8::/200' }),
    ],
  },
  ...(
    [
      ['its source', {}],
      ['NAS-IP-Address', { 'NAS-IP-Address': '10.9.0.1' }],
      ['NAS-IPv6-Address', { 'NAS-IPv6-Address': '2001:db8::9:1' }],
      ['NAS-Identifier', { 'NAS-Identifier': 'bng9' }],
    ] as const
  ).map(
    ([what, said], i): Doubt => ({
      doubt: `has gone with the NAS, known by ${what}`,
      messages: (at, _, user, id) => {
        const nas = { 'NAS-IP-Address': '10.9.0.1', 'NAS-IPv6-Address': '2001:db8::9:1', 'NAS-Identifier': 'bng9' };
        const start = message('Start', { ...nas, 'User-Name': user, 'Acct-Session-Id': id, ...both(at) }, '127.0.9.1');
        return [start, message(i % 2 === 0 ? 'Accounting-On' : 'Accounting-Off', said, '127.0.9.1')];
      },
    }),
  ),
];

const CLAIMED: readonly Doubt[] = [
  ['the Stop of the first was lost', {}, {}],
  ['both clocks are right', { 'Event-Timestamp': now - 20 }, { 'Event-Timestamp': now - 10 }],
  ['the clock of the second is behind', { 'Event-Timestamp': now }, { 'Event-Timestamp': now - 600 }],
  ['the clock of the first is ahead', { 'Event-Timestamp': now + 3600 }, { 'Event-Timestamp': now }],
  ['the second was delayed', {}, { 'Acct-Delay-Time': 300 }],
  ['the first was delayed', { 'Acct-Delay-Time': 300 }, {}],
].flatMap(([what, first, second]) =>
  [
    ['at one NAS', NAS],
    ['at two NAS', OTHER_NAS],
  ].map(
    ([where, nas]): Doubt => ({
      doubt: `is claimed by two sessions ${where}, and ${what}`,
      messages: (at, _, user, id) => [
        of('Start', user, id, { ...both(at), ...(first as Attributes) }),
        of('Start', `${user}x`, `${id}x`, { ...both(at), ...(nas as Attributes), ...(second as Attributes) }),
        // It goes on, and does not win by that.
        of('Interim-Update', user, id, both(at)),
      ],
    }),
  ),
);

const CONTRADICTED: readonly Doubt[] = [
  {
    doubt: 'is named with two subscribers by one session',
    messages: (at, _, user, id) => [of('Start', user, id, both(at)), of('Interim-Update', `${user}x`, id, both(at))],
  },
  {
    doubt: 'is in prefixes of two sessions, the one in the other',
    messages: (at, _, user, id) => [
      of('Start', user, id, { ...both(at), 'Delegated-IPv6-Prefix': [], 'Framed-IPv6-Prefix': `${at.ipv6}/64` }),
      of('Start', `${user}x`, `${id}x`, both(at)),
    ],
  },
  {
    doubt: 'is in prefixes of two sessions, the other in the one',
    messages: (at, _, user, id) => [
      of('Start', user, id, both(at)),
      of('Start', `${user}x`, `${id}x`, { 'Framed-IP-Address': at.ipv4, 'Framed-IPv6-Address': at.ipv6 }),
    ],
  },
  {
    doubt: 'is named by a session without a number',
    messages: (at, _, user, id) => [
      of('Start', user, id, both(at)),
      message('Start', { ...NAS, 'User-Name': user, ...both(at) }),
    ],
  },
];

const DOUBTS = [...ENDED, ...CLAIMED, ...CONTRADICTED].map((doubt, i) => ({
  ...doubt,
  at: home(i + 1),
  moved: home(i + 101),
  user: `s${i + 1}`,
}));
const TABLE = DOUBTS.flatMap((doubt) => TRANSPORTS.map((transport) => ({ ...doubt, transport })));
const HOLDS = home(201);
const HANDED_OVER = home(202);
const STRANGER = home(203);
const HONEST = home(204);
const NEXT = home(205);

describe.skipIf(cannotRun)('nobody looks at who', () => {
  let world: World;
  const tell = async ({ status, attributes, from }: Message): Promise<void> => {
    expect(await world.account(status, attributes, from)).toBe(true);
  };
  beforeAll(async () => {
    // All at once, before anybody asks: a datagram on its way may be lost while an address is added.
    for (const at of [...DOUBTS.map(({ at }) => at), HOLDS, HANDED_OVER, STRANGER, HONEST, NEXT]) ownAddress(at.ipv6);
    world = keep(await startWorld());
    for (const { messages, at, moved, user } of DOUBTS)
      for (const each of messages(at, moved, user, `id-${user}`)) await tell(each);
    await tell(of('Start', 'holds', 'holds', both(HOLDS)));
    await tell(of('Start', 'former', 'former', both(HANDED_OVER)));
    await tell(of('Start', 'next', 'next', both(HANDED_OVER)));
    await tell(of('Stop', 'former', 'former'));
  });

  describe.each([STEADY, RELOAD, WORKER_RESTART, KILL_9])('$name', ({ come }) => {
    beforeAll(() => come(world));

    it.each(TABLE)('$doubt, over $transport.name', async ({ at, transport }) => {
      expect(await world.look(at, transport, 2)).toEqual(NOT_INSPECTED);
    });

    it.each(DOUBTS)('in the portal either: $doubt', async ({ at }) => {
      expect((await world.visitor(at.ipv4).visit({ host: PORTAL_HOST })).status).toBe(403);
    });

    it.each(TRANSPORTS)('while who holds a lease is found, over $name', async (transport) => {
      expect(await world.look(HOLDS, transport)).toEqual(INSPECTED);
      expect(await world.look(HANDED_OVER, transport)).toEqual(INSPECTED);
    });
  });

  it('and no notice was booked on any of those who claimed it', async () => {
    const exported = async (subscriber: string) =>
      (await world.json<ConsentExport>('GET', `/v1/consent/subscribers/${subscriber}/export?reason=test`)).body;
    await vi.waitFor(async () => expect((await exported('holds')).notices.length).toBeGreaterThan(0), 10_000);
    for (const { user } of DOUBTS)
      for (const subscriber of [user, `${user}x`]) expect((await exported(subscriber)).notices).toEqual([]);
    expect((await exported('former')).notices).toEqual([]);
  });

  it('and it is said aloud, without whose address it is', async () => {
    expect(world.log()).toContain('sessions of several subscribers claim one address');
    for (const { at } of DOUBTS) expect(world.log()).not.toContain(at.ipv4);
    const { body } = await world.json<{ leases: { conflicts: number } }>('GET', '/v1/status');
    expect(body.leases.conflicts).toBe((await scrape(world.server)).total('sekisho_subscribers_lease_conflicts_total'));
  });

  it.each(CLAIMED)('and explain says that it is contested: $doubt', async ({ doubt }) => {
    const { at } = DOUBTS.find((each) => each.doubt === doubt)!;
    for (const client of [at.ipv4, at.ipv6]) {
      const asked = `/v1/explain?name=c2.example&client=${client}&reason=a+test`;
      const { body } = await world.json<ExplainResult>('GET', asked);
      expect(JSON.stringify(body.steps)).toContain(
        'the address is contested: sessions of several subscribers claim it',
      );
    }
  });

  it('until one of the two has ended, and the other was heard since both were there', async () => {
    const transport = TRANSPORTS[0]!;
    const [heard, silent] = ['and the Stop of the first was lost', 'and both clocks are right'].map(
      (what) => DOUBTS.find(({ doubt }) => doubt === `is claimed by two sessions at two NAS, ${what}`)!,
    );
    const stopOther = ({ user }: (typeof DOUBTS)[number]) => of('Stop', `${user}x`, `id-${user}x`, OTHER_NAS);
    await tell(stopOther(heard!));
    expect(await world.look(heard!.at, transport)).toEqual(INSPECTED);
    // Another one comes, and goes: who was silent meanwhile may have gone before.
    await tell(stopOther(silent!));
    await tell(of('Start', 'third', 'third', both(silent!.at)));
    await tell(of('Stop', 'third', 'third'));
    expect(await world.look(silent!.at, transport)).toEqual(NOT_INSPECTED);
    await tell(of('Interim-Update', silent!.user, `id-${silent!.user}`, both(silent!.at)));
    expect(await world.look(silent!.at, transport)).toEqual(INSPECTED);
  });

  it('because a prefix was leased that is not one subscriber’s', async () => {
    const refused = async (reason: string) =>
      (await scrape(world.server)).total('sekisho_subscribers_lease_prefixes_refused_total', { reason });
    const before = await Promise.all(['too-short', 'mapped', 'outside-access', 'unreadable'].map(refused));
    for (const prefix of ['::/0', '2001:db8::/32', '2001:db8:70::/47', '::ffff:127.70.0.0/112', '2001:db9::/56'])
      await tell(of('Start', 'wide', `wide ${prefix}`, { 'Framed-IPv6-Prefix': prefix }));
    await tell(
      of('Start', 'wide', 'wide', { 'Framed-IP-Address': '192.0.2.1', 'Framed-IPv6-Prefix': '2001:db8::/200' }),
    );
    const after = await Promise.all(['too-short', 'mapped', 'outside-access', 'unreadable'].map(refused));
    expect(after.map((count, i) => count - before[i]!)).toEqual([3, 1, 2, 1]);
    for (const transport of TRANSPORTS) expect(await world.look(STRANGER, transport)).toEqual(NOT_INSPECTED);
    expect(world.log()).toContain('leases of prefixes out of bounds were refused');
    const lease = (address: string) =>
      world.json<{ result?: string }>('POST', '/v1/leases', { event: 'start', address, subscriber: 'wide' });
    for (const address of ['::/0', '0.0.0.0/0', '127.70.0.0/24', '::ffff:127.70.0.203', '192.0.2.1', '2001:db8::/32'])
      expect([address, (await lease(address)).status]).toEqual([address, 400]);
    // Bits beyond the prefix are cleared.
    expect((await lease(`${STRANGER.ipv6}/64`)).body.result).toBe('taken');
    for (const transport of TRANSPORTS)
      expect(await world.look(STRANGER, transport)).toEqual(transport.family === 6 ? INSPECTED : NOT_INSPECTED);
  });

  it('and no client locks another one out with names, over a restart either', async () => {
    const names = Array.from({ length: 1300 }, (_, i) => i);
    for (const i of names) await tell(message('Accounting-On', { 'NAS-Identifier': `made-up-${i}` }, '127.0.5.5'));
    const forgotten = (await scrape(world.server)).total('sekisho_radius_names_forgotten_total');
    expect(forgotten).toBeGreaterThan(0);
    expect(world.log()).toContain('calls itself by more names than are remembered');
    const start = (user: string, at: Home) =>
      message(
        'Start',
        { 'NAS-Identifier': user, 'User-Name': user, 'Acct-Session-Id': user, ...both(at) },
        '127.0.6.6',
      );
    await tell(start('honest', HONEST));
    expect(await world.look(HONEST, TRANSPORTS[0]!)).toEqual(INSPECTED);
    await world.kill9();
    await tell(start('next-nas', NEXT));
    for (const at of [HONEST, NEXT]) expect(await world.look(at, TRANSPORTS[0]!)).toEqual(INSPECTED);
  });
});
