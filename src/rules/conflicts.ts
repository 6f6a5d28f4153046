/** What stands against a rule beside those that there are. */
import { counted } from '../errors/counted.ts';
import type { SekishoError } from '../errors/errors.ts';
import type { StatedGround } from '../grounds/stated.ts';
import type { Clock } from '../time/clock.ts';
import type { Carriers, Refusal } from './carriers.ts';
import { discreetMatch } from './discreet.ts';
import { type Entry, stateOf } from './entry.ts';
import { rulesError } from './errors.ts';
import { staleEvidence } from './evidence.ts';
import type { HeldRules } from './held.ts';
import { isRunning, keyOf, type MeasureProposal, type Rule, type RuleOrigin, subjectOf } from './rule.ts';
import type { RuleStore } from './rule-store.ts';

/** Queries that no carrier has a table for are compared with each of these. */
export const MAX_MEASURES = 64;

/** A rule by its number, or by the name that it is on. */
export type Which =
  | { readonly id: string; readonly origin?: RuleOrigin }
  | { readonly plugin: string; readonly name: string };

type Wanted = Pick<Rule, 'plugin' | 'match' | 'limitPerSecond' | 'dryRun'> & StatedGround;

export class Conflicts {
  readonly #held: HeldRules;
  readonly #carriers: Carriers;
  readonly #clock: Clock;

  constructor(held: HeldRules, carriers: Carriers, clock: Clock) {
    this.#held = held;
    this.#carriers = carriers;
    this.#clock = clock;
  }

  /** Of a rule that a person asks for. */
  async ofRule(wanted: Wanted, store: RuleStore): Promise<SekishoError | undefined> {
    const { plugin } = wanted;
    const message = this.#ofName(wanted);
    if (message !== undefined) return this.refusal(plugin, 'conflict', message);
    const stale = await staleEvidence(store, wanted);
    return stale === undefined ? undefined : this.refusal(plugin, 'refused', 'no rule was added', [stale]);
  }

  /** Of a proposal of a diagnosis. */
  ofMeasure(proposal: MeasureProposal, wanted: Wanted): SekishoError | undefined {
    const conflict = (message: string) => rulesError('SEKISHO_MEASURE_CONFLICT', message);
    const before = this.#held.at(keyOf(proposal));
    if (before?.rule.origin === 'diagnosis' && isRunning(before.rule) && (wanted.dryRun || !before.rule.dryRun))
      return conflict(`${before.rule.id} is on the very same already; lift it first`);
    if (this.#carriers.carrier(proposal.plugin)) {
      const message = this.#ofName(wanted);
      if (message !== undefined) return conflict(message);
    }
    // No silent renewal. A diagnosis is the evidence, and carries one term.
    const key = keyOf({ ...proposal, match: discreetMatch(proposal.match) });
    const again = this.#held
      .ended()
      .find((rule) => rule.origin === 'diagnosis' && !rule.dryRun && keyOf(discreetly(rule)) === key);
    if (again?.proposed?.diagnosis === proposal.diagnosis)
      return conflict(
        `diagnosis ${proposal.diagnosis} has carried ${again.id} already; diagnose again for fresh evidence`,
      );
    return undefined;
  }

  /**
   * Ended rules of `plugin` that have to be forgotten so that one more has room; none where it has. Throws SekishoError where every
   * place is taken by a rule that runs.
   */
  roomFor({ plugin }: Pick<Rule, 'plugin'>, before: Entry | undefined): readonly Rule[] {
    const carrier = this.#carriers.carrier(plugin);
    if (!carrier) {
      if (before && isRunning(before.rule)) return [];
      const listed = this.#held.running().filter(({ rule }) => !this.#carriers.carrier(rule.plugin));
      if (listed.length < MAX_MEASURES) return [];
      throw rulesError(
        'SEKISHO_MEASURE_CONFLICT',
        `there are ${MAX_MEASURES} measures already, which is the limit; lift one first`,
      );
    }
    const there = this.#held.all(plugin);
    if (before || this.#carriers.configuredAtMost(plugin) + there.length < carrier.capacity) return [];
    const ended = there.find(({ rule }) => !isRunning(rule));
    if (ended) return [ended.rule];
    throw this.refusal(
      plugin,
      'conflict',
      `there are ${carrier.capacity} rules already, which is the limit; remove one first`,
    );
  }

  /** A rule that can be lifted (`running`: and is not over) or renewed. Throws SekishoError. */
  known(which: Which, running = false): Entry {
    if ('id' in which) {
      const entry = this.#held.byId(which.id);
      const wanted = which.origin === undefined || entry?.rule.origin === which.origin;
      if (entry && wanted && (!running || isRunning(entry.rule))) return entry;
      throw unknownRule(which.id);
    }
    const { plugin, name } = which;
    const key = keyOf({ plugin, match: { name }, limitPerSecond: 0 });
    const entry = this.#held.at(key);
    if (entry) return entry;
    const configured = this.#carriers.configured(plugin).some(({ rule }) => keyOf(rule) === key);
    const where = configured ? '; that of the configuration is changed there' : '';
    throw this.refusal(plugin, 'unknown', `the desk has no rule on '${name}'${where}`);
  }

  /** In the plugin's own words where it has any. */
  refusal(plugin: string, kind: Refusal, message: string, problems: readonly string[] = []): SekishoError {
    const found = [...new Set(problems)];
    const text =
      found.length === 0 ? message : `${message}: ${found.length === 1 ? found[0] : counted(found.length, 'problem')}`;
    const details = found.length > 1 ? found : [];
    const own = this.#carriers.carrier(plugin)?.refusal(kind, text, details);
    if (own) return own;
    if (kind === 'unknown') return rulesError('SEKISHO_MEASURE_UNKNOWN', text);
    return rulesError(kind === 'refused' ? 'SEKISHO_MEASURE_REFUSED' : 'SEKISHO_MEASURE_CONFLICT', text, { details });
  }

  /** There is one rule on a name. */
  #ofName(wanted: Wanted): string | undefined {
    const text = subjectOf(wanted);
    const key = keyOf(wanted);
    if (this.#carriers.configured(wanted.plugin).some(({ rule }) => keyOf(rule) === key))
      return `the configuration has a rule on '${text}'; change it there`;
    const there = this.#held.at(key);
    const state = there && stateOf(there, this.#clock.nowMs());
    if (state === 'in-force') return `'${text}' has a rule in force; renew it, or remove it first`;
    if (state === 'dry-run' && wanted.dryRun) return `'${text}' has a dry run already; renew it, or remove it first`;
    return undefined;
  }
}

export function unknownRule(id: string): SekishoError {
  return rulesError('SEKISHO_MEASURE_UNKNOWN', `no rule '${id.slice(0, 20)}' is in force; see the list`);
}

function discreetly(rule: Rule): Rule {
  return { ...rule, match: discreetMatch(rule.match) };
}
