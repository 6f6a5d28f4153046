/** The sinkhole desk as an operator meets it: the command line, the API, restarts, reloads, and queries all the while. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { parse, stringify } from 'yaml';
import { EMERGENCY_END } from '../support/dates.ts';
import { ensurePackages } from '../support/debian.ts';
import { askUdp, dataOf, exchangeDatagram, queryBytes } from '../support/dns-client.ts';
import { runDnsperf } from '../support/dnsperf.ts';
import { dig, sekisho } from '../support/field.ts';
import { logOf, scrape, stoppedAfterwards, waitFor } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { honest, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';
import { writePlugin } from '../support/third-party-plugin.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 240_000 });
const keep = stoppedAfterwards();
const missing = ensurePackages(['dnsperf', 'dig', 'kdig']);
let upstream: ScriptedUpstream;
beforeAll(async () => {
  upstream = keep(await startScriptedUpstream(honest()));
});

type Section = Record<string, unknown>;
const start = async (more: { server?: Section; plugins?: Section; admin?: Section } = {}): Promise<SekishoServer> =>
  keep(
    await startSekisho({
      config: {
        plugins: { sinkhole: { ipv4: '198.51.100.1', ipv6: '2001:db8::53' } },
        ...more,
        server: { workers: 2, ...more.server },
        upstream: { servers: [`127.0.0.1:${upstream.port}`] },
        cache: { size: '1MiB' },
      },
    }),
  );

const SELF_DEFENCE = {
  kind: 'self-defence',
  effect: 'floods the resolvers of the north',
  evidence: 'ticket 4711',
  approver: 'shift lead',
  expires: '2h',
};

/** A request to the admin API, with its answer. */
async function call(
  server: SekishoServer,
  method: string,
  path: string,
  body?: unknown,
  token = readFileSync(
    join(String((parse(server.config) as { server: Section }).server['data']), 'admin.token'),
    'utf8',
  ).trim(),
) {
  const response = await fetch(`http://127.0.0.1:${server.adminPort}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as never as Answer };
}

interface Answer {
  readonly rules: readonly { readonly name: string; readonly state: string; readonly hits: number }[];
  readonly rule: { readonly name: string; readonly state: string };
  readonly changes: readonly { readonly action: string; readonly who: string; readonly name: string }[];
  readonly warnings: readonly string[];
  readonly error: { readonly code: string; readonly message: string; readonly details?: readonly string[] };
}

const add = (server: SekishoServer, name: string, over: object = {}) =>
  call(server, 'POST', '/v1/sinkhole/rules', { name, ground: SELF_DEFENCE, ...over });
const remove = (server: SekishoServer, name: string) => call(server, 'DELETE', `/v1/sinkhole/rules/${name}`, {});

/** What clients from many ports get, so that every worker is asked; each answer once. */
async function answers(server: SekishoServer, name: string, clients = 24): Promise<string[]> {
  const replies = await Promise.all(
    Array.from({ length: clients }, () => askUdp({ name }, { port: server.port, timeoutMs: 10_000 })),
  );
  return [...new Set(replies.flatMap((reply) => dataOf(reply.answers, 'A') as string[]))];
}
const DISCARDED = ['198.51.100.1'];
const TRUTH = ['192.0.2.7'];

describe('the command line', () => {
  let server: SekishoServer;
  beforeAll(async () => {
    server = await start();
  });
  const sinkhole = (...args: string[]) => sekisho(['sinkhole', ...args, '--config', server.configFile]);
  const statements = ['--ground', 'self-defence', '--effect', 'floods resolver 2', '--approver', 'shift lead'];

  it('names everything that is missing at once, and changes nothing', async () => {
    const { code, stdout, stderr } = await sinkhole('add', 'com', '--ground', 'necessity', '--purpose', 'something');
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr.split('\n').map((line) => line.split(':')[0])).toEqual([
      'name',
      'effect',
      'evidence',
      'nothing-milder',
      'approver',
      'expires',
      'purpose',
      'sekisho',
      expect.stringContaining('SEKISHO_SINKHOLE_REFUSED'),
      '',
    ]);
    const json = await sinkhole('add', 'victim.example.test', '--json');
    expect(JSON.parse(json.stderr)).toMatchObject({ error: { code: 'SEKISHO_SINKHOLE_REFUSED' } });
    expect((await sinkhole('list')).stdout).toBe('no sinkhole rules\n');
  });

  it('goes from dry run to rule to end, and tells the story afterwards', async () => {
    const name = 'story.example.test';
    const rule = [name, ...statements, '--evidence', 'ticket 4711', '--expires', '2h'];
    expect((await sinkhole('preview', ...rule)).stdout).toContain('there is no rate yet');
    expect((await sinkhole('add', ...rule, '--dry-run')).stdout).toMatch(/only counted.* on every worker/);
    expect(await answers(server, name)).toEqual(TRUTH);
    await waitFor(
      'the dry run to have counted',
      async () => ((await call(server, 'GET', '/v1/sinkhole/rules')).body.rules[0]?.hits ?? 0) >= 24,
      15_000,
    );
    expect((await sinkhole('preview', ...rule)).stdout).toMatch(/story\.example\.test +dry-run/);
    expect((await sinkhole('add', ...rule)).stdout).toMatch(
      /is discarded on every worker .* ends by itself in (2h|1h 59m)/,
    );
    expect(await answers(server, name)).toEqual(DISCARDED);
    const list = (await sinkhole('list')).stdout;
    expect(list).toMatch(/^NAME +STATE +NOW q\/s +BASELINE +PEAK +HITS +ENDS +GROUND +APPROVER +FROM$/m);
    expect(list).toMatch(/^story\.example\.test +in-force .* self-defence \(正当防衛\) +shift lead +admin$/m);
    const stale = await sinkhole('renew', name, '--evidence', 'Ticket 4711', '--approver', 'me', '--expires', '3h');
    expect([stale.code, stale.stderr]).toEqual([1, expect.stringContaining('carried an earlier term')]);
    const renewed = await sinkhole(
      'renew',
      name,
      '--evidence',
      'graph of 14:10',
      '--approver',
      'me',
      '--expires',
      '3h',
    );
    expect(renewed.stdout).toContain('has another term');
    expect((await sinkhole('remove', name, '--reason', 'attack over')).stdout).toContain('is lifted on every worker');
    expect(await answers(server, name)).toEqual(TRUTH);
    const changes = (await sinkhole('changes')).stdout.split('\n').filter((line) => line.includes(name));
    expect(changes.map((line) => /(remove|renew|add \(dry run\)|add)/.exec(line)?.[0])).toEqual([
      'remove',
      'renew',
      'add',
      'add (dry run)',
    ]);
    expect(changes[0]).toMatch(/attack over$/);
  });

  it('shows what somebody wrote without obeying it', async () => {
    const approver = '\u001b[2J<script>alert(1)</script>\u202e\r\n"lead"';
    await add(server, 'odd.example.test', { ground: { ...SELF_DEFENCE, approver } });
    for (const args of [['list'], ['changes']]) {
      const { stdout } = await sinkhole(...args);
      expect(stdout).toContain('\\u{1b}[2J<script>');
      expect(stdout).not.toMatch(/[\u001b\r\u202e]/);
    }
    const explained = await sekisho([
      'explain',
      'odd.example.test',
      '--client',
      '127.0.0.1',
      '--config',
      server.configFile,
    ]);
    expect(explained.stdout).toMatch(/approved by \\u\{1b\}/);
    expect(JSON.parse((await sinkhole('list', '--json')).stdout).rules[0].ground.approver).toBe(approver);
    // The log is a line of JSON, whatever the text.
    expect(logOf(server).find(({ rule }) => rule === 'odd.example.test')?.['approver']).toBe(approver);
  });

  it('reaches down where the subtree was asked for, and explains where it was not', async () => {
    await add(server, 'sub.example.test', { subtree: true });
    await add(server, 'exact.example.test');
    expect(await answers(server, 'a.b.sub.example.test')).toEqual(DISCARDED);
    expect(await answers(server, 'a.exact.example.test')).toEqual(TRUTH);
    const explain = async (name: string) =>
      (await sekisho(['explain', name, '--client', '127.0.0.1', '--config', server.configFile])).stdout;
    expect(await explain('a.b.sub.example.test')).toMatch(/'sub\.example\.test' and all below it discards/);
    expect(await explain('a.exact.example.test')).toMatch(/on that name alone: its subtree was not asked for/);
  });

  it.skipIf(missing.size > 0)('dig and kdig agree', async () => {
    const at = `@127.0.0.1 -p ${server.port}`;
    const said = await dig('dig', `${at} x.sub.example.test AAAA`);
    expect(said).toMatch(/EDE: 4 \(Forged\)|EDE: 4/);
    expect(said).toContain('2001:db8::53');
    expect(await dig('kdig', `${at} +tcp sub.example.test A`)).toContain('198.51.100.1');
  });
});

describe('the API', () => {
  let server: SekishoServer;
  const tokens = { viewer: 'v'.repeat(40), security: 's'.repeat(40), privacy: 'p'.repeat(40) };
  beforeAll(async () => {
    const folder = temporaryFolder('tokens');
    const entries = Object.entries(tokens).map(([role, token]) => ({
      name: `${role}-desk`,
      role,
      'token-sha256': createHash('sha256').update(token).digest('hex'),
    }));
    writeFileSync(join(folder, 'tokens.yaml'), stringify(entries), { mode: 0o600 });
    server = await start({ admin: { 'tokens-file': join(folder, 'tokens.yaml') } });
  });
  const body = { name: 'api.example.test', ground: SELF_DEFENCE };
  const rules = '/v1/sinkhole/rules';

  it('lets the security desk act, the privacy officer look, and nobody else in', async () => {
    expect((await call(server, 'POST', rules, body, tokens.privacy)).body.error.code).toBe('SEKISHO_ROLE_MISSING');
    expect((await call(server, 'GET', rules, undefined, tokens.viewer)).status).toBe(403);
    expect((await call(server, 'GET', rules, undefined, 'wrong')).status).toBe(401);
    expect((await call(server, 'POST', rules, body, tokens.security)).body.rule).toMatchObject({
      name: 'api.example.test',
      addedBy: 'security-desk',
    });
    expect((await call(server, 'GET', '/v1/sinkhole/changes', undefined, tokens.privacy)).body.changes).toMatchObject([
      { action: 'add', who: 'security-desk' },
    ]);
  });

  it.each([
    ['POST', rules, { ...body, name: 'github.io' }, 422, 'SEKISHO_SINKHOLE_REFUSED'],
    ['POST', rules, { ...body, subtrees: true }, 400, 'SEKISHO_REQUEST_INVALID'],
    ['POST', rules, { ...body, subtree: 'maybe' }, 400, 'SEKISHO_REQUEST_INVALID'],
    ['POST', rules, [], 400, 'SEKISHO_REQUEST_INVALID'],
    ['POST', rules, body, 409, 'SEKISHO_SINKHOLE_CONFLICT'],
    ['POST', `${rules}/nothing.example.test/renew`, {}, 404, 'SEKISHO_SINKHOLE_NO_RULE'],
    ['DELETE', `${rules}/nothing.example.test`, {}, 404, 'SEKISHO_SINKHOLE_NO_RULE'],
    ['DELETE', `${rules}/a..b`, {}, 422, 'SEKISHO_SINKHOLE_REFUSED'],
  ])('%s %s of %j is answered %i %s', async (method, path, content, status, code) => {
    const answer = await call(server, method, path, content);
    expect([answer.status, answer.body.error.code]).toEqual([status, code]);
  });

  it('is described, and its numbers are counted without names', async () => {
    const { body: openapi } = await call(server, 'GET', '/openapi.json');
    expect(Object.keys((openapi as never as { paths: object }).paths)).toEqual(
      expect.arrayContaining([rules, '/v1/sinkhole/preview', '/v1/sinkhole/changes']),
    );
    const page = await waitFor('the numbers', async () => {
      const found = await scrape(server);
      return found.total('sekisho_sinkhole_changes_total', { kind: 'add' }) === 1 && found;
    });
    expect(page.total('sekisho_sinkhole_rules', { state: 'in-force' })).toBe(1);
    expect(page.text).not.toContain('example.test');
  });
});

describe('every worker', () => {
  it.skipIf(missing.size > 0)('acts on a change before its API answers, under load', async () => {
    const server = await start();
    const file = join(temporaryFolder('load'), 'queries');
    writeFileSync(file, Array.from({ length: 500 }, (_, i) => `load${i % 50}.example.test A\n`).join(''));
    const load = runDnsperf({ port: server.port, queryFile: file, seconds: 8, clients: 8, rate: 8000 });
    let running = true;
    void load.finally(() => {
      running = false;
    });
    let toggles = 0;
    while (running && toggles < 40) {
      const name = 'toggled.example.test';
      const evidence = `ticket ${toggles}`;
      expect((await add(server, name, { ground: { ...SELF_DEFENCE, evidence } })).status).toBe(200);
      expect(await answers(server, name), `discarded after change ${toggles}`).toEqual(DISCARDED);
      expect((await remove(server, name)).status).toBe(200);
      expect(await answers(server, name), `resolved after change ${toggles}`).toEqual(TRUTH);
      toggles++;
    }
    expect(toggles).toBeGreaterThan(3);
    expect((await load).lost).toBe(0);
    expect((await scrape(server)).total('sekisho_worker_restarts_total')).toBe(0);
  });
});

describe('rules outlive', () => {
  it('kill -9: what was acknowledged is there, and nothing else', async () => {
    const data = join(temporaryFolder('killed'), 'data');
    const first = await start({ server: { data } });
    const acknowledged: string[] = [];
    const adding = (async () => {
      for (let i = 0; i < 10_000; i++) {
        const { status } = await add(first, `n${i}.example.test`);
        if (status !== 200) throw new Error(`HTTP ${status}`);
        acknowledged.push(`n${i}.example.test`);
      }
    })().catch(() => 'cut off');
    await waitFor('some rules', () => acknowledged.length >= 20, 20_000);
    await first.stop('SIGKILL');
    expect(await adding).toBe('cut off');
    const second = await start({ server: { data } });
    const there = (await call(second, 'GET', '/v1/sinkhole/rules')).body.rules.map(({ name }) => name);
    expect(there).toEqual(expect.arrayContaining(acknowledged));
    // The one under way when the server was killed may have been written; nobody was told.
    expect(there.length - acknowledged.length).toBeLessThanOrEqual(1);
    for (const name of [acknowledged[0]!, acknowledged.at(-1)!]) expect(await answers(second, name)).toEqual(DISCARDED);
  });

  it('a restart and the end that comes meanwhile; an ended rule says so', async () => {
    const data = join(temporaryFolder('restarted'), 'data');
    const first = await start({ server: { data } });
    await add(first, 'stays.example.test', { subtree: true });
    await add(first, 'ends.example.test');
    expect(await answers(first, 'ends.example.test')).toEqual(DISCARDED);
    expect(await first.stop()).toBe(0);
    // People cannot ask for less than a minute; the store can.
    const db = new Database(join(data, 'rules', 'rules.db'));
    const named = "rule LIKE '%ends.example.test%'";
    const row = db.prepare(`SELECT rule FROM rule WHERE ${named}`).get() as { rule: string };
    const rule = { ...(JSON.parse(row.rule) as object), endsAtMs: Date.now() + 6_000 };
    db.prepare(`UPDATE rule SET rule = ? WHERE ${named}`).run(JSON.stringify(rule));
    db.close();
    const second = await start({ server: { data } });
    expect(await answers(second, 'www.stays.example.test')).toEqual(DISCARDED);
    await waitFor(
      'the rule to end',
      async () => (await answers(second, 'ends.example.test', 4))[0] === TRUTH[0],
      20_000,
    );
    await waitFor(
      'the end in the history',
      async () => (await call(second, 'GET', '/v1/sinkhole/changes')).body.changes[0]?.action === 'expire',
    );
    expect((await call(second, 'GET', '/v1/sinkhole/rules')).body.rules).toMatchObject([
      { name: 'ends.example.test', state: 'expired' },
      { name: 'stays.example.test', state: 'in-force' },
    ]);
    const explained = await sekisho([
      'explain',
      'ends.example.test',
      '--client',
      '127.0.0.1',
      '--config',
      second.configFile,
    ]);
    expect(explained.stdout).toMatch(/rule 'ends\.example\.test' has expired; ground self-defence/);
    expect(
      logOf(second).some(
        ({ msg, rule: name }) => msg === 'a sinkhole rule has ended by itself' && name === 'ends.example.test',
      ),
    ).toBe(true);
  });

  it('reloads, also those that are added while one is under way', async () => {
    const server = await start();
    await add(server, 'before.example.test');
    const { reload, adding } = {
      reload: call(server, 'POST', '/v1/reload'),
      adding: (async () => {
        const names: string[] = [];
        for (let i = 0; i < 60; i++) {
          const name = `during${i}.example.test`;
          expect((await add(server, name)).status).toBe(200);
          // Whichever workers take packets at this moment.
          expect(await answers(server, name, 8), name).toEqual(DISCARDED);
          names.push(name);
        }
        return names;
      })(),
    };
    const during = await adding;
    expect((await reload).status).toBe(200);
    await add(server, 'after.example.test');
    for (const name of ['before.example.test', during[0]!, during.at(-1)!, 'after.example.test'])
      expect(await answers(server, name), name).toEqual(DISCARDED);
    // A rule of the configuration comes on top; a bad configuration takes nothing away.
    const config = parse(server.config) as { plugins: { sinkhole: Section } };
    const write = (sinkhole: Section) =>
      writeFileSync(server.configFile, stringify({ ...config, plugins: { sinkhole } }));
    const ground = { ...SELF_DEFENCE, expires: EMERGENCY_END };
    write({ ...config.plugins.sinkhole, rules: [{ name: 'written.example.test', ground }] });
    expect((await call(server, 'POST', '/v1/reload')).status).toBe(200);
    write({ rules: 'nonsense' });
    expect((await call(server, 'POST', '/v1/reload')).status).toBe(422);
    for (const name of ['written.example.test', 'before.example.test'])
      expect(await answers(server, name)).toEqual(DISCARDED);
    expect((await add(server, 'written.example.test')).body.error.code).toBe('SEKISHO_SINKHOLE_CONFLICT');
    expect((await remove(server, 'before.example.test')).status).toBe(200);
    expect(await answers(server, 'before.example.test')).toEqual(TRUTH);
  });

  it('the death of a worker: its replacement begins with the rules as they are', async () => {
    const fatal = "query(query) { if (is(query, 'exit.test')) process.exit(3); return CONTINUE; },";
    const plugins = { fragile: { module: writePlugin('fragile', fatal) }, sinkhole: { ipv4: '198.51.100.1' } };
    const server = await start({ plugins });
    await add(server, 'early.example.test');
    for (const restarts of [1, 2]) {
      await exchangeDatagram(queryBytes({ name: 'exit.test' }), { port: server.port, timeoutMs: 100 });
      // While one worker is missing.
      expect((await add(server, `late${restarts}.example.test`)).status).toBe(200);
      await waitFor('the replacement', async () => {
        const page = await scrape(server);
        return page.total('sekisho_worker_restarts_total') === restarts && page.total('sekisho_workers_serving') === 2;
      });
    }
    for (const name of ['early.example.test', 'late1.example.test', 'late2.example.test'])
      expect(await answers(server, name), name).toEqual(DISCARDED);
  });

  it('not a damaged store, which is moved aside and said loudly, while serving goes on', async () => {
    const data = join(temporaryFolder('damaged'), 'data');
    const first = await start({ server: { data } });
    await add(first, 'lost.example.test');
    await first.stop();
    const folder = join(data, 'rules');
    for (const file of readdirSync(folder)) writeFileSync(join(folder, file), 'no database at all');
    const second = await start({ server: { data } });
    expect(await answers(second, 'www.example.test')).toEqual(TRUTH);
    expect(logOf(second).some(({ level, msg }) => level === 50 && /begins EMPTY/.test(String(msg)))).toBe(true);
    expect((await call(second, 'GET', '/v1/sinkhole/rules')).body.warnings).toMatchObject([/moved aside/]);
    expect((await scrape(second)).total('sekisho_sinkhole_store_moved_aside')).toBe(1);
    expect(readdirSync(folder).some((file) => file.includes('.damaged-'))).toBe(true);
    expect((await add(second, 'new.example.test')).status).toBe(200);
    expect(await answers(second, 'new.example.test')).toEqual(DISCARDED);
  });
});
