/**
 * A notice from import to code to fixed, on a running server: reports of third parties, leases by RADIUS, the portal, a webhook.
 * One server, whose moments follow one another. Follows docs/terminals.md and docs/terminals.ja.md.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { AuditEntry } from '../../src/audit/entry.ts';
import type { CasesView, CheckedCode } from '../../src/terminals/routes.ts';
import { type Entry, entriesAfter, lastSequence } from '../secrecy/audit-entries.ts';
import { home } from '../secrecy/clients.ts';
import { PORTAL_HOST, startWorld, type World } from '../secrecy/world.ts';
import { askUdp } from '../support/dns-client.ts';
import { scrape, stoppedAfterwards, waitFor } from '../support/observe.ts';
import { ownAddress } from '../support/own-network.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });
const keep = stoppedAfterwards();
const STATIC = home(3);
const GROUND = {
  kind: 'legitimate-business',
  purpose: 'to tell subscribers that their terminals are infected',
  necessity: 'only the lease of that time tells whose terminal it was',
  proportionality: 'a week, read by the import of reports alone',
  approver: 'privacy officer',
  review: new Date(Date.now() + 90 * 86_400_000).toISOString().slice(0, 10),
};
const REASON = ['--reason', 'daily report of the sinkhole, ticket 815'];

const taken: { id: string; body: string }[] = [];
let isDown = true;
const mailing = createServer((request, response) => {
  let body = '';
  request.on('data', (part: Buffer) => {
    body += part.toString();
  });
  request.on('end', () => {
    if (!isDown) taken.push({ id: String(request.headers['webhook-id']), body });
    response.writeHead(isDown ? 503 : 204).end();
  });
});
let world: World;
const now = () => Math.floor(Date.now() / 1000);
const ago = (seconds: number) => new Date((now() - seconds) * 1000).toISOString().slice(0, 19);
const write = (name: string, text: string): string => {
  writeFileSync(join(world.folder, name), text);
  return join(world.folder, name);
};
const cases = async () =>
  (await world.json<CasesView>('GET', '/v1/terminals/cases?over=true&reason=ticket+815')).body.cases;

beforeAll(async () => {
  await new Promise<void>((resolve) => void mailing.listen(0, '127.0.0.1', resolve));
  world = keep(
    await startWorld({
      workers: 1,
      ranges: `${STATIC.ipv4},S-STATIC\n`,
      config: { terminals: { 'lease-history': { ground: GROUND }, 'clock-margin': '10s' } },
    }),
  );
  const nas = { 'NAS-IP-Address': '10.0.0.1' };
  // Messages are known by the second in which they came: those of the one in which the server began may be from before.
  await new Promise((resolve) => setTimeout(resolve, 1100));
  const say = (status: 'Start' | 'Stop', user: string, id: string, address: string, secondsAgo: number) =>
    world.account(status, {
      ...nas,
      'User-Name': user,
      'Acct-Session-Id': id,
      'Framed-IP-Address': address,
      'Event-Timestamp': now() - secondsAgo,
    });
  await say('Start', 'S-FIRST', 'a', home(1).ipv4, 4000);
  await say('Stop', 'S-FIRST', 'a', home(1).ipv4, 2000);
  await say('Start', 'S-SECOND', 'b', home(1).ipv4, 1900);
  await say('Start', 'S-ONE', 'c', home(2).ipv4, 3000);
  await say('Start', 'S-TWO', 'd', home(2).ipv4, 2500);
});
afterAll(() => void mailing.close());

const report = () =>
  [
    'timestamp,src_ip,src_port,infection',
    `${ago(3000)},${home(1).ipv4},40001,mirai`,
    `${ago(2900)},${home(1).ipv4},40002,mirai`,
    `${ago(600)},${home(1).ipv4},40003,emotet`,
    // Between the two leases, too close to a change, two claims, nobody, the future, no time.
    `${ago(1950)},${home(1).ipv4},40004,mirai`,
    `${ago(2003)},${home(1).ipv4},40004,mirai`,
    `${ago(2000)},${home(2).ipv4},40005,mirai`,
    `${ago(600)},203.0.113.9,40006,mirai`,
    `${ago(-7200)},${home(1).ipv4},40007,mirai`,
    `2026-11-28,${home(1).ipv4},40008,mirai`,
    '',
  ].join('\n');
let file: string;

test('a dry run says what would come of it, and keeps nothing; it is on record as a look', async () => {
  file = write('sinkhole.csv', report());
  const before = lastSequence(world.dataFolder);
  const { code, stdout } = await world.cli(
    'terminals',
    'import',
    file,
    '--format',
    'shadowserver',
    '--dry-run',
    '--json',
    ...REASON,
  );
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    dryRun: true,
    rows: 9,
    matched: 3,
    opened: 2,
    added: 1,
    refused: { nobody: 2, 'near-a-change': 1, contested: 1, 'time-ahead': 1, 'time-too-coarse': 1 },
  });
  expect(await cases()).toEqual([]);
  const look = entriesAfter(world.dataFolder, before).find(({ action }: Entry) => action === 'terminals.import');
  expect(look).toMatchObject({ purpose: REASON[1], detail: { source: 'shadowserver', reports: 9, dryRun: true } });
});

test('an import opens cases, each report is taken once, and the refused are told with their line', async () => {
  const { code, stdout, stderr } = await world.cli('terminals', 'import', file, '--format', 'shadowserver', ...REASON);
  expect(code).toBe(0);
  expect(stdout).toContain('9 reports: 3 matched, 0 taken before, 6 refused');
  expect(stdout).toContain('2 cases opened, 1 report added to cases');
  expect(stderr).toContain('sinkhole.csv:7: several subscribers claim the address for that time');
  expect(
    (await cases()).map(({ subscriber, kind, reports, state }) => [subscriber, kind, reports, state]).sort(),
  ).toEqual([
    ['S-FIRST', 'mirai', 2, 'new'],
    ['S-SECOND', 'emotet', 1, 'new'],
  ]);
  const again = await world.cli('terminals', 'import', file, '--format', 'shadowserver', ...REASON);
  expect(again.stdout).toContain('0 matched, 3 taken before, 6 refused');
  expect(await cases()).toHaveLength(2);
  const page = await scrape(world.server);
  expect(page.total('sekisho_terminals_reports_total')).toBe(6);
  expect(page.total('sekisho_terminals_reports_refused_total')).toBe(12);
});

test('other columns, a zone, static ranges; a local time without a zone is refused', async () => {
  const tokyo = new Date(Date.now() - 600_000 + 9 * 3_600_000).toISOString().slice(0, 19).replace('T', ' ');
  const own = write('own.csv', `検知,IP\n${tokyo},${STATIC.ipv4}\n`);
  const map = ['--map', 'address=IP,time=検知', '--kind', 'router'];
  const without = await world.cli('terminals', 'import', own, ...map, ...REASON);
  expect(without.stdout).toContain('1 refused: the time has no zone');
  // Written a moment ago: nobody knows what the file said then.
  const changed = await world.cli('terminals', 'import', own, ...map, '--zone', 'Asia/Tokyo', ...REASON);
  expect(changed.stdout).toContain('1 refused: the file of static ranges has changed since');
});

test('nothing of address, port or lease stands beside a case', async () => {
  const folder = join(world.dataFolder, 'terminals');
  const bytes = readdirSync(folder)
    .filter((name) => name.startsWith('cases.db'))
    .map((name) => readFileSync(join(folder, name), 'latin1'))
    .join('');
  expect(bytes).toContain('S-FIRST');
  const hex = home(1)
    .ipv4.split('.')
    .map((part) => Number(part).toString(16).padStart(2, '0'))
    .join('');
  for (const trace of [home(1).ipv4, '40001', hex]) expect(bytes).not.toContain(trace);
  expect(world.log()).not.toContain('S-FIRST');
});

test('notices leave as CSV, and count as told once they are marked', async () => {
  const first = await world.cli('terminals', 'export', ...REASON);
  expect(first.stdout.split('\r\n')[0]).toBe('code,subscriber,kind,firstSeen,lastSeen,reports,notice,checkUrl');
  expect(first.stdout.trim().split('\r\n')).toHaveLength(3);
  expect(first.stdout).toContain(`http://${PORTAL_HOST}/check?code=`);
  expect(first.stderr).toContain('add --mark-notified');
  expect((await cases()).every(({ state }) => state === 'new')).toBe(true);
  await world.cli('terminals', 'export', '--mark-notified', ...REASON);
  expect((await cases()).every(({ state, notices }) => state === 'notified' && notices === 1)).toBe(true);
  expect((await world.cli('terminals', 'export', ...REASON)).stdout.trim().split('\r\n')).toHaveLength(1);
});

test('the subscriber checks the code in the portal, in either language, from any line, and says that it is done', async () => {
  const [mirai] = (await cases()).filter(({ kind }) => kind === 'mirai');
  const visitor = world.visitor('127.0.0.1');
  const check = (form: Record<string, string>) => visitor.visit({ path: '/check', host: PORTAL_HOST, form });
  const opened = await visitor.visit({ path: `/check?code=${mirai!.code}`, host: PORTAL_HOST });
  expect(opened.status).toBe(200);
  expect(opened.text).toContain(`value="${mirai!.code}"`);
  // A scanner of mail follows the link: that is no subscriber.
  expect((await cases()).find(({ code }) => code === mirai!.code)?.state).toBe('notified');
  const genuine = await check({ code: mirai!.code.toLowerCase().replaceAll('-', ' '), lang: 'ja' });
  expect(genuine.text).toContain('がお送りしたものです');
  expect(genuine.text).toContain('mirai');
  expect(genuine.text).not.toContain('S-FIRST');
  expect((await cases()).find(({ code }) => code === mirai!.code)?.state).toBe('seen');
  expect((await check({ code: '2345-6789-ABCD', lang: 'ja' })).text).toContain('確認できませんでした');
  expect((await check({ code: '<b>', lang: 'en' })).text).toContain('We could not confirm');
  const done = await check({ code: mirai!.code, done: 'yes', lang: 'en' });
  expect(done.text).toContain('We have noted that this is done');
  expect((await cases()).find(({ code }) => code === mirai!.code)).toMatchObject({ state: 'fixed', over: true });
  // A form on a stranger's page.
  const forged = await visitor.visit({
    path: '/check',
    host: PORTAL_HOST,
    form: { code: mirai!.code },
    headers: { 'sec-fetch-site': 'cross-site' },
  });
  expect(forged.status).toBe(403);
});

test('a portal of the operator’s own asks over the API, and the desk marks cases', async () => {
  const [emotet] = (await cases()).filter(({ kind }) => kind === 'emotet');
  const checked = await world.json<CheckedCode>('POST', '/v1/terminals/check', { code: emotet!.code }, 'portal');
  expect(checked.body).toMatchObject({ genuine: true, kind: 'emotet', state: 'seen' });
  expect(JSON.stringify(checked.body)).not.toContain('S-SECOND');
  const marked = await world.cli('terminals', 'mark', emotet!.code, 'wrong', '--reason', 'a test of the subscriber');
  expect(marked.stdout).toBe(`${emotet!.code} is wrong, and over\n`);
  const unknown = await world.cli('terminals', 'mark', '2345-6789-ABCD', 'fixed');
  expect(unknown.code).toBe(1);
  expect(unknown.stderr).toContain('SEKISHO_CASE_UNKNOWN');
  expect((await world.cli('terminals', 'list', '--over', ...REASON)).stdout).toContain('wrong (over)');
  const kept = await world.json<{ cases: object[] }>(
    'GET',
    '/v1/consent/subscribers/S-SECOND/export?reason=own+request',
  );
  expect(kept.body.cases).toMatchObject([{ code: emotet!.code, state: 'wrong' }]);
});

test('look-ups of a suspected name make a case, and the webhook is tried until it takes the notice', async () => {
  const { port } = mailing.address() as AddressInfo;
  const secret = write('webhook.secret', `whsec_${Buffer.alloc(32, 7).toString('base64')}\n`);
  const config = readFileSync(world.server.configFile, 'utf8');
  const webhook = JSON.stringify({ url: `http://127.0.0.1:${port}/`, 'secret-file': secret });
  writeFileSync(world.server.configFile, config.replace(/^terminals:$/m, `terminals:\n  webhook: ${webhook}`));
  await world.reload();
  ownAddress(STATIC.ipv4);
  await askUdp({ name: 'maybe.example' }, { port: world.port, from: STATIC.ipv4, timeoutMs: 10_000 });
  await waitFor('the case', async () => (await cases()).some(({ subscriber }) => subscriber === 'S-STATIC'), 20_000);
  const [found] = (await cases()).filter(({ subscriber }) => subscriber === 'S-STATIC');
  expect(found).toMatchObject({ kind: 'c2-suspected:c2', sources: ['list-look-ups'] });
  await waitFor('a try', () => world.log().includes('a notice was not taken by the webhook'), 20_000);
  isDown = false;
  await world.stepClock(300);
  await waitFor('the notice', () => taken.length > 0, 20_000);
  expect(JSON.parse(taken[0]!.body)).toMatchObject({
    type: 'terminal.notice',
    data: { subscriber: 'S-STATIC', notice: 1 },
  });
  await waitFor('told', async () =>
    (await cases()).some(({ subscriber, state }) => subscriber === 'S-STATIC' && state === 'notified'),
  );
});

test('without a ground the history is deleted, on record, and reports are refused', async () => {
  const history = join(world.dataFolder, 'terminals', 'lease-history.db');
  expect(existsSync(history)).toBe(true);
  const before = lastSequence(world.dataFolder);
  const config = readFileSync(world.server.configFile, 'utf8');
  writeFileSync(world.server.configFile, config.replace(/^ {2}lease-history:\n(?: {4}.*\n)+/m, ''));
  await world.reload();
  await waitFor('the history is gone', () => !existsSync(history), 20_000);
  const deleted = entriesAfter(world.dataFolder, before).find(
    ({ action }: Pick<AuditEntry, 'action'>) => action === 'terminals.delete',
  );
  expect(deleted).toMatchObject({ detail: { deletions: [{ dataset: 'terminals/lease-history', rows: 4 }] } });
  const refused = await world.cli('terminals', 'import', file, '--format', 'shadowserver', ...REASON);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain('SEKISHO_NO_LEASE_HISTORY');
  expect((await cases()).length).toBe(3);
});
