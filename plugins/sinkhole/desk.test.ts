/** The rules desk as this plugin uses it, with a clock that is turned by hand, a real store, and workers that are only counted. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { auditError } from '../../src/audit/errors.ts';
import { type AuditEntry, type Auditor, nameToText, textToName } from '../../src/contract/plugin.ts';
import { SekishoError } from '../../src/errors/errors.ts';
import { RulesDesk } from '../../src/rules/desk.ts';
import { stateOf } from '../../src/rules/entry.ts';
import type { Rule } from '../../src/rules/rule.ts';
import { openSqliteRuleStore, RULES_FILE } from '../../src/rules/sqlite-rule-store.ts';
import { ManualClock } from '../../src/time/clock.ts';
import { carrierFor } from './carrier.ts';
import { preview } from './preview.ts';
import { PLUGIN, readDraft } from './request.ts';
import type { ConfigurationRule } from './rule-name.ts';
import { MAX_RULES, RuleTable, type TableMemory } from './table.ts';
import { changeView, nameOf, ruleView } from './views.ts';

const KEY = [1, 2] as const;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

let folder = '';
let clock: ManualClock;
let desk: SinkholeDesk;
type SinkholeDesk = Awaited<ReturnType<typeof open>>;
/** `level: text` of what was logged, with the rule's name. */
let logged: string[];
let audited: AuditEntry[];
let refuseAudit: boolean;
/** The table that was published last. */
let published: TableMemory;

const log = {
  info: (fields: { rule?: string }, text: string) => void logged.push(`info: ${text}: ${fields.rule}`),
  warn: (fields: { rule?: string }, text: string) => void logged.push(`warn: ${text}: ${fields.rule}`),
  error: (_: object, text: string) => void logged.push(`error: ${text}`),
};

const audit: Auditor = {
  record(entry) {
    if (refuseAudit) throw auditError('SEKISHO_AUDIT_FAILED', 'the audit log cannot be written');
    audited.push(entry);
  },
};

function openStore(dataFolder: string) {
  return openSqliteRuleStore(join(dataFolder, 'rules', RULES_FILE), dataFolder, clock.wallMs());
}

/** The desk, asked as the routes of this plugin ask it. */
async function open() {
  mkdirSync(join(folder, 'rules'), { recursive: true });
  const { store } = await openStore(folder);
  const rules = new RulesDesk({ store, rules: await store.rules(), clock, audit, log });
  const by = (who: string, role: string, verb: string) => ({ who, role, action: `sinkhole.${verb}` });
  const which = ({ text }: { readonly text: string }) => ({ plugin: PLUGIN, name: text });
  return {
    rules,
    slots: rules.slots,
    entries: () => rules.entries(PLUGIN),
    changes: async (limit: number) => (await rules.changes(limit, { plugin: PLUGIN })).map(changeView),
    add: async (body: unknown, who: string, role = '') =>
      rules.add(readDraft(body, clock.wallMs()), by(who, role, 'add')),
    renew: (name: typeof victim, body: unknown, who: string, role = '') =>
      rules.renew(which(name), body, by(who, role, 'renew')),
    remove: (name: typeof victim, who: string, reason: string, role = '') =>
      rules.lift(which(name), reason, by(who, role, 'remove')),
    tick: () => rules.tick(),
    close: () => rules.close(),
    attach: ({
      rules: configured,
      publish,
    }: {
      rules: readonly ConfigurationRule[];
      publish(table: TableMemory): Promise<void>;
    }) =>
      rules.attach({
        plugins: new Set([PLUGIN]),
        carriers: new Map([[PLUGIN, carrierFor(configured, KEY, publish)]]),
        publish: async () => {},
      }),
  };
}

async function attach(to: SinkholeDesk, rules: readonly ConfigurationRule[] = []): Promise<() => void> {
  return to.attach({
    rules,
    publish: async (table) => {
      published = table;
    },
  });
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sekisho-desk-'));
  clock = new ManualClock();
  logged = [];
  audited = [];
  refuseAudit = false;
  desk = await open();
  await attach(desk);
});
afterEach(async () => {
  await desk.close();
  rmSync(folder, { recursive: true });
});

const ground = {
  kind: 'self-defence',
  effect: 'floods the resolvers',
  evidence: 'ticket 4711',
  approver: 'shift lead',
  expires: '2h',
};
const standing = {
  kind: 'legitimate-business',
  purpose: 'keeps the resolvers answering',
  necessity: 'the name is attacked every night',
  proportionality: 'one name, discarded and nothing else',
  approver: 'head of operations',
  review: '90d',
};
const draft = (over: object = {}, groundOver: object = {}) => ({
  name: 'victim.example',
  ground: { ...ground, ...groundOver },
  ...over,
});
const again = { evidence: 'graph of 14:10', approver: 'shift lead', expires: '2h' };
const victim = { text: 'victim.example', wire: textToName('victim.example') };

/** Let time pass in steps of a second, as the server does; hits come at `rate` a second for the only rule. */
async function pass(ms: number, rate = 0): Promise<void> {
  const counters = new Int32Array(desk.slots.buffer);
  for (let done = 0; done < ms; done += 5_000) {
    clock.advance(Math.min(5_000, ms - done));
    const [entry] = desk.entries();
    if (entry) Atomics.add(counters, 2 * entry.slot, rate * 5);
    await desk.tick();
  }
}

async function problemsOf(doing: Promise<unknown>): Promise<readonly string[]> {
  const error = await doing.then(
    () => new Error('nothing was refused'),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof SekishoError)) throw error;
  // Several problems are told one a line, a single one behind what was not done.
  const single = error.message.replace(/^(no rule was added|'\S+' was not renewed): /, '');
  return error.details.length > 0 ? error.details : [single];
}

/** The names in the table that workers hold. */
function inWorkers(): string[] {
  const table = new RuleTable(published, KEY);
  return Array.from({ length: table.size }, (_, i) => nameToText(table.name(i)));
}

describe('what is missing', () => {
  test.each([
    [
      'everything',
      {},
      [
        /^name: missing/,
        /^ground: missing; state one of self-defence \(正当防衛; needs effect, evidence, approver, expires\)/,
      ],
    ],
    [
      'all statements of self-defence',
      { name: 'victim.example', ground: { kind: 'self-defence' } },
      [/^effect: missing/, /^evidence: missing/, /^approver: missing/, /^expires: missing/],
    ],
    [
      'that nothing milder works',
      draft({}, { kind: 'necessity' }),
      [/^nothing-milder: missing; why nothing milder works/],
    ],
    [
      'all statements of legitimate business',
      draft({ ground: { kind: 'legitimate-business' } }),
      [
        /^purpose: missing/,
        /^necessity: missing/,
        /^proportionality: missing/,
        /^approver: missing/,
        /^review: missing/,
      ],
    ],
    ['a real statement', draft({}, { evidence: 'x' }), [/^evidence: say it in a sentence/]],
    ['a ground that exists', draft({}, { kind: 'revenge' }), [/^ground: 'revenge' is none/]],
    ['an expiry that can be read', draft({}, { expires: 'soon' }), [/^expires: write a duration/]],
    ['an expiry ahead', draft({}, { expires: '2020-01-01' }), [/^expires: lies in the past/]],
    ['a minute', draft({}, { expires: '30s' }), [/^expires: must be at least a minute ahead/]],
    ['a limit to an emergency', draft({}, { expires: '8d' }), [/^expires: too far ahead; 正当防衛 .*at most 7d/]],
    ['a review within a year', draft({ ground: { ...standing, review: '400d' } }), [/^review: too far ahead/]],
    ['a review instead of an end', draft({ ground: { ...standing, expires: '2h' } }), [/^expires: does not belong to/]],
    ['brevity', draft({}, { effect: 'x'.repeat(3000) }), [/^effect: 3000 characters are too many/]],
    [
      'a name that may have a rule',
      draft({ name: 'co.jp' }, { approver: '' }),
      [/^name: 'co.jp' is a public suffix/, /^approver/],
    ],
  ])('is named: %s', async (_, body, expected) => {
    const problems = await problemsOf(desk.add(body, 'somebody'));
    expect(problems.map((problem, i) => (expected[i]?.test(problem) ? 'as expected' : problem))).toEqual(
      expected.map(() => 'as expected'),
    );
    expect([desk.entries(), await desk.changes(10)]).toEqual([[], []]);
  });

  test.each([
    ['com', /public suffix/],
    ['.', /public suffix/],
    ['github.io', /public suffix/],
    ['foo.ck', /public suffix/],
    ['公司.cn', /public suffix/],
    ['*.victim.example', /is a wildcard; write 'victim.example' with its subtree/],
    ['https://victim.example/', /holds ':'/],
    ['192.0.2.1', /is an address/],
    ['2001:db8::1', /is an address/],
    [`${'a'.repeat(64)}.example`, /label of 64 bytes/],
    [`${'a.'.repeat(130)}example`, /bytes long on the wire/],
    ['x'.repeat(5000), /longer than any name/],
    ['a..example', /empty label/],
  ])('no rule on %s', async (name, message) => {
    expect((await problemsOf(desk.add(draft({ name }), 'somebody'))).join()).toMatch(message);
  });

  test.each([
    [
      'amazonaws.com',
      /^subtree: public suffixes lie below 'amazonaws.com', such as '.*\.amazonaws\.com': names of many/,
    ],
  ])('no rule on everything below %s, but one on the name alone', async (name, message) => {
    expect((await problemsOf(desk.add(draft({ name, subtree: true }), 'somebody'))).join()).toMatch(message);
    expect((await desk.add(draft({ name }), 'somebody')).entry.rule.match.name).toBe(name);
  });

  test('a subtree beside public suffixes is taken', async () => {
    for (const name of ['mazonaws.com', 'victim.example', 'shop.victim.co.jp'])
      expect((await desk.add(draft({ name, subtree: true }), 'somebody')).entry.rule.match.domain).toBe(name);
  });

  test('names beyond ASCII are brought to the form that is asked for', async () => {
    expect((await desk.add(draft({ name: 'Bücher.example.' }), 'somebody')).entry.rule.match.name).toBe(
      'xn--bcher-kva.example',
    );
  });
});

describe('a rule', () => {
  test('is kept, published and shown; its texts stay as they were written', async () => {
    const approver = '<b>\u001b[31mlead</b>';
    const { entry } = await desk.add(draft({ subtree: true }, { approver }), 'token of the NOC');
    expect(inWorkers()).toEqual(['victim.example']);
    const view = ruleView(entry, clock);
    expect(view).toMatchObject({ state: 'in-force', subtree: true, addedBy: 'token of the NOC', secondsLeft: 7200 });
    expect(view.ground['approver']).toBe(approver);
    expect(await desk.changes(10)).toMatchObject([{ action: 'add', who: 'token of the NOC', name: 'victim.example' }]);
    expect(logged).toEqual(['info: sinkhole rule added: victim.example']);
  });

  test('warns when a tenth of its term is left, ends by itself, stays in sight for a day, and is then forgotten', async () => {
    await desk.add(draft(), 'somebody');
    logged = [];
    // Somebody asks now and then, so that nothing else is worth a line.
    await pass(108 * MINUTE - 5_000, 5);
    expect(logged).toEqual([]);
    expect(ruleView(desk.entries()[0]!, clock).warning).toBeNull();
    await pass(5_000, 5);
    expect(logged).toEqual(['warn: a sinkhole rule ends soon: victim.example']);
    expect(ruleView(desk.entries()[0]!, clock).warning).toBe('ends soon');
    await pass(12 * MINUTE, 5);
    expect(stateOf(desk.entries()[0]!, clock.nowMs())).toBe('expired');
    expect(await desk.changes(1)).toMatchObject([{ action: 'expire', who: 'sekisho' }]);
    expect(logged.slice(1)).toEqual(['warn: a sinkhole rule has ended by itself: victim.example']);
    clock.advance(DAY - 1);
    await desk.tick();
    expect(desk.entries()).toHaveLength(1);
    clock.advance(1);
    await desk.tick();
    expect([desk.entries(), inWorkers()]).toEqual([[], []]);
    expect(await desk.changes(10)).toHaveLength(2);
  });

  test('of a standing measure does not end, and warns before its review', async () => {
    await desk.add(draft({ ground: standing }), 'somebody');
    logged = [];
    clock.advance(81 * DAY - MINUTE);
    await desk.tick();
    expect(logged).toEqual([]);
    clock.advance(2 * MINUTE);
    await desk.tick();
    expect(logged).toEqual(['warn: a sinkhole rule is to be reviewed soon: victim.example']);
    clock.advance(100 * DAY);
    await desk.tick();
    expect(stateOf(desk.entries()[0]!, clock.nowMs())).toBe('in-force');
  });

  test('is proposed for lifting when its attack is over, once', async () => {
    await desk.add(draft(), 'somebody');
    logged = [];
    await pass(5 * MINUTE, 1000);
    await pass(40 * MINUTE, 10);
    expect(ruleView(desk.entries()[0]!, clock)).toMatchObject({
      proposal: expect.stringContaining('back at its baseline'),
      peakPerSecond: 1000,
      baselinePerSecond: 10,
      ratePerSecond: 10,
    });
    expect(logged).toEqual(['warn: proposal: lift this sinkhole rule: victim.example']);
  });

  test('follows from a dry run on the same evidence, and goes on with its rates', async () => {
    await desk.add(draft({ 'dry-run': true }), 'somebody');
    await pass(2 * MINUTE, 300);
    const { entry } = await desk.add(draft(), 'somebody');
    expect([entry.rule.dryRun, entry.monitor.start, entry.monitor.total]).toEqual([false, 300, 36_000]);
    expect(desk.entries()).toHaveLength(1);
  });

  test('can be lifted, and nothing of it is left in the workers', async () => {
    await desk.add(draft(), 'somebody');
    await desk.remove(victim, 'somebody else', 'attack over');
    expect([desk.entries(), inWorkers()]).toEqual([[], []]);
    expect(await desk.changes(1)).toMatchObject([{ action: 'remove', who: 'somebody else', reason: 'attack over' }]);
    expect(await problemsOf(desk.remove(victim, 'somebody', ''))).toEqual(["the desk has no rule on 'victim.example'"]);
  });
});

describe('no silent renewal', () => {
  test('a rule in force is not added over, and a dry run not repeated', async () => {
    await desk.add(draft(), 'somebody');
    expect(await problemsOf(desk.add(draft({}, { evidence: 'other evidence' }), 'x'))).toMatchObject([
      /in force; renew it/,
    ]);
    await desk.add(draft({ name: 'dry.example', 'dry-run': true }), 'somebody');
    expect(await problemsOf(desk.add(draft({ name: 'dry.example', 'dry-run': true }), 'x'))).toMatchObject([
      /dry run already/,
    ]);
  });

  test('a renewal states evidence, approver and end again', async () => {
    await desk.add(draft(), 'somebody');
    expect(await problemsOf(desk.renew(victim, {}, 'x'))).toMatchObject([
      /^evidence: missing/,
      /^approver: missing/,
      /^expires: missing/,
    ]);
    await pass(HOUR);
    const { entry } = await desk.renew(victim, again, 'x');
    expect(ruleView(entry, clock)).toMatchObject({ secondsLeft: 7200, renewals: 1, state: 'in-force' });
    expect(entry.rule.ground).toMatchObject({ evidence: 'graph of 14:10', effect: 'floods the resolvers' });
  });

  test.each(['ticket 4711', '  Ticket  4711. ', 'TICKET: 4711!'])(
    'with the same evidence is refused: %j',
    async (evidence) => {
      await desk.add(draft(), 'somebody');
      const stale = /evidence: carried an earlier term/;
      expect((await problemsOf(desk.renew(victim, { ...again, evidence }, 'x'))).join()).toMatch(stale);
      await desk.renew(victim, again, 'x');
      expect((await problemsOf(desk.renew(victim, { ...again, evidence }, 'x'))).join()).toMatch(stale);
      // Nor through the back door.
      await desk.remove(victim, 'x', '');
      expect((await problemsOf(desk.add(draft({}, { evidence }), 'x'))).join()).toMatch(stale);
      await desk.add(draft({}, { evidence: 'it began again' }), 'x');
      await pass(3 * HOUR);
      expect((await problemsOf(desk.add(draft({}, { evidence }), 'x'))).join()).toMatch(stale);
      expect(stateOf((await desk.renew(victim, { ...again, evidence: 'night graph' }, 'x')).entry, clock.nowMs())).toBe(
        'in-force',
      );
    },
  );

  test('of a standing measure argues for it again', async () => {
    await desk.add(draft({ ground: standing }), 'somebody');
    expect(await problemsOf(desk.renew(victim, {}, 'x'))).toMatchObject([
      /^necessity: missing/,
      /^approver: missing/,
      /^review: missing/,
    ]);
  });
});

describe('what was acknowledged', () => {
  test('is there after the desk opens again, and ends when it was to end', async () => {
    await desk.add(draft(), 'somebody');
    await desk.add(draft({ name: 'other.example', subtree: true, ground: standing }), 'somebody');
    await desk.close();
    clock.advance(HOUR);
    desk = await open();
    await attach(desk);
    expect(desk.entries().map((entry) => ruleView(entry, clock))).toMatchObject([
      { name: 'other.example', subtree: true, secondsLeft: null },
      { name: 'victim.example', subtree: false, secondsLeft: 3600 },
    ]);
    expect(inWorkers().sort()).toEqual(['other.example', 'victim.example']);
    await desk.close();
    // It ended while nothing ran; that is written down once, however often the server starts.
    clock.advance(2 * HOUR);
    for (let i = 0; i < 2; i++) {
      desk = await open();
      await attach(desk);
      await desk.tick();
      if (i === 0) await desk.close();
    }
    expect((await desk.changes(10)).map(({ action }) => action)).toEqual(['expire', 'add', 'add']);
  });

  test('is in the audit log, with who, why and what, before it acts; so is its end', async () => {
    await desk.add(draft(), 'somebody', 'security');
    await desk.remove(victim, 'other', 'attack over', 'operator');
    await desk.add(draft({ name: 'other.example' }), 'somebody', 'security');
    clock.advance(3 * HOUR);
    await desk.tick();
    expect(audited.map(({ action, who, role }) => [action, who, role])).toEqual([
      ['sinkhole.add', 'somebody', 'security'],
      ['sinkhole.remove', 'other', 'operator'],
      ['sinkhole.add', 'somebody', 'security'],
      ['sinkhole.expire', 'sekisho', 'server'],
    ]);
    expect(audited[1]).toMatchObject({ purpose: 'attack over', detail: { rule: draft().name } });
    expect(audited.every(({ purpose }) => purpose !== '')).toBe(true);
  });

  test('is not made where the audit log refuses it', async () => {
    refuseAudit = true;
    await expect(desk.add(draft(), 'somebody')).rejects.toThrow(/audit/);
    expect([desk.entries(), await desk.changes(10)]).toEqual([[], []]);
  });

  test('cannot be altered in the history', async () => {
    await desk.add(draft(), 'somebody');
    const db = new Database(join(folder, 'rules', RULES_FILE));
    for (const sql of ["UPDATE change SET who = 'nobody'", 'DELETE FROM change'])
      expect(() => db.exec(sql)).toThrow(/append-only/);
    db.close();
  });

  test('is not, where the disk did not take it: nothing acts', async () => {
    const before = published;
    const db = new Database(join(folder, 'rules', RULES_FILE));
    db.exec("CREATE TRIGGER full BEFORE INSERT ON rule BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END");
    db.close();
    expect((await problemsOf(desk.add(draft(), 'somebody'))).join()).toMatch(/could not be kept: .*disk is full/);
    expect([desk.entries(), published, await desk.changes(10)]).toEqual([[], before, []]);
  });
});

test.each([
  ['is no database', Buffer.from('this is no database, '.repeat(1000))],
  ['is cut off', Buffer.from('SQLite format 3\0')],
])('a store that %s is moved aside, never deleted, and the desk begins empty', async (_, content) => {
  const elsewhere = mkdtempSync(join(tmpdir(), 'sekisho-damaged-'));
  const rulesFolder = join(elsewhere, 'rules');
  mkdirSync(rulesFolder);
  writeFileSync(join(rulesFolder, RULES_FILE), content);
  const { store, movedAside } = await openStore(elsewhere);
  expect([await store.rules(), await store.changes(10)]).toEqual([[], []]);
  const [aside, ...others] = readdirSync(rulesFolder).filter((file) => file.includes('.damaged-'));
  expect(others).toEqual([]);
  expect(movedAside).toBe(join(rulesFolder, aside ?? ''));
  expect(readFileSync(join(rulesFolder, aside ?? ''))).toEqual(content);
  await store.close();
  rmSync(elsewhere, { recursive: true });
});

test('a store that somebody else holds locked is left where it is', async () => {
  const elsewhere = mkdtempSync(join(tmpdir(), 'sekisho-locked-'));
  mkdirSync(join(elsewhere, 'rules'));
  const other = new Database(join(elsewhere, 'rules', RULES_FILE));
  other.exec('CREATE TABLE t (n INTEGER); BEGIN EXCLUSIVE');
  await expect(openStore(elsewhere)).rejects.toThrow(/locked/);
  other.exec('ROLLBACK');
  other.close();
  expect(readdirSync(join(elsewhere, 'rules')).filter((file) => file.includes('.damaged-'))).toEqual([]);
  rmSync(elsewhere, { recursive: true });
});

describe('a reload', () => {
  const configured = (name: string): ConfigurationRule => ({
    name: { text: name, wire: textToName(name) },
    ground: { ...ground, kind: 'self-defence', expires: '2099-01-01' },
    dryRun: false,
    place: 1,
  });

  test('has old and new workers hold every change, and the old ones let go', async () => {
    const tables: Record<string, number> = {};
    const attachTo = (who: string, rules: readonly ConfigurationRule[]) =>
      desk.attach({ rules, publish: async (table) => void Object.assign(tables, { [who]: table.rules }) });
    const detachOld = await attachTo('old', [configured('old.example')]);
    await attachTo('new', [configured('old.example'), configured('new.example')]);
    await desk.add(draft(), 'somebody');
    expect(tables).toEqual({ old: 2, new: 3 });
    expect(desk.entries().map(nameOf)).toEqual(['old.example', 'new.example', 'victim.example']);
    detachOld();
    await desk.remove(victim, 'somebody', '');
    expect(tables).toEqual({ old: 2, new: 2 });
  });

  test('keeps what is known of the rate of a rule of the configuration', async () => {
    const detach = await attach(desk, [configured('old.example')]);
    await pass(2 * MINUTE, 50);
    await attach(desk, [configured('old.example')]);
    detach();
    expect(desk.entries()[0]?.monitor.peak).toBe(50);
  });

  test('a name of the configuration has no rule of the desk besides', async () => {
    await attach(desk, [configured('victim.example')]);
    expect(await problemsOf(desk.add(draft(), 'x'))).toMatchObject([/configuration has a rule on 'victim.example'/]);
    expect(await problemsOf(desk.remove(victim, 'x', ''))).toMatchObject([
      /that of the configuration is changed there/,
    ]);
  });

  test('a worker that cannot take a rule is told of; the rule is kept', async () => {
    await desk.attach({
      rules: [],
      publish: async ({ rules }) => (rules > 0 ? Promise.reject(new Error('worker 1')) : undefined),
    });
    expect(await problemsOf(desk.add(draft(), 'x'))).toMatchObject([/kept, but worker 1/]);
    expect(desk.entries()).toHaveLength(1);
  });
});

test('there are at most so many rules, and an ended one makes room', async () => {
  await desk.close();
  const db = new Database(join(folder, 'rules', RULES_FILE));
  const insert = db.prepare('INSERT INTO rule (number, rule) VALUES (?, ?)');
  const until = clock.wallMs() + HOUR;
  const rule = (i: number): Rule => ({
    id: `m${i + 1}`,
    origin: 'operator',
    plugin: PLUGIN,
    match: { name: `n${i}.example` },
    limitPerSecond: 0,
    dryRun: false,
    ground: { ...ground, kind: 'self-defence', expires: '2099-01-01' },
    endsAtMs: i === 0 ? until : until + DAY,
    reviewAtMs: undefined,
    addedBy: 'x',
    addedAtMs: 0,
    termFromMs: 0,
    renewals: 0,
    state: 'in-force',
    endedAtMs: undefined,
    endedWhy: '',
    proposed: undefined,
  });
  db.transaction(() => {
    for (let i = 0; i < MAX_RULES; i++) insert.run(i + 1, JSON.stringify(rule(i)));
  })();
  db.close();
  desk = await open();
  await attach(desk);
  expect(await problemsOf(desk.add(draft(), 'x'))).toMatchObject([/10000 rules already, which is the limit/]);
  clock.advance(HOUR);
  await desk.tick();
  expect((await desk.add(draft(), 'x')).entry.rule.match.name).toBe('victim.example');
  expect(desk.entries()).toHaveLength(MAX_RULES);
});

describe('a preview', () => {
  test('claims no rate that nobody counted', async () => {
    expect(await preview(desk.rules, { name: 'Victim.example' }, clock)).toMatchObject({
      name: 'victim.example',
      problems: [],
      counted: [],
      note: expect.stringContaining('A dry run'),
    });
  });

  test('shows what a dry run, or a subtree above, has counted; and what lies below', async () => {
    await desk.add(draft({ 'dry-run': true, subtree: true }), 'x');
    await pass(2 * MINUTE, 40);
    expect(await preview(desk.rules, { name: 'www.victim.example' }, clock)).toMatchObject({
      counted: [{ name: 'victim.example', state: 'dry-run', ratePerSecond: 40 }],
      below: [],
    });
    expect((await preview(desk.rules, draft({ name: 'new.victim.example' }), clock)).problems).toEqual([]);
    await desk.add(draft({ name: 'a.b.example' }), 'x');
    expect(await preview(desk.rules, { name: 'b.example', subtree: true }, clock)).toMatchObject({
      below: ['a.b.example'],
      counted: [],
    });
  });

  test('names every reason for a refusal, and changes nothing', async () => {
    expect(await preview(desk.rules, { name: 'com' }, clock)).toMatchObject({
      name: null,
      problems: [/public suffix/],
    });
    expect((await preview(desk.rules, draft({ ground: { kind: 'self-defence' } }), clock)).problems).toHaveLength(4);
    await desk.add(draft(), 'x');
    expect((await preview(desk.rules, draft(), clock)).problems).toMatchObject([/in force; renew it/]);
    expect(await desk.changes(10)).toHaveLength(1);
  });
});
