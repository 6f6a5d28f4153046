/** Three nodes and one PostgreSQL: rules, lists and the portal are the same on all of them (docs/fleet.md). */
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { DeskRulesView } from '../../src/rules/rule-view.ts';
import { askUdp } from '../support/dns-client.ts';
import { clientsOf, RealNode } from '../support/fleet/real-fleet.ts';
import { stoppedAfterwards, waitFor } from '../support/observe.ts';
import { type Postgres, postgresMissing, startPostgres } from '../support/postgres.ts';
import { temporaryFolder } from '../support/process.ts';
import { honest, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { Visitor } from '../support/visitor.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 240_000 });
const keep = stoppedAfterwards();
const PORTAL = 'optout.isp.example';
const SECRET = 'a secret of the member site, 32+ characters';
const DISCARD = '192.0.2.99';
const ADD = [
  ...['--ground', 'self-defence', '--effect', 'floods the resolvers', '--evidence', 'ticket 4711'],
  ...['--approver', 'shift lead', '--expires', '2h'],
];

describe.skipIf(postgresMissing() !== undefined)('a fleet of three nodes', () => {
  let postgres: Postgres;
  let database: string;
  let nodes: RealNode[];
  let feed: string;
  const clients = clientsOf(4);
  const NAMES = ['tokyo-1', 'osaka-1', 'nagoya-1'];

  beforeAll(async () => {
    postgres = keep(await startPostgres());
    database = postgres.createDatabase();
    const upstream = keep(await startScriptedUpstream(honest()));
    const folder = temporaryFolder('fleet-shared');
    feed = join(folder, 'c2.txt');
    writeFileSync(feed, 'c2.example\n');
    writeFileSync(join(folder, 'link.secret'), `${SECRET}\n`);
    const config = {
      lists: [
        {
          name: 'feed',
          category: 'c2',
          tier: 'confirmed',
          format: 'domains',
          file: feed,
          guard: { 'max-growth': 5 },
        },
      ],
      plugins: { access: {}, 'c2-block': {}, sinkhole: { ipv4: DISCARD } },
      notice: {
        operator: { name: 'ISP', contact: 'mailto:help@isp.example' },
        portal: {
          url: `http://${PORTAL}/`,
          link: { 'secret-file': join(folder, 'link.secret'), issuer: 'https://member.isp.example' },
        },
      },
    };
    nodes = await Promise.all(
      NAMES.map(async (name) =>
        keep(
          await RealNode.start({
            ...{ name, postgres, database, upstreamPort: upstream.port, clients, config },
            fleet: { lists: { canary: 'tokyo-1', watch: '3s' } },
          }),
        ),
      ),
    );
    await nodes[0]!.init();
    for (const node of nodes) await node.inspects(1, 60_000);
  });

  const answer = async (node: RealNode, name: string): Promise<string> => {
    const reply = await askUdp({ name, udpSize: 1232 }, { port: node.server.port, from: clients[0]! });
    if (reply.extendedErrors.includes(15)) return 'blocked';
    return String((reply.answers[0] as { data?: unknown } | undefined)?.data ?? 'none');
  };
  const onAll = (what: string, name: string, wanted: (text: string) => boolean) =>
    waitFor(what, async () => (await Promise.all(nodes.map((node) => answer(node, name)))).every(wanted), 60_000);

  it('acts on every node by one command on any of them, and ends there by another', async () => {
    const [tokyo, osaka, nagoya] = nodes as [RealNode, RealNode, RealNode];
    const added = await osaka.cli('sinkhole', 'add', 'victim.example', ...ADD);
    expect([added.code, added.stderr]).toEqual([0, '']);
    await onAll('the rule to act everywhere', 'victim.example', (text) => text === DISCARD);
    const seen = await waitFor('each node to say so', async () => {
      const { body } = await tokyo.json<DeskRulesView>('GET', '/v1/rules?reason=to+see+what+runs');
      return body.rules[0]?.nodes?.length === 3 && body.rules[0];
    });
    expect(seen.nodes?.map(({ node, state }) => [node, state])).toEqual(
      [...NAMES].sort().map((name) => [name, 'in-force']),
    );
    expect((await nagoya.cli('rules')).stdout).toMatch(/m1 on 3 nodes: nagoya-1 in-force, \d+ matched; /);
    await postgres.kill();
    // What is in force stays, also over a restart; nothing new comes from one node alone.
    const refused = await tokyo.cli('sinkhole', 'add', 'other.example', ...ADD);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('SEKISHO_ENGINE_UNREACHABLE')]);
    await nagoya.kill();
    await nagoya.startAgain();
    await onAll('the rule to act still', 'victim.example', (text) => text === DISCARD);
    await postgres.start();
    for (const node of nodes) await node.inspects();
    const lifted = await nagoya.cli('rules', 'lift', 'm1', '--reason', 'attack over, ticket 4711');
    expect([lifted.code, lifted.stderr]).toEqual([0, '']);
    await onAll('the rule to end everywhere', 'victim.example', (text) => text !== DISCARD);
    const { stdout } = await tokyo.cli('rules', 'changes');
    expect(stdout).toMatch(/lift[\s\S]*add/);
  });

  it('serves whoever comes to any portal, and takes a link once', async () => {
    const [tokyo, osaka, nagoya] = nodes as [RealNode, RealNode, RealNode];
    const token = await new SignJWT({ sub: 's2', jti: randomUUID() })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer('https://member.isp.example')
      .setAudience('sekisho-portal')
      .setIssuedAt()
      .setExpirationTime('1m')
      .sign(Buffer.from(SECRET));
    const at = (node: RealNode, cookies?: Visitor) => {
      const visitor = new Visitor('127.0.0.77', node.server.noticePort);
      for (const [name, value] of cookies?.cookies ?? []) visitor.cookies.set(name, value);
      return visitor;
    };
    const follow = (visitor: Visitor) =>
      visitor.visit({ host: PORTAL, path: `/link?token=${encodeURIComponent(token)}` });
    const first = at(tokyo);
    const taken = await follow(first);
    expect(taken.status).toBe(303);
    expect((await follow(at(osaka))).status).toBe(403);
    const second = at(osaka, first);
    const page = await second.visit({ host: PORTAL });
    expect([page.status, page.text]).toEqual([200, expect.stringContaining('会員サイトから確認しました')]);
    const field = (name: string) => new RegExp(`name="${name}" value="([^"]+)"`).exec(page.text)?.[1] ?? '';
    // The form of one node, sent to another.
    const third = at(nagoya, second);
    const sent = await third.visit({
      ...{ host: PORTAL, path: '/consent', headers: { origin: `http://${PORTAL}` } },
      form: { form: field('form'), purpose: field('purpose') || 'c2', action: 'opt-out' },
    });
    expect(sent.status).toBe(303);
    for (const node of nodes) expect(await node.seen(2)).toBe('truth');
    await third.visit({ host: PORTAL, path: '/leave', form: {} });
    expect((await second.visit({ host: PORTAL })).text).not.toContain('会員サイトから確認しました');
  });

  it('gives a new version of a list to the canary, then to the rest, and takes it back everywhere', async () => {
    const [tokyo, osaka] = nodes as [RealNode, RealNode];
    writeFileSync(feed, 'c2.example\nnew.example\n');
    await Promise.all(nodes.map((node) => node.cli('lists', 'reload', 'feed')));
    await waitFor('the canary to have it', async () => (await answer(tokyo, 'new.example')) === 'blocked');
    const status = await osaka.cli('lists', 'status', '--json');
    if ((await answer(osaka, 'new.example')) !== 'blocked') expect(status.stdout).toMatch(/canary, node tokyo-1/);
    await onAll('the rest to have it', 'new.example', (text) => text === 'blocked');
    const back = await osaka.cli(
      'lists',
      'rollback',
      'feed',
      '--approver',
      'lead',
      '--reason',
      'hits a bank, ticket 9',
    );
    expect([back.code, back.stderr]).toEqual([0, '']);
    await onAll('all to go back', 'new.example', (text) => text !== 'blocked');
    for (const node of nodes) expect(await answer(node, 'c2.example')).toBe('blocked');
  });

  it('notes the end of each audit log in PostgreSQL, and makes one report', async () => {
    expect(
      postgres.sql(
        "SELECT string_agg(node, ' ' ORDER BY node) FROM sekisho.chain_head WHERE chain = 'audit'",
        database,
      ),
    ).toBe([...NAMES].sort().join(' '));
    const day = new Date().toISOString().slice(0, 10);
    const report = await nodes[2]!.cli('report', '--from', day, '--to', day, '--format', 'json');
    expect([report.code, report.stderr]).toEqual([0, '']);
  });
});
