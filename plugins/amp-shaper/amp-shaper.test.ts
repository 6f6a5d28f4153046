import type { Answer } from 'dns-packet';
import { describe, expect, test } from 'vitest';
import { TRUNCATE } from '../../src/contract/plugin.ts';
import { type Ask, type Mounted, mount, type Reply } from '../../src/testing/testing.ts';
import { createBudgetMemory } from './budget-table.ts';
import plugin from './index.ts';

/** About 1000 bytes for TXT, one address for A, NXDOMAIN-less emptiness for the rest. */
const upstream = (name: string, type: string): readonly Answer[] => {
  if (type === 'TXT')
    return Array.from({ length: 4 }, (_, i) => ({ name, type, ttl: 300, data: `${i}`.repeat(230) }) as Answer);
  return type === 'A' ? [{ name, type: 'A', ttl: 300, data: '192.0.2.99' }] : [];
};
/** 10 000 bytes a second for a host, twice that for its network; nothing dropped unless a test says so. */
const SMALL = {
  ipv4: [
    { prefix: 32, budget: '10KiB' },
    { prefix: 24, budget: '20KiB' },
  ],
  burst: '1s',
  window: '5s',
  rules: [],
  drop: 0,
  'free-ratio': 3,
  earned: 0,
};

const txt = (client: string, more: Partial<Ask> = {}): Ask => ({ name: 'big.example', type: 'TXT', client, ...more });

async function flood(mounted: Mounted, times: number, ask: Ask): Promise<Reply[]> {
  const replies: Reply[] = [];
  for (let i = 0; i < times; i++) replies.push(await mounted.ask(ask));
  return replies;
}
const truncated = (replies: readonly Reply[]): number => replies.filter((reply) => reply.truncated).length;

test('above its budget a host is truncated, with an answer no larger than its query', async () => {
  const shaper = mount(plugin, SMALL, { upstream });
  const replies = await flood(shaper, 50, txt('192.0.2.1'));
  // 10 KiB of about 850 bytes each.
  expect(truncated(replies)).toBeGreaterThan(35);
  expect(truncated(replies.slice(0, 8))).toBe(0);
  const last = replies.at(-1)!;
  expect(last).toMatchObject({ truncated: true, rcode: 'NOERROR', answers: [] });
  expect(last.bytes.length).toBeLessThanOrEqual(40);
  const counted = shaper.counter('sekisho_amp_shaper_shaped_total', { limit: 'ipv4/32', result: 'truncated' });
  expect(counted).toBe(truncated(replies));
});

test('over TCP everything is answered in full', async () => {
  const shaper = mount(plugin, SMALL, { upstream });
  await flood(shaper, 50, txt('192.0.2.1'));
  const replies = await flood(shaper, 20, txt('192.0.2.1', { transport: 'tcp' }));
  expect(replies.every((reply) => reply.answers.length === 4)).toBe(true);
});

test('with a good cookie everything is answered in full; who knows cookies and has none is told BADCOOKIE', async () => {
  const shaper = mount(plugin, SMALL, { upstream });
  await flood(shaper, 50, txt('192.0.2.1'));
  const client = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]);
  const told = await shaper.ask(txt('192.0.2.1', { cookie: client }));
  expect(told).toMatchObject({ rcode: 'BADCOOKIE', answers: [], truncated: false });
  const replies = await flood(shaper, 20, txt('192.0.2.1', { cookie: told.cookie }));
  expect(replies.every((reply) => reply.answers.length === 4)).toBe(true);
  // The cookie of one address is worth nothing at another.
  await flood(shaper, 50, txt('192.0.2.2'));
  expect((await shaper.ask(txt('192.0.2.2', { cookie: told.cookie }))).rcode).toBe('BADCOOKIE');
  const plain = mount(plugin, { ...SMALL, 'bad-cookie': false }, { upstream });
  await flood(plain, 50, txt('192.0.2.1'));
  expect(await plain.ask(txt('192.0.2.1', { cookie: client }))).toMatchObject({ truncated: true, rcode: 'NOERROR' });
});

test('small answers pass, also to a network that is over its budget', async () => {
  const shaper = mount(plugin, SMALL, { upstream });
  await flood(shaper, 50, txt('192.0.2.1'));
  const replies = await flood(shaper, 200, { name: 'www.example', type: 'A', client: '192.0.2.1' });
  expect(replies.every((reply) => reply.answers.length === 1)).toBe(true);
});

describe('levels', () => {
  test('one host’s flood does not use up its neighbours’ budget', async () => {
    const shaper = mount(plugin, SMALL, { upstream });
    await flood(shaper, 200, txt('192.0.2.1'));
    const neighbour = await flood(shaper, 8, txt('192.0.2.2'));
    expect(truncated(neighbour)).toBe(0);
  });

  test('a flood spread over a network counts as a whole', async () => {
    const shaper = mount(plugin, SMALL, { upstream });
    let late: Reply[] = [];
    for (let host = 1; host <= 50; host++) late = [...late, ...(await flood(shaper, 2, txt(`192.0.2.${host}`)))];
    expect(truncated(late.slice(0, 20))).toBe(0);
    expect(truncated(late.slice(30))).toBe(70);
    expect(shaper.counter('sekisho_amp_shaper_shaped_total', { limit: 'ipv4/24' })).toBe(truncated(late));
    // The network beside it has nothing to do with it.
    expect(truncated(await flood(shaper, 5, txt('192.0.3.1')))).toBe(0);
  });

  test('IPv6: a host has a /64, a customer a /56', async () => {
    const ipv6 = SMALL.ipv4.map(({ budget }, i) => ({ prefix: i === 0 ? 64 : 56, budget }));
    const shaper = mount(plugin, { ...SMALL, ipv6 }, { upstream });
    await flood(shaper, 50, txt('2001:db8::1'));
    expect((await shaper.ask(txt('2001:db8::2'))).truncated).toBe(true);
    expect((await shaper.ask(txt('2001:db8:0:1::1'))).truncated).toBe(false);
    for (let i = 1; i < 40; i++) await shaper.ask(txt(`2001:db8:0:${i.toString(16)}::1`));
    expect((await shaper.ask(txt('2001:db8:0:ff::1'))).truncated).toBe(true);
    expect((await shaper.ask(txt('2001:db8:0:100::1'))).truncated).toBe(false);
  });
});

test('the debt is gone when the window has passed', async () => {
  const shaper = mount(plugin, SMALL, { upstream });
  await flood(shaper, 200, txt('192.0.2.1'));
  shaper.advance(4_500);
  expect((await shaper.ask(txt('192.0.2.1'))).truncated).toBe(true);
  shaper.advance(6_000);
  expect((await shaper.ask(txt('192.0.2.1'))).truncated).toBe(false);
});

test('a share is dropped', async () => {
  const shaper = mount(plugin, { ...SMALL, drop: 0.5 }, { upstream });
  await flood(shaper, 30, txt('192.0.2.1'));
  const replies = await flood(shaper, 200, txt('192.0.2.1'));
  const dropped = replies.filter((reply) => !reply.sent).length;
  expect(dropped).toBeGreaterThan(60);
  expect(dropped).toBeLessThan(140);
  expect(truncated(replies)).toBe(200 - dropped);
});

test('dry-run sends everything and counts what would have been shaped', async () => {
  const shaper = mount(plugin, { ...SMALL, drop: 1, 'dry-run': true }, { upstream });
  const replies = await flood(shaper, 50, txt('192.0.2.1'));
  expect(replies.every((reply) => reply.answers.length === 4)).toBe(true);
  expect(shaper.counter('sekisho_amp_shaper_shaped_total', { result: 'dry-run' })).toBeGreaterThan(35);
  expect(shaper.counter('sekisho_amp_shaper_shaped_total', { result: 'dropped' })).toBe(0);
});

test('an exempt network is never shaped, and does not use up the budget of what is around it', async () => {
  const shaper = mount(plugin, { ...SMALL, exempt: ['192.0.2.1/32'] }, { upstream });
  expect(truncated(await flood(shaper, 100, txt('192.0.2.1')))).toBe(0);
  expect(shaper.counter('sekisho_amp_shaper_exempted_total')).toBe(100);
  expect(truncated(await flood(shaper, 5, txt('192.0.2.2')))).toBe(0);
});

describe('rules', () => {
  const passed = async (rules: object[], ask: Ask) =>
    200 - truncated(await flood(mount(plugin, { ...SMALL, rules }, { upstream }), 200, ask));

  test('a weight makes a type dearer, or free', async () => {
    const one = await passed([], txt('192.0.2.1'));
    expect(await passed([{ types: ['TXT'], weight: 3 }], txt('192.0.2.1'))).toBe(Math.floor(one / 3));
    expect(await passed([{ types: ['txt'], weight: 0 }], txt('192.0.2.1'))).toBe(200);
    expect(await passed([{ types: ['DNSKEY'], weight: 0 }], txt('192.0.2.1'))).toBe(one);
  });

  test('the first that fits counts', async () => {
    expect(await passed([{ types: ['TXT'], weight: 0 }, { weight: 9 }], txt('192.0.2.1'))).toBe(200);
  });

  test('a ratio of its own makes every byte beyond the query count', async () => {
    const small: Ask = { name: 'www.example', type: 'A', client: '192.0.2.1' };
    expect(await passed([], small)).toBe(200);
    // 10 240 bytes of budget, 16 bytes beyond the query for each answer, with weight 8.
    expect(await passed([{ types: ['A'], weight: 8, 'free-ratio': 1 }], small)).toBe(80);
  });

  test('a least price reaches outcomes that do not amplify', async () => {
    const refused: Ask = { name: 'a.example', type: 'AXFR', client: '192.0.2.1' };
    expect(await passed([], refused)).toBe(200);
    expect(await passed([{ outcomes: ['error'], least: 100 }], refused)).toBe(102);
    expect(await passed([{ outcomes: ['nxdomain'], least: 100 }], refused)).toBe(200);
    const empty: Ask = { name: 'a.example', type: 'MX', client: '192.0.2.1' };
    expect(await passed([{ outcomes: ['nodata'], least: 100 }], empty)).toBe(102);
    expect(await passed([{ outcomes: ['answer'], least: 100 }], empty)).toBe(200);
  });
});

test('500 clients behind one address, 20 queries a second each: nothing is shaped', async () => {
  // What large sites answer: an alias, and three addresses behind it.
  const alias = 'edge.some-content-network.example';
  const chain = (name: string, type: string): readonly Answer[] => {
    if (type !== 'A' && type !== 'AAAA') return upstream(name, type);
    const data = type === 'A' ? '192.0.2.99' : '2001:db8::99';
    const address = { name: alias, type, ttl: 60, data } as Answer;
    return [{ name, type: 'CNAME', ttl: 300, data: alias }, address, address, address];
  };
  const shaper = mount(plugin, {}, { upstream: chain });
  const kinds = ['A', 'A', 'A', 'AAAA', 'AAAA', 'MX', 'A', 'A', 'AAAA', 'A'];
  for (let i = 0; i < 20_000; i++) {
    // One in a hundred asks for something large: a verification record, a mail policy.
    const type = i % 100 === 7 ? 'TXT' : kinds[i % kinds.length]!;
    await shaper.ask({ name: type === 'TXT' ? 'big.example' : `n${i % 500}.example`, type, client: '192.0.2.1' });
    if (i % 160 === 159) shaper.advance(16);
  }
  // It was looked at, and cost something.
  expect(shaper.counter('sekisho_amp_shaper_charged_total')).toBeGreaterThanOrEqual(200);
  expect(shaper.counter('sekisho_amp_shaper_shaped_total')).toBe(0);
});

describe('with its defaults', () => {
  const QUERY_BYTES = 40;
  /** Bytes in and out of `seconds` of a flood at `rate`, from hosts in turn; TCP and cookies are what nobody behind it has. */
  async function reflected(rate: number, seconds: number, hosts: readonly string[], more: Partial<Ask> = {}) {
    const shaper = mount(plugin, {}, { upstream });
    let bytesOut = 0;
    let bytesIn = 0;
    for (let i = 0; i < rate * seconds; i++) {
      const reply = await shaper.ask(txt(hosts[i % hosts.length]!, more));
      bytesIn += QUERY_BYTES + (more.cookie ? 12 : 0);
      bytesOut += reply.bytes.length;
      if (i % 10 === 9) shaper.advance(10_000 / rate);
    }
    return bytesOut / bytesIn;
  }
  const network = Array.from({ length: 100 }, (_, i) => `192.0.2.${i + 9}`);

  test.each([
    [100, 'one host', ['192.0.2.9']],
    [500, 'one host', ['192.0.2.9']],
    [1500, 'one host', ['192.0.2.9']],
    [5000, 'one host', ['192.0.2.9']],
    [100, 'a /24', network],
    [500, 'a /24', network],
    [1500, 'a /24', network],
    [5000, 'a /24', network],
  ])('a flood of %i a second towards %s gets out no more than came in', async (rate, _, hosts) => {
    expect(await reflected(rate, 10, hosts)).toBeLessThanOrEqual(1);
  });

  test('nor does one whose queries carry a client cookie', async () => {
    expect(
      await reflected(1000, 5, network, { cookie: Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]) }),
    ).toBeLessThanOrEqual(1);
  });

  test('who adds ordinary questions to pay for large answers gets less than those questions alone amplify', async () => {
    const shaper = mount(plugin, {}, { upstream });
    let bytesOut = 0;
    let bytesIn = 0;
    for (let i = 0; i < 20_000; i++) {
      const reply = await shaper.ask(
        i % 10 === 0 ? txt('192.0.2.9') : { name: 'www.example', type: 'A', client: '192.0.2.9' },
      );
      bytesIn += QUERY_BYTES;
      bytesOut += reply.bytes.length;
      if (i % 10 === 9) shaper.advance(5);
    }
    expect(bytesOut / bytesIn).toBeLessThan(3);
  });

  test('a household asks for a few large answers and gets them', async () => {
    const shaper = mount(plugin, {}, { upstream });
    for (let i = 0; i < 600; i++) {
      const ask = i % 60 === 0 ? txt('192.0.2.9') : { name: `n${i}.example`, type: 'A', client: '192.0.2.9' };
      expect((await shaper.ask(ask)).truncated).toBe(false);
      shaper.advance(50);
    }
  });
});

test('explain says what a network owes, and charges nothing', async () => {
  const shaper = mount(plugin, SMALL, { upstream, shared: { memory: createBudgetMemory(1 << 16) } });
  const explained = (more: object = {}) => shaper.explain(txt('192.0.2.1', more), 'answer');
  expect(explained()?.reason).toBe('its networks are within their budgets');
  await flood(shaper, 100, txt('192.0.2.1'));
  const truncates = {
    verdict: TRUNCATE,
    reason: expect.stringMatching(/its IPv4 \/32 owes \d+ KiB: .* are truncated/),
  };
  const before = explained();
  expect(before).toMatchObject(truncates);
  for (let i = 0; i < 1000; i++) explained();
  expect(explained()).toEqual(before);
  expect(explained({ transport: 'tcp' })).toMatchObject({ verdict: 0, reason: expect.stringContaining('verified') });
});

test.each([
  [
    {
      ipv4: [
        { prefix: 24, budget: '1MiB' },
        { prefix: 32, budget: '1MiB' },
      ],
    },
    'ipv4.1.prefix: must be shorter',
  ],
  [{ rules: [{ types: ['DNSKY'] }] }, "rules.0.types.0: 'DNSKY' is not a record type"],
  [{ exempt: ['192.0.2.1/24'] }, 'exempt.0: '],
])('%j is refused', (options, problem) => {
  expect(() => mount(plugin, options)).toThrow(problem);
});
