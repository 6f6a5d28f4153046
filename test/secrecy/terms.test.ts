/**
 * What has ended never returns: rules of the sinkhole desk, grounds of the configuration, whatever the clock does, while the server runs,
 * over reloads and over starts. Where nobody knows how late it is, nothing that has a term acts. On the running server.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { inDays, NEXT_REVIEW } from '../support/dates.ts';
import { askUdp, dataOf } from '../support/dns-client.ts';
import { sekisho } from '../support/field.ts';
import { scrape, waitFor } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { clockCanStep } from './stepping-clock.ts';
import { startWorld, type World } from './world.ts';

const HOUR = 3600;
const TRUTH = ['192.0.2.7'];
const DISCARDED = ['198.51.100.1'];
const WAIT_MS = 30_000;
const TEST_MS = 180_000;
const ground = {
  kind: 'self-defence',
  effect: 'floods the web servers of the portal',
  approver: 'shift lead',
};
const standing = {
  kind: 'legitimate-business',
  purpose: 'keeps broken boxes off the resolvers',
  necessity: 'their maker is gone for good',
  proportionality: 'exactly these names and no other',
  approver: 'head of operations',
};

let world: World;
let evidence = 0;

async function answer(name: string): Promise<string[]> {
  return dataOf((await askUdp({ name }, { port: world.port })).answers, 'A');
}

async function add(name: string, expires: string, approver = 'shift lead') {
  const stated = { ...ground, approver, evidence: `ticket ${4711 + ++evidence}, graph of the borders`, expires };
  return world.json<{ error?: { message: string } }>('POST', '/v1/sinkhole/rules', { name, ground: stated });
}

async function stateOf(name: string): Promise<string | undefined> {
  const { body } = await world.json<{ rules: { name: string; state: string }[] }>('GET', '/v1/sinkhole/rules');
  return body.rules.find((rule) => rule.name === name)?.state;
}

const becomes = (name: string, state: string) =>
  waitFor(`${name} is ${state}`, async () => (await stateOf(name)) === state, WAIT_MS);
const time = async () => (await world.json<{ inDoubt: boolean; behindSeconds: number }>('GET', '/v1/time')).body;

describe.runIf(clockCanStep)('with a clock that steps', () => {
  beforeAll(async () => {
    const folder = temporaryFolder('policy');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'own.txt'), 'listed.example\n');
    const emergency = { ...ground, evidence: 'ticket 4700, graph of the borders', expires: inDays(3) };
    world = await startWorld({
      plugins: { sinkhole: { ipv4: '198.51.100.1' }, rpz: {} },
      config: {
        lists: [
          {
            name: 'own',
            category: 'policy',
            format: 'domains',
            file: join(folder, 'own.txt'),
            override: 'nxdomain',
            ground: emergency,
          },
        ],
      },
    });
  }, 120_000);
  afterAll(() => world?.stop());

  it(
    'a rule that has ended does not return when the clock is set back, and neither over a start with the clock behind',
    async () => {
      expect((await add('short.example', '2h')).status).toBe(200);
      expect((await add('long.example', '3d')).status).toBe(200);
      expect([await answer('short.example'), await answer('long.example')]).toEqual([DISCARDED, DISCARDED]);
      await world.stepClock(3 * HOUR);
      await becomes('short.example', 'expired');
      expect([await answer('short.example'), await answer('long.example')]).toEqual([TRUTH, DISCARDED]);
      await world.stepClock(-3 * HOUR);
      await waitFor('the clock is behind', async () => (await time()).behindSeconds > 2 * HOUR, WAIT_MS);
      expect([await stateOf('short.example'), await answer('short.example')]).toEqual(['expired', TRUTH]);
      // Terms go on as if it had not been set back: the long one still acts.
      expect(await answer('long.example')).toEqual(DISCARDED);
      await world.kill9(() => world.clock.step(-4 * HOUR));
      expect([await stateOf('short.example'), await answer('short.example')]).toEqual(['expired', TRUTH]);
      await world.stepClock(4 * HOUR);
      expect([await stateOf('short.example'), await answer('short.example')]).toEqual(['expired', TRUTH]);
      await world.stepClock(3 * HOUR);
      await waitFor('the clock is right', async () => !(await time()).inDoubt, WAIT_MS);
      await becomes('long.example', 'in-force');
      expect([await answer('short.example'), await answer('long.example')]).toEqual([TRUTH, DISCARDED]);
    },
    TEST_MS,
  );

  it(
    'a rule that ended while the server was down never acts, although the clock is behind at the start',
    async () => {
      expect((await add('down.example', '1h')).status).toBe(200);
      expect(await answer('down.example')).toEqual(DISCARDED);
      // Two hours pass, and the machine comes up with its clock four hours behind that.
      await world.kill9(() => world.clock.step((2 - 4) * HOUR));
      expect(await stateOf('down.example')).toBe('suspended');
      expect([await answer('down.example'), await answer('long.example')]).toEqual([TRUTH, TRUTH]);
      expect(await time()).toMatchObject({ inDoubt: true });
      expect((await scrape(world.server)).total('sekisho_clock_in_doubt')).toBe(1);
      expect(world.server.stdout()).toContain('THE CLOCK IS BEHIND');
      // What could not end cannot be begun.
      const refused = await add('later.example', '1h');
      expect([refused.status, refused.body.error?.message]).toEqual([
        422,
        expect.stringContaining('sekisho time accept'),
      ]);
      await world.reload();
      expect([await answer('down.example'), await answer('long.example')]).toEqual([TRUTH, TRUTH]);
      await world.stepClock(4 * HOUR);
      await becomes('down.example', 'expired');
      await becomes('long.example', 'in-force');
      expect([await answer('down.example'), await answer('long.example')]).toEqual([TRUTH, DISCARDED]);
    },
    TEST_MS,
  );

  it(
    'a ground of the configuration that has ended stays ended: clock back, reload, workers, kill -9',
    async () => {
      const rcode = async () => (await askUdp({ name: 'listed.example' }, { port: world.port })).rcode;
      await waitFor('the list acts', async () => (await rcode()) === 3, WAIT_MS);
      await world.stepClock(4 * 24 * HOUR);
      await waitFor('the list does not act', async () => (await rcode()) === 0, WAIT_MS);
      await waitFor(
        'its end is on record',
        () => world.log().includes('a ground in the configuration has expired'),
        WAIT_MS,
      );
      await world.stepClock(-4 * 24 * HOUR);
      expect(await rcode()).toBe(0);
      await world.reload();
      expect(await rcode()).toBe(0);
      await world.restartWorkers();
      expect(await rcode()).toBe(0);
      await world.kill9();
      expect(await rcode()).toBe(0);
      // The clock is right and four days behind what was seen: said by somebody, with a reason.
      expect(await time()).toMatchObject({ inDoubt: true });
      const { code, stdout } = await world.cli('time', 'accept', '--reason', 'the clock had been set four days ahead');
      expect([code, stdout]).toEqual([0, expect.not.stringContaining('behind')]);
      expect(await rcode()).toBe(0);
      await world.reload();
      expect(await rcode()).toBe(0);
      await world.kill9();
      expect([await rcode(), (await time()).inDoubt]).toEqual([0, false]);
    },
    TEST_MS,
  );

  it(
    'a clock that runs to 2099 by mistake has a way out, and what it ended stays ended',
    async () => {
      expect((await add('far.example', '2d')).status).toBe(200);
      expect(await answer('far.example')).toEqual(DISCARDED);
      await world.stepClock(73 * 365 * 24 * HOUR);
      // So long ended that the desk has forgotten it.
      await waitFor('it has ended', async () => (await stateOf('far.example')) === undefined, WAIT_MS);
      await world.stepClock(-73 * 365 * 24 * HOUR);
      expect([await answer('far.example'), (await time()).behindSeconds > 70 * 365 * 24 * HOUR]).toEqual([TRUTH, true]);
      expect((await world.cli('time')).stdout).toContain('sekisho time accept');
      for (const [body, role, status] of [
        [{}, 'privacy', 400],
        [{ reason: 'xxxxxxxxxxxx' }, 'privacy', 400],
        [{ reason: 'NTP server sent the year 2099' }, 'security', 403],
        [{ reason: 'NTP server sent the year 2099' }, 'privacy', 200],
      ] as const)
        expect((await world.json('POST', '/v1/time/accept', body, role)).status).toBe(status);
      expect(world.log()).toMatch(/"action":"time\.accept"/);
      expect(await time()).toMatchObject({ inDoubt: false, behindSeconds: 0 });
      expect([await stateOf('far.example'), await answer('far.example')]).toEqual([undefined, TRUTH]);
      expect((await add('near.example', '2h')).status).toBe(200);
      await world.kill9();
      expect([await answer('far.example'), await answer('near.example')]).toEqual([TRUTH, DISCARDED]);
    },
    TEST_MS,
  );
});

describe('asker and approver', () => {
  const start = async (admin: object) => {
    world = await startWorld({ plugins: { sinkhole: { ipv4: '198.51.100.1' } }, config: { admin: admin as never } });
  };
  afterAll(() => world?.stop());

  it('are two people, also where one writes the name in another way', async () => {
    await start({});
    for (const approver of ['admin', 'ADMIN', ' admin', 'ａｄｍｉｎ', 'Ａｄｍｉｎ', 'ad-min']) {
      const { status, body } = await add('attacked.example', '2h', approver);
      expect([status, body.error?.message], approver).toEqual([
        422,
        expect.stringContaining('somebody else has to approve'),
      ]);
    }
    expect((await add('attacked.example', '2h', '***')).status).toBe(422);
    expect(await answer('attacked.example')).toEqual(TRUTH);
    // As a default installation does: the token `admin`, and the name of whoever approved.
    const words = ['sinkhole', 'add', 'attacked.example', '--ground', 'self-defence', '--effect', 'floods resolver 2'];
    const more = ['--evidence', 'ticket 4799, graph', '--approver', '当直責任者 佐藤', '--expires', '2h'];
    expect(await world.cli(...words, ...more)).toMatchObject({ code: 0 });
    expect(await answer('attacked.example')).toEqual(DISCARDED);
    const renewed = await world.json('POST', '/v1/sinkhole/rules/attacked.example/renew', {
      evidence: 'graph of 14:10, still 9 kq/s',
      approver: 'Admin',
      expires: '2h',
    });
    expect(renewed.status).toBe(422);
    const rollback = await world.json('POST', '/v1/lists/feed/rollback', {
      approver: 'admin',
      reason: 'blocks a customer',
    });
    expect(rollback.status).toBe(400);
    await world.stop();
  }, 120_000);

  it('may be one where the configuration says so, with a reason that is recorded and shown', async () => {
    await start({ 'single-approver': true, 'single-approver-reason': 'one engineer keeps this network' });
    expect((await add('attacked.example', '2h', 'admin')).status).toBe(200);
    expect(world.log()).toMatch(/"action":"approval\.single"/);
    expect((await world.cli('status')).stdout).toContain('one engineer keeps this network');
    expect((await world.cli('check')).stderr).toContain('one engineer keeps this network');
    // Single addresses of the history need two people even then (plugins/query-history).
    await world.stop();
  }, 120_000);
});

describe('grounds of a configuration', () => {
  const emergency = { ...ground, evidence: 'ticket 4711, graph', expires: inDays(3) };
  const check = async (given: object, admin: object = {}) => {
    const folder = temporaryFolder('grounds');
    writeFileSync(join(folder, 'x.txt'), 'listed.example\n');
    const list = { name: 'own', category: 'policy', format: 'domains', file: 'x.txt', override: 'nxdomain' };
    const file = join(folder, 'sekisho.yaml');
    writeFileSync(
      file,
      stringify({
        server: { data: join(folder, 'data') },
        upstream: { servers: ['127.0.0.1:5300'] },
        admin,
        lists: [{ ...list, ground: given }],
        plugins: { sinkhole: { rules: [{ name: 'a.example', ground: given }] } },
      }),
    );
    const { code, stderr } = await sekisho(['check', '--config', file], { limitMs: 60_000 });
    expect(parse(readFileSync(file, 'utf8'))).toHaveProperty('lists');
    return { code, stderr };
  };

  it.each([
    ['self-defence until 9999', { ...emergency, expires: '9999-12-31' }, /ground\.expires: too far ahead.*at most 7d/],
    ['self-defence for eight days', { ...emergency, expires: inDays(9) }, /ground\.expires: too far ahead/],
    ['a review in the past', { ...standing, review: inDays(-2) }, /ground\.review: lies in the past/],
    ['a review in two years', { ...standing, review: inDays(730) }, /ground\.review: too far ahead/],
    ['one repeated character', { ...emergency, evidence: 'x'.repeat(40) }, /ground\.evidence: .*same few characters/],
    [
      'one repeated word',
      { ...standing, review: NEXT_REVIEW, purpose: '業務 業務 業務 業務' },
      /ground\.purpose: .*same/,
    ],
    ['punctuation', { ...emergency, effect: '- - - - - - - -' }, /ground\.effect: .*punctuation/],
  ])(
    '%s is refused, in a list and in a rule of a plugin',
    async (_, given, problem) => {
      const { code, stderr } = await check(given);
      expect(code).toBe(1);
      const lines = stderr.split('\n').filter((line) => problem.test(line));
      expect(lines.some((line) => line.includes('lists[0]'))).toBe(true);
      expect(lines.some((line) => line.includes('plugins.sinkhole.rules[0]'))).toBe(true);
    },
    TEST_MS,
  );

  it(
    'within the bounds they are taken; one that has ended by itself does not act, which is said',
    async () => {
      expect((await check(emergency)).code).toBe(0);
      const ended = await check({ ...emergency, expires: inDays(-3) });
      expect(ended.code).toBe(0);
      expect(ended.stderr).toMatch(/warning: .*lists\[0\].*has passed/);
      expect(ended.stderr).toMatch(/warning: .*plugins\.sinkhole.*has passed/);
    },
    TEST_MS,
  );

  it.each([
    ['no reason', { 'single-approver': true }],
    ['a reason that says nothing', { 'single-approver': true, 'single-approver-reason': 'because because because' }],
    ['a reason without the key', { 'single-approver-reason': 'one engineer keeps this network' }],
  ])('single-approver with %s is refused', async (_, admin) => {
    const { code, stderr } = await check(emergency, admin);
    expect(code).toBe(1);
    expect(stderr).toMatch(/admin\.single-approver-reason/);
  });
});
