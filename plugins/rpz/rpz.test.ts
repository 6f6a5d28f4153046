import type { Answer } from 'dns-packet';
import { describe, expect, test } from 'vitest';
import { cachedChain } from '../../bench/micro/cached-chain.ts';
import { addressWords } from '../../src/address/address.ts';
import { EDE, Query, RCODE } from '../../src/contract/plugin.ts';
import { type Ask, ManualClock, mount, queryMessage, type UpstreamReply } from '../../src/testing/testing.ts';
import { systemClock } from '../../src/time/clock.ts';
import { textToName } from '../../src/wire/name.ts';
import { listsInForce, type TestList } from '../../test/support/lists-in-force.ts';
import rpz from './index.ts';

const HEAD = `$ORIGIN rpz.example.
@ 900 SOA ns.rpz.example. admin.rpz.example. 7 60 60 3600 120
`;
const zone = (...rules: string[]): string => `${HEAD}${rules.join('\n')}\n`;
const list = (...rules: string[]): TestList => ({ text: zone(...rules) });

type World = Readonly<Record<string, UpstreamReply>>;
const address = (name: string, data: string): Answer => ({ name, type: 'A', ttl: 300, data });
const alias = (name: string, data: string): Answer => ({ name, type: 'CNAME', ttl: 200, data });

const WORLD: World = {
  'plain.example': { answers: [address('plain.example', '198.51.100.1')], authenticData: true },
  'chain.example': {
    answers: [
      alias('chain.example', 'middle.example'),
      alias('middle.example', 'end.example'),
      address('end.example', '198.51.100.5'),
    ],
    authenticData: true,
  },
  'garden.example': { answers: [address('garden.example', '203.0.113.80')] },
  'hosted.example': {
    answers: [address('hosted.example', '198.51.100.9')],
    authorities: [
      { name: 'hosted.example', type: 'NS', ttl: 300, data: 'ns.bad-hoster.example' },
      { name: 'hosted.example', type: 'NS', ttl: 300, data: 'ns.other-hoster.example' },
    ],
    additionals: [address('ns.bad-hoster.example', '203.0.113.7'), address('ns.other-hoster.example', '203.0.113.8')],
  },
};

function mounted(lists: readonly TestList[], world: World = WORLD, clock = new ManualClock()) {
  const inForce = listsInForce(...lists);
  const asked: string[] = [];
  const plugin = mount(
    rpz,
    {},
    {
      lists: inForce,
      clock,
      upstream: (name, type) => {
        asked.push(`${name} ${type}`);
        return type === 'A' ? (world[name] ?? { answers: [], rcode: 3 }) : { answers: [] };
      },
    },
  );
  return { ...plugin, asked, lists: inForce };
}

/** What a client sees, in short. */
async function seen(plugin: ReturnType<typeof mounted>, ask: Ask): Promise<string> {
  const reply = await plugin.ask(ask);
  if (!reply.sent) return 'dropped';
  if (reply.truncated) return 'truncated';
  const answers = reply.answers.map((one) => `${one.type} ${'data' in one ? String(one.data) : ''}`);
  return [reply.rcode, ...answers].join(', ');
}

const hits = (plugin: ReturnType<typeof mounted>, labels: Record<string, string> = {}): number =>
  plugin.counter('sekisho_rpz_hits_total', labels);

const TRIGGERS: readonly [string, string, string][] = [
  ['client-ip', '24.0.2.0.192.rpz-client-ip', 'hosted.example'],
  ['qname', 'hosted.example', 'hosted.example'],
  ['ip', '32.9.100.51.198.rpz-ip', 'hosted.example'],
  ['nsdname', 'ns.bad-hoster.example.rpz-nsdname', 'hosted.example'],
  ['nsip', '32.7.113.0.203.rpz-nsip', 'hosted.example'],
];
const ACTIONS: readonly [string, string[], string][] = [
  ['nxdomain', ['CNAME .'], 'NXDOMAIN'],
  ['nodata', ['CNAME *.'], 'NOERROR'],
  ['passthru', ['CNAME rpz-passthru.'], 'NOERROR, A 198.51.100.9'],
  ['drop', ['CNAME rpz-drop.'], 'dropped'],
  ['tcp-only', ['CNAME rpz-tcp-only.'], 'truncated'],
  ['local-data', ['A 192.0.2.80', 'A 192.0.2.81', 'TXT "x"'], 'NOERROR, A 192.0.2.80, A 192.0.2.81'],
  ['cname', ['CNAME garden.example.'], 'NOERROR, CNAME garden.example, A 203.0.113.80'],
];
const matrix = TRIGGERS.flatMap(([trigger, owner, name]) =>
  ACTIONS.map(([action, data, expected]) => [trigger, action, owner, name, data, expected] as const),
);

describe.each(matrix)('%s, %s', (trigger, action, owner, name, data, expected) => {
  const rules = data.map((one) => `${owner} ${one}`);
  const ask = { name, client: '192.0.2.55' };

  test('does what the rule says, and counts it', async () => {
    const plugin = mounted([list(...rules)]);
    expect(await seen(plugin, ask)).toBe(expected);
    expect(hits(plugin, { trigger, action, dry_run: 'false', list: 'list1' })).toBe(1);
    expect(hits(plugin)).toBe(1);
  });

  test('does so again when the answer comes from the cache, which holds the truth', async () => {
    const plugin = mounted([list(...rules)]);
    await plugin.ask(ask);
    expect(await seen(plugin, ask)).toBe(expected);
    expect(hits(plugin)).toBe(2);
  });

  test('over TCP: TCP-Only lets through, the rest is the same', async () => {
    const plugin = mounted([list(...rules)]);
    const open = action === 'tcp-only' ? 'NOERROR, A 198.51.100.9' : expected;
    expect(await seen(plugin, { ...ask, transport: 'tcp' })).toBe(open);
    expect(hits(plugin)).toBe(1);
  });

  test.each([
    ['a dry run', { dryRun: true }],
    ['disabled by its override', { override: { action: 'disabled' } }],
  ] as const)('%s only counts', async (_what, facts) => {
    const plugin = mounted([{ ...list(...rules), ...facts }]);
    expect(await seen(plugin, ask)).toBe('NOERROR, A 198.51.100.9');
    expect(hits(plugin, { trigger, action, dry_run: 'true' })).toBe(1);
    expect(hits(plugin)).toBe(1);
  });

  test('a list of another category is not looked into', async () => {
    const plugin = mounted([
      { ...list(...rules), category: 'malware' },
      { ...list('other.example CNAME .'), name: 'own' },
    ]);
    expect(await seen(plugin, ask)).toBe('NOERROR, A 198.51.100.9');
    expect(hits(plugin)).toBe(0);
  });
});

describe.each(TRIGGERS)('%s with the override', (trigger, owner, name) => {
  const ask = { name, client: '192.0.2.55' };
  test.each([
    [{ action: 'nxdomain' }, 'nxdomain', 'NXDOMAIN'],
    [{ action: 'nodata' }, 'nodata', 'NOERROR'],
    [{ action: 'passthru' }, 'passthru', 'NOERROR, A 198.51.100.9'],
    [{ action: 'drop' }, 'drop', 'dropped'],
    [{ action: 'tcp-only' }, 'tcp-only', 'truncated'],
    [{ action: 'cname', name: textToName('garden.example') }, 'cname', 'NOERROR, CNAME garden.example, A 203.0.113.80'],
  ] as const)('%j it does that whatever the rule says', async (override, action, expected) => {
    for (const data of ['CNAME .', 'CNAME rpz-drop.', 'A 192.0.2.1']) {
      const plugin = mounted([{ ...list(`${owner} ${data}`), override }]);
      expect(await seen(plugin, ask), data).toBe(expected);
      expect(hits(plugin, { trigger, action })).toBe(1);
    }
  });
});

describe('names', () => {
  test('a wildcard covers what is below the name at any depth, and not the name', async () => {
    const plugin = mounted([list('*.bad.example CNAME .')]);
    expect(await seen(plugin, { name: 'A.b.bad.EXAMPLE' })).toBe('NXDOMAIN');
    expect(plugin.asked).toEqual([]);
    await seen(plugin, { name: 'bad.example' });
    expect(plugin.asked).toEqual(['bad.example A']);
  });

  test('the name itself comes before a wildcard, a longer wildcard before a shorter one', async () => {
    const plugin = mounted([list('*.a.example CNAME .', '*.b.a.example A 192.0.2.2', 'c.b.a.example A 192.0.2.3')]);
    expect(await seen(plugin, { name: 'x.a.example' })).toBe('NXDOMAIN');
    expect(await seen(plugin, { name: 'x.b.a.example' })).toBe('NOERROR, A 192.0.2.2');
    expect(await seen(plugin, { name: 'c.b.a.example' })).toBe('NOERROR, A 192.0.2.3');
  });
});

describe('negative answers', () => {
  const rules = list('no.example CNAME .', 'nodata.example CNAME *.', 'local.example A 192.0.2.1');

  test.each([
    ['no.example', 'A', 'NXDOMAIN', EDE.BLOCKED],
    ['nodata.example', 'A', 'NOERROR', EDE.BLOCKED],
    ['local.example', 'TXT', 'NOERROR', EDE.FORGED_ANSWER],
  ])("%s carries the zone's SOA, with the smaller of its TTL and MINIMUM", async (name, type, rcode, ede) => {
    const reply = await mounted([rules]).ask({ name, type });
    expect(reply).toMatchObject({
      rcode,
      ede,
      answers: [],
      authorities: [{ name: 'rpz.example', type: 'SOA', ttl: 120, data: { serial: 7, mname: 'ns.rpz.example' } }],
      additionals: [],
    });
  });

  test('a zone without an SOA gets one anyway, so that clients keep the answer', async () => {
    const reply = await mounted([{ text: '$ORIGIN z.example.\nno.example CNAME .\n' }]).ask({ name: 'no.example' });
    expect(reply.authorities).toMatchObject([{ type: 'SOA', ttl: 60 }]);
  });
});

describe('local data', () => {
  const rules = list(
    'local.example 77 A 192.0.2.1',
    'local.example 77 AAAA 2001:db8::1',
    'local.example 78 MX 10 Mail.Example.',
  );
  test('is answered with its TTL, for each type it has', async () => {
    const plugin = mounted([rules]);
    expect((await plugin.ask({ name: 'Local.example', type: 'AAAA' })).answers).toMatchObject([
      { name: 'Local.example', ttl: 77, data: '2001:db8::1' },
    ]);
    expect(await plugin.ask({ name: 'local.example', type: 'MX' })).toMatchObject({
      ede: EDE.FORGED_ANSWER,
      answers: [{ ttl: 78, data: { preference: 10, exchange: 'Mail.Example' } }],
    });
  });

  test('what does not fit over UDP is told to come back over TCP, and comes', async () => {
    const many = Array.from({ length: 64 }, (_, i) => `big.example TXT "${'x'.repeat(200)}${i}"`);
    const plugin = mounted([list(...many)]);
    expect(await seen(plugin, { name: 'big.example', type: 'TXT' })).toBe('truncated');
    const whole = await plugin.ask({ name: 'big.example', type: 'TXT', transport: 'tcp' });
    expect(whole.answers).toHaveLength(64);
  });
});

describe('redirection', () => {
  test('a wildcard target has the redirected name in front', async () => {
    const plugin = mounted([list('*.bad.example CNAME *.garden.example.')], {
      'a.bad.example.garden.example': { answers: [address('a.bad.example.garden.example', '203.0.113.81')] },
    });
    expect(await seen(plugin, { name: 'a.bad.example' })).toBe(
      'NOERROR, CNAME a.bad.example.garden.example, A 203.0.113.81',
    );
  });

  test('a target that would be longer than a name may be is YXDOMAIN', async () => {
    const label = 'x'.repeat(60);
    const long = `${label}.${label}.${label}.bad.example`;
    const plugin = mounted([list(`*.bad.example CNAME *.${label}.garden.example.`)]);
    const reply = await plugin.ask({ name: long });
    expect(reply).toMatchObject({ rcode: 'YXDOMAIN', answers: [], ede: EDE.BLOCKED });
    const fits = await plugin.ask({ name: 'y.bad.example' });
    expect(fits.answers[0]).toMatchObject({ type: 'CNAME', data: `y.bad.example.${label}.garden.example` });
  });

  test('a garden inside the redirected zone is not redirected into itself', async () => {
    const plugin = mounted([list('*.a.example CNAME garden.a.example.')], {
      'garden.a.example': { answers: [address('garden.a.example', '203.0.113.82')] },
    });
    expect(await seen(plugin, { name: 'x.a.example' })).toBe('NOERROR, CNAME garden.a.example, A 203.0.113.82');
    expect(await seen(plugin, { name: 'garden.a.example' })).toBe('NOERROR, A 203.0.113.82');
    expect(hits(plugin, { action: 'passthru' })).toBe(1);
  });

  test('no policy is asked about the target', async () => {
    const plugin = mounted([list('bad.example CNAME garden.example.', 'garden.example CNAME .')]);
    expect(await seen(plugin, { name: 'bad.example' })).toBe('NOERROR, CNAME garden.example, A 203.0.113.80');
  });

  test('whoever asks for the CNAME gets it alone, and the target is not looked up', async () => {
    const plugin = mounted([list('bad.example CNAME garden.example.')]);
    expect(await seen(plugin, { name: 'bad.example', type: 'CNAME' })).toBe('NOERROR, CNAME garden.example');
    expect(plugin.asked).toEqual([]);
  });

  test("the target's lack of records is answered with its SOA", async () => {
    const data = { mname: 'ns.g', rname: 'a.g', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 33 };
    const plugin = mounted([list('bad.example CNAME gone.g.example.')], {
      'gone.g.example': { rcode: 3, authorities: [{ name: 'g.example', type: 'SOA', ttl: 44, data }] },
    });
    for (const _ of ['fetched', 'cached']) {
      expect(await plugin.ask({ name: 'bad.example' })).toMatchObject({
        rcode: 'NXDOMAIN',
        answers: [{ type: 'CNAME', data: 'gone.g.example' }],
        authorities: [{ name: 'g.example', type: 'SOA', data: { minimum: 33 } }],
      });
    }
    expect(plugin.asked).toEqual(['gone.g.example A']);
  });
});

describe('a chain of CNAMEs (§5.1)', () => {
  test.each([
    ['middle.example CNAME .', 'NXDOMAIN, CNAME middle.example'],
    ['end.example A 192.0.2.9', 'NOERROR, CNAME middle.example, CNAME end.example, A 192.0.2.9'],
    ['middle.example CNAME garden.example.', 'NOERROR, CNAME middle.example, CNAME garden.example, A 203.0.113.80'],
    ['24.0.100.51.198.rpz-ip CNAME *.', 'NOERROR, CNAME middle.example, CNAME end.example'],
    ['middle.example CNAME rpz-drop.', 'dropped'],
    ['middle.example CNAME rpz-tcp-only.', 'truncated'],
  ])('%s: what comes before the name stays', async (rule, expected) => {
    const plugin = mounted([list(rule)]);
    for (const _ of ['fetched', 'cached']) expect(await seen(plugin, { name: 'chain.example' })).toBe(expected);
    expect(hits(plugin)).toBe(2);
  });

  test('the name nearest to the question decides, whatever the order of the lists', async () => {
    const plugin = mounted([
      list('end.example CNAME .', '32.5.100.51.198.rpz-ip CNAME .'),
      list('middle.example A 192.0.2.4'),
    ]);
    expect(await seen(plugin, { name: 'chain.example' })).toBe('NOERROR, CNAME middle.example, A 192.0.2.4');
  });

  test('PASSTHRU at an earlier name keeps later rules away', async () => {
    const plugin = mounted([list('end.example CNAME .'), list('chain.example CNAME rpz-passthru.')]);
    expect(await seen(plugin, { name: 'chain.example' })).toMatch(/A 198\.51\.100\.5$/);
    expect(hits(plugin)).toBe(1);
  });

  test('a query for CNAME stops at the CNAME', async () => {
    const plugin = mount(
      rpz,
      {},
      {
        lists: listsInForce(list('middle.example CNAME .')),
        upstream: () => [alias('chain.example', 'middle.example')],
      },
    );
    expect((await plugin.ask({ name: 'chain.example', type: 'CNAME' })).rcode).toBe('NOERROR');
  });

  test('a chain that no resolver would follow is SERVFAIL, not a way around', async () => {
    const names = Array.from({ length: 19 }, (_, i) => `n${i}.example`);
    const answers = names.slice(1).map((name, i) => alias(`n${i}.example`, name));
    const plugin = mounted([list('bad.example CNAME .')], {
      'n0.example': { answers: [...answers, address('n18.example', '192.0.2.1')] },
    });
    expect(await seen(plugin, { name: 'n0.example' })).toBe('SERVFAIL');
  });
});

describe('the order of lists and triggers (§5.2, §5.4)', () => {
  const ask = { name: 'hosted.example', client: '192.0.2.55' };
  const rule = (trigger: number, n: number): string => `${TRIGGERS[trigger]?.[1]} A 192.0.2.${n}`;

  test('inside a list, client before name, answer, name and address of the server', async () => {
    for (let first = 0; first < TRIGGERS.length; first++) {
      const rules = TRIGGERS.map((_, i) => rule(i, i + 1)).slice(first);
      expect(await seen(mounted([list(...rules)]), ask)).toBe(`NOERROR, A 192.0.2.${first + 1}`);
    }
  });

  test('the first list decides, whatever its trigger', async () => {
    for (let trigger = 0; trigger < TRIGGERS.length; trigger++) {
      const later = list(...TRIGGERS.map((_, i) => rule(i, 99)));
      expect(await seen(mounted([list(rule(trigger, 1)), later]), ask)).toBe('NOERROR, A 192.0.2.1');
    }
  });

  test('a name is decided at once where no earlier list looks at answers, and waits where one does', async () => {
    const plugin = mounted([list('bad.example CNAME .'), list('32.9.9.9.9.rpz-ip CNAME .')]);
    expect(await seen(plugin, { name: 'bad.example' })).toBe('NXDOMAIN');
    expect(plugin.asked).toEqual([]);
    const waits = mounted([list('32.1.100.51.198.rpz-ip CNAME *.'), list('plain.example CNAME .')]);
    expect(await seen(waits, { name: 'plain.example' })).toBe('NOERROR');
    expect(waits.asked).toEqual(['plain.example A']);
    expect(hits(waits, { trigger: 'ip' })).toBe(1);
    expect(hits(waits)).toBe(1);
  });

  test('a rule on the name that had to wait acts also where no answer is available', async () => {
    const plugin = mount(
      rpz,
      {},
      {
        lists: listsInForce(list('32.1.100.51.198.rpz-ip CNAME *.'), list('lost.example CNAME .')),
        upstream: () => undefined,
      },
    );
    expect((await plugin.ask({ name: 'lost.example' })).rcode).toBe('NXDOMAIN');
    expect((await plugin.ask({ name: 'other.example' })).rcode).toBe('SERVFAIL');
  });

  test('a dry run is counted once, and the next list decides', async () => {
    const plugin = mounted([
      { ...list(...TRIGGERS.map(([, owner]) => `${owner} CNAME .`), 'end.example CNAME .'), dryRun: true },
      list('hosted.example A 192.0.2.7'),
    ]);
    expect(await seen(plugin, ask)).toBe('NOERROR, A 192.0.2.7');
    expect(hits(plugin, { dry_run: 'true' })).toBe(1);
    expect(hits(plugin, { dry_run: 'false' })).toBe(1);
  });

  test('the longest prefix decides (§5.6), of two as long that around the smaller address (§5.7)', async () => {
    const world = {
      'two.example': { answers: [address('two.example', '203.0.113.200'), address('two.example', '198.51.100.3')] },
    };
    const longest = mounted([list('8.0.0.0.198.rpz-ip A 192.0.2.1', '24.0.113.0.203.rpz-ip A 192.0.2.2')], world);
    expect(await seen(longest, { name: 'two.example' })).toBe('NOERROR, A 192.0.2.2');
    const smaller = mounted([list('24.0.113.0.203.rpz-ip A 192.0.2.1', '24.0.100.51.198.rpz-ip A 192.0.2.2')], world);
    expect(await seen(smaller, { name: 'two.example' })).toBe('NOERROR, A 192.0.2.2');
  });

  test('of two name servers, one listed itself comes before one below a name (§5.3), then the smaller name (§5.5)', async () => {
    const exact = mounted([
      list('*.bad-hoster.example.rpz-nsdname A 192.0.2.1', 'ns.other-hoster.example.rpz-nsdname A 192.0.2.2'),
    ]);
    expect(await seen(exact, ask)).toBe('NOERROR, A 192.0.2.2');
    const smaller = mounted([
      list('ns.other-hoster.example.rpz-nsdname A 192.0.2.1', 'ns.bad-hoster.example.rpz-nsdname A 192.0.2.2'),
    ]);
    expect(await seen(smaller, ask)).toBe('NOERROR, A 192.0.2.2');
  });
});

describe('replies that are left alone', () => {
  test('a server of another zone than those above the name says nothing about it', async () => {
    const plugin = mounted([list('ns.bad-hoster.example.rpz-nsdname CNAME .')], {
      'mine.test': {
        answers: [alias('mine.test', 'cdn.example'), address('cdn.example', '198.51.100.9')],
        authorities: [{ name: 'cdn.example', type: 'NS', ttl: 300, data: 'ns.bad-hoster.example' }],
      },
    });
    // At cdn.example, the second position, it does.
    expect(await seen(plugin, { name: 'mine.test' })).toBe('NXDOMAIN, CNAME cdn.example');
  });

  test.each(['example', '.'])("servers of '%s', which say nothing about a name below it", async (zone) => {
    const plugin = mounted([list('ns.registry.example.rpz-nsdname CNAME .', '32.7.113.0.203.rpz-nsip CNAME .')], {
      'plain.example': {
        answers: [address('plain.example', '198.51.100.1')],
        authorities: [{ name: zone, type: 'NS', ttl: 300, data: 'ns.registry.example' }],
        additionals: [address('ns.registry.example', '203.0.113.7')],
      },
    });
    expect(await seen(plugin, { name: 'plain.example' })).toBe('NOERROR, A 198.51.100.1');
    expect(hits(plugin)).toBe(0);
  });

  test('what is not listed keeps its AD flag; what is rewritten has none, also with DO set', async () => {
    const plugin = mounted([list('chain.example A 192.0.2.1', '32.9.100.51.198.rpz-ip CNAME .')]);
    for (const _ of ['fetched', 'cached']) {
      expect(await plugin.ask({ name: 'plain.example', dnssecOk: true })).toMatchObject({ authenticData: true });
      expect(await plugin.ask({ name: 'chain.example', dnssecOk: true })).toMatchObject({
        authenticData: false,
        answers: [{ data: '192.0.2.1' }],
      });
    }
    const middle = mounted([list('middle.example CNAME .')]);
    expect(await middle.ask({ name: 'chain.example', dnssecOk: true })).toMatchObject({ authenticData: false });
  });

  test('what another plugin wrote', async () => {
    // The chain of the bench: its sinkhole answers 192.0.2.1 for attacked.example, its cache the same for host.example.
    const rules = list('attacked.example CNAME .', '32.1.2.0.192.rpz-ip CNAME .');
    const chain = await cachedChain(['host.example'], listsInForce(rules));
    const rcodeOf = (name: string): number => {
      const query = new Query();
      query.message = queryMessage({ name });
      query.length = query.message.length;
      query.clientWords.set(addressWords('127.0.0.1'));
      query.port = 5353;
      query.nowMs = systemClock.nowMs();
      const memory = new ArrayBuffer(1232);
      query.reply = new Uint8Array(memory);
      query.replyWords = new Int32Array(memory);
      query.replyCapacity = 1232;
      expect(chain.handle(query)).toBe(true);
      return query.rcode;
    };
    expect(rcodeOf('host.example')).toBe(RCODE.NXDOMAIN);
    expect(rcodeOf('attacked.example')).toBe(RCODE.NOERROR);
  });

  test('class CH', async () => {
    const bytes = Uint8Array.from([
      ...[0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, ...Buffer.from('bad'), 7, ...Buffer.from('example'), 0, 0, 1, 0, 3],
    ]);
    const plugin = mounted([list('bad.example CNAME .')]);
    expect((await plugin.ask({ name: 'bad.example', bytes })).rcode).not.toBe('NXDOMAIN');
    expect(hits(plugin)).toBe(0);
  });
});

describe('lists that change or end', () => {
  test('an expired ground takes a list out of force at that instant', async () => {
    const clock = new ManualClock();
    const expires = new Date(clock.wallMs() + 3600_000).toISOString().replace(/\.\d+Z$/, 'Z');
    const ground = {
      kind: 'self-defence',
      effect: 'floods the portal',
      evidence: 'ticket 4711',
      approver: 'NOC',
      expires,
    } as const;
    const plugin = mounted([{ ...list('plain.example CNAME .'), ground }], WORLD, clock);
    expect(await seen(plugin, { name: 'plain.example' })).toBe('NXDOMAIN');
    plugin.advance(3600_000);
    expect(await seen(plugin, { name: 'plain.example' })).toBe('NOERROR, A 198.51.100.1');
    expect(hits(plugin)).toBe(1);
    expect(plugin.explain({ name: 'plain.example' })?.reason).toContain('ground has expired');
  });

  test('a list that says nothing by itself does nothing without an override', async () => {
    const plugin = mounted([{ format: 'domains', text: 'plain.example\n' }]);
    expect(await seen(plugin, { name: 'plain.example' })).toBe('NOERROR, A 198.51.100.1');
    const blocked = mounted([{ format: 'domains', text: 'plain.example\n', override: { action: 'nxdomain' } }]);
    expect(await seen(blocked, { name: 'plain.example' })).toBe('NXDOMAIN');
  });

  test('an exception in a list that is no zone holds for that list alone', async () => {
    const plugin = mounted([
      { format: 'adblock', text: '||a.example^\n@@||plain.a.example^\n', override: { action: 'nxdomain' } },
      list('plain.a.example A 192.0.2.3'),
    ]);
    expect(await seen(plugin, { name: 'plain.a.example' })).toBe('NOERROR, A 192.0.2.3');
    expect(await seen(plugin, { name: 'other.a.example' })).toBe('NXDOMAIN');
  });
});

describe('explain', () => {
  const named = (name: string, ...rules: string[]): TestList => ({ ...list(...rules), name });
  const explained = (lists: readonly TestList[], ask: Ask) => {
    const plugin = mounted(lists);
    const explanation = plugin.explain(ask);
    expect(hits(plugin)).toBe(0);
    return explanation;
  };

  test('names list, trigger, rule, action, ground and approver, and the match for the control plane', () => {
    expect(explained([named('feed', '*.bad.example CNAME .')], { name: 'a.bad.example' })).toEqual({
      verdict: 1,
      reason:
        "list 'feed': qname rule '*.bad.example', action nxdomain; ground legitimate-business (正当業務行為), approved by head of network operations",
      matches: [{ list: 0, trigger: 'qname', rule: '*.bad.example' }],
    });
  });

  test.each([
    ['CNAME *.', 1, 'nodata'],
    ['CNAME rpz-passthru.', 0, 'passthru'],
    ['CNAME rpz-drop.', 2, 'drop'],
    ['CNAME rpz-tcp-only.', 3, 'tcp-only'],
    ['A 192.0.2.1', 1, 'local-data'],
    ['CNAME garden.example.', 7, 'cname'],
  ])('%s has verdict %i', (data, verdict, action) => {
    expect(explained([list(`bad.example ${data}`)], { name: 'bad.example' })).toMatchObject({
      verdict,
      reason: expect.stringContaining(`action ${action};`),
    });
  });

  test('writes a network as people do', () => {
    const rules = list('24.0.2.0.192.rpz-client-ip CNAME .', '48.zz.1.db8.2001.rpz-client-ip CNAME .');
    expect(explained([rules], { name: 'x.example', client: '192.0.2.77' })?.matches).toEqual([
      { list: 0, trigger: 'client-ip', rule: '192.0.2.0/24' },
    ]);
    expect(explained([rules], { name: 'x.example', client: '2001:db8:1::9' })?.matches).toEqual([
      { list: 0, trigger: 'client-ip', rule: '2001:db8:1::/48' },
    ]);
  });

  test('says why a rule does not act', () => {
    const rule = 'bad.example CNAME .';
    const explanation = explained(
      [
        { ...named('trial', rule), dryRun: true },
        { ...named('off', rule), override: { action: 'disabled' } },
        named('exempt', 'bad.example CNAME rpz-passthru.'),
        named('late', rule),
      ],
      { name: 'bad.example' },
    );
    expect(explanation).toMatchObject({ verdict: 0, matches: { length: 4 } });
    expect(explanation?.reason).toMatch(/'trial'.* — only counted: the list is a dry run;/);
    expect(explanation?.reason).toMatch(/'off'.* — only counted: the list is disabled by its override;/);
    expect(explanation?.reason).toMatch(/'late'.* — does not act: list 'exempt' comes first and has decided;/);
  });

  test("says that an override is not the rule's own action", () => {
    const lists = [{ ...list('bad.example CNAME .'), override: { action: 'nodata' } as const }];
    expect(explained(lists, { name: 'bad.example' })?.reason).toContain("action nodata (by the list's override)");
  });

  test('says what only the answer will tell', () => {
    const byAnswer = named('addresses', '32.1.2.0.192.rpz-ip CNAME .');
    expect(explained([byAnswer], { name: 'x.example' })).toMatchObject({
      verdict: 0,
      reason: expect.stringContaining("rules on answers ('addresses') are looked at when the answer is known"),
    });
    expect(explained([byAnswer, named('names', 'bad.example CNAME .')], { name: 'bad.example' })).toMatchObject({
      // Its turn comes when the answer is known, because a list before it may decide by that.
      verdict: 0,
      reason: expect.stringContaining("unless the answer matches a rule of 'addresses', which comes first"),
    });
    expect(mount(rpz, {}, {}).explain({ name: 'x.example' })?.reason).toBe('no list of category policy is configured');
  });
});

describe('a wildcard (RFC 4592 §3.3.1)', () => {
  const lists = [
    list(
      '*.w.example CNAME .',
      'rule.w.example CNAME rpz-passthru.',
      'deep.between.w.example CNAME *.',
      '*.under.w.example CNAME *.',
      'a.b.c.under.w.example CNAME *.',
    ),
  ];
  test.each([
    ['x.w.example', 'NXDOMAIN'],
    ['y.x.w.example', 'NXDOMAIN'],
    ['deeper.w.example', 'NXDOMAIN'],
    ['deep.between.w.example', 'NOERROR'],
    ['x.under.w.example', 'NOERROR'],
  ])('reaches %s', async (name, rcode) => {
    expect(await seen(mounted(lists), { name })).toBe(rcode);
  });

  test.each([
    ['a rule on a name between', 'x.rule.w.example'],
    ['a name between that exists for the sake of a rule below it', 'x.between.w.example'],
    ['the same, for that name itself', 'between.w.example'],
    ['a wildcard on the name itself', 'under.w.example'],
    ['a rule below a nearer wildcard', 'x.c.under.w.example'],
    ['the same, one further up', 'c.under.w.example'],
  ])('is stopped by %s: %s', async (_, name) => {
    const plugin = mounted(lists, { [name]: { answers: [address(name, '198.51.100.1')] } });
    expect(await seen(plugin, { name })).toBe('NOERROR, A 198.51.100.1');
    expect(hits(plugin)).toBe(0);
  });

  test('is stopped by names of its own list alone', async () => {
    const plugin = mounted([list('rule.w.example CNAME .'), list('*.w.example CNAME *.')]);
    expect(await seen(plugin, { name: 'x.rule.w.example' })).toBe('NOERROR');
    expect(hits(plugin, { list: 'list2' })).toBe(1);
  });

  test('on names of servers, likewise', async () => {
    const world = (...rules: string[]) => seen(mounted([list(...rules)]), { name: 'hosted.example' });
    expect(await world('*.bad-hoster.example.rpz-nsdname CNAME .')).toBe('NXDOMAIN');
    const below = 'x.ns.bad-hoster.example.rpz-nsdname CNAME .';
    expect(await world('*.bad-hoster.example.rpz-nsdname CNAME .', below)).toBe('NOERROR, A 198.51.100.9');
  });
});

describe('the older form of PASSTHRU', () => {
  test.each([
    ['qname', 'hosted.example CNAME hosted.example.'],
    ['qname', '*.hosted.example CNAME *.hosted.example.'],
    ['ip', '32.9.100.51.198.rpz-ip CNAME 32.9.100.51.198.'],
    ['client-ip', '24.0.2.0.192.rpz-client-ip CNAME 24.0.2.0.192.'],
    ['nsdname', 'ns.bad-hoster.example.rpz-nsdname CNAME ns.bad-hoster.example.'],
    ['nsdname', '*.bad-hoster.example.rpz-nsdname CNAME ns.bad-hoster.example.'],
    ['nsip', '32.7.113.0.203.rpz-nsip CNAME 32.7.113.0.203.'],
  ])('on a trigger %s: %s', async (trigger, rule) => {
    const name = rule.startsWith('*.hosted') ? 'x.hosted.example' : 'hosted.example';
    const world = { ...WORLD, 'x.hosted.example': { answers: [address('x.hosted.example', '198.51.100.9')] } };
    const plugin = mounted([list(rule), list('hosted.example CNAME .', '*.hosted.example CNAME .')], world);
    expect(await seen(plugin, { name, client: '192.0.2.9' })).toBe('NOERROR, A 198.51.100.9');
    expect(hits(plugin, { list: 'list1', trigger, action: 'passthru' })).toBe(1);
  });
});

describe('a question for ANY', () => {
  test.each([
    ['CNAME .', 'NXDOMAIN'],
    ['CNAME *.', 'NOERROR'],
    ['CNAME rpz-drop.', 'dropped'],
    ['CNAME rpz-tcp-only.', 'truncated'],
    ['CNAME rpz-passthru.', 'NOERROR, HINFO [object Object]'],
    ['A 192.0.2.1', 'NOERROR, A 192.0.2.1'],
  ])('obeys %s', async (rule, expected) => {
    const byAnswer = list('32.250.100.51.198.rpz-ip CNAME .');
    for (const lists of [[list(`any.example ${rule}`)], [byAnswer, list(`any.example ${rule}`)]])
      expect(await seen(mounted(lists), { name: 'any.example', type: 'ANY' })).toBe(expected);
  });

  test('is answered minimally where no rule is about the name', async () => {
    const plugin = mounted([list('other.example CNAME .')]);
    expect(await seen(plugin, { name: 'any.example', type: 'ANY' })).toBe('NOERROR, HINFO [object Object]');
    expect(plugin.asked).toEqual([]);
  });
});

test('DNAME is local data for its own name', async () => {
  const plugin = mounted([list('d.example DNAME garden.example.')]);
  expect(await seen(plugin, { name: 'd.example', type: 'DNAME' })).toBe('NOERROR, DNAME garden.example');
  expect(await seen(plugin, { name: 'd.example' })).toBe('NOERROR');
});

test('nothing that a rule says is kept longer than max-policy-ttl', async () => {
  const rules = ['data.example 3600 A 192.0.2.1', 'sent.example 3600 CNAME garden.example.', 'none.example CNAME .'];
  const plugin = mount(
    rpz,
    { 'max-policy-ttl': '5s' },
    { lists: listsInForce(list(...rules)), upstream: (name) => WORLD[name] },
  );
  const ttls = async (name: string) => {
    const { answers, authorities } = await plugin.ask({ name });
    return [...answers, ...authorities].map((record) => ('ttl' in record ? record.ttl : -1));
  };
  expect(await ttls('data.example')).toEqual([5]);
  expect((await ttls('sent.example'))[0]).toBe(5);
  expect(await ttls('none.example')).toEqual([5]);
});
