/**
 * The `plugins` of a configuration: which plugin each name stands for, and its options against the plugin's own schema.
 */
import { STANDING } from '../../plugins/standing.ts';
import type { Plugin, ServerFacts } from '../contract/plugin.ts';
import { errorText } from '../errors/errors.ts';
import type { Finding } from '../settings/finding.ts';
import { check, foundText } from '../settings/problems.ts';
import type { ConfigProblem, ConfigSource } from '../settings/yaml-source.ts';
import { moduleUrl } from './module-path.ts';
import { DEFAULT_PLUGINS, type PluginConfig } from './plugin-config.ts';

/**
 * Finds a plugin: a built-in one by its name, another one by the URL of its module. Throws, with a message for the
 * operator, where there is none or where the module holds something else.
 */
export type ResolvePlugin = (name: string, module: string | undefined, baseFolder: string) => Promise<Plugin>;

export interface PluginsContext {
  readonly source: ConfigSource;
  readonly facts: ServerFacts;
  readonly baseFolder: string;
  readonly resolve: ResolvePlugin;
  /** There are lists of category `policy`. */
  readonly hasPolicyLists: boolean;
}

export interface LoadedPlugins {
  readonly plugins: PluginConfig[];
  /** Why no view can switch a plugin off, by name; undefined where views can. Those that could not be loaded are left out. */
  readonly sameInAllViews: Map<string, string | undefined>;
  readonly problems: ConfigProblem[];
}

const { gate: GATE, forPolicyLists: POLICY, protectsOthers: PROTECTS_OTHERS } = STANDING;
const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

/** Allowed, and the log says so at every start: a chain of one's own without what protects others. `raw`: the section. */
export function pluginDangers(raw: unknown): Finding[] {
  if (typeof raw !== 'object' || raw === null || Object.hasOwn(raw, PROTECTS_OTHERS)) return [];
  const message = `does not name ${PROTECTS_OTHERS}, so that forged sources can use this server to flood others: add '${PROTECTS_OTHERS}: {}', or '${PROTECTS_OTHERS}: false' to say that this is meant`;
  return [{ path: ['plugins'], message }];
}

export async function loadPlugins(raw: unknown, context: PluginsContext): Promise<LoadedPlugins> {
  const named = raw === undefined || raw === null ? DEFAULT_PLUGINS : raw;
  if (typeof named !== 'object' || Array.isArray(named)) {
    const message = `expected a map (plugin: options), found ${foundText(named)}`;
    return { plugins: [], sameInAllViews: new Map(), problems: [context.source.problem(['plugins'], message)] };
  }
  const entries = Object.entries(named as Record<string, unknown>).filter(
    ([name, options]) => name !== PROTECTS_OTHERS || options !== false,
  );
  const gate = entries.find(([name]) => name === GATE) ?? ([GATE, {}] as const);
  const policy = context.hasPolicyLists && !entries.some(([name]) => name === POLICY) ? ([[POLICY, {}]] as const) : [];
  const result: LoadedPlugins = { plugins: [], sameInAllViews: new Map(), problems: [] };
  for (const [name, options] of [gate, ...entries.filter(([name]) => name !== GATE), ...policy]) {
    const loaded = await loadPlugin(name, options, context);
    if (Array.isArray(loaded)) result.problems.push(...loaded);
    else {
      result.plugins.push(loaded.config);
      result.sameInAllViews.set(name, loaded.plugin.sameInAllViews);
    }
  }
  return result;
}

/** One plugin, or what is wrong with it. */
async function loadPlugin(
  name: string,
  raw: unknown,
  context: PluginsContext,
): Promise<{ config: PluginConfig; plugin: Plugin } | ConfigProblem[]> {
  const { source, facts, baseFolder } = context;
  const path = ['plugins', name];
  if (!NAME.test(name))
    return [source.problem(path, 'is not a valid plugin name: use lower-case letters, digits and dashes', 'key')];
  if (raw !== null && (typeof raw !== 'object' || Array.isArray(raw))) {
    return [source.problem(path, `expected a map of options, found ${foundText(raw)}`)];
  }
  const { module: specifier, ...options } = (raw ?? {}) as Record<string, unknown>;
  let module: string | undefined;
  if (specifier !== undefined) {
    const problem = (message: string) => [source.problem([...path, 'module'], message)];
    if (typeof specifier !== 'string') return problem(`expected a file or a package, found ${foundText(specifier)}`);
    module = moduleUrl(specifier, baseFolder);
    if (module === undefined)
      return problem(`no file or package '${specifier}' was found from the configuration's folder`);
  }

  let plugin: Plugin;
  try {
    plugin = await context.resolve(name, module, baseFolder);
  } catch (error) {
    return [
      source.problem(
        module === undefined ? path : [...path, 'module'],
        errorText(error),
        module === undefined ? 'key' : 'value',
      ),
    ];
  }
  if (plugin.name !== name) {
    return [
      source.problem(path, `the module holds the plugin '${plugin.name}', so the key must be '${plugin.name}'`, 'key'),
    ];
  }
  // An unknown key is an error in every plugin, also in one whose schema would let it pass.
  const schema = plugin.options.def.catchall ? plugin.options : plugin.options.strict();
  const checked = check(schema, options, source, path);
  if (checked.problems) return checked.problems;
  const problems = ownProblems(plugin, checked.data, context);
  if (problems.length > 0) return problems;
  try {
    structuredClone(checked.data);
  } catch {
    return [
      source.problem(
        path,
        "the plugin's options cannot be handed to a worker thread: its schema makes functions or the like of them",
      ),
    ];
  }
  return { plugin, config: { name, ...(module !== undefined && { module }), options: checked.data } };

  /** What the plugin's own `check` finds. It is foreign code: it may throw. */
  function ownProblems(
    checking: Plugin,
    parsed: Record<string, unknown>,
    { source: at }: PluginsContext,
  ): ConfigProblem[] {
    try {
      return (checking.check?.(parsed, facts) ?? []).map((one) => at.problem([...path, ...one.path], one.message));
    } catch (error) {
      return [at.problem(path, `the plugin's own check failed: ${errorText(error)}`, 'key')];
    }
  }
}
