/** Zones that go another way, special-use names, the cache's commands and what explain says of them: beside real peers. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { ExplainResult } from '../../src/admin/status.ts';
import { ensurePackages } from '../support/debian.ts';
import { askTcp, askUdp, dataOf, type Reply } from '../support/dns-client.ts';
import { sekisho } from '../support/field.ts';
import { type DnsServer, startNsd } from '../support/nsd.ts';
import { stoppedAfterwards } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { answerTo, honest, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';
import { startUnbound } from '../support/unbound.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 });
const missing = ensurePackages(['nsd', 'unbound']);

const ZONE = `$ORIGIN printers.isp.example.
$TTL 300
@ SOA ns hostmaster 1 3600 1200 604800 60
@ NS ns
ns A 192.0.2.53
p1 A 192.0.2.81
p1 AAAA 2001:db8::81
p1 TXT "third floor" "left"
two A 192.0.2.82
two A 192.0.2.83
alias CNAME p1
twice CNAME alias
away CNAME www.general.test.
deep.er.still A 192.0.2.84
*.any A 192.0.2.85
named.any TXT "here"
*.alias-any CNAME p1
mail MX 10 p1
_ipp._tcp SRV 0 0 631 p1
`;

const keep = stoppedAfterwards();
let general: ScriptedUpstream;
let corp: ScriptedUpstream;
let server: SekishoServer;
let nsd: DnsServer;
const asking = () => ({ port: server.port });
const command = (...args: string[]) => sekisho([...args, '--config', server.configFile]);
const explain = async (name: string, type = 'A'): Promise<ExplainResult> => {
  const { stdout, stderr } = await command('explain', name, type, '--client', '127.0.0.1', '--json');
  expect(stderr).toBe('');
  return JSON.parse(stdout);
};
const namesAt = (upstream: ScriptedUpstream) => upstream.queries.map(({ name, type }) => `${name} ${type}`);

beforeAll(async () => {
  expect([...missing]).toEqual([]);
  const folder = temporaryFolder('zones');
  writeFileSync(join(folder, 'local.zone'), ZONE);
  general = keep(await startScriptedUpstream(honest('192.0.2.1')));
  corp = keep(await startScriptedUpstream(honest('192.0.2.2')));
  nsd = keep(await startNsd({ zones: [{ name: 'printers.isp.example', text: ZONE }] }));
  server = keep(
    await startSekisho({
      config: {
        upstream: { servers: [`127.0.0.1:${general.port}`] },
        cache: { size: '4MiB' },
        zones: [
          { zone: 'corp.example', forward: [`127.0.0.1:${corp.port}`] },
          { zone: 'public.corp.example', forward: [`127.0.0.1:${general.port}`] },
          { zone: 'printers.isp.example', records: join(folder, 'local.zone') },
        ],
      },
    }),
  );
});

describe('zones with servers of their own', () => {
  it('are asked of these and of nobody else; the closest zone counts', async () => {
    const told = async (name: string) => dataOf((await askUdp({ name }, asking())).answers, 'A')[0];
    expect(await told('a.corp.example')).toBe('192.0.2.2');
    expect(await told('corp.example')).toBe('192.0.2.2');
    expect(await told('a.public.corp.example')).toBe('192.0.2.1');
    expect(await told('xcorp.example')).toBe('192.0.2.1');
    expect(namesAt(corp)).toEqual(['a.corp.example A', 'corp.example A']);
    expect(namesAt(general)).toEqual(['a.public.corp.example A', 'xcorp.example A']);
  });

  it('are explained with their servers', async () => {
    const { steps, fate } = await explain('b.corp.example');
    expect(fate).toBe('asked');
    expect(steps).toContainEqual({
      place: 'source',
      who: 'zone corp.example',
      verdict: 'continue',
      reason: `forwarded to one of 127.0.0.1:${corp.port}`,
    });
    expect(namesAt(corp)).not.toContain('b.corp.example A');
  });

  it('fail alone: others are answered, and explain knows the failure and then the dead servers', async () => {
    corp.script = (query) => query.send(answerTo(query, { rcode: 2 }));
    expect((await askUdp({ name: 'fails.corp.example' }, asking())).rcode).toBe(2);
    const remembered = await explain('fails.corp.example');
    expect(remembered).toMatchObject({ decidedBy: 'failures', fate: 'answered', reply: { rcode: 'SERVFAIL' } });
    expect(dataOf((await askUdp({ name: 'well.test' }, asking())).answers, 'A')).toEqual(['192.0.2.1']);
    corp.down = true;
    // Until probes have found that out.
    for (let i = 0, dead = false; !dead; i++) {
      expect(i).toBeLessThan(40);
      await askUdp({ name: `n${i}.corp.example` }, { ...asking(), timeoutMs: 6000 });
      dead = (await explain('new.corp.example')).fate === 'answered';
    }
    expect(await explain('new.corp.example')).toMatchObject({
      decidedBy: 'zone corp.example',
      reply: { rcode: 'SERVFAIL' },
    });
    const reply = await askUdp({ name: 'new.corp.example' }, asking());
    expect(reply.rcode).toBe(2);
    corp.down = false;
    corp.script = honest('192.0.2.2');
  });
});

describe('records of a zone file', () => {
  const NAMES = [
    '',
    'ns.',
    'p1.',
    'P1.',
    'two.',
    'alias.',
    'twice.',
    'none.',
    'still.',
    'er.still.',
    'deep.er.still.',
    'x.er.still.',
    'any.',
    'a.any.',
    'b.a.any.',
    'named.any.',
    'x.named.any.',
    'a.alias-any.',
    'mail.',
    '_ipp._tcp.',
    '_tcp.',
    'x._tcp.',
  ];
  const TYPES = ['A', 'AAAA', 'TXT', 'MX', 'SRV', 'NS', 'SOA', 'CNAME', 'HTTPS'];

  it('are answered as NSD answers them from the same file', async () => {
    general.queries.length = 0;
    for (const prefix of NAMES) {
      for (const type of TYPES) {
        const name = `${prefix}printers.isp.example`;
        const ask = { name, type: type === 'HTTPS' ? 'UNKNOWN_65' : type };
        const [ours, theirs] = await Promise.all([askTcp(ask, asking()), askTcp(ask, { port: nsd.port })]);
        expect(essence(ours), `${name} ${type}`).toEqual(essence(theirs));
      }
    }
    expect(namesAt(general)).toEqual([]);
  });

  it('an alias that leads away is completed by the way of its target', async () => {
    const reply = await askUdp({ name: 'away.printers.isp.example' }, asking());
    expect([dataOf(reply.answers, 'CNAME'), dataOf(reply.answers, 'A')]).toEqual([['www.general.test'], ['192.0.2.1']]);
    expect(namesAt(general)).toContain('www.general.test A');
  });

  it('are not counted as misses of the cache, and explained', async () => {
    expect(await explain('p1.printers.isp.example')).toMatchObject({
      decidedBy: 'zones',
      fate: 'answered',
      reply: { rcode: 'NOERROR', answers: 1 },
    });
  });

  /** What both say: what is in the answer, whether it is there at all, and which SOA says so. */
  function essence({ rcode, aa, tc, answers, authorities }: Reply) {
    const record = (one: Reply['answers'][number]) => [
      one.name.toLowerCase(),
      one.type,
      'ttl' in one ? one.ttl : 0,
      JSON.stringify('data' in one ? one.data : ''),
    ];
    return {
      rcode,
      aa,
      tc,
      answers: answers.map(record).sort(),
      // NSD adds name servers to positive answers.
      soa: authorities.filter(({ type }) => type === 'SOA').map(record),
    };
  }
});

describe('special-use names', () => {
  it('are answered as unbound answers them, and asked of nobody', async () => {
    const unbound = keep(await startUnbound({ upstreamPort: general.port, probeName: 'probe.test' }));
    general.queries.length = 0;
    const names = [
      ['localhost', 'A'],
      ['localhost', 'AAAA'],
      ['x.invalid', 'A'],
      ['x.onion', 'A'],
      ['x.home.arpa', 'A'],
      ['1.0.0.127.in-addr.arpa', 'PTR'],
      ['1.1.168.192.in-addr.arpa', 'PTR'],
      ['1.0.16.172.in-addr.arpa', 'PTR'],
      ['4.3.2.10.in-addr.arpa', 'PTR'],
      ['1.2.0.192.in-addr.arpa', 'PTR'],
      ['1.0.254.169.in-addr.arpa', 'PTR'],
      [`${'1.'.repeat(28)}0.8.e.f.ip6.arpa`, 'PTR'],
      [`${'1.'.repeat(30)}d.f.ip6.arpa`, 'PTR'],
    ] as const;
    for (const [name, type] of names) {
      const [ours, theirs] = await Promise.all([
        askUdp({ name, type }, asking()),
        askUdp({ name, type }, { port: unbound.port }),
      ]);
      const data = (reply: Reply) => reply.answers.map((one) => ('data' in one ? String(one.data) : ''));
      expect([name, ours.rcode, data(ours)]).toEqual([name, theirs.rcode, data(theirs)]);
    }
    expect(namesAt(general)).toEqual([]);
    // RFC 9462 §4.
    const ddr = await askUdp({ name: '_dns.resolver.arpa', type: 'UNKNOWN_64' }, asking());
    expect([ddr.rcode, ddr.answers.length]).toEqual([0, 0]);
    // `test` and `local` are forwarded, and so is what only the parent can prove.
    for (const [name, type] of [
      ['www.test', 'A'],
      ['printer.local', 'A'],
      ['home.arpa', 'DS'],
    ] as const)
      await askUdp({ name, type }, asking());
    expect(namesAt(general)).toEqual(['www.test A', 'printer.local A', 'home.arpa DS']);
  });
});

describe('a reload', () => {
  it('switches names on and off, and forgets what the cache held of a zone that goes another way', async () => {
    const before = readFileSync(server.configFile, 'utf8');
    expect(dataOf((await askUdp({ name: 'w.moved.example' }, asking())).answers, 'A')).toEqual(['192.0.2.1']);
    expect((await askUdp({ name: 'w.onion' }, asking())).rcode).toBe(3);
    const zones = `zones:\n  - zone: moved.example\n    forward: ["127.0.0.1:${corp.port}"]\n`;
    writeFileSync(server.configFile, `${before.replace('zones:\n', zones)}special-use: { onion: false, test: true }\n`);
    const { code, stdout } = await command('reload');
    expect([code, stdout]).toEqual([0, 'The new configuration is in force.\n']);
    expect(dataOf((await askUdp({ name: 'w.moved.example' }, asking())).answers, 'A')).toEqual(['192.0.2.2']);
    expect(dataOf((await askUdp({ name: 'w.onion' }, asking())).answers, 'A')).toEqual(['192.0.2.1']);
    expect((await askUdp({ name: 'www.test' }, asking())).rcode).toBe(3);

    writeFileSync(server.configFile, `${before}zonse: []\n`);
    const refused = await command('reload');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/zonse: unknown key; did you mean 'zones'\?/);
    expect((await askUdp({ name: 'www.test' }, asking())).rcode).toBe(3);

    writeFileSync(server.configFile, before);
    expect((await command('reload')).code).toBe(0);
    expect(dataOf((await askUdp({ name: 'w.moved.example' }, asking())).answers, 'A')).toEqual(['192.0.2.1']);
  });
});

describe('sekisho cache', () => {
  it('flushes a name, a type, a subtree, in every worker', async () => {
    const names = ['flush.test', 'a.flush.test', 'b.a.flush.test', 'noflush.test'];
    const fill = async () => {
      for (const name of names) for (const type of ['A', 'AAAA']) await askUdp({ name, type }, asking());
      general.queries.length = 0;
    };
    const askedAnew = async () => {
      general.queries.length = 0;
      for (const name of names) for (const type of ['A', 'AAAA']) await askUdp({ name, type }, asking());
      return namesAt(general);
    };
    await fill();
    expect((await command('cache', 'flush', 'a.flush.test')).stdout).toBe('2 answers removed for a.flush.test\n');
    expect(await askedAnew()).toEqual(['a.flush.test A', 'a.flush.test AAAA']);
    expect((await command('cache', 'flush', 'flush.test', '--subtree', '--type', 'AAAA')).stdout).toBe(
      '3 answers removed for flush.test and all below it, type AAAA\n',
    );
    expect(await askedAnew()).toEqual(['flush.test AAAA', 'a.flush.test AAAA', 'b.a.flush.test AAAA']);
    const stats = JSON.parse((await command('cache', 'stats', '--json')).stdout);
    expect(stats).toMatchObject({ sizeBytes: 4 * 2 ** 20, evictions: 0 });
    expect(stats.entries).toBeGreaterThanOrEqual(8);
    expect(stats.hits).toBeGreaterThan(0);
    expect((await command('cache', 'flush', '.', '--subtree')).code).toBe(0);
    expect(JSON.parse((await command('cache', 'stats', '--json')).stdout).entries).toBe(0);
    expect(await askedAnew()).toHaveLength(8);
    for (const wrong of [
      ['flush'],
      ['flush', 'a..b'],
      ['empty'],
      ['stats', 'x'],
      ['flush', 'a.example', '--type', 'NOTYPE'],
    ])
      expect((await command('cache', ...wrong)).code).toBeGreaterThan(0);
  });
});
