/**
 * The sinkhole's half in the main thread: brings the desk to this configuration's workers, lets it live, and shows it to
 * the admin API and to monitoring.
 */
import type { Control, ControlContext } from '../../src/contract/plugin.ts';
import { Desk } from './desk.ts';
import { type ConfigurationRule, stateOf } from './entry.ts';
import { sinkholeCarrier } from './measures.ts';
import { registerRoutes } from './routes.ts';
import { RULE_STATES } from './rule.ts';
import { ACTIONS, Store } from './store.ts';
import type { SharedHits, TableMemory } from './table.ts';

/** Ends, warnings and rates are looked at this often. */
const TICK_MS = 1_000;

/** The desk, and the clock hand that drives it: both outlive a reload. */
class RunningDesk {
  readonly desk: Desk;
  readonly #timer: NodeJS.Timeout;

  constructor(desk: Desk) {
    this.desk = desk;
    this.#timer = setInterval(() => desk.tick(), TICK_MS);
    this.#timer.unref();
  }
  close(): void {
    clearInterval(this.#timer);
    this.desk.close();
  }
}

export async function control(context: ControlContext<unknown>, rules: readonly ConfigurationRule[]): Promise<Control> {
  const { clock, hashKey, log, audit } = context;
  const { desk } = context.lasting(() => {
    const store = new Store(context.dataFolder(), clock.wallMs());
    if (store.movedAside !== undefined)
      log.error(
        { file: store.movedAside },
        'the rules of the sinkhole desk could not be read: the damaged store was moved aside and the desk begins EMPTY; rules that were in force have to be added again',
      );
    return new RunningDesk(new Desk({ store, clock, hashKey, audit }));
  });
  const publish = (table: TableMemory) => context.publish(table);
  context.beforeTimeIsSetBack(() => desk.tick());
  context.onClose(await desk.attach({ rules, publish, log, approval: context.approval }));
  showNumbers(context, desk);
  context.carryMeasures(sinkholeCarrier(desk));
  context.routes((app) => registerRoutes(app, desk, clock, audit));
  return { shared: { hits: desk.slots.buffer } satisfies SharedHits };
}

/** How many rules there are in which state, for monitoring; never which. */
function showNumbers({ gauge, counter, numbers, clock, onClose }: ControlContext<unknown>, desk: Desk): void {
  const states = RULE_STATES.map((state) => gauge('rules', 'Rules by state.', { state }));
  const soon = gauge('rules_ending_soon', 'Rules in force or dry runs that end, or are to be reviewed, soon.');
  const lift = gauge('rules_to_lift', 'Rules that the desk proposes to lift.');
  const fault = gauge('store_moved_aside', '1 where the store of the rules was damaged at the start and moved aside.');
  const changes = ACTIONS.map((kind) =>
    counter('changes', 'Changes to the rules of the desk since the start.', { kind }),
  );
  const show = () => {
    const nowMs = clock.nowMs();
    const entries = desk.entries();
    RULE_STATES.forEach((state, i) => {
      numbers[states[i]!] = entries.filter((entry) => stateOf(entry, nowMs) === state).length;
    });
    numbers[soon] = entries.filter(({ warnMs, endsMs }) => nowMs >= warnMs && nowMs < endsMs).length;
    numbers[lift] = entries.filter(({ proposal }) => proposal !== undefined).length;
    numbers[fault] = desk.store.movedAside === undefined ? 0 : 1;
  };
  show();
  const timer = setInterval(() => {
    show();
    // During a reload two configurations look at one desk: each change is counted by one of them.
    ACTIONS.forEach((action, i) => {
      numbers[changes[i]!]! += desk.uncounted[action];
      desk.uncounted[action] = 0;
    });
  }, TICK_MS);
  timer.unref();
  onClose(() => clearInterval(timer));
}
