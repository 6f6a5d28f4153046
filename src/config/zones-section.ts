/** Sections `zones` and `special-use`: what is not asked of `upstream`. */
import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { z } from 'zod';
import type { Endpoint } from '../address/address.ts';
import { errorText } from '../errors/errors.ts';
import { MAX_SERVERS } from '../resolve/forward/servers.ts';
import { didYouMean } from '../settings/did-you-mean.ts';
import type { Found } from '../settings/found.ts';
import { check } from '../settings/problems.ts';
import { type ConfigProblem, type ConfigSource, type Path, pathText } from '../settings/yaml-source.ts';
import { NameError, nameToText, textToName } from '../wire/name.ts';
import type { DesignatedResolver } from '../zones/designated.ts';
import { SPECIAL_USE, specialUseZones } from '../zones/special-use.ts';
import { type ServerGroup, Ways } from '../zones/ways.ts';
import type { ZoneConfig } from '../zones/zone-config.ts';
import { readZoneFile } from '../zones/zone-file.ts';
import { chosenServers, groupSchema, loops, type ServerGroups, serversOf } from './server-groups.ts';
import { endpoint } from './texts.ts';

/** Zones of the configuration; each group of servers costs sockets in every worker. */
const MAX_ZONES = 1000;
const MAX_GROUPS = 16;
const MAX_FILE_BYTES = 32 << 20;
/** Keys of a zone, of which it needs one. */
const WAYS = ['forward', 'stub', 'records'] as const;

export const zonesSchema = z
  .array(
    z.strictObject({
      zone: z
        .string()
        .min(1)
        .max(1024)
        .describe('The name; it and all below it go this way, but for zones below it that have one of their own.'),
      forward: groupSchema
        .optional()
        .describe(
          'Resolvers that are asked instead of `upstream.servers`: a list, or one of `upstream.groups`. Zones with the same ones share them.',
        ),
      stub: z
        .array(endpoint({ defaultPort: 53 }))
        .min(1)
        .max(MAX_SERVERS)
        .optional()
        .describe(
          'Authoritative servers of the zone, asked without recursion. What they say of names outside the zone is not believed, and where they refer elsewhere the client gets SERVFAIL.',
        ),
      records: z
        .string()
        .min(1)
        .optional()
        .describe(
          'Zone file (RFC 1035 §5) from which the server answers by itself; read at the start and at each reload. Relative to the configuration.',
        ),
    }),
  )
  .max(MAX_ZONES)
  .default([])
  .describe('Zones that go another way than everything else.');

const KEYS = SPECIAL_USE.map(({ key }) => key);

export const specialUseSchema = z
  .record(z.string(), z.boolean())
  .default({})
  .meta({ typeText: `map of ${KEYS.map((key) => `\`${key}\``).join(', ')} or one of their zones → boolean` })
  .describe(
    `Names that are answered here and asked of nobody (RFC 6761, 6303, 7686, 8375, 9462): \`true\` answers, \`false\` forwards. ${SPECIAL_USE.filter(
      ({ byDefault }) => !byDefault,
    )
      .map(({ key }) => `\`${key}\``)
      .join(' and ')} are forwarded unless told, all others answered. \`zones\` comes first.`,
  );

export interface LoadedZones {
  readonly zones: readonly ZoneConfig[];
  readonly problems: readonly ConfigProblem[];
}

/** What the entries of `zones`, here or in a view, may refer to. */
export interface ZonesContext {
  readonly groups: ServerGroups;
  readonly listen: readonly Endpoint[] | undefined;
  /** Where this server may be asked encrypted; told in `resolver.arpa`. */
  readonly designated?: readonly DesignatedResolver[];
  readonly found: Found;
  readonly source: ConfigSource;
}

/** Read both sections, and the zone files that they name. */
export async function loadZones(raw: Record<string, unknown>, context: ZonesContext): Promise<LoadedZones> {
  const { source } = context;
  const zones = check(zonesSchema, raw['zones'], source, ['zones']);
  const special = check(specialUseSchema, raw['special-use'], source, ['special-use']);
  const problems: ConfigProblem[] = [...(zones.problems ?? []), ...(special.problems ?? [])];
  const known = [...KEYS, ...SPECIAL_USE.flatMap(({ zones }) => zones)];
  const switched: Record<string, boolean> = {};
  for (const [key, on] of Object.entries(special.data ?? {})) {
    const name = key.toLowerCase().replace(/\.$/, '');
    switched[name] = on;
    if (known.includes(name)) continue;
    const close = didYouMean(name, known);
    const hint = close === undefined ? `known here: ${KEYS.join(', ')}, and their zones` : `did you mean '${close}'?`;
    problems.push(source.problem(['special-use', key], `unknown key; ${hint}`, 'key'));
  }
  const configured = await readZones(zones.data ?? [], ['zones'], context);
  problems.push(...configured.problems);
  const groups: ServerGroup[] = [];
  for (const zone of configured.zones) new Ways([zone], groups);
  if (groups.length > MAX_GROUPS)
    problems.push(
      source.problem(['zones'], `${groups.length} different groups of servers; ${MAX_GROUPS} is the limit`),
    );
  const taken = new Set(configured.zones.map(({ zone }) => zone));
  return { zones: [...configured.zones, ...specialUseZones(switched, taken, context.designated)], problems };
}

/** Entries of `zones` that stand at `base`. */
export async function readZones(
  entries: z.output<typeof zonesSchema>,
  base: Path,
  { groups, listen, found, source }: ZonesContext,
): Promise<LoadedZones> {
  const problems: ConfigProblem[] = [];
  const complain = (path: Path, message: string) => void problems.push(source.problem([...base, ...path], message));
  const zones: ZoneConfig[] = [];
  const taken = new Map<string, number>();
  for (const [i, entry] of entries.entries()) {
    const apex = nameOf(entry.zone);
    if (typeof apex === 'string') {
      complain([i, 'zone'], `'${entry.zone}' ${apex}`);
      continue;
    }
    const zone = nameToText(apex);
    const before = taken.get(zone);
    if (before !== undefined) complain([i, 'zone'], `'${zone}' is listed twice (entry ${before + 1})`);
    taken.set(zone, i);
    if (WAYS.filter((way) => entry[way] !== undefined).length !== 1) {
      complain([i], `needs one of ${WAYS.join(', ')}, and not several`);
    } else if (entry.forward !== undefined) {
      const { servers, findings } = chosenServers(entry.forward, groups, listen);
      for (const { path, message } of findings) complain([i, 'forward', ...path], message);
      zones.push({ zone, apex, way: { kind: 'forward', servers } });
    } else if (entry.stub !== undefined) {
      const servers = serversOf(entry.stub);
      for (const { path, message } of loops(servers, listen)) complain([i, 'stub', ...path], message);
      zones.push({ zone, apex, way: { kind: 'stub', servers } });
    } else if (entry.records !== undefined) {
      const read = await readRecords(resolve(found.baseFolder, entry.records), zone);
      for (const { line, column, message } of read.problems) {
        const path = pathText([...base, i, 'records']);
        if (line > 0) problems.push({ file: entry.records, line, column, path, message });
        else complain([i, 'records'], `'${entry.records}' ${message}`);
      }
      zones.push({ zone, apex, way: { kind: 'records', specialUse: false, dsAbove: false, records: read.records } });
    }
  }
  return { zones, problems };
}

/** The zones where the configuration says nothing about them. */
export function defaultZones(): readonly ZoneConfig[] {
  return specialUseZones({}, new Set());
}

function nameOf(text: string): Uint8Array | string {
  try {
    return textToName(text);
  } catch (error) {
    if (error instanceof NameError) return error.message;
    throw error;
  }
}

async function readRecords(file: string, zone: string): Promise<ReturnType<typeof readZoneFile>> {
  try {
    const { size } = await stat(file);
    if (size > MAX_FILE_BYTES) return unread(`is larger than ${MAX_FILE_BYTES / 2 ** 20} MiB`);
    return readZoneFile(await readFile(file), zone);
  } catch (error) {
    return unread(`cannot be read: ${errorText(error)}`);
  }
}

function unread(message: string): ReturnType<typeof readZoneFile> {
  return { records: [], problems: [{ line: 0, column: 0, message }] };
}
