/** The list desk as its users meet it: files, web servers and primaries at one end, `sekisho lists` at the other. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { ExplainResult } from '../../src/admin/status.ts';
import type { ListStatus, ListsStatus } from '../../src/lists/routes.ts';
import { startBindPrimary } from '../lists/bind-primary.ts';
import { KEY, policyZone } from '../lists/primary.ts';
import { NEXT_REVIEW } from '../support/dates.ts';
import { findProgram } from '../support/debian.ts';
import { sekisho } from '../support/field.ts';
import { freePort } from '../support/free-port.ts';
import { logOf, scrape, stoppedAfterwards, waitFor } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { type SekishoServer, sekishoMain, startSekisho } from '../support/sekisho.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
const keep = stoppedAfterwards();
/** Long, for a machine that is busy with other things: nothing here is about how fast it is. */
const eventually = <T>(what: string, look: () => T | false | undefined | Promise<T | false | undefined>): Promise<T> =>
  waitFor(what, look, 30_000);

interface Desk {
  readonly server: SekishoServer;
  run(...words: string[]): Promise<{ code: number | string; stdout: string; stderr: string }>;
  list(name: string): Promise<ListStatus>;
  /** The lists of `explain NAME`. */
  rules(name: string): Promise<ExplainResult['lists']>;
}

async function startDesk(config: Record<string, unknown>, data?: string): Promise<Desk> {
  const server = keep(
    await startSekisho({
      readyTimeoutMs: 60_000,
      config: {
        ...config,
        server: { workers: 2, ...(data !== undefined && { data }) },
        upstream: { servers: [`127.0.0.1:${await freePort()}`] },
        cache: { size: '1MiB' },
      },
    }),
  );
  const run: Desk['run'] = (...words) => sekisho([...words, '--config', server.configFile]);
  const token = readFileSync(join(data ?? join(server.folder, 'data'), 'admin.token'), 'utf8').trim();
  const json = async <Body>(path: string): Promise<Body> => {
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(`http://127.0.0.1:${server.adminPort}${path}`, { headers });
    expect(response.status).toBe(200);
    return (await response.json()) as Body;
  };
  return {
    server,
    run,
    list: async (name) => (await json<ListsStatus>('/v1/lists')).lists.find((list) => list.name === name) as ListStatus,
    rules: async (name) => (await json<ExplainResult>(`/v1/explain?name=${name}&client=127.0.0.1`)).lists,
  };
}

/** Names that no guard minds. */
const names = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, i) => `host-${from + i}.bad.example\n`).join('');

/** As configuration management does: a new file, renamed into place. */
function replace(file: string, text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

const SCHED_OTHER = 0;
const SCHED_IDLE = 5;

/** How the threads of a process are scheduled: field 41 of each one's stat (proc(5)). */
function policiesOf(pid: number): number[] {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).map((task) => {
    const [, fields = ''] = /\) (.*)$/s.exec(readFileSync(join(tasks, task, 'stat'), 'utf8')) ?? [];
    return Number(fields.split(' ')[41 - 3]);
  });
}

describe('a list in a file', () => {
  const folder = temporaryFolder('desk-file');
  const data = join(folder, 'data');
  const file = join(folder, 'c2.txt');
  const lists = [{ name: 'c2', category: 'c2', tier: 'confirmed', format: 'domains', file }];
  let desk: Desk;

  it('is in force before the first query, with its bad lines told', async () => {
    writeFileSync(
      file,
      `# a feed\r\n${names(0, 2000)}192.0.2.1\n<b>x</b>.example\n*.wild.example\nHOST-1.bad.example.\n`,
    );
    desk = await startDesk({ lists }, data);
    const list = await desk.list('c2');
    expect(list).toMatchObject({ state: 'in force', rejected: 2, reasons: { address: 1, 'bad-character': 1 } });
    expect(list.current?.names).toBe(2002);
    expect([list.different, list.duplicates, list.conflicts]).toEqual([2001, 1, 0]);
    expect(list.rejectedLines.map(({ line, reason }) => [line, reason])).toEqual([
      [2002, 'address'],
      [2003, 'bad-character'],
    ]);
    const { stdout } = await desk.run('lists', 'status', 'c2');
    expect(stdout).toContain('bad-character');
    // Nothing of a stranger's list reaches the terminal as it is.
    expect(stdout).not.toContain('<b>');
  });

  it('tells explain in which line a rule stands, and that nothing acts on it here', async () => {
    expect(await desk.rules('host-1.bad.example')).toEqual([
      {
        list: 'c2',
        category: 'c2',
        tier: 'confirmed',
        trigger: 'qname',
        rule: 'host-1.bad.example',
        line: 3,
        text: 'host-1.bad.example',
        who: null,
        reason: 'nothing acts on it: no plugin of the chain acts on lists of category c2',
      },
    ]);
    expect((await desk.rules('a.b.wild.example')).map(({ rule, line }) => [rule, line])).toEqual([
      ['*.wild.example', 2004],
    ]);
    expect(await desk.rules('wild.example')).toEqual([]);
  });

  it('is taken again when the file is replaced', async () => {
    replace(file, `${names(0, 2000)}new.bad.example\n`);
    await eventually('the new version', async () => (await desk.rules('new.bad.example')).length === 1);
    expect((await desk.rules('a.b.wild.example')).length).toBe(0);
  });

  it.skipIf(process.getuid?.() !== 0)('is compiled by a thread that lets every other go first', () => {
    const policies = policiesOf(desk.server.pid);
    expect(policies.filter((policy) => policy === SCHED_IDLE)).toHaveLength(1);
    expect(policies.filter((policy) => policy === SCHED_OTHER).length).toBeGreaterThan(2);
  });

  it('is held back where it shrank too far; the version in force stays, metric and log say so', async () => {
    replace(file, names(0, 10));
    const list = await eventually('the refusal', async () => {
      const now = await desk.list('c2');
      return now.heldBack !== null && now;
    });
    expect(list.findings.join()).toMatch(/shrank from 2001 to 10 names/);
    expect(list.current?.names).toBe(2001);
    expect((await desk.rules('host-1999.bad.example')).length).toBe(1);
    expect((await scrape(desk.server)).total('sekisho_list_held_back', { list: 'c2' })).toBe(1);
    expect((await scrape(desk.server)).total('sekisho_list_updates_total', { list: 'c2', result: 'refused' })).toBe(1);
    expect(logOf(desk.server).some(({ msg, list: of }) => of === 'c2' && /guard refused/.test(String(msg)))).toBe(true);
    expect((await desk.run('lists')).stdout).toContain('HELD BACK');
  });

  it('comes into force by an override that says who and why, and not without', async () => {
    const silent = await desk.run('lists', 'reload', 'c2', '--override');
    expect(silent.code).toBe(2);
    expect(silent.stderr).toContain('--approver WHO and --reason TEXT missing');
    const responsible = ['--approver', 'K. Sato', '--reason', 'the vendor announced it'];
    expect((await desk.run('lists', 'reload', 'c2', '--override', ...responsible)).code).toBe(0);
    const list = await desk.list('c2');
    expect(list.current).toMatchObject({
      names: 10,
      override: { approver: 'K. Sato', reason: 'the vendor announced it' },
    });
    expect(list.heldBack).toBeNull();
    const audited = logOf(desk.server).find(({ action }) => action === 'list.override');
    expect(audited).toMatchObject({ who: 'admin', audit: expect.stringMatching(/^\d+:[0-9a-f]{64}$/) });
    expect((await desk.run('audit', 'verify', String(audited?.['audit']))).code).toBe(0);
    expect(await desk.rules('host-1999.bad.example')).toEqual([]);
    const again = await desk.run('lists', 'reload', 'c2', '--override', ...responsible);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain('SEKISHO_LIST_NOTHING_HELD');
  });

  it('goes back with one command, and forth with another', async () => {
    const responsible = ['--approver', 'K. Sato', '--reason', 'blocks a customer'];
    expect((await desk.run('lists', 'rollback', 'c2', ...responsible)).code).toBe(0);
    expect((await desk.list('c2')).current?.names).toBe(2001);
    expect((await desk.rules('host-1999.bad.example')).length).toBe(1);
    expect((await desk.run('lists', 'rollback', 'c2', ...responsible)).code).toBe(0);
    expect((await desk.list('c2')).current?.names).toBe(10);
    expect((await desk.run('lists', 'rollback', 'c2', ...responsible)).code).toBe(0);
  });

  it.each([
    ['an empty file', '', /empty/],
    ['a captive portal', '<!DOCTYPE html><html><body>Please log in</body></html>\n', /HTML|web page/i],
    ['the root and a top-level domain alone', '.\ncom\n', /no name|no such list/],
    ['a popular name', `${names(0, 2000)}google.com\n`, /popular name: google\.com/],
    ['a public suffix', `${names(0, 2000)}co.jp\n`, /public suffix: co\.jp/],
  ])('does not give way to %s', async (_, text, reason) => {
    const before = (await desk.list('c2')).current?.sha256;
    replace(file, text);
    await eventually('the refusal', async () => reason.test((await desk.list('c2')).findings.join()));
    expect((await desk.list('c2')).current?.sha256).toBe(before);
  });

  it('survives a reload of the configuration, also one that is refused', async () => {
    process.kill(desk.server.pid, 'SIGHUP');
    await eventually('the reload', () => logOf(desk.server).some(({ msg }) => msg === 'reloaded'));
    expect((await desk.rules('host-1999.bad.example')).length).toBe(1);
    const good = desk.server.config;
    writeFileSync(desk.server.configFile, good.replace('category: c2', 'category: phishing'));
    process.kill(desk.server.pid, 'SIGHUP');
    await eventually('the refusal', () =>
      logOf(desk.server).some(({ problems }) => String(problems).includes("no ground covers the category 'phishing'")),
    );
    writeFileSync(desk.server.configFile, good);
    replace(file, `${names(0, 2000)}after.bad.example\n`);
    await eventually('the next version', async () => (await desk.rules('after.bad.example')).length === 1);
  });

  it('serves a cold start although its file is gone', async () => {
    await desk.server.stop();
    renameSync(file, `${file}.gone`);
    desk = await startDesk({ lists }, data);
    expect((await desk.rules('after.bad.example')).length).toBe(1);
    await eventually('the failure', async () => /is not there/.test(String((await desk.list('c2')).failure)));
    expect((await desk.list('c2')).state).toBe('in force');
  });
});

describe('a list behind a web server', () => {
  it('is fetched, asked for conditionally, and kept when the server fails or sends something endless', async () => {
    let answer: (count: number) => { status: number; body: string; endless?: boolean } = () => ({
      status: 200,
      body: names(0, 100),
    });
    const asked: (string | undefined)[] = [];
    const web: Server = createServer((request, response) => {
      asked.push(request.headers['if-none-match']);
      const { status, body, endless } = answer(asked.length);
      if (request.headers['if-none-match'] === '"one"' && status === 200 && !endless) {
        response.writeHead(304).end();
        return;
      }
      response.writeHead(status, { etag: '"one"', 'content-type': 'text/plain' });
      if (!endless) {
        response.end(body);
        return;
      }
      const drip = () => {
        if (!response.destroyed) response.write('a'.repeat(65_536).concat('.example\n'), drip);
      };
      drip();
    });
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
    keep({ close: () => web.close() });
    const url = `http://user:secret@127.0.0.1:${(web.address() as AddressInfo).port}/feed.txt?key=secret`;
    const desk = await startDesk({
      lists: [{ name: 'web', category: 'c2', tier: 'suspected', format: 'domains', url, 'max-size': '1MiB' }],
    });
    await eventually('the first version', async () => (await desk.list('web')).state === 'in force');
    expect((await desk.run('lists', 'reload', 'web')).stdout).toContain('web: unchanged, 100 names in force');
    expect(asked).toEqual([undefined, '"one"']);
    answer = () => ({ status: 503, body: 'no' });
    const failed = await desk.run('lists', 'reload', 'web');
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain('the server answered 503');
    answer = () => ({ status: 200, body: '', endless: true });
    const endless = await desk.run('lists', 'reload', 'web', '--again');
    expect(endless.stderr).toContain('longer than the limit of 1MiB');
    expect((await desk.list('web')).current?.names).toBe(100);
    for (const text of [desk.server.stdout(), failed.stderr, endless.stderr, JSON.stringify(await desk.list('web'))])
      expect(text).not.toContain('secret');
  });
});

describe.skipIf(findProgram('named') === undefined)('a policy zone of a BIND primary', () => {
  const ZONE = 'rpz.test';
  const ground = {
    kind: 'legitimate-business',
    purpose: 'names that a court named',
    necessity: 'no other way is open',
    proportionality: 'single names only',
    approver: 'legal',
    review: NEXT_REVIEW,
  };

  it('comes signed by AXFR, follows NOTIFY by IXFR, and outlives the primary and a wrong key', async () => {
    const folder = temporaryFolder('desk-bind');
    const notifyPort = await freePort();
    const primary = keep(await startBindPrimary({ zone: policyZone(ZONE, 500), key: KEY, notifyPort }));
    const keys = join(folder, 'keys');
    writeFileSync(keys, `${KEY.name}:${KEY.algorithm}:${KEY.secret}\n`);
    const config = {
      transfer: { notify: `127.0.0.1:${notifyPort}`, 'keys-file': keys },
      lists: [
        {
          name: 'vendor',
          category: 'policy',
          format: 'rpz',
          url: `axfr://127.0.0.1:${primary.port}/${ZONE}?key=${KEY.name}`,
          ground,
        },
      ],
    };
    const data = join(folder, 'data');
    let desk = await startDesk(config, data);
    const first = await eventually('the zone', async () => {
      const list = await desk.list('vendor');
      return list.state === 'in force' && list;
    });
    expect(first.current).toMatchObject({ serial: 1, transfer: 'axfr' });

    primary.update([`add fresh.example.${ZONE}. 60 CNAME .`]);
    const second = await eventually('the change', async () => {
      const list = await desk.list('vendor');
      return (list.current?.serial ?? 0) > 1 && list;
    });
    expect(second.current).toMatchObject({ serial: 2, transfer: 'ixfr', names: (first.current?.names ?? 0) + 1 });
    expect((await desk.run('lists', 'reload', 'vendor')).stdout).toContain('vendor: unchanged');

    await primary.stop();
    await desk.server.stop();
    desk = await startDesk(config, data);
    expect((await desk.list('vendor')).current).toMatchObject({ serial: 2 });
    const down = await desk.run('lists', 'reload', 'vendor');
    expect(down.code).toBe(1);
    expect(down.stderr).toMatch(/ECONNREFUSED/);
    await desk.server.stop();

    const changed = keep(await startBindPrimary({ zone: policyZone(ZONE, 500, 9), key: KEY }));
    writeFileSync(
      keys,
      `${KEY.name}:${KEY.algorithm}:${Buffer.from('another secret altogether').toString('base64')}\n`,
    );
    const wrong = { ...config.lists[0], url: `axfr://127.0.0.1:${changed.port}/${ZONE}?key=${KEY.name}` };
    desk = await startDesk({ ...config, lists: [wrong] }, data);
    const refused = await desk.run('lists', 'reload', 'vendor');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/TSIG|BADSIG|NOTAUTH/);
    expect(refused.stderr).not.toContain(KEY.secret);
    expect((await desk.list('vendor')).current).toMatchObject({ serial: 2 });
  });
});

describe('a list that takes popular names', () => {
  const folder = temporaryFolder('desk-held');
  const data = join(folder, 'data');
  const file = join(folder, 'feed.txt');
  const popular = join(folder, 'popular.txt');
  const config = {
    'popular-names': popular,
    lists: [{ name: 'feed', category: 'c2', tier: 'confirmed', format: 'domains', file }],
  };
  const favourites = Array.from({ length: 511 }, (_, i) => `shop-${i}.example`);
  const responsible = ['--approver', 'K. Sato', '--reason', 'the rest of it is right'];

  it('is held back with all that helps to decide, and loads without them, also after a restart', async () => {
    writeFileSync(popular, favourites.join('\n'));
    writeFileSync(file, `${favourites.join('\n')}\nnot a name!\n${names(0, 3)}`);
    const desk = await startDesk(config, data);
    const { stdout, code } = await desk.run('lists', 'held', 'feed');
    expect(code).toBe(0);
    expect(stdout).toContain('takes 511 popular names');
    expect(stdout).toContain('and 491 more');
    // The names behind it, each with its line.
    for (const i of [0, 20, 510]) expect(stdout).toContain(`shop-${i}.example (line ${i + 1})`);
    expect(stdout).toMatch(/^ *512 +\d+ +\S+ +not a name!/m);
    for (const said of ['guard.allow-names', 'lists reload feed --override', 'lists reload feed --without'])
      expect(stdout).toContain(said);

    expect((await desk.run('lists', 'reload', 'feed', '--without')).code).toBe(2);
    const loaded = await desk.run('lists', 'reload', 'feed', '--without', ...responsible);
    expect([loaded.code, loaded.stdout]).toEqual([0, expect.stringContaining('3 names')]);
    const inForce = async (one: Desk) => [
      (await one.rules('host-0.bad.example')).length,
      (await one.rules('shop-7.example')).length,
    ];
    expect(await inForce(desk)).toEqual([1, 0]);
    await desk.server.stop();
    expect(await inForce(await startDesk(config, data))).toEqual([1, 0]);
  });
});

describe('a source that takes its time', () => {
  /** What the source does with the next request, when the test says so. */
  let respond: ((status: number, body: string) => void) | undefined;
  const source = createServer((_request, response) => {
    respond = (status, body) => {
      response.statusCode = status;
      response.end(body);
    };
  });

  async function slowDesk(): Promise<Desk> {
    await new Promise<void>((resolve) => source.listen(0, '127.0.0.1', resolve));
    keep({ close: () => source.closeAllConnections() });
    keep(source);
    const { port } = source.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}/feed.txt`;
    return startDesk({ lists: [{ name: 'feed', category: 'c2', tier: 'confirmed', format: 'domains', url }] });
  }

  /** `sekisho lists reload feed`; `answer` is called once it has said that it is still at work. */
  async function reloading(desk: Desk, answer: () => void | Promise<void>, ...words: string[]) {
    const main = ['lists', 'reload', 'feed', ...words, '--config', desk.server.configFile];
    const child = spawn(process.execPath, [sekishoMain(), ...main], { stdio: ['ignore', 'pipe', 'pipe'] });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    await eventually('a word that it is still fetching', () => stderr.includes('still fetching feed …'));
    await answer();
    return { code: await ended, stdout, stderr };
  }

  it('is waited for, with a word on standard error, and its list or its error is told', async () => {
    const desk = await slowDesk();
    await eventually('the first fetch', () => respond !== undefined);
    respond?.(200, names(0, 100));
    await eventually('the first version', async () => (await desk.list('feed')).state === 'in force');

    const good = await reloading(desk, () => respond?.(200, names(0, 101)));
    expect([good.code, good.stdout]).toEqual([0, 'feed: accepted, 101 names in force\n']);

    const refused = await reloading(desk, () => respond?.(404, 'gone'));
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/sekisho: feed: http:\/\/127\.0\.0\.1:\d+\/feed\.txt: .*404/);
    expect(refused.stderr).not.toContain('no running server');

    const orphaned = await reloading(desk, async () => void (await desk.server.stop('SIGKILL')));
    expect(orphaned.code).toBe(1);
    expect(orphaned.stderr).toContain('ended while it was at work on POST /v1/lists/feed/reload');
    expect(orphaned.stderr).toContain('SEKISHO_SERVER_LOST');
  });
});
