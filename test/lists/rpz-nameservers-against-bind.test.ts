/**
 * Rules on name servers (RPZ-NSDNAME, RPZ-NSIP) before BIND and before the whole server, in a world that both see:
 *
 *                    nsd: root ─▶ nsd: example ─▶ nsd: zN.example, host.example, …
 *                      ▲ iterate                    ▲
 *     BIND with the policy zones                   BIND without ◀─ forwards ─ Sekisho with the same policy zones
 *
 * The resolver behind Sekisho answers in full (`minimal-responses no`), so that NS records and addresses come with the
 * answer. Policies and sites are random, made from a fixed seed. All authorities listen on one port, on addresses of their
 * own in 127.53.0.0/16, and BIND asks every authority on that port.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { startBind } from '../support/bind.ts';
import { NEXT_REVIEW } from '../support/dates.ts';
import { findProgram } from '../support/debian.ts';
import { freePort } from '../support/free-port.ts';
import { type DnsServer, startNsd, type Zone } from '../support/nsd.ts';
import { scrape, stoppedAfterwards } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';
import { type Asked, answerFrom, answersFrom, text } from './policy-answers.ts';

const SITES = 60;

let seed = 20_261_125;
function random(below: number): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return Math.floor((seed / 2 ** 32) * below);
}

// ── the world ─────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Server {
  readonly name: string;
  readonly address: string;
}
interface Delegated {
  readonly apex: string;
  readonly servers: readonly Server[];
  readonly records: readonly string[];
}

const ROOT: Server = { name: 'a.root', address: '127.53.0.1' };
const TLD: Server = { name: 'ns.nic.example', address: '127.53.0.2' };

/** One server of its own, two, one at a hoster, or one of each: a quarter of the sites has each. */
function site(n: number): Delegated {
  const own = { name: `ns.z${n}.example`, address: `127.53.2.${n}` };
  const other = { name: `alt.z${n}.example`, address: `127.53.1.${n}` };
  const hosted = { name: `ns${n}.host.example`, address: `127.53.1.${n}` };
  const servers = [[own], [own, other], [hosted], [own, hosted]][n % 4] ?? [];
  return {
    apex: `z${n}.example`,
    servers,
    records: [`@ A 198.51.100.${n}`, `www A 198.51.100.${n}`, 'www TXT "true"', '*.deep A 192.0.2.9'],
  };
}

const one = (apex: string, address: string, ...records: string[]): Delegated => ({
  apex,
  servers: [{ name: `ns.${apex}`, address }],
  records,
});
const SITE = Array.from({ length: SITES }, (_, n) => site(n));
const HOST = one('host.example', '127.53.3.1');
const GARDEN = one('garden.example', '127.53.3.2', '@ A 203.0.113.250', '*.walled A 203.0.113.251');
const ABOVE = one('above.example', '127.53.3.3', 'www A 192.0.2.10');
const BELOW = one('sub.above.example', '127.53.3.4', 'www A 192.0.2.11');
const FIRST = one('first.example', '127.53.3.5', 'www A 192.0.2.12', 'alias CNAME www.second.example.');
const SECOND = one('second.example', '127.53.3.6', 'www A 192.0.2.13');
const NEGATIVE = one('negative.example', '127.53.3.7', 'www A 192.0.2.15', 'txt TXT "true"');
/** Two servers each, of which rules name both. */
const pair = (apex: string, address: number, records: string[]): Delegated => ({
  apex,
  servers: ['a', 'b'].map((host, i) => ({ name: `${host}.${apex}`, address: `127.53.3.${address + i}` })),
  records,
});
const NAMED = pair('named.example', 8, ['www A 192.0.2.16']);
const MIXED = pair('mixed.example', 10, ['www A 192.0.2.17']);
const CHILDREN = [...SITE, HOST, GARDEN, ABOVE, FIRST, SECOND, NEGATIVE, NAMED, MIXED];
const ALL = [...CHILDREN, BELOW];

/** What `example` holds of it: all servers' names lie below, so that their addresses stand beside. */
function delegation({ apex, servers }: Delegated): string[] {
  return servers.flatMap(({ name, address }) => [`${apex}. NS ${name}.`, `${name}. A ${address}`]);
}

function zone(apex: string, servers: readonly Server[], records: readonly string[]): Zone {
  const lines = [
    `$ORIGIN ${apex === '.' ? '.' : `${apex}.`}`,
    '$TTL 86400',
    '@ SOA ns.test. admin.test. 1 60 60 3600 30',
  ];
  for (const { name } of servers) lines.push(`@ NS ${name}.`);
  return { name: apex, text: `${[...lines, ...records].join('\n')}\n` };
}

/** The address records of servers whose names lie in the zone. */
const serversIn = (apex: string): string[] =>
  ALL.flatMap(({ servers }) => servers)
    .filter(({ name }) => name.endsWith(`.${apex}`))
    .map(({ name, address }) => `${name}. A ${address}`);

const ROOT_ZONE = zone(
  '.',
  [ROOT],
  [`${ROOT.name}. A ${ROOT.address}`, `example. NS ${TLD.name}.`, `${TLD.name}. A ${TLD.address}`],
);
const TLD_ZONE = zone(
  'example',
  [TLD],
  [`${TLD.name}. A ${TLD.address}`, 'direct A 192.0.2.14', ...CHILDREN.flatMap(delegation)],
);
const LEAVES = ALL.map((leaf) =>
  zone(leaf.apex, leaf.servers, [
    ...leaf.records,
    ...serversIn(leaf.apex),
    ...(leaf === ABOVE ? [`${BELOW.apex}. NS ns.${BELOW.apex}.`] : []),
  ]),
);

// ── policy ────────────────────────────────────────────────────────────────────────────────────────────────────────────

const OWNERS = [
  (n: number) => `ns.z${n}.example.rpz-nsdname`,
  (n: number) => `alt.z${n}.example.rpz-nsdname`,
  (n: number) => `ns${n}.host.example.rpz-nsdname`,
  (n: number) => `*.z${n}.example.rpz-nsdname`,
  (n: number) => `32.${n}.1.53.127.rpz-nsip`,
  (n: number) => `32.${n}.2.53.127.rpz-nsip`,
  (n: number) => `31.${n & ~1}.2.53.127.rpz-nsip`,
  (n: number) => `32.${n}.100.51.198.rpz-ip`,
  (n: number) => `www.z${n}.example`,
];
const DATA = [
  ['CNAME .'],
  ['CNAME *.'],
  ['CNAME rpz-passthru.'],
  ['CNAME rpz-drop.'],
  ['CNAME rpz-tcp-only.'],
  ['A 192.0.2.1', 'A 192.0.2.2', 'MX 10 mail.test.'],
  ['TXT "local"'],
  ['CNAME garden.example.'],
  ['CNAME *.walled.garden.example.'],
];

function policyZone(name: string, extra: readonly string[]): Zone {
  const lines = [
    `$ORIGIN ${name}.`,
    '$TTL 60',
    '@ SOA ns.rpz.test. admin.rpz.test. 1 60 60 3600 30',
    '@ NS ns.rpz.test.',
    ...extra,
  ];
  const owners = new Set<string>();
  for (const [n, { servers }] of SITE.entries()) {
    const some = OWNERS.map((owner) => owner(n)).filter(() => random(6) === 0);
    // Of rules on the names of two servers of a zone BIND takes another one: that has a test of its own.
    const names = some.filter((owner) => owner.endsWith('.rpz-nsdname'));
    const left = servers.length > 1 ? names.slice(1) : [];
    for (const owner of some) if (!left.includes(owner)) owners.add(owner);
  }
  for (const owner of owners) for (const data of DATA[random(DATA.length)] ?? []) lines.push(`${owner} ${data}`);
  return { name, text: `${lines.join('\n')}\n` };
}

const POLICIES = [
  policyZone('rpz1', [
    'ns.above.example.rpz-nsdname CNAME .',
    '32.5.3.53.127.rpz-nsip CNAME .',
    `${TLD.name}.rpz-nsdname CNAME .`,
    `32.${TLD.address.split('.').reverse().join('.')}.rpz-nsip CNAME .`,
    `${ROOT.name}.rpz-nsdname CNAME .`,
    'ns.negative.example.rpz-nsdname A 192.0.2.20',
    'a.named.example.rpz-nsdname A 192.0.2.21',
    'b.named.example.rpz-nsdname A 192.0.2.22',
    'a.mixed.example.rpz-nsdname A 192.0.2.23',
    '*.mixed.example.rpz-nsdname A 192.0.2.24',
  ]),
  policyZone('rpz2', ['26.0.1.53.127.rpz-nsip CNAME rpz-passthru.']),
  policyZone('rpz3', []),
  policyZone('rpz4', ['*.host.example.rpz-nsdname A 192.0.2.77']),
];

// ── questions ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const asked = (name: string, type = 'A', transport: Asked['transport'] = 'udp'): Asked => ({
  name,
  type,
  client: '127.0.0.1',
  transport,
});
const QUESTIONS = SITE.flatMap(({ apex }) => [
  asked(`www.${apex}`),
  asked(`www.${apex}`, 'A', 'tcp'),
  asked(`www.${apex}`, 'TXT'),
  asked(apex),
  asked(`x.deep.${apex}`),
]);

const ground = {
  kind: 'legitimate-business',
  purpose: 'keeps the network running',
  necessity: 'nothing milder helps',
  proportionality: 'single names only',
  approver: 'K. Sato',
  review: NEXT_REVIEW,
};

const needed = (['named', 'nsd'] as const).every((program) => findProgram(program) !== undefined);
describe.skipIf(!needed)('rules on name servers in BIND and in the server', () => {
  const keep = stoppedAfterwards();
  let bind: DnsServer;
  let sekisho: SekishoServer;
  beforeAll(async () => {
    const port = await freePort(ROOT.address);
    const at = (servers: readonly Server[]) => [...new Set(servers.map(({ address }) => `${address}@${port}`))];
    await Promise.all([
      startNsd({ zones: [ROOT_ZONE], addresses: at([ROOT]) }).then(keep),
      startNsd({ zones: [TLD_ZONE], addresses: at([TLD]) }).then(keep),
      startNsd({ zones: LEAVES, addresses: at(ALL.flatMap(({ servers }) => servers)) }).then(keep),
    ]);
    const iterate = { port, rootHints: `. 3600000 NS ${ROOT.name}.\n${ROOT.name}. 3600000 A ${ROOT.address}\n` };
    const probeName = 'garden.example';
    const options = 'empty-zones-enable no;';
    const [resolver, policed] = await Promise.all([
      startBind({ iterate, probeName, options, minimalResponses: false }).then(keep),
      startBind({ iterate, probeName, options, policyZones: POLICIES }).then(keep),
    ]);
    bind = policed;
    // A resolver that has not looked a server up yet (one at a hoster, on a busy machine) answers without its address, and the
    // answer is kept: what is compared is not that.
    await answersFrom(
      resolver.port,
      ALL.flatMap(({ apex, servers }) => [asked(apex, 'NS'), ...servers.map(({ name }) => asked(name))]),
    );
    const folder = temporaryFolder('rpz-nameservers');
    const lists = POLICIES.map(({ name, text: zoneText }) => {
      const file = join(folder, `${name}.rpz`);
      writeFileSync(file, zoneText);
      return { name, category: 'policy', format: 'rpz', zone: name, file, ground };
    });
    sekisho = keep(
      await startSekisho({
        config: { upstream: { servers: [`127.0.0.1:${resolver.port}`] }, lists, plugins: { rpz: {} } },
      }),
    );
  });

  it('give the same answers where the answer shows the name servers', async () => {
    const [ours, theirs] = await Promise.all([answersFrom(sekisho.port, QUESTIONS), answersFrom(bind.port, QUESTIONS)]);
    const differences: string[] = [];
    for (const question of QUESTIONS) {
      const key = text(question);
      let [our, their] = [ours.get(key), theirs.get(key)];
      // Asked together with many that are dropped, one may be starved each time: alone, only a real drop is silent.
      for (let times = 0; times < 3 && our !== their && (our === 'dropped' || their === 'dropped'); times++)
        [our, their] = await Promise.all([answerFrom(sekisho.port, question), answerFrom(bind.port, question)]);
      if (our !== their) differences.push(`${key}: BIND ${their}; Sekisho ${our}`);
    }
    expect(differences).toEqual([]);
    // Every action was seen with either trigger.
    const metrics = await scrape(sekisho);
    for (const trigger of ['nsdname', 'nsip'])
      for (const action of ['nxdomain', 'nodata', 'passthru', 'drop', 'tcp-only', 'local-data', 'cname'])
        expect([trigger, action, metrics.total('sekisho_rpz_hits_total', { trigger, action }) > 0]).toEqual([
          trigger,
          action,
          true,
        ]);
  });

  it.each([
    ['the name of a server', 'www.above.example', 'NXDOMAIN'],
    ['the address of a server', 'www.first.example', 'NXDOMAIN'],
    ['the name of a server, with local data', 'www.negative.example', 'NOERROR, A 192.0.2.20'],
    [
      'servers of the root and of a top-level domain, which are not looked at',
      'direct.example',
      'NOERROR, A 192.0.2.14',
    ],
  ])('act the same: %s', async (_what, name, both) => {
    expect(await bothAnswer(name)).toEqual([both, both]);
  });

  it.each([
    ['a zone above the one that holds the name', 'www.sub.above.example', 'NXDOMAIN', 'NOERROR, A 192.0.2.11'],
    [
      'the zone of an alias on the way',
      'alias.first.example',
      'NXDOMAIN',
      'NOERROR, A 192.0.2.13, CNAME www.second.example',
    ],
    ['the zone of a name that does not exist', 'none.negative.example', 'NOERROR, A 192.0.2.20', 'NXDOMAIN'],
    ['the zone of a name without such data', 'txt.negative.example', 'NOERROR, A 192.0.2.20', 'NOERROR'],
  ])('a forwarder does not see %s', async (_what, name, byBind, bySekisho) => {
    expect(await bothAnswer(name)).toEqual([byBind, bySekisho]);
  });

  // §5.5 of the draft has the smallest name; what BIND calls so is the greatest.
  it.each([
    [
      'two servers, BIND takes the greatest, Sekisho the smallest',
      'www.named.example',
      'NOERROR, A 192.0.2.22',
      'NOERROR, A 192.0.2.21',
    ],
    [
      'two servers, one of them by a wildcard, BIND takes the greatest, Sekisho the one named itself',
      'www.mixed.example',
      'NOERROR, A 192.0.2.24',
      'NOERROR, A 192.0.2.23',
    ],
  ])('of rules on the names of %s', async (_what, name, byBind, bySekisho) => {
    expect(await bothAnswer(name)).toEqual([byBind, bySekisho]);
  });

  async function bothAnswer(name: string): Promise<string[]> {
    return Promise.all([answerFrom(bind.port, asked(name)), answerFrom(sekisho.port, asked(name))]);
  }
});
