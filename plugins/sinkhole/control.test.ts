/** From the API to the reply: a rule is stated, acts, and is lifted. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type MountedBoth, mountBoth } from '../../src/testing/testing.ts';
import plugin from './index.ts';

const RULE = {
  name: 'www.victim.example',
  ground: {
    kind: 'self-defence',
    effect: 'floods resolver 2',
    evidence: 'ticket 4711',
    approver: 'shift lead',
    expires: '2h',
  },
};
let both: MountedBoth;
beforeEach(async () => {
  both = await mountBoth(plugin, { ipv4: '192.0.2.1' });
});
afterEach(() => both.close());

const answer = async () =>
  (await both.ask({ name: 'www.victim.example' })).answers.map((record) => 'data' in record && record.data);

test('a rule acts when the API has answered, and until it is lifted', async () => {
  expect(await answer()).toEqual(['192.0.2.99']);
  const added = await both.request('security', 'POST', '/v1/sinkhole/rules', RULE);
  expect(added.body).toMatchObject({ rule: { state: 'in-force' } });
  expect(added.status).toBeLessThan(300);
  expect(await answer()).toEqual(['192.0.2.1']);
  const removed = await both.request('operator', 'DELETE', '/v1/sinkhole/rules/www.victim.example', {
    reason: 'attack over',
  });
  expect(removed.status).toBeLessThan(300);
  expect(await answer()).toEqual(['192.0.2.99']);
  expect(both.audited.map(({ action, who }) => `${who} ${action}`)).toEqual([
    'security sinkhole.add',
    'operator sinkhole.remove',
  ]);
});

test('nothing acts that lacks its ground, that nobody may state, or that cannot be audited', async () => {
  const add = async (role: 'viewer' | 'security', rule: object) =>
    (await both.request(role, 'POST', '/v1/sinkhole/rules', rule)).status;
  expect(await add('viewer', RULE)).toBe(403);
  expect(await add('security', { name: RULE.name })).toBe(422);
  both.auditFails = true;
  expect(await add('security', RULE)).toBe(503);
  both.auditFails = false;
  expect(await answer()).toEqual(['192.0.2.99']);
});

test('the command line does the same, and shows what is missing', async () => {
  const add = ['sinkhole', 'add', 'www.victim.example', '--ground', 'self-defence', '--expires', '2h'];
  const refused = await both.command('security', ...add);
  expect([refused.exitCode, refused.out]).toEqual([1, '']);
  expect(refused.err).toContain('SEKISHO_SINKHOLE_REFUSED');
  const stated = ['--effect', 'floods resolver 2', '--evidence', 'ticket 4711', '--approver', 'shift lead'];
  expect(await both.command('security', ...add, ...stated)).toMatchObject({ exitCode: 0, err: '' });
  expect(await answer()).toEqual(['192.0.2.1']);
  const list = await both.command('privacy', 'sinkhole', 'list', '--json');
  expect(JSON.parse(list.out).rules).toMatchObject([{ name: 'www.victim.example', state: 'in-force' }]);
  expect(await both.command('viewer', 'sinkhole', 'list')).toMatchObject({ exitCode: 1, out: '' });
  expect(await both.command('security', 'sinkhole', 'ad')).toMatchObject({
    exitCode: 2,
    err: expect.stringContaining("did you mean 'add'?"),
  });
  expect((await both.command(undefined, 'sinkhole', '--help')).out).toContain('sekisho sinkhole add');
});
