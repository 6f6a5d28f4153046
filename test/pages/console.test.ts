/**
 * The console in Debian's Chromium, through every view, as each desk sees it: both languages, light and dark, on a desk and on a
 * telephone; by keyboard, and by the rules of axe. `SEKISHO_SCREENSHOTS=FOLDER` keeps a picture of every view.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Role } from '../../src/audit/roles.ts';
import { OPERATIONS, VIEW_NAMES, type View } from '../../src/console/views.ts';
import { ensureJapaneseFont, ensurePackages, requireProgram } from '../support/debian.ts';
import { askUdp, dataOf } from '../support/dns-client.ts';
import { stoppedAfterwards, waitFor } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { honest, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 });
const missing = [...ensurePackages(['chromium']).values(), ensureJapaneseFont()].filter((why) => why !== undefined);
const keep = stoppedAfterwards();
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const SIZES = { narrow: { width: 390, height: 800 }, wide: { width: 1280, height: 860 } } as const;
/** Of the page and everything that it loads, as it is sent. */
const MOST_BYTES = 300 * 1024;
/** What somebody may have for a name, a reason or a list. */
const HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script>';
const ROLES = ['viewer', 'operator', 'security', 'privacy'] as const;

let server: SekishoServer;
let browser: Browser;
let feed: string;
const origin = () => `http://127.0.0.1:${server.adminPort}`;

describe.skipIf(missing.length > 0)(`the console in Chromium ${missing.join('; ')}`, () => {
  beforeAll(async () => {
    const folder = temporaryFolder('console');
    const file = (name: string, text: string) => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const upstream = keep(await startScriptedUpstream(honest()));
    feed = file(
      'feed.txt',
      `*.botnet.example\n${Array.from({ length: 60 }, (_, i) => `c${i}.listed.example`).join('\n')}\n`,
    );
    server = keep(
      await startSekisho({
        readyTimeoutMs: 30_000,
        config: {
          server: { data: join(folder, 'data') },
          upstream: { servers: [`127.0.0.1:${upstream.port}`] },
          cache: { size: '1MiB' },
          admin: {
            'tokens-file': file(
              'tokens.yaml',
              ROLES.map((role) => `- { name: a-${role}, role: ${role}, token-sha256: ${digestOf(role)} }\n`).join(''),
            ),
          },
          subscribers: { ranges: file('subscribers.csv', '127.0.0.1,4711\n'), terms: '2026-04' },
          lists: [{ name: 'c2-feed', category: 'c2', tier: 'confirmed', format: 'domains', file: feed }],
          plugins: {
            access: {},
            sinkhole: { ipv4: '192.0.2.1', ipv6: '2001:db8::1' },
            'c2-block': {},
            'random-subdomain': {},
            'query-history': {},
          },
        },
      }),
    );
    for (let i = 0; i < 40; i++) await askUdp({ name: `n${i}.busy.example` }, { port: server.port });
    browser = await chromium.launch({
      executablePath: requireProgram('chromium'),
      args: ['--no-sandbox', '--disable-gpu'],
    });
  });
  afterAll(async () => {
    await browser?.close();
  });

  it('lets in whoever has a token, and says what is wrong with one that is none', async () => {
    const { page, context } = await opened({ locale: 'en-GB' });
    await page.locator('input[name=token]').fill('not-a-token');
    await page.getByRole('button', { name: 'Log in' }).click();
    const alert = page.getByRole('alert');
    await alert.waitFor();
    expect(await alert.innerText()).toMatch(/the token is not valid[\s\S]*What to do[\s\S]*SEKISHO_LOGIN_REFUSED/);
    await page.locator('input[name=token]').fill(tokenOf('viewer'));
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Now' }).waitFor();
    expect(await page.evaluate('document.cookie')).toBe('');
    expect(await page.evaluate('JSON.stringify({ ...localStorage, ...sessionStorage })')).not.toContain('token');
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.locator('input[name=token]').waitFor();
    await page.reload();
    await page.locator('input[name=token]').waitFor();
    await context.close();
  });

  it('loads in few bytes, and nothing from elsewhere', async () => {
    const { page, context, requests } = await opened({ locale: 'en-GB' });
    await enter(page, 'operator');
    await page.locator('.tile').first().waitFor();
    const files = requests.filter((url) => /\/console(\/|$)/.test(url) && !url.endsWith('/session'));
    expect(files.length).toBeGreaterThan(2);
    let bytes = 0;
    for (const url of new Set(files)) {
      // As a browser asks, and as it comes: fetch would tell the length of what is unpacked.
      const response = await fetch(url, { headers: { 'accept-encoding': 'gzip' } });
      bytes += Number(response.headers.get('content-length'));
      await response.arrayBuffer();
    }
    expect(bytes).toBeGreaterThan(10_000);
    expect(bytes).toBeLessThan(MOST_BYTES);
    expect(requests.filter((url) => !url.startsWith(origin()))).toEqual([]);
    await context.close();
  });

  it.each(ROLES)('shows the desk %s its views alone, and asks for nothing that it may not', async (role) => {
    const { page, context, faults, answers } = await opened({ locale: 'en-GB' });
    await enter(page, role);
    const shown = await viewsShown(page);
    const session = (await page.evaluate(`fetch('/console/session').then((r) => r.json())`)) as {
      session: { views: View[] };
    };
    expect(shown).toEqual(session.session.views);
    for (const view of VIEW_NAMES) {
      await page.evaluate(`location.hash = '#/${view}'`);
      await settled(page);
      // What is not its own is not shown by its address either.
      const heading = await page.locator('h1').innerText();
      expect([role, view, heading === NAMES[view]]).toEqual([role, view, shown.includes(view)]);
    }
    const asked = answers.filter(({ path }) => path.startsWith('/v1/'));
    expect(asked.filter(({ status }) => status === 403 || status === 401)).toEqual([]);
    expect(asked.filter(({ method, path }) => !named(method, path))).toEqual([]);
    expect(faults).toEqual([]);
    await context.close();
  });

  it.each([
    { locale: 'ja-JP', size: 'narrow', colorScheme: 'dark' },
    { locale: 'ja-JP', size: 'wide', colorScheme: 'light' },
    { locale: 'en-GB', size: 'narrow', colorScheme: 'light' },
    { locale: 'en-GB', size: 'wide', colorScheme: 'dark' },
  ] as const)('every view fits and reads: $locale, $size, $colorScheme', async ({ locale, size, colorScheme }) => {
    const { page, context, faults } = await opened({
      locale,
      viewport: SIZES[size],
      colorScheme,
      timezoneId: 'Asia/Tokyo',
    });
    await history();
    const look = (name: string) => judge(page, `console-${name}-${locale.slice(0, 2)}-${size}-${colorScheme}`);
    await look('login');
    await enter(page, 'admin');
    expect(await page.evaluate('document.documentElement.lang')).toBe(locale.slice(0, 2));
    for (const view of VIEW_NAMES) {
      await page.evaluate(`location.hash = '#/${view}'`);
      await settled(page);
      await use(page, view);
      await look(view);
      // Whoever looks for top clients or a log is told, and times say in which zone they are.
      expect([view, await page.locator('.not-here').count()]).toEqual([view, 1]);
      expect(await page.locator('.zone').innerText()).toContain('UTC+09:00');
    }
    expect(faults).toEqual([]);
    await context.close();
  });

  it('is worked by keyboard alone: views, a rule previewed, tried, lifted', async () => {
    const { page, context, faults } = await opened({ locale: 'en-GB', viewport: SIZES.wide });
    await page.locator('input[name=token]').focus();
    await page.keyboard.type(tokenOf('security'));
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page.getByRole('link', { name: 'Rules in force' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Discard a name' }).waitFor();
    expect(await page.evaluate('document.activeElement?.tagName')).toBe('H1');
    await page.getByRole('button', { name: 'Discard a name' }).focus();
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name', { exact: true }).fill('www.attacked.example');
    const apply = dialog.getByRole('button', { name: 'Put in force' });
    expect(await apply.isDisabled()).toBe(true);
    await dialog.getByRole('button', { name: 'Preview' }).press('Enter');
    await dialog.getByRole('alert').waitFor();
    expect(await dialog.getByRole('alert').innerText()).toMatch(/would be refused[\s\S]*evidence/);
    expect(await apply.isDisabled()).toBe(true);
    await dialog.getByLabel(/What the attack does/).fill('floods our resolvers with queries');
    await dialog.getByLabel(/Evidence/).fill(`ticket 4711 ${HOSTILE}`);
    await dialog.getByLabel('Approved by').fill('shift lead');
    await dialog.getByRole('button', { name: 'Preview' }).press('Space');
    await dialog.getByText('Nothing stands against it').waitFor();
    await apply.press('Enter');
    await dialog.waitFor({ state: 'detached' });
    const card = page.locator('.cards > li', { hasText: 'www.attacked.example' });
    await card.waitFor();
    // What was stated is text, whatever it looks like.
    await card.getByText('What was stated').press('Enter');
    expect(await card.innerText()).toContain(HOSTILE);
    expect(await card.locator('img, script').count()).toBe(0);
    expect(await card.locator('.countdown').innerText()).toMatch(/^1 h 5\d min|^2 h/);
    expect(await addressesOf('www.attacked.example')).toEqual(['192.0.2.1']);
    await card.getByRole('button', { name: 'Renew' }).press('Enter');
    await dialog.getByLabel(/Evidence/).fill('graph of 15:10, it goes on');
    await dialog.getByLabel('Approved by').fill('shift lead');
    await dialog.getByRole('button', { name: 'Renew' }).press('Enter');
    await card.getByText('renewed once').waitFor();
    await card.getByRole('button', { name: 'Lift' }).press('Enter');
    await dialog.getByLabel('Reason').fill('the attack is over');
    await dialog.getByRole('button', { name: 'Lift' }).press('Enter');
    await page.getByRole('table', { name: 'Ended within the last day' }).waitFor();
    expect(await addressesOf('www.attacked.example')).not.toEqual(['192.0.2.1']);
    expect(faults).toEqual([]);
    await context.close();
  });

  it('shows why a list is held back, approves it without the offenders, and takes it back', async () => {
    writeFileSync(
      feed,
      `*.botnet.example\ncom\nwww.google.com\n${Array.from({ length: 60 }, (_, i) => `c${i}.listed.example`).join('\n')}\n`,
    );
    const { page, context, faults } = await opened({ locale: 'en-GB', viewport: SIZES.wide });
    await enter(page, 'security');
    await page.evaluate(`location.hash = '#/lists'`);
    await page.getByRole('button', { name: 'Fetch now' }).click();
    await page.getByText('A new version is held back').waitFor();
    await page.getByRole('button', { name: 'Findings and samples' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('www.google.com').first().waitFor();
    await dialog.getByRole('button', { name: 'Approve without the offenders' }).click();
    await dialog.getByLabel('Reason').fill('the rest of the file is right, ticket 4711');
    await dialog.getByLabel('Approved by').fill('K. Sato');
    await dialog.getByRole('button', { name: /^Approve/ }).click();
    await dialog.waitFor({ state: 'detached' });
    await page.getByText('approved by K. Sato').waitFor();
    await page.getByRole('button', { name: 'Roll back' }).click();
    await dialog.getByLabel('Reason').fill('the provider sends another file');
    await dialog.getByLabel('Approved by').fill('a-security');
    await dialog.getByRole('button', { name: 'Roll back' }).click();
    // What the API refuses is shown where it was asked for, and nothing was changed.
    expect(await dialog.getByRole('alert').innerText()).toMatch(/approver[\s\S]*SEKISHO_REQUEST_INVALID/);
    await dialog.getByLabel('Approved by').fill('K. Sato');
    await dialog.getByRole('button', { name: 'Roll back' }).click();
    await dialog.waitFor({ state: 'detached' });
    expect(faults.filter((fault) => !/400/.test(fault))).toEqual([]);
    await context.close();
  });

  it('opts one subscriber out and in, for a purpose', async () => {
    const { page, context, faults } = await opened({ locale: 'ja-JP', viewport: SIZES.narrow });
    await enter(page, 'privacy');
    await page.evaluate(`location.hash = '#/consent'`);
    await use(page, 'consent');
    const row = page.getByRole('row', { name: /C&Cサーバ/ });
    expect(await row.innerText()).toContain('契約約款による同意');
    await row.getByRole('button', { name: 'オプトアウト' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('理由').fill('お客様からのお申し出');
    await dialog.getByRole('button', { name: 'オプトアウト' }).click();
    await dialog.waitFor({ state: 'detached' });
    await row.getByText('オプトアウト済み').waitFor();
    expect(faults).toEqual([]);
    await context.close();
  });

  it('says that the server is gone, and goes on when it is back', async () => {
    const { page, context } = await opened({ locale: 'en-GB' });
    await enter(page, 'viewer');
    await page.locator('.tile').first().waitFor();
    // Whatever the browser asks for now fails, and a reload ends the streams of the configuration before.
    await context.setOffline(true);
    await fetch(`${origin()}/v1/reload`, {
      method: 'POST',
      headers: { authorization: `Bearer ${tokenOf('operator')}`, 'content-type': 'application/json' },
      body: '{}',
    });
    await page.getByRole('alert').filter({ hasText: 'The server does not answer' }).waitFor();
    await context.setOffline(false);
    await page.getByRole('status').filter({ hasText: 'Live' }).waitFor();
    expect(await page.locator('.head').innerText()).toContain('Now');
    await context.close();
  });
});

const NAMES: Readonly<Record<View, string>> = {
  now: 'Now',
  overload: 'Overload',
  rules: 'Rules in force',
  lists: 'Lists',
  explain: 'Why this answer',
  consent: 'Consent desk',
  terminals: 'Infected terminals',
  record: 'Audit and report',
};

async function addressesOf(name: string): Promise<string[]> {
  return dataOf((await askUdp({ name }, { port: server.port })).answers, 'A');
}

/** The history has something to show: a server that has just started has not. */
async function history(): Promise<void> {
  await waitFor('ten seconds of history', async () => {
    const { status } = await fetch(`${origin()}/v1/query-history/diagnose`, {
      method: 'POST',
      headers: { authorization: `Bearer ${tokenOf('operator')}`, 'content-type': 'application/json' },
      body: JSON.stringify({ reason: 'a look at the console' }),
    });
    return status === 200;
  });
}

const tokenOf = (role: string) => `token-of-${role}`;
const digestOf = (role: string) => createHash('sha256').update(tokenOf(role)).digest('hex');

async function opened(options: Parameters<Browser['newContext']>[0]) {
  const context: BrowserContext = await browser.newContext(options);
  const page = await context.newPage();
  const faults: string[] = [];
  const requests: string[] = [];
  const answers: { method: string; path: string; status: number }[] = [];
  page.on('console', (message) => {
    // The browser says so of every status from 400 on.
    if (!/status of 401/.test(message.text())) faults.push(`console: ${message.text()} ${message.location().url}`);
  });
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => requests.push(request.url()));
  page.on('response', (response) =>
    answers.push({
      method: response.request().method(),
      path: new URL(response.url()).pathname,
      status: response.status(),
    }),
  );
  await page.goto(`${origin()}/console/`);
  await page.locator('input[name=token]').waitFor();
  return { context, page, faults, requests, answers };
}

async function enter(page: Page, role: Role | 'admin'): Promise<void> {
  const token =
    role === 'admin'
      ? readFileSync(join(server.config.match(/data: (.*)/)?.[1] ?? '', 'admin.token'), 'utf8').trim()
      : tokenOf(role);
  await page.locator('input[name=token]').fill(token);
  await page.locator('form button[type=submit]').click();
  await page.locator('nav').waitFor({ state: 'attached' });
}

async function viewsShown(page: Page): Promise<View[]> {
  const links = await page.locator('nav li a').evaluateAll((all) => all.map((each) => each.getAttribute('href') ?? ''));
  return links.map((href) => href.replace('#/', '') as View);
}

/** Whether the table of views names it. */
function named(method: string, path: string): boolean {
  return OPERATIONS.some((operation) => {
    const [verb, pattern = ''] = operation.split(' ');
    return verb === method && new RegExp(`^${pattern.replaceAll(/:\w+/g, '[^/]+')}$`).test(path);
  });
}

/** Everything that the view asks for at first has come. */
async function settled(page: Page): Promise<void> {
  await waitFor('the view', async () => (await page.locator('.panel, .tiles, .not-here').count()) > 0);
  await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
}

/** What somebody comes to the view for. */
async function use(page: Page, view: View): Promise<void> {
  const fields = page.locator('main form input:not([list])');
  const submit = page.locator('main form button[type=submit]');
  if (view === 'now') await page.locator('.tile').first().waitFor();
  if (view === 'overload') {
    await page.locator('.badge').first().waitFor();
    if ((await fields.count()) > 0) await fields.first().fill('load tripled at 03:00, ticket 4711');
    // What was asked at the beginning lies within it, however busy the machine is.
    await page.locator('main form select').selectOption('900');
    await submit.click();
    await page.locator('main .tiles, main [role=alert]').first().waitFor();
  }
  if (view === 'lists') await page.locator('.cards').waitFor();
  if (view === 'explain') {
    await fields.nth(0).fill('gate.botnet.example');
    await fields.nth(1).fill('127.0.0.1');
    await fields.nth(2).fill('ticket 4711, the customer asks');
    await submit.click();
    await page.locator('.steps').waitFor();
  }
  if (view === 'consent') {
    await fields.nth(0).fill('4711');
    await fields.nth(1).fill('ticket 4711, the customer calls');
    await submit.click();
    await page.locator('main table').waitFor();
  }
  if (view === 'record') {
    await submit.click();
    await page.locator('.report').waitFor();
  }
}

interface Violation {
  readonly id: string;
  readonly impact: string;
  readonly nodes: readonly { readonly html: string }[];
}

/** Fits, reads, and breaks no serious rule of accessibility. */
async function judge(page: Page, name: string): Promise<void> {
  const folder = process.env['SEKISHO_SCREENSHOTS'];
  if (folder !== undefined) {
    mkdirSync(folder, { recursive: true });
    await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
  }
  const wider = await page.evaluate(
    'Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth)',
  );
  expect([name, wider]).toEqual([name, 0]);
  // Into the page's own world past its policy, as an extension of the browser would be.
  await page.evaluate(AXE);
  const { violations } = (await page.evaluate('axe.run(document, { resultTypes: ["violations"] })')) as {
    violations: Violation[];
  };
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  expect([name, serious.map(({ id, nodes }) => [id, nodes.slice(0, 3).map(({ html }) => html)])]).toEqual([name, []]);
}
