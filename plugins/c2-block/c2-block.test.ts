import { decode, encode, type Answer as PacketAnswer } from 'dns-packet';
import { describe, expect, test } from 'vitest';
import { parsePrefix } from '../../src/address/address.ts';
import { EDE, type NoticeFacts, textToName } from '../../src/contract/plugin.ts';
import { purposeBit } from '../../src/subscribers/consent/purposes.ts';
import { SubscribersInForce } from '../../src/subscribers/in-force.ts';
import { AddressTable } from '../../src/subscribers/table/address-table.ts';
import { NEVER } from '../../src/subscribers/table/prefix-table.ts';
import { mount, type UpstreamSays } from '../../src/testing/testing.ts';
import { listsInForce, type TestList } from '../../test/support/lists-in-force.ts';
import c2Block from './index.ts';
import { drained, NoticeRing, noticeRings } from './notice-ring.ts';

const C2 = purposeBit('c2');
const MALWARE = purposeBit('malware-warning');
const IN = '192.0.2.1';
const OUT = '192.0.2.2';
const WARNED = '192.0.2.3';
const STRANGER = '192.0.2.4';

const feeds: readonly TestList[] = [
  { category: 'c2', tier: 'confirmed', format: 'domains', text: 'c2.example\n*.bots.example\n', name: 'c2-confirmed' },
  { category: 'c2', tier: 'suspected', format: 'domains', text: 'maybe.example\nc2.example\n', name: 'c2-suspected' },
  { category: 'malware', tier: 'confirmed', format: 'domains', text: 'drop.example\n', name: 'malware' },
  { category: 'c2', tier: 'confirmed', format: 'domains', text: 'dry.example\n', dryRun: true, name: 'dry' },
  { category: 'policy', format: 'domains', text: 'policy.example\n', name: 'policy' },
];

function setUp(
  options: Parameters<typeof mount>[1] = {},
  notice: NoticeFacts = {},
  upstream?: (name: string, type: string) => UpstreamSays,
) {
  const leases = new AddressTable();
  const ranges = new AddressTable();
  const consents = new Uint8Array(new SharedArrayBuffer(16));
  [IN, OUT, WARNED].forEach((address, holder) => {
    ranges.set({ ...parsePrefix(address), port: 0, portBits: 0 }, holder, NEVER);
  });
  consents.set([C2, 0, MALWARE]);
  const subscribers = new SubscribersInForce();
  subscribers.take({
    leases: leases.memory,
    ranges: ranges.memory,
    consents: consents.buffer as SharedArrayBuffer,
    unfiltered: [false],
  });
  const lists = listsInForce(...feeds);
  let looked = 0;
  const names = lists.current!.names;
  const original = names.lookup.bind(names);
  names.lookup = (question, mask) => {
    looked++;
    return original(question, mask);
  };
  let matched = 0;
  const originalName = names.lookupName.bind(names);
  names.lookupName = (...given) => {
    matched++;
    return originalName(...given);
  };
  const rings = noticeRings('record-names' in options);
  const mounted = mount(c2Block, options as object, {
    lists,
    subscribers,
    shared: rings,
    server: { notice },
    ...(upstream && { upstream }),
  });
  return {
    mounted,
    consents,
    rings,
    lookedUp: () => looked,
    /** Names compared with lists, by whatever way. */
    matched: () => matched,
    ask: (name: string, client: string, more: object = {}) => mounted.ask({ name, client, ...more }),
    hits: (list: string) => mounted.counter('sekisho_c2_block_hits_total', { list }),
  };
}

/** Extra text of the extended error in a reply. */
function extraText(bytes: Uint8Array): string {
  const opt = decode(Buffer.from(bytes)).additionals?.find(({ type }) => type === 'OPT') as unknown as {
    options: { code: number; data: Buffer }[];
  };
  return (
    opt.options
      .find(({ code }) => code === 15)
      ?.data.subarray(2)
      .toString('utf8') ?? ''
  );
}

function queryWithOption(name: string, code: number, data: Buffer): Uint8Array {
  const opt = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: 1232,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    options: [{ code, data }],
  };
  return Uint8Array.from(
    encode({ type: 'query', id: 7, flags: 0x100, questions: [{ name, type: 'A' }], additionals: [opt as never] }),
  );
}

describe('a subscriber who consents', () => {
  test.each([
    ['nxdomain', 'NXDOMAIN', []],
    ['nodata', 'NOERROR', []],
    ['notice', 'NOERROR', [{ type: 'A', ttl: 30, data: '198.51.100.80' }]],
  ] as const)('gets %s for a name on a confirmed list, with Blocked', async (action, rcode, answers) => {
    const { ask } = setUp({ action }, { ipv4: '198.51.100.80' });
    for (const name of ['c2.example', 'C2.EXAMPLE', 'a.b.bots.example']) {
      const reply = await ask(name, IN);
      expect(reply).toMatchObject({ rcode, ede: EDE.BLOCKED, answers });
      if (answers.length === 0) expect(reply.authorities).toMatchObject([{ type: 'SOA', ttl: 30 }]);
    }
  });

  test('gets NODATA from the notice action for what is no address', async () => {
    const { ask } = setUp({ action: 'notice' }, { ipv6: '2001:db8::80' });
    expect(await ask('c2.example', IN, { type: 'AAAA' })).toMatchObject({ answers: [{ data: '2001:db8::80' }] });
    expect(await ask('c2.example', IN, { type: 'A' })).toMatchObject({ rcode: 'NOERROR', answers: [] });
    // HTTPS and SVCB (RFC 9460) would lead past the address.
    for (const type of ['TXT', 'UNKNOWN_65', 'UNKNOWN_64'])
      expect(await ask('c2.example', IN, { type })).toMatchObject({ rcode: 'NOERROR', answers: [], ede: EDE.BLOCKED });
  });

  test('gets the truth for a name on a suspected list, of another purpose, or on none, and no list of policy acts here', async () => {
    const { ask, hits, rings } = setUp();
    for (const name of [
      'maybe.example',
      'drop.example',
      'bots.example',
      'www.example',
      'policy.example',
      'dry.example',
    ])
      expect([name, (await ask(name, IN)).answers]).toEqual([name, [expect.objectContaining({ data: '192.0.2.99' })]]);
    expect([hits('c2-suspected'), hits('malware'), hits('policy'), hits('dry')]).toEqual([1, 0, 0, 1]);
    // A dry run only counts.
    expect(drained(rings).notices).toEqual([{ holder: 0, list: 1, count: 1 }]);
  });

  test('is recorded for a notice by list, with a count and no name', async () => {
    const { ask, rings } = setUp();
    for (let i = 0; i < 3; i++) await ask('c2.example', IN);
    await ask('maybe.example', IN);
    expect(drained(rings)).toEqual({
      notices: [
        { holder: 0, list: 0, count: 3 },
        { holder: 0, list: 1, count: 4 },
      ],
      lost: 0,
    });
    expect(drained(rings).notices).toEqual([]);
  });

  test('is told contact and opt-out', async () => {
    const options = { organization: 'ISP', contact: 'mailto:abuse@isp.example', 'opt-out': 'https://isp.example/out' };
    const { ask } = setUp(options);
    expect(extraText((await ask('c2.example', IN)).bytes)).toBe(
      'ISP: listed command-and-control (C&C) server of malware, blocked with your consent; opt out: https://isp.example/out; contact: mailto:abuse@isp.example',
    );
    const structured = queryWithOption('c2.example', 15, Buffer.from([0, 0]));
    expect(JSON.parse(extraText((await ask('c2.example', IN, { bytes: structured })).bytes))).toEqual({
      c: ['mailto:abuse@isp.example', 'https://isp.example/out'],
      j: expect.stringContaining('opt out: https://isp.example/out'),
      o: 'ISP',
    });
    const other = queryWithOption('c2.example', 10, Buffer.alloc(8));
    expect(extraText((await ask('c2.example', IN, { bytes: other })).bytes)).toMatch(/^ISP:/);
    const plain = setUp();
    expect(extraText((await plain.ask('c2.example', IN, { bytes: structured })).bytes)).not.toContain('{');
  });

  test('over TCP is treated alike', async () => {
    const { ask } = setUp();
    expect(await ask('c2.example', IN, { transport: 'tcp' })).toMatchObject({ rcode: 'NXDOMAIN', ede: EDE.BLOCKED });
  });
});

test('consent to the warning of malware sites leads to the warning page and to nothing else', async () => {
  const { ask } = setUp({}, { ipv4: '198.51.100.80' });
  expect((await ask('drop.example', WARNED)).answers).toMatchObject([{ data: '198.51.100.80' }]);
  expect((await ask('c2.example', WARNED)).answers).toMatchObject([{ data: '192.0.2.99' }]);
  const without = setUp({ action: 'nxdomain' });
  expect((await without.ask('drop.example', WARNED)).answers).toMatchObject([{ data: '192.0.2.99' }]);
  expect(drained(without.rings).notices).toEqual([{ holder: 2, list: 2, count: 1 }]);
});

describe('a listed name behind an alias is a listed name', () => {
  const service = (name: string, type: number, priority: number, target: string) => ({
    name,
    type: `UNKNOWN_${type}` as 'NULL',
    ttl: 300,
    data: Buffer.concat([Buffer.from([0, priority]), textToName(target)]),
  });
  const alias = (name: string, data: string) => ({ name, type: 'CNAME' as const, ttl: 300, data });
  const upstream = (name: string, type: string): UpstreamSays => {
    if (name === 'twice.example') return [alias(name, 'alias.example'), ...chain('alias.example', 'c2.example', type)];
    if (name === 'alias.example') return chain(name, 'c2.example', type);
    if (name === 'doubtful.example') return chain(name, 'maybe.example', type);
    if (name === 'harmless.example') return chain(name, 'www.example', type);
    if (name === 'own.example' && type === 'HTTPS') return [service(name, 65, 1, '.')];
    if (name === 'moved.example' && type === 'HTTPS') return [service(name, 65, 0, 'x.bots.example')];
    if (name === 'served.example' && type === 'SVCB')
      return [service(name, 64, 1, 'www.example'), service(name, 64, 2, 'c2.example')];
    return type === 'A' ? [{ name, type: 'A', ttl: 300, data: '192.0.2.99' }] : [];
  };
  const chain = (name: string, target: string, type: string): PacketAnswer[] => [
    alias(name, target),
    ...(type === 'A' ? [{ name: target, type: 'A' as const, ttl: 300, data: '192.0.2.99' }] : []),
  ];

  test.each([
    ['alias.example', 'A'],
    ['twice.example', 'A'],
    ['alias.example', 'TXT'],
    ['moved.example', 'UNKNOWN_65'],
    ['served.example', 'UNKNOWN_64'],
  ])('%s %s, fetched and cached, over UDP and TCP', async (name, type) => {
    const { ask, hits, mounted } = setUp({}, {}, upstream);
    for (const transport of ['udp', 'udp', 'tcp'])
      expect(await ask(name, IN, { type, transport })).toMatchObject({
        rcode: 'NXDOMAIN',
        ede: EDE.BLOCKED,
        answers: [],
      });
    expect([hits('c2-confirmed'), mounted.counter('sekisho_c2_block_lookups_total')]).toEqual([3, 3]);
  });

  test('and is answered, counted and recorded as if it had been asked for', async () => {
    const notice = setUp({ action: 'notice' }, { ipv4: '198.51.100.80' }, upstream);
    expect((await notice.ask('alias.example', IN)).answers).toEqual([
      { name: 'alias.example', type: 'A', ttl: 30, class: 'IN', flush: false, data: '198.51.100.80' },
    ]);
    expect(drained(notice.rings).notices).toEqual([
      { holder: 0, list: 0, count: 1 },
      { holder: 0, list: 1, count: 1 },
    ]);
    const { ask, hits, rings } = setUp({}, {}, upstream);
    expect((await ask('doubtful.example', IN)).answers).toHaveLength(2);
    expect([hits('c2-suspected'), drained(rings).notices]).toEqual([1, [{ holder: 0, list: 1, count: 1 }]]);
  });

  test('while what leads nowhere else is left alone', async () => {
    const { ask, mounted } = setUp({}, {}, upstream);
    for (const name of ['harmless.example', 'www.example']) expect((await ask(name, IN)).ede).toBe(EDE.NONE);
    expect(await ask('own.example', IN, { type: 'UNKNOWN_65' })).toMatchObject({ rcode: 'NOERROR', ede: EDE.NONE });
    expect(mounted.counter('sekisho_c2_block_hits_total')).toBe(0);
  });

  test.each([
    ['opted out', OUT],
    ['unknown', STRANGER],
  ])('but not to somebody who is %s: nothing is matched, counted or recorded', async (_, client) => {
    const { ask, matched, rings, mounted } = setUp({}, {}, upstream);
    for (const name of ['alias.example', 'twice.example', 'moved.example', 'served.example'])
      for (const transport of ['udp', 'tcp'])
        for (const type of ['A', 'UNKNOWN_65', 'UNKNOWN_64'])
          expect(await ask(name, client, { type, transport })).toMatchObject({ rcode: 'NOERROR', ede: EDE.NONE });
    expect([matched(), drained(rings)]).toEqual([0, { notices: [], lost: 0 }]);
    expect(mounted.counter('sekisho_c2_block_hits_total')).toBe(0);
    expect(mounted.counter('sekisho_c2_block_not_inspected_total')).toBe(24);
  });

  test('nor to who opts out while the answer is waited for', async () => {
    const { ask, consents, rings, matched } = setUp({}, {}, upstream);
    const waiting = ask('alias.example', IN);
    Atomics.store(consents, 0, 0);
    expect((await waiting).answers).toHaveLength(2);
    // Once, for the name asked for: consent was there then.
    expect([matched(), drained(rings).notices]).toEqual([1, []]);
    expect((await ask('alias.example', IN)).answers).toHaveLength(2);
    Atomics.store(consents, 0, C2);
    expect((await ask('alias.example', IN)).rcode).toBe('NXDOMAIN');
  });
});

describe('who did not consent is not inspected', () => {
  test.each([
    ['opted out', OUT, 'no_consent'],
    ['unknown', STRANGER, 'unknown'],
    ['unknown over IPv6', '2001:db8::4', 'unknown'],
  ])('%s: no look-up, no record, no hit, over UDP and TCP, cached and uncached', async (_, client, reason) => {
    const { ask, lookedUp, rings, mounted } = setUp();
    for (const transport of ['udp', 'tcp']) {
      for (let i = 0; i < 2; i++) {
        const reply = await ask('c2.example', client, { transport });
        expect(reply).toMatchObject({ rcode: 'NOERROR', ede: EDE.NONE, answers: [{ data: '192.0.2.99' }] });
      }
    }
    expect([lookedUp(), drained(rings)]).toEqual([0, { notices: [], lost: 0 }]);
    expect(mounted.counter('sekisho_c2_block_hits_total')).toBe(0);
    expect(mounted.counter('sekisho_c2_block_lookups_total')).toBe(0);
    expect(mounted.counter('sekisho_c2_block_not_inspected_total', { reason })).toBe(4);
    // Nor does an explanation look.
    expect(mounted.explain({ name: 'c2.example', client })).toMatchObject({ verdict: 0 });
    expect(lookedUp()).toBe(0);
  });

  test('the spy sees what is inspected', async () => {
    const { ask, lookedUp, mounted } = setUp();
    await ask('www.example', IN);
    expect([lookedUp(), mounted.counter('sekisho_c2_block_lookups_total')]).toEqual([1, 1]);
  });

  test('an opt-out acts from the next packet on, also for what the cache holds, and so does an opt-in', async () => {
    const { ask, consents } = setUp();
    expect((await ask('c2.example', IN)).rcode).toBe('NXDOMAIN');
    Atomics.store(consents, 0, 0);
    expect((await ask('c2.example', IN)).answers).toMatchObject([{ data: '192.0.2.99' }]);
    Atomics.store(consents, 0, C2);
    expect((await ask('c2.example', IN)).rcode).toBe('NXDOMAIN');
  });

  test('a server without subscribers looks at nobody', async () => {
    const mounted = mount(c2Block, {}, { lists: listsInForce(...feeds) });
    expect((await mounted.ask({ name: 'c2.example' })).rcode).toBe('NOERROR');
    expect(mounted.counter('sekisho_c2_block_not_inspected_total', { reason: 'no_subscribers' })).toBe(1);
  });
});

describe('the name that was looked up', () => {
  const standing = {
    kind: 'legitimate-business',
    purpose: 'tells an infected terminal from a wrong listing',
    necessity: 'the list alone does not say which rule was hit',
    proportionality: 'listed names only, for a week',
    approver: 'head of operations',
    review: '2027-03-31',
  };
  const limited = {
    kind: 'necessity',
    effect: 'a worm spreads among subscribers',
    evidence: 'ticket 4711',
    'nothing-milder': 'counts do not tell the variants apart',
    approver: 'shift lead',
    expires: '2026-03-31',
  };
  const lookUp = async (recordNames?: object, passMs = 0) => {
    const { ask, mounted, rings } = setUp(recordNames === undefined ? {} : { 'record-names': recordNames });
    mounted.clock.advance(passMs);
    await ask('C2.example', IN);
    await ask('x.bots.example', IN);
    await ask('c2.example', IN);
    const { notices } = drained(rings);
    return notices.filter(({ list }) => list === 0).map(({ name, count }) => [name, count]);
  };

  test('is recorded on a ground, as long as that holds, and else never', async () => {
    expect(await lookUp()).toEqual([[undefined, 3]]);
    const named = [
      ['c2.example', 2],
      ['x.bots.example', 1],
    ];
    expect(await lookUp({ ground: standing })).toEqual(named);
    expect(await lookUp({ ground: limited })).toEqual(named);
    expect(await lookUp({ ground: limited }, 400 * 86_400_000)).toEqual([[undefined, 3]]);
  });

  test('is not recorded without a ground that is stated in full', () => {
    const { review: _, ...incomplete } = standing;
    for (const recordNames of [{}, { ground: { kind: 'legitimate-business' } }, { ground: incomplete }, true])
      expect(c2Block.options.safeParse({ 'record-names': recordNames }).success).toBe(false);
    expect(c2Block.options.safeParse({ 'record-names': { ground: standing, keep: '60d' } }).success).toBe(false);
    expect(c2Block.options.safeParse({ 'record-names': { ground: standing } }).success).toBe(true);
  });
});

test('a full ring loses, counts and goes on', () => {
  const rings = noticeRings();
  const ring = new NoticeRing(rings, 3);
  for (let i = 0; i < 5000; i++) ring.push(1, 2);
  expect(drained(rings)).toEqual({ notices: [{ holder: 1, list: 2, count: 4096 }], lost: 904 });
  ring.push(1, 2);
  expect(drained(rings)).toEqual({ notices: [{ holder: 1, list: 2, count: 1 }], lost: 0 });
});

test('names the portal and the operator of the notice page, unless its own options do', async () => {
  const notice = { operator: 'ISP Example', contact: 'tel:+81-3-0000-0000', portal: 'http://optout.isp.example/' };
  const said = async (options: Record<string, unknown>) =>
    extraText((await setUp(options, notice).ask('c2.example', IN)).bytes);
  expect(await said({})).toMatch(
    /^ISP Example: .*; opt out: http:\/\/optout.isp.example\/; contact: tel:\+81-3-0000-0000$/,
  );
  expect(await said({ 'opt-out': 'https://other.example/' })).toContain('opt out: https://other.example/;');
});

test.each([
  [{ action: 'notice' }, /needs an address/],
  [{ contact: 'call us' }, /write a URI/],
  [{ contact: 'javascript:alert(1)' }, /write a URI/],
  [{ 'opt-out': 'http://isp.example/' }, /https/],
  [{ ttl: 0 }, /ttl/],
])('refuses %j', (options, message) => {
  expect(() => mount(c2Block, options as object)).toThrow(message);
});
