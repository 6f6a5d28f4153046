/**
 * What an open console costs, and how long its first view takes. `npm run bench -- console`.
 *
 * CPU: at a fixed rate, windows without a console, with one and with ten in turn, round after round, so that what else the machine does
 * falls on all alike; the CPU time of the whole process a window, median of the rounds. First view: from the beginning of the
 * navigation, in a browser that is logged in and has nothing in its cache, until the first tile with figures is there.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { cpuSeconds } from '../../test/support/cpu.ts';
import { requireProgram } from '../../test/support/debian.ts';
import { runDnsperf } from '../../test/support/dnsperf.ts';
import { temporaryFolder } from '../../test/support/process.ts';
import { honest, startScriptedUpstream } from '../../test/support/scripted-upstream.ts';
import { startSekisho } from '../../test/support/sekisho.ts';

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '20000' },
    seconds: { type: 'string', default: '8' },
    rounds: { type: 'string', default: '5' },
  },
});
const [rate, seconds, rounds] = [Number(values.rate), Number(values.seconds), Number(values.rounds)];
const IDLE_MS = 20_000;
const folder = temporaryFolder('bench-console');
const queryFile = join(folder, 'queries.txt');
writeFileSync(queryFile, `${Array.from({ length: 2000 }, (_, i) => `n${i}.site.example A`).join('\n')}\n`);
const upstream = await startScriptedUpstream(honest());
const server = await startSekisho({
  config: {
    server: { data: join(folder, 'data') },
    upstream: { servers: [`127.0.0.1:${upstream.port}`] },
    plugins: { access: {}, 'c2-block': {}, 'amp-shaper': {}, 'query-history': {} },
  },
});
const origin = `http://127.0.0.1:${server.adminPort}`;
const authorization = `Bearer ${readFileSync(join(folder, 'data', 'admin.token'), 'utf8').trim()}`;
const load = () => runDnsperf({ port: server.port, queryFile, rate, seconds });

try {
  await load();
  const spent = new Map<number, number[]>([0, 1, 10].map((consoles) => [consoles, []]));
  for (let round = 0; round < rounds; round++)
    for (const [consoles, windows] of spent) {
      const end = new AbortController();
      const open = Array.from({ length: consoles }, () => look(end.signal));
      const before = cpuSeconds(server.pid);
      const { completed } = await load();
      windows.push(((cpuSeconds(server.pid) - before) / completed) * 1e6);
      end.abort();
      await Promise.all(open);
    }
  const none = median(spent.get(0) ?? []);
  console.log(
    `${rate} queries/s, ${seconds} s a window, ${rounds} rounds, load of the machine ${loadavg()[0]?.toFixed(1)}`,
  );
  for (const [consoles, windows] of spent) {
    const micros = median(windows);
    const more = ((micros / none - 1) * 100).toFixed(1);
    console.log(
      `  ${String(consoles).padStart(2)} consoles  ${micros.toFixed(2)} µs CPU a query  ${consoles === 0 ? '' : `${more} %`}`,
    );
  }
  for (const consoles of [0, 1, 10])
    console.log(`  ${String(consoles).padStart(2)} consoles, no query: ${await idle(consoles)} % of a core`);
  await firstView();
} finally {
  await server.stop();
  await upstream.close();
}

/** What the process takes while nobody asks, in percent of a core. */
async function idle(consoles: number): Promise<string> {
  const end = new AbortController();
  const open = Array.from({ length: consoles }, () => look(end.signal));
  const before = cpuSeconds(server.pid);
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  const spent = cpuSeconds(server.pid) - before;
  end.abort();
  await Promise.all(open);
  return ((spent / IDLE_MS) * 1e5).toFixed(2);
}

/** Read live figures as a page does, until `signal`. */
async function look(signal: AbortSignal): Promise<void> {
  try {
    const response = await fetch(`${origin}/v1/live`, {
      headers: { authorization, accept: 'text/event-stream' },
      signal,
    });
    for await (const _ of response.body ?? []);
  } catch {
    // Ended from here.
  }
}

async function firstView(): Promise<void> {
  const browser = await chromium.launch({
    executablePath: requireProgram('chromium'),
    args: ['--no-sandbox', '--disable-gpu'],
  });
  const [views, quiet]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds * 2; round++) {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(`${origin}/console/`);
    await page.locator('input[name=token]').fill(authorization.slice('Bearer '.length));
    await page.locator('form button[type=submit]').click();
    await page.locator('.tile').first().waitFor();
    const client = await context.newCDPSession(page);
    await client.send('Network.clearBrowserCache');
    await page.reload();
    await page.locator('h1').waitFor();
    quiet.push(await page.evaluate<number>('performance.now()'));
    await page.locator('.tile').first().waitFor();
    views.push(await page.evaluate<number>('performance.now()'));
    await context.close();
  }
  await browser.close();
  console.log(
    `  first view: frame ${median(quiet).toFixed(0)} ms, with figures ${median(views).toFixed(0)} ms (median of ${views.length})`,
  );
}

function median(of: readonly number[]): number {
  return [...of].sort((one, other) => one - other)[Math.floor(of.length / 2)] ?? 0;
}
