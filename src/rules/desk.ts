/**
 * The rules desk: every temporary rule of the server, in memory, on the disk and in every worker, and what becomes of it.
 *
 *   change ─▶ checked ─▶ audit log ─▶ on the disk (one transaction) ─▶ in every worker ─▶ the caller hears of it
 *   tick   ─▶ rates sampled ─▶ ended ones recorded, ends announced ─▶ measures lifted whose incident is over
 *
 * What is on the disk is the rule: a server that is killed between two steps takes up what stands there. One desk a process: it
 * outlives reloads. While one is under way both configurations are attached, and every change goes to both.
 */
import type { Auditor } from '../audit/entry.ts';
import { errorText, SekishoError } from '../errors/errors.ts';
import { type Approval, approverProblem } from '../grounds/approval.ts';
import type { StatedGround } from '../grounds/stated.ts';
import type { Clock } from '../time/clock.ts';
import { absentRuleStore } from './absent-rule-store.ts';
import { admittedMeasure, begunRule, type Statement, timeProblem, type Wanted } from './admission.ts';
import { Carriers, type RulesAttachment } from './carriers.ts';
import { Conflicts, unknownRule, type Which } from './conflicts.ts';
import { discreetMatch } from './discreet.ts';
import type { Entry } from './entry.ts';
import { rulesError } from './errors.ts';
import type { FleetRules, Sight } from './fleet-rules.ts';
import { HeldRules } from './held.ts';
import { type Applied, Life } from './life.ts';
import { anyOf, type IncidentRate, watchMeasures } from './recovery-watch.ts';
import { renewedRule } from './renewal.ts';
import { isRunning, keyOf, type MeasureProposal, type Rule, type RuleMatch, subjectOf } from './rule.ts';
import type { ChangeFilter, KeptChange, RuleStore } from './rule-store.ts';
import { Slots } from './slots.ts';
import type { RulesLog } from './watch.ts';
import type { By } from './words.ts';

/** What somebody asks for, its ground read in full. */
export interface RuleDraft extends StatedGround {
  readonly plugin: string;
  readonly match: RuleMatch;
  readonly dryRun: boolean;
}

/** Two configurations and the desk, with as many rules as a carrier takes. */
const SLOTS = 1 << 15;
/** How often a change is tried while other nodes of the fleet change the same. */
const ATTEMPTS = 3;

export class RulesDesk {
  /** Undefined: the disk gives none, and nothing can be put in force. */
  readonly store: RuleStore | undefined;
  /** Where what could not be read was put; monitoring shows it. */
  readonly movedAside: string | undefined;
  /** Of the configuration in force. */
  approval: Approval = { singleApproverReason: undefined };
  /** How long changes of measures are kept (`measures.keep`). */
  keepMs = 90 * 86_400_000;
  readonly slots = new Slots(SLOTS);
  readonly clock: Clock;
  readonly #carriers: Carriers;
  readonly #held: HeldRules;
  readonly #conflicts: Conflicts;
  readonly #life: Life;
  readonly #log: RulesLog;
  readonly #fleet: FleetRules | undefined;
  readonly #incidents = new Set<IncidentRate>();
  /** One change after the other: each sees what the one before left. */
  #queue: Promise<unknown> = Promise.resolve();
  #ticking = false;
  #tickFailed = false;

  /** `rules`: as the store has them. */
  constructor(parts: {
    readonly store: RuleStore | undefined;
    readonly rules: readonly Rule[];
    readonly movedAside?: string | undefined;
    readonly clock: Clock;
    readonly audit: Auditor;
    readonly log: RulesLog;
    /** Whose rules these are; without, this server stands alone. */
    readonly fleet?: FleetRules | undefined;
  }) {
    const { store, clock, audit, log } = parts;
    this.store = store;
    this.movedAside = parts.movedAside;
    this.clock = clock;
    this.#log = log;
    this.#fleet = parts.fleet;
    this.#carriers = new Carriers(this.slots, clock);
    this.#held = new HeldRules(parts.rules, this.slots, clock);
    this.#conflicts = new Conflicts(this.#held, this.#carriers, clock);
    const common = { held: this.#held, carriers: this.#carriers, slots: this.slots, clock, audit, log };
    this.#life = new Life({ store: store ?? absentRuleStore, ...common });
  }

  /** A configuration comes up. Resolves, with what ends it, when its workers hold the rules. Throws SekishoError. */
  async attach(attachment: RulesAttachment): Promise<() => void> {
    const detach = this.#carriers.add(attachment, this.#held.all());
    for (const { rule } of this.#held.running())
      if (!attachment.plugins.has(rule.plugin))
        this.#log.warn(
          { measure: rule.id, plugin: rule.plugin },
          'a rule is in force whose plugin is not in this configuration: nothing acts on it',
        );
    await this.#carriers.publish(this.#held.all(), undefined, attachment);
    return detach;
  }

  /** Of `plugin`: rules of the configuration in force, then those of the desk by name. */
  entries(plugin: string): Entry[] {
    return [...this.#carriers.configured(plugin), ...this.#held.all(plugin)];
  }

  /** Running ones in the order in which they began, then those that ended within the last day. */
  list(wanted: (rule: Rule) => boolean = () => true): { readonly rule: Rule; readonly entry: Entry | undefined }[] {
    const running = this.#held.running().map((entry) => ({ rule: entry.rule, entry }));
    const ended = this.#held.ended().map((rule) => ({ rule, entry: undefined }));
    return [...running, ...ended].filter(({ rule }) => wanted(rule));
  }

  /** What stands in the way of trusting the lists. */
  warnings(): string[] {
    const { movedAside } = this;
    const aside = movedAside === undefined ? [] : [`the store was damaged and moved aside at the start: ${movedAside}`];
    return [...aside, ...(this.#fleet?.time.warnings() ?? [])];
  }

  /** Some configuration has the plugin, so that a rule in it acts. */
  carries(plugin: string): boolean {
    return this.#carriers.carries(plugin);
  }

  /** What the plugin compares its rules with: every query, or those that the cache does not answer. */
  sees(plugin: string): 'queries' | 'misses' {
    return this.#carriers.sees(plugin);
  }

  /** Whoever diagnoses tells, from now on, how much there is of what a measure is about. Returns what ends it. */
  watchIncidents(rate: IncidentRate): () => void {
    this.#incidents.add(rate);
    return () => void this.#incidents.delete(rate);
  }

  async changes(limit: number, filter: ChangeFilter = {}): Promise<readonly KeptChange[]> {
    return (await this.store?.changes(limit, filter)) ?? [];
  }

  /** Changes to rules of `plugin` that nobody has counted yet; they are counted with that. */
  takeUncounted(plugin: string): Partial<Record<KeptChange['action'], number>> {
    const counts = this.#life.uncounted.get(plugin) ?? {};
    this.#life.uncounted.delete(plugin);
    return counts;
  }

  /** Throws SekishoError; resolves when every worker holds the rule. */
  add(draft: RuleDraft, by: By): Promise<Applied> {
    return this.#changed(async () => {
      const problem = timeProblem(this.clock) ?? approverProblem(draft.ground.approver, by.who, this.approval);
      if (problem !== undefined) throw this.#conflicts.refusal(draft.plugin, 'refused', 'no rule was added', [problem]);
      const wanted = { ...draft, limitPerSecond: 0 };
      const conflict = await this.#conflicts.ofRule(wanted, this.#needsStore());
      if (conflict) throw conflict;
      return this.#begin({ ...wanted, origin: 'operator', proposed: undefined }, by);
    });
  }

  /** Why `add` would refuse it beside the rules that there are. */
  async conflictOf(draft: RuleDraft): Promise<SekishoError | undefined> {
    return this.#conflicts.ofRule({ ...draft, limitPerSecond: 0 }, this.#needsStore());
  }

  /** Put a proposal of a diagnosis in force. Throws SekishoError with everything that is missing. */
  apply(proposal: MeasureProposal, statement: Statement, who: string, role: string): Promise<Applied> {
    return this.#changed(async () => {
      return this.#begin(this.#admitted(proposal, statement, who), { who, role, action: 'measure.apply' });
    });
  }

  /** What `apply` would refuse, without applying anything; empty where nothing. */
  preview(proposal: MeasureProposal, statement: Statement, who: string): readonly string[] {
    try {
      this.#admitted(proposal, statement, who);
      return [];
    } catch (error) {
      if (!(error instanceof SekishoError)) throw error;
      return error.details.length > 0 ? error.details : [errorText(error)];
    }
  }

  /** Another term, on fresh evidence. Throws SekishoError; resolves when every worker holds it. */
  renew(which: Which, body: unknown, by: By): Promise<Applied> {
    return this.#changed(async () => {
      const entry = this.#conflicts.known(which);
      const { rule } = entry;
      // Once ended it is not kept what a measure was on, and its diagnosis is no evidence of now.
      if (rule.origin === 'diagnosis' && !isRunning(rule)) throw unknownRule(rule.id);
      const problems: string[] = [];
      const parts = { who: by.who, clock: this.clock, approval: this.approval, store: this.#needsStore() };
      const renewed = await renewedRule(rule, body, parts, problems);
      if (renewed) return this.#life.renew(entry, renewed, by);
      const subject = subjectOf({ ...rule, match: discreetMatch(rule.match) });
      throw this.#conflicts.refusal(rule.plugin, 'refused', `'${subject}' was not renewed`, problems);
    });
  }

  /** Throws SekishoError; resolves when no worker acts on it any more. */
  lift(which: Which, reason: string, by: By): Promise<Applied> {
    return this.#changed(async () => this.#life.lift(this.#conflicts.known(which, 'id' in which), reason, by));
  }

  /**
   * Take in what the fleet has; resolves when every worker holds it. Rejects where PostgreSQL is out of reach, and what is here acts on.
   */
  follow(): Promise<void> {
    return this.#inTurn(() => this.#follow());
  }

  /** What each node of the fleet said last of each rule. */
  async sights(): Promise<readonly Sight[]> {
    return (await this.#fleet?.sights()) ?? [];
  }

  /** To be called every second or so. */
  async tick(): Promise<void> {
    if (this.#ticking) return;
    this.#ticking = true;
    try {
      await this.recordEnds();
      await this.#inTurn(() => this.#life.forgetOld(this.keepMs));
      await this.#fleet?.tick(this.#held.running(), ({ monitor, slot }) =>
        monitor.totalAt(this.slots.read(slot).matched),
      );
      this.#tickFailed = false;
    } catch (error) {
      // Workers let go of what has ended in any case; that it did is written down when the disk takes it again.
      if (!this.#tickFailed) this.#log.error({ reason: errorText(error) }, 'the end of a rule could not be recorded');
      this.#tickFailed = true;
    } finally {
      this.#ticking = false;
    }
  }

  /** What has ended by now is on record when this resolves. Rejects where the disk takes it not. */
  recordEnds(): Promise<void> {
    return this.#inTurn(async () => {
      const life = this.#life;
      await life.followClock();
      life.sample();
      await life.recordEnds();
      if (!life.timeKnown) return;
      const { clock, slots } = this;
      const parts = { clock, slots, carriers: this.#carriers, log: this.#log, incidentRate: anyOf(this.#incidents) };
      // Another node's measure is about what that node sees.
      const mine = this.#held.running().filter(({ rule: { node } }) => node === this.#fleet?.node);
      await watchMeasures(mine, life, parts);
    });
  }

  /** What was asked for before is done first. */
  async close(): Promise<void> {
    await this.#inTurn(async () => (this.#fleet ?? this.store)?.close());
  }

  #admitted(proposal: MeasureProposal, statement: Statement, who: string): Wanted {
    this.#needsStore();
    const carried = this.carries(proposal.plugin);
    const wanted = admittedMeasure(proposal, statement, { who, clock: this.clock, approval: this.approval, carried });
    const conflict = this.#conflicts.ofMeasure(proposal, wanted);
    if (conflict) throw conflict;
    return wanted;
  }

  async #begin(wanted: Wanted, by: By): Promise<Applied> {
    const [store, life] = [this.#needsStore(), this.#life];
    const before = this.#held.at(keyOf(wanted));
    const forgotten = this.#conflicts.roomFor(wanted, before);
    if (forgotten.length > 0) await life.forget(forgotten);
    const begun = begunRule(wanted, await store.nextNumber(), by.who, this.clock.wallMs());
    const rule = this.#fleet ? { ...begun, node: this.#fleet.node } : begun;
    return life.begin(rule, before, by);
  }

  #needsStore(): RuleStore {
    if (this.store) return this.store;
    throw rulesError('SEKISHO_RULE_STORE', 'the rules store is not available; see the log');
  }

  /** A change that somebody asks for: on what the fleet has now, and once more where another node was faster. */
  #changed<T>(work: () => Promise<T>): Promise<T> {
    return this.#inTurn(async () => {
      if (!this.#fleet) return work();
      for (let attempt = 1; ; attempt++) {
        await this.#follow();
        try {
          const done = await work();
          // On the own disk, too; where that fails now, the notification brings it.
          await this.#follow().catch(() => {});
          return done;
        } catch (error) {
          const late = error instanceof SekishoError && error.code === 'SEKISHO_RULE_LATE';
          if (!late || attempt >= ATTEMPTS) throw error;
        }
      }
    });
  }

  async #follow(): Promise<void> {
    if (!this.#fleet) return;
    const rules = await this.#fleet.read();
    await this.#life.follow(rules);
    await this.#fleet.keep(rules);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work);
    this.#queue = done.catch(() => {});
    return done;
  }
}
