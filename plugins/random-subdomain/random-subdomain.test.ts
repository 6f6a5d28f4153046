import { describe, expect, test } from 'vitest';
import { FAIL } from '../../src/contract/plugin.ts';
import { type Mounted, mount, type UpstreamSays } from '../../src/testing/testing.ts';
import { createCandidateMemory } from './candidates.ts';
import plugin from './index.ts';
import { createKnownMemory, createShareMemory } from './known-names.ts';
import { createZoneMemory } from './zone-table.ts';

const NETWORK_ERROR = 23;

/** `victim.example` fails once `down`; www, shop and mail exist everywhere, with a TTL of a minute; nothing else does. */
function world() {
  const state = { down: false, asked: [] as string[] };
  const upstream = (name: string, type: string): UpstreamSays => {
    state.asked.push(name);
    if (state.down && name.endsWith('victim.example')) return 'timeout';
    if (!/^(www|shop|mail)\./.test(name)) return 'nxdomain';
    return type === 'A' ? [{ name, type: 'A', ttl: 60, data: '192.0.2.7' }] : [];
  };
  return { state, upstream };
}

let serial = 0;
const randomName = (zone = 'victim.example') => ({ name: `x${serial++}k.${zone}` });
const NAMES = ['www.victim.example', 'shop.victim.example', 'www.other.example'];
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** The zone is known to the plugin, then fails: 30 random names are enough to see it. */
async function attacked(options: Parameters<typeof plugin.options.parse>[0] = {}) {
  const { state, upstream } = world();
  // As `control` would share it.
  const shared = {
    zones: [createZoneMemory(4096)],
    known: createKnownMemory(100_000, 0, () => 7),
    candidates: createCandidateMemory(),
    shares: createShareMemory(),
  };
  const mounted: Mounted = mount(plugin, { limit: 5, ...(options as object) }, { upstream, shared });
  // There is no wildcard, and two networks ask for the names.
  await mounted.ask(randomName());
  for (const client of ['127.0.0.1', '127.0.7.1']) {
    for (const name of NAMES) {
      await mounted.ask({ name, client });
      await turn();
    }
    mounted.advance(3000);
  }
  state.down = true;
  for (let i = 0; i < 30; i++) await mounted.ask(randomName());
  return { mounted, state };
}

describe('an attack on a zone whose authority does not answer', () => {
  test('random names get SERVFAIL with extended error 23 and go no further', async () => {
    const { mounted, state } = await attacked();
    const before = state.asked.length;
    for (let i = 0; i < 200; i++) {
      const reply = await mounted.ask(randomName());
      expect(reply).toMatchObject({ rcode: 'SERVFAIL' });
      if (i > 10) expect(reply.ede).toBe(NETWORK_ERROR);
    }
    expect(state.asked.length - before).toBeLessThanOrEqual(5);
    expect(mounted.counter('sekisho_random_subdomain_refused_total', { reason: 'limit' })).toBeGreaterThanOrEqual(195);
    expect(mounted.counter('sekisho_random_subdomain_zones_troubled_total')).toBe(1);
  });

  test('what is cached is answered, also when it is stale', async () => {
    const { mounted } = await attacked();
    expect((await mounted.ask({ name: 'www.victim.example' })).answers).toHaveLength(1);
    mounted.advance(70_000);
    for (let i = 0; i < 40; i++) await mounted.ask(randomName());
    const stale = await mounted.ask({ name: 'www.victim.example' });
    expect(stale).toMatchObject({ rcode: 'NOERROR', answers: [{ data: '192.0.2.7' }] });
  });

  test('names known to exist are still asked for, in whatever type', async () => {
    const { mounted, state } = await attacked();
    mounted.advance(1000);
    for (let i = 0; i < 50; i++) await mounted.ask(randomName());
    const before = state.asked.length;
    await mounted.ask({ name: 'shop.victim.example', type: 'MX' });
    expect(state.asked.slice(before)).toEqual(['shop.victim.example']);
    expect(mounted.counter('sekisho_random_subdomain_known_passed_total')).toBe(1);
  });

  test('names known to exist are answered with what is stale at once, and fetched anew within the limit', async () => {
    const { mounted, state } = await attacked();
    mounted.advance(70_000);
    const before = state.asked.length;
    for (let i = 0; i < 20; i++)
      expect((await mounted.ask({ name: 'www.victim.example' })).answers).toMatchObject([{ data: '192.0.2.7' }]);
    expect(state.asked.length).toBe(before);
    expect(mounted.counter('sekisho_random_subdomain_stale_first_total')).toBe(20);
    expect(mounted.refreshed.length).toBeGreaterThan(0);
    expect(mounted.refreshed.length).toBeLessThanOrEqual(5);
  });

  test('no more known names are asked for than the limit', async () => {
    const { mounted, state } = await attacked();
    mounted.advance(1000);
    const before = state.asked.length;
    const types = ['MX', 'TXT', 'SRV', 'CAA', 'NS', 'SOA', 'PTR', 'NAPTR', 'DS', 'TLSA', 'SSHFP', 'HINFO'];
    for (const type of types) await mounted.ask({ name: 'shop.victim.example', type });
    expect(state.asked.length - before).toBe(2);
  });

  test('other zones notice nothing', async () => {
    const { mounted } = await attacked();
    for (let i = 0; i < 200; i++)
      expect(await mounted.ask(randomName('other.example'))).toMatchObject({ rcode: 'NXDOMAIN' });
  });

  test('its limit a second passes, and finds out when the authority is back', async () => {
    const { mounted, state } = await attacked();
    state.down = false;
    let refused = 0;
    for (let second = 0; second < 40; second++) {
      mounted.advance(1000);
      refused = 0;
      for (let i = 0; i < 20; i++) if ((await mounted.ask(randomName())).rcode === 'SERVFAIL') refused++;
    }
    expect(refused).toBe(0);
  });
});

test('an authority that says NXDOMAIN at once can be asked without end', async () => {
  const { upstream } = world();
  const mounted = mount(plugin, {}, { upstream });
  for (let i = 0; i < 3000; i++) expect((await mounted.ask(randomName())).rcode).toBe('NXDOMAIN');
  expect(mounted.counter('sekisho_random_subdomain_refused_total')).toBe(0);
});

test('dry-run asks for everything and counts what would have been refused', async () => {
  const { mounted, state } = await attacked({ 'dry-run': true });
  const before = state.asked.length;
  for (let i = 0; i < 100; i++) await mounted.ask(randomName());
  expect(state.asked.length - before).toBe(100);
  expect(mounted.counter('sekisho_random_subdomain_refused_total', { dry_run: 'true' })).toBeGreaterThan(90);
});

test('an exempt domain is never limited, and one that looks like it is', async () => {
  const { mounted, state } = await attacked({ exempt: ['victim.example'] });
  const before = state.asked.length;
  for (let i = 0; i < 100; i++) await mounted.ask(randomName());
  expect(state.asked.length - before).toBe(100);
  const { mounted: other, state: otherState } = await attacked({ exempt: ['im.example', 'nvictim.example'] });
  const already = otherState.asked.length;
  for (let i = 0; i < 100; i++) await other.ask(randomName());
  expect(otherState.asked.length - already).toBeLessThan(10);
});

test('explain says how the zone is, and asks for nothing', async () => {
  const { mounted, state } = await attacked();
  const before = state.asked.length;
  // What the cache holds is not asked for.
  expect(mounted.explain({ name: 'www.victim.example' })).toBeUndefined();
  mounted.advance(61_000);
  const spent = { ...randomName() };
  while ((await mounted.ask(randomName())).ede === NETWORK_ERROR);
  while ((await mounted.ask(randomName())).ede !== NETWORK_ERROR);
  const unknown = mounted.explain(spent);
  expect(unknown).toMatchObject({
    verdict: FAIL,
    reason: 'its zone is in trouble and the name is not known: the cache missing, 5 queries a second are sent',
  });
  const known = mounted.explain({ name: 'www.victim.example' });
  expect(known).toMatchObject({ verdict: FAIL, reason: expect.stringContaining('known to exist: something stale') });
  expect(mounted.explain({ name: 'www.other.example' })).toMatchObject({
    verdict: 0,
    reason: expect.stringContaining('not in trouble'),
  });
  // Nothing is spent by it, however often.
  const asked = state.asked.length;
  for (let i = 0; i < 50; i++) expect(mounted.explain(spent)).toEqual(unknown);
  expect(state.asked.length).toBe(asked);
  expect(asked).toBeGreaterThan(before);
});

test('an exempt name that is none is refused', () => {
  expect(() => mount(plugin, { exempt: ['a..b'] })).toThrow('exempt.0');
});
