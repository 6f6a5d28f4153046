/** Sections `zones` and `special-use`: what is not asked of `upstream`. */
import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { z } from 'zod';
import { type Endpoint, endpointText } from '../address/address.ts';
import { isOwnListener } from '../address/own-listener.ts';
import { errorText } from '../errors/errors.ts';
import { MAX_SERVERS, type ServerConfig } from '../resolve/forward/servers.ts';
import { didYouMean } from '../settings/did-you-mean.ts';
import type { Found } from '../settings/found.ts';
import { check } from '../settings/problems.ts';
import type { ConfigProblem, ConfigSource, Path } from '../settings/yaml-source.ts';
import { NameError, nameToText, textToName } from '../wire/name.ts';
import type { DesignatedResolver } from '../zones/designated.ts';
import { SPECIAL_USE, specialUseZones } from '../zones/special-use.ts';
import type { ZoneConfig } from '../zones/zone-config.ts';
import { readZoneFile } from '../zones/zone-file.ts';
import { endpoint } from './texts.ts';

/** Zones of the configuration; each group of servers costs sockets in every worker. */
const MAX_ZONES = 1000;
const MAX_GROUPS = 16;
const MAX_FILE_BYTES = 32 << 20;

const servers = z
  .array(
    z.union([
      endpoint({ defaultPort: 53 }),
      z.strictObject({
        address: endpoint({ defaultPort: 53 }).describe('Address of the resolver; port 53 unless given.'),
        trusted: z.boolean().default(false).describe('Its AD flag may be passed on, as with `upstream.servers`.'),
      }),
    ]),
  )
  .min(1)
  .max(MAX_SERVERS);

export const zonesSchema = z
  .array(
    z.strictObject({
      zone: z
        .string()
        .min(1)
        .max(1024)
        .describe('The name; it and all below it go this way, but for zones below it that have one of their own.'),
      forward: servers
        .optional()
        .describe('Resolvers that are asked instead of `upstream.servers`; zones with the same ones share them.'),
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

/** Read both sections, and the zone files that they name. */
export async function loadZones(
  raw: Record<string, unknown>,
  { listen, designated }: { listen: readonly Endpoint[] | undefined; designated: readonly DesignatedResolver[] },
  found: Found,
  source: ConfigSource,
): Promise<LoadedZones> {
  const zones = check(zonesSchema, raw['zones'], source, ['zones']);
  const special = check(specialUseSchema, raw['special-use'], source, ['special-use']);
  const problems: ConfigProblem[] = [...(zones.problems ?? []), ...(special.problems ?? [])];
  const complain = (path: Path, message: string) => void problems.push(source.problem(path, message));
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
  const configured: ZoneConfig[] = [];
  const taken = new Map<string, number>();
  for (const [i, entry] of (zones.data ?? []).entries()) {
    const apex = nameOf(entry.zone);
    if (typeof apex === 'string') {
      complain(['zones', i, 'zone'], `'${entry.zone}' ${apex}`);
      continue;
    }
    const zone = nameToText(apex);
    const before = taken.get(zone);
    if (before !== undefined) complain(['zones', i, 'zone'], `'${zone}' stands here twice (entry ${before + 1})`);
    taken.set(zone, i);
    if ((entry.forward === undefined) === (entry.records === undefined)) {
      complain(['zones', i], 'needs one of forward and records, and not both');
    } else if (entry.forward !== undefined) {
      const servers = entry.forward.map(serverOf);
      for (const [s, server] of servers.entries())
        if (listen && isOwnListener(server, listen))
          complain(
            ['zones', i, 'forward', s],
            `${endpointText(server)} is this server itself: this would create a forwarding loop`,
          );
      configured.push({ zone, apex, way: { kind: 'forward', servers } });
    } else if (entry.records !== undefined) {
      const file = resolve(found.baseFolder, entry.records);
      const read = await readRecords(file, zone);
      for (const { line, column, message } of read.problems) {
        const path = `zones[${i}].records`;
        if (line > 0) problems.push({ file: entry.records, line, column, path, message });
        else complain(['zones', i, 'records'], `'${entry.records}' ${message}`);
      }
      configured.push({
        zone,
        apex,
        way: { kind: 'records', specialUse: false, dsAbove: false, records: read.records },
      });
    }
  }
  const groups = new Set(
    configured.flatMap(({ way }) => (way.kind === 'forward' ? [JSON.stringify(way.servers)] : [])),
  );
  if (groups.size > MAX_GROUPS)
    complain(['zones'], `${groups.size} different groups of servers to forward to; ${MAX_GROUPS} is the limit`);
  return { zones: [...configured, ...specialUseZones(switched, new Set(taken.keys()), designated)], problems };
}

/** The zones where the configuration says nothing about them. */
export function defaultZones(): readonly ZoneConfig[] {
  return specialUseZones({}, new Set());
}

function serverOf(entry: z.output<typeof servers>[number]): ServerConfig {
  return 'trusted' in entry ? { ...entry.address, trusted: entry.trusted } : { ...entry, trusted: false };
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
