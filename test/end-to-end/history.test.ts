/** Query history and diagnosis on real servers: packets in, one screen out, and what is on disk afterwards. */
import { createSocket } from 'node:dgram';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { DiagnosisReport, HistoryReport } from '../../plugins/query-history/report-shapes.ts';
import { textToName } from '../../src/wire/name.ts';
import { queryBytes } from '../support/dns-client.ts';
import { sekisho } from '../support/field.ts';
import { logOf, scrape, stoppedAfterwards, waitFor } from '../support/observe.ts';
import { answerTo, honest, type ScriptedUpstream, soa, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';

vi.setConfig({ testTimeout: 150_000, hookTimeout: 150_000 });
const keep = stoppedAfterwards();
const REASON = 'load tripled, ticket 4711';
let upstream: ScriptedUpstream;
let server: SekishoServer;
/** The data folder outlives the restarts. */
let data: string;
const config = () => ({
  server: { workers: 2 },
  upstream: { servers: [`127.0.0.1:${upstream.port}`] },
  plugins: { access: {}, 'random-subdomain': {}, 'query-history': {} },
});
const FLOOD = 600;
const POPULAR = 200;
const BROKEN = 15;
/** A name that would clear a terminal, and be markup on a page; and how it has to be shown (RFC 1035 §5.1). */
const ODD_NAME = '\\027[2J\\060b\\062.strange.test';
const ODD_SHOWN = '\\027[2j\\060b\\062.strange.test';
const ODD = 40;
const CLIENTS = 20;

/** Send messages, a few at a time; resolves when each was answered or two seconds have passed since the last. */
function send(port: number, messages: readonly Uint8Array[], answered: number, from = '127.0.0.2'): Promise<number> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    let replies = 0;
    let giveUp: NodeJS.Timeout | undefined;
    const finish = () => {
      socket.close();
      resolve(replies);
    };
    socket.on('message', () => {
      clearTimeout(giveUp);
      giveUp = setTimeout(finish, ++replies >= answered ? 0 : 2_000);
    });
    socket.bind(0, from, async () => {
      for (const [i, message] of messages.entries()) {
        socket.send(message, port, '127.0.0.1');
        if (i % 20 === 19) await new Promise((next) => setTimeout(next, 5));
      }
      giveUp ??= setTimeout(finish, 5_000);
    });
  });
}

/** A question with any bytes in its name. */
function questionBytes(name: string): Uint8Array {
  return Uint8Array.from([0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...textToName(name), 0, 1, 0, 1]);
}

/** The command line; patient, because a loaded machine takes seconds to start a process. */
const cli = (...args: string[]) => sekisho([...args, '--config', server.configFile], { limitMs: 60_000 });

/** What the command line asks for, without starting a process for it. */
async function api<T>(method: 'GET' | 'POST', path: string, body?: object): Promise<{ status: number; body: T }> {
  const token = readFileSync(join(data, 'admin.token'), 'utf8').trim();
  const response = await fetch(`http://127.0.0.1:${server.adminPort}/v1/${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as T };
}
const read = (windowSeconds: number, reason?: string) =>
  api<HistoryReport>('POST', 'query-history/read', { windowSeconds, ...(reason && { reason }) });

beforeAll(async () => {
  upstream = keep(
    await startScriptedUpstream((query) => {
      if (query.name.endsWith('victim.test')) query.send(answerTo(query, { rcode: 3, authorities: [soa(60)] }));
      else honest()(query);
    }),
  );
  server = keep(await startSekisho({ config: config() }));
  data = join(server.folder, 'data');
  const flood = Array.from({ length: FLOOD }, (_, i) =>
    queryBytes({ name: `${(i * 2654435761).toString(36)}x.victim.test` }),
  );
  const popular = Array.from({ length: POPULAR }, () => queryBytes({ name: 'www.popular.test' }));
  const broken = Array.from({ length: BROKEN }, () => Uint8Array.from([0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 63, 1]));
  const odd = Array.from({ length: ODD }, () => questionBytes(ODD_NAME));
  // Shorter than a header: dropped without an answer.
  const short = Array.from({ length: BROKEN }, () => Uint8Array.from([1, 2, 3]));
  // Twenty clients, each with its part: one alone would be a cause of its own.
  const all = [...short, ...flood, ...popular, ...odd, ...broken];
  for (let client = 0; client < CLIENTS; client++) {
    const part = all.filter((_, i) => i % CLIENTS === client);
    const answered = part.filter((message) => message.length > 3).length;
    await send(server.port, part, answered, `127.0.0.${client + 2}`);
  }
});

describe('in normal times', () => {
  it('the history is closed, whoever asks', async () => {
    expect((await read(60)).status).toBe(409);
    const { code, stderr, stdout } = await cli('diagnose');
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain('SEKISHO_HISTORY_CLOSED');
  });

  it('and says so, with what is kept for how long', async () => {
    const { body } = await api('GET', 'query-history/state');
    expect(body).toMatchObject({ overload: null, retention: { minutesMs: 86_400_000, sourcesMs: 86_400_000 } });
    const url = `http://127.0.0.1:${server.adminPort}/v1/query-history/state`;
    expect((await fetch(url)).status).toBe(401);
  });
});

describe('in an overload', () => {
  it('the diagnosis names the zone, what explains it, and a rule', async () => {
    const report = await waitFor(
      'ten seconds of history',
      async () => {
        const request = { reason: REASON, windowSeconds: 120 };
        const { status, body: report } = await api<DiagnosisReport>('POST', 'query-history/diagnose', request);
        if (status !== 200) return undefined;
        return report.explains.name.some(({ key }) => key === 'www.popular.test') ? report : undefined;
      },
      90_000,
    );
    expect(report.causes[0]).toMatchObject({ cause: 'random-subdomain', about: '*.victim.test' });
    expect(report.explains.pattern[0]).toMatchObject({ key: '*.victim.test' });
    expect(report.explains.network[0]).toMatchObject({ key: '127.0.0.0/24' });
    expect(report.proposals[0]).toMatchObject({ match: { pattern: '*.victim.test', type: 'A' }, escalation: false });
    expect(report.proposals[0]?.removes).toBeGreaterThan(0.6);
    // There is no past yet, and it says so.
    expect(report).toMatchObject({ sure: 'low', overload: { by: 'declared', reason: REASON } });
  });

  it('one screen for people, the same for programs', async () => {
    const { code, stdout } = await cli('diagnose', '--window', '2m');
    expect(code).toBe(0);
    expect(stdout).toContain('Random-subdomain attack on victim.test');
    expect(stdout).toContain('limit cache misses of A queries for *.victim.test');
    expect(stdout).toMatch(/[▁▂▃▄▅▆▇█]{5}/);
    // The command for the first proposal, ready to copy but for what only a person can say.
    expect(stdout).toMatch(
      /^1\. sekisho diagnose --apply 1 --diagnosis d[0-9a-f]{8} --ground self-defence --approver "NAME" --expires 2h$/m,
    );
    expect(stdout.split('\n').length).toBeLessThan(50);
    // A name from strangers neither steers the terminal nor becomes markup.
    expect(stdout).not.toMatch(/\x1b\[2J|<b>/);
  });

  it('the history for people escapes what strangers put into names', async () => {
    const { code, stdout } = await cli('history', '--window', '2m');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^NAME +QUERIES +PER SECOND +NORMAL/m);
    expect(stdout).toContain(ODD_SHOWN);
    expect(stdout).not.toMatch(/\x1b|<b>/);
    expect(stdout).toMatch(/^SOURCE NETWORK/m);
    expect(stdout).toMatch(/^[▁▂▃▄▅▆▇█]{5}/m);
  });

  it('every query counts, also what is malformed or dropped; names and sources stand apart', async () => {
    const { body: report } = await read(120);
    expect(report.tops.name).toMatchObject([
      { key: 'www.popular.test', queries: POPULAR },
      { key: ODD_SHOWN, queries: ODD },
    ]);
    expect(report.tops.domain.map(({ key, queries }) => [key, queries])).toEqual([
      ['victim.test', FLOOD],
      ['popular.test', POPULAR],
      ['strange.test', ODD],
    ]);
    expect(report.tops.network[0]).toMatchObject({ key: '127.0.0.0/24', queries: FLOOD + POPULAR + ODD + 2 * BROKEN });
    expect(report.rcodes).toMatchObject({ FORMERR: BROKEN, NXDOMAIN: FLOOD, NOERROR: POPULAR + ODD });
    expect(report.drops).toEqual({ short: BROKEN });
    // Counted by the source: each name of the flood, and some of the others, once or more.
    expect(report.upstreams[`127.0.0.1:${upstream.port}`]).toBeGreaterThanOrEqual(FLOOD);
    const page = await scrape(server);
    expect(page.total('sekisho_query_history_observed_total')).toBe(FLOOD + POPULAR + ODD + 2 * BROKEN);
    expect(page.text).not.toMatch(/popular\.test|victim\.test/);
  });

  it('each reading is in the audit log, whose chain holds', async () => {
    const { head } = (await api<{ head: string }>('GET', 'audit/verify')).body;
    const audited = logOf(server).filter((line) => line['msg'] === 'audited');
    expect(audited.map((line) => line['action'])).toEqual(
      expect.arrayContaining(['overload.declare', 'history.diagnose', 'history.read']),
    );
    expect(audited.at(-1)?.['audit']).toBe(head);
    expect((await cli('audit', 'verify', head)).code).toBe(0);
    const wrong = await api<{ ok: boolean }>('GET', `audit/verify?anchor=1:${'0'.repeat(64)}`);
    expect(wrong.body.ok).toBe(false);
  });

  it('a reload keeps the overload open and loses no second', async () => {
    const { body: before } = await read(120);
    process.kill(server.pid, 'SIGHUP');
    await waitFor('the reload', () => logOf(server).some((line) => line['msg'] === 'reloaded'), 60_000);
    const { body: after } = await read(900);
    expect(after.tops.name).toEqual(expect.arrayContaining([expect.objectContaining({ key: 'www.popular.test' })]));
    expect(after.overload.since).toBe(before.overload.since);
  });

  it('the command that it prints puts the rule in force, in every worker; what is known or cached passes', async () => {
    const screen = (await cli('diagnose', '--window', '15m')).stdout;
    const line = /^1\. sekisho (diagnose .*)$/m.exec(screen)?.[1];
    expect(line).toBeDefined();
    const words = [...(line ?? '').matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
    const refused = await cli(...words.filter((word) => word !== '--ground' && word !== 'self-defence'));
    expect([refused.code, refused.stdout]).toEqual([1, '']);
    expect(refused.stderr).toMatch(/ground: missing/);
    const { code, stdout, stderr } = await cli(...words.map((word) => (word === 'NAME' ? 'shift lead' : word)));
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^m1 \(random-subdomain: A queries for \*\.victim\.test\) is in force on every worker/);
    const limit = Number(/(\d+) a second pass/.exec(stdout)?.[1]);
    const attack = Array.from({ length: 400 }, (_, i) => queryBytes({ name: `${i.toString(36)}again.victim.test` }));
    const failedBefore = (await scrape(server)).total('sekisho_responses_total', { rcode: 'SERVFAIL' });
    const beganMs = performance.now();
    expect(await send(server.port, attack, attack.length)).toBe(attack.length);
    const passable = limit * (2 + Math.ceil((performance.now() - beganMs) / 1000));
    const page = await scrape(server);
    const failed = page.total('sekisho_responses_total', { rcode: 'SERVFAIL' }) - failedBefore;
    expect(failed).toBeGreaterThanOrEqual(attack.length - passable);
    expect(failed).toBe(page.total('sekisho_random_subdomain_refused_total', { reason: 'measure' }));
    expect(page.total('sekisho_measures', { state: 'in-force' })).toBe(1);
    expect(await send(server.port, [queryBytes({ name: 'www.popular.test' })], 1)).toBe(1);
  });

  it('what it does is seen: in the list, in explain, in the audit log', async () => {
    const { stdout } = await cli('measures');
    expect(stdout).toMatch(/^m1 +in-force +A queries for \*\.victim\.test +random-subdomain/m);
    expect(stdout).toContain('self-defence (正当防衛)');
    const explained = (await cli('explain', 'x.victim.test', '--client', '127.0.0.1')).stdout;
    expect(explained).toMatch(/measure m1 on A queries for \*\.victim\.test.*approved by shift lead/);
    const audited = logOf(server).filter((line) => line['msg'] === 'audited');
    expect(audited.map((line) => line['action'])).toContain('measure.apply');
  });

  it('nothing of the history is in the server log', () => {
    expect(server.stdout()).not.toMatch(/popular\.test|victim\.test|127\.0\.0\.2\b/);
  });
});

describe('on disk', () => {
  it('a restart finds the past; a damaged database is moved aside, and the server serves', async () => {
    await server.stop();
    const folder = join(data, 'query-history');
    const file = join(folder, 'history.db');
    expect(readFileSync(file).length).toBeGreaterThan(4096);
    const again = keep(await startSekisho({ config: { ...config(), server: { data } } }));
    server = again;
    // The measure is in force again; lifting it acts at once.
    expect((await api<{ measures: object[] }>('GET', 'measures')).body.measures).toMatchObject([
      { id: 'm1', state: 'in-force', text: 'A queries for *.victim.test' },
    ]);
    const lifted = await cli('measures', 'lift', 'm1', '--reason', 'attack is over');
    expect([lifted.code, lifted.stdout]).toEqual([0, 'm1 is lifted on every worker: A queries for *.victim.test\n']);
    expect((await cli('measures', 'changes')).stdout).toMatch(/lift +m1 .*attack is over/);
    const { body: report } = await read(3600, REASON);
    expect(report.tops.domain[0]).toMatchObject({ key: 'victim.test', queries: FLOOD + 400 });
    await again.stop();
    writeFileSync(file, 'no database at all '.repeat(2000));
    server = keep(await startSekisho({ config: { ...config(), server: { data } } }));
    expect(logOf(server).some((line) => String(line['msg']).includes('DATABASE WAS DAMAGED'))).toBe(true);
    expect(readdirSync(folder).some((name) => name.startsWith('history.db.damaged-'))).toBe(true);
    expect(await send(server.port, [queryBytes({ name: 'www.popular.test' })], 1)).toBe(1);
    expect(await read(7200, REASON)).toMatchObject({ status: 404, body: { error: { code: 'SEKISHO_HISTORY_EMPTY' } } });
  });
});
