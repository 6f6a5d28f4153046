/** Who is answered, and what: access, sinkhole, and plugins written by somebody else. */
import { writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { EMERGENCY_END } from '../support/dates.ts';
import { ensurePackages } from '../support/debian.ts';
import { askTcp, askUdp, dataOf, queryBytes, readReply, TcpConnection } from '../support/dns-client.ts';
import { dig, sekisho } from '../support/field.ts';
import { logOf, scrape, stoppedAfterwards } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { honest, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';
import { writePlugin } from '../support/third-party-plugin.ts';

const FORGED_ANSWER = 4;
vi.setConfig({ testTimeout: 180_000, hookTimeout: 240_000 });
const keep = stoppedAfterwards();
const missing = ensurePackages(['dig']);
let upstream: ScriptedUpstream;
beforeAll(async () => {
  upstream = keep(await startScriptedUpstream(honest()));
});

const start = async (config: { server?: object; plugins?: Record<string, unknown> }): Promise<SekishoServer> =>
  keep(
    await startSekisho({
      config: {
        ...config,
        server: { ...config.server },
        upstream: { servers: [`127.0.0.1:${upstream.port}`] },
        cache: { size: '1MiB' },
      },
    }),
  );

const ground = {
  kind: 'self-defence',
  effect: 'the resolver itself',
  evidence: 'ticket 4711',
  approver: 'somebody',
  expires: EMERGENCY_END,
};

describe('access', () => {
  const outsider = '127.0.0.9';
  let server: SekishoServer;
  beforeAll(async () => {
    server = await start({ server: { access: ['127.0.0.0/29'] } });
  });

  it.each([
    ['UDP', askUdp],
    ['TCP', askTcp],
  ])('refuses outsiders over %s, and answers the others', async (_, ask) => {
    const refused = await ask({ name: 'www.example.test' }, { port: server.port, from: outsider });
    expect(refused.rcode).toBe(5);
    expect(refused.answers).toEqual([]);
    const answered = await ask({ name: 'www.example.test' }, { port: server.port, from: '127.0.0.2' });
    expect(dataOf(answered.answers, 'A')).toEqual(['192.0.2.7']);
    // Neither does what the cache holds leak.
    expect((await ask({ name: 'www.example.test' }, { port: server.port, from: outsider })).rcode).toBe(5);
  });

  it('tells outsiders nothing of what the server would say by itself', async () => {
    for (const ask of [askUdp, askTcp])
      for (const what of [{ type: 'ANY' }, { type: 'AXFR' }, { rd: false }, { ednsVersion: 1 }])
        expect((await ask({ name: 'www.example.test', ...what }, { port: server.port, from: outsider })).rcode).toBe(5);
  });

  it('counts them', async () => {
    const metrics = await scrape(server);
    expect(metrics.total('sekisho_access_outsiders_total')).toBe(12);
    expect(metrics.total('sekisho_plugin_verdicts_total', { plugin: 'access', verdict: 'refuse' })).toBe(12);
    expect(metrics.total('sekisho_responses_total', { rcode: 'REFUSED' })).toBe(12);
  });

  it.skipIf(missing.size > 0)('dig agrees', async () => {
    const args = `@127.0.0.1 -p ${server.port} www.example.test`;
    expect(await dig('dig', `-b ${outsider} ${args}`)).toContain('status: REFUSED');
    expect(await dig('dig', `-b 127.0.0.3 ${args}`)).toContain('status: NOERROR');
  });
});

describe('sinkhole', () => {
  const rule = (name: string, more: object = {}) => ({ name, ground, ...more });
  let server: SekishoServer;
  beforeAll(async () => {
    const rules = [rule('victim.example.test'), rule('dry.example.test', { 'dry-run': true })];
    server = await start({
      plugins: { sinkhole: { ipv4: '198.51.100.1', ipv6: '2001:db8::53', ttl: 20, rules } },
    });
  });

  it.each([
    ['UDP', askUdp],
    ['TCP', askTcp],
  ])('discards exactly the name over %s', async (_, ask) => {
    const port = { port: server.port };
    const name = 'ViCtim.example.test';
    const a = await ask({ name, udpSize: 1232 }, port);
    expect(dataOf(a.answers, 'A')).toEqual(['198.51.100.1']);
    expect(a.answers[0]).toMatchObject({ name, ttl: 20 });
    expect(a.extendedErrors).toEqual([FORGED_ANSWER]);
    const aaaa = await ask({ name, type: 'AAAA', udpSize: 1232 }, port);
    expect(dataOf(aaaa.answers, 'AAAA')).toEqual(['2001:db8::53']);
    for (const type of ['UNKNOWN_65', 'UNKNOWN_64', 'TXT', 'MX']) {
      const other = await ask({ name, type, udpSize: 1232 }, port);
      expect(other.rcode).toBe(0);
      expect(other.answers).toEqual([]);
      expect(other.authorities.map((record) => record.type)).toEqual(['SOA']);
      expect(other.extendedErrors).toEqual([FORGED_ANSWER]);
    }
    for (const near of ['www.victim.example.test', 'example.test', 'avictim.example.test', 'dry.example.test']) {
      const reply = await ask({ name: near, udpSize: 1232 }, port);
      expect(dataOf(reply.answers, 'A')).toEqual(['192.0.2.7']);
      expect(reply.extendedErrors).toEqual([]);
    }
  });

  it('counts what each rule hits, also in a dry run', async () => {
    const metrics = await scrape(server);
    expect(metrics.total('sekisho_sinkhole_hits_total', { rule: '1', dry_run: 'false' })).toBe(12);
    expect(metrics.total('sekisho_sinkhole_hits_total', { rule: '2', dry_run: 'true' })).toBe(2);
    expect(upstream.queries.some(({ name }) => name === 'victim.example.test')).toBe(false);
  });
});

describe("somebody else's plugin", () => {
  const hooks = `
      query(query) {
        if (is(query, 'own.plugin.test')) {
          counters[hits] += 1;
          beginReply(query, RCODE.NOERROR);
          addRecord(query, ANSWER_SECTION, TYPE.TXT, 7, new Uint8Array([options.text.length, ...Buffer.from(options.text)]));
          return ANSWER;
        }
        if (is(query, 'drop.plugin.test')) return DROP;
        if (is(query, 'refuse.plugin.test')) return REFUSE;
        if (is(query, 'fail.plugin.test')) return FAIL;
        if (is(query, 'truncate.plugin.test')) return TRUNCATE;
        if (is(query, 'throw.plugin.test')) throw new Error('on purpose');
        if (is(query, 'nonsense.plugin.test')) return 'nonsense';
        if (is(query, 'defer.plugin.test')) {
          const ticket = defer(query, 2000);
          if (!ticket) return FAIL;
          setTimeout(() => resume(ticket, REFUSE), 50);
          return DEFER;
        }
        if (is(query, 'forget.plugin.test')) return defer(query, 100) ? DEFER : FAIL;
        return CONTINUE;
      },
      answer(query) {
        if (is(query, 'throw-late.plugin.test')) throw new Error('on purpose, late');
        return CONTINUE;
      },`;
  let server: SekishoServer;
  const asking = () => ({ port: server.port });
  beforeAll(async () => {
    const module = writePlugin('third-party', hooks);
    server = await start({ plugins: { 'third-party': { module, text: 'from outside' } } });
  });

  it('answers by itself', async () => {
    for (const ask of [askUdp, askTcp]) {
      const reply = await ask({ name: 'own.plugin.test', type: 'TXT' }, asking());
      expect(reply.answers).toMatchObject([{ name: 'own.plugin.test', type: 'TXT', ttl: 7 }]);
      expect(dataOf(reply.answers, 'TXT')).toEqual(['from outside']);
    }
    expect((await scrape(server)).total('sekisho_third_party_hits_total')).toBe(2);
  });

  it.each([
    ['refuse', 5],
    ['fail', 2],
    ['defer', 5],
    ['forget', 2],
  ])('has its verdict carried out on both transports: %s', async (verdict, rcode) => {
    for (const ask of [askUdp, askTcp])
      expect((await ask({ name: `${verdict}.plugin.test` }, asking())).rcode).toBe(rcode);
  });

  it('can have clients come back over TCP', async () => {
    const cut = await askUdp({ name: 'truncate.plugin.test' }, asking());
    expect(cut.tc).toBe(true);
    expect(cut.answers).toEqual([]);
    expect(dataOf((await askTcp({ name: 'truncate.plugin.test' }, asking())).answers, 'A')).toEqual(['192.0.2.7']);
  });

  it('can drop, and over TCP the connection goes on', async () => {
    await expect(askUdp({ name: 'drop.plugin.test' }, { ...asking(), timeoutMs: 300 })).rejects.toThrow('no reply');
    const connection = await TcpConnection.open(asking());
    connection.send(queryBytes({ name: 'drop.plugin.test', id: 1 }), queryBytes({ name: 'x.example.test', id: 2 }));
    expect(readReply((await connection.next()) ?? Buffer.alloc(0)).id).toBe(2);
    connection.close();
    expect((await scrape(server)).total('sekisho_drops_total', { reason: 'plugin' })).toBe(2);
  });

  it('costs one query where it throws, which is counted and logged, and the others go on', async () => {
    const before = await scrape(server);
    const names = ['throw', 'nonsense', 'throw-late'].map((name) => `${name}.plugin.test`);
    const replies = await Promise.all(
      names.flatMap((name) => [
        askUdp({ name }, asking()),
        askUdp({ name: 'www.example.test' }, asking()),
        askTcp({ name }, asking()),
        askTcp({ name: 'www.example.test' }, asking()),
      ]),
    );
    expect(replies.map(({ rcode }) => rcode)).toEqual(names.flatMap(() => [2, 0, 2, 0]));
    const after = await scrape(server);
    expect(after.total('sekisho_plugin_faults_total', { plugin: 'third-party' })).toBe(6);
    expect(after.total('sekisho_worker_restarts_total')).toBe(before.total('sekisho_worker_restarts_total'));
    // The text is the plugin's, and may hold what the query held: the log has the kind and the place.
    expect(server.stdout()).not.toContain('on purpose');
    const [fault] = logOf(server).filter(({ msg }) => String(msg).includes('hook failed'));
    expect(fault).toMatchObject({ plugin: 'third-party', fault: { error: expect.any(String) } });
    expect(JSON.stringify(fault)).toMatch(/at .*third-party/);
    // Logged, but not once per query.
    expect(logOf(server).filter(({ msg }) => String(msg).includes('hook failed')).length).toBe(1);
  });

  it('stands in the chain that the start prints, and in the costs', async () => {
    const serving = logOf(server).find(({ msg }) => msg === 'serving');
    expect(serving?.['chain']).toEqual(['guard:access', 'policy:third-party']);
    // One query in a few hundred has its plugins' time taken.
    for (let i = 0; i < 600; i++) await askUdp({ name: 'www.example.test' }, asking());
    expect(
      (await scrape(server)).total('sekisho_plugin_cost_samples_total', { plugin: 'third-party' }),
    ).toBeGreaterThan(1);
  });
});

it('a plugin may throw what has no text and cannot be sent to another thread: one query, one line in the log', async () => {
  const strange = 'query() { throw { toString() { throw new Error(); }, hook: () => {} }; },';
  const server = await start({ plugins: { 'third-party': { module: writePlugin('third-party', strange) } } });
  for (let i = 0; i < 3; i++) expect((await askUdp({ name: 'www.example.test' }, { port: server.port })).rcode).toBe(2);
  expect((await scrape(server)).total('sekisho_worker_restarts_total')).toBe(0);
  expect(logOf(server).filter(({ msg }) => String(msg).includes('hook failed'))).toMatchObject([
    { plugin: 'third-party', fault: { error: 'a thrown object', places: [] } },
  ]);
});

describe('a plugin that cannot be', () => {
  /** What `sekisho run` says with this plugin. */
  async function attempt(module: string, options: object = {}) {
    const folder = temporaryFolder('refused');
    const file = `${folder}/sekisho.yaml`;
    const plugins = { 'third-party': { module, ...options } };
    const server = { listen: ['127.0.0.1:1053'], data: `${folder}/data` };
    writeFileSync(file, JSON.stringify({ server, upstream: { servers: ['127.0.0.1:5300'] }, plugins }));
    return sekisho(['run', '--config', file]);
  }

  it.each([
    ['has an async hook', writePlugin('third-party', 'async query() { return CONTINUE; },'), /hook 'query' is async/],
    ['throws while it is set up', writePlugin('third-party', '...(() => { throw new Error("no way"); })(),'), /no way/],
    ['is not there', '/nowhere/plugin.mjs', /no file or package '\/nowhere\/plugin\.mjs'/],
    ['is called otherwise', writePlugin('other-name', ''), /'other-name'/],
    ['has no such stage', writePlugin('third-party', '', { stage: 'nowhere' }), /stage 'nowhere'/],
  ])('stops the start: it %s', async (_, module, message) => {
    const { code, stderr, stdout } = await attempt(module);
    expect(code, stdout).toBe(1);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  it('nor one whose options do not fit', async () => {
    const { code, stderr } = await attempt(writePlugin('third-party', ''), { txet: 'misspelt' });
    expect(code).toBe(1);
    expect(stderr).toMatch(/sekisho\.yaml:\d+:\d+: plugins\.third-party.*txet/);
  });
});
