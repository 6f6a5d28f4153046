/**
 * The notice page and the portal in Debian's Chromium, as people see them: on a telephone and on a desk, in both languages,
 * without script. `SEKISHO_SCREENSHOTS=FOLDER` keeps a picture of every page.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ensureJapaneseFont, ensurePackages, requireProgram } from '../support/debian.ts';
import { askUdp } from '../support/dns-client.ts';
import { stoppedAfterwards } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { honest, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';
import { contrastFaults, type Seen } from './contrast.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 });
const missing = [...ensurePackages(['chromium']).values(), ensureJapaneseFont()].filter((why) => why !== undefined);
const keep = stoppedAfterwards();
const PORTAL = 'optout.isp.example';
const SIZES = { narrow: { width: 360, height: 740 }, wide: { width: 1280, height: 900 } } as const;
const LANGUAGES = ['ja-JP', 'en-GB'] as const;

let server: SekishoServer;
let browser: Browser;

describe.skipIf(missing.length > 0)(`in Chromium ${missing.join('; ')}`, () => {
  beforeAll(async () => {
    const folder = temporaryFolder('chromium');
    const file = (name: string, text: string) => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const upstream = keep(await startScriptedUpstream(honest()));
    const list = (name: string, category: string, text: string) => ({
      name,
      category,
      tier: 'confirmed',
      format: 'domains',
      file: file(`${name}.txt`, text),
    });
    server = keep(
      await startSekisho({
        readyTimeoutMs: 30_000,
        config: {
          server: { data: join(folder, 'data') },
          upstream: { servers: [`127.0.0.1:${upstream.port}`] },
          cache: { size: '1MiB' },
          subscribers: {
            ranges: file('subscribers.csv', '127.0.0.1,4711\n127.0.0.11,4711\n'),
            terms: '2026-04',
            covers: ['c2', 'malware-warning'],
          },
          lists: [list('c2-feed', 'c2', '*.botnet.example\n'), list('spreaders', 'malware', 'www.spreader.example\n')],
          plugins: { access: {}, 'c2-block': { action: 'notice' } },
          notice: {
            ipv4: '127.0.0.1',
            operator: { name: 'サンプル・インターネット', contact: 'tel:0120-000-000' },
            portal: { url: `http://${PORTAL}/` },
          },
        },
      }),
    );
    for (let i = 0; i < 3; i++)
      await askUdp({ name: 'gate.botnet.example' }, { port: server.port, from: '127.0.0.11' });
    browser = await chromium.launch({
      executablePath: requireProgram('chromium'),
      // Every name leads to the notice page, as the resolver has it; nothing leaves this machine.
      args: ['--no-sandbox', `--host-resolver-rules=MAP * 127.0.0.1:${server.noticePort}`, '--disable-gpu'],
    });
  });
  afterAll(async () => {
    await browser?.close();
  });

  it.each(
    LANGUAGES.flatMap((locale) =>
      (['narrow', 'wide'] as const).flatMap((size) =>
        (['light', 'dark'] as const).map((colorScheme) => ({ locale, size, colorScheme })),
      ),
    ),
  )('every page fits, reads and loads nothing: $locale, $size, $colorScheme', async ({ locale, size, colorScheme }) => {
    const context = await browser.newContext({ locale, viewport: SIZES[size], colorScheme });
    const places = [
      ['blocked', 'http://deep.gate.botnet.example/download/index.html?id=7'],
      ['warning', 'http://www.spreader.example/'],
      ['long', `http://${'a-very-long-label-'.repeat(3)}x.${'another-long-label-'.repeat(3)}y.botnet.example/`],
      ['elsewhere', 'http://www.other.example/'],
      ['portal', `http://${PORTAL}/`],
      ['missing', `http://${PORTAL}/nothing`],
    ] as const;
    for (const [name, url] of places) {
      const page = await context.newPage();
      const faults = watch(page);
      const response = await page.goto(url);
      expect(response?.headers()['content-language']).toBe(locale.slice(0, 2));
      await look(page, `${name}-${locale.slice(0, 2)}-${size}-${colorScheme}`);
      expect([name, await page.evaluate(OVERFLOW)]).toEqual([name, 0]);
      expect([name, contrastFaults((await page.evaluate(TEXTS)) as Seen[])]).toEqual([name, []]);
      expect([name, await page.evaluate(UNNAMED)]).toEqual([name, []]);
      expect([name, await page.title()]).toEqual([name, await page.locator('h1').innerText()]);
      expect([name, faults]).toEqual([name, []]);
      await page.close();
    }
    await context.close();
  });

  it.each([true, false])('opts out and in by its forms, with JavaScript %s', async (javaScriptEnabled) => {
    const context = await browser.newContext({ locale: 'en-GB', viewport: SIZES.narrow, javaScriptEnabled });
    const page = await context.newPage();
    const faults = watch(page);
    await page.goto('http://gate.botnet.example/');
    await page.getByRole('link', { name: 'See or change my settings' }).click();
    expect(new URL(page.url()).hostname).toBe(PORTAL);
    await page.getByRole('button', { name: 'Opt out' }).first().click();
    await page.getByRole('status').waitFor();
    expect(await page.getByRole('status').innerText()).toContain('You have opted out.');
    await look(page, `opted-out-script-${javaScriptEnabled}`);
    const visited = await page.goto('http://gate.botnet.example/');
    expect(visited?.status()).toBe(421);
    await page.getByRole('link', { name: '日本語' }).click();
    await page.getByRole('link', { name: '設定を確認・変更する' }).click();
    await page.getByRole('button', { name: '同意して利用する' }).first().click();
    expect(await page.getByRole('status').innerText()).toContain('対策を始めました');
    const blocked = await page.goto('http://gate.botnet.example/');
    expect(blocked?.status()).toBe(403);
    expect(faults).toEqual([]);
    await context.close();
  });

  it('lets no other site frame it, send its form, or read it', async () => {
    const context: BrowserContext = await browser.newContext({ locale: 'en-GB' });
    const portal = await context.newPage();
    await portal.goto(`http://${PORTAL}/`);
    const ticket = await portal.locator('input[name=form]').first().inputValue();
    const page = await context.newPage();
    // What the owner of a blocked name may have in a tab from before it was blocked.
    await page.route('http://evil.example/', (route) =>
      route.fulfill({
        contentType: 'text/html',
        body: `<iframe src="http://${PORTAL}/"></iframe><form method="post" action="http://${PORTAL}/consent">
          <input name="form" value="${ticket}"><input name="purpose" value="c2"><input name="action" value="opt-out"></form>`,
      }),
    );
    await page.goto('http://evil.example/');
    expect(page.frames().filter((frame) => frame.url().includes(PORTAL))).toEqual([]);
    const reading = `fetch('http://${PORTAL}/', { credentials: 'include' }).then((r) => r.text(), () => 'refused')`;
    expect(await page.evaluate(reading)).toBe('refused');
    const [answer] = await Promise.all([
      page.waitForResponse((response) => response.url().endsWith('/consent')),
      page.evaluate('document.forms[0].submit()'),
    ]);
    expect(answer.status()).toBe(403);
    await portal.reload();
    expect(await portal.locator('.state').first().innerText()).toContain('On (');
    await context.close();
  });
});

/** What a page must not do: complain, break its policy, or ask for anything but itself. */
function watch(page: Page): string[] {
  const faults: string[] = [];
  page.on('console', (message) => {
    // The browser says so of every status from 400 on.
    if (!/status of (403|404|421)/.test(message.text())) faults.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  page.on('request', (request) => {
    const isPage = request.isNavigationRequest() || request.url().endsWith('/favicon.ico');
    if (!isPage) faults.push(`request: ${request.url()}`);
  });
  return faults;
}

async function look(page: Page, name: string): Promise<void> {
  const folder = process.env['SEKISHO_SCREENSHOTS'];
  if (folder === undefined) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}

/** Pixels by which the page is wider than the window. */
const OVERFLOW = 'Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth)';

/** Links and buttons without a name, and those too small for a finger (WCAG 2.2 §2.5.8: 24 pixels, links in text excepted). */
const UNNAMED = `[...document.querySelectorAll('a, button')].filter((element) => {
  const box = element.getBoundingClientRect();
  return element.innerText.trim() === '' || (element.matches('.button') && (box.height < 44 || box.width < 44));
}).map((element) => element.outerHTML)`;

/** Every text with its colour, size and the colour behind it. */
const TEXTS = `(() => {
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (colour !== 'rgba(0, 0, 0, 0)') return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  return [...document.querySelectorAll('body *')]
    .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== ''))
    .map((element) => ({
      text: element.innerText.slice(0, 40),
      colour: getComputedStyle(element).color,
      behind: behind(element),
      pixels: parseFloat(getComputedStyle(element).fontSize),
    }));
})()`;
