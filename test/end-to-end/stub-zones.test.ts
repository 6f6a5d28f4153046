/** Stub zones: authoritative servers (NSD, BIND, Knot) asked without recursion, and what is not believed of them. */
import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { ExplainResult } from '../../src/admin/status.ts';
import { startBind } from '../support/bind.ts';
import { ensurePackages } from '../support/debian.ts';
import { askTcp, askUdp, dataOf, type Reply } from '../support/dns-client.ts';
import { sekisho } from '../support/field.ts';
import { startKnotd } from '../support/knot.ts';
import { type DnsServer, startNsd, zoneText } from '../support/nsd.ts';
import { stoppedAfterwards } from '../support/observe.ts';
import { answerTo, honest, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });
const missing = ensurePackages(['nsd', 'named', 'knotd']);
const keep = stoppedAfterwards();
const [OTHER, NO_REACHABLE_AUTHORITY] = [0, 22];
const RECORDS = `www 300 A 192.0.2.80
www 300 A 192.0.2.81
www 300 AAAA 2001:db8::80
alias 300 CNAME www
out 300 CNAME www.elsewhere.test.
gone 300 CNAME none.elsewhere.test.
*.wild 300 TXT "wild"
deep.er.still 300 A 192.0.2.84
mail 300 MX 10 www
sub NS ns.sub
ns.sub A 192.0.2.99
`;
const AUTHORITIES = ['nsd', 'bind', 'knot'] as const;

let upstream: ScriptedUpstream;
let authority: ScriptedUpstream;
let servers: Record<(typeof AUTHORITIES)[number], DnsServer>;
let server: SekishoServer;
const ask = (name: string, type = 'A') => askUdp({ name, type, udpSize: 1232 }, { port: server.port });
const explain = async (name: string): Promise<ExplainResult> =>
  JSON.parse(
    (await sekisho(['explain', name, '--client', '127.0.0.1', '--json', '--config', server.configFile])).stdout,
  );

beforeAll(async () => {
  expect([...missing]).toEqual([]);
  upstream = keep(
    await startScriptedUpstream((query) =>
      query.name === 'none.elsewhere.test' ? query.send(answerTo(query, { rcode: 3 })) : honest('192.0.2.1')(query),
    ),
  );
  authority = keep(await startScriptedUpstream(honest('192.0.2.66')));
  const zone = (name: string) => ({ name, text: zoneText(name, RECORDS) });
  // The same server is an authority for the other zone as well, and would answer for it.
  const elsewhere = { name: 'elsewhere.test', text: zoneText('elsewhere.test', 'www A 192.0.2.66\n') };
  servers = {
    nsd: keep(await startNsd({ zones: [zone('nsd.test'), elsewhere] })),
    bind: keep(await startBind({ zones: [zone('bind.test'), elsewhere] })),
    knot: keep(await startKnotd([zone('knot.test'), elsewhere])),
  };
  const stub = (name: string, port: number) => ({ zone: name, stub: [`127.0.0.1:${port}`] });
  server = keep(
    await startSekisho({
      config: {
        upstream: { servers: [`127.0.0.1:${upstream.port}`] },
        cache: { size: '1MiB' },
        plugins: { access: {}, 'amp-shaper': false },
        zones: [
          ...AUTHORITIES.map((name) => stub(`${name}.test`, servers[name].port)),
          stub('scripted.test', authority.port),
          stub('refused.test', servers.nsd.port),
          { zone: 'two.test', stub: [`127.0.0.1:${servers.bind.port}`, `127.0.0.1:${authority.port}`] },
        ],
      },
    }),
  );
});

/** What both say: rcode, answers, and the SOA of a negative answer. */
function essence({ rcode, answers, authorities }: Reply) {
  const record = (one: Reply['answers'][number]) => [
    one.name.toLowerCase(),
    one.type,
    'ttl' in one ? one.ttl : 0,
    JSON.stringify('data' in one ? one.data : ''),
  ];
  const soa = authorities.filter(({ type }) => type === 'SOA').map((one) => [one.name.toLowerCase(), one.type]);
  return { rcode, answers: answers.map(record).sort(), soa: answers.length > 0 ? [] : soa };
}

describe.each(AUTHORITIES)('%s as the authority', (kind) => {
  it('is answered as the authority answers, over UDP and TCP, and from the cache', async () => {
    for (const [name, type] of [
      ['www', 'A'],
      ['www', 'AAAA'],
      ['WWW', 'A'],
      ['www', 'TXT'],
      ['alias', 'A'],
      ['alias', 'CNAME'],
      ['a.wild', 'TXT'],
      ['er.still', 'A'],
      ['none', 'A'],
      ['mail', 'MX'],
    ] as const)
      for (const transport of [askUdp, askTcp]) {
        const question = { name: `${name}.${kind}.test`, type };
        const theirs = await askTcp({ ...question, rd: false }, { port: servers[kind].port });
        const ours = await transport(question, { port: server.port });
        // TTLs of what the cache holds count down.
        const cut = (reply: Reply) => JSON.parse(JSON.stringify(essence(reply)).replaceAll(/,(?:300|29\d),/g, ',300,'));
        expect(cut(ours), `${name} ${type}`).toEqual(cut(theirs));
        expect([ours.aa, ours.ra]).toEqual([false, true]);
      }
  });

  it('an alias that leads out of the zone is completed by the way of its target, whatever the authority says of that', async () => {
    const reply = await ask(`out.${kind}.test`);
    expect([dataOf(reply.answers, 'CNAME'), dataOf(reply.answers, 'A')]).toEqual([
      ['www.elsewhere.test'],
      ['192.0.2.1'],
    ]);
    const gone = await ask(`gone.${kind}.test`);
    expect([gone.rcode, dataOf(gone.answers, 'CNAME')]).toEqual([3, ['none.elsewhere.test']]);
  });

  it('a delegation below it is SERVFAIL with a reason', async () => {
    const reply = await ask(`www.sub.${kind}.test`);
    expect([reply.rcode, reply.extendedErrors]).toEqual([2, [OTHER]]);
    expect(reply.bytes.toString('latin1')).toContain('delegated to servers that are not configured for it');
  });
});

it('goes out without recursion desired; what comes without authority is lame, and the next server is asked', async () => {
  const lame = await ask('www.scripted.test');
  expect(authority.queries.map(({ rd }) => rd)).toEqual([false]);
  expect([lame.rcode, lame.extendedErrors]).toEqual([2, [NO_REACHABLE_AUTHORITY]]);
  expect(lame.bytes.toString('latin1')).toContain('do not answer with authority');
  const refused = await ask('www.refused.test');
  expect([refused.rcode, refused.extendedErrors]).toEqual([2, [NO_REACHABLE_AUTHORITY]]);
  const aa = (bytes: Buffer) => Buffer.from(bytes.map((byte, i) => (i === 2 ? byte | 0x04 : byte)));
  authority.script = (query) =>
    query.send(aa(answerTo(query, { answers: [{ type: 'A', name: query.spelling, ttl: 300, data: '192.0.2.66' }] })));
  // BIND refuses: it is no authority for this one.
  for (const name of ['a.two.test', 'b.two.test', 'c.two.test'])
    expect(dataOf((await ask(name)).answers, 'A'), name).toEqual(['192.0.2.66']);
});

it('an answer of its own is kept for its TTL and asked for once', async () => {
  authority.queries.length = 0;
  for (let i = 0; i < 3; i++) expect(dataOf((await ask('kept.scripted.test')).answers, 'A')).toEqual(['192.0.2.66']);
  expect(authority.queries).toHaveLength(1);
});

it('so is an alias that leads out of the zone, and each time its target is what the other way says now', async () => {
  const aa = (bytes: Buffer) => Buffer.from(bytes.map((byte, i) => (i === 2 ? byte | 0x04 : byte)));
  const { script } = authority;
  authority.script = (query) =>
    query.send(
      aa(
        answerTo(query, {
          answers: [
            { type: 'CNAME', name: query.spelling, ttl: 300, data: 'moving.elsewhere.test' },
            // Not its own to say.
            { type: 'A', name: 'moving.elsewhere.test', ttl: 300, data: '192.0.2.66' },
          ],
        }),
      ),
    );
  authority.queries.length = 0;
  for (const address of ['192.0.2.1', '192.0.2.2']) {
    upstream.script = honest(address, 1);
    // The target's own TTL has passed; the alias's has not.
    await vi.waitFor(
      async () => {
        const reply = await ask('alias.scripted.test');
        expect(dataOf(reply.answers, 'CNAME')).toEqual(['moving.elsewhere.test']);
        expect(dataOf(reply.answers, 'A')).toEqual([address]);
      },
      { timeout: 20_000, interval: 300 },
    );
  }
  expect(authority.queries).toHaveLength(1);
  authority.script = script;
});

it('explain, status and check name it', async () => {
  const { steps } = await explain('new.scripted.test');
  expect(steps.at(-1)).toMatchObject({
    place: 'source',
    who: 'zone scripted.test',
    reason: `asked, without recursion, of one of 127.0.0.1:${authority.port}`,
  });
  const check = await sekisho(['check', '--config', server.configFile]);
  expect(check.stdout).toContain(`scripted.test → 127.0.0.1:${authority.port} (authoritative)`);
  const status = await sekisho(['status', '--config', server.configFile]);
  expect(status.stdout).toContain(`127.0.0.1:${authority.port} (zone scripted.test)`);
});
