/**
 * From the file to a `Config`, or to all of its problems at once. Nothing here throws because of what a file holds, and
 * nothing starts: `sekisho check`, the start and every reload go the same way.
 *
 *   find the file ─▶ YAML with positions ─▶ sections (schema.ts, features) ─▶ plugins' options ─▶ contradictions ─▶ Config
 */
import { X509Certificate } from 'node:crypto';
import { getServers } from 'node:dns';
import { resolve } from 'node:path';
import type { z } from 'zod';
import { AddressError, type Endpoint, parseEndpoint } from '../address/address.ts';
import { isOwnListener } from '../address/own-listener.ts';
import type { UpstreamServer } from '../address/upstream-server.ts';
import { forwardedZoneFindings } from '../dnssec/section/forwarded-zones.ts';
import type { AnyFeature } from '../feature/feature.ts';
import { FEATURES, type FeatureConfig } from '../features.ts';
import { endedFindings, termFindings } from '../grounds/configured.ts';
import { statementProblem } from '../grounds/statement.ts';
import { loadPlugins, pluginDangers, type ResolvePlugin } from '../loading/plugin-options.ts';
import type { Finding } from '../settings/finding.ts';
import { type Found, readText } from '../settings/found.ts';
import { check, foundText, unknownKey } from '../settings/problems.ts';
import {
  type ConfigProblem,
  type ConfigSource,
  problemText,
  sortedProblems,
  YamlSource,
} from '../settings/yaml-source.ts';
import {
  adminConfig,
  BUILT_IN_DEFAULTS,
  type Config,
  cacheConfig,
  serverConfig,
  serverFacts,
  type TokenEntry,
  upstreamConfig,
  upstreamServers,
} from './config.ts';
import { parseCookieSecrets } from './cookie-secrets.ts';
import { contradictions, dangers, type Sections } from './cross-checks.ts';
import { findConfig } from './find.ts';
import { withIncludes } from './includes.ts';
import { openSecrets } from './open-secrets.ts';
import { loadResolve } from './resolve-section.ts';
import {
  adminSchema,
  cacheSchema,
  DEFAULT_ACCESS,
  sectionsOf,
  serverSchema,
  upstreamSchema,
  wholeSchema,
} from './schema.ts';
import { loops, serversOf } from './server-groups.ts';
import { loadCertificates, parseTicketSecret } from './tls-section.ts';
import { parseTokens } from './tokens-file.ts';
import { loadViews } from './views-section.ts';
import { loadZones } from './zones-section.ts';

export type { ResolvePlugin } from '../loading/plugin-options.ts';

export interface LoadOptions {
  /** The file named with `--config`; without it the default places are looked at (find.ts). */
  readonly path?: string | undefined;
  readonly resolvePlugin: ResolvePlugin;
  /** Whose sections the file may have; those of src/features.ts unless given. */
  readonly features?: readonly AnyFeature[];
  /** Where relative file names start; the working folder unless given. */
  readonly workFolder?: string;
  /** The default places, for tests. */
  readonly defaultPaths?: readonly string[];
  /** The wall clock that terms are compared with, for tests. */
  readonly wallMs?: () => number;
  /** The system's resolvers as node:dns names them. */
  readonly systemResolvers?: () => readonly string[];
}

export type LoadResult =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly source: string; readonly problems: readonly ConfigProblem[] };

export async function loadConfig(options: LoadOptions): Promise<LoadResult> {
  const found = findConfig(options.path, options.workFolder ?? process.cwd(), options.defaultPaths);
  if (found.file === undefined) return parseConfig('', found, options);
  const { text, failure } = await readText(found.file);
  if (failure === undefined) return parseConfig(text, found, options);
  return { ok: false, source: found.source, problems: [new YamlSource('', found.source).problem([], failure)] };
}

/** The configuration in `text`. Apart from the files that the text names (plugins, tokens, secrets) nothing is read. */
export async function parseConfig(text: string, found: Found, options: LoadOptions): Promise<LoadResult> {
  const source = await withIncludes(new YamlSource(text, found.source), found.baseFolder);
  const problems: ConfigProblem[] = [...source.problems];
  const fail = (): LoadResult => ({
    ok: false,
    source: found.source,
    problems: sortedProblems(problems.map((one) => placed(one, found))),
  });
  const document = source.value;
  if (document === undefined) return fail();
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    problems.push(source.problem([], `expected a map (key: value), found ${foundText(document)}`));
    return fail();
  }
  const raw = document as Record<string, unknown>;
  const features = await sectionsOf(options.features ?? FEATURES);
  problems.push(...strangeKeys(raw, source, Object.keys(wholeSchema(features).shape)));

  const section = <Schema extends Parameters<typeof check>[0]>(schema: Schema, key: string) => {
    const checked = check(schema, Object.hasOwn(raw, key) ? raw[key] : undefined, source, [key]);
    problems.push(...(checked.problems ?? []));
    return checked.data;
  };
  const serverSection = section(serverSchema, 'server');
  const upstreamSection = section(upstreamSchema, 'upstream');
  const cacheSection = section(cacheSchema, 'cache');
  const adminSection = section(adminSchema, 'admin');

  const listenIsDefault = memberOf(raw['server'], 'listen') === undefined;
  const secrets = await loadCookieSecrets(serverSection?.cookies['secret-file'], found, source, problems);
  const tickets = await loadTicketSecret(serverSection?.tls['ticket-secret-file'], found, source, problems);
  const server =
    serverSection && serverConfig(serverSection, found.baseFolder, listenIsDefault, { cookies: secrets, tickets });
  const tokens = adminSection && (await loadTokens(adminSection['tokens-file'], found, source, problems));
  const admin = adminSection && adminConfig(adminSection, tokens ?? []);
  const oneApprover = adminSection && singleApproverProblem(adminSection);
  if (oneApprover !== undefined) problems.push(source.problem(['admin', 'single-approver-reason'], oneApprover));
  const cache = cacheSection && cacheConfig(cacheSection);
  let servers = upstreamSection && upstreamServers(upstreamSection);
  const { resolve: resolving, ...resolveNotes } = await loadResolve(
    raw,
    memberOf(raw['upstream'], 'servers'),
    found,
    source,
  );
  problems.push(...resolveNotes.problems);
  const authorities = await loadAuthorities(upstreamSection?.['ca-file'], found, source, problems);
  if (servers && upstreamSection?.servers === undefined && raw['resolve'] === undefined) {
    servers = systemServers((options.systemResolvers ?? getServers)(), server?.listen ?? []);
    if (servers.length === 0) {
      const message = 'the system names no resolver to ask (such as those of /etc/resolv.conf): name at least one here';
      problems.push(source.problem(['upstream', 'servers'], message));
    }
  }

  const sections: Sections = { server, upstreamServers: servers, cache, admin };
  const report = ({ path, message }: Finding) => source.problem(path, message);
  problems.push(...contradictions(sections).map(report));

  const certificates = await loadCertificates(server?.listen ?? [], (options.wallMs ?? Date.now)());
  problems.push(...certificates.problems.map(report));
  const groups = Object.fromEntries(
    Object.entries(upstreamSection?.groups ?? {}).map(([name, written]) => [name, serversOf(written)]),
  );
  for (const [name, members] of Object.entries(groups))
    for (const { path, message } of loops(members, server?.listen))
      problems.push(source.problem(['upstream', 'groups', name, ...path], message));
  const zonesContext = { groups, listen: server?.listen, designated: certificates.designated, found, source };
  const zones = await loadZones(raw, zonesContext);
  problems.push(...zones.problems);
  const wallMs = (options.wallMs ?? Date.now)();
  const values: Partial<FeatureConfig> = {};
  const featureDangers: Finding[] = [];
  for (const each of features) {
    const loaded = await each.load(raw, { found, source, server, admin });
    problems.push(...loaded.problems);
    featureDangers.push(...(loaded.dangers ?? []));
    for (const [key, value] of Object.entries(loaded.values ?? {}))
      problems.push(...termFindings(value, [key], wallMs).map(report));
    Object.assign(values, loaded.values);
  }

  const facts = serverFacts({ access: server?.access ?? DEFAULT_ACCESS, workers: server?.workers ?? 1 }, values.notice);
  const plugins = await loadPlugins(raw['plugins'], {
    source,
    facts,
    baseFolder: found.baseFolder,
    resolve: options.resolvePlugin,
    hasPolicyLists: values.lists?.some(({ category }) => category === 'policy') ?? false,
  });
  problems.push(...plugins.problems);
  for (const { name, options: own } of plugins.plugins)
    problems.push(...termFindings(own, ['plugins', name], wallMs).map(report));
  const views = await loadViews(raw, {
    ...zonesContext,
    zones: zones.zones,
    upstream: servers,
    lists: values.lists ?? [],
    plugins: plugins.sameInAllViews,
  });
  problems.push(...views.problems);
  const endedGrounds = plugins.plugins.flatMap(({ name, options: own }) =>
    endedFindings(own, ['plugins', name], wallMs),
  );

  if (problems.length > 0 || !server || !upstreamSection || !servers || !cache || !admin) return fail();
  const secretNotes = openSecrets(raw, found.baseFolder);
  const warnings = [
    ...views.warnings.map((warning) => problemText(placed(warning, found))),
    ...[
      ...dangers(sections),
      ...certificates.dangers,
      ...featureDangers,
      ...endedGrounds,
      ...secretNotes,
      ...(values.dnssec
        ? forwardedZoneFindings(
            values.dnssec,
            zones.zones.flatMap(({ zone, apex, way }, index) =>
              way.kind === 'records' ? [] : [{ zone, apex, index }],
            ),
          )
        : []),
      ...pluginDangers(raw['plugins']),
    ].map((danger) => problemText(placed(report(danger), found))),
  ];
  const config: Config = {
    // Whole where nothing of it is a problem.
    ...(values as FeatureConfig),
    source: found.source,
    baseFolder: found.baseFolder,
    warnings,
    server,
    upstream: upstreamConfig(upstreamSection, servers, authorities),
    ...(resolving && { resolve: resolving }),
    zones: zones.zones,
    views: views.views,
    partitions: views.partitions,
    cache,
    pluginsAreDefault: raw['plugins'] === undefined || raw['plugins'] === null,
    plugins: plugins.plugins,
    admin,
  };
  return { ok: true, config };
}

/** Where the admin API of a running server is, and where its token lies. */
export interface AdminLocation {
  readonly listen: Endpoint;
  readonly dataFolder: string;
}

/**
 * For commands that talk to the running server: read leniently, because the server runs on while its file is being
 * edited and may be wrong just now. What cannot be read is taken from the defaults.
 */
export async function adminLocation(options: Omit<LoadOptions, 'resolvePlugin'>): Promise<AdminLocation> {
  const found = findConfig(options.path, options.workFolder ?? process.cwd(), options.defaultPaths);
  const text = found.file === undefined ? '' : ((await readText(found.file)).text ?? '');
  const source = await withIncludes(new YamlSource(text, found.source), found.baseFolder);
  const pick = <Schema extends Parameters<typeof check>[0]>(schema: Schema, section: string, key: string) =>
    check(schema, memberOf(memberOf(source.value, section), key), source, []).data ??
    check(schema, undefined, source, []).data;
  const listen = pick(adminSchema.unwrap().shape.listen, 'admin', 'listen') as Endpoint;
  const data = pick(serverSchema.unwrap().shape.data, 'server', 'data') as string;
  return { listen, dataFolder: resolve(found.baseFolder, data) };
}

/** Plugins of the configuration that are not built in, by name; read leniently as in `adminLocation`. */
export async function pluginModules(
  options: Omit<LoadOptions, 'resolvePlugin'>,
): Promise<{ readonly modules: readonly { name: string; module: string }[]; readonly baseFolder: string }> {
  const found = findConfig(options.path, options.workFolder ?? process.cwd(), options.defaultPaths);
  const text = found.file === undefined ? '' : ((await readText(found.file)).text ?? '');
  const source = await withIncludes(new YamlSource(text, found.source), found.baseFolder);
  const plugins = memberOf(source.value, 'plugins');
  const modules = Object.entries(typeof plugins === 'object' ? (plugins ?? {}) : {}).flatMap(([name, options]) => {
    const module = memberOf(options, 'module');
    return typeof module === 'string' ? [{ name, module }] : [];
  });
  return { modules, baseFolder: found.baseFolder };
}

/** One person is enough only where somebody says why. */
function singleApproverProblem(section: z.infer<typeof adminSchema>): string | undefined {
  const reason = section['single-approver-reason'];
  if (!section['single-approver'])
    return reason === undefined ? undefined : 'means nothing without single-approver: true';
  const problem = reason === undefined ? 'is missing' : statementProblem(reason);
  return problem === undefined ? undefined : `${problem}: say in a sentence why one person may ask and approve`;
}

/** Keys at the top that are unknown. */
function strangeKeys(raw: Record<string, unknown>, source: ConfigSource, known: readonly string[]): ConfigProblem[] {
  return Object.keys(raw)
    .filter((key) => !known.includes(key))
    .map((key) => {
      return source.problem([key], unknownKey(key, known), 'key');
    });
}

/** The resolvers of the system without those that are this server itself, or that no configuration could name. */
function systemServers(resolvers: readonly string[], listen: readonly Endpoint[]): UpstreamServer[] {
  return resolvers.flatMap((text) => {
    try {
      const endpoint = parseEndpoint(bracketed(text), { defaultPort: 53 });
      return isOwnListener(endpoint, listen) ? [] : [{ ...endpoint, trusted: false }];
    } catch (error) {
      // A link-local address with a zone, for one: the system may use it, we cannot.
      if (error instanceof AddressError) return [];
      throw error;
    }
  });
}

/** node:dns writes IPv6 without a port bare (`2001:db8::1`) and with one in brackets. */
function bracketed(text: string): string {
  return text.split(':').length > 2 && !text.startsWith('[') ? `[${text}]` : text;
}

async function loadTokens(
  path: string | undefined,
  found: Found,
  source: ConfigSource,
  problems: ConfigProblem[],
): Promise<TokenEntry[]> {
  if (path === undefined) return [];
  const { text, failure } = await readText(resolve(found.baseFolder, path));
  if (failure !== undefined) {
    problems.push(source.problem(['admin', 'tokens-file'], `'${path}' ${failure}`));
    return [];
  }
  const parsed = parseTokens(text, path);
  problems.push(...(parsed.problems ?? []));
  return parsed.data ?? [];
}

/** Certificates in PEM. What holds none, or one that cannot be read, is a problem: a strict server would never be reached. */
async function loadAuthorities(
  path: string | undefined,
  found: Found,
  source: ConfigSource,
  problems: ConfigProblem[],
): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const complain = (message: string) => problems.push(source.problem(['upstream', 'ca-file'], `'${path}' ${message}`));
  const { text, failure } = await readText(resolve(found.baseFolder, path));
  if (failure !== undefined) {
    complain(failure);
    return undefined;
  }
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) complain('holds no certificate in PEM (-----BEGIN CERTIFICATE-----)');
  for (const [i, block] of blocks.entries()) {
    try {
      new X509Certificate(block);
    } catch {
      complain(`holds certificate ${i + 1} of ${blocks.length}, which cannot be read`);
    }
  }
  return text;
}

async function loadCookieSecrets(
  path: string | undefined,
  found: Found,
  source: ConfigSource,
  problems: ConfigProblem[],
): Promise<readonly string[]> {
  if (path === undefined) return [];
  const { text, failure } = await readText(resolve(found.baseFolder, path));
  if (failure !== undefined) {
    problems.push(source.problem(['server', 'cookies', 'secret-file'], `'${path}' ${failure}`));
    return [];
  }
  const parsed = parseCookieSecrets(text, path);
  problems.push(...(parsed.problems ?? []));
  return parsed.data ?? [];
}

async function loadTicketSecret(
  path: string | undefined,
  found: Found,
  source: ConfigSource,
  problems: ConfigProblem[],
): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const { text, failure } = await readText(resolve(found.baseFolder, path));
  const parsed = failure === undefined ? parseTicketSecret(text ?? '') : { problem: failure };
  if ('secret' in parsed) return parsed.secret;
  problems.push(source.problem(['server', 'tls', 'ticket-secret-file'], `'${path}' ${parsed.problem}`));
  return undefined;
}

/** The defaults stand in no file, so that their problems have no line. */
function placed(problem: ConfigProblem, found: Found): ConfigProblem {
  return found.file === undefined && problem.file === BUILT_IN_DEFAULTS ? { ...problem, line: 0, column: 0 } : problem;
}

function memberOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string, unknown>)[key]
    : undefined;
}
