import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cacheWithout } from '../../test/support/desk-without-cache.ts';
import { featureRoutes } from '../../test/support/feature-routes.ts';
import { type Admin, startAdmin } from '../admin/server.ts';
import type { ExplainQuestion, Status } from '../admin/status.ts';
import { readAdminToken } from '../admin/tokens.ts';
import { loadConfig } from '../config/load.ts';
import { resolvePlugin } from '../loading/plugins.ts';
import { SUBSCRIBERS_STATUS } from '../subscribers/status.ts';
import { main } from './cli.ts';
import { allCommands } from './commands.ts';

const COMMAND_NAMES = (await allCommands()).map(({ name }) => name);

let folder = '';
let admin: Admin;
const asked: ExplainQuestion[] = [];

const status: Status = {
  version: '0.1.0',
  node: '20.19.0',
  pid: 4711,
  startedAt: '2026-01-01T00:00:00.000Z',
  uptimeSeconds: 93_784,
  configuration: './sekisho.yaml',
  configuredAt: '2026-01-01T00:00:00.000Z',
  ready: true,
  warnings: ['sekisho.yaml:1:1: server.access[0]: allows everyone'],
  workers: [{ number: 0, state: 'running', restarts: 1, uptimeSeconds: 59, queries: 1_234_567 }],
  listeners: [{ address: '[::1]:5353', transports: ['udp', 'tcp'], packets: 'batched' }],
  resolve: null,
  fastPath: { asked: false, interfaces: [], reasons: [] },
  kernelDrops: [],
  upstreams: [
    { address: '192.0.2.53:53', state: 'up', rttMs: 12.34, trusted: true, tls: null, queries: 1000, failures: 2 },
    { address: '192.0.2.54:53', state: 'unknown', rttMs: null, trusted: false, tls: null, queries: 0, failures: 0 },
  ],
  views: [],
  plugins: [
    { name: 'access', stage: 'guard', meanCostNs: 41.6, errors: 0 },
    { name: 'sinkhole', stage: 'policy', meanCostNs: null, errors: 0 },
  ],
  cache: { entries: 12_345, usedBytes: 3 * 2 ** 19, sizeBytes: 2 ** 28, hits: 900, misses: 100, stale: 0 },
  leases: null,
  ranges: null,
  queries: {
    total: 1_234_567,
    udp: 1_200_000,
    tcp: 34_567,
    dropped: 12,
    shed: 3456,
    rcodes: { NXDOMAIN: 5, NOERROR: 20 },
  },
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sekisho-cli-'));
  // A free port first, so that the file can name it.
  const probe = await listening(createServer());
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  const text = `upstream: { servers: ["192.0.2.53", "192.0.2.54"] }\nadmin: { listen: "127.0.0.1:${port}" }\n`;
  await writeFile(join(folder, 'sekisho.yaml'), text);
  // What the server has in force: less than the file, so that commands meet what is not configured.
  await writeFile(join(folder, 'in-force.yaml'), `${text}plugins: { access: {}, amp-shaper: {} }\n`);
  const loaded = await loadConfig({ path: 'in-force.yaml', resolvePlugin, workFolder: folder });
  if (!loaded.ok) throw new Error(loaded.problems.map(({ message }) => message).join());
  admin = await startAdmin({
    config: loaded.config,
    version: '0.1.0',
    log: pino({ level: 'silent' }),
    metricsText: () => '',
    status: () => status,
    explain: async (question) => {
      asked.push(question);
      return {
        name: question.name,
        type: 'AAAA',
        client: question.client,
        view: null,
        steps: [
          { place: 'guard', who: 'access', verdict: 'continue', reason: 'inside 127.0.0.0/8' },
          { place: 'policy', who: 'sinkhole', verdict: 'answer', reason: 'a rule discards this name' },
        ],
        lists: [
          {
            list: 'c2-feed',
            category: 'c2',
            tier: 'confirmed',
            trigger: 'qname',
            rule: '*.example.com',
            line: 12,
            text: '*.example.com CNAME .',
            who: null,
            reason: 'nothing acts on it',
          },
        ],
        decidedBy: 'sinkhole',
        outcome: 'answered NOERROR by sinkhole',
        fate: 'answered',
        reply: { rcode: 'NOERROR', truncated: false, answers: 1, ede: 4, stale: false },
      };
    },
    reload: async () => ({ ok: true, problems: [] }),
    ready: () => true,
    pluginRoutes: [],
    entrances: [],
    statusSchemas: SUBSCRIBERS_STATUS.schemas,
    featureRoutes: await featureRoutes(loaded.config),
    audit: { record: () => {} },
    cache: cacheWithout(),
  });
});
afterAll(async () => {
  await admin.close();
  await rm(folder, { recursive: true });
});

function listening(server: Server): Promise<Server> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

async function sekisho(
  line: string,
  options: { env?: Record<string, string>; isTerminal?: boolean; columns?: number } = {},
) {
  let out = '';
  let err = '';
  const exitCode = await main(line.split(' ').filter(Boolean), {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    env: options.env ?? {},
    workFolder: folder,
    isTerminal: options.isTerminal ?? false,
    columns: options.columns,
  });
  return { exitCode, out, err };
}

describe('help', () => {
  it.each(['help', '--help', '-h', 'help --json'])('%s lists every command on standard output', async (line) => {
    const { exitCode, out, err } = await sekisho(line);
    expect([exitCode, err]).toEqual([0, '']);
    for (const name of COMMAND_NAMES) expect(out).toContain(`  ${name} `);
    expect(out.split('\n').every((each) => each.length <= 100)).toBe(true);
  });

  it.each(COMMAND_NAMES)('of %s teaches, with either spelling', async (name) => {
    const [asked, help] = [await sekisho(`${name} --help`), await sekisho(`help ${name}`)];
    expect(asked).toEqual(help);
    expect([help.exitCode, help.err]).toEqual([0, '']);
    expect(help.out).toMatch(/Options:\n[\s\S]*--config F[\s\S]*--json[\s\S]*Examples:\n/);
  });

  it('of each verb shows its own options and examples', async () => {
    for (const { name, verbs, examples } of await allCommands()) {
      for (const [verb, { options = {}, arguments: words = '' }] of Object.entries(verbs)) {
        if (verb === '') continue;
        const [asked, help] = [await sekisho(`${name} ${verb} --help`), await sekisho(`help ${name} ${verb}`)];
        expect(asked).toEqual(help);
        expect([help.exitCode, help.err]).toEqual([0, '']);
        expect(help.out.startsWith(`Usage: sekisho ${name} ${verb}${words && ' '}${words}`)).toBe(true);
        for (const option of Object.keys(options)) expect(help.out).toContain(`--${option}`);
        expect(help.out).toMatch(/--config F[\s\S]*--json[\s\S]*Examples:\n {2}# /);
        const own = examples.find(([line]) => line.startsWith(`sekisho ${name} ${verb} `));
        if (own) expect(help.out).toContain(own[0]);
      }
    }
  });

  it('fits a terminal of 80 columns', async () => {
    for (const name of ['help', ...COMMAND_NAMES.map((each) => `${each} --help`)]) {
      const { out } = await sekisho(name, { columns: 80 });
      const examples = out.indexOf('Examples:');
      const prose = examples < 0 ? out : out.slice(0, examples);
      expect(prose.split('\n').filter((line) => line.length > 80)).toEqual([]);
    }
  });

  it('goes to standard error, with exit code 2, where no command is given', async () => {
    const { exitCode, out, err } = await sekisho('');
    expect([exitCode, out]).toEqual([2, '']);
    expect(err).toContain('Usage');
  });

  it('is bold for a person and plain for a pipe', async () => {
    expect((await sekisho('help', { isTerminal: true })).out).toContain('\x1b[1mUsage');
    expect((await sekisho('help')).out).not.toContain('\x1b');
  });

  it('tells the version of package.json', async () => {
    expect((await sekisho('--version')).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('wrong use', () => {
  it.each([
    ['statsu', "unknown command 'statsu'; did you mean 'status'?"],
    ['frobnicate', "unknown command 'frobnicate'"],
    ['--json status', 'a command comes first: sekisho COMMAND --json'],
    ['status --jsn', "sekisho: status: unknown option '--jsn'; did you mean '--json'?"],
    ['status --client 127.0.0.1', "sekisho: status: unknown option '--client'; it takes --config, --json, --help"],
    ['status --config', "sekisho: status: option '-c, --config F' argument missing"],
    ['status now', "unexpected argument 'now'; usage: sekisho status [options]"],
    [
      'explain --client 127.0.0.1',
      "missing required argument 'NAME'; usage: sekisho explain NAME [TYPE] --client IP [options]",
    ],
    ['explain a A B --client 127.0.0.1', "unexpected argument 'B'"],
    ['explain example.com', 'missing required option --client IP'],
    ['help statsu', "did you mean 'status'?"],
    ['lists stats', "did you mean 'status'?"],
    ['lists rollback', "missing required argument 'NAME'; usage: sekisho lists rollback NAME"],
    ['lists rollback c2-feed --approver me', '--reason TEXT missing'],
    ['lists status --override', "unknown option '--override'; it belongs to `sekisho lists reload`"],
    ['export ip54b --format nftables', "unknown command 'ip54b'; did you mean 'ip53b'? it takes ip53b"],
    ['export ip53b', 'missing required option --format F (nftables, iptables, junos, ios-xr)'],
    ['export ip53b --format cisco', "--format takes nftables, iptables, junos, ios-xr, not 'cisco'"],
    ['open-resolver-scan 127.0.0.0/8', 'more than 65536 addresses'],
    ['open-resolver-scan 127.0.0.1/24', 'has bits set beyond /24'],
    ['open-resolver-scan 192.0.2.0/24', "is not inside server.access: only the operator's own ranges are scanned"],
    ['open-resolver-scan 127.0.0.0/30 --rate 5000', "--rate takes a whole number from 1 to 1000, not '5000'"],
    ['sinkhole', 'missing command; it takes add, preview, renew, remove, list, changes'],
    ['sinkhole add', "missing required argument 'NAME'; usage: sekisho sinkhole add NAME"],
    ['sinkhole list victim.example', "sekisho: sinkhole list: unexpected argument 'victim.example'"],
    ['sinkhole frobnicate a.example', 'it takes add, preview, renew, remove, list, changes'],
    [
      'sinkhole remove a.example --subtree',
      "unknown option '--subtree'; it belongs to `sekisho sinkhole add`, `sekisho sinkhole preview`",
    ],
    [
      'sinkhole add a.example --grond necessity',
      "sekisho: sinkhole add: unknown option '--grond'; did you mean '--ground'?",
    ],
    ['report --from 2026-01-01', 'missing required option --to DATE'],
    ['audit', 'missing command; it takes verify, acknowledge'],
    ['audit show', "unknown command 'show'; it takes verify, acknowledge"],
    ['audit verify 12', 'SEQUENCE:HASH'],
    ['diagnose --reason no', '--reason takes a sentence'],
    ['diagnose --window 5', '--window takes a time from 10s to 35d'],
    ['history --window 36d', '--window takes a time from 10s to 35d'],
    ['report', 'missing required option --from DATE and --to DATE'],
    ['report --from 2026-01-01 --to 2026-01-02 --format pdf', "--format takes text, html, json, not 'pdf'"],
    [
      'sinkhole add a.example --evidence --dry-run',
      "--evidence needs a value, TEXT, and '--dry-run' is another option",
    ],
    ['sinkhole --subtree ad a.example', "unknown command 'ad'; did you mean 'add'? it takes add, preview"],
    ['sinkhole add a.example --subtree=yes', "unknown option '--subtree=yes'"],
    ['time accept', 'missing required option --reason TEXT'],
    ['consent opt-out 4711 --purpose spam', "--purpose takes c2, malware-warning, not 'spam'"],
    ['completion bsh', "unknown command 'bsh'; did you mean 'bash', 'zsh'? it takes bash, zsh, fish, powershell"],
    ['history --top 0', '--top takes a whole number from 1 to 300'],
  ])('%j exits with 2 and says why on standard error', async (line, message) => {
    const { exitCode, out, err } = await sekisho(line);
    expect([exitCode, out]).toEqual([2, '']);
    expect(err).toContain(message);
    expect(err).not.toMatch(/\n\s+at /);
  });
});

describe('check', () => {
  it('says which rules of a c2 list cannot act', async () => {
    await writeFile(join(folder, 'feed.rpz'), 'bad.example CNAME .\n24.0.2.0.192.rpz-ip CNAME .\n');
    const list = 'name: feed, category: c2, tier: confirmed, format: rpz, file: feed.rpz';
    await writeFile(join(folder, 'lists.yaml'), `upstream: { servers: ["192.0.2.53"] }\nlists: [{ ${list} }]\n`);
    const { exitCode, err } = await sekisho('check --config lists.yaml');
    expect(exitCode).toBe(0);
    expect(err).toContain(
      "warning: list 'feed': rules that cannot act: rpz-ip 1; lists of category c2 act on names alone",
    );
    const json = await sekisho('check --json --config lists.yaml');
    expect(JSON.parse(json.out).warnings).toContainEqual(expect.stringContaining('rpz-ip 1'));
  });

  it('shows what a right configuration amounts to', async () => {
    const { exitCode, out, err } = await sekisho('check');
    expect([exitCode, err]).toEqual([0, '']);
    expect(out).toMatch(/^\.\/sekisho\.yaml: OK\n/);
    expect(out).toMatch(/^listen +127\.0\.0\.1:5353, \[::1\]:5353 \(UDP and TCP\)$/m);
    expect(out).toMatch(/^upstream +192\.0\.2\.53:53, 192\.0\.2\.54:53$/m);
    expect(out).toMatch(/^access +guard +\S.*\namp-shaper +guard +\S.*\nsinkhole +policy +\S/m);
  });

  it('tells the same to a program', async () => {
    const { exitCode, out } = await sekisho('check --json');
    expect(exitCode).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      ok: true,
      source: './sekisho.yaml',
      listeners: ['127.0.0.1:5353', '[::1]:5353'],
      plugins: [
        { name: 'access', stage: 'guard' },
        { name: 'amp-shaper', stage: 'guard' },
        { name: 'sinkhole', stage: 'policy' },
      ],
    });
  });

  it('reads the static ranges, and warns of each row that would be left out', async () => {
    await writeFile(
      join(folder, 'ranges.yaml'),
      'subscribers: { ranges: ranges.csv, terms: "2026-04", groups: [{ name: "@home", covers: [c2] }] }\n',
    );
    await writeFile(
      join(folder, 'ranges.csv'),
      '192.0.2.1,4711\n192.0.2.2,4712\n192.0.2.1,4713\nhere,4714\n192.0.2.64/26,@homes\n198.51.100.0/24,@home\n',
    );
    const { exitCode, out, err } = await sekisho('check --config ranges.yaml');
    expect(exitCode).toBe(0);
    expect(out).toContain(`ranges    2 rows of ${join(folder, 'ranges.csv')}\n`);
    expect(err.split('\n').map((line) => line.replace(folder, ''))).toEqual([
      'warning: /ranges.csv:3: claimed for somebody else by another row',
      'warning: /ranges.csv:4: no address or network',
      'warning: /ranges.csv:5: contract group is not in subscribers.groups',
      'warning: /ranges.csv: 4 rows skipped in total',
      '',
    ]);
    const json = await sekisho('check --config ranges.yaml --json');
    expect(JSON.parse(json.out).ranges).toMatchObject({ rows: 2, rejected: 4, findings: [{ line: 3 }, {}, {}] });
  });

  it('names every problem, with exit code 1', async () => {
    await writeFile(join(folder, 'bad.yaml'), 'cahce: {}\nserver: { workers: 0 }\nplugins: { nothing: {} }\n');
    const { exitCode, out, err } = await sekisho('check --config bad.yaml');
    expect([exitCode, out]).toEqual([1, '']);
    expect(err.split('\n')).toEqual([
      "bad.yaml:1:1: cahce: unknown key; did you mean 'cache'?",
      'bad.yaml:2:20: server.workers: must be at least 1, found 0',
      expect.stringMatching(/^bad\.yaml:3:12: plugins\.nothing: /),
      'bad.yaml: 3 problems',
      '',
    ]);
    const json = await sekisho('check --config bad.yaml --json');
    expect([json.exitCode, JSON.parse(json.out).ok, JSON.parse(json.out).problems[1]]).toEqual([
      1,
      false,
      { file: 'bad.yaml', line: 2, column: 20, path: 'server.workers', message: 'must be at least 1, found 0' },
    ]);
  });
});

describe('status', () => {
  it('lays the state out for people', async () => {
    const { exitCode, out } = await sekisho('status');
    expect(exitCode).toBe(0);
    expect(out).toBe(`Sekisho 0.1.0 · ready · up 1d 2h · process 4711 · Node.js 20.19.0

configuration  ./sekisho.yaml, in force since 2026-01-01T00:00:00.000Z
queries        1 234 567 (UDP 97.2 %, TCP 2.8 %), 12 dropped, 3 456 more shed unread
replies        NOERROR 20, NXDOMAIN 5
cache          12 345 answers, 1.5 MiB of 256 MiB; 90.0 % hits, 0.0 % stale
warning        sekisho.yaml:1:1: server.access[0]: allows everyone

LISTENER    TRANSPORTS  PACKETS
[::1]:5353  udp, tcp    batched

UPSTREAM       STATE    RTT      QUERIES  FAILURES  TLS  TRUSTED
192.0.2.53:53  up       12.3 ms    1 000         2  no   yes
192.0.2.54:53  unknown  –              0         0  no   no

WORKER  STATE    UP     QUERIES  REPLACED
0       running  59s  1 234 567         1

PLUGIN    STAGE   COST   ERRORS
access    guard   42 ns       0
sinkhole  policy  –           0
`);
  });

  it('hands the state to a program as it is', async () => {
    expect(JSON.parse((await sekisho('status --json')).out)).toEqual(status);
  });
});

describe('explain', () => {
  it('marks who decides', async () => {
    asked.length = 0;
    const { exitCode, out } = await sekisho('explain Example.com aaaa --client 127.0.0.1');
    expect(exitCode).toBe(0);
    expect(asked).toEqual([{ name: 'example.com', type: 28, client: '127.0.0.1', listener: 0 }]);
    expect(out).toBe(`example.com AAAA from 127.0.0.1

   WHERE   WHO       VERDICT   WHY
   guard   access    continue  inside 127.0.0.0/8
→  policy  sinkhole  answer    a rule discards this name

LIST     CATEGORY       TRIGGER  RULE           LINE  WHY
c2-feed  c2, confirmed  qname    *.example.com  12    nothing acts on it

sinkhole decides: answered NOERROR by sinkhole
`);
  });

  it.each([
    ['explain a..b --client 127.0.0.1', /name: has an empty label/],
    ['explain a.example NOTYPE --client 127.0.0.1', /type: 'NOTYPE' is not a record type/],
    ['explain a.example --client nobody', /client:/],
  ])('%s is wrong use', async (line, message) => {
    const { exitCode, err } = await sekisho(line);
    expect(exitCode).toBe(2);
    expect(err).toMatch(message);
  });
});

describe('export ip53b', () => {
  it('prints the filter of the configuration in force', async () => {
    const { exitCode, out } = await sekisho('export ip53b --format nftables');
    expect(exitCode).toBe(0);
    expect(out).toContain('table inet sekisho_ip53b {');
    const json = JSON.parse((await sekisho('export ip53b --format ios-xr --json')).out) as Record<string, string>;
    expect(json['format']).toBe('ios-xr');
    expect(json['text']).toMatch(/^! IP53B/);
  });
});

describe('what the server is not configured for', () => {
  it.each([
    ['history --reason slow-answers-in-tokyo', 'query-history'],
    ['diagnose --reason slow-answers-in-tokyo', 'query-history'],
    ['diagnose --apply 1 --ground emergency', 'query-history'],
    ['sinkhole list', 'sinkhole'],
    ['sinkhole add bad.example --ground emergency', 'sinkhole'],
    ['sinkhole remove bad.example', 'sinkhole'],
  ])('%s says which lines bring the plugin', async (line, plugin) => {
    const { exitCode, out, err } = await sekisho(line);
    expect([exitCode, out]).toEqual([1, '']);
    expect(err).toMatch(
      new RegExp(
        `^sekisho: the plugin ${plugin} is not configured; add \`${plugin}: \\{\\}\` below plugins in the configuration, and reload\n  .*\`sekisho reload\`.* \\(SEKISHO_PLUGIN_NOT_CONFIGURED\\)\n$`,
      ),
    );
    const json = JSON.parse((await sekisho(`${line} --json`)).err);
    expect(json.error).toMatchObject({
      code: 'SEKISHO_PLUGIN_NOT_CONFIGURED',
      remedy: expect.stringContaining('reload'),
    });
  });

  it.each(['consent show 4711 --reason asked-on-the-phone', 'consent verify'])(
    '%s says which lines bring subscribers',
    async (line) => {
      const { exitCode, err } = await sekisho(line);
      expect(exitCode).toBe(1);
      expect(err).toContain(
        'the section subscribers is not configured; add `subscribers: { ranges: ./subscribers.csv,',
      );
      expect(err).toContain('(SEKISHO_NO_SUBSCRIBERS)');
    },
  );

  it('says which lines bring a list, where there is none', async () => {
    for (const line of [
      'lists status feed',
      'lists rollback feed --approver a-colleague --reason broken-by-the-source',
    ]) {
      const { exitCode, err } = await sekisho(line);
      expect([line, exitCode]).toEqual([line, 1]);
      expect(err).toContain("there is no list 'feed'; no list is configured; add `lists: [{");
    }
    for (const line of ['lists', 'lists reload'])
      expect((await sekisho(line)).out).toContain('no list is configured; add `lists: [{');
  });
});

describe('without a server or a token', () => {
  const elsewhere = async (name: string, port: number) => {
    await writeFile(join(folder, name), `server: { data: ./none }\nadmin: { listen: "127.0.0.1:${port}" }\n`);
    return `status --config ${name}`;
  };

  it('says that no server runs before it asks for a token', async () => {
    const probe = await listening(createServer());
    const { port } = probe.address() as AddressInfo;
    await new Promise((resolve) => probe.close(resolve));
    const { exitCode, out, err } = await sekisho(await elsewhere('gone.yaml', port));
    expect([exitCode, out]).toEqual([1, '']);
    expect(err).toContain(`no running server answers at 127.0.0.1:${port} (admin.listen): ECONNREFUSED`);
    expect(err).toContain('sekisho run');
    const json = await sekisho(`${await elsewhere('gone.yaml', port)} --json`);
    expect(JSON.parse(json.err).error.code).toBe('SEKISHO_SERVER_UNREACHABLE');
  });

  it('says which token file cannot be read, and takes SEKISHO_TOKEN instead', async () => {
    const line = await elsewhere('other.yaml', admin.port);
    const { exitCode, err } = await sekisho(line);
    expect(exitCode).toBe(1);
    expect(err).toContain(`cannot read the token in ${join(folder, 'none/admin.token')}: no such file`);
    expect(err).toContain('SEKISHO_TOKEN');
    const token = await readAdminToken(join(folder, 'data'));
    expect((await sekisho(line, { env: { SEKISHO_TOKEN: `${token}\n` } })).exitCode).toBe(0);
    const wrong = await sekisho(line, { env: { SEKISHO_TOKEN: 'wrong' } });
    expect([wrong.exitCode, wrong.err]).toEqual([1, expect.stringContaining('SEKISHO_TOKEN_MISSING')]);
  });

  it('says so where something else answers', async () => {
    const other = await listening(createServer((_request, response) => response.end('<html>')));
    const line = await elsewhere('foreign.yaml', (other.address() as AddressInfo).port);
    const { exitCode, err } = await sekisho(line, { env: { SEKISHO_TOKEN: 'x' } });
    expect([exitCode, err]).toEqual([1, expect.stringContaining("is not Sekisho's admin API (HTTP 200)")]);
    other.closeAllConnections();
    await new Promise((resolve) => other.close(resolve));
  });

  it('says so where the token file is none', async () => {
    await mkdir(join(folder, 'odd/admin.token'), { recursive: true });
    await writeFile(
      join(folder, 'odd.yaml'),
      `server: { data: ./odd }\nadmin: { listen: "127.0.0.1:${admin.port}" }\n`,
    );
    const { exitCode, err } = await sekisho('status --config odd.yaml');
    expect([exitCode, err]).toEqual([1, expect.stringContaining('EISDIR')]);
  });
});
