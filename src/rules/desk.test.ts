import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { AuditEntry } from '../audit/entry.ts';
import { SekishoError } from '../errors/errors.ts';
import { openDatabase } from '../store/database.ts';
import { ManualClock } from '../time/clock.ts';
import { RulesDesk } from './desk.ts';
import type { PublishedMeasures } from './in-force.ts';
import { QUIET_MINUTES } from './recovery.ts';
import type { MeasureProposal } from './rule.ts';
import { MATCHED } from './slots.ts';
import { openSqliteRuleStore, RULES_FILE, RULES_FOLDER } from './sqlite-rule-store.ts';

const HOUR = 3_600_000;
const proposal: MeasureProposal = {
  plugin: 'random-subdomain',
  match: { pattern: '*.victim.example', type: 'A' },
  limitPerSecond: 50,
  limitRationale: 'half again the normal',
  escalation: false,
  normalPerSecond: 20,
  startPerSecond: 1000,
  removes: 0.95,
  hits: 0.001,
  diagnosis: 'd1',
  cause: 'random-subdomain',
};
const ground = {
  kind: 'self-defence',
  effect: 'overloads the resolvers',
  evidence: 'diagnosis d1: nine tenths of the rise',
  approver: 'shift lead',
  expires: '2h',
};
const BY = { who: 'sato', role: 'operator', action: 'measure.lift' };
const statement = { ground, dryRun: false, escalate: '' };

async function begin(folder = mkdtempSync(join(tmpdir(), 'measures-')), clock = new ManualClock()) {
  const audited: AuditEntry[] = [];
  const lines: string[] = [];
  const write = (_: object, text: string) => void lines.push(text);
  let auditFails = false;
  const audit = {
    record: (entry: AuditEntry) => {
      if (auditFails) throw new Error('no space');
      audited.push(entry);
    },
  };
  const { store } = await opened(folder, clock.wallMs());
  const log = { info: write, warn: write, error: write };
  const desk = new RulesDesk({ store, rules: await store.rules(), clock, audit, log });
  let held: PublishedMeasures | undefined;
  const attach = (plugins = ['random-subdomain', 'amp-shaper'], onlyMisses: readonly string[] = []) =>
    desk.attach({
      plugins: new Set(plugins),
      onlyMisses: new Set(onlyMisses),
      carriers: new Map(),
      publish: async (measures) => {
        held = measures;
      },
    });
  const apply = (changes: Partial<MeasureProposal> = {}, stated: object = {}) =>
    desk.apply({ ...proposal, ...changes }, { ...statement, ...stated }, 'sato', 'operator').then(({ rule }) => rule);
  /** Minutes in which workers count so many queries a second for the first measure. */
  const pass = async (minutes: number, perSecond: number) => {
    for (let i = 0; i < minutes * 12; i++) {
      const slot = held?.measures[0]?.slot;
      if (held && slot !== undefined) Atomics.add(new Int32Array(held.counters), 2 * slot + MATCHED, perSecond * 5);
      clock.advance(5000);
      await desk.tick();
    }
  };
  const failAudit = () => {
    auditFails = true;
  };
  return { desk, clock, folder, audited, lines, attach, apply, pass, failAudit, published: () => held?.measures ?? [] };
}

const states = (desk: RulesDesk) => desk.list().map(({ rule: { id, state } }) => [id, state]);

function opened(folder: string, wallMs: number) {
  mkdirSync(join(folder, RULES_FOLDER), { recursive: true });
  return openSqliteRuleStore(fileIn(folder), folder, wallMs);
}
const fileIn = (folder: string) => join(folder, RULES_FOLDER, RULES_FILE);

test('applied: in the audit log, on the disk, with the workers; a restart brings it back', async () => {
  const { desk, attach, apply, audited, published, folder, clock } = await begin();
  await attach();
  expect(await apply()).toMatchObject({ id: 'm1', state: 'in-force', addedBy: 'sato' });
  expect(audited).toMatchObject(
    [{ who: 'sato', action: 'measure.apply', detail: { diagnosis: 'd1', ground } }].map((entry) => ({
      ...entry,
      detail: { ...entry.detail, ground: expect.objectContaining({ approver: 'shift lead' }) },
    })),
  );
  expect(published()).toMatchObject([{ plugin: 'random-subdomain', limitPerSecond: 50, dryRun: false }]);
  await desk.close();
  const again = await begin(folder, clock);
  await again.attach();
  expect(again.published()).toMatchObject([{ plugin: 'random-subdomain', limitPerSecond: 50 }]);
  expect(states(again.desk)).toEqual([['m1', 'in-force']]);
});

test('it lifts itself when the rate has been back for ten minutes, and says so', async () => {
  const { desk, attach, apply, pass, audited, lines, published } = await begin();
  await attach();
  await apply({}, { ground: { ...ground, expires: '6h' } });
  await pass(20, 900);
  // A pause of the attacker is not its end: one minute above begins the count anew.
  await pass(QUIET_MINUTES - 2, 30);
  await pass(2, 900);
  await pass(QUIET_MINUTES - 1, 30);
  expect(states(desk)).toEqual([['m1', 'in-force']]);
  await pass(3, 30);
  expect(states(desk)).toEqual([['m1', 'lifted']]);
  expect(published()).toEqual([]);
  expect(audited.at(-1)).toMatchObject({ who: 'server', action: 'measure.lift' });
  expect(audited.at(-1)?.purpose).toMatch(/back to normal/);
  expect(lines.at(-1)).toBe('measure lifted');
});

test('a rate a little above the normal is normal; one at a fifth of the rise is not', async () => {
  const near = await begin();
  await near.attach();
  await near.apply();
  await near.pass(15, 100);
  expect(states(near.desk)).toEqual([['m1', 'lifted']]);
  const far = await begin();
  await far.attach();
  await far.apply();
  await far.pass(15, 220);
  expect(states(far.desk)).toEqual([['m1', 'in-force']]);
});

test('it ends by itself at the latest when its term is over', async () => {
  const { desk, attach, apply, pass, audited } = await begin();
  await attach();
  await apply();
  await pass(121, 900);
  expect(states(desk)).toEqual([['m1', 'expired']]);
  expect(audited.at(-1)).toMatchObject({ action: 'measure.expire' });
  expect((await desk.changes(10)).map(({ action }) => action)).toEqual(['expire', 'add']);
});

test('where its plugin is in no configuration, nothing counts, and that is not taken for quiet', async () => {
  const { desk, attach, apply, pass } = await begin();
  const detach = await attach();
  await apply();
  detach();
  await attach(['amp-shaper']);
  await pass(20, 0);
  expect(states(desk)).toEqual([['m1', 'in-force']]);
});

test('a dry run gives way to the measure that follows from it', async () => {
  const { desk, attach, apply, published, pass } = await begin();
  await attach();
  await apply({}, { dryRun: true });
  await pass(12, 5);
  expect(published()).toMatchObject([{ dryRun: true }]);
  await apply();
  expect(published()).toMatchObject([{ dryRun: false }]);
  expect(states(desk)).toEqual([
    ['m2', 'in-force'],
    ['m1', 'lifted'],
  ]);
});

test('lifting acts at once, and is audited with its reason; the same diagnosis does not carry a second term', async () => {
  const { desk, attach, apply, audited, published } = await begin();
  await attach();
  await apply();
  await desk.lift({ id: 'm1' }, 'hits a customer', BY);
  expect(published()).toEqual([]);
  expect(audited.at(-1)).toMatchObject({ action: 'measure.lift', purpose: 'hits a customer' });
  await expect(apply()).rejects.toThrow(/d1 has carried m1 already; diagnose again/);
  expect(await apply({ diagnosis: 'd2' })).toMatchObject({ id: 'm2' });
  await expect(apply({ diagnosis: 'd3' })).rejects.toThrow(/m2 is on the very same already/);
  await expect(desk.lift({ id: 'm9' }, '', BY)).rejects.toThrow(
    expect.objectContaining({ code: 'SEKISHO_MEASURE_UNKNOWN' }),
  );
});

test.each([
  ['no ground at all', {}, { ground: {} }, /ground: missing; state one of self-defence .*正当防衛/],
  ['no approver', {}, { ground: { ...ground, approver: undefined } }, /approver: missing/],
  ['a term beyond a week', {}, { ground: { ...ground, expires: '8d' } }, /too far ahead/],
  ['a whole zone, not escalated', { match: { domain: 'victim.example' }, escalation: true }, {}, /nothing narrower/],
  ['a public suffix', { match: { pattern: '*.co.jp' } }, {}, /public suffix/],
  ['a type alone', { match: { type: 'ANY' } }, {}, /everybody/],
  ['a network of half the world', { match: { source: '10.0.0.0/7' } }, {}, /too wide/],
  ['a plugin that is not configured', { plugin: 'sinkhole' }, {}, /add `sinkhole: \{\}` below plugins/],
])('%s is refused, and nothing is in force', async (_, changes, stated, problem) => {
  const { desk, attach, apply, audited } = await begin();
  await attach();
  await expect(apply(changes as Partial<MeasureProposal>, stated)).rejects.toThrow(problem);
  expect(desk.list()).toEqual([]);
  expect(audited).toEqual([]);
});

test('a whole zone that was escalated keeps why', async () => {
  const { attach, apply, published } = await begin();
  await attach();
  const escalate = 'the apex itself is asked for, with new types each minute';
  const measure = await apply({ match: { domain: 'victim.example' }, escalation: true }, { escalate });
  expect(measure.proposed?.escalated).toBe(escalate);
  expect(published()).toHaveLength(1);
});

test('what cannot be audited is not put in force; what lifts itself is lifted all the same', async () => {
  const one = await begin();
  await one.attach();
  one.failAudit();
  await expect(one.apply()).rejects.toThrow(/no space/);
  expect(one.desk.list()).toEqual([]);
  const other = await begin();
  await other.attach();
  await other.apply();
  other.failAudit();
  await other.pass(121, 900);
  expect(states(other.desk)).toEqual([['m1', 'expired']]);
  expect(other.lines).toContain('not in the audit log');
});

test('two at once get two numbers', async () => {
  const { attach, apply } = await begin();
  await attach();
  const both = await Promise.all([apply(), apply({ match: { name: 'www.victim.example' } })]);
  expect(both.map(({ id }) => id)).toEqual(['m1', 'm2']);
});

test('what ended a day ago is shown no more; its changes stay', async () => {
  const { desk, attach, apply, clock } = await begin();
  await attach();
  await apply();
  await desk.lift({ id: 'm1' }, 'over', BY);
  clock.advance(25 * HOUR);
  await desk.tick();
  expect(desk.list()).toEqual([]);
  expect(await desk.changes(10)).toHaveLength(2);
});

test('a damaged store is moved aside and a new one begun', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'measures-'));
  mkdirSync(join(folder, RULES_FOLDER));
  writeFileSync(fileIn(folder), 'no database at all '.repeat(1000));
  const { store, movedAside } = await opened(folder, 0);
  expect(movedAside).toMatch(/damaged/);
  expect(await store.rules()).toEqual([]);
  await store.close();
  expect(readdirSync(join(folder, RULES_FOLDER)).some((file) => file.includes('damaged'))).toBe(true);
});

test('a measure on one client acts on it, and is kept and told by the network around it', async () => {
  const { desk, apply, attach, audited, published, folder } = await begin();
  await attach();
  const evidence = 'graph of 14:10: 192.0.2.77 asks without end';
  const measure = await apply(
    { plugin: 'amp-shaper', match: { source: '192.0.2.77' }, cause: 'broken-client' },
    { ground: { ...ground, evidence } },
  );
  expect(published()).toMatchObject([{ onSource: true }]);
  expect([...published()[0]!.mask]).toEqual([-1, -1, -1, -1]);
  expect(measure.ground).toMatchObject({ evidence: 'graph of 14:10: 192.0.2.0/24 asks without end' });
  expect(JSON.stringify([audited, await desk.changes(10)])).not.toContain('192.0.2.77');
  await desk.lift({ id: 'm1' }, 'the box at 192.0.2.77 was unplugged', BY);
  expect(JSON.stringify([audited, await desk.changes(10), desk.list()])).not.toContain('192.0.2.77');
  await desk.close();
  expect(readFileSync(fileIn(folder), 'latin1')).not.toContain('192.0.2.77');
  // The same diagnosis does not carry a second term of it.
  const again = await begin(folder);
  await again.attach();
  await expect(
    again.apply({ plugin: 'amp-shaper', match: { source: '192.0.2.77' }, cause: 'broken-client' }),
  ).rejects.toThrow(/has carried m1 already/);
});

test('changes are deleted when their retention is over, and the deletion is on record; numbers are not used again', async () => {
  const { desk, apply, attach, audited, pass, clock, folder } = await begin();
  desk.keepMs = 86_400_000;
  await attach();
  await apply();
  await desk.lift({ id: 'm1' }, 'hits a customer', BY);
  clock.advance(23 * HOUR);
  await pass(1, 0);
  expect(await desk.changes(10)).toHaveLength(2);
  clock.advance(2 * HOUR);
  await pass(1, 0);
  expect(await desk.changes(10)).toEqual([]);
  expect(audited.at(-1)).toMatchObject({
    action: 'measures.delete',
    purpose: 'retention',
    detail: { deletions: [{ dataset: 'measures/changes', rows: 2 }] },
  });
  expect(await apply({ diagnosis: 'd9' })).toMatchObject({ id: 'm2' });
  await desk.close();
  expect(readFileSync(fileIn(folder), 'latin1')).not.toContain('hits a customer');
});

test('what is within its retention cannot be deleted', async () => {
  const { desk, apply, attach, folder, clock } = await begin();
  await attach();
  await apply();
  await desk.close();
  const { database } = openDatabase(fileIn(folder), { durability: 'full', schema: '' }, clock.wallMs());
  expect(() => database.prepare('DELETE FROM change').run()).toThrow(/append-only/);
  expect(() => database.prepare("UPDATE change SET who = 'x'").run()).toThrow(/append-only/);
  database.close();
});

test('who asks does not approve', async () => {
  const { desk, apply, attach } = await begin();
  await attach();
  await expect(apply({}, { ground: { ...ground, approver: 'ＳＡＴＯ' } })).rejects.toThrow(
    /somebody else has to approve/,
  );
  expect(desk.list()).toEqual([]);
  desk.approval = { singleApproverReason: 'one engineer keeps this network' };
  expect(await apply({}, { ground: { ...ground, approver: 'sato' } })).toMatchObject({ id: 'm1' });
});

test('the clock jumps: a measure ends by it; in doubt it rests, and none is put in force', async () => {
  class Jumping extends ManualClock {
    stepMs = 0;
    doubt = false;
    override wallMs(): number {
      return super.wallMs() + this.stepMs;
    }
    override termMs(): number {
      return this.doubt ? Number.POSITIVE_INFINITY : this.wallMs();
    }
  }
  const clock = new Jumping();
  const { desk, apply, attach, published, pass } = await begin(undefined, clock);
  await attach();
  await apply();
  clock.doubt = true;
  await pass(1, 900);
  expect(published()[0]?.endsMs).toBe(Number.NEGATIVE_INFINITY);
  expect(states(desk)).toEqual([['m1', 'in-force']]);
  await expect(apply({ diagnosis: 'd2', match: { name: 'a.example' } })).rejects.toThrow(/sekisho time accept/);
  clock.doubt = false;
  clock.stepMs = 3 * HOUR;
  await pass(1, 900);
  expect(states(desk)).toEqual([['m1', 'expired']]);
  clock.stepMs = 0;
  await pass(1, 900);
  expect(states(desk)).toEqual([['m1', 'expired']]);
});

test('what matches nothing says so within half a minute and is withdrawn; a dry run says so', async () => {
  const one = await begin();
  await one.attach();
  await one.apply();
  for (let second = 0; second < 24; second++) {
    one.clock.advance(1000);
    await one.desk.tick();
  }
  expect(states(one.desk)).toEqual([['m1', 'in-force']]);
  one.clock.advance(2000);
  await one.desk.tick();
  expect(states(one.desk)).toEqual([['m1', 'lifted']]);
  expect(one.audited.at(-1)).toMatchObject({
    who: 'server',
    action: 'measure.lift',
    purpose: expect.stringMatching(/matched 0 queries in its first 25 s, where 25000 were expected: withdrawn/),
  });
  await one.apply({ diagnosis: 'd2' }, { dryRun: true });
  await one.pass(1, 0);
  expect(one.desk.list()[0]).toMatchObject({ rule: { state: 'dry-run' }, entry: { proposal: /matched 0/ } });
  expect(one.lines).toContain('a dry run matches nothing');
});

test('a handful of matches beside an incident that goes on is nothing; beside one that has ended it is left alone', async () => {
  for (const [incident, state] of [
    [900, 'lifted'],
    [10, 'in-force'],
  ] as const) {
    const { desk, attach, apply, pass } = await begin();
    await attach();
    desk.watchIncidents(() => incident);
    await apply();
    await pass(1, 1);
    expect(states(desk), `${incident} queries a second`).toEqual([['m1', state]]);
  }
});

test("a counter that sees misses alone does not say that it is over; the incident's own rate does", async () => {
  const { desk, attach, apply, pass } = await begin();
  await attach(undefined, ['random-subdomain']);
  let incident: number | undefined = 600;
  const end = desk.watchIncidents(() => incident);
  await apply({}, { ground: { ...ground, expires: '6h' } });
  await pass(2, 900);
  // The failures are answered from memory: nothing is counted, and the loop goes on.
  await pass(30, 2);
  expect(states(desk)).toEqual([['m1', 'in-force']]);
  // Nobody can say: that is not quiet either.
  incident = undefined;
  await pass(30, 2);
  expect(states(desk)).toEqual([['m1', 'in-force']]);
  incident = 30;
  await pass(QUIET_MINUTES - 1, 2);
  expect(states(desk)).toEqual([['m1', 'in-force']]);
  await pass(2, 2);
  expect(states(desk)).toEqual([['m1', 'lifted']]);
  end();
});

test('a measure in force gets another term on fresh evidence; one that has ended does not', async () => {
  const { desk, attach, apply, pass, audited } = await begin();
  await attach();
  await apply();
  await pass(60, 900);
  const renewal = { evidence: 'graph of 15:10, still 900 q/s', approver: 'shift lead', expires: '2h' };
  const by = { ...BY, action: 'measure.renew' };
  await expect(desk.renew({ id: 'm1' }, { ...renewal, evidence: ground.evidence }, by)).rejects.toThrow(/earlier term/);
  const { rule } = await desk.renew({ id: 'm1' }, renewal, by);
  expect(rule).toMatchObject({ renewals: 1, state: 'in-force', ground: { evidence: renewal.evidence } });
  expect(audited.at(-1)).toMatchObject({ action: 'measure.renew' });
  await pass(100, 900);
  expect(states(desk)).toEqual([['m1', 'in-force']]);
  await pass(30, 900);
  expect(states(desk)).toEqual([['m1', 'expired']]);
  await expect(desk.renew({ id: 'm1' }, { ...renewal, evidence: 'graph of 18:00' }, by)).rejects.toThrow(/in force/);
});

test('without a store nothing can be put in force, and rules of the configuration still end by the clock', async () => {
  const clock = new ManualClock();
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const desk = new RulesDesk({ store: undefined, rules: [], clock, audit: { record: () => {} }, log });
  const expires = new Date(clock.wallMs() + HOUR).toISOString().replace(/\.\d+/, '');
  await desk.attach({
    plugins: new Set(['sinkhole']),
    carriers: new Map([
      [
        'sinkhole',
        {
          configured: [
            {
              match: { name: 'a.example' },
              ground: { ...ground, kind: 'self-defence', expires },
              dryRun: false,
              place: 1,
            },
          ],
          capacity: 10,
          publish: async () => {},
          refusal: (_, message) =>
            new SekishoError('SEKISHO_MEASURE_REFUSED', { status: 422, exitCode: 1, remedy: '' }, message),
        },
      ],
    ]),
    publish: async () => {},
  });
  const by = { who: 'sato', role: 'operator', action: 'sinkhole.add' };
  const stated = {
    ground: { ...ground, kind: 'self-defence' as const, expires },
    endsAtMs: clock.wallMs() + HOUR,
    reviewAtMs: undefined,
  };
  await expect(
    desk.add({ plugin: 'sinkhole', match: { name: 'b.example' }, dryRun: false, ...stated }, by),
  ).rejects.toThrow(/rules store is not available/);
  clock.advance(2 * HOUR);
  await desk.tick();
  expect(desk.entries('sinkhole').map(({ rule }) => rule.state)).toEqual(['expired']);
});
