/** Views in the whole server: who gets which, that nothing crosses, what the commands say; beside BIND's own views. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { ExplainResult, Status } from '../../src/admin/status.ts';
import { startBind } from '../support/bind.ts';
import { NEXT_REVIEW } from '../support/dates.ts';
import { ensurePackages } from '../support/debian.ts';
import { askTcp, askUdp, dataOf, exchangeDatagram, queryBytes, type Reply } from '../support/dns-client.ts';
import { sekisho } from '../support/field.ts';
import { freePort } from '../support/free-port.ts';
import { startNsd, zoneText } from '../support/nsd.ts';
import { scrape, stoppedAfterwards } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { honest, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 });
const missing = ensurePackages(['nsd', 'named']);
const keep = stoppedAfterwards();
const [NXDOMAIN, REFUSED, SERVFAIL] = [3, 5, 2];
const STALE_ANSWER = 3;
const asks = { udp: askUdp, tcp: askTcp };

const ground = {
  kind: 'legitimate-business',
  purpose: 'keeps the network running',
  necessity: 'nothing milder helps',
  proportionality: 'single names only',
  approver: 'K. Sato',
  review: NEXT_REVIEW,
};

describe('views', () => {
  const folder = temporaryFolder('views');
  let general: ScriptedUpstream;
  let wholesale: ScriptedUpstream;
  let lab: ScriptedUpstream;
  let server: SekishoServer;
  let second: number;
  /** Clients, by the view that they are in. */
  const AT = {
    wholesale: '127.0.1.7',
    staff: '127.0.2.7',
    guests: '127.0.3.7',
    trial: '127.0.4.7',
    none: '127.0.0.1',
  };
  const ask = (from: string, name: string, type = 'A', port = server.port) => askUdp({ name, type }, { port, from });
  const address = async (from: string, name: string, port?: number) =>
    dataOf((await ask(from, name, 'A', port)).answers, 'A')[0];
  const command = (...words: string[]) => sekisho([...words, '--config', server.configFile]);
  const explain = async (name: string, client: string, ...more: string[]): Promise<ExplainResult> => {
    const { stdout, stderr } = await command('explain', name, '--client', client, '--json', ...more);
    expect(stderr).toBe('');
    return JSON.parse(stdout);
  };

  beforeAll(async () => {
    expect([...missing]).toEqual([]);
    writeFileSync(
      join(folder, 'own.rpz'),
      `$TTL 60\n@ SOA ns.x. h.x. 7 3600 600 86400 30\n@ NS ns.x.\npolicy.test CNAME .\n`,
    );
    writeFileSync(join(folder, 'c2.txt'), 'c2.test\n');
    writeFileSync(join(folder, 'staff.zone'), 'www A 192.0.2.50\n');
    writeFileSync(
      join(folder, 'subscribers.csv'),
      `${AT.wholesale},4711\n${AT.guests},4712\n${AT.trial},4713\n${AT.none},4714\n`,
    );
    general = keep(await startScriptedUpstream(honest('192.0.2.1')));
    wholesale = keep(await startScriptedUpstream(honest('192.0.2.2')));
    lab = keep(await startScriptedUpstream(honest('192.0.2.3')));
    second = await freePort();
    const first = await freePort();
    const config = {
      server: { workers: 2, listen: [`127.0.0.1:${first}`, `127.0.0.1:${second}`] },
      upstream: { servers: [`127.0.0.1:${general.port}`], groups: { wholesale: [`127.0.0.1:${wholesale.port}`] } },
      cache: { size: '4MiB' },
      zones: [{ zone: 'lab.test', forward: [`127.0.0.1:${lab.port}`] }],
      views: [
        {
          name: 'wholesale',
          clients: ['127.0.1.0/24'],
          upstream: 'wholesale',
          lists: [],
          access: { allow: ['127.0.1.0/24'], refuse: ['127.0.1.64/26'], drop: ['127.0.1.128/25'] },
        },
        {
          name: 'staff',
          clients: ['127.0.2.0/24'],
          zones: [
            { zone: 'staff.test', records: join(folder, 'staff.zone') },
            { zone: 'lab.test', forward: [`127.0.0.1:${general.port}`] },
          ],
          plugins: { rpz: 'off' },
        },
        { name: 'guests', clients: ['127.0.3.0/24'], cache: { own: true, 'serve-stale': false, 'max-ttl': '60s' } },
        { name: 'trial', clients: ['127.0.4.0/24'], plugins: { rpz: 'dry-run', 'c2-block': 'dry-run' } },
        { name: 'second', listeners: [`127.0.0.1:${second}`], upstream: [`127.0.0.1:${wholesale.port}`] },
      ],
      subscribers: {
        ranges: join(folder, 'subscribers.csv'),
        terms: '2026-04',
        groups: [],
      },
      lists: [
        { name: 'own', category: 'policy', format: 'rpz', zone: 'rpz.test', file: join(folder, 'own.rpz'), ground },
        { name: 'feed', category: 'c2', tier: 'confirmed', format: 'domains', file: join(folder, 'c2.txt') },
      ],
      plugins: { access: {}, 'amp-shaper': false, 'c2-block': { 'opt-out': 'https://isp.example/out' } },
    };
    server = { ...keep(await startSekisho({ config, readyTimeoutMs: 40_000 })), port: first };
  });

  it('the first that holds the client or the listener counts, over UDP and TCP; whoever is in none meets the top level', async () => {
    for (const transport of [askUdp, askTcp]) {
      const told = async (from: string, port: number) =>
        dataOf((await transport({ name: `a-${transport.name}.test` }, { port, from })).answers, 'A')[0];
      expect(await told(AT.wholesale, server.port)).toBe('192.0.2.2');
      expect(await told(AT.none, server.port)).toBe('192.0.2.1');
      expect(await told(AT.staff, server.port)).toBe('192.0.2.1');
      expect(await told(AT.none, second)).toBe('192.0.2.2');
      // Client before listener: that view stands first.
      expect(await told(AT.staff, second)).toBe('192.0.2.1');
    }
  });

  it('answers never cross from one upstream to another, from the cache or from a question that is being asked', async () => {
    general.queries.length = 0;
    wholesale.queries.length = 0;
    expect(await address(AT.none, 'crossing.test')).toBe('192.0.2.1');
    expect(await address(AT.wholesale, 'crossing.test')).toBe('192.0.2.2');
    expect(await address(AT.none, 'crossing.test')).toBe('192.0.2.1');
    // Equal sets of servers share what they know: the second listener's is the wholesale view's.
    expect(await address(AT.none, 'crossing.test', second)).toBe('192.0.2.2');
    expect([general.queries.length, wholesale.queries.length]).toEqual([1, 1]);
    // Both at once, before either answers.
    const held: (() => void)[] = [];
    for (const upstream of [general, wholesale]) {
      const { script } = upstream;
      upstream.script = (query) => {
        held.push(() => script(query));
        if (held.length === 2) for (const release of held) release();
        upstream.script = script;
      };
    }
    const both = await Promise.all([address(AT.none, 'together.test'), address(AT.wholesale, 'together.test')]);
    expect(both).toEqual(['192.0.2.1', '192.0.2.2']);
  });

  it('a failure of one upstream is nobody else’s, nor is it remembered for anybody else', async () => {
    wholesale.script = (query) =>
      query.send(Buffer.from(query.bytes.map((byte, i) => (i === 2 ? 0x81 : i === 3 ? 0x82 : byte))));
    expect((await ask(AT.wholesale, 'fails.test')).rcode).toBe(SERVFAIL);
    expect(await address(AT.none, 'fails.test')).toBe('192.0.2.1');
    expect((await ask(AT.wholesale, 'fails.test')).rcode).toBe(SERVFAIL);
    wholesale.script = honest('192.0.2.2');
  });

  it('zones of a view come before those of the top level, which it keeps otherwise', async () => {
    expect(await address(AT.staff, 'www.staff.test')).toBe('192.0.2.50');
    expect(await address(AT.none, 'www.staff.test')).toBe('192.0.2.1');
    expect(await address(AT.none, 'x.lab.test')).toBe('192.0.2.3');
    expect(await address(AT.wholesale, 'x.lab.test')).toBe('192.0.2.3');
    expect(await address(AT.staff, 'x.lab.test')).toBe('192.0.2.1');
    expect((await ask(AT.staff, 'x.onion')).rcode).toBe(NXDOMAIN);
  });

  it('lists and plugins apply as the view says, and a dry run only counts', async () => {
    const rcodes = async (name: string) =>
      Object.fromEntries(
        await Promise.all(Object.entries(AT).map(async ([view, from]) => [view, (await ask(from, name)).rcode])),
      );
    expect(await rcodes('policy.test')).toEqual({ wholesale: 0, staff: 0, guests: NXDOMAIN, trial: 0, none: NXDOMAIN });
    // The consent of the subscriber is asked for as without views: nobody is known in `staff`.
    expect(await rcodes('c2.test')).toEqual({ wholesale: 0, staff: 0, guests: NXDOMAIN, trial: 0, none: NXDOMAIN });
    const page = await scrape(server);
    expect(page.total('sekisho_view_dry_run_total', { view: 'trial', plugin: 'rpz', verdict: 'answer' })).toBe(1);
    expect(page.total('sekisho_view_dry_run_total', { view: 'trial', plugin: 'c2-block', verdict: 'answer' })).toBe(1);
    expect(page.total('sekisho_c2_block_hits_total', { list: 'feed', action: 'dry-run' })).toBe(1);
    expect(page.total('sekisho_c2_block_hits_total', { list: 'feed', action: 'nxdomain' })).toBe(2);
  });

  it('no view inspects whom consent does not let be inspected: an opt-out holds in each, a stranger is looked up in none', async () => {
    const out = await command('consent', 'opt-out', '4712', '--reason', 'asked by telephone');
    expect(out.code).toBe(0);
    expect((await ask(AT.guests, 'c2.test')).rcode).toBe(0);
    expect((await ask('127.0.3.99', 'c2.test')).rcode).toBe(0);
    expect((await command('consent', 'opt-in', '4712', '--reason', 'asked by telephone')).code).toBe(0);
    expect((await ask(AT.guests, 'c2.test')).rcode).toBe(NXDOMAIN);
  });

  it('access: the most specific network decides, on every transport', async () => {
    const place = { port: server.port };
    for (const transport of ['udp', 'tcp'] as const) {
      const rcode = async (from: string) => (await asks[transport]({ name: 'who.test' }, { ...place, from })).rcode;
      expect([await rcode('127.0.1.1'), await rcode('127.0.1.65')]).toEqual([0, REFUSED]);
    }
    const dropped = exchangeDatagram(queryBytes({ name: 'who.test' }), {
      ...place,
      from: '127.0.1.200',
      timeoutMs: 500,
    });
    expect(await dropped).toBeUndefined();
  });

  it('cache: TTLs are cut for the view alone, and what has expired is not for it', async () => {
    const ttl = (reply: Reply) => reply.answers.map((one) => ('ttl' in one ? one.ttl : -1));
    expect(ttl(await ask(AT.none, 'long.test'))).toEqual([300]);
    expect(ttl(await ask(AT.guests, 'long.test'))).toEqual([60]);
    general.script = honest('192.0.2.1', 1);
    expect(await address(AT.none, 'short.test')).toBe('192.0.2.1');
    expect(await address(AT.guests, 'short.test')).toBe('192.0.2.1');
    await new Promise((resolve) => setTimeout(resolve, 2100));
    general.script = (query) =>
      query.send(Buffer.from(query.bytes.map((byte, i) => (i === 2 ? 0x81 : i === 3 ? 0x82 : byte))));
    expect((await ask(AT.guests, 'short.test')).rcode).toBe(SERVFAIL);
    const stale = await askUdp({ name: 'short.test', udpSize: 1232 }, { port: server.port, from: AT.none });
    expect([stale.rcode, stale.extendedErrors]).toEqual([0, [STALE_ANSWER]]);
    general.script = honest('192.0.2.1');
  });

  it('explain names the view, and its upstream', async () => {
    const steps = async (client: string, ...more: string[]) => {
      const { view, steps: all } = await explain('explained.test', client, ...more);
      const last = all.find(({ place }) => place === 'source');
      return [view, last?.who, last?.reason];
    };
    const forwarded = (upstream: ScriptedUpstream) => `forwarded to one of 127.0.0.1:${upstream.port}`;
    expect(await steps(AT.wholesale)).toEqual(['wholesale', 'upstream of view wholesale', forwarded(wholesale)]);
    expect(await steps(AT.none)).toEqual([null, 'upstream', forwarded(general)]);
    const listener = ['--listener', `127.0.0.1:${second}`];
    expect((await steps(AT.none, ...listener))[0]).toBe('second');
    const trial = await explain('policy.test', AT.trial);
    expect(trial.decidedBy).toBe('cache');
    expect(trial.steps.find(({ who }) => who === 'rpz')?.reason).toMatch(
      /^answer, only counted: a dry run in view 'trial'/,
    );
    const staff = await explain('policy.test', AT.staff);
    expect(staff.steps[0]).toEqual({
      place: 'view',
      who: 'staff',
      verdict: 'continue',
      reason: 'the first view that holds client and listener; off in it: rpz',
    });
    expect((await explain('c2.test', AT.wholesale)).lists).toEqual([]);
    const nobody = await command('explain', 'a.test', '--client', AT.none, '--listener', '127.0.0.1:1');
    expect([nobody.code, nobody.stderr]).toEqual([1, expect.stringContaining('is no address of server.listen')]);
  });

  it('status and metrics count by view', async () => {
    const status = JSON.parse((await command('status', '--json')).stdout) as Status;
    expect(status.views.map(({ name }) => name)).toEqual(['wholesale', 'staff', 'guests', 'trial', 'second']);
    expect(status.views.find(({ name }) => name === 'trial')?.dryRun).toEqual({ rpz: 1, 'c2-block': 1 });
    expect(status.views.find(({ name }) => name === 'wholesale')?.rcodes).toMatchObject({ REFUSED: 2 });
    expect(status.upstreams.map((one) => one.address)).toContain(`127.0.0.1:${wholesale.port} (view wholesale)`);
    const text = (await command('status')).stdout;
    expect(text).toMatch(/^VIEW +QUERIES +REPLIES +DRY RUN$/m);
    const page = await scrape(server);
    expect(page.total('sekisho_view_queries_total', { view: 'second' })).toBeGreaterThan(0);
  });

  it('cache flush forgets a name in all of them', async () => {
    for (const from of [AT.none, AT.wholesale, AT.guests]) await ask(from, 'flushed.test');
    const flushed = await command('cache', 'flush', 'flushed.test');
    expect(flushed.stdout).toBe('3 answers removed for flushed.test\n');
  });

  it('a reload that gives a view another upstream serves it nothing of the old one, and keeps what the others know', async () => {
    const before = readFileSync(server.configFile, 'utf8');
    expect(await address(AT.wholesale, 'kept.test')).toBe('192.0.2.2');
    expect(await address(AT.none, 'kept.test')).toBe('192.0.2.1');
    writeFileSync(server.configFile, before.replace('upstream: wholesale', `upstream: ["127.0.0.1:${lab.port}"]`));
    expect((await command('reload')).stdout).toBe('The new configuration is in force.\n');
    general.queries.length = 0;
    expect(await address(AT.wholesale, 'kept.test')).toBe('192.0.2.3');
    expect(await address(AT.none, 'kept.test')).toBe('192.0.2.1');
    expect(general.queries).toEqual([]);
    writeFileSync(server.configFile, before);
    expect((await command('reload')).code).toBe(0);
    wholesale.queries.length = 0;
    // The same set of servers as before: what it had told is still known.
    expect(await address(AT.wholesale, 'kept.test')).toBe('192.0.2.2');
    expect(wholesale.queries).toEqual([]);
  });

  it('a wrong view is refused with its place, and the old configuration runs on', async () => {
    const before = readFileSync(server.configFile, 'utf8');
    writeFileSync(server.configFile, before.replace('upstream: wholesale', 'upstream: wholesail'));
    const refused = await command('reload');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(
      /sekisho\.yaml:\d+:\d+: views\[0\]\.upstream: 'wholesail' is none of upstream\.groups; did you mean 'wholesale'\?/,
    );
    writeFileSync(server.configFile, before);
    expect(await address(AT.wholesale, 'a.test')).toBe('192.0.2.2');
  });
});

describe('beside BIND with the same views', () => {
  it('every client gets what BIND gives it, over UDP and TCP', async () => {
    expect([...missing]).toEqual([]);
    const RECORDS = {
      inside: 'www A 192.0.2.11\nonly A 192.0.2.12\n',
      outside: 'www A 203.0.113.11\n',
      top: 'www A 198.51.100.11\n',
    };
    const zone = (records: string) => zoneText('split.test', records);
    const nsd = async (records: string) =>
      keep(await startNsd({ zones: [{ name: 'split.test', text: zone(records) }] }));
    const authority = {
      inside: await nsd(RECORDS.inside),
      outside: await nsd(RECORDS.outside),
      top: await nsd(RECORDS.top),
    };
    // Forwarders of their own, so that both servers front the same resolvers.
    const resolver = async (port: number) =>
      keep(await startBind({ upstreamPort: port, probeName: 'www.split.test', options: 'empty-zones-enable no;' }));
    const upstream = {
      inside: await resolver(authority.inside.port),
      outside: await resolver(authority.outside.port),
      top: await resolver(authority.top.port),
    };
    const views = [
      {
        name: 'inside',
        clients: '127.0.1.0/24;',
        allow: '!127.0.1.128/25; 127.0.1.0/24;',
        upstreamPort: upstream.inside.port,
      },
      { name: 'outside', clients: '!127.0.9.0/24; 127.0.0.0/16;', allow: 'any;', upstreamPort: upstream.outside.port },
      { name: 'top', clients: 'any;', allow: 'any;', upstreamPort: upstream.top.port },
    ];
    const bind = keep(await startBind({ views, probeName: 'www.split.test', options: 'empty-zones-enable no;' }));
    const sekishoServer = keep(
      await startSekisho({
        config: {
          upstream: { servers: [`127.0.0.1:${upstream.top.port}`] },
          cache: { size: '1MiB' },
          plugins: { access: {}, 'amp-shaper': false },
          views: [
            {
              name: 'inside',
              clients: ['127.0.1.0/24'],
              upstream: [`127.0.0.1:${upstream.inside.port}`],
              access: { allow: ['127.0.1.0/24'], refuse: ['127.0.1.128/25'] },
            },
            { name: 'nine', clients: ['127.0.9.0/24'] },
            { name: 'outside', clients: ['127.0.0.0/16'], upstream: [`127.0.0.1:${upstream.outside.port}`] },
          ],
        },
      }),
    );
    const clients = ['127.0.1.1', '127.0.1.127', '127.0.1.128', '127.0.0.5', '127.0.2.1', '127.0.9.1', '127.1.0.1'];
    for (const name of ['www.split.test', 'only.split.test', 'none.split.test'])
      for (let round = 0; round < 2; round++)
        for (const from of clients)
          for (const ask of [askUdp, askTcp]) {
            const told = async (at: number) => {
              const { rcode, answers } = await ask({ name }, { port: at, from });
              return [rcode, dataOf(answers, 'A')];
            };
            expect(await told(sekishoServer.port), `${name} from ${from}`).toEqual(await told(bind.port));
          }
  });
});
