/**
 * What cannot be read hides what it names: a row of the file of static ranges that cannot be read, in whatever form, never
 * lets its address fall to the group around it; `check`, start and reload refuse such a file unless told to hide.
 */
import { rmSync } from 'node:fs';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { Status } from '../../src/admin/status.ts';
import { sekisho } from '../support/field.ts';
import { logOf, scrape, stoppedAfterwards, waitFor } from '../support/observe.ts';
import { cannotRun, home, INSPECTED, NOT_INSPECTED, TRANSPORTS } from './clients.ts';
import { MOMENTS } from './moments.ts';
import { startWorld, type World } from './world.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 });
const keep = stoppedAfterwards();

/** All homes are in a group whose terms cover c2; rows of single ones lie inside it. */
const GROUP = '127.70.0.0/16,@home\n2001:db8:70::/48,@home\n';
/** Far from the others: a row with host bits hides the network that it may mean. */
const IN_GROUP = { ipv4: '127.70.200.1', ipv6: home(1).ipv6 };

/** What is wrong with the rows of a home, by how they are written: `at` its address, `who` its subscriber. */
const FORMS: readonly [form: string, row: (at: string, who: string) => string][] = [
  ['without a subscriber', (at) => at],
  ['with an empty column of subscribers', (at) => `${at},`],
  ['with a subscriber that the spreadsheet wrote as a number', (at) => `${at},4.71E+11`],
  ['with a third column', (at, who) => `${at},${who},cancelled`],
  ['as a whole in quotes', (at, who) => `"${at},${who}"`],
  ['with spaces for a separator', (at, who) => `${at} ${who}`],
  ['with host bits', (at, who) => `${at}/${at.includes(':') ? 60 : 20},${who}`],
  ['with a zone', (at, who) => `${at}%eth0,${who}`],
  ['as a link', (at, who) => `http://${at.includes(':') ? `[${at}]` : at}/,${who}`],
  ['defanged', (at, who) => `${at.replaceAll('.', '[.]').replaceAll(':', '[:]')},${who}`],
  ['with spaces inside', (at, who) => `${at.replaceAll('.', ' . ').replaceAll(':', ' : ')},${who}`],
  ['as one end of a range', (at, who) => `${at}-${at.replace(/\d$/, '9')},${who}`],
  ['with a footnote', (at, who) => `${at}²,${who}`],
  ['with a note that has a line of its own', (at, who) => `${at},"${who}\nmoved"`],
  ['behind another comment mark', (at, who) => `// ${at},${who}`],
];
const DOUBTS = FORMS.map(([form, row], i) => ({ form, at: home(10 + i), who: `C-${4710 + i}`, row }));
const TABLE = DOUBTS.flatMap((doubt) => TRANSPORTS.map((transport) => ({ ...doubt, transport })));
const UNREADABLE = DOUBTS.flatMap(({ at, who, row }) => [row(at.ipv4, who), row(at.ipv6, who)]).join('\n');

describe.skipIf(cannotRun)('an address whose row is written', () => {
  let world: World;
  beforeAll(async () => {
    world = keep(await startWorld({ ranges: `${GROUP}${UNREADABLE}\n`, subscribers: { 'unreadable-rows': 'hide' } }));
  });

  describe.each(MOMENTS)('$name,', ({ come }) => {
    beforeAll(() => come(world));

    it.each(TABLE)('$form is not inspected, over $transport.name', async ({ at, transport }) => {
      expect(await world.look(at, transport, 2)).toEqual(NOT_INSPECTED);
    });

    it.each(TRANSPORTS)('nowhere is its group’s, over $name', async (transport) => {
      expect(await world.look(IN_GROUP, transport)).toEqual(INSPECTED);
    });

    it('in any of these forms is told of loudly, by line and not by what is in it', async () => {
      const { rejected, unreadable, first } = logOf(world.server).findLast(({ unreadable }) => unreadable) ?? {};
      expect([rejected, unreadable]).toEqual([2 * FORMS.length, 2 * FORMS.length]);
      expect((first as object[])[0]).toEqual({ line: 3, problem: 'not of the form address,subscriber', hides: true });
      expect((await scrape(world.server)).total('sekisho_subscribers_range_rows_unreadable')).toBe(2 * FORMS.length);
      const { body } = await world.json<Status>('GET', '/v1/status');
      expect(body.ranges).toMatchObject({ rejected: 2 * FORMS.length, unreadable: 2 * FORMS.length });
      expect(body.warnings.join()).toMatch(
        new RegExp(`^${2 * FORMS.length} row.*'sekisho check' names the lines; correct`),
      );
      const { stdout } = await world.cli('status');
      expect(stdout).toMatch(new RegExp(`ranges .* ${2 * FORMS.length} of them unreadable`));
      expect(stdout).toMatch(/warning .* cannot be read although an address in them can/);
      expect(world.log()).not.toMatch(/127\.70|2001:db8:70|C-47/);
    });
  });
});

describe.skipIf(cannotRun)('a file with such a row', () => {
  let world: World;
  beforeAll(async () => {
    world = keep(await startWorld({ ranges: GROUP }));
  });

  it('is refused by check, by line', async () => {
    world.replace(world.rangesFile, `${GROUP}${home(3).ipv4};47 13\n`);
    const checked = await world.cli('check');
    expect([checked.code, checked.stdout]).toEqual([1, '']);
    expect(checked.stderr).toContain(`${world.rangesFile}:3:1: no subscriber number`);
    expect(checked.stderr).toContain('unreadable-rows: hide');
    const { ok, problems } = JSON.parse((await world.cli('check', '--json')).stdout);
    expect([ok, problems]).toMatchObject([false, [{ file: world.rangesFile, line: 3 }]]);
  });

  it('hides its address in the running server at once, and keeps the rest', async () => {
    world.replace(world.rangesFile, `${GROUP}${home(4).ipv4};47 14\n`);
    const [udp] = TRANSPORTS;
    await waitFor('the new file', async () => (await world.look(home(4), udp!, 2)).lookedUp === 'none', 20_000);
    expect(await world.look(IN_GROUP, udp!)).toEqual(INSPECTED);
  });

  it('is refused by a reload, and the configuration in force stays', async () => {
    const { body } = await world.json<{ ok: boolean; problems: string[] }>('POST', '/v1/reload');
    expect(body.ok).toBe(false);
    expect(body.problems.join()).toContain('one row names an address and cannot be read');
    expect(await world.look(IN_GROUP, TRANSPORTS[0]!)).toEqual(INSPECTED);
    expect(await world.look(home(4), TRANSPORTS[0]!)).toEqual(NOT_INSPECTED);
  });

  it('that is gone makes nobody known by it, and known again when it is back', async () => {
    const [udp] = TRANSPORTS;
    rmSync(world.rangesFile);
    await waitFor('nobody is known', async () => (await world.look(IN_GROUP, udp!, 2)).lookedUp === 'none', 20_000);
    world.replace(world.rangesFile, GROUP);
    await waitFor('known again', async () => (await world.look(IN_GROUP, udp!, 2)).lookedUp === 'all', 20_000);
  });

  it('is refused at the start, with the line and what to do', async () => {
    await world.server.stop();
    world.replace(world.rangesFile, `${GROUP}${home(5).ipv4};47 15\n`);
    const started = await sekisho(['run', '--config', world.server.configFile], { limitMs: 20_000 });
    expect(started.code).toBe(1);
    expect(started.stdout).not.toContain('"msg":"serving"');
    expect(started.stderr).toMatch(/the first of them line 3: .*unreadable-rows: hide/s);
  });
});
