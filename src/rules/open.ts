/** The rules desk of a process, with its store and the clock hand that drives it. */
import { join } from 'node:path';
import type { Auditor } from '../audit/entry.ts';
import { errorText } from '../errors/errors.ts';
import { makeDataFolder } from '../system/data-folder.ts';
import type { Clock } from '../time/clock.ts';
import { RulesDesk } from './desk.ts';
import type { Rule } from './rule.ts';
import type { OpenedRuleStore } from './rule-store.ts';
import { openSqliteRuleStore, RULES_FOLDER } from './sqlite-rule-store.ts';
import type { RulesLog } from './watch.ts';

/** Ends and rates are looked at this often. */
const TICK_MS = 1_000;

/** Below `dataFolder`. A store that cannot be opened says so; then nothing can be put in force, and serving goes on. */
export async function openRules(
  dataFolder: string,
  { clock, audit, log }: { clock: Clock; audit: Auditor; log: RulesLog },
): Promise<RulesDesk> {
  const opened = await openStore(dataFolder, clock, log);
  const desk = new RulesDesk({ store: undefined, rules: [], ...opened, clock, audit, log });
  setInterval(() => void desk.tick(), TICK_MS).unref();
  return desk;
}

async function openStore(
  dataFolder: string,
  clock: Clock,
  log: RulesLog,
): Promise<(Omit<OpenedRuleStore, 'takenOver'> & { readonly rules: readonly Rule[] }) | undefined> {
  try {
    makeDataFolder(join(dataFolder, RULES_FOLDER));
    const { store, movedAside, takenOver } = openSqliteRuleStore(dataFolder, clock.wallMs());
    for (const file of movedAside)
      log.error(
        { movedAside: file },
        'THE STORE OF THE RULES WAS DAMAGED. It was moved aside and the desk begins EMPTY; rules that were in force are NOT any more and have to be added again',
      );
    if (takenOver) log.info(takenOver, 'rules of a former version taken over into one store');
    return { store, movedAside, rules: await store.rules() };
  } catch (error) {
    log.error(
      { reason: errorText(error) },
      'THE RULES CANNOT BE READ OR KEPT: rules that were in force do not act, and none can be put in force',
    );
    return undefined;
  }
}
