/** The rules desk of a process, with its store and the clock hand that drives it; every configuration is attached to it. */
import { join } from 'node:path';
import { errorText } from '../errors/errors.ts';
import type { FeatureContext, KeptPart, Opened } from '../feature/feature.ts';
import { makeDataFolder } from '../system/data-folder.ts';
import type { Clock } from '../time/clock.ts';
import { threadTimers } from '../time/turned-clock.ts';
import type { RuleCarrier } from './carriers.ts';
import { RulesDesk } from './desk.ts';
import { measureRoutes } from './measure-routes.ts';
import type { Rule } from './rule.ts';
import { ruleRoutes } from './rule-routes.ts';
import type { OpenedRuleStore } from './rule-store.ts';
import { openSqliteRuleStore, RULES_FILE, RULES_FOLDER } from './sqlite-rule-store.ts';
import type { RulesLog } from './watch.ts';

/** Ends and rates are looked at this often. */
const TICK_MS = 1_000;

export interface RulesSection {
  /** How long changes of measures are kept. */
  readonly measures: { readonly keepMs: number };
}

export interface LentRules {
  readonly desk: RulesDesk;
  /** A plugin of this configuration matches rules in a table of its own. */
  carry(plugin: string, carrier: RuleCarrier): void;
}

/** One desk a process. */
interface KeptDesk extends KeptPart {
  readonly desk: RulesDesk;
}

export async function openRules(context: FeatureContext<RulesSection>): Promise<Opened<LentRules>> {
  const { config, plugins, metrics, approval } = context;
  const made = context.kept<KeptDesk>() ?? (await keptDesk(context));
  const { desk } = context.keep(() => made);
  const carriers = new Map<string, RuleCarrier>();
  const gauge = (state: string) =>
    metrics.gauge('sekisho_measures', 'Measures that operators have put in force.', { state });
  const gauges = { 'in-force': gauge('in-force'), 'dry-run': gauge('dry-run') } as const;
  return {
    desk: { desk, carry: (plugin, carrier) => void carriers.set(plugin, carrier) },
    routes: (app) => {
      measureRoutes(app, desk, context.audit);
      ruleRoutes(app, desk, context.audit);
    },
    afterPlugins: () =>
      desk.attach({
        // Features carry rules, too, under a name of theirs.
        plugins: new Set([
          ...plugins.filter(({ carriesMeasures }) => carriesMeasures).map(({ name }) => name),
          ...carriers.keys(),
        ]),
        onlyMisses: new Set(plugins.filter((plugin) => plugin.carriesMeasures === 'misses').map(({ name }) => name)),
        carriers,
        publish: (published) => context.publish(published),
      }),
    activate: () => {
      desk.approval = approval;
      desk.keepMs = config.measures.keepMs;
    },
    measure: () => {
      const measures = desk.list(({ origin }) => origin === 'diagnosis');
      for (const state of ['in-force', 'dry-run'] as const)
        metrics.values[gauges[state]] = measures.filter(({ rule }) => rule.state === state).length;
    },
    warnings: () =>
      desk.store ? [] : ['the store of the rules cannot be used: no temporary rule acts, and none can be put in force'],
  };
}

/** A store that cannot be opened says so; then nothing can be put in force, and serving goes on. */
async function keptDesk({ server, time, audit, log }: FeatureContext<RulesSection>): Promise<KeptDesk> {
  const opened = await openStore(server.dataFolder, time, log);
  const desk = new RulesDesk({ store: undefined, rules: [], ...opened, clock: time, audit, log });
  time.onAccept(() => desk.recordEnds());
  const stop = threadTimers().every(TICK_MS, () => void desk.tick());
  return {
    desk,
    close: () => {
      stop();
      return desk.close();
    },
  };
}

async function openStore(
  dataFolder: string,
  clock: Clock,
  log: RulesLog,
): Promise<(Omit<OpenedRuleStore, 'takenOver'> & { readonly rules: readonly Rule[] }) | undefined> {
  try {
    makeDataFolder(join(dataFolder, RULES_FOLDER));
    const file = join(dataFolder, RULES_FOLDER, RULES_FILE);
    const { store, movedAside, takenOver } = await openSqliteRuleStore(file, dataFolder, clock.wallMs());
    if (movedAside !== undefined)
      log.error(
        { movedAside },
        'THE STORE OF THE RULES WAS DAMAGED. It was moved aside and the desk begins EMPTY; rules that were in force are NOT any more and have to be added again',
      );
    if (takenOver) log.info(takenOver, 'rules of a former version were taken over into one store');
    return { store, movedAside, rules: await store.rules() };
  } catch (error) {
    log.error(
      { reason: errorText(error) },
      'THE RULES CANNOT BE READ OR KEPT: rules that were in force do not act, and none can be put in force',
    );
    return undefined;
  }
}
