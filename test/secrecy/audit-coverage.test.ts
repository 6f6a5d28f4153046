/**
 * The audit log misses nothing: every route and every command either leaves an entry, and it is seen to appear on the running
 * server, or says why it leaves none, and then it shows nothing of anybody. A route or a command that is added without either
 * fails here, and a route does not even let the server start.
 */
import { createSocket } from 'node:dgram';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { DiagnosisReport } from '../../plugins/query-history/report-shapes.ts';
import type { Role } from '../../src/audit/roles.ts';
import { allCommands } from '../../src/cli/commands.ts';
import { queryBytes } from '../support/dns-client.ts';
import { stoppedAfterwards, waitFor } from '../support/observe.ts';
import { repositoryRoot } from '../support/root.ts';
import { formOf } from '../support/visitor.ts';
import { ALL_PLUGINS, type Operation, operationsOf } from './all-routes.ts';
import { type Entry, entriesAfter, lastSequence, whileUnwritable } from './audit-entries.ts';
import { cannotRun, home, INSPECTED, NOT_INSPECTED, TRANSPORTS } from './clients.ts';
import { PORTAL_HOST, startWorld, type World } from './world.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 180_000 });
const keep = stoppedAfterwards();

const PURPOSE = 'ticket 4711, the customer asked';
const WHY = encodeURIComponent(PURPOSE);
const SOMEBODY = home(1);
const SUBSCRIBER = 'S-4701';
const LEASED = home(5);
const LISTED = 'c2.example';
const FLOODED = 'victim.example';
const SECRETS = ['s3cret-of-the-feed', 'p4ssword'];
const UDP = TRANSPORTS[0]!;
const GROUND = {
  kind: 'self-defence',
  effect: 'floods the resolvers of this network',
  evidence: 'ticket 4711, flood from 198.51.100.77',
  approver: 'shift lead',
  expires: '1h',
};

const STATED = {
  kind: 'legitimate-business',
  purpose: 'to help infected customers',
  necessity: 'only the name tells which device',
  proportionality: 'names of the list alone, a week',
  approver: 'privacy officer',
  review: new Date(Date.now() + 90 * 86_400_000).toISOString().slice(0, 10),
};

/** How an operation is carried out so that it succeeds, and what it leaves. */
interface Exercise {
  readonly path?: string;
  readonly body?: () => object | undefined;
  /** Actions of the entries that appear, in their order. */
  readonly leaves: readonly string[];
  /** Without a purpose it is refused. */
  readonly needsPurpose?: boolean;
  readonly role?: Role;
  readonly status?: number;
  /** It leaves its entry only where something is damaged: the test that damages it. */
  readonly shownBy?: string;
  /** Carried out before, without being looked at. */
  readonly before?: () => Promise<unknown>;
}

let world: World;
let diagnosis: DiagnosisReport | undefined;
const one = `/v1/consent/subscribers/${SUBSCRIBER}`;
const call = (method: string, path: string, body?: object, role?: Role) =>
  world.json<{ error?: { code: string } }>(method, path, body, role);
const listFile = () => join(world.folder, 'feed.txt');
/** A version that the guard refuses: it would lose more than it keeps. */
const refusedVersion = () => world.replace(listFile(), '*.com\n');

/** The last hour that is over, as an import brings it. */
const pastHour = () => ({
  hour: new Date(Math.floor(Date.now() / 3_600_000 - 30) * 3_600_000).toISOString(),
  queries: 1000,
});

const EXERCISES: Readonly<Record<string, Exercise>> = {
  'GET /v1/explain': {
    path: `/v1/explain?name=${LISTED}&client=${SOMEBODY.ipv4}`,
    leaves: ['subscriber.explain'],
    needsPurpose: true,
  },
  'POST /v1/reload': {
    body: () => ({ reason: PURPOSE }),
    leaves: ['configuration.reload', 'configuration.change', 'configuration.reload.succeeded'],
  },
  'POST /reload': {
    leaves: ['configuration.reload', 'configuration.change', 'configuration.reload.succeeded'],
  },
  'POST /v1/lists/{name}/reload': {
    path: '/v1/lists/feed/reload',
    body: () => ({ again: true, reason: PURPOSE }),
    leaves: ['list.reload', 'list.update', 'list.reload.succeeded'],
    before: async () => world.replace(listFile(), 'c2.example\n*.bots.example\nmore.example\n'),
  },
  'POST /v1/lists/{name}/override': {
    path: '/v1/lists/feed/override',
    body: () => ({ approver: 'K. Sato', reason: PURPOSE }),
    leaves: ['list.override', 'list.override.refused'],
    status: 409,
  },
  'POST /v1/lists/{name}/rollback': {
    path: '/v1/lists/feed/rollback',
    body: () => ({ approver: 'K. Sato', reason: PURPOSE }),
    leaves: ['list.rollback', 'list.rollback.succeeded'],
  },
  'GET /v1/consent/subscribers/{subscriber}': { path: one, leaves: ['consent.show'], needsPurpose: true },
  'GET /v1/consent/subscribers/{subscriber}/export': {
    path: `${one}/export`,
    leaves: ['consent.export'],
    needsPurpose: true,
  },
  'POST /v1/consent/subscribers/{subscriber}/{action}': {
    path: `${one}/opt-out`,
    body: () => ({ reason: PURPOSE }),
    leaves: ['consent.opt-out'],
  },
  'POST /v1/consent/import/{id}': {
    path: '/v1/consent/import/i1',
    body: () => ({ from: 0, rows: [['S-9001', 'c2', 'opt-in']], reason: PURPOSE }),
    leaves: ['consent.import'],
  },
  'POST /v1/consent/ledger/accept-damage': {
    body: () => ({ reason: PURPOSE }),
    leaves: [],
    status: 409,
    shownBy: 'ledger.test.ts',
  },
  'POST /v1/audit/acknowledge': {
    body: () => ({ reason: PURPOSE }),
    leaves: [],
    status: 409,
    shownBy: 'audit-tampering.test.ts',
  },
  'POST /v1/time/accept': { body: () => ({ reason: PURPOSE }), leaves: ['time.accept'] },
  'POST /v1/fleet/init': {
    body: () => ({ reason: PURPOSE }),
    leaves: [],
    status: 409,
    shownBy: '../end-to-end/fleet.test.ts',
  },
  'POST /v1/fleet/nodes/{node}/forget': {
    path: '/v1/fleet/nodes/osaka-1/forget',
    body: () => ({ reason: PURPOSE }),
    leaves: [],
    status: 409,
    shownBy: '../end-to-end/fleet.test.ts',
  },
  'POST /v1/cache/flush': { body: () => ({ name: 'www.example', reason: PURPOSE }), leaves: ['cache.flush'] },
  'POST /v1/leases': {
    body: () => ({ event: 'start', address: LEASED.ipv4, subscriber: 'S-4705', reason: PURPOSE }),
    leaves: ['lease.start'],
  },
  'GET /v1/report': { path: '/v1/report?from=2026-01-01&to=2026-01-02', leaves: ['report.read'] },
  'POST /v1/share/statistics': {
    body: () => ({ to: 'ISP B', expires: '7d', from: '2026-01-01', until: '2026-01-02', reason: PURPOSE }),
    leaves: ['share.statistics'],
  },
  'POST /v1/share/indicators': {
    body: () => ({ to: 'ISP B', expires: '7d', list: 'feed', reason: PURPOSE }),
    leaves: ['share.indicators'],
  },
  'POST /v1/backup': { body: () => ({ to: '/nowhere', reason: PURPOSE }), leaves: ['backup.create'] },
  'POST /v1/terminals/reports': {
    body: () => ({
      source: 'sinkhole',
      reason: PURPOSE,
      rows: [{ row: 1, address: LEASED.ipv4, time: new Date().toISOString(), kind: 'mirai' }],
    }),
    leaves: ['terminals.import', 'terminals.import.succeeded'],
  },
  'GET /v1/terminals/cases': { leaves: ['terminals.read'], needsPurpose: true },
  'POST /v1/terminals/export': { body: () => ({ reason: PURPOSE }), leaves: ['terminals.export'] },
  'POST /v1/terminals/cases/{code}': {
    path: '/v1/terminals/cases/2345-6789-ABCD',
    body: () => ({ state: 'fixed', reason: PURPOSE }),
    leaves: ['terminals.mark'],
    status: 404,
  },
  'POST /v1/terminals/check': { body: () => ({ code: '2345-6789-ABCD' }), leaves: ['terminals.check'], role: 'portal' },
  'POST /v1/sinkhole/rules': {
    body: () => ({ name: 'www.victim.example', ground: GROUND }),
    leaves: ['sinkhole.add'],
  },
  'POST /v1/sinkhole/rules/{name}/renew': {
    path: '/v1/sinkhole/rules/www.victim.example/renew',
    body: () => ({ evidence: 'graph of 14:10, still 9 kq/s', approver: 'shift lead', expires: '2h' }),
    leaves: ['sinkhole.renew'],
  },
  'GET /v1/sinkhole/changes': { leaves: ['sinkhole.read'], needsPurpose: true },
  'POST /v1/sinkhole/preview': {
    body: () => ({ name: 'www.victim.example', ground: GROUND }),
    leaves: ['sinkhole.read'],
  },
  'GET /v1/sinkhole/rules': {
    leaves: ['sinkhole.read'],
    needsPurpose: true,
    before: () => call('POST', '/v1/sinkhole/rules', { name: 'ftp.victim.example', ground: GROUND }),
  },
  'DELETE /v1/sinkhole/rules/{name}': {
    path: '/v1/sinkhole/rules/www.victim.example',
    body: () => ({ reason: PURPOSE }),
    leaves: ['sinkhole.remove'],
  },
  'POST /v1/query-history/overload': { body: () => ({ reason: PURPOSE }), leaves: ['overload.declare'] },
  'POST /v1/query-history/read': { body: () => ({ windowSeconds: 120 }), leaves: ['history.read'] },
  'POST /v1/query-history/diagnose': { body: () => ({ windowSeconds: 120 }), leaves: ['history.diagnose'] },
  'POST /v1/query-history/imports': {
    body: () => ({ source: PURPOSE, import: 'i00000001', hours: [pastHour()] }),
    leaves: ['history.import'],
  },
  'DELETE /v1/query-history/imports/{id}': {
    path: '/v1/query-history/imports/i00000001',
    body: () => ({ reason: PURPOSE }),
    leaves: ['history.forget-import'],
  },
  'POST /v1/query-history/preview': {
    body: () => ({ diagnosis: diagnosis?.id, proposal: 1, ground: { kind: GROUND.kind } }),
    leaves: ['measure.preview'],
  },
  'POST /v1/query-history/apply': {
    body: () => {
      const { expires, kind, approver } = GROUND;
      return { diagnosis: diagnosis?.id, proposal: 1, ground: { expires, kind, approver }, 'dry-run': true };
    },
    leaves: ['measure.apply'],
  },
  'GET /v1/measures': { path: '/v1/measures', leaves: ['measure.read'] },
  'POST /v1/measures/{id}/renew': {
    path: '/v1/measures/m3/renew',
    body: () => ({ evidence: 'graph of 15:10, still 9 kq/s', approver: 'shift lead', expires: '2h' }),
    leaves: ['measure.renew'],
  },
  'GET /v1/rules': { path: '/v1/rules', leaves: ['rule.read'] },
  'GET /v1/rules/changes': { leaves: ['rule.read'] },
  'POST /v1/rules/{id}/renew': {
    path: '/v1/rules/m2/renew',
    body: () => ({ evidence: 'graph of 16:10, still 9 kq/s', approver: 'shift lead', expires: '2h' }),
    leaves: ['rule.renew'],
  },
  'DELETE /v1/rules/{id}': { path: '/v1/rules/m2', body: () => ({ reason: PURPOSE }), leaves: ['rule.lift'] },
  'GET /v1/measures/changes': { leaves: ['measure.read'] },
  'DELETE /v1/measures/{id}': {
    path: '/v1/measures/m3',
    body: () => ({ reason: PURPOSE }),
    leaves: ['measure.lift'],
  },
  'DELETE /v1/query-history/overload': { leaves: ['overload.close'] },
  'POST /v1/dnssec/exceptions': { body: () => ({ zone: 'broken.example', ground: GROUND }), leaves: ['dnssec.except'] },
  'POST /console/session': {
    body: () => ({ token: 'token-of-operator' }),
    leaves: ['console.login'],
    role: 'operator',
  },
  // Without a session there is nothing to end.
  'DELETE /console/session': { path: '/console/session', leaves: [], role: 'operator', shownBy: 'roles.test.ts' },
  'GET /v1/amp-shaper/networks': { leaves: ['amp-shaper.networks'], needsPurpose: true },
  'GET /v1/random-subdomain/zones': { leaves: ['random-subdomain.zones'], needsPurpose: true },
};

/** The same request, with a purpose where it is read from the query. */
const withPurpose = (path: string) => `${path}${path.includes('?') ? '&' : '?'}reason=${WHY}`;

/** What `work` left in the audit log. */
async function left(work: () => Promise<unknown>): Promise<Entry[]> {
  const before = lastSequence(world.dataFolder);
  await work();
  return entriesAfter(world.dataFolder, before);
}

/** 600 names that exist, of a zone, from twenty clients: enough for a diagnosis with a proposal. */
async function flood(): Promise<void> {
  for (let client = 0; client < 20; client++) {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, `127.70.9.${client + 1}`, resolve));
    for (let i = 0; i < 30; i++)
      socket.send(
        queryBytes({ name: `n${((client * 30 + i) * 2654435761).toString(36)}.${FLOODED}` }),
        world.port,
        '127.0.0.1',
      );
    await new Promise((resolve) => setTimeout(resolve, 30));
    socket.close();
  }
}

describe.skipIf(cannotRun)('the audit log', () => {
  let operations: Operation[];
  beforeAll(async () => {
    world = keep(
      await startWorld({
        workers: 1,
        ranges: `${SOMEBODY.ipv4},${SUBSCRIBER}\n${SOMEBODY.ipv6},${SUBSCRIBER}\n`,
        plugins: ALL_PLUGINS,
        // Everything is asked as ever; only that there is something to except.
        config: { dnssec: { insecure: ['.'] }, terminals: { 'lease-history': { ground: STATED } } },
      }),
    );
    operations = await operationsOf(world);
    expect(await world.look(SOMEBODY, UDP)).toEqual(INSPECTED);
    await flood();
    diagnosis = await waitFor(
      'a diagnosis with a proposal',
      async () => {
        const asked = { reason: PURPOSE, windowSeconds: 120 };
        const { status, body } = await world.json<DiagnosisReport>('POST', '/v1/query-history/diagnose', asked);
        return status === 200 && body.proposals.length > 0 && body;
      },
      90_000,
    );
    await call('DELETE', '/v1/query-history/overload');
  });

  it('is promised an entry by each route of the running server, or told why there is none', () => {
    expect(operations.length).toBeGreaterThan(35);
    for (const { operation, audit, noAudit } of operations) {
      expect([operation, (audit === undefined) !== (noAudit === undefined)]).toEqual([operation, true]);
      expect([operation, (noAudit ?? audit?.actions.join() ?? '').length]).not.toEqual([operation, 0]);
    }
    // Each that promises one is carried out below; what is carried out is there.
    const promised = operations.filter(({ audit }) => audit !== undefined).map(({ operation }) => operation);
    expect(promised.sort()).toEqual(Object.keys(EXERCISES).sort());
  });

  it('gets an entry of each route that promises one, with who and what for, in the order of the table', async () => {
    const seen: string[] = [];
    for (const [operation, exercise] of Object.entries(EXERCISES)) {
      const { method, path: described, audit, roles } = operations.find((each) => each.operation === operation)!;
      const { path = described, leaves, needsPurpose = false, status = 200 } = exercise;
      await exercise.before?.();
      const role = exercise.role ?? roles.find((each): each is Role => each !== 'anyone')!;
      if (needsPurpose) {
        const nothing = await left(async () => {
          for (const unstated of [path, `${path}${path.includes('?') ? '&' : '?'}reason=%20`]) {
            const { status: refused, body } = await call(method, unstated, undefined, role);
            expect([unstated, refused, body]).toEqual([
              unstated,
              400,
              {
                error: {
                  code: 'SEKISHO_PURPOSE_MISSING',
                  message: expect.stringContaining('reason'),
                  remedy: expect.stringContaining('--reason TEXT'),
                },
              },
            ]);
          }
        });
        expect([operation, nothing]).toEqual([operation, []]);
      }
      const takesReason =
        needsPurpose || ['measure.read', 'rule.read'].includes(leaves[0] ?? '') || operation.endsWith('/preview');
      const entries = await left(async () => {
        const answer = await call(method, takesReason ? withPurpose(path) : path, exercise.body?.(), role);
        expect([operation, answer.status, answer.body.error]).toEqual([
          operation,
          status,
          status === 200 ? undefined : expect.anything(),
        ]);
      });
      // A list in a file may be read a second time, because the file was watched as well.
      const own = entries
        .filter(({ who }) => who === `a-${role}` || leaves.includes('list.update'))
        .filter(({ action }, i, all) => action !== 'list.update' || all[i - 1]?.action !== action);
      expect([operation, own.map(({ action }) => action)]).toEqual([operation, leaves]);
      if (exercise.shownBy === undefined)
        expect([operation, audit?.actions]).toEqual([operation, expect.arrayContaining([leaves[0]])]);
      else
        expect(readFileSync(join(repositoryRoot(), 'test', 'secrecy', exercise.shownBy), 'utf8').includes(path)).toBe(
          true,
        );
      for (const entry of own) expect([operation, entry.purpose.length]).not.toEqual([operation, 0]);
      if (own.length > 0 && (takesReason || JSON.stringify(exercise.body?.() ?? {}).includes(PURPOSE)))
        expect([operation, own[0]?.purpose, own[0]?.role]).toEqual([operation, PURPOSE, role]);
      seen.push(...own.map(({ action }) => action));
    }
    expect(seen.length).toBeGreaterThan(30);
    // What is written for good holds neither who had which address when, nor a number beside it.
    const lease = entriesAfter(world.dataFolder, 0).find(({ action }) => action === 'lease.start');
    expect(lease?.detail).toEqual({ address: `${LEASED.ipv4}/32` });
    const explained = entriesAfter(world.dataFolder, 0).find(({ action }) => action === 'subscriber.explain');
    expect(explained?.detail).toMatchObject({ client: SOMEBODY.ipv4, name: LISTED });
  });

  it('gets none of the others, which show nothing of anybody', async () => {
    for (const { operation, method, example, noAudit, roles } of operations) {
      if (noAudit === undefined) continue;
      const query = operation.endsWith('/ip53b') ? '?format=nftables' : '';
      let text = '';
      const entries = await left(async () => {
        const path = operation.endsWith('/held') ? '/v1/lists/feed/held' : example;
        const answer = await fetch(`http://127.0.0.1:${world.server.adminPort}${path}${query}`, {
          method,
          headers: { authorization: `Bearer token-of-${roles.includes('privacy') ? 'privacy' : roles[0]}` },
        });
        // The guard holds nothing back here, and the server stands alone.
        const none = operation.endsWith('/held') || operation === 'GET /v1/fleet';
        expect([operation, answer.status]).toEqual([operation, none ? 409 : 200]);
        text = await answer.text();
      });
      expect([operation, entries]).toEqual([operation, []]);
      for (const personal of [SOMEBODY.ipv4, LEASED.ipv4, SUBSCRIBER, 'S-4705', LISTED, FLOODED])
        expect([operation, personal, text.includes(personal)]).toEqual([operation, personal, false]);
    }
  });

  it('is told by each command, verb by verb, what it leaves or why nothing', async () => {
    for (const { name, verbs: declared } of await allCommands()) {
      const verbs = Object.entries(declared);
      expect([name, verbs.length]).not.toEqual([name, 0]);
      for (const [verb, { trace }] of verbs)
        if ('none' in trace) expect([name, verb, trace.none.length > 11]).toEqual([name, verb, true]);
        else expect([name, verb, trace.length]).not.toEqual([name, verb, 0]);
      // Verbs that the command itself knows of are those of the table, no more and no less.
      const named = verbs.map(([verb]) => verb).filter((verb) => verb !== '');
      if (named.length === 0 || verbs.length === 1) continue;
      const { stderr } = await world.cli(name, 'no-such-verb', 'x');
      const known = /takes ([^\n']*?)(?:, not |\n|$)/.exec(stderr)?.[1]?.split(/, | and /) ?? [];
      expect([name, known.sort()]).toEqual([name, named.sort()]);
    }
  });

  it.each([
    [['explain', LISTED, 'A', '--client', SOMEBODY.ipv4], 'subscriber.explain', /sekisho explain/],
    [['explain', LISTED, '--client', SOMEBODY.ipv4, '--reason', PURPOSE], 'subscriber.explain', PURPOSE],
    [['sinkhole', 'list'], 'sinkhole.read', /sekisho sinkhole list/],
    [['sinkhole', 'changes', '--reason', PURPOSE], 'sinkhole.read', PURPOSE],
    [['measures'], 'measure.read', /sekisho measures list/],
    [['rules'], 'rule.read', /sekisho rules list/],
    [['consent', 'show', SUBSCRIBER, '--reason', PURPOSE], 'consent.show', PURPOSE],
    [['consent', 'export', SUBSCRIBER, '--reason', PURPOSE], 'consent.export', PURPOSE],
    [['consent', 'opt-in', SUBSCRIBER, '--reason', PURPOSE], 'consent.opt-in', PURPOSE],
    [['consent', 'opt-out', SUBSCRIBER], 'consent.opt-out', /the subscriber asked for it/],
    [['history', '--reason', PURPOSE, '--window', '15m'], 'history.read', PURPOSE],
    [['diagnose', '--window', '15m'], 'history.diagnose', PURPOSE],
    [['lists', 'reload', 'feed'], 'list.reload', /newest version/],
    [['report', '--from', '2026-01-01', '--to', '2026-01-02'], 'report.read', /transparency report/],
  ] as const)('gets an entry of `sekisho %j`', async (words, action, purpose) => {
    let ran: { code: number | string; stderr: string } | undefined;
    const entries = await left(async () => {
      ran = await world.cli(...words);
    });
    expect([ran?.code, ran?.stderr]).toEqual([0, '']);
    const entry = entries.find((each) => each.action === action);
    expect(entry).toMatchObject({ who: 'admin' });
    expect(entry?.purpose).toMatch(purpose);
  });

  it.each([['show'], ['export']])(
    'gets none of `sekisho consent %s` without a reason, which is refused and says which flag',
    async (verb) => {
      const entries = await left(async () => {
        const { code, stdout, stderr } = await world.cli('consent', verb, SUBSCRIBER);
        expect([code, stdout]).toEqual([2, '']);
        expect(stderr).toContain('--reason TEXT');
      });
      expect(entries).toEqual([]);
    },
  );

  describe('of a list', () => {
    it('says how it went: refused, overridden, failed, and by itself', async () => {
      const names = Array.from({ length: 50 }, (_, i) => `n${i}.listed.example`);
      world.replace(listFile(), `c2.example\n*.bots.example\n${names.join('\n')}\n`);
      await call('POST', '/v1/lists/feed/reload', { again: true });
      refusedVersion();
      const refused = await left(async () => {
        expect((await call('POST', '/v1/lists/feed/reload', { again: true })).status).toBe(422);
      });
      // The file is watched, too: whoever comes first finds what the guard refuses.
      expect(refused.map(({ action }) => action)).toEqual(['list.reload', 'list.reload.refused']);
      expect(refused.at(-1)?.detail).toMatchObject({ list: 'feed', code: 'SEKISHO_LIST_REFUSED' });

      world.replace(listFile(), `c2.example\n*.bots.example\n${names.join('\n')}\nby-itself.example\n`);
      const byItself = await left(() =>
        waitFor(
          'the file is taken',
          async () => {
            const { body } = await world.json<{ lists: { name: string; current: { names: number } }[] }>(
              'GET',
              '/v1/lists',
            );
            return body.lists.find(({ name }) => name === 'feed')?.current.names === 53;
          },
          30_000,
        ),
      );
      expect(byItself).toMatchObject([
        {
          who: 'server',
          action: 'list.update',
          detail: { list: 'feed', names: 53, to: expect.stringMatching(/^[0-9a-f]{64}$/) },
        },
      ]);

      rmSync(listFile());
      const failed = await left(async () => {
        expect((await call('POST', '/v1/lists/feed/reload', { again: true })).status).toBe(502);
      });
      expect(failed.map(({ action }) => action)).toEqual(['list.reload', 'list.reload.failed']);
      const unknown = await left(() => call('POST', '/v1/lists/nothing/rollback', { approver: 'x', reason: PURPOSE }));
      expect(unknown).toEqual([]);
      world.replace(listFile(), `c2.example\n*.bots.example\n`);
    });
  });

  describe('of a configuration', () => {
    const edited = (edit: (text: string) => string) =>
      world.replace(world.server.configFile, edit(world.server.config));

    it('says what a reload changed, and no secret', async () => {
      writeFileSync(join(world.folder, 'cookie.secrets'), `${'0123456789abcdef'.repeat(2)}\n`);
      edited((text) =>
        text
          .replace('terms: 2026-04', 'terms: 2027-01\n  covers: [c2, malware-warning]\n  unfiltered: ["[::1]:PORT"]')
          .replace('PORT', String(world.port))
          .replace('tier: suspected', 'tier: confirmed')
          .replace('c2-block: {}', `c2-block: { record-names: { ground: ${JSON.stringify(STATED)} } }`)
          .replace('- 2001:db8::/32', '- 2001:db8::/40')
          .replace('cache:', `transfer: {}\ncache:`)
          .replace(
            'lists:',
            `lists:\n  - { name: paid, category: c2, tier: suspected, format: domains, url: "http://user:${SECRETS[1]}@127.0.0.1:1/feed?key=${SECRETS[0]}" }`,
          ),
      );
      const entries = await left(async () => {
        const { status, body } = await world.json<{ ok: boolean; problems: string[] }>(
          'POST',
          '/reload',
          undefined,
          'operator',
        );
        expect([status, body]).toEqual([200, { ok: true, problems: [] }]);
      });
      const own = entries.filter(({ action }) => action.startsWith('configuration.'));
      expect(own.map(({ who, action }) => [who, action])).toEqual([
        ['a-operator', 'configuration.reload'],
        ['a-operator', 'configuration.change'],
        ['a-operator', 'configuration.reload.succeeded'],
      ]);
      const changed = own[1]?.detail['changed'] as { what: string; from: string | null; to: string | null }[];
      const by = new Map(changed.map((change) => [change.what, change]));
      expect(by.get('subscribers.terms.version')).toEqual({
        what: 'subscribers.terms.version',
        from: '"2026-04"',
        to: '"2027-01"',
      });
      expect(by.get('subscribers.terms.covers')?.to).toBe('["c2","malware-warning"]');
      expect(by.get('subscribers.unfiltered')?.to).toContain(`[::1]:${world.port}`);
      expect(by.get('server.access')?.to).toContain('2001:db8::/40');
      expect(by.get('lists.doubtful.tier')).toMatchObject({ from: '"suspected"', to: '"confirmed"' });
      expect(by.get('plugins.c2-block.options.record-names.ground.purpose')).toMatchObject({
        from: null,
        to: '"to help infected customers"',
      });
      expect(by.get('lists.paid.tier')).toMatchObject({ from: null, to: '"suspected"' });
      expect(by.get('lists.paid.source')?.to).toMatch(/127\.0\.0\.1:1\/feed/);
      const all = JSON.stringify(entriesAfter(world.dataFolder, 0));
      for (const secret of [...SECRETS, 'token-of', 'xyzzy5461']) expect(all).not.toContain(secret);
      // Nothing that stayed is named.
      expect(changed.map(({ what }) => what)).not.toContain('lists.feed.tier');
    });

    it('says that one was refused, by signal too', async () => {
      edited((text) => text.replace('workers: 1', 'workers: none'));
      const entries = await left(() => call('POST', '/v1/reload', { reason: PURPOSE }));
      const own = entries.filter(({ action }) => action.startsWith('configuration.'));
      expect(own.map(({ action }) => action)).toEqual(['configuration.reload', 'configuration.reload.refused']);
      expect(own[1]?.detail['problems']).toBe(1);
      const before = lastSequence(world.dataFolder);
      process.kill(world.server.pid, 'SIGHUP');
      const signalled = await waitFor('the signal’s reload', () => {
        const found = entriesAfter(world.dataFolder, before).filter(({ detail }) => detail['over'] === 'SIGHUP');
        return found.length >= 2 && found;
      });
      expect(signalled.map(({ who, action, detail }) => [who, action, detail['over']])).toEqual([
        ['server', 'configuration.reload', 'SIGHUP'],
        ['server', 'configuration.reload.refused', 'SIGHUP'],
      ]);
    });

    it('says what was changed while the server was down', async () => {
      const before = lastSequence(world.dataFolder);
      edited((text) => text.replace('terms: 2026-04', 'terms: 2028-01'));
      await world.kill9();
      const start = entriesAfter(world.dataFolder, before).find(({ action }) => action === 'configuration.start');
      expect(start).toMatchObject({ who: 'server', purpose: 'the server starts' });
      expect(start?.detail['changed']).toContainEqual({
        what: 'subscribers.terms.version',
        from: '"2027-01"',
        to: '"2028-01"',
      });
      expect(start?.detail['first']).toBeUndefined();
      edited((text) => text);
      await world.reload();
    });

    it('says that the file of ranges changed', async () => {
      const before = lastSequence(world.dataFolder);
      world.replace(world.rangesFile, `${SOMEBODY.ipv4},${SUBSCRIBER}\n${home(8).ipv4},S-4708\n`);
      const found = await waitFor(
        'the ranges',
        () => entriesAfter(world.dataFolder, before).find(({ action }) => action === 'ranges.update'),
        20_000,
      );
      expect(found.detail).toMatchObject({ rows: 2 });
    });
  });

  it('gets an entry of a change that the subscriber makes in the portal', async () => {
    const visitor = world.visitor(SOMEBODY.ipv4);
    const form = formOf((await visitor.visit({ host: PORTAL_HOST })).text, 'opt-in');
    const entries = await left(() => visitor.visit({ host: PORTAL_HOST, path: '/consent', form }));
    expect(entries).toMatchObject([
      {
        who: 'subscriber',
        action: 'consent.opt-in',
        purpose: 'recognised by the line',
        detail: { subscriber: SUBSCRIBER, channel: 'portal' },
      },
    ]);
  });

  describe('that cannot be written', () => {
    it('lets nothing happen and nothing be read, but an opt-out acts', async () => {
      expect(await world.look(SOMEBODY, UDP)).toEqual(INSPECTED);
      await whileUnwritable(world.dataFolder, async () => {
        for (const [method, path, body] of [
          ['GET', `${one}?reason=${WHY}`, undefined],
          ['GET', `/v1/explain?name=${LISTED}&client=${SOMEBODY.ipv4}&reason=${WHY}`, undefined],
          ['GET', `/v1/sinkhole/rules?reason=${WHY}`, undefined],
          ['POST', '/v1/consent/subscribers/S-4799/opt-in', { reason: PURPOSE }],
          ['POST', '/v1/leases', { event: 'start', address: home(9).ipv4, subscriber: SUBSCRIBER }],
          ['POST', '/v1/lists/feed/rollback', { approver: 'K. Sato', reason: PURPOSE }],
          ['POST', '/v1/reload', undefined],
        ] as const) {
          const { status, body: answer } = await call(method, path, body);
          expect([path, status, answer]).toEqual([
            path,
            503,
            { error: { code: 'SEKISHO_AUDIT_FAILED', message: expect.any(String), remedy: expect.any(String) } },
          ]);
        }
        expect(await world.look(home(9), UDP)).toEqual(NOT_INSPECTED);
        expect((await call('POST', `${one}/opt-out`, {})).status).toBe(200);
        expect(await world.look(SOMEBODY, UDP)).toEqual(NOT_INSPECTED);
      });
      expect(world.log()).toContain('an opt-out is in effect, but it is not in the audit log');
      const again = await call('GET', `${one}?reason=${WHY}`);
      expect([again.status, again.body.error]).toEqual([200, undefined]);
      expect(await world.look(SOMEBODY, UDP)).toEqual(NOT_INSPECTED);
    });
  });
});
