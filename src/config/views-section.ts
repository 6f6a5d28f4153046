/** Section `views`: another policy, access and upstream by client network or listener. */

import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { STANDING } from '../../plugins/standing.ts';
import { type Endpoint, endpointText, parsePrefix } from '../address/address.ts';
import type { UpstreamServer } from '../address/upstream-server.ts';
import type { ListConfig } from '../lists/list-config.ts';
import { didYouMean } from '../settings/did-you-mean.ts';
import { check } from '../settings/problems.ts';
import { durationSeconds } from '../settings/units.ts';
import type { ConfigProblem, Path } from '../settings/yaml-source.ts';
import { unreachable } from '../views/reachable.ts';
import type { ViewConfig, ViewPluginMode } from '../views/view-config.ts';
import { type PartitionConfig, Partitions } from '../zones/partitions.ts';
import type { ZoneConfig } from '../zones/zone-config.ts';
import { chosenServers, groupSchema } from './server-groups.ts';
import { endpoint, prefix } from './texts.ts';
import { readZones, type ZonesContext, zonesSchema } from './zones-section.ts';

const MAX_VIEWS = 32;
const MAX_GROUPS = 32;
const MAX_NETWORKS = 10_000;

const networks = () => z.array(prefix()).max(MAX_NETWORKS);

const viewSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,62}$/, 'a view is named with up to 63 lower-case letters, digits and dashes')
    .describe('What it is called in status, metrics and `explain`.'),
  clients: networks()
    .default([])
    .describe('Networks whose clients are in the view, by the address that the server sees; without it every client.'),
  listeners: z
    .array(endpoint({ defaultPort: 53 }))
    .max(64)
    .default([])
    .describe('Addresses of `server.listen` whose queries are in the view; without it all of them.'),
  access: z
    .strictObject({
      allow: networks()
        .min(1)
        .optional()
        .describe(
          'May ask, whatever `server.access` says; everybody else in the view is an outsider. Without it `server.access` decides.',
        ),
      refuse: networks().default([]).describe('Are answered REFUSED.'),
      drop: networks().default([]).describe('Get no answer at all.'),
    })
    .optional()
    .describe("Who of the view's clients may ask; the most specific network decides."),
  lists: z
    .array(z.string())
    .optional()
    .describe(
      'Lists that apply, by name; without it all of them. It only takes away: the consent and the grounds that a list needs stay needed.',
    ),
  plugins: z
    .record(z.string(), z.union([z.literal(false), z.enum(['off', 'dry-run'])]))
    .default({})
    .meta({ typeText: 'map of plugin → `off` or `dry-run`' })
    .describe(
      'Plugins that do not act in the view. `off`: they see none of its queries. `dry-run`: what they decide is counted and not done.',
    ),
  upstream: groupSchema
    .optional()
    .describe('Resolvers that are asked instead of `upstream.servers`: a list, or one of `upstream.groups`.'),
  zones: zonesSchema.describe(
    'Zones that go another way in the view, besides those of the top level; one of the same name stands in its place.',
  ),
  cache: z
    .strictObject({
      own: z
        .boolean()
        .default(false)
        .describe(
          'Share no answers with other views. Views with other servers or zones than the top level never do; equal ones do, unless told.',
        ),
      'serve-stale': z
        .boolean()
        .default(true)
        .describe(
          'Let its clients have what has expired while no upstream answers; `cache.serve-stale` says for how long.',
        ),
      'max-ttl': durationSeconds({ min: '1s', max: '7d' })
        .optional()
        .describe('Longer TTLs are cut to this for its clients; what the cache keeps is not changed.'),
    })
    .prefault({})
    .describe('How the cache serves the view.'),
});

export const viewsSchema = z
  .array(viewSchema)
  .max(MAX_VIEWS)
  .default([])
  .describe(
    'What some clients meet instead of the top level, in order: the first view that holds client and listener counts. Whoever is in none meets the top level.',
  );

export interface ViewsContext extends ZonesContext {
  /** Those of the top level. */
  readonly zones: readonly ZoneConfig[];
  readonly upstream: readonly UpstreamServer[] | undefined;
  readonly lists: readonly ListConfig[];
  /** Names of the plugins in the chain; with why no view can switch them off, where that is so. */
  readonly plugins: ReadonlyMap<string, string | undefined>;
}

export interface LoadedViews {
  readonly views: readonly ViewConfig[];
  readonly partitions: readonly PartitionConfig[];
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly ConfigProblem[];
}

export async function loadViews(raw: Record<string, unknown>, context: ViewsContext): Promise<LoadedViews> {
  const { source, listen } = context;
  const checked = check(viewsSchema, raw['views'], source, ['views']);
  const problems: ConfigProblem[] = [...(checked.problems ?? [])];
  const warnings: ConfigProblem[] = [];
  const views: ViewConfig[] = [];
  const partitions: PartitionConfig[] = [];
  for (const [i, written] of (checked.data ?? []).entries()) {
    const complain = (path: Path, message: string, at?: 'key') =>
      void problems.push(source.problem(['views', i, ...path], message, at));
    const { name, clients, cache } = written;
    const before = views.findIndex((view) => view.name === name);
    if (before >= 0) complain(['name'], `'${name}' is listed twice (entry ${before + 1})`);
    checkAccess(written.access, complain, (path, message) =>
      warnings.push(source.problem(['views', i, 'access', ...path], message)),
    );
    const partition = await partitionOf(written, i, context, problems);
    views.push({
      name,
      clients,
      listeners: listen ? placesOf(written.listeners, listen, complain) : [],
      ...(written.access && { access: accessOf(written.access) }),
      lists: listMask(written.lists, context.lists, complain),
      plugins: pluginModes(written.plugins, context.plugins, complain),
      serveStale: cache['serve-stale'],
      ...(cache['max-ttl'] !== undefined && { maxTtlSeconds: cache['max-ttl'] }),
      partition: partition === undefined ? 0 : partitions.push(partition),
    });
    if (views.at(-1)?.plugins[STANDING.protectsOthers] !== undefined) {
      const message = 'does not shape what forged sources get, who can then use this server to flood others';
      warnings.push(source.problem(['views', i, 'plugins', STANDING.protectsOthers], message, 'key'));
    }
  }
  if (problems.length === 0 && listen)
    for (const { view, client, takenBy } of unreachable(views, listen.length)) {
      const path = client === undefined ? ['views', view] : ['views', view, 'clients', client];
      const what = client === undefined ? 'no client comes to this view' : `no client of this network comes to it`;
      problems.push(
        source.problem(
          path,
          `${what}: ${takenBy.map((one) => `'${one}'`).join(', ')} stands before it and takes them all`,
        ),
      );
    }
  const groups = new Partitions(
    context.zones,
    partitions,
    partitions.map((_, i) => i + 1),
  ).groups.length;
  if (groups > MAX_GROUPS)
    problems.push(
      source.problem(
        ['views'],
        `${groups} different groups of servers in all views and zones; ${MAX_GROUPS} is the limit`,
      ),
    );
  return { views, partitions, problems, warnings };
}

type Written = z.output<typeof viewSchema>;
type Complain = (path: Path, message: string, at?: 'key') => void;

/** What the view asks where that is not what the top level does. */
async function partitionOf(
  { name, upstream, zones, cache }: Written,
  view: number,
  context: ViewsContext,
  problems: ConfigProblem[],
): Promise<PartitionConfig | undefined> {
  const { source, groups, listen } = context;
  let servers: readonly UpstreamServer[] | undefined;
  if (upstream !== undefined) {
    const chosen = chosenServers(upstream, groups, listen);
    for (const { path, message } of chosen.findings)
      problems.push(source.problem(['views', view, 'upstream', ...path], message));
    if (!isDeepStrictEqual(chosen.servers, context.upstream)) servers = chosen.servers;
  }
  const own = await readZones(zones, ['views', view, 'zones'], context);
  problems.push(...own.problems);
  if (servers === undefined && own.zones.length === 0 && !cache.own) return undefined;
  const replaced = new Set(own.zones.map(({ zone }) => zone));
  return {
    view: name,
    ...(servers && { servers }),
    zones: [...own.zones, ...context.zones.filter(({ zone }) => !replaced.has(zone))],
    own: cache.own,
  };
}

function placesOf(written: readonly Endpoint[], listen: readonly Endpoint[], complain: Complain): number[] {
  const known = listen.map(endpointText);
  return written.flatMap((each, i) => {
    const place = known.indexOf(endpointText(each));
    if (place < 0)
      complain(['listeners', i], `${endpointText(each)} is no address of server.listen (${known.join(', ')})`);
    return place < 0 ? [] : [place];
  });
}

function listMask(names: readonly string[] | undefined, lists: readonly ListConfig[], complain: Complain): number {
  if (names === undefined) return -1;
  const known = lists.map(({ name }) => name);
  let mask = 0;
  for (const [i, name] of names.entries()) {
    const list = known.indexOf(name);
    if (list < 0) complain(['lists', i], `there is no list '${name}'; ${hint(name, known)}`);
    else mask |= 1 << list;
  }
  return mask;
}

function pluginModes(
  written: Written['plugins'],
  known: ViewsContext['plugins'],
  complain: Complain,
): Record<string, ViewPluginMode> {
  const modes: Record<string, ViewPluginMode> = {};
  for (const [name, mode] of Object.entries(written)) {
    const path = ['plugins', name];
    if (!known.has(name)) complain(path, `no plugin '${name}' runs here; ${hint(name, [...known.keys()])}`, 'key');
    const same = known.get(name);
    if (same !== undefined) complain(path, `${name} ${same}`, 'key');
    modes[name] = mode === 'dry-run' ? mode : 'off';
  }
  return modes;
}

function hint(name: string, known: readonly string[]): string {
  const close = didYouMean(name, known);
  return close === undefined ? `known: ${known.join(', ') || 'none'}` : `did you mean '${close}'?`;
}

function accessOf({ allow, refuse, drop }: NonNullable<Written['access']>): NonNullable<ViewConfig['access']> {
  return { ...(allow && { allow }), refuse, drop };
}

/** A network may stand in one of the three; of two that hold an address the more specific one decides. */
function checkAccess(access: Written['access'], complain: Complain, warn: (path: Path, message: string) => void): void {
  if (!access) return;
  const taken = new Map<string, string>();
  for (const key of ['allow', 'refuse', 'drop'] as const) {
    for (const [i, text] of (access[key] ?? []).entries()) {
      const { words, bits } = parsePrefix(text);
      const network = `${words.join(' ')}/${bits}`;
      const other = taken.get(network);
      if (other !== undefined && other !== key) complain(['access', key, i], `${text} stands in ${other}, too`);
      taken.set(network, key);
      if (key === 'allow' && (bits === 0 || bits === 96))
        warn(['allow', i], 'allows everyone: an open resolver, which will be abused to attack others');
    }
  }
}
