/** The plugins' halves in the main thread: what the contract lends them, out of features and process. */
import { join } from 'node:path';
import type { PluginRoutes } from '../admin/deps.ts';
import { approvalOf, type Config, serverFacts } from '../config/config.ts';
import type { Control, ControlContext, Plugin } from '../contract/plugin.ts';
import { errorText } from '../errors/errors.ts';
import type { Close } from '../feature/feature.ts';
import type { OpenFeatures } from '../feature/open-features.ts';
import { type Publications, pluginTopic } from '../feature/publications.ts';
import { listFacts } from '../lists/list-config.ts';
import { pluginError } from '../loading/errors.ts';
import { type Metrics, metricPrefix } from '../metrics/registry.ts';
import { RULES } from '../rules/feature.ts';
import { SUBSCRIBERS } from '../subscribers/feature.ts';
import { makeDataFolder } from '../system/data-folder.ts';
import type { ProcessParts } from './process-parts.ts';

/** What the plugins of one configuration share in the main thread. */
export interface ControlParts {
  readonly config: Config;
  readonly process: Pick<ProcessParts, 'log' | 'time' | 'timers' | 'hashKey' | 'lasting' | 'audit' | 'samples'>;
  readonly features: OpenFeatures;
  readonly publications: Publications;
  readonly metrics: Metrics;
  /** Takes routes that plugins add. */
  readonly routes: PluginRoutes[];
  /** Takes what ends their halves. */
  readonly closers: Close[];
}

/** Rejects with SekishoError where the plugin's `control` throws. */
export async function startControl(
  plugin: Plugin,
  options: unknown,
  { config, process, features, publications, metrics, routes, closers }: ControlParts,
): Promise<Control | undefined> {
  const { name } = plugin;
  const rules = features.desk(RULES);
  const context: ControlContext<never> = {
    options: options as never,
    server: serverFacts(config.server, config.notice, config.views),
    lists: config.lists.map(listFacts),
    log: process.log.child({ plugin: name }),
    clock: process.time,
    every: (ms, work) => {
      const stop = process.timers.every(ms, work);
      closers.push(stop);
      return stop;
    },
    get notices() {
      return features.desk(SUBSCRIBERS).takeNotices();
    },
    hashKey: process.hashKey,
    lasting: (make) => {
      const { value, release } = process.lasting.take(name, make);
      closers.push(release);
      return value;
    },
    workers: config.server.workers,
    audit: process.audit,
    measures: rules.desk,
    rules: rules.desk,
    approval: approvalOf(config),
    beforeTimeIsSetBack: (record) => void closers.push(process.time.onAccept(record)),
    carryRules: (carrier) => rules.carry(name, carrier),
    samples: process.samples,
    dataFolder: () => {
      const folder = join(config.server.dataFolder, name);
      makeDataFolder(folder);
      return folder;
    },
    publish: (value) => publications.publish(pluginTopic(name), value),
    counter: (counter, help, labels) => metrics.counter(`${metricPrefix(name)}_${counter}_total`, help, labels),
    gauge: (gauge, help, labels) => metrics.gauge(`${metricPrefix(name)}_${gauge}`, help, labels),
    numbers: metrics.values,
    routes: (register) => void routes.push({ plugin: name, register }),
    onClose: (close) => void closers.push(close),
  };
  try {
    return (await plugin.control?.(context)) ?? undefined;
  } catch (error) {
    throw pluginError('SEKISHO_PLUGIN_FAILED', `plugin ${name}: ${errorText(error)}`, { cause: error });
  }
}
