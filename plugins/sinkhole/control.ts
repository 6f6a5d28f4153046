/**
 * The sinkhole's half in the main thread: brings the rules that the desk publishes to this configuration's workers as one table,
 * and shows them to the admin API and to monitoring. What becomes of a rule is the desk's (src/rules).
 */
import { type Control, type ControlContext, RULE_STATES, ruleStateOf } from '../../src/contract/plugin.ts';
import { carrierFor } from './carrier.ts';
import { PLUGIN } from './request.ts';
import { registerRoutes } from './routes.ts';
import type { ConfigurationRule } from './rule-name.ts';
import type { SharedHits } from './table.ts';
import { CHANGES } from './views.ts';

/** Numbers for monitoring are brought up to date this often. */
const TICK_MS = 1_000;

export function control(context: ControlContext<unknown>, rules: readonly ConfigurationRule[]): Control {
  const { hashKey, rules: desk } = context;
  context.carryRules(carrierFor(rules, hashKey, context.publish));
  showNumbers(context);
  context.routes((app) => registerRoutes(app, desk, context.clock, context.audit));
  return { shared: { hits: desk.slots.buffer } satisfies SharedHits };
}

/** How many rules there are in which state, for monitoring; never which. */
function showNumbers({ gauge, counter, numbers, clock, onClose, rules: desk }: ControlContext<unknown>): void {
  const shown = RULE_STATES.filter((state) => state !== 'lifted');
  const states = shown.map((state) => gauge('rules', 'Rules by state.', { state }));
  const soon = gauge('rules_ending_soon', 'Rules in force or dry runs that end, or are to be reviewed, soon.');
  const lift = gauge('rules_to_lift', 'Rules that the desk proposes to lift.');
  const fault = gauge('store_moved_aside', '1 where the store of the rules was damaged at the start and moved aside.');
  const changes = Object.values(CHANGES).map((kind) =>
    counter('changes', 'Changes to the rules of the desk since the start.', { kind }),
  );
  const show = () => {
    const nowMs = clock.nowMs();
    const entries = desk.entries(PLUGIN);
    shown.forEach((state, i) => {
      numbers[states[i]!] = entries.filter((entry) => ruleStateOf(entry, nowMs) === state).length;
    });
    numbers[soon] = entries.filter(({ warnMs, endsMs }) => nowMs >= warnMs && nowMs < endsMs).length;
    numbers[lift] = entries.filter(({ proposal }) => proposal !== undefined).length;
    numbers[fault] = desk.warnings().length === 0 ? 0 : 1;
  };
  show();
  const timer = setInterval(() => {
    show();
    // During a reload two configurations look at one desk: each change is counted by one of them.
    const counted = desk.takeUncounted(PLUGIN);
    (Object.keys(CHANGES) as (keyof typeof CHANGES)[]).forEach((action, i) => {
      numbers[changes[i]!]! += counted[action] ?? 0;
    });
  }, TICK_MS);
  timer.unref();
  onClose(() => clearInterval(timer));
}
