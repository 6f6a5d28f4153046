/** The rules desk of a process, with its store and the clock hand that drives it; every configuration is attached to it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { errorText } from '../errors/errors.ts';
import type { FeatureContext, KeptPart, Opened } from '../feature/feature.ts';
import { EngineTime } from '../fleet/engine/engine-time.ts';
import { FLEET } from '../fleet/feature.ts';
import type { FleetState } from '../fleet/fleet-state.ts';
import { makeDataFolder } from '../system/data-folder.ts';
import type { Clock } from '../time/clock.ts';
import { threadTimers } from '../time/turned-clock.ts';
import type { RuleCarrier } from './carriers.ts';
import { RulesDesk } from './desk.ts';
import { FleetRules } from './fleet-rules.ts';
import { measureRoutes } from './measure-routes.ts';
import { isRunning, type Rule } from './rule.ts';
import { ruleRoutes } from './rule-routes.ts';
import type { OpenedRuleStore } from './rule-store.ts';
import { openSqliteRuleStore, RULES_FILE, RULES_FOLDER } from './sqlite-rule-store.ts';
import { FLEET_RULES_FILE, openSqliteRulesCopy } from './sqlite-rules-copy.ts';
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
  const fleet = context.desk(FLEET);
  const made = context.kept<KeptDesk>() ?? (await (fleet ? fleetDesk(context, fleet) : keptDesk(context)));
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

/** The desk of a node: its rules are the fleet's. Rejects where the data folder gives no copy of them. */
async function fleetDesk(
  { server, time, audit, log }: FeatureContext<RulesSection>,
  { engine, config }: FleetState,
): Promise<KeptDesk> {
  const folder = join(server.dataFolder, RULES_FOLDER);
  makeDataFolder(folder);
  const { copy, movedAside } = await openSqliteRulesCopy(join(folder, FLEET_RULES_FILE), time.wallMs());
  if (movedAside !== undefined)
    log.error(
      { movedAside },
      "the copy of the fleet's rules was damaged and moved aside: none acts here until PostgreSQL is in reach",
    );
  const clock = new EngineTime(time);
  const fleet = new FleetRules({ engine, node: config.node, time: clock, copy, log });
  const desk = new RulesDesk({ store: fleet.store, rules: await fleet.kept(), movedAside, clock, audit, log, fleet });
  await tellOfOwnRules(join(folder, RULES_FILE), server.dataFolder, time, log);
  fleet.begin(desk);
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

/** What this server had in force before it joined a fleet belongs to nobody: somebody has to say again for which nodes it is. */
async function tellOfOwnRules(file: string, dataFolder: string, clock: Clock, log: RulesLog): Promise<void> {
  if (!existsSync(file)) return;
  try {
    const { store } = await openSqliteRuleStore(file, dataFolder, clock.wallMs());
    const own = (await store.rules()).filter((rule) => isRunning(rule) && (rule.endsAtMs ?? Infinity) > clock.wallMs());
    await store.close();
    if (own.length > 0)
      log.warn(
        { rules: own.map(({ id, plugin }) => `${plugin} ${id}`) },
        'rules that this server had in force before it joined the fleet DO NOT ACT ANY MORE; put them in force again for all nodes',
      );
  } catch (error) {
    log.warn({ reason: errorText(error) }, 'the rules of before this node joined the fleet cannot be read');
  }
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
