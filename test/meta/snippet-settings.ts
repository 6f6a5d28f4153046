/** What stands around the console snippets of the documentation when they are run: configuration, lists, servers, traffic. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { EMERGENCY_END, NEXT_REVIEW } from '../support/dates.ts';
import { askUdp } from '../support/dns-client.ts';
import { startNsd, zoneText } from '../support/nsd.ts';
import { scrape, waitFor } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { repositoryRoot } from '../support/root.ts';
import { answerTo, honest, soa, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoConfig, type SekishoServer, startSekisho } from '../support/sekisho.ts';
import { startUnbound } from '../support/unbound.ts';

export interface Setting {
  readonly server: SekishoServer;
  /** Where the page writes a path of its own machine, and what it is here. */
  readonly paths?: readonly (readonly [string, string])[];
}

type Keep = <T extends { stop?: () => Promise<unknown>; close?: () => unknown }>(started: T) => T;

const ground = {
  kind: 'legitimate-business',
  purpose: 'keeps log-in floods off the member portal, ticket 4711',
  necessity: 'broken set-top boxes ask for the name for good; their maker is gone',
  proportionality: 'exactly this name, which nothing else uses',
  approver: 'K. Sato',
  review: NEXT_REVIEW,
};

/** nsd behind unbound behind Sekisho, and one sinkhole rule, as README.md says. */
async function atWork(keep: Keep): Promise<Setting> {
  const records = ['www A 192.0.2.10', 'www AAAA 2001:db8::10', 'portal CNAME www', 'login.portal A 192.0.2.66'].join(
    '\n',
  );
  const nsd = keep(await startNsd({ zones: [{ name: 'isp.example', text: zoneText('isp.example', records) }] }));
  const unbound = keep(await startUnbound({ upstreamPort: nsd.port, probeName: 'www.isp.example' }));
  const attack = {
    kind: 'self-defence',
    effect: 'floods the member portal, which is on the same address',
    evidence: 'ticket 4711, graph of 24 Nov',
    approver: 'shift lead',
    expires: EMERGENCY_END,
  };
  const rule = { name: 'login.portal.isp.example', ground: attack };
  const config: SekishoConfig = {
    upstream: { servers: [`127.0.0.1:${unbound.port}`] },
    plugins: { access: {}, sinkhole: { ipv4: '192.0.2.1', ipv6: '2001:db8::1', rules: [rule] } },
  };
  const server = keep(await startSekisho({ config, readyTimeoutMs: 40_000 }));
  // The cost of a plugin is measured on one query in 256.
  for (let i = 0; i < 1_024; i += 32)
    await Promise.all(Array.from({ length: 32 }, () => askUdp({ name: 'www.isp.example' }, { port: server.port })));
  return { server, paths: [['"configuration":"sekisho.yaml"', `"configuration":"${server.configFile}"`]] };
}

/** A policy zone, as lists/policy-sample.rpz begins. */
const policyZone = (rules: readonly string[]) =>
  [
    '$TTL 3600',
    `@ SOA ns.isp.example. noc.isp.example. 7 3600 600 86400 30`,
    '  NS ns.isp.example.',
    ...rules,
    '',
  ].join('\n');

const reputation = (count: number) =>
  policyZone(Array.from({ length: count }, (_, i) => `host-${i}.bad.example CNAME .`));

async function start(keep: Keep, config: SekishoConfig): Promise<SekishoServer> {
  const upstream = keep(await startScriptedUpstream(honest()));
  const whole = { ...config, upstream: { servers: [`127.0.0.1:${upstream.port}`] } };
  return keep(await startSekisho({ config: whole, readyTimeoutMs: 40_000 }));
}

/** The lists of "A desk at work": a reputation list of 1 088 names and a policy zone of one's own. */
async function desk(keep: Keep): Promise<Setting> {
  const folder = temporaryFolder('desk');
  const [urlhaus, own] = [join(folder, 'urlhaus.rpz'), join(folder, 'own.rpz')];
  writeFileSync(urlhaus, reputation(1_088));
  const rules = ['*.botnet.example CNAME .', 'bad.example CNAME .', 'worse.example CNAME *.'];
  writeFileSync(own, policyZone(rules).replace('@ SOA', '$ORIGIN rpz.isp.example.\n@ SOA'));
  const server = await start(keep, {
    lists: [
      { name: 'urlhaus', category: 'malware', tier: 'suspected', format: 'rpz', file: urlhaus },
      { name: 'own', category: 'policy', format: 'rpz', file: own, ground },
    ],
    plugins: { access: {}, sinkhole: { ipv4: '192.0.2.1', ipv6: '2001:db8::1' }, rpz: {} },
  });
  return { server, paths: [['urlhaus.rpz', urlhaus]] };
}

/** A list whose new version is held back, because it lost most of its names. */
async function heldBack(keep: Keep): Promise<Setting> {
  const folder = temporaryFolder('held-back');
  const file = join(folder, 'c2.rpz');
  writeFileSync(file, reputation(2_000));
  const server = await start(keep, {
    lists: [{ name: 'c2-feed', category: 'c2', tier: 'confirmed', format: 'rpz', file }],
  });
  writeFileSync(`${file}.new`, reputation(100));
  renameSync(`${file}.new`, file);
  await waitFor(
    'a version that is held back',
    async () => (await scrape(server)).total('sekisho_list_held_back') === 1,
    30_000,
  );
  return { server };
}

/** The notice page's own configuration, subscriber 4711 at 127.0.0.1, and one listed name. */
async function notice(keep: Keep): Promise<Setting> {
  const folder = temporaryFolder('notice');
  const page = readFileSync(join(repositoryRoot(), 'docs', 'notice-page.md'), 'utf8');
  const config = parse(/```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? '') as SekishoConfig;
  const { listen: _, ...shown } = config.notice ?? {};
  writeFileSync(join(folder, 'subscribers.csv'), 'address,subscriber\n127.0.0.1,4711\n');
  writeFileSync(join(folder, 'c2.txt'), 'c2.botnet.example\n');
  const server = await start(keep, {
    ...config,
    notice: shown,
    subscribers: { ranges: join(folder, 'subscribers.csv'), terms: '2026-04', covers: ['c2'] },
    lists: [{ name: 'c2', category: 'c2', tier: 'confirmed', format: 'domains', file: join(folder, 'c2.txt') }],
  });
  return { server };
}

/** The same with a folder of texts, which is not there yet. */
async function texts(keep: Keep): Promise<Setting> {
  const { server } = await notice(keep);
  const config = parse(readFileSync(server.configFile, 'utf8')) as SekishoConfig;
  writeFileSync(server.configFile, stringify({ ...config, notice: { ...config.notice, templates: './pages' } }));
  return {
    server,
    paths: [
      ['/etc/sekisho/sekisho.yaml', './sekisho.yaml'],
      ['/etc/sekisho', server.folder],
    ],
  };
}

/** A zone from a file, as docs/zones.md shows it. */
async function zones(keep: Keep): Promise<Setting> {
  const folder = temporaryFolder('zones');
  const file = join(folder, 'printers.zone');
  writeFileSync(file, '$TTL 300\n@ NS ns.isp.example.\nfloor1 A 192.0.2.21\n');
  return { server: await start(keep, { zones: [{ zone: 'printers.isp.example', records: file }] }) };
}

/** Clients in 127.0.1.0/24 with resolvers of their own, as docs/views.md shows it. */
async function views(keep: Keep): Promise<Setting> {
  const other = keep(await startScriptedUpstream(honest('192.0.2.8')));
  const view = { name: 'wholesale', clients: ['127.0.1.0/24'], upstream: [`127.0.0.1:${other.port}`] };
  return { server: await start(keep, { views: [view] }) };
}

/** Random names below one zone, from twenty clients, while a popular name is asked for as well. */
async function overload(keep: Keep): Promise<Setting> {
  const upstream = keep(
    await startScriptedUpstream((query) => {
      if (query.name.endsWith('victim.test')) query.send(answerTo(query, { rcode: 3, authorities: [soa(60)] }));
      else honest()(query);
    }),
  );
  const plugins = { access: {}, 'random-subdomain': {}, 'query-history': {} };
  const config = { upstream: { servers: [`127.0.0.1:${upstream.port}`] }, plugins };
  const server = keep(await startSekisho({ config, readyTimeoutMs: 40_000 }));
  for (let client = 0; client < 20; client++) {
    const from = `127.0.0.${client + 2}`;
    for (let i = 0; i < 40; i++) {
      const name = i % 4 === 3 ? 'www.popular.test' : `${((client * 40 + i) * 2654435761).toString(36)}x.victim.test`;
      await askUdp({ name }, { port: server.port, from });
    }
  }
  return { server };
}

export const SETTINGS: Readonly<Record<string, (keep: Keep) => Promise<Setting>>> = {
  'at-work': atWork,
  desk,
  'held-back': heldBack,
  notice,
  texts,
  zones,
  views,
  overload,
};
