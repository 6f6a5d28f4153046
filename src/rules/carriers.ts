/**
 * Where rules go: the workers of each configuration. While a reload is under way two are attached, and every change goes to
 * both. A plugin either asks the flat list of in-force.ts for each query, or, as a carrier, builds a table of its own.
 */
import { errorText, type SekishoError } from '../errors/errors.ts';
import type { Clock } from '../time/clock.ts';
import { published } from './compile.ts';
import { actsUntilMs, type ConfiguredRule, configuredEntry, type Entry } from './entry.ts';
import { rulesError } from './errors.ts';
import type { PublishedMeasure, PublishedMeasures } from './in-force.ts';
import { RateMonitor } from './rates.ts';
import { aboutText, isRunning, keyOf, type RuleMatch } from './rule.ts';
import type { Slots } from './slots.ts';

/** A rule as a carrier takes it into its table. */
export interface CarriedRule {
  readonly match: RuleMatch;
  readonly dryRun: boolean;
  /** Monotonic milliseconds; from then on it does not act. -Infinity: not at all; Infinity: until it is lifted. */
  readonly endsMs: number;
  /** Where its queries are counted (`PluginRules.counters`). */
  readonly slot: number;
  /** Place in the configuration, from 1; 0 = of the desk. */
  readonly place: number;
  /** For `explain`. */
  readonly about: string;
}

/** A plugin with a table of its own, which every worker looks into. It matches; the desk does everything else. */
export interface RuleCarrier {
  /** Rules that its options hold. */
  readonly configured: readonly ConfiguredRule[];
  /** Rules of configuration and desk together that it takes. */
  readonly capacity: number;
  /** All its rules, also those that ended within a day. Resolves when every worker holds them. */
  publish(rules: readonly CarriedRule[]): Promise<void>;
  /** The plugin's own error for what the desk refuses of its rules. */
  refusal(kind: Refusal, message: string, details: readonly string[]): SekishoError;
}

export type Refusal = 'refused' | 'conflict' | 'unknown';

/** One configuration. */
export interface RulesAttachment {
  /** Names of its plugins that carry rules. */
  readonly plugins: ReadonlySet<string>;
  /** Of these, those that see only queries that the cache does not answer. */
  readonly onlyMisses?: ReadonlySet<string>;
  /** Of its plugins with tables of their own. */
  readonly carriers: ReadonlyMap<string, RuleCarrier>;
  /** The flat list; resolves when all its workers hold it. */
  publish(measures: PublishedMeasures): Promise<void>;
}

export class Carriers {
  readonly #slots: Slots;
  readonly #clock: Clock;
  /** With the rules that each configuration holds. */
  readonly #attached = new Map<RulesAttachment, readonly Entry[]>();

  constructor(slots: Slots, clock: Clock) {
    this.#slots = slots;
    this.#clock = clock;
  }

  /** `desk`: rules of the desk. Throws SekishoError where a carrier has no room for all. Returns what ends it. */
  add(attachment: RulesAttachment, desk: readonly Entry[]): () => void {
    for (const [plugin, { configured, capacity, refusal }] of attachment.carriers) {
      const others = desk.filter(({ rule }) => rule.plugin === plugin).length;
      if (configured.length + others > capacity)
        throw refusal(
          'conflict',
          `${configured.length} rules of the configuration and ${others} of the desk: ${capacity} in all is the limit`,
          [],
        );
    }
    const before = this.everyConfigured();
    const entries = [...attachment.carriers].flatMap(([plugin, { configured }]) =>
      configured.map((rule) => {
        const slot = this.#slots.take();
        const { matched } = this.#slots.read(slot);
        const entry = configuredEntry(rule, plugin, slot, matched, this.#clock);
        // What was learnt of its rate is not lost by a reload.
        const same = before.find(
          (each) => keyOf(each.rule) === keyOf(entry.rule) && each.rule.dryRun === entry.rule.dryRun,
        );
        if (same) {
          entry.monitor = new RateMonitor(this.#clock.nowMs(), matched);
          entry.monitor.continueFrom(same.monitor);
        }
        return entry;
      }),
    );
    this.#attached.set(attachment, entries);
    return () => {
      this.#attached.delete(attachment);
      for (const { slot } of entries) this.#slots.release(slot);
    };
  }

  /** Rules of the configuration that came last. */
  configured(plugin?: string): readonly Entry[] {
    const entries = [...this.#attached.values()].at(-1) ?? [];
    return plugin === undefined ? entries : entries.filter(({ rule }) => rule.plugin === plugin);
  }

  everyConfigured(): readonly Entry[] {
    return [...this.#attached.values()].flat();
  }

  /** Some configuration has the plugin, so that a rule in it acts. */
  carries(plugin: string): boolean {
    return [...this.#attached.keys()].some(({ plugins }) => plugins.has(plugin));
  }

  /** What the plugin compares its rules with. */
  sees(plugin: string): 'queries' | 'misses' {
    return [...this.#attached.keys()].at(-1)?.onlyMisses?.has(plugin) ? 'misses' : 'queries';
  }

  /** Of the configuration that came last. */
  carrier(plugin: string): RuleCarrier | undefined {
    return [...this.#attached.keys()].at(-1)?.carriers.get(plugin);
  }

  /** Places that rules of configurations take at most, of `plugin`. */
  configuredAtMost(plugin: string): number {
    const counts = [...this.#attached.keys()].map(({ carriers }) => carriers.get(plugin)?.configured.length ?? 0);
    return Math.max(0, ...counts);
  }

  /**
   * Resolves when all workers of all configurations hold what `plugin` (every plugin, where left out) is to act on. Throws
   * SekishoError where one could not take it.
   */
  async publish(desk: readonly Entry[], plugin?: string, only?: RulesAttachment): Promise<void> {
    const attachments = only === undefined ? [...this.#attached.keys()] : [only];
    const work = attachments.flatMap((attachment) => {
      const carried = [...attachment.carriers].filter(([name]) => plugin === undefined || name === plugin);
      const tables = carried.map(([name, carrier]) => carrier.publish(this.#tableFor(name, attachment, desk)));
      // What lies in a carrier's table is in no list.
      const listed = plugin === undefined || !attachment.carriers.has(plugin);
      return listed ? [...tables, attachment.publish(this.#listOf(desk, attachment))] : tables;
    });
    const failed = (await Promise.allSettled(work)).find((each) => each.status === 'rejected');
    if (failed)
      throw rulesError('SEKISHO_RULE_WORKERS', `the change is kept, but ${errorText(failed.reason)}`, {
        cause: failed.reason,
      });
  }

  #tableFor(plugin: string, attachment: RulesAttachment, desk: readonly Entry[]): CarriedRule[] {
    const configured = this.#attached.get(attachment) ?? [];
    return [...configured, ...desk]
      .filter(({ rule }) => rule.plugin === plugin)
      .map((entry) => {
        const { rule, slot, place } = entry;
        const { match, dryRun, ground } = rule;
        return { match, dryRun, endsMs: actsUntilMs(entry), slot, place, about: aboutText(ground) };
      });
  }

  #listOf(desk: readonly Entry[], { carriers }: RulesAttachment): PublishedMeasures {
    const measures = desk.flatMap((entry): PublishedMeasure[] => {
      const { rule, slot } = entry;
      if (!isRunning(rule) || carriers.has(rule.plugin)) return [];
      return [published(rule, actsUntilMs(entry), slot)];
    });
    return { measures, counters: this.#slots.buffer };
  }
}
