/**
 * Roles cannot go around: what each may do, directly and by way of another route. Every route of the running server has a row
 * here; one that has none, or whose roles are others, fails. Then each is asked by each role, and what a role could bring about
 * in a roundabout way is tried.
 */
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { builtInPlugins } from '../../plugins/index.ts';
import { ROLES, type Role } from '../../src/audit/roles.ts';
import { OPERATIONS, VIEW_NAMES, VIEWS, type View } from '../../src/console/views.ts';
import { stoppedAfterwards } from '../support/observe.ts';
import { formOf } from '../support/visitor.ts';
import { ALL_PLUGINS, asked, operationsOf } from './all-routes.ts';
import { entriesAfter, lastSequence } from './audit-entries.ts';
import { cannotRun, home, INSPECTED, NOT_INSPECTED, TRANSPORTS } from './clients.ts';
import { KILL_9, RELOAD, STEADY, WORKER_RESTART } from './moments.ts';
import { PORTAL_HOST, startWorld, type World } from './world.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 });
const keep = stoppedAfterwards();

/** What somebody can do to others, or learn of them. */
const POWERS = [
  'state.read',
  'rules.read',
  'subscriber.read',
  'traffic.read',
  'consent.change',
  'inspection.begin',
  'lease.write',
  'names.answer',
  'queries.limit',
  'configuration.load',
  'lists.change',
  'record.prove',
  'portal.enter',
] as const;
type Power = (typeof POWERS)[number];

interface Row {
  readonly roles: readonly Role[] | 'anyone';
  readonly does: readonly Power[];
  readonly because: string;
}
const STAFF: readonly Role[] = ['viewer', 'operator', 'security', 'privacy'];
const DESK: readonly Role[] = ['operator', 'security'];
const DESK_AND_PRIVACY: readonly Role[] = ['operator', 'security', 'privacy'];
const row = (roles: Row['roles'], does: readonly Power[], because: string): Row => ({ roles, does, because });

/** METHOD and path as OpenAPI has them. */
const ROUTES: Readonly<Record<string, Row>> = {
  'GET /healthz': row('anyone', [], 'a monitor asks whether the process lives'),
  'GET /readyz': row('anyone', [], 'a load balancer asks whether queries are answered'),
  'GET /metrics': row('anyone', [], 'numbers of the server, never with a name or an address'),
  'GET /openapi.json': row(ROLES, [], 'who holds a token may know what it is for'),
  'GET /': row('anyone', [], 'leads to the console'),
  'GET /console': row('anyone', [], 'the page of the console, the same for everybody'),
  'GET /console/{file}': row('anyone', [], 'its files, the same for everybody'),
  'GET /console/session': row('anyone', [], 'who is logged in in that very browser'),
  'POST /console/session': row('anyone', [], 'a login: with a token, and no more than that token may'),
  'DELETE /console/session': row('anyone', [], 'a logout of that very browser'),
  'GET /v1/live': row(STAFF, ['state.read'], 'figures of the server, never with a name or an address'),
  'GET /v1/status': row(STAFF, ['state.read'], 'whoever runs the server sees its state'),
  'GET /v1/explain': row(
    DESK_AND_PRIVACY,
    ['subscriber.read'],
    'says why a query is answered as it is, and so whose the address is: with a purpose, and recorded',
  ),
  'GET /v1/export/ip53b': row(STAFF, ['state.read'], 'a filter made of the configuration'),
  'GET /v1/audit/verify': row(DESK_AND_PRIVACY, ['record.prove'], 'whether the chain holds, not what stands in it'),
  'POST /v1/reload': row(
    ['operator'],
    ['configuration.load'],
    'who runs the network brings its configuration in force',
  ),
  'POST /reload': row(['operator'], ['configuration.load'], 'the same'),
  'GET /v1/time': row(STAFF, ['state.read'], 'the server’s time beside the system’s clock'),
  'POST /v1/time/accept': row(
    ['operator', 'privacy'],
    [],
    'the system’s clock is right, with a reason: what has ended stays ended, so nothing comes of it',
  ),
  'GET /v1/fleet': row(STAFF, ['state.read'], 'how the nodes stand, nothing of whom'),
  'POST /v1/fleet/init': row(
    ['operator', 'privacy'],
    [],
    'the node joins the fleet that its configuration names; of ledgers that contradict each other every withdrawal is kept, so nobody is inspected by it who was not',
  ),
  'POST /v1/fleet/nodes/{node}/forget': row(
    ['operator', 'privacy'],
    [],
    'a node that says nothing has no fence: nobody waits for it any more',
  ),
  'GET /v1/cache/stats': row(STAFF, ['state.read'], 'how much the cache holds, not of whom'),
  'POST /v1/cache/flush': row(DESK, [], 'a name is asked for again; the cache holds no verdict about anybody'),
  'GET /v1/lists': row(STAFF, ['state.read'], 'what lists hold, not whom they hit'),
  'GET /v1/lists/{name}/held': row(DESK, ['state.read'], 'what helps to decide about a version that is held back'),
  'POST /v1/lists/{name}/reload': row(DESK, ['lists.change'], 'a newer version, which the guard still judges'),
  'POST /v1/lists/{name}/override': row(['security'], ['lists.change'], 'the security desk answers for the guard'),
  'POST /v1/lists/{name}/rollback': row(DESK, ['lists.change'], 'back to what was in force before'),
  'GET /v1/measures': row(DESK_AND_PRIVACY, ['rules.read'], 'who acts sees it, and privacy sees to it'),
  'GET /v1/measures/changes': row(DESK_AND_PRIVACY, ['rules.read'], 'who acts sees it, and privacy sees to it'),
  'DELETE /v1/measures/{id}': row(DESK, ['queries.limit', 'names.answer'], 'whoever may limit may lift'),
  'POST /v1/measures/{id}/renew': row(DESK, ['queries.limit', 'names.answer'], 'on fresh evidence'),
  'GET /v1/dnssec': row(STAFF, ['state.read'], 'trust anchors and exceptions: names of zones alone'),
  'POST /v1/dnssec/exceptions': row(DESK, ['names.answer'], 'a zone is resolved unvalidated on a ground, until an end'),
  'GET /v1/rules': row(DESK_AND_PRIVACY, ['rules.read'], 'who acts sees it, and privacy sees to it'),
  'GET /v1/rules/changes': row(DESK_AND_PRIVACY, ['rules.read'], 'who acts sees it, and privacy sees to it'),
  'POST /v1/rules/{id}/renew': row(DESK, ['queries.limit', 'names.answer'], 'on fresh evidence'),
  'DELETE /v1/rules/{id}': row(DESK, ['queries.limit', 'names.answer'], 'whoever may put one in force may lift it'),
  'GET /v1/consent/subscribers/{subscriber}': row(
    ['portal', 'privacy'],
    ['subscriber.read'],
    'the subscribers’ own portal, and who sees to it that all went well: with a purpose, and recorded',
  ),
  'GET /v1/consent/subscribers/{subscriber}/export': row(
    ['portal', 'privacy'],
    ['subscriber.read', 'traffic.read'],
    'everything that is kept of one subscriber, for the subscriber',
  ),
  'POST /v1/consent/subscribers/{subscriber}/{action}': row(
    ['portal', 'privacy'],
    ['consent.change', 'inspection.begin', 'subscriber.read'],
    'for one subscriber at a time, who asked for it',
  ),
  'GET /v1/consent/import/{id}': row(['privacy'], ['state.read'], 'how many rows were taken'),
  'POST /v1/consent/import/{id}': row(
    ['privacy'],
    ['consent.change', 'inspection.begin'],
    'consents of another system, in bulk: the privacy officer alone',
  ),
  'GET /v1/consent/ledger': row(['privacy'], ['record.prove'], 'whether the ledger holds'),
  'POST /v1/consent/ledger/accept-damage': row(
    ['privacy'],
    ['inspection.begin'],
    'a person looks into a damaged ledger, with a reason, before anybody is inspected again',
  ),
  'POST /v1/audit/acknowledge': row(
    ['privacy'],
    ['record.prove'],
    'a person looks into a damaged log, with a reason, before personal data is shown again',
  ),
  'POST /v1/leases': row(
    ['provisioning'],
    ['lease.write', 'inspection.begin'],
    'what hands out addresses says to whom, within its networks, and reads nothing',
  ),
  'GET /v1/report': row(['privacy'], ['record.prove'], 'the transparency report names nobody'),
  'POST /v1/share/statistics': row(
    ['security', 'privacy'],
    ['state.read'],
    'numbers by the day, without a name and without an address; recorded with whom they go to',
  ),
  'POST /v1/share/indicators': row(
    ['security'],
    ['rules.read'],
    'names of own lists and names under attack; recorded with whom they go to',
  ),
  'POST /v1/backup': row(
    ['operator', 'privacy'],
    [],
    'says that a backup is made; only who may read the data folder can make it',
  ),
  'GET /v1/terminals/forms': row(['security', 'privacy'], ['state.read'], 'which columns reports have'),
  'POST /v1/terminals/reports': row(
    ['security'],
    ['subscriber.read'],
    'finds who held an address at a time and says how many: with a purpose, and recorded before',
  ),
  'GET /v1/terminals/cases': row(
    ['security', 'privacy'],
    ['subscriber.read'],
    'who is to be told is seen by whoever tells them, and privacy sees to it; recorded',
  ),
  'POST /v1/terminals/export': row(['security'], ['subscriber.read'], 'the same, for the mailing system'),
  'POST /v1/terminals/cases/{code}': row(['security'], [], 'says how far a case has come'),
  'POST /v1/terminals/check': row(
    ['portal'],
    [],
    'whoever holds the code learns that it is genuine, and nothing of whom',
  ),
  'GET /v1/sinkhole/rules': row(DESK_AND_PRIVACY, ['rules.read'], 'who acts sees it, and privacy sees to it'),
  'GET /v1/sinkhole/changes': row(DESK_AND_PRIVACY, ['rules.read'], 'who acts sees it, and privacy sees to it'),
  'POST /v1/sinkhole/preview': row(DESK, ['rules.read'], 'what a rule would do'),
  'POST /v1/sinkhole/rules': row(DESK, ['names.answer'], 'on a ground, for a while'),
  'POST /v1/sinkhole/rules/{name}/renew': row(DESK, ['names.answer'], 'on fresh evidence'),
  'DELETE /v1/sinkhole/rules/{name}': row(DESK, ['names.answer'], 'whoever may add may lift'),
  'GET /v1/query-history/state': row(STAFF, ['state.read'], 'whether it is open, and what was deleted'),
  'GET /v1/query-history/normal': row(STAFF, ['state.read'], 'what is normal in sums, no name and no source'),
  'POST /v1/query-history/overload': row(['operator'], ['traffic.read'], 'opens the history, with a reason'),
  'DELETE /v1/query-history/overload': row(['operator'], [], 'closes the history'),
  'GET /v1/query-history/imports': row(STAFF, ['state.read'], 'who imported past figures, and from where'),
  'POST /v1/query-history/imports': row(
    ['operator'],
    [],
    'past figures from elsewhere, told of wherever they are used',
  ),
  'DELETE /v1/query-history/imports/{id}': row(['operator'], [], 'whoever may import may take it back'),
  'POST /v1/query-history/diagnose': row(['operator'], ['traffic.read'], 'while an overload is open'),
  'POST /v1/query-history/read': row(['operator'], ['traffic.read'], 'while an overload is open'),
  'POST /v1/query-history/preview': row(DESK, ['rules.read'], 'what a proposal would do'),
  'POST /v1/query-history/apply': row(DESK, ['queries.limit', 'names.answer'], 'a proposal, on a ground, for a while'),
  'GET /v1/amp-shaper/networks': row(DESK, ['traffic.read'], 'networks that are sent too much: with a purpose'),
  'GET /v1/random-subdomain/zones': row(DESK, ['traffic.read'], 'domains in trouble: with a purpose'),
};

/**
 * What one power leads to by way of another route, and what it must not lead to; each link is tried below, or said to be
 * stopped by what the table of routes says alone.
 */
const LEADS_TO: readonly { readonly from: Power; readonly to: Power; readonly because: string }[] = [
  {
    from: 'lease.write',
    to: 'inspection.begin',
    because: 'an address is inspected under the consent of whom the lease names; it stays within the networks',
  },
  {
    from: 'consent.change',
    to: 'inspection.begin',
    because: 'an opt-in lets a subscriber be inspected: that is what it is for, and it stands in ledger and audit log',
  },
];

/** Everything that a role may bring about, by whichever way. */
const MAY: Readonly<Record<Role, readonly Power[]>> = {
  viewer: ['state.read'],
  operator: [
    'state.read',
    'rules.read',
    'subscriber.read',
    'traffic.read',
    'names.answer',
    'queries.limit',
    'configuration.load',
    'lists.change',
    'record.prove',
  ],
  security: [
    'state.read',
    'rules.read',
    'subscriber.read',
    'traffic.read',
    'names.answer',
    'queries.limit',
    'lists.change',
    'record.prove',
  ],
  privacy: [
    'state.read',
    'rules.read',
    'subscriber.read',
    'traffic.read',
    'consent.change',
    'inspection.begin',
    'record.prove',
  ],
  portal: ['subscriber.read', 'traffic.read', 'consent.change', 'inspection.begin'],
  provisioning: ['lease.write', 'inspection.begin'],
};

function broughtAbout(role: Role): Power[] {
  const has = new Set(
    Object.values(ROUTES).flatMap(({ roles, does }) => (roles !== 'anyone' && roles.includes(role) ? does : [])),
  );
  for (const { from, to } of [...LEADS_TO, ...LEADS_TO]) if (has.has(from)) has.add(to);
  return [...has].sort();
}

/** Views of the console, which follow from the table of routes. */
const SEES: Readonly<Record<'viewer' | 'operator' | 'security' | 'privacy', readonly View[]>> = {
  viewer: ['now', 'lists'],
  operator: ['now', 'overload', 'rules', 'lists', 'explain', 'record'],
  security: ['now', 'rules', 'lists', 'explain', 'terminals', 'record'],
  privacy: ['now', 'rules', 'lists', 'explain', 'consent', 'terminals', 'record'],
};

const VICTIM = home(1);
/** Where somebody sits who would like to be the victim. */
const ATTACKER = home(2);
const RADIUS_LEASED = home(3);
const OUTSIDE = '192.0.2.200';
const PORTAL = { host: PORTAL_HOST };

describe.skipIf(cannotRun)('a role', () => {
  let world: World;
  beforeAll(async () => {
    world = keep(
      await startWorld({
        ranges: `${VICTIM.ipv4},victim\n${VICTIM.ipv6},victim\n`,
        plugins: ALL_PLUGINS,
      }),
    );
  });
  const lease = (body: object, role?: Role) =>
    world.json<{ result?: string; error?: { code: string } }>('POST', '/v1/leases', body, role);

  it('is named in a row for every route of the running server, with a reason', async () => {
    // Every plugin that has routes is there, or the table would say less than there is.
    const chain = (await world.json<{ plugins: { name: string }[] }>('GET', '/v1/status')).body.plugins;
    expect(builtInPlugins.map(({ name }) => name).filter((name) => !chain.some((each) => each.name === name))).toEqual([
      // Neither has a route; the second needs a ground and a reader.
      'dns64',
      'dnstap',
    ]);
    const found = (await operationsOf(world)).map(({ operation, roles }) => [operation, [...roles].sort()]);
    const stated = Object.entries(ROUTES).map(([operation, { roles }]) => [
      operation,
      roles === 'anyone' ? ['anyone'] : [...roles].sort(),
    ]);
    expect(found.sort()).toEqual(stated.sort());
    for (const { because } of Object.values(ROUTES)) expect(because.length).toBeGreaterThan(7);
  });

  it.each(ROLES)('%s brings about what the table says, directly or by way of another route', (role) => {
    expect(broughtAbout(role)).toEqual([...MAY[role]].sort());
  });

  it.each(ROLES)('%s is turned away from all routes that are not its own, and from no other', async (role) => {
    const operations = await operationsOf(world);
    expect(operations.length).toBeGreaterThan(30);
    for (const each of operations) {
      const { operation } = each;
      const { roles } = ROUTES[operation]!;
      const { status, code } = await asked(world, each, role);
      const refused = status === 403 && code === 'SEKISHO_ROLE_MISSING';
      expect([operation, role, refused]).toEqual([operation, role, roles !== 'anyone' && !roles.includes(role)]);
      expect([operation, status]).not.toEqual([operation, 401]);
    }
  });

  describe('the console', () => {
    const url = (path: string) => `http://127.0.0.1:${world.server.adminPort}${path}`;
    const enter = async (role: Role) => {
      const response = await fetch(url('/console/session'), {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ token: `token-of-${role}` }),
      });
      const body = (await response.json()) as {
        session: { views: View[]; may: string[]; csrf: string } | null;
        error?: { code: string };
      };
      return { status: response.status, body, cookie: response.headers.get('set-cookie')?.split(';')[0] ?? '' };
    };
    /** `/v1/lists/{name}` of OpenAPI as a route is registered. */
    const registered = (operation: string) => operation.replaceAll(/\{(\w+)\}/g, ':$1');
    const admits = (role: Role, operation: string) => {
      const found = Object.entries(ROUTES).find(([each]) => registered(each) === operation);
      return found !== undefined && found[1].roles !== 'anyone' && found[1].roles.includes(role);
    };

    it('names no operation that the server has not, and no other than its own', () => {
      const known = Object.keys(ROUTES).map(registered);
      expect(OPERATIONS.filter((operation) => !known.includes(operation))).toEqual([]);
    });

    it.each(['viewer', 'operator', 'security', 'privacy'] as const)('shows %s its own views alone', async (role) => {
      const { status, body, cookie } = await enter(role);
      expect([status, body.session?.views]).toEqual([200, SEES[role]]);
      for (const view of VIEW_NAMES)
        expect([view, SEES[role].includes(view)]).toEqual([
          view,
          VIEWS[view].needs.every((operation) => admits(role, operation)),
        ]);
      expect(body.session?.may).toEqual(OPERATIONS.filter((operation) => admits(role, operation)));
      // What is not shown is not there either: the cookie is worth what the token is.
      for (const operation of OPERATIONS) {
        const [method = '', path = ''] = operation.split(' ');
        const filled = path.replaceAll(/:(\w+)/g, 'x');
        const headers = { cookie, 'x-sekisho-csrf': body.session?.csrf ?? '', 'content-type': 'application/json' };
        const hasBody = method === 'POST';
        const answer = await fetch(url(filled), { method, headers, ...(hasBody && { body: '{"nothing":1}' }) });
        const refused = answer.status === 403 && (await answer.text()).includes('SEKISHO_ROLE_MISSING');
        const absent = !Object.keys(ROUTES).some((each) => registered(each) === operation);
        expect([role, operation, refused]).toEqual([role, operation, !absent && !admits(role, operation)]);
      }
    });

    it.each(['portal', 'provisioning'] as const)('has no view for %s, and lets it not in', async (role) => {
      const { status, body, cookie } = await enter(role);
      expect([status, body.error?.code, cookie]).toEqual([403, 'SEKISHO_LOGIN_NO_VIEW', '']);
      expect(VIEW_NAMES.filter((view) => VIEWS[view].needs.every((operation) => admits(role, operation)))).toEqual([]);
    });

    it('records login and logout, and lets nobody in with a cookie that was left', async () => {
      const before = lastSequence(world.dataFolder);
      const { body, cookie } = await enter('privacy');
      const headers = { cookie, 'x-sekisho-csrf': body.session?.csrf ?? '' };
      expect((await fetch(url('/v1/status'), { headers })).status).toBe(200);
      expect((await fetch(url('/console/session'), { method: 'DELETE', headers })).status).toBe(200);
      expect((await fetch(url('/v1/status'), { headers })).status).toBe(401);
      expect(entriesAfter(world.dataFolder, before).map(({ who, action }) => [who, action])).toEqual([
        ['a-privacy', 'console.login'],
        ['a-privacy', 'console.logout'],
      ]);
    });
  });

  it.each(ROLES.filter((role) => role !== 'provisioning'))(
    '%s writes no lease, and so becomes nobody',
    async (role) => {
      const before = await world.look(ATTACKER, TRANSPORTS[0]!);
      const { status, body } = await lease({ event: 'start', address: ATTACKER.ipv4, subscriber: 'victim' }, role);
      expect([status, body.error?.code]).toEqual([403, 'SEKISHO_ROLE_MISSING']);
      expect(await world.look(ATTACKER, TRANSPORTS[0]!)).toEqual(before);
      expect((await world.visitor(ATTACKER.ipv4).visit(PORTAL)).status).toBe(403);
    },
  );

  describe('provisioning', () => {
    beforeAll(async () => {
      const session = { 'User-Name': 'neighbour', 'Acct-Session-Id': 'S1', 'NAS-IP-Address': '127.0.0.1' };
      expect(await world.account('Start', { ...session, 'Framed-IP-Address': RADIUS_LEASED.ipv4 })).toBe(true);
      for (const address of [ATTACKER.ipv4, `${ATTACKER.ipv6}/128`])
        expect((await lease({ event: 'start', address, subscriber: 'victim' }, 'provisioning')).body.result).toBe(
          'taken',
        );
    });

    it('writes leases inside its networks alone', async () => {
      for (const address of [OUTSIDE, '126.0.0.0/7', '0.0.0.0/0', '::/0', '2001:db9::1', '::ffff:0:0/96']) {
        const { status, body } = await lease({ event: 'start', address, subscriber: 'victim' }, 'provisioning');
        expect([address, status]).not.toEqual([address, 200]);
        expect([address, body.error?.code ?? '']).toEqual([
          address,
          expect.stringMatching(/^SEKISHO_(LEASE_REFUSED|REQUEST_INVALID)$/),
        ]);
      }
    });

    describe.each([STEADY, RELOAD, WORKER_RESTART, KILL_9])('$name', ({ come }) => {
      beforeAll(() => come(world));

      it.each(TRANSPORTS)('may begin an inspection by it, over $name', async (transport) => {
        expect(await world.look(ATTACKER, transport)).toEqual(INSPECTED);
      });

      it('makes the portal recognise nobody by it', async () => {
        for (const path of ['/', '/?lang=en']) {
          const page = await world.visitor(ATTACKER.ipv4).visit({ ...PORTAL, path });
          expect(page.status).toBe(403);
          expect(page.text).not.toContain('victim');
        }
        // While ranges and RADIUS still tell who somebody is.
        expect((await world.visitor(VICTIM.ipv4).visit(PORTAL)).text).toContain('<strong>victim</strong>');
        expect((await world.visitor(RADIUS_LEASED.ipv4).visit(PORTAL)).text).toContain('<strong>neighbour</strong>');
      });

      it('cannot use a page that the victim opened', async () => {
        const own = world.visitor(VICTIM.ipv4);
        const form = formOf((await own.visit(PORTAL)).text, 'opt-out');
        const stranger = world.visitor(ATTACKER.ipv4);
        for (const [name, value] of own.cookies) stranger.cookies.set(name, value);
        expect((await stranger.visit({ ...PORTAL, path: '/consent', form })).status).toBe(403);
        expect(await world.look(VICTIM, TRANSPORTS[0]!)).toEqual(INSPECTED);
      });
    });

    it('takes no line away from whom another lease or range names, but makes it nobody’s', async () => {
      await lease({ event: 'start', address: VICTIM.ipv4, subscriber: 'attacker' }, 'provisioning');
      const page = await world.visitor(VICTIM.ipv4).visit(PORTAL);
      expect([page.status, page.text.includes('attacker')]).toEqual([403, false]);
      await lease({ event: 'stop', address: VICTIM.ipv4, subscriber: 'attacker' }, 'provisioning');
      expect(await world.look(VICTIM, TRANSPORTS[0]!)).toEqual(NOT_INSPECTED);
    });

    it('becomes a subscriber only where the operator allows it', async () => {
      world.replace(
        world.server.configFile,
        world.server.config.replace(
          `terms: `,
          'provisioning: { portal: true, prefixes: ["127.70.0.0/16"] }\n  terms: ',
        ),
      );
      await world.reload();
      expect((await world.visitor(ATTACKER.ipv4).visit(PORTAL)).text).toContain('<strong>victim</strong>');
      const outside = await lease({ event: 'start', address: '127.0.0.9', subscriber: 'victim' }, 'provisioning');
      expect([outside.status, outside.body.error?.code]).toEqual([422, 'SEKISHO_LEASE_REFUSED']);
      world.replace(world.server.configFile, world.server.config);
      await world.reload();
      expect((await world.visitor(ATTACKER.ipv4).visit(PORTAL)).status).toBe(403);
    });
  });
});
