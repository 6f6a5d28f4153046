/**
 * The same policy zones and the same upstream data before BIND and before the plugin: the same answers for the same
 * questions. Zones are random, made from a fixed seed.
 *
 * RPZ-NSDNAME and RPZ-NSIP are left out: they need a world of delegations, rpz-nameservers-against-bind.test.ts.
 */
import type { Answer } from 'dns-packet';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import rpz from '../../plugins/rpz/index.ts';
import { type Mounted, mount, type UpstreamReply } from '../../src/testing/testing.ts';
import { startBind } from '../support/bind.ts';
import { findProgram } from '../support/debian.ts';
import { listsInForce } from '../support/lists-in-force.ts';
import type { DnsServer } from '../support/nsd.ts';
import { answerTo, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type Asked, answerFrom, answersFrom, inShort, text } from './policy-answers.ts';

const SITES = 56;
const ZONES = ['rpz1', 'rpz2', 'rpz3'];
const LONG = 'x'.repeat(60);

let seed = 20_261_124;
function random(below: number): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return Math.floor((seed / 2 ** 32) * below);
}

// ── what is true ──────────────────────────────────────────────────────────────────────────────────────────────────────

const a = (name: string, data: string): Answer => ({ name, type: 'A', ttl: 300, data });
const txt = (name: string): Answer => ({ name, type: 'TXT', ttl: 300, data: 'true' });
const alias = (name: string, data: string): Answer => ({ name, type: 'CNAME', ttl: 300, data });
const SOA: Answer = {
  name: 'example',
  type: 'SOA',
  ttl: 300,
  data: { mname: 'ns.example', rname: 'a.example', serial: 1, refresh: 9, retry: 9, expire: 9, minimum: 300 },
};

/** `www.zN.example` has data; `cN.alias.example` and `dN.alias.example` lead there. */
function truth(name: string, type: string): UpstreamReply {
  if (name.endsWith('garden.test')) return type === 'A' ? { answers: [a(name, '203.0.113.250')] } : {};
  const found = /^(?:www\.z|([cd]))(\d+)(\.alias)?\.example$/.exec(name);
  if (!found) return { authorities: [SOA], ...(name.startsWith('none') && { rcode: 3 }) };
  const [, kind, n] = found;
  const site = `www.z${n}.example`;
  const answers: Answer[] = [];
  if (kind === 'd') answers.push(alias(name, `c${n}.alias.example`));
  if (kind !== undefined) answers.push(alias(`c${n}.alias.example`, site));
  if (type === 'A') answers.push(a(site, `198.51.100.${n}`));
  else if (type === 'TXT') answers.push(txt(site));
  else return { answers, authorities: [SOA] };
  return { answers };
}

// ── policy ────────────────────────────────────────────────────────────────────────────────────────────────────────────

const OWNERS = [
  (n: number) => `www.z${n}.example`,
  (n: number) => `*.z${n}.example`,
  (n: number) => `c${n}.alias.example`,
  (n: number) => `32.${n}.100.51.198.rpz-ip`,
  (n: number) => network(n),
];
/** A network around the site's address and others, a different one for each site. */
function network(n: number): string {
  const size = (n ^ (n + 1)) + 1;
  return `${32 - Math.log2(size)}.${n & ~(size - 1)}.100.51.198.rpz-ip`;
}
const DATA = [
  ['CNAME .'],
  ['CNAME *.'],
  ['CNAME rpz-passthru.'],
  ['CNAME rpz-drop.'],
  ['CNAME rpz-tcp-only.'],
  ['A 192.0.2.1', 'A 192.0.2.2', 'MX 10 mail.test.'],
  ['TXT "local"'],
  ['CNAME garden.test.'],
  ['CNAME *.garden.test.'],
];

function policyZone(name: string, extra: readonly string[]): string {
  const lines = [
    `$ORIGIN ${name}.`,
    '$TTL 60',
    '@ SOA ns.rpz.test. admin.rpz.test. 1 60 60 3600 30',
    '@ NS ns.rpz.test.',
    ...extra,
  ];
  for (let n = 0; n < SITES; n++) {
    const owners = new Set<string>();
    for (const owner of OWNERS) if (random(4) === 0) owners.add(owner(n));
    for (const owner of owners) for (const data of DATA[random(DATA.length)] ?? []) lines.push(`${owner} ${data}`);
  }
  return `${lines.join('\n')}\n`;
}

/** RFC 4592 §3.3.1: names that stop a wildcard, in all ways there are; what is stopped here falls to the wildcard of rpz3. */
const WILDCARDS = [
  '*.w.example A 192.0.2.61',
  'rule.w.example CNAME rpz-passthru.',
  'deep.between.w.example A 192.0.2.62',
  '*.under.w.example A 192.0.2.63',
  'a.b.c.under.w.example A 192.0.2.64',
  'd.w.example DNAME garden.test.',
];
const BELOW_WILDCARDS = [
  ...['x.w', 'y.x.w', 'rule.w', 'x.rule.w', 'between.w', 'x.between.w', 'deep.between.w', 'x.deep.between.w'],
  ...['under.w', 'x.under.w', 'y.x.under.w', 'c.under.w', 'x.c.under.w', 'b.c.under.w', 'x.b.c.under.w'],
  ...['a.b.c.under.w', 'x.a.b.c.under.w', 'd.w', 'x.d.w', 'self.w', 'x.self.w', 'x.own', 'y.own'],
].map((name) => `${name}.example`);

const POLICY = [
  policyZone('rpz1', [
    '32.4.0.0.127.rpz-client-ip CNAME rpz-passthru.',
    ...WILDCARDS,
    // The older form of PASSTHRU, on every trigger.
    '32.5.0.0.127.rpz-client-ip CNAME 32.5.0.0.127.',
    '32.60.100.51.198.rpz-ip CNAME 32.60.100.51.198.',
    'self.w.example CNAME self.w.example.',
    '*.own.example CNAME x.own.example.',
    'drop.w.example CNAME rpz-drop.',
    'nx.w.example CNAME .',
  ]),
  policyZone('rpz2', ['32.3.0.0.127.rpz-client-ip CNAME *.', '8.0.0.0.198.rpz-ip CNAME rpz-passthru.']),
  policyZone('rpz3', [
    '*.w.example A 192.0.2.99',
    'www.z60.example A 192.0.2.60',
    `*.long.example CNAME *.${LONG}.garden.test.`,
    'none.example A 192.0.2.77',
  ]),
];

// ── questions ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const QUESTIONS: Asked[] = Array.from({ length: SITES }, (_, n) => n).flatMap((n) => {
  const names = [`www.z${n}.example`, `c${n}.alias.example`, `d${n}.alias.example`];
  return names.flatMap((name): Asked[] => [
    { name, type: 'A', client: '127.0.0.1', transport: 'udp' },
    { name, type: 'A', client: '127.0.0.1', transport: 'tcp' },
    { name, type: 'TXT', client: '127.0.0.1', transport: 'udp' },
    { name, type: 'A', client: `127.0.0.${3 + (n & 1)}`, transport: 'udp' },
  ]);
});
QUESTIONS.push(
  ...['none.example', 'other.example', `${LONG}.${LONG}.${LONG}.long.example`, 'short.long.example'].map(
    (name): Asked => ({ name, type: 'A', client: '127.0.0.1', transport: 'udp' }),
  ),
);

QUESTIONS.push(
  ...BELOW_WILDCARDS.flatMap((name): Asked[] =>
    ['A', 'TXT'].map((type) => ({ name, type, client: '127.0.0.1', transport: 'udp' })),
  ),
  { name: 'd.w.example', type: 'DNAME', client: '127.0.0.1', transport: 'udp' },
  { name: 'www.z60.example', type: 'A', client: '127.0.0.1', transport: 'udp' },
  { name: 'none.example', type: 'A', client: '127.0.0.5', transport: 'udp' },
  { name: 'drop.w.example', type: 'ANY', client: '127.0.0.1', transport: 'udp' },
  { name: 'nx.w.example', type: 'ANY', client: '127.0.0.1', transport: 'udp' },
);

describe.skipIf(findProgram('named') === undefined)('the policy zones of BIND and of the plugin', () => {
  let upstream: ScriptedUpstream;
  let bind: DnsServer;
  let plugin: Mounted;
  beforeAll(async () => {
    upstream = await startScriptedUpstream((query) => {
      const { answers = [], authorities = [], rcode = 0 } = truth(query.name, query.type);
      query.send(answerTo(query, { answers: [...answers], authorities: [...authorities], rcode }));
    });
    bind = await startBind({
      upstreamPort: upstream.port,
      policyZones: ZONES.map((name, i) => ({ name, text: POLICY[i] ?? '' })),
      probeName: 'probe.garden.test',
    });
    plugin = mount(rpz, {}, { lists: listsInForce(...POLICY.map((zone) => ({ text: zone }))), upstream: truth });
  });
  afterAll(async () => {
    await bind?.stop();
    await upstream?.close();
  });

  it('give the same answers', async () => {
    const byBind = await answersFrom(bind.port, QUESTIONS);
    const differences: string[] = [];
    const outcomes = new Set<string>();
    for (const asked of QUESTIONS) {
      const reply = await plugin.ask(asked);
      const ours = reply.sent ? inShort(reply.rcode, reply.truncated, reply.answers) : 'dropped';
      let theirs = byBind.get(text(asked));
      // Asked together with many that are dropped, a connection may be starved each time: alone, only a real drop is silent.
      for (let times = 0; times < 3 && theirs === 'dropped' && ours !== 'dropped'; times++)
        theirs = await answerFrom(bind.port, asked);
      outcomes.add(ours.replace(/\d+/g, 'N'));
      if (ours !== theirs) differences.push(`${text(asked)}: BIND ${theirs}; Sekisho ${ours}`);
    }
    expect(differences).toEqual([]);
    // All kinds of outcome did occur.
    expect(outcomes.size).toBeGreaterThan(20);
  });
});
