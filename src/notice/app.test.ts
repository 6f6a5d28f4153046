/** The application with its real parts, without a socket: what a whole server seldom gets to see. */
import { afterEach, expect, test, vi } from 'vitest';
import { listsInForce } from '../../test/support/lists-in-force.ts';
import { temporaryFolder } from '../../test/support/process.ts';
import { formOf } from '../../test/support/visitor.ts';
import { parsePrefix } from '../address/address.ts';
import { Metrics } from '../metrics/registry.ts';
import { SubscribersInForce } from '../subscribers/in-force.ts';
import { SubscriberState } from '../subscribers/state.ts';
import { AddressTable } from '../subscribers/table/address-table.ts';
import { NEVER } from '../subscribers/table/prefix-table.ts';
import { systemClock } from '../time/clock.ts';
import { createPagesApp } from './app.ts';
import { BlockedNames } from './blocked-names.ts';
import { NoticeCounters } from './counters.ts';
import { PortalMemory } from './portal-memory.ts';
import { loadTemplates } from './templates.ts';

const SUBSCRIBER = '192.0.2.1';
/** Without a socket there is no port of the visitor; a proxy tells it. */
const PROXY = '192.0.2.80';
const from = { 'x-forwarded-for': `${SUBSCRIBER}:40000` };
const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function setUp({ withSubscribers = true, url = 'http://optout.isp.example/' } = {}) {
  const log = { error: vi.fn(), info: vi.fn(), warn: vi.fn() };
  const state = new SubscriberState(temporaryFolder('pages-app'), systemClock, log as never);
  closers.push(() => state.close());
  await state.putInForce({
    terms: { version: '2026-04', covers: ['c2'] },
    groups: [],
    unfiltered: [],
    leaseMs: 60_000,
    leaseAfterRestartMs: 0,
    provisioning: { shortestIpv4: 32, shortestIpv6: 48, portal: false },
  });
  const ranges = new AddressTable();
  ranges.set({ ...parsePrefix(SUBSCRIBER), port: 0, portBits: 0 }, state.register.holderFor('4711'), NEVER);
  const lists = listsInForce({
    category: 'c2',
    tier: 'confirmed',
    format: 'domains',
    text: 'c2.example\n',
    name: 'c2-feed',
  });
  const names = new BlockedNames(lists, new SubscribersInForce());
  names.subscribers.take({
    leases: state.leases.table.memory,
    ranges: ranges.memory,
    consents: state.register.consents,
    unfiltered: [],
  });
  const { templates } = await loadTemplates(undefined, ['ja', 'en']);
  const metrics = new Metrics();
  const app = await createPagesApp({
    config: {
      listen: [],
      listenIsDefault: true,
      ipv4: undefined,
      ipv6: undefined,
      languages: ['ja', 'en'],
      templatesFolder: undefined,
      operator: { name: undefined, contact: undefined },
      proxies: [`${PROXY}/32`],
      portal: { url, isPublic: true, hosts: [new URL(url).hostname], line: true, link: undefined },
    },
    templates: templates!,
    names,
    state: withSubscribers ? state : undefined,
    links: undefined,
    terminals: undefined,
    memory: new PortalMemory(Date.now()),
    counters: new NoticeCounters(metrics),
    apiLeases: false,
    audit: { record: vi.fn() },
    clock: systemClock,
    log,
  });
  const host = new URL(url).hostname;
  let cookie = '';
  return {
    log,
    /** From now on the ledger cannot be written. */
    breakLedger: () => state.ledger.db.exec('ALTER TABLE entry RENAME TO lost'),
    state,
    counted: (name: string, label: string) =>
      metrics.values[
        metrics.cells.findIndex((cell) => cell.name === name && Object.values(cell.labels).includes(label))
      ],
    get: async (path = '/') => {
      const page = await app.inject({ url: path, headers: { host, cookie, ...from }, remoteAddress: PROXY });
      cookie = String(page.headers['set-cookie'] ?? cookie).split(';')[0] ?? '';
      return page;
    },
    post: (form: Record<string, string>) =>
      app.inject({
        method: 'POST',
        url: '/consent',
        payload: new URLSearchParams(form).toString(),
        headers: { host, cookie, ...from, 'content-type': 'application/x-www-form-urlencoded' },
        remoteAddress: PROXY,
      }),
  };
}

test('a withdrawal that cannot be recorded acts, is told as not yet durable, and leaves nothing of the subscriber in the log', async () => {
  const { get, post, breakLedger, log, state } = await setUp();
  const form = formOf((await get()).body, 'opt-out');
  breakLedger();
  const taken = await post(form);
  expect(taken.statusCode).toBe(202);
  expect(taken.body).toContain('すでに有効です');
  expect(taken.body).toContain('まだ保存されていません');
  const english = await post({ ...form, lang: 'en' });
  expect(english.body).toContain('has not been saved yet');
  expect(state.register.stateOf('4711', 'c2')).toBe('opted-out');
  expect(JSON.stringify(log.error.mock.calls)).not.toMatch(/4711|192\.0\.2/);
});

test('a consent that cannot be recorded is not told as done, and does not act', async () => {
  const { get, post, breakLedger, log, counted, state } = await setUp();
  await post(formOf((await get()).body, 'opt-out'));
  const form = formOf((await get()).body, 'opt-in');
  breakLedger();
  const failed = await post(form);
  expect(failed.statusCode).toBe(503);
  expect(failed.body).toContain('変更を記録できませんでした');
  expect(state.register.stateOf('4711', 'c2')).toBe('opted-out');
  expect(counted('sekisho_notice_refused_total', 'failed')).toBe(1);
  expect(JSON.stringify(log.error.mock.calls)).not.toMatch(/4711|192\.0\.2/);
});

test('a look that cannot be recorded shows nothing, and lets consent be withdrawn', async () => {
  const { get, post, breakLedger, state } = await setUp();
  breakLedger();
  const page = await get();
  expect(page.statusCode).toBe(503);
  expect(page.body).not.toContain('4711');
  expect((await post(formOf(page.body, 'opt-out'))).statusCode).toBe(202);
  expect(state.register.stateOf('4711', 'c2')).toBe('opted-out');
});

test('turning consent on and off without end is refused, and the ledger does not grow', async () => {
  const { get, post, state, counted } = await setUp();
  const form = formOf((await get()).body, 'opt-out');
  const statuses: number[] = [];
  for (let i = 0; i < 25; i++)
    statuses.push((await post({ ...form, action: i % 2 === 0 ? 'opt-out' : 'opt-in' })).statusCode);
  expect(statuses.filter((status) => status === 303)).toHaveLength(20);
  expect(statuses.slice(20)).toEqual([429, 429, 429, 429, 429]);
  expect(counted('sekisho_notice_refused_total', 'too-often')).toBe(5);
  for (let i = 0; i < 30; i++) await get();
  expect(state.ledger.entries).toBe(21);
});

test('a server without subscribers says that there is nothing to set', async () => {
  const { get, post } = await setUp({ withSubscribers: false });
  expect((await get()).statusCode).toBe(200);
  expect((await get()).body).toContain('設定する対策はありません');
  expect((await post({})).statusCode).toBe(404);
  // Without portal.link there is no way in by a link.
  expect((await get('/link?token=x')).statusCode).toBe(404);
});

test('every page loads nothing, is framed nowhere and kept by nobody', async () => {
  const { get, post } = await setUp();
  for (const page of [await get(), await get('/nowhere'), await post({})]) {
    expect(page.headers).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'cross-origin-resource-policy': 'same-origin',
      'x-robots-tag': 'noindex',
      vary: 'accept-language',
    });
    const forms = page.body.includes('<form');
    expect(page.headers['referrer-policy']).toBe(forms ? 'same-origin' : 'no-referrer');
    expect(String(page.headers['content-security-policy']).replaceAll('; ', ';')).toMatch(
      new RegExp(
        `^default-src 'none';style-src 'sha256-[^;]+';img-src data:;form-action '${forms ? 'self' : 'none'}';base-uri 'none';frame-ancestors 'none'$`,
      ),
    );
    // They would bind an origin that may be a stranger's.
    for (const name of ['strict-transport-security', 'origin-agent-cluster', 'cross-origin-opener-policy'])
      expect(page.headers).not.toHaveProperty(name);
  }
});

test('cookies are for the server alone, and over TLS for TLS alone', async () => {
  const plain = await (await setUp()).get();
  expect(plain.headers['set-cookie']).toMatch(/^sekisho-browser=[\w-]{22}; Path=\/; HttpOnly; SameSite=Lax$/);
  expect(plain.headers).not.toHaveProperty('strict-transport-security');
  const secure = await (await setUp({ url: 'https://optout.isp.example/' })).get();
  expect(secure.headers['set-cookie']).toMatch(/; Path=\/; HttpOnly; Secure; SameSite=Lax$/);
  expect(secure.headers['cross-origin-opener-policy']).toBe('same-origin');
});
