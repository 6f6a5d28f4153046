import { describe, expect, test } from 'vitest';
import { EDE, textToName } from '../../src/contract/plugin.ts';
import { ManualClock, mount } from '../../src/testing/testing.ts';
import sinkhole from './index.ts';
import { compileTable, type TableRule } from './table.ts';

const ground = {
  kind: 'self-defence',
  effect: 'floods the web servers of the member portal',
  evidence: 'ticket 4711, traffic graph of the border routers',
  approver: 'NOC shift lead',
  expires: '2027-01-01',
} as const;
const options = { ipv4: '192.0.2.1', ipv6: '2001:db8::1', rules: [{ name: 'attacked.example', ground }] };

describe('a name under attack', () => {
  test.each([
    ['A', '192.0.2.1'],
    ['AAAA', '2001:db8::1'],
  ])('%s is answered the discard address, with a short TTL and Forged Answer', async (type, data) => {
    const reply = await mount(sinkhole, options).ask({ name: 'ATTACKED.example', type });
    expect(reply).toMatchObject({
      rcode: 'NOERROR',
      ede: EDE.FORGED_ANSWER,
      answers: [{ name: 'ATTACKED.example', type, ttl: 30, data }],
    });
  });

  test.each(['HTTPS', 'SVCB', 'TXT', 'MX', 'NS'])(
    '%s is there without data, with an SOA so that clients keep it',
    async (type) => {
      const bytes = Uint8Array.from([
        ...[0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 8, ...Buffer.from('attacked'), 7, ...Buffer.from('example'), 0],
        ...[0, { HTTPS: 65, SVCB: 64, TXT: 16, MX: 15, NS: 2 }[type]!, 0, 1],
      ]);
      const reply = await mount(sinkhole, options).ask({ name: 'attacked.example', bytes });
      expect(reply).toMatchObject({
        rcode: 'NOERROR',
        ede: EDE.FORGED_ANSWER,
        answers: [],
        authorities: [{ type: 'SOA', ttl: 30 }],
      });
    },
  );

  test('names below it and above it are not touched', async () => {
    const mounted = mount(sinkhole, options);
    for (const name of ['www.attacked.example', 'example', 'xattacked.example']) {
      expect((await mounted.ask({ name })).answers, name).toMatchObject([{ data: '192.0.2.99' }]);
    }
    expect(mounted.counter('sekisho_sinkhole_hits_total')).toBe(0);
  });

  test('without a discard address of a family, that family is NODATA', async () => {
    const reply = await mount(sinkhole, { ...options, ipv6: undefined }).ask({
      name: 'attacked.example',
      type: 'AAAA',
    });
    expect(reply).toMatchObject({ rcode: 'NOERROR', answers: [] });
  });

  test('hits are counted by the number of the rule, never by its name', async () => {
    const mounted = mount(sinkhole, options);
    await mounted.ask({ name: 'attacked.example' });
    await mounted.ask({ name: 'attacked.example', type: 'AAAA' });
    expect(mounted.counter('sekisho_sinkhole_hits_total', { rule: '1', dry_run: 'false' })).toBe(2);
  });
});

test('a dry run counts what it would hit and answers the truth', async () => {
  const mounted = mount(sinkhole, { ...options, rules: [{ name: 'attacked.example', ground, 'dry-run': true }] });
  expect((await mounted.ask({ name: 'attacked.example' })).answers).toMatchObject([{ data: '192.0.2.99' }]);
  expect(mounted.counter('sekisho_sinkhole_hits_total', { dry_run: 'true' })).toBe(1);
});

test('a rule ends by itself when its ground expires', async () => {
  const clock = new ManualClock();
  const expires = new Date(clock.wallMs() + 3600_000).toISOString().replace(/\.\d+Z$/, 'Z');
  const mounted = mount(
    sinkhole,
    { ...options, rules: [{ name: 'attacked.example', ground: { ...ground, expires } }] },
    { clock },
  );
  expect((await mounted.ask({ name: 'attacked.example' })).answers).toMatchObject([{ data: '192.0.2.1' }]);
  clock.advance(3600_000);
  expect((await mounted.ask({ name: 'attacked.example' })).answers).toMatchObject([{ data: '192.0.2.99' }]);
  expect(mounted.explain({ name: 'attacked.example' })).toMatchObject({ reason: expect.stringContaining('expired') });
});

describe('refuses', () => {
  const rule = (name: string, over: object = {}) => ({ ...options, rules: [{ name, ground: { ...ground, ...over } }] });
  test.each([
    ['a top-level domain', rule('com'), /public suffix/],
    ['a public suffix', rule('co.jp.'), /public suffix/],
    ['a private suffix that many share', rule('github.io'), /public suffix/],
    ['the root', rule('.'), /public suffix/],
    ['a name that is none', rule('a..b'), /empty label/],
    [
      'the same name twice',
      {
        ...options,
        rules: [
          { name: 'a.example', ground },
          { name: 'A.example.', ground },
        ],
      },
      /number 1/,
    ],
    ['an IPv4 address where an IPv6 one should be', { ...options, ipv6: '192.0.2.1' }, /not an IPv6 address/],
    ['a rule without an expiry', rule('a.example', { expires: undefined }), /expires/],
    ['a date that does not exist', rule('a.example', { expires: '2026-02-30' }), /no such date/],
    ['a rule without evidence', rule('a.example', { evidence: '' }), /evidence/],
    ['a rule without an approver', rule('a.example', { approver: ' ' }), /approver/],
    ['a rule without a ground', { ...options, rules: [{ name: 'a.example' }] }, /ground/],
  ])('%s', (_what, given, message) => {
    expect(() => mount(sinkhole, given as typeof options)).toThrow(message);
  });
});

test('explain names rule and ground, and counts nothing', () => {
  const mounted = mount(sinkhole, options);
  expect(mounted.explain({ name: 'attacked.example' })).toMatchObject({
    verdict: 1,
    reason: expect.stringContaining('正当防衛'),
  });
  expect(mounted.explain({ name: 'other.example' })).toMatchObject({ verdict: 0 });
  expect(mounted.counter('sekisho_sinkhole_hits_total')).toBe(0);
});

describe('rules handed over while packets flow', () => {
  const FOREVER = Number.POSITIVE_INFINITY;
  const rule = (name: string, over: Partial<TableRule> = {}): TableRule => ({
    name: textToName(name),
    subtree: false,
    dryRun: false,
    endsMs: FOREVER,
    slot: 0,
    place: 0,
    about: new TextEncoder().encode('ground self-defence (正当防衛), approved by somebody, until 2026-10-10T00:00:00Z'),
    ...over,
  });
  /** The plugin with these rules of the desk, and its counters. */
  function withRules(...rules: TableRule[]) {
    const hits = new SharedArrayBuffer(64);
    const mounted = mount(sinkhole, { ipv4: '192.0.2.1' }, { shared: { hits } });
    // The key of the test harness.
    mounted.publish(compileTable(rules, [0x01234567, 0x09abcdef]));
    // Two counters a slot; the first is of queries that it matched.
    const counters = new Int32Array(hits);
    return { ...mounted, counters, hitsOf: (...slots: number[]) => slots.map((slot) => counters[2 * slot]) };
  }
  const discarded = [{ data: '192.0.2.1' }];
  const truth = [{ data: '192.0.2.99' }];

  test('a subtree rule discards the name and all below it, and nothing else', async () => {
    const { ask, hitsOf } = withRules(rule('victim.example', { subtree: true, slot: 3 }));
    for (const name of ['victim.example', 'www.victim.example', 'a.b.c.VICTIM.example'])
      expect((await ask({ name })).answers, name).toMatchObject(discarded);
    for (const name of ['xvictim.example', 'example', 'victim.example.net'])
      expect((await ask({ name })).answers, name).toMatchObject(truth);
    expect(hitsOf(0, 1, 2, 3)).toEqual([0, 0, 0, 3]);
  });

  test('a new table replaces the one before, whole', async () => {
    const mounted = withRules(rule('old.example'));
    mounted.publish(compileTable([rule('new.example')], [0x01234567, 0x09abcdef]));
    expect((await mounted.ask({ name: 'old.example' })).answers).toMatchObject(truth);
    expect((await mounted.ask({ name: 'new.example' })).answers).toMatchObject(discarded);
  });

  test('a dry run counts in its slot and leaves the decision to the next rule', async () => {
    const { ask, hitsOf, counter } = withRules(
      rule('www.victim.example', { dryRun: true, slot: 1 }),
      rule('victim.example', { subtree: true, slot: 2 }),
    );
    expect((await ask({ name: 'www.victim.example' })).answers).toMatchObject(discarded);
    expect(hitsOf(1, 2)).toEqual([1, 1]);
    expect(counter('sekisho_sinkhole_hits_total', { rule: 'desk', dry_run: 'true' })).toBe(1);
    expect(counter('sekisho_sinkhole_hits_total', { rule: 'desk', dry_run: 'false' })).toBe(1);
  });

  test('a rule that has ended counts nothing and leaves the decision to the next one', async () => {
    const { ask, hitsOf, advance, clock } = withRules(
      rule('victim.example', { slot: 1, endsMs: new ManualClock().nowMs() + 1000 }),
      rule('victim.example', { subtree: true, slot: 2, dryRun: true }),
    );
    expect((await ask({ name: 'victim.example' })).answers).toMatchObject(discarded);
    advance(1000);
    expect(clock.nowMs()).toBe(new ManualClock().nowMs() + 1000);
    expect((await ask({ name: 'victim.example' })).answers).toMatchObject(truth);
    expect(hitsOf(1, 2)).toEqual([1, 1]);
  });

  test.each([
    [
      'it discards',
      [rule('a.victim.example')],
      1,
      /^rule 'a\.victim\.example' discards this name; ground self-defence .*\(rule of the desk\)$/,
    ],
    [
      'a name above reaches down',
      [rule('victim.example', { subtree: true })],
      1,
      /'victim\.example' and all below it discards/,
    ],
    ['it has expired', [rule('a.victim.example', { endsMs: 1 })], 0, /has expired; ground/],
    ['it is a dry run', [rule('a.victim.example', { dryRun: true })], 0, /is a dry run; ground/],
    [
      'a name above does not reach down',
      [rule('victim.example')],
      0,
      /'victim\.example' is on that name alone: its subtree was not asked for/,
    ],
    [
      'only a name below has a rule',
      [rule('b.a.victim.example', { subtree: true })],
      0,
      /^no rule names exactly this name/,
    ],
    [
      'a dry run and a rule above',
      [rule('a.victim.example', { dryRun: true }), rule('victim.example', { subtree: true })],
      1,
      /is a dry run; .*discards this name/,
    ],
  ] as const)('explain says why: %s', (_, rules, verdict, reason) => {
    const { explain, counters } = withRules(...rules);
    expect(explain({ name: 'a.victim.example' })).toMatchObject({ verdict, reason: expect.stringMatching(reason) });
    expect(Math.max(...counters)).toBe(0);
  });
});
