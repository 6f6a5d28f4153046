/**
 * The configuration as the program sees it: every value checked, every default filled in, units in the names. Plain data
 * that can be sent to a worker. Made by load.ts; what each key means to the operator stands in schema.ts, and with the features that
 * bring it. Their part (`FeatureConfig`) comes from the list of features.
 */

import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import type { z } from 'zod';
import type { Endpoint } from '../address/address.ts';
import type { ListenEntry } from '../address/listen-entry.ts';
import type { UpstreamServer } from '../address/upstream-server.ts';
import type { Role } from '../audit/roles.ts';
import type { ServerFacts } from '../contract/plugin.ts';
import type { FeatureConfig } from '../features.ts';
import type { Approval } from '../grounds/approval.ts';
import type { PluginConfig } from '../loading/plugin-config.ts';
import type { NoticeConfig } from '../notice/notice-config.ts';
import type { ResolveConfig } from '../resolve/iterate/resolve-config.ts';
import type { ViewConfig } from '../views/view-config.ts';
import type { PartitionConfig } from '../zones/partitions.ts';
import type { ZoneConfig } from '../zones/zone-config.ts';
import { listenEntries } from './listen-entries.ts';
import type { adminSchema, cacheSchema, serverSchema, upstreamSchema } from './schema.ts';
import { serversOf } from './server-groups.ts';
import type { TlsConfig } from './tls-section.ts';

/** What `Config.source` says when there is no file. */
export const BUILT_IN_DEFAULTS = 'built-in defaults';

/** More threads than this bring nothing (schema.ts bounds the number that may be written). */
const MAX_WORKERS = 64;

export interface Config extends FeatureConfig {
  /** The file as it was named, or BUILT_IN_DEFAULTS. */
  readonly source: string;
  /** Absolute folder that relative paths of the configuration start from. */
  readonly baseFolder: string;
  /** Not wrong, but worth a line in the log: `file:line:column: path: message`. */
  readonly warnings: readonly string[];
  readonly server: ServerConfig;
  readonly upstream: UpstreamConfig;
  /** Present: answers are found from the root down, and `upstream.servers` is empty. */
  readonly resolve?: ResolveConfig;
  /** Those of the configuration, then the special-use names that are answered here. */
  readonly zones: readonly ZoneConfig[];
  /** In order: the first that client and listener are in counts. */
  readonly views: readonly ViewConfig[];
  /** What views ask instead of `upstream` and `zones`. */
  readonly partitions: readonly PartitionConfig[];
  readonly cache: CacheConfig;
  /** There is no section `plugins`. */
  readonly pluginsAreDefault: boolean;
  /** In the order of the configuration; `access` first. */
  readonly plugins: readonly PluginConfig[];
  readonly admin: AdminConfig;
}

export interface ServerConfig {
  readonly listen: readonly ListenEntry[];
  /** Nobody asked for these addresses: one that this machine does not have is left out with a warning. */
  readonly listenIsDefault: boolean;
  /** 1–64. */
  readonly workers: number;
  /** Networks in CIDR notation as written. */
  readonly access: readonly string[];
  /** Absolute. */
  readonly dataFolder: string;
  /** Absolute. */
  readonly anchorsFolder?: string;
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
  /** Absent = refused. */
  readonly identity: { readonly version?: string; readonly id?: string };
  readonly tls: TlsConfig;
  readonly tcp: {
    /** Not above `totalTimeoutMs`. */
    readonly idleTimeoutMs: number;
    /** Not above `totalTimeoutMs`. */
    readonly messageTimeoutMs: number;
    readonly totalTimeoutMs: number;
    /** Of all workers together. */
    readonly maxConnections: number;
    /** Not above `maxConnections`. */
    readonly maxConnectionsPerClient: number;
    readonly maxPipelined: number;
  };
  readonly udp: {
    readonly receiveBufferBytes: number;
    readonly io: 'auto' | 'mmsg' | 'dgram' | 'xdp';
    readonly xdp: {
      readonly interfaces: 'auto' | readonly string[];
      readonly queues: 'auto' | readonly number[];
      readonly zeroCopy: boolean;
      readonly generic: boolean;
      /** 0 = off. */
      readonly busyPollMicroseconds: number;
    };
    /** A number is microseconds, 1–1000. */
    readonly pause: 'auto' | 'off' | number;
  };
  readonly overload: {
    readonly enabled: boolean;
    readonly targetMs: number;
    /** Not below `targetMs`. */
    readonly limitMs: number;
    /** Networks in CIDR notation as written. */
    readonly exempt: readonly string[];
    readonly dryRun: boolean;
  };
  readonly cookies: {
    readonly enabled: boolean;
    /** 32 hexadecimal digits each, the first in use; none: the process draws one. */
    readonly secrets: readonly string[];
  };
  readonly hangTimeoutMs: number;
}

export interface UpstreamConfig {
  /** At least one, unless answers are found without them (`resolve`). */
  readonly servers: readonly UpstreamServer[];
  /** Taken from the system, because the configuration names none. */
  readonly serversAreDefault: boolean;
  /** Per worker; `auto`: as many as there is room for (net/open-files.ts). */
  readonly sourcePorts: number | 'auto';
  /** Names go out in random case (0x20), but for those in or below `lowerCaseZones`. */
  readonly mixedCase: boolean;
  readonly lowerCaseZones: readonly string[];
  readonly timeoutMs: number;
  /** Let the kernel cut messages up into datagrams, where it can. */
  readonly segments: boolean;
  /** Send cookies (RFC 7873). */
  readonly cookies: boolean;
  /** Certificates (PEM) of those who may vouch for servers that are spoken to over TLS; Node.js's own unless given. */
  readonly authorities?: string;
}

export interface CacheConfig {
  /** Of all workers together. */
  readonly sizeBytes: number;
  /** 0 = never. */
  readonly serveStaleSeconds: number;
  readonly minTtlSeconds: number;
  readonly maxTtlSeconds: number;
}

/** One line of `admin.tokens-file`. */
export interface TokenEntry {
  /** Who; appears in the log and the audit trail. */
  readonly name: string;
  readonly role: Role;
  /** SHA-256 of the token, 64 lower-case hexadecimal digits. */
  readonly sha256: string;
}

export interface AdminConfig {
  readonly listen: Endpoint;
  /** What `admin.tokens-file` holds. */
  readonly tokens: readonly TokenEntry[];
  /** Why whoever asks may also approve; absent where two people are needed. */
  readonly singleApproverReason?: string;
}

export function serverConfig(
  section: z.infer<typeof serverSchema>,
  baseFolder: string,
  listenIsDefault: boolean,
  secrets: { readonly cookies: readonly string[]; readonly tickets?: string | undefined },
): ServerConfig {
  const { tcp, tls, udp, overload, identity } = section;
  return {
    listen: listenEntries(section.listen, baseFolder),
    listenIsDefault,
    workers: section.workers === 'auto' ? Math.min(MAX_WORKERS, availableParallelism()) : section.workers,
    access: section.access,
    dataFolder: resolve(baseFolder, section.data),
    ...(section.anchors !== undefined && { anchorsFolder: resolve(baseFolder, section.anchors) }),
    logLevel: section.log.level,
    identity: {
      ...(identity.version !== undefined && { version: identity.version }),
      ...(identity.id !== undefined && { id: identity.id }),
    },
    tcp: {
      idleTimeoutMs: Math.min(tcp['idle-timeout'], tcp['total-timeout']),
      messageTimeoutMs: Math.min(tcp['message-timeout'], tcp['total-timeout']),
      totalTimeoutMs: tcp['total-timeout'],
      maxConnections: tcp['max-connections'],
      maxConnectionsPerClient: Math.min(tcp['max-connections-per-client'], tcp['max-connections']),
      maxPipelined: tcp['max-pipelined'],
    },
    tls: {
      handshakes: { perSecond: tls.handshakes, perNetwork: tls['handshakes-per-network'] },
      ...(secrets.tickets !== undefined && { tickets: { secret: secrets.tickets } }),
    },
    udp: {
      receiveBufferBytes: udp['receive-buffer'],
      io: udp.io,
      pause: udp.pause,
      xdp: {
        interfaces: udp.xdp.interfaces,
        queues: udp.xdp.queues,
        zeroCopy: udp.xdp['zero-copy'],
        generic: udp.xdp.generic,
        busyPollMicroseconds: udp.xdp['busy-poll'],
      },
    },
    overload: {
      enabled: overload.enabled,
      targetMs: overload.target,
      limitMs: Math.max(overload.target, overload.limit),
      exempt: overload.exempt,
      dryRun: overload['dry-run'],
    },
    cookies: { enabled: section.cookies.enabled, secrets: secrets.cookies },
    hangTimeoutMs: section['hang-timeout'],
  };
}

/** The servers as written; none where the system's are to be taken. */
export function upstreamServers(section: z.infer<typeof upstreamSchema>): UpstreamServer[] {
  return serversOf(section.servers ?? []);
}

export function upstreamConfig(
  section: z.infer<typeof upstreamSchema>,
  servers: readonly UpstreamServer[],
  authorities: string | undefined,
): UpstreamConfig {
  return {
    servers,
    serversAreDefault: section.servers === undefined,
    sourcePorts: section['source-ports'],
    mixedCase: section['mixed-case'],
    lowerCaseZones: section['lower-case-zones'],
    timeoutMs: section.timeout,
    segments: section.segments,
    cookies: section.cookies,
    ...(authorities !== undefined && { authorities }),
  };
}

export function cacheConfig(section: z.infer<typeof cacheSchema>): CacheConfig {
  return {
    sizeBytes: section.size,
    serveStaleSeconds: section['serve-stale'],
    minTtlSeconds: section['min-ttl'],
    maxTtlSeconds: section['max-ttl'],
  };
}

/** What plugins are told of all this (plugin.ts). `notice`: undefined where its section is wrong itself. */
export function serverFacts(
  { access, workers }: Pick<ServerConfig, 'access' | 'workers'>,
  notice: NoticeConfig | undefined,
  views: readonly ViewConfig[] = [],
): ServerFacts {
  const { ipv4, ipv6, operator, portal } = notice ?? {};
  return {
    access,
    workers,
    views: views.map(({ name, access: own }) => ({ name, ...(own && { access: own }) })),
    notice: {
      ...(ipv4 !== undefined && { ipv4 }),
      ...(ipv6 !== undefined && { ipv6 }),
      ...(operator?.name !== undefined && { operator: operator.name }),
      ...(operator?.contact !== undefined && { contact: operator.contact }),
      ...(portal?.isPublic && { portal: portal.url }),
    },
  };
}

/** Whether one person may ask for something and approve it. */
export function approvalOf({ admin }: Pick<Config, 'admin'>): Approval {
  return { singleApproverReason: admin.singleApproverReason };
}

export function adminConfig(section: z.infer<typeof adminSchema>, tokens: readonly TokenEntry[]): AdminConfig {
  const reason = section['single-approver'] ? section['single-approver-reason']?.trim() : undefined;
  return { listen: section.listen, tokens, ...(reason !== undefined && { singleApproverReason: reason }) };
}
