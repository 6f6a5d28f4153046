/**
 * Both halves of one plugin without a server: what carries them is the server's own, in this thread and with the test's clock.
 *
 *   request(role, …) ─▶ admin application: token, role, schema, audit ─▶ the plugin's routes
 *   advance(ms) ──────▶ clock ─▶ work of `every`                            │ publish
 *   ask(query) ◀─────── hooks, in a real chain ◀── update ◀─────────────────┘
 *
 * The features are those of the server, opened on a folder of the test's own; nothing listens and nothing is fetched.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { type Logger, pino } from 'pino';
import { createApp } from '../admin/app.ts';
import type { PluginRoutes } from '../admin/deps.ts';
import { Tokens } from '../admin/tokens.ts';
import type { AuditEntry } from '../audit/entry.ts';
import { auditError } from '../audit/errors.ts';
import { AuditLog } from '../audit/log.ts';
import { ROLES, type Role } from '../audit/roles.ts';
import type { AdminApi, SendOptions } from '../commands/admin-api.ts';
import { readLine, refuseCommand } from '../commands/parser.ts';
import type { Terminal } from '../commands/terminal.ts';
import { approvalOf, type Config, serverFacts } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import type { Plugin } from '../contract/plugin.ts';
import type { ErrorBody } from '../errors/api-schema.ts';
import { SekishoError } from '../errors/errors.ts';
import { DataHalves } from '../feature/data-halves.ts';
import type { Close } from '../feature/feature.ts';
import { KeptParts } from '../feature/kept-parts.ts';
import { OpenFeatures } from '../feature/open-features.ts';
import { Publications, pluginTopic } from '../feature/publications.ts';
import { FEATURES } from '../features.ts';
import { lentByFeatures } from '../loading/lent-by-features.ts';
import { resolvePlugin } from '../loading/plugins.ts';
import { Metrics } from '../metrics/registry.ts';
import { startControl } from '../process/controls.ts';
import { LastingParts } from '../process/lasting.ts';
import { settingsError } from '../settings/errors.ts';
import { problemText } from '../settings/yaml-source.ts';
import { ManualClock } from '../time/clock.ts';
import { LatestTime } from '../time/latest-time.ts';
import type { LentToHooks, Mounted, MountOptions } from './mounted.ts';

export interface BothOptions extends Omit<MountOptions, 'shared' | 'lists' | 'subscribers' | 'server'> {
  /** Other sections of the configuration, as in sekisho.yaml: lists, subscribers, notice, … Files are named from `folder`. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Files that lie there before the configuration is read, by name. */
  readonly files?: Readonly<Record<string, string>>;
}

/** What the admin API answers. */
export interface ApiAnswer {
  readonly status: number;
  /** JSON, parsed; text where it is something else. */
  readonly body: unknown;
  readonly headers: Readonly<Record<string, unknown>>;
}

/** What came of a command line. */
export interface CommandResult {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
}

export interface MountedBoth extends Omit<Mounted, 'publish' | 'measures' | 'advance'> {
  /**
   * Ask the admin API, with a token of that role alone, or with none at all. `path` is whole: `/v1/my-plugin/…`. The token's name is
   * that of the role.
   */
  request(
    role: Role | undefined,
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    path: string,
    body?: object,
  ): Promise<ApiAnswer>;
  /**
   * Carry out a command line of the plugin's own (`Plugin.commands`), without `sekisho` before it, with a token of that role. Errors are on
   * `err`, with their code, as at a terminal.
   */
  command(role: Role | undefined, ...words: readonly string[]): Promise<CommandResult>;
  /** What was written into the audit log, in order. */
  readonly audited: readonly AuditEntry[];
  /** From now on, as long as it is true, nothing can be written into the audit log. */
  auditFails: boolean;
  /** What the control half has logged, one object a line. */
  readonly logged: readonly Readonly<Record<string, unknown>>[];
  /** Value of a counter or gauge of the control half, by its full name and some of its labels. */
  number(name: string, labels?: Record<string, string>): number;
  /** The data folder of the server. */
  readonly folder: string;
  /** Let `ms` pass: work of `every` and deadlines fall due. Resolves when what they have begun has had its turn. */
  advance(ms: number): Promise<void>;
  /** As after `sekisho reload`: a new control half beside the old one, which is closed then. What is `lasting` goes on. */
  reload(options?: object): Promise<void>;
  close(): Promise<void>;
}

type Mount = (plugin: Plugin, options: never, settings: MountOptions, lent: Partial<LentToHooks>) => Mounted;

/** What lasts as long as the mounted plugin, whatever the options. */
interface Place {
  readonly plugin: Plugin;
  readonly folder: string;
  readonly settings: BothOptions;
  readonly time: LatestTime;
  readonly clock: ManualClock;
  readonly log: Logger;
  readonly audit: RecordedAudit;
  readonly kept: KeptParts;
  readonly lasting: LastingParts;
  readonly mount: Mount;
}

/** One configuration of it. */
interface Running {
  readonly hooks: Mounted;
  readonly app: FastifyInstance;
  readonly config: Config;
  readonly metrics: Metrics;
  readonly close: Close;
}

/** The audit log itself, and what a test wants to see of it. */
class RecordedAudit extends AuditLog {
  readonly entries: AuditEntry[] = [];
  fails = false;
  override recordAll(entries: readonly AuditEntry[]): void {
    if (this.fails) throw auditError('SEKISHO_AUDIT_FAILED', 'the test has said that nothing can be written');
    super.recordAll(entries);
    this.entries.push(...entries);
  }
}

export async function openBoth(
  plugin: Plugin,
  options: object,
  settings: BothOptions,
  mount: Mount,
): Promise<MountedBoth> {
  const clock = settings.clock ?? new ManualClock();
  const folder = mkdtempSync(join(tmpdir(), `sekisho-${plugin.name}-`));
  for (const [name, text] of Object.entries(settings.files ?? {})) writeFileSync(join(folder, name), text);
  const logged: Record<string, unknown>[] = [];
  const log: Logger = pino(
    { level: 'debug', base: null },
    { write: (line: string) => void logged.push(JSON.parse(line)) },
  );
  const time = new LatestTime(clock, { mark: undefined, keepMark: () => {}, accepted: () => {} });
  const audit = new RecordedAudit(folder, time, log);
  const kept = new KeptParts();
  const place = { plugin, folder, settings, time, clock, log, audit, kept, lasting: new LastingParts(), mount };
  const letGo = async () => {
    await kept.stop();
    await kept.close();
    audit.close();
    rmSync(folder, { recursive: true, force: true });
  };
  let running: Running;
  try {
    running = await begin(place, options);
  } catch (error) {
    await letGo();
    throw error;
  }
  return {
    clock,
    folder,
    logged,
    audited: audit.entries,
    get auditFails() {
      return audit.fails;
    },
    set auditFails(fails) {
      audit.fails = fails;
    },
    get refreshed() {
      return running.hooks.refreshed;
    },
    ask: (query) => running.hooks.ask(query),
    explain: (query, hook) => running.hooks.explain(query, hook),
    counter: (name, labels) => running.hooks.counter(name, labels),
    number: (name, labels = {}) => numberOf(running.metrics, name, labels),
    request: (role, method, path, body) => request(running.app, role, method, path, body),
    command: (role, ...words) => carryOut(running, place, role, words),
    advance: async (ms) => {
      running.hooks.advance(ms);
      // Promises, and what they lead to in this turn and the next.
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    },
    reload: async (changed = options) => {
      const before = running;
      running = await begin(place, changed);
      await before.close();
    },
    close: async () => {
      await running.close();
      await letGo();
    },
  };
}

/** As `process/generation.ts` brings a configuration up, less sockets and workers. */
async function begin(place: Place, options: object): Promise<Running> {
  const { plugin, time, clock, log, audit, kept, lasting, settings, mount } = place;
  const config = await configuration(place, options);
  const closers: Close[] = [];
  const metrics = new Metrics();
  const publications = new Publications();
  const routes: PluginRoutes[] = [];
  const samples = (name: string) =>
    metrics.cells.flatMap((cell, i) =>
      cell.name === name ? [{ labels: cell.labels, value: metrics.values[i] ?? 0 }] : [],
    );
  const close = async () => {
    for (const each of closers.splice(0).reverse()) await each();
  };
  try {
    const features = new OpenFeatures(FEATURES, {
      config,
      server: config.server,
      plugins: [plugin],
      log,
      time,
      audit,
      approval: approvalOf(config),
      metrics,
      counters: () => [],
      samples,
      version: 'test',
      publications,
      keptParts: kept,
      closers,
    });
    await features.open();
    const process = {
      log,
      time,
      timers: clock,
      hashKey: [0x01234567, 0x09abcdef] as const,
      lasting,
      audit,
      samples,
    };
    const parsed = config.plugins.find(({ name }) => name === plugin.name)?.options;
    const control = await startControl(plugin, parsed, {
      config,
      process,
      features,
      publications,
      metrics,
      routes,
      closers,
    });
    await features.afterPlugins();
    const halves = new DataHalves(FEATURES, { config, workers: 1, worker: 0, metrics: new Metrics() });
    halves.follow(publications);
    const hooks = mount(
      plugin,
      options as never,
      {
        ...settings,
        clock,
        server: serverFacts(config.server, config.notice),
        shared: structuredClone(control?.shared),
      },
      lentByFeatures(halves),
    );
    const topic = pluginTopic(plugin.name);
    publications.addReader(async (publication) => {
      if (publication.topic === topic) hooks.publish(publication.value);
    });
    for (const publication of publications.latest()) if (publication.topic === topic) hooks.publish(publication.value);
    const app = await adminOf(config, place, features, routes);
    closers.push(() => app.close());
    return { hooks, app, config, metrics, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The options as they stand in a configuration, so that what is wrong with them is said as `sekisho check` says it. */
async function configuration({ plugin, folder, settings }: Place, options: object): Promise<Config> {
  const { plugins = {}, server = {}, ...sections } = (settings.config ?? {}) as Record<string, Record<string, unknown>>;
  // The lists that come along would be compiled for every test.
  const text = JSON.stringify({
    lists: [],
    ...sections,
    server: { ...server, data: folder, workers: 1 },
    plugins: { [plugin.name]: options, ...plugins },
  });
  const path = join(folder, 'sekisho.yaml');
  writeFileSync(path, text);
  const loaded = await loadConfig({
    path,
    workFolder: folder,
    resolvePlugin: async (name, module, baseFolder) =>
      name === plugin.name ? plugin : resolvePlugin(name, module, baseFolder),
    systemResolvers: () => ['192.0.2.53'],
  });
  if (loaded.ok) return loaded.config;
  const details = loaded.problems.map(problemText);
  throw settingsError('SEKISHO_CONFIG_INVALID', details.join('\n'), { details });
}

/** The admin application with the plugin's routes; what only a whole server knows is not there. */
async function adminOf(
  config: Config,
  { log, audit }: Place,
  features: OpenFeatures,
  pluginRoutes: readonly PluginRoutes[],
): Promise<FastifyInstance> {
  const noServer = (): never => {
    throw new TypeError('a mounted plugin has no server around it');
  };
  const tokens = new Tokens(
    '',
    ROLES.map((role) => ({ name: role, role, sha256: sha256(tokenOf(role)) })),
  );
  const app = await createApp(
    {
      config,
      version: 'test',
      log,
      metricsText: noServer,
      status: noServer,
      explain: noServer,
      reload: noServer,
      ready: () => true,
      audit,
      statusSchemas: {},
      featureRoutes: features.routes(),
      cache: { stats: noServer, flush: noServer, log, audit },
      pluginRoutes,
      entrances: [],
    },
    tokens,
  );
  await app.ready();
  return app;
}

async function request(
  app: FastifyInstance,
  role: Role | undefined,
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  body?: object,
): Promise<ApiAnswer> {
  const answer = await app.inject({
    method,
    url: path,
    headers: role === undefined ? {} : { authorization: `Bearer ${tokenOf(role)}` },
    ...(body !== undefined && { payload: body }),
  });
  const isJson = String(answer.headers['content-type'] ?? '').startsWith('application/json');
  return { status: answer.statusCode, body: isJson ? answer.json() : answer.body, headers: answer.headers };
}

/** As `sekisho` itself does it, asking the mounted routes. */
async function carryOut(
  { app, config }: Running,
  { plugin, folder }: Place,
  role: Role | undefined,
  [name = '', ...words]: readonly string[],
): Promise<CommandResult> {
  const said = { out: '', err: '' };
  const terminal: Terminal = {
    out: (text) => {
      said.out += text;
    },
    err: (text) => {
      said.err += text;
    },
    env: {},
    workFolder: folder,
    isTerminal: false,
  };
  const send: AdminApi['send'] = async <Body>(
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    path: string,
    content?: unknown,
    { alsoTaken }: SendOptions = {},
  ) => {
    const { status, body } = await request(app, role, method, path, content as object | undefined);
    if ((status >= 200 && status < 300) || status === alsoTaken) return body as Body;
    const { code, message, remedy, details } = (body as ErrorBody).error;
    throw new SekishoError(code, { status, exitCode: 1, remedy }, message, { details: details ?? [] });
  };
  try {
    const load = plugin.commands?.[name] ?? refuseCommand(name, Object.keys(plugin.commands ?? {}), terminal);
    const line = readLine(await load(), words, terminal);
    if (line === undefined) return { exitCode: 0, ...said };
    const action = await line.declared.load();
    const server: AdminApi = { get: (path, options) => send('GET', path, undefined, options), send };
    const exitCode = await action({ ...line, server, configuration: async () => config }, terminal);
    return { exitCode, ...said };
  } catch (error) {
    if (!(error instanceof SekishoError)) throw error;
    return { exitCode: error.exitCode, ...said, err: `${said.err}${error.message} (${error.code})\n` };
  }
}

function numberOf({ cells, values }: Metrics, name: string, labels: Record<string, string>): number {
  const wanted = Object.entries(labels);
  return cells.reduce((sum, cell, i) => {
    const matches = cell.name === name && wanted.every(([key, value]) => cell.labels[key] === value);
    return matches ? sum + (values[i] ?? 0) : sum;
  }, 0);
}

function tokenOf(role: Role): string {
  return `token-of-${role}`;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
