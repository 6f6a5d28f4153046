/** The pictures of README and docs: the demo's own console in Debian's Chromium, while scenes play. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, type Page } from 'playwright-core';
import { requireProgram } from '../test/support/debian.ts';
import { addressOf, nameOf } from './isp.ts';
import { SCENES, type Stage } from './scenes.ts';

/** Until the normal of this hour is known from the minutes before. */
const WARM_SECONDS = 200;

export async function takePictures(stage: Stage, folder: string): Promise<void> {
  const { isp, say, pass } = stage;
  mkdirSync(folder, { recursive: true });
  say(`Everyday traffic for ${WARM_SECONDS} s, so that a normal is known …`);
  const play = (
    name: string, // Those that play when all pictures are taken end with the server.
  ) =>
    SCENES.find((scene) => scene.name === name)
      ?.run(stage)
      .catch(() => {});
  await play('opt-out');
  void play('c2');
  await pass(WARM_SECONDS);
  const browser = await chromium.launch({
    executablePath: requireProgram('chromium'),
    args: ['--no-sandbox', '--disable-gpu'],
  });
  try {
    const pages = await Promise.all(
      (['en', 'ja'] as const).map(async (language) => {
        const context = await browser.newContext({
          locale: language === 'ja' ? 'ja-JP' : 'en-GB',
          timezoneId: 'Asia/Tokyo',
          viewport: { width: 1200, height: 760 },
        });
        const page = await context.newPage();
        await page.goto(`${isp.url}/console/`);
        await page.locator('input[name=token]').fill(isp.tokens.admin);
        await page.locator('form button[type=submit]').click();
        await page.locator('nav').waitFor();
        return { language, page };
      }),
    );
    const [{ page: first } = { page: undefined }] = pages;
    const take = async (name: string, prepare: (page: Page) => Promise<unknown>, view: string) => {
      for (const { language, page } of pages) {
        await show(page, view);
        await prepare(page);
        await page.evaluate('document.activeElement?.blur(); scrollTo(0, 0)');
        await page.screenshot({ path: join(folder, `console-${name}.${language}.png`) });
        say(`  console-${name}.${language}.png`);
      }
    };
    void play('attacked-name');
    await isp.api('security', 'POST', '/v1/sinkhole/rules', {
      name: 'www.shop.example',
      ground: {
        kind: 'necessity',
        effect: 'the shop’s server and our resolvers receive 500 queries a second',
        evidence: 'ticket 4711, graph of 14:05',
        'nothing-milder': 'a limit by source would hit all of our subscribers alike',
        approver: 'shift lead',
        expires: '2h',
      },
    });
    void play('random-subdomains');
    await pass(75);
    await take('now', async (page) => page.locator('.tile').first().waitFor(), 'now');
    await take('overload', diagnosed, 'overload');
    await isp.api('operator', 'POST', '/v1/query-history/diagnose', { windowSeconds: 60 });
    await isp.api('operator', 'POST', '/v1/query-history/apply', {
      proposal: 1,
      ground: { kind: 'self-defence', approver: 'shift lead', expires: '1h' },
    });
    await take('rules', async (page) => page.locator('.timeline, .empty').first().waitFor(), 'rules');
    void play('wrong-list');
    await pass(6);
    await take('lists', async (page) => page.locator('.cards').waitFor(), 'lists');
    await take(
      'explain',
      async (page) => {
        await page.locator('main form input').nth(0).fill('gate.botnet.example');
        await page.locator('main form input').nth(2).fill(addressOf(0));
        await page.locator('main form input').nth(3).fill('ticket 4712, the customer asks why');
        await page.locator('main form button[type=submit]').click();
        await page.locator('.steps').waitFor();
      },
      'explain',
    );
    await take(
      'consent',
      async (page) => {
        await page.locator('main form input').nth(0).fill(nameOf(8));
        await page.locator('main form input').nth(1).fill('ticket 4713, the customer calls');
        await page.locator('main form button[type=submit]').click();
        await page.locator('main table').waitFor();
      },
      'consent',
    );
    await take('record', async (page) => page.locator('main .badge').first().waitFor(), 'record');
    if (first) await first.close();
  } finally {
    await browser.close();
  }
}

async function diagnosed(page: Page): Promise<void> {
  await page.locator('main form').waitFor();
  const reason = page.locator('main form input[type=text]');
  if ((await reason.count()) > 0) await reason.fill('load is far above normal, ticket 4711');
  await page.locator('main form button[type=submit]').click();
  await page.locator('.incidents, .proposals').first().waitFor();
  await page.waitForTimeout(500);
}

async function show(page: Page, view: string): Promise<void> {
  await page.evaluate(`location.hash = '#/${view}'`);
  await page.waitForTimeout(2500);
}
