/** Subscribers, their consent and the blocking of C&C look-ups, in the whole server. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { ExplainResult } from '../../src/admin/status.ts';
import { AUDIT_FILE } from '../../src/audit/log.ts';
import { main } from '../../src/cli/cli.ts';
import { openDatabase } from '../../src/store/database.ts';
import type { ConsentExport, ConsentView } from '../../src/subscribers/consent/routes.ts';
import { askTcp, askUdp } from '../support/dns-client.ts';
import { sekisho } from '../support/field.ts';
import { logOf, pause, scrape, stoppedAfterwards, waitFor } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { honest, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';
import { writePlugin } from '../support/third-party-plugin.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });
const NXDOMAIN = 3;
const BLOCKED = 15;
const keep = stoppedAfterwards();
let upstream: ScriptedUpstream;
beforeAll(async () => {
  upstream = keep(await startScriptedUpstream(honest()));
});

/** Addresses of clients. */
const CONTRACT = '127.0.0.11';
const OTHER = '127.0.0.12';
const GROUP = '127.0.0.13';
const UNINSPECTED_GROUP = '127.0.0.14';
const STRANGER = '127.0.0.15';
const LEASED = '127.0.0.16';
const RANGES = `${CONTRACT},4711\n${OTHER},4712\n${GROUP},@home\n${UNINSPECTED_GROUP},@wholesale\n127.0.0.99,47 99\n`;

interface Place {
  server: SekishoServer;
  readonly folder: string;
  readonly rangesFile: string;
  json<Body>(method: string, path: string, body?: object): Promise<{ status: number; body: Body }>;
  cli(...words: string[]): Promise<{ code: number | string; stdout: string; stderr: string }>;
  /** `blocked`, or what came instead. */
  seen(client: string, name?: string, ask?: typeof askUdp): Promise<string>;
}

async function start(more: { subscribers?: object; plugins?: object; folder?: string } = {}): Promise<Place> {
  const folder = more.folder ?? temporaryFolder('consent');
  const rangesFile = join(folder, 'subscribers.csv');
  if (more.folder === undefined) {
    writeFileSync(rangesFile, RANGES);
    writeFileSync(join(folder, 'c2.txt'), 'c2.example\n*.bots.example\n');
    // Two: a list of a single name is told by its category.
    writeFileSync(join(folder, 'maybe.txt'), 'maybe.example\nperhaps.example\n');
  }
  const list = (name: string, tier: string, file: string) => ({ name, category: 'c2', tier, format: 'domains', file });
  const config = {
    server: { workers: 2, data: join(folder, 'data') },
    upstream: { servers: [`127.0.0.1:${upstream.port}`] },
    cache: { size: '1MiB' },
    subscribers: {
      ranges: rangesFile,
      'unreadable-rows': 'hide',
      terms: '2026-04',
      groups: [
        { name: '@home', covers: ['c2'] },
        { name: '@wholesale', covers: [] },
      ],
      ...more.subscribers,
    },
    lists: [
      list('feed', 'confirmed', join(folder, 'c2.txt')),
      list('doubtful', 'suspected', join(folder, 'maybe.txt')),
    ],
    plugins: { access: {}, 'c2-block': { 'opt-out': 'https://isp.example/out' }, ...more.plugins },
  };
  const server = keep(await startSekisho({ config, readyTimeoutMs: 40_000 }));
  const token = readFileSync(join(folder, 'data', 'admin.token'), 'utf8').trim();
  return {
    server,
    folder,
    rangesFile,
    json: async (method, path, body) => {
      const response = await fetch(`http://127.0.0.1:${server.adminPort}${path}`, {
        method,
        headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
        ...(body && { body: JSON.stringify(body) }),
      });
      return { status: response.status, body: (await response.json()) as never };
    },
    cli: (...words) => sekisho([...words, '--config', server.configFile], { limitMs: 60_000 }),
    seen: async (client, name = 'c2.example', ask = askUdp) => {
      const reply = await ask({ name, udpSize: 1232 }, { port: server.port, from: client });
      if (reply.rcode === NXDOMAIN && reply.extendedErrors.includes(BLOCKED)) return 'blocked';
      return reply.rcode === 0 && reply.answers.length === 1 ? 'truth' : `rcode ${reply.rcode}`;
    },
  };
}

/**
 * Everything that it wrote but times, process ids and hashes of the audit log, whose digits may be those of a subscriber's number
 * by chance.
 */
const toldBy = ({ stdout }: SekishoServer) => stdout().replaceAll(/"(?:time|pid)":\d+|"audit":"\d+:[0-9a-f]{64}"/g, '');

const toggle = (place: Place, subscriber: string, action: 'opt-out' | 'opt-in', body: object = {}) =>
  place.json<ConsentView>('POST', `/v1/consent/subscribers/${subscriber}/${action}`, body);

describe('who is blocked', () => {
  let place: Place;
  beforeAll(async () => {
    place = await start();
  });

  it.each([
    ['UDP', askUdp],
    ['TCP', askTcp],
  ])('is who consents, over %s', async (_, ask) => {
    for (const name of ['c2.example', 'deep.bots.example', 'C2.example'])
      expect([name, await place.seen(CONTRACT, name, ask)]).toEqual([name, 'blocked']);
    expect(await place.seen(GROUP, 'c2.example', ask)).toBe('blocked');
    for (const client of [UNINSPECTED_GROUP, STRANGER])
      expect([client, await place.seen(client, 'c2.example', ask)]).toEqual([client, 'truth']);
    // What the others brought into the cache changes nothing for those who consent, and the other way round.
    expect(await place.seen(CONTRACT, 'c2.example', ask)).toBe('blocked');
    expect(await place.seen(CONTRACT, 'maybe.example', ask)).toBe('truth');
  });

  it('changes with one command, in every worker, over the cache and back', async () => {
    const out = await place.cli('consent', 'opt-out', '4711', '--reason', 'by telephone');
    expect([out.code, out.stderr]).toEqual([0, '']);
    expect(out.stdout).toMatch(/c2 +opted out +no/);
    // Enough sockets that both workers are asked.
    for (let i = 0; i < 12; i++) expect(await place.seen(CONTRACT)).toBe('truth');
    expect(await place.seen(OTHER)).toBe('blocked');
    const back = await place.cli('consent', 'opt-in', '4711', '--json');
    expect((JSON.parse(back.stdout) as ConsentView).purposes[0]).toEqual({
      purpose: 'c2',
      state: 'individual',
      inspected: true,
    });
    for (let i = 0; i < 12; i++) expect(await place.seen(CONTRACT)).toBe('blocked');
  });

  it('is told by explain with subscriber, consent and list, or why nobody looks', async () => {
    const explain = async (client: string) =>
      (await place.json<ExplainResult>('GET', `/v1/explain?name=c2.example&client=${client}&reason=ticket+815`)).body;
    const blocked = await explain(OTHER);
    expect(blocked).toMatchObject({ decidedBy: 'c2-block', lists: [{ list: 'feed', rule: 'c2.example', line: 1 }] });
    expect(JSON.stringify(blocked.steps)).toContain('subscriber 4712, terms 2026-04; c2: covered by the contract');
    const stranger = await explain(STRANGER);
    expect(JSON.stringify(stranger.steps)).toContain('not inspected: no range and no lease');
    expect(stranger.lists).toEqual([]);
    expect(JSON.stringify((await explain(UNINSPECTED_GROUP)).steps)).toContain(
      'not inspected: contract group @wholesale',
    );
  });

  it('leaves every look in the audit log, with who looked and why', async () => {
    await place.json('GET', `/v1/explain?name=c2.example&client=${OTHER}&reason=ticket%20815`);
    await place.cli('explain', 'c2.example', '--client', OTHER, '--reason', 'asked by telephone');
    await place.cli('consent', 'show', '4712', '--reason', 'asked by mail');
    await place.cli('explain', 'c2.example', 'AAAA', '--client', OTHER);
    // No read of personal data without a purpose, over neither way.
    for (const path of [
      `/v1/explain?name=c2.example&client=${OTHER}`,
      '/v1/consent/subscribers/4712',
      '/v1/consent/subscribers/4712/export?reason=aaaaa',
    ]) {
      const { status, body } = await place.json<{ error: { code: string } }>('GET', path);
      expect([path, status, body.error.code]).toEqual([path, 400, 'SEKISHO_PURPOSE_MISSING']);
    }
    const unstated = await place.cli('consent', 'export', '4712');
    expect([unstated.code, unstated.stdout]).toEqual([2, '']);
    expect(unstated.stderr).toContain('--reason');
    const { database } = openDatabase(join(place.folder, 'data', AUDIT_FILE), { durability: 'full', schema: '' }, 0);
    const looks = database.prepare(
      'SELECT who, role, action, purpose, detail FROM audit ORDER BY sequence DESC LIMIT 4',
    );
    const rows = (looks.all() as Record<string, string>[]).reverse();
    database.close();
    expect(rows.map(({ action, purpose, detail }) => [action, purpose, JSON.parse(detail ?? '')])).toEqual([
      ['subscriber.explain', 'ticket 815', { client: OTHER, name: 'c2.example', type: 'A' }],
      ['subscriber.explain', 'asked by telephone', { client: OTHER, name: 'c2.example', type: 'A' }],
      ['consent.show', 'asked by mail', { subscriber: '4712', channel: 'command-line' }],
      [
        'subscriber.explain',
        'to see why a query of this client is answered as it is (sekisho explain)',
        { client: OTHER, name: 'c2.example', type: 'AAAA' },
      ],
    ]);
    expect(rows.every(({ who, role }) => who !== '' && role?.includes('privacy'))).toBe(true);
    expect(JSON.parse((await place.cli('audit', 'verify', '--json')).stdout)).toMatchObject({ ok: true });
  });

  it('refuses what cannot be recorded', async () => {
    for (const [subscriber, action, body, status] of [
      ['@home', 'opt-out', {}, 422],
      ['%3Cb%3E', 'opt-out', {}, 422],
      ['4711', 'opt-out', { purpose: 'phishing' }, 400],
      ['4711', 'opt-out', { purpose: 'c2', extra: 1 }, 400],
      ['4711', 'opt-sideways', {}, 400],
    ] as const) {
      const answer = await place.json<{ error: { code: string } }>(
        'POST',
        `/v1/consent/subscribers/${subscriber}/${action}`,
        body,
      );
      expect([subscriber, answer.status]).toEqual([subscriber, status]);
    }
    expect((await place.cli('consent', 'opt-out')).code).toBe(2);
    expect((await place.cli('consent', 'forget', '4711')).stderr).toContain('takes show, opt-out');
  });

  it('keeps notices and history for the subscriber, without a name looked up', async () => {
    await place.seen(OTHER);
    await place.seen(OTHER, 'maybe.example');
    const found = await waitFor('the notices', async () => {
      const { body } = await place.json<ConsentExport>('GET', '/v1/consent/subscribers/4712/export?reason=own+request');
      return body.notices.some(({ list }) => list === 'doubtful') && body;
    });
    expect(found.notices.map(({ category, list }) => [category, list]).sort()).toEqual([
      ['c2', 'doubtful'],
      ['c2', 'feed'],
    ]);
    expect(found.notices.find(({ list }) => list === 'doubtful')?.count).toBe(1);
    expect(found.history.at(-1)).toMatchObject({
      action: 'exported',
      who: 'admin',
      channel: 'api',
      reason: 'own request',
    });
    expect(JSON.stringify(found)).not.toContain('maybe.example');
    expect((await place.cli('consent', 'export', '4711', '--reason', 'own request')).stdout).toContain('by telephone');
    expect((await place.cli('consent', 'verify')).stdout).toContain('the ledger is intact');
  });

  it('follows the file of ranges, and names its bad rows by line without what is in them', async () => {
    const error = logOf(place.server).find(({ msg }) => String(msg).includes('rows cannot be read'));
    expect(error).toMatchObject({
      rows: 4,
      rejected: 1,
      unreadable: 1,
      first: [{ line: 5, problem: 'no subscriber number', hides: true }],
    });
    expect(toldBy(place.server)).not.toMatch(/47 99|127\.0\.0\.99|(?<!\d)4711(?!\d)|c2\.example/);
    writeFileSync(`${place.rangesFile}.new`, RANGES.replace(OTHER, '127.0.0.17'));
    renameSync(`${place.rangesFile}.new`, place.rangesFile);
    await waitFor('the new ranges', async () => (await place.seen('127.0.0.17')) === 'blocked', 20_000);
    expect(await place.seen(OTHER)).toBe('truth');
  });

  it('takes leases over the API, and a new holder never inherits', async () => {
    const lease = (event: string, subscriber: string) =>
      place.json<{ result: string }>('POST', '/v1/leases', { event, address: LEASED, subscriber });
    expect(await place.seen(LEASED)).toBe('truth');
    expect((await lease('start', '4720')).body.result).toBe('taken');
    expect(await place.seen(LEASED)).toBe('blocked');
    await toggle(place, '4720', 'opt-out');
    await lease('stop', '4720');
    expect((await toggle(place, '4721', 'opt-out')).body).toMatchObject({ known: true });
    await lease('start', '4721');
    expect(await place.seen(LEASED)).toBe('truth');
    expect((await lease('stop', '4720')).body.result).toBe('not-the-holder');
    await lease('start', '4722');
    expect(await place.seen(LEASED)).toBe('blocked');
    await lease('stop', '4722');
    expect(await place.seen(LEASED)).toBe('truth');
  });
});

describe('new terms', () => {
  it('never undo an opt-out, and no terms mean that nobody is inspected', async () => {
    const place = await start();
    await toggle(place, '4711', 'opt-out');
    const reload = async (from: string, to: string) => {
      writeFileSync(place.server.configFile, place.server.config.replace(from, to));
      expect((await place.json<{ ok: boolean }>('POST', '/v1/reload')).body.ok).toBe(true);
    };
    await reload('terms: 2026-04', 'terms: 2027-01');
    expect([await place.seen(CONTRACT), await place.seen(OTHER)]).toEqual(['truth', 'blocked']);
    await reload('terms: 2026-04', 'lease: 3h');
    expect([await place.seen(CONTRACT), await place.seen(OTHER), await place.seen(GROUP)]).toEqual([
      'truth',
      'truth',
      'truth',
    ]);
    expect((await toggle(place, '4711', 'opt-in')).status).toBe(422);
  });
});

describe('a listening address without filter', () => {
  it('inspects nobody who asks there', async () => {
    const place = await start();
    const port = place.server.port;
    const config = place.server.config.replace(
      `- 127.0.0.1:${port}`,
      `- 127.0.0.1:${port}\n    - 127.0.0.1:${port + 1}`,
    );
    writeFileSync(
      place.server.configFile,
      config.replace('terms: 2026-04', `terms: 2026-04\n  unfiltered: ["127.0.0.1:${port + 1}"]`),
    );
    expect((await place.json<{ ok: boolean }>('POST', '/v1/reload')).body).toEqual({ ok: true, problems: [] });
    expect(await place.seen(CONTRACT)).toBe('blocked');
    for (const ask of [askUdp, askTcp])
      expect((await ask({ name: 'c2.example' }, { port: port + 1, from: CONTRACT })).rcode).toBe(0);
    expect(
      (await scrape(place.server)).total('sekisho_c2_block_not_inspected_total', { reason: 'unfiltered_listener' }),
    ).toBe(2);
  });
});

describe('who opted out or is unknown', () => {
  it('is not inspected: not over UDP nor TCP, cached nor uncached, during a reload nor a worker restart', async () => {
    const module = writePlugin(
      'fragile',
      `query(query) { if (is(query, 'exit.test')) process.exit(3); return CONTINUE; },`,
    );
    const place = await start({ plugins: { fragile: { module } } });
    await toggle(place, '4711', 'opt-out');
    let running = true;
    let asked = 0;
    const clients = [CONTRACT, STRANGER, UNINSPECTED_GROUP].flatMap((client) =>
      [askUdp, askTcp].map(async (ask) => {
        for (let i = 0; running; i++) {
          // Listed names, half of them new to the cache each time.
          const name = i % 2 === 0 ? 'c2.example' : `n${asked}.bots.example`;
          const reply = await ask(
            { name, udpSize: 1232 },
            { port: place.server.port, from: client, timeoutMs: 2000 },
          ).catch(() => undefined);
          if (reply) expect([client, reply.rcode, reply.extendedErrors]).toEqual([client, 0, []]);
          asked++;
          await pause(2);
        }
      }),
    );
    await pause(300);
    expect((await place.json<{ ok: boolean }>('POST', '/v1/reload')).body.ok).toBe(true);
    await pause(300);
    const restarts = async () => (await scrape(place.server)).total('sekisho_worker_restarts_total');
    await askUdp({ name: 'exit.test' }, { port: place.server.port, from: STRANGER, timeoutMs: 300 }).catch(
      () => undefined,
    );
    await waitFor('the restart', async () => (await restarts()) > 0, 20_000);
    await pause(500);
    running = false;
    await Promise.all(clients);
    expect(asked).toBeGreaterThan(100);
    const metrics = await scrape(place.server);
    expect(metrics.total('sekisho_c2_block_lookups_total')).toBe(0);
    expect(metrics.total('sekisho_c2_block_hits_total')).toBe(0);
    expect(metrics.total('sekisho_c2_block_not_inspected_total')).toBeGreaterThan(100);
    const { body } = await place.json<ConsentExport>('GET', '/v1/consent/subscribers/4711/export?reason=own+request');
    expect(body.notices).toEqual([]);
    expect(toldBy(place.server)).not.toMatch(/example|127\.0\.0\.1[145]|(?<!\d)4711(?!\d)/);
    // And the counter does count, where somebody consents.
    await place.seen(OTHER);
    expect((await scrape(place.server)).total('sekisho_c2_block_lookups_total')).toBe(1);
  });
});

describe('kill -9', () => {
  it('in the midst of a thousand changes loses none that was acknowledged, and the ledger holds', async () => {
    const place = await start();
    const acknowledged: string[] = [];
    let failed = 0;
    const next = (function* () {
      for (let i = 0; i < 5000; i++) yield `k${i}`;
    })();
    const callers = Array.from({ length: 16 }, async () => {
      for (const subscriber of next) {
        try {
          const { status } = await toggle(place, subscriber, 'opt-out');
          if (status === 200) acknowledged.push(subscriber);
          if (acknowledged.length === 1000) process.kill(place.server.pid, 'SIGKILL');
        } catch {
          failed++;
          return;
        }
      }
    });
    await Promise.all(callers);
    await place.server.ended;
    expect(acknowledged.length).toBeGreaterThanOrEqual(1000);
    expect(failed).toBeGreaterThan(0);
    const again = await start({ folder: place.folder });
    const verified = await again.cli('consent', 'verify', '--json');
    expect(JSON.parse(verified.stdout)).toMatchObject({ holds: true, problem: null });
    for (const subscriber of acknowledged) {
      const { body } = await again.json<ConsentView>('GET', `/v1/consent/subscribers/${subscriber}?reason=a+test`);
      expect([subscriber, body.purposes[0]?.state]).toEqual([subscriber, 'opted-out']);
    }
  });
});

describe('an import', () => {
  it('takes a file, names bad rows, and goes on where it broke off', async () => {
    const place = await start();
    const file = join(place.folder, 'crm.csv');
    const rows = Array.from({ length: 2500 }, (_, i) => `i${i},c2,${i % 2 === 0 ? 'opt-out' : 'opt-in'}`);
    rows[1200] = '<b>,c2,opt-out';
    rows[1201] = 'i1201,phishing,opt-out';
    rows[2000] = 'nonsense';
    writeFileSync(file, `${rows.join('\n')}\n`);
    const first = await place.cli('consent', 'import', file, '--reason', 'moved from the CRM');
    expect(first.stdout).toContain('2 497 rows imported, 3 skipped');
    expect(first.stderr).toContain('row 1201: no subscriber number');
    expect(first.code).toBe(1);
    const state = async (subscriber: string) =>
      (await place.json<ConsentView>('GET', `/v1/consent/subscribers/${subscriber}?reason=a+test`)).body.purposes[0]
        ?.state;
    expect([await state('i2498'), await state('i2499'), await state('i1201')]).toEqual([
      'opted-out',
      'individual',
      'contract',
    ]);
    // The same rows of others, before the eyes of a person.
    const drawn: string[] = [];
    const other = join(place.folder, 'crm-2.csv');
    writeFileSync(other, `${rows.join('\n').replaceAll('i', 't')}\n`);
    await main(['consent', 'import', other, '--config', place.server.configFile], {
      out: () => {},
      err: (text) => drawn.push(text),
      env: {},
      workFolder: place.folder,
      isTerminal: true,
    });
    expect(drawn.slice(0, 4)).toEqual([
      '\r[########............] 1 000 of 2 500 rows ',
      '\r[################....] 2 000 of 2 500 rows ',
      '\r[####################] 2 500 of 2 500 rows ',
      '\r\x1b[K',
    ]);
    const again = await place.cli('consent', 'import', file);
    expect(again.stdout).toContain('2 500 rows imported before');
    expect(again.stdout).toContain('0 rows imported, 0 skipped');
    // Broken off after the first thousand: the server knows how far it came, whatever the client believes.
    const chunk = (from: number, count: number) => ({
      from,
      rows: Array.from({ length: count }, (_, i) => [`p${from + i}`, 'c2', 'opt-out']),
    });
    type Progress = { rows: number };
    expect((await place.json<Progress>('POST', '/v1/consent/import/part', chunk(0, 3))).body.rows).toBe(3);
    expect((await place.json<Progress>('POST', '/v1/consent/import/part', chunk(1, 4))).body.rows).toBe(5);
    expect((await place.json<Progress>('POST', '/v1/consent/import/part', chunk(9, 1))).status).toBe(422);
    const { body } = await place.json<ConsentExport>('GET', '/v1/consent/subscribers/p2/export?reason=own+request');
    expect(body.history.filter(({ action }) => action === 'opt-out')).toHaveLength(1);
  });
});
