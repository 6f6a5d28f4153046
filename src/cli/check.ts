/** `sekisho check`: every problem of the configuration, or what it amounts to. Nothing is started. */

import { endpointText } from '../address/address.ts';
import type { UpstreamServer } from '../address/upstream-server.ts';
import type { Args } from '../commands/command.ts';
import { bytesText, table } from '../commands/layout.ts';
import type { Terminal } from '../commands/terminal.ts';
import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { counted } from '../errors/counted.ts';
import { SekishoError } from '../errors/errors.ts';
import { featuresIn } from '../features.ts';
import type { ListCategory } from '../grounds/categories.ts';
import { parseFile } from '../lists/compile-task.ts';
import { countingSink, idleTriggersText, TriggerCounter } from '../lists/idle-triggers.ts';
import { sourceText } from '../lists/section/lists-section.ts';
import { inChainOrder, loadPlugin, resolvePlugin } from '../loading/plugins.ts';
import { problemText } from '../settings/yaml-source.ts';
import { checkRanges } from '../subscribers/ranges/ranges-check.ts';
import type { LoadedRanges } from '../subscribers/ranges/ranges-file.ts';
import { listenFacts } from './check-listen.ts';

export async function check(args: Args, terminal: Terminal): Promise<number> {
  const features = await featuresIn(args.featureList);
  const result = await loadConfig({ path: args.config, resolvePlugin, features, workFolder: terminal.workFolder });
  if (!result.ok) {
    const { source, problems } = result;
    if (args.json) terminal.out(`${JSON.stringify({ ok: false, source, problems }, null, 2)}\n`);
    else {
      terminal.err(problems.map((problem) => `${problemText(problem)}\n`).join(''));
      terminal.err(`${source}: ${counted(problems.length, 'problem')}\n`);
    }
    return 1;
  }
  const { config } = result;
  const warnings = [...config.warnings, ...idleTriggersOf(config)];
  const chain = await chainOf(config);
  const ranges = await rangesOf(config, terminal);
  if (ranges && ranges.unreadable > 0 && config.subscribers?.unreadableRows !== 'hide')
    return refusedRanges(config, ranges, args, terminal);
  const { packetsFacts, packetsText } = await import('../process/packets-facts.ts');
  const packets = packetsFacts(config);
  if (args.json) {
    const summary = {
      ok: true,
      source: config.source,
      warnings,
      listeners: config.server.listen.map(endpointText),
      packets,
      workers: config.server.workers,
      access: config.server.access,
      data: config.server.dataFolder,
      upstreams: config.upstream.servers.map((server) => ({
        address: endpointText(server),
        trusted: server.trusted,
        tls: server.tls?.mode ?? null,
      })),
      zones: config.zones.filter(({ way }) => way.kind !== 'records' || !way.specialUse).map(zoneOf),
      views: config.views.map((view) => viewOf(view, config)),
      specialUse: config.zones.filter(({ way }) => way.kind === 'records' && way.specialUse).map(({ zone }) => zone),
      admin: endpointText(config.admin.listen),
      notice: {
        listen: config.notice.listen.map(endpointText),
        leadsTo: leadsTo(config),
        languages: config.notice.languages,
        portal: config.notice.portal.url,
      },
      lists: config.lists.map(({ name, category, tier, format, source, dryRun, ground }) => ({
        name,
        category,
        tier,
        format,
        source: sourceText(source),
        dryRun,
        ground: ground?.kind ?? 'consent',
      })),
      ...(ranges && { ranges: { rows: ranges.rows, rejected: ranges.rejected, findings: ranges.findings } }),
      plugins: chain,
    };
    terminal.out(`${JSON.stringify(summary, null, 2)}\n`);
    return 0;
  }
  terminal.err(warnings.map((warning) => `warning: ${warning}\n`).join(''));
  if (ranges) terminal.err(rejectedRowsText(config.subscribers!.rangesFile!, ranges));
  const listen = [
    ...(await listenFacts(config.server.listen)),
    ...packetsText(packets).map((text) => ['packets', text] as const),
  ];
  terminal.out(summaryText(config, chain, { ranges, listen }, terminal));
  return 0;
}

/** Rules in files of lists that nothing would carry out. Only policy zones have such. */
function idleTriggersOf({ lists }: Config): string[] {
  return lists.flatMap((list) => {
    const { name, format, source } = list;
    if (format !== 'rpz' || source.kind !== 'file') return [];
    const counter = new TriggerCounter();
    try {
      parseFile(source.path, list, countingSink(counter));
    } catch {
      // What cannot be read is among the configuration's own warnings.
      return [];
    }
    const text = idleTriggersText(list, counter.counts);
    return text === undefined ? [] : [`list '${name}': ${text}`];
  });
}

/** The static ranges as the server would read them; undefined where there are none, or none that can be read (a warning says so). */
async function rangesOf({ subscribers }: Config, terminal: Terminal): Promise<LoadedRanges | undefined> {
  if (subscribers?.rangesFile === undefined) return undefined;
  try {
    return await checkRanges(subscribers.rangesFile, subscribers.groups);
  } catch (error) {
    if (error instanceof SekishoError) terminal.err(`warning: ${error.message}: nobody is known by it\n`);
    return undefined;
  }
}

/** Rows that name an address and cannot be read: the server would not start. */
function refusedRanges({ source, subscribers }: Config, ranges: LoadedRanges, args: Args, terminal: Terminal): number {
  const file = subscribers!.rangesFile!;
  const { findings, unreadable } = ranges;
  const problems = findings
    .filter(({ hides }) => hides)
    .map(({ line, problem }) => ({ file, line, column: 1, path: '', message: problem }));
  if (args.json) {
    terminal.out(`${JSON.stringify({ ok: false, source, problems }, null, 2)}\n`);
    return 1;
  }
  terminal.err(problems.map((problem) => `${problemText(problem)}\n`).join(''));
  terminal.err(
    `${file}: ${counted(unreadable, 'row')} cannot be read although the address in it can; correct the rows named above, or have nobody identified by these addresses with subscribers.unreadable-rows: hide\n`,
  );
  return 1;
}

/** Rows that would be left out. A warning and no problem: the server starts, and whoever they speak of is not inspected. */
function rejectedRowsText(file: string, { rejected, findings }: LoadedRanges): string {
  const lines = findings.map(({ line, problem }) => `warning: ${file}:${line}: ${problem}\n`);
  if (rejected > findings.length) lines.push(`warning: ${file}: ${counted(rejected, 'row')} skipped in total\n`);
  return lines.join('');
}

interface ChainEntry {
  readonly name: string;
  readonly stage: string;
  readonly summary: string;
  /** Categories of lists that it acts on. */
  readonly listCategories: readonly ListCategory[];
}

/** The plugins in the order in which they run. */
async function chainOf(config: Config): Promise<ChainEntry[]> {
  const plugins = await Promise.all(config.plugins.map(async (reference) => ({ plugin: await loadPlugin(reference) })));
  return inChainOrder(plugins).map(({ plugin: { name, stage, summary, listCategories = [] } }) => ({
    name,
    stage,
    summary,
    listCategories,
  }));
}

function actingOn(category: ListCategory, chain: readonly ChainEntry[]): string {
  const acting = chain.filter(({ listCategories }) => listCategories.includes(category));
  return acting.length > 0 ? acting.map(({ name }) => name).join(', ') : 'nothing in this chain';
}

function noticeText(config: Config): string {
  const { listen, portal } = config.notice;
  if (listen.length === 0) return 'off';
  const addresses = leadsTo(config);
  return `${listen.map(endpointText).join(', ')}${addresses.length > 0 ? `, reached as ${addresses.join(' and ')}` : ''}, portal ${portal.url}`;
}

/** Addresses that blocked names lead to. */
function leadsTo({ notice: { ipv4, ipv6 } }: Config): string[] {
  return [ipv4, ipv6].filter((address) => address !== undefined);
}

function zoneOf({ zone, way }: Config['zones'][number]) {
  return way.kind === 'records'
    ? { zone, records: way.records.length }
    : { zone, [way.kind]: way.servers.map(endpointText) };
}

/** One line for each zone of the configuration, one for all special-use names. */
function zoneFacts({ zones }: Config): (readonly [string, string])[] {
  const own = zones.filter(({ way }) => way.kind !== 'records' || !way.specialUse);
  const lines = own.map(({ zone, way }): readonly [string, string] => [
    'zone',
    way.kind === 'records'
      ? `${zone}: ${counted(way.records.length, 'record')} here`
      : `${zone} → ${way.servers.map(endpointText).join(', ')}${way.kind === 'stub' ? ' (authoritative)' : ''}`,
  ]);
  const special = zones.length - own.length;
  return special > 0 ? [...lines, ['special', `${special} special-use zones are answered here`]] : lines;
}

/** What the view is made of, by name. */
function viewOf({ name, clients, listeners, lists, plugins, partition }: Config['views'][number], config: Config) {
  const own = config.partitions[partition - 1];
  return {
    name,
    clients,
    listeners: listeners.map((place) => endpointText(config.server.listen[place]!)),
    lists: config.lists.flatMap((list, i) => ((lists & (1 << i)) !== 0 ? [list.name] : [])),
    plugins,
    upstreams: (own?.servers ?? config.upstream.servers).map(endpointText),
  };
}

/** One line for each view, in order. */
function viewFacts(config: Config): (readonly [string, string])[] {
  return config.views.map((view): readonly [string, string] => {
    const { clients, listeners } = viewOf(view, config);
    const shown = clients.length > 5 ? [...clients.slice(0, 5), `and ${clients.length - 5} more`] : clients;
    const who = shown.length > 0 ? shown.join(', ') : 'every client';
    return ['view', `${view.name}: ${who}${listeners.length > 0 ? ` at ${listeners.join(', ')}` : ''}`];
  });
}

function summaryText(
  config: Config,
  chain: readonly ChainEntry[],
  { ranges, listen }: { ranges: LoadedRanges | undefined; listen: readonly (readonly [string, string])[] },
  terminal: Terminal,
): string {
  const { server, upstream, cache, admin } = config;
  const facts = [
    ...listen,
    ['access', server.access.join(', ')],
    ['workers', String(server.workers)],
    config.resolve
      ? (['resolve', `from the root down, ${config.resolve.hints.length} root servers known`] as const)
      : ([
          'upstream',
          `${upstream.servers.map(serverText).join(', ')}${upstream.serversAreDefault ? " (the system's)" : ''}`,
        ] as const),
    ...zoneFacts(config),
    ...viewFacts(config),
    ['cache', bytesText(cache.sizeBytes)],
    ['admin', endpointText(admin.listen)],
    ['notice', noticeText(config)],
    ['data', server.dataFolder],
    ...(ranges ? [['ranges', `${counted(ranges.rows, 'row')} of ${config.subscribers!.rangesFile}`] as const] : []),
  ] as const;
  return [
    `${config.source}: OK\n`,
    `${facts.map(([name, text]) => `${name.padEnd(8)}  ${text}\n`).join('')}`,
    table(
      ['LIST', 'CATEGORY', 'GROUND', 'FORMAT', 'SOURCE', 'ACTED ON BY'],
      config.lists.map((list) => [
        list.name,
        list.category === 'policy' ? list.category : `${list.category}, ${list.tier}`,
        list.ground?.kind ?? 'consent',
        list.format,
        `${sourceText(list.source)}${list.dryRun ? ' (dry run)' : ''}`,
        actingOn(list.category, chain),
      ]),
      terminal,
    ),
    table(
      ['PLUGIN', 'STAGE', 'WHAT IT DOES'],
      chain.map(({ name, stage, summary }) => [name, stage, summary]),
      terminal,
    ),
  ].join('\n');
}

function serverText({ trusted, tls, ...at }: UpstreamServer): string {
  const notes = [...(trusted ? ['trusted'] : []), ...(tls === undefined ? [] : [`TLS ${tls.mode}`])];
  return `${endpointText(at)}${notes.length === 0 ? '' : ` (${notes.join(', ')})`}`;
}
