/** What a measure matches, and what passes: through the plugins that carry them, with the chain around. */
import { expect, test } from 'vitest';
import ampShaper from '../../plugins/amp-shaper/index.ts';
import randomSubdomain from '../../plugins/random-subdomain/index.ts';
import { mount } from '../testing/testing.ts';
import { compileMatch, type ListedRule } from './compile.ts';
import type { RuleMatch } from './rule.ts';

function measure(plugin: string, match: RuleMatch, changes: Partial<ListedRule> = {}): ListedRule {
  return {
    id: 'm1',
    plugin,
    match,
    limitPerSecond: 2,
    ground: { kind: 'self-defence', effect: '', evidence: '', approver: 'shift lead', expires: '2027-01-01' },
    dryRun: false,
    endsAtMs: Date.UTC(2100, 0),
    reviewAtMs: undefined,
    ...changes,
  };
}

const MATCHES: [RuleMatch, string, string, string, boolean][] = [
  [{ pattern: '*.victim.example' }, 'a.victim.example', 'A', '127.0.0.1', true],
  [{ pattern: '*.victim.example' }, 'a.B.Victim.example', 'A', '127.0.0.1', true],
  [{ pattern: '*.victim.example' }, 'victim.example', 'A', '127.0.0.1', false],
  [{ pattern: '*.victim.example' }, 'a.notvictim.example', 'A', '127.0.0.1', false],
  [{ domain: 'victim.example' }, 'victim.example', 'A', '127.0.0.1', true],
  [{ domain: 'victim.example' }, 'xvictim.example', 'A', '127.0.0.1', false],
  [{ name: 'www.victim.example' }, 'www.victim.example', 'A', '127.0.0.1', true],
  [{ name: 'www.victim.example' }, 'x.www.victim.example', 'A', '127.0.0.1', false],
  [{ name: 'www.victim.example', type: 'TXT' }, 'www.victim.example', 'A', '127.0.0.1', false],
  [{ name: 'www.victim.example', type: 'TXT' }, 'www.victim.example', 'TXT', '127.0.0.1', true],
  [{ source: '127.0.0.0/24' }, 'www.victim.example', 'A', '127.0.0.9', true],
  [{ source: '127.0.0.0/24' }, 'www.victim.example', 'A', '127.0.1.9', false],
  [{ source: '127.0.0.9' }, 'www.victim.example', 'A', '127.0.0.9', true],
  [{ source: '2001:db8:1::/48' }, 'www.victim.example', 'A', '2001:db8:1:2::9', true],
  [{ source: '2001:db8:1::/48' }, 'www.victim.example', 'A', '2001:db8:2:2::9', false],
  [{ source: '127.0.0.9', name: 'www.victim.example' }, 'www.victim.example', 'A', '127.0.0.8', false],
];

test.each(MATCHES)('%o and %s %s from %s: %s', async (match, name, type, client, matched) => {
  const shaper = mount(ampShaper, {});
  const counted = shaper.measures([measure('amp-shaper', match)]);
  await shaper.ask({ name, type, client });
  expect(counted()).toEqual([{ matched: matched ? 1 : 0, limited: 0 }]);
});

test('a name as the diagnosis shows it, odd bytes escaped, is the name that was asked for', () => {
  const { name } = compileMatch({ name: '\\027[2j\\060b\\062.strange.test' });
  expect(Buffer.from(name).toString('latin1')).toBe('\x07\x1b[2j<b>\x07strange\x04test\x00');
});

test('amp-shaper: above the limit an unverified source is told to come over TCP; a second later as many pass again', async () => {
  const shaper = mount(ampShaper, {});
  const counted = shaper.measures([measure('amp-shaper', { name: 'www.victim.example' })]);
  const truncated = async (name = 'www.victim.example') => (await shaper.ask({ name })).truncated;
  expect([await truncated(), await truncated(), await truncated()]).toEqual([false, false, true]);
  expect(await truncated('other.example')).toBe(false);
  shaper.advance(1000);
  expect([await truncated(), await truncated(), await truncated()]).toEqual([false, false, true]);
  expect(counted()).toEqual([{ matched: 6, limited: 2 }]);
  expect(shaper.counter('sekisho_amp_shaper_measure_limited_total', { result: 'truncated' })).toBe(2);
});

test('amp-shaper: who came over TCP is never shaped for a name, but a client that loops is refused', async () => {
  const shaper = mount(ampShaper, {});
  shaper.measures([measure('amp-shaper', { name: 'www.victim.example' }, { limitPerSecond: 1 })]);
  for (let i = 0; i < 4; i++)
    expect((await shaper.ask({ name: 'www.victim.example', transport: 'tcp' })).rcode).toBe('NOERROR');
  shaper.measures([measure('amp-shaper', { source: '127.0.0.9' }, { limitPerSecond: 1 })]);
  const looping = async () => (await shaper.ask({ name: 'a.example', transport: 'tcp', client: '127.0.0.9' })).rcode;
  expect([await looping(), await looping()]).toEqual(['NOERROR', 'REFUSED']);
});

test('random-subdomain: misses above the limit are not asked; cached answers and known names pass', async () => {
  let asked = 0;
  const plugin = mount(
    randomSubdomain,
    {},
    {
      upstream: (name, type) => {
        asked++;
        return name.startsWith('www') && type === 'A' ? [{ name, type, ttl: 300, data: '192.0.2.1' }] : 'nxdomain';
      },
    },
  );
  for (const name of ['www.victim.example', 'www.other.example']) await plugin.ask({ name });
  await new Promise((resolve) => setImmediate(resolve));
  // There is no wildcard, and two networks ask for the names.
  await plugin.ask({ name: 'random.victim.example' });
  for (const client of ['127.0.0.1', '127.0.7.1']) {
    for (let i = 0; i < 5; i++) {
      await plugin.ask({ name: `www${i}.victim.example`, client });
      await new Promise((resolve) => setImmediate(resolve));
    }
    plugin.advance(3000);
  }
  const counted = plugin.measures([measure('random-subdomain', { pattern: '*.victim.example' })]);
  asked = 0;
  const rcodes: string[] = [];
  for (let i = 0; i < 6; i++) rcodes.push((await plugin.ask({ name: `x${i}.victim.example` })).rcode);
  expect(rcodes).toEqual(['NXDOMAIN', 'NXDOMAIN', 'SERVFAIL', 'SERVFAIL', 'SERVFAIL', 'SERVFAIL']);
  expect(asked).toBe(2);
  // In the cache: the limit does not touch it, and neither does it touch another zone.
  expect((await plugin.ask({ name: 'www.victim.example' })).rcode).toBe('NOERROR');
  expect((await plugin.ask({ name: 'x.other.example' })).rcode).toBe('NXDOMAIN');
  // Not in the cache any more, but known to exist.
  plugin.advance(200_000_000);
  plugin.measures([measure('random-subdomain', { pattern: '*.victim.example' }, { limitPerSecond: 1 })]);
  await plugin.ask({ name: 'y0.victim.example' });
  expect((await plugin.ask({ name: 'y1.victim.example' })).rcode).toBe('SERVFAIL');
  expect((await plugin.ask({ name: 'www1.victim.example' })).rcode).toBe('NOERROR');
  expect(counted()).toEqual([{ matched: 6, limited: 4 }]);
  expect(plugin.counter('sekisho_random_subdomain_refused_total', { reason: 'measure' })).toBe(5);
});

test('a dry run limits nothing and counts what it would have limited', async () => {
  const shaper = mount(ampShaper, {});
  const counted = shaper.measures([measure('amp-shaper', { name: 'www.victim.example' }, { dryRun: true })]);
  for (let i = 0; i < 5; i++) expect((await shaper.ask({ name: 'www.victim.example' })).truncated).toBe(false);
  expect(counted()).toEqual([{ matched: 5, limited: 3 }]);
});

test('a measure that has ended acts no more, whether or not anybody took it away', async () => {
  const shaper = mount(ampShaper, {});
  const endsAtMs = shaper.clock.wallMs() + 60_000;
  const counted = shaper.measures([
    measure('amp-shaper', { name: 'www.victim.example' }, { endsAtMs, limitPerSecond: 1 }),
  ]);
  await shaper.ask({ name: 'www.victim.example' });
  expect((await shaper.ask({ name: 'www.victim.example' })).truncated).toBe(true);
  shaper.advance(60_001);
  for (let i = 0; i < 3; i++) expect((await shaper.ask({ name: 'www.victim.example' })).truncated).toBe(false);
  expect(counted()).toEqual([{ matched: 2, limited: 1 }]);
});

test('explain names the measure, its ground and its approver', () => {
  const shaper = mount(ampShaper, {});
  shaper.measures([measure('amp-shaper', { name: 'www.victim.example' })]);
  expect(shaper.explain({ name: 'www.victim.example' })?.reason).toMatch(/measure m1 .*self-defence.*shift lead/);
});
