/**
 * The one life of every rule (rule.ts): each step is in the audit log before it happens, is one transaction on the disk, and then
 * reaches the workers. What happens by itself (an end, a measure whose incident is over) is not held up by a full audit log.
 */
import type { AuditEntry, Auditor } from '../audit/entry.ts';
import { errorText } from '../errors/errors.ts';
import type { Clock } from '../time/clock.ts';
import type { Carriers } from './carriers.ts';
import { type Entry, retime } from './entry.ts';
import type { HeldRules } from './held.ts';
import { PROOF_MS } from './recovery.ts';
import { isRunning, type Rule } from './rule.ts';
import type { RuleAction, RuleStore } from './rule-store.ts';
import type { Slots } from './slots.ts';
import { announceEnd, type RulesLog, sampleRate } from './watch.ts';
import { auditOf, type By, deskAs, logLine } from './words.ts';

/** What the API is told of a change. */
export interface Applied {
  readonly entry: Entry;
  readonly rule: Rule;
  /** From the moment that it was on the disk until every worker held it. */
  readonly appliedInMs: number;
}

export interface LifeParts {
  readonly store: RuleStore;
  readonly held: HeldRules;
  readonly carriers: Carriers;
  readonly slots: Slots;
  readonly clock: Clock;
  readonly audit: Auditor;
  readonly log: RulesLog;
}

/** Rates are sampled this often. */
const SAMPLE_MS = 5_000;
/** The clocks of a machine drift apart by less in a second. */
const JUMP_MS = 500;
const DELETE_EVERY_MS = 3_600_000;

export class Life {
  readonly #parts: LifeParts;
  /** Changes that monitoring has not counted yet, by plugin and action: whoever counts them takes them away. */
  readonly uncounted = new Map<string, Partial<Record<RuleAction, number>>>();
  #sampledMs: number;
  #deletedMs = Number.NEGATIVE_INFINITY;
  /** As the ends were made with: wall clock less monotonic clock, and whether the time was known. */
  #offsetMs: number;
  timeKnown: boolean;

  constructor(parts: LifeParts) {
    this.#parts = parts;
    const { clock } = parts;
    this.#sampledMs = clock.nowMs();
    this.#offsetMs = clock.wallMs() - clock.nowMs();
    this.timeKnown = Number.isFinite(clock.termMs());
  }

  /** `before`: the dry run, or the ended rule, in whose place it comes. Throws SekishoError. */
  async begin(rule: Rule, before: Entry | undefined, by: By): Promise<Applied> {
    const { held, clock } = this.#parts;
    const follows = before && isRunning(before.rule) ? before : undefined;
    const why = `followed by ${rule.id}`;
    const gaveWay = follows && { ...follows.rule, ...ending('lift', clock.wallMs(), why) };
    await this.#record('add', rule, '', by, gaveWay && { rule: gaveWay, reason: why });
    const entry = held.hold(rule, before);
    if (gaveWay) held.followed(gaveWay);
    if (entry.recovery) entry.proof = { byMs: clock.nowMs() + PROOF_MS, from: this.#matched(entry) };
    return this.#applied('add', entry, by.who, '');
  }

  /** Another term. Throws SekishoError. */
  async renew(entry: Entry, rule: Rule, by: By): Promise<Applied> {
    await this.#record('renew', rule, '', by);
    this.#parts.held.renew(entry, rule);
    return this.#applied('renew', entry, by.who, '');
  }

  /** Somebody lifts it. Throws SekishoError; resolves when no worker has it any more. */
  async lift(entry: Entry, reason: string, by: By): Promise<Applied> {
    const rule = { ...entry.rule, ...ending('lift', this.#parts.clock.wallMs(), reason) };
    await this.#record('lift', rule, reason, by);
    return this.#lifted(entry, rule, by.who, reason);
  }

  /** The server lifts it, for the reason given. Rejects where the disk takes it not. */
  async liftByItself(entry: Entry, why: string): Promise<void> {
    const { clock, log } = this.#parts;
    const rule = { ...entry.rule, ...ending('lift', clock.wallMs(), why) };
    await this.#recordItself('lift', rule, why);
    // Whoever could not take it is replaced, or reloaded; the rule is gone from the disk.
    await this.#lifted(entry, rule, deskAs(rule, 'lift').who, why).catch((error: unknown) =>
      log.error({ reason: errorText(error) }, 'a worker could not take the rules'),
    );
  }

  /** The wall clock was set, or the time is known again: ends lie elsewhere on the monotonic clock now. */
  async followClock(): Promise<void> {
    const { clock, held, carriers } = this.#parts;
    const offsetMs = clock.wallMs() - clock.nowMs();
    const known = Number.isFinite(clock.termMs());
    if (known === this.timeKnown && Math.abs(offsetMs - this.#offsetMs) < JUMP_MS) return;
    this.#offsetMs = offsetMs;
    this.timeKnown = known;
    for (const entry of [...carriers.everyConfigured(), ...held.all()]) retime(entry, clock);
    await this.#publishQuietly();
  }

  /** Every second or so; rates are sampled less often. */
  sample(): void {
    const { clock, held, carriers, slots, log } = this.#parts;
    const nowMs = clock.nowMs();
    if (nowMs - this.#sampledMs < SAMPLE_MS) return;
    this.#sampledMs = nowMs;
    for (const entry of [...carriers.everyConfigured(), ...held.all()])
      sampleRate(entry, slots.read(entry.slot).matched, nowMs, log);
  }

  /** What has ended by now is on record when this resolves. Rejects where the disk takes it not. */
  async recordEnds(): Promise<void> {
    const { clock, held, carriers, log } = this.#parts;
    // In doubt nothing with an end acts, but nothing has ended for certain.
    if (!this.timeKnown) return;
    const nowMs = clock.nowMs();
    // What a configuration states cannot be taken out of it: it is marked, and the configuration's end is on record (src/time).
    for (const entry of carriers.everyConfigured())
      if (nowMs >= entry.endsMs && isRunning(entry.rule)) entry.rule = { ...entry.rule, state: 'expired' };
    for (const entry of held.running()) {
      announceEnd(entry, nowMs, log);
      if (nowMs < entry.endsMs) continue;
      const why = 'its term was over';
      // It ended when its term was over, also where nobody was there to see it.
      const endedAtMs = Math.min(clock.wallMs(), entry.rule.endsAtMs ?? Number.POSITIVE_INFINITY);
      const rule = { ...entry.rule, ...ending('expire', endedAtMs, why) };
      await this.#recordItself('expire', rule, why);
      held.end(entry, rule);
      this.#count('expire', rule);
      log.warn(...logLine(rule, 'expire', deskAs(rule, 'expire').who, why));
      // A carrier's workers let go by their own clock; the list is shorter now.
      if (!carriers.carrier(rule.plugin)) await this.#publishQuietly(rule.plugin);
    }
  }

  /** What ended a day ago is shown no longer; changes whose retention is over go, and that they went is recorded. */
  async forgetOld(keepMs: number): Promise<void> {
    const { clock, held, store, audit, log } = this.#parts;
    const wallMs = clock.wallMs();
    const old = held.forgettable(wallMs);
    if (old.length > 0) await this.forget(old);
    if (clock.nowMs() - this.#deletedMs < DELETE_EVERY_MS) return;
    this.#deletedMs = clock.nowMs();
    const before = Math.floor(wallMs - keepMs);
    const rows = await store.deleteChanges(before, wallMs);
    if (rows === 0) return;
    const detail = { deletions: [{ dataset: 'measures/changes', before, rows }] };
    log.info(detail, 'changes of measures deleted: their retention is over');
    quietly(audit, log, { who: 'server', role: 'server', action: 'measures.delete', purpose: 'retention', detail });
  }

  async forget(rules: readonly Rule[]): Promise<void> {
    const { held, store } = this.#parts;
    await store.forget(rules.map(({ id }) => id));
    const gone = held.forget(rules);
    if (gone.length === 0) return;
    await this.#publishQuietly();
    for (const entry of gone) held.release(entry);
  }

  /**
   * Other nodes have changed rules. What ended here acts no more, whatever they show: a database that was put back would bring it again.
   * Rejects where it cannot be told to them.
   */
  async follow(rules: readonly Rule[]): Promise<void> {
    const { held, carriers, log } = this.#parts;
    const { changed, ended, freed } = held.follow(rules);
    if (changed) await carriers.publish(held.all()).catch((error: unknown) => this.#notTaken(error));
    for (const entry of freed) held.release(entry);
    for (const rule of ended) {
      log.warn(
        { measure: rule.id, plugin: rule.plugin },
        'the fleet shows a rule as running that has ended here: was the database put back? It does not act, and its end is recorded again',
      );
      const action = rule.state === 'expired' ? 'expire' : 'lift';
      await this.#recordItself(action, rule, rule.endedWhy);
    }
  }

  async #lifted(entry: Entry, rule: Rule, who: string, why: string): Promise<Applied> {
    this.#parts.held.end(entry, rule);
    const applied = await this.#applied('lift', entry, who, why);
    this.#parts.held.release(entry);
    return applied;
  }

  async #applied(action: RuleAction, entry: Entry, who: string, why: string): Promise<Applied> {
    const { clock, carriers, held, log } = this.#parts;
    const fromMs = clock.nowMs();
    const { rule } = entry;
    await carriers.publish(held.all(), rule.plugin);
    const appliedInMs = clock.nowMs() - fromMs;
    this.#count(action, rule);
    const [fields, text] = logLine(rule, action, who, why);
    if (rule.origin === 'diagnosis' && action === 'lift') log.warn(fields, text);
    else log.info({ ...fields, appliedInMs: Math.round(appliedInMs * 1000) / 1000 }, text);
    return { entry, rule, appliedInMs };
  }

  /** In the audit log first: what cannot be recorded there does not happen. Throws SekishoError. */
  async #record(
    action: RuleAction,
    rule: Rule,
    reason: string,
    { who, role, action: audited }: By,
    gaveWay?: { readonly rule: Rule; readonly reason: string },
  ): Promise<void> {
    const { audit, store, clock, log } = this.#parts;
    const entry = { who, role, action: audited, ...auditOf(rule, action, reason) };
    audit.record(entry);
    const atMs = clock.wallMs();
    try {
      await store.commit([
        ...(gaveWay ? [{ action: 'follow' as const, ...gaveWay, who, atMs }] : []),
        { action, rule, who, reason, atMs },
      ]);
    } catch (error) {
      // As it went: the entry before must not stand for something that was not done.
      quietly(audit, log, { ...entry, action: `${audited}.failed` });
      throw error;
    }
  }

  /** Time does not wait for a log: what has ended has ended. */
  async #recordItself(action: 'lift' | 'expire', rule: Rule, reason: string): Promise<void> {
    const { store, clock, audit, log } = this.#parts;
    const { who, role, action: audited } = deskAs(rule, action);
    await store.commit([{ action, rule, who, reason, atMs: clock.wallMs() }]);
    quietly(audit, log, { who, role, action: audited, ...auditOf(rule, action, reason) });
  }

  async #publishQuietly(plugin?: string): Promise<void> {
    const { carriers, held } = this.#parts;
    await carriers.publish(held.all(), plugin).catch((error: unknown) => this.#notTaken(error));
  }

  #notTaken(error: unknown): void {
    this.#parts.log.error({ reason: errorText(error) }, 'a worker could not take the rules');
  }

  #matched({ monitor, slot }: Entry): number {
    return monitor.totalAt(this.#parts.slots.read(slot).matched);
  }

  #count(action: RuleAction, { plugin }: Rule): void {
    const counts = this.uncounted.get(plugin) ?? {};
    counts[action] = (counts[action] ?? 0) + 1;
    this.uncounted.set(plugin, counts);
  }
}

function ending(
  action: 'lift' | 'expire',
  wallMs: number,
  why: string,
): Pick<Rule, 'state' | 'endedAtMs' | 'endedWhy'> {
  return { state: action === 'lift' ? 'lifted' : 'expired', endedAtMs: wallMs, endedWhy: why };
}

/** What the server does by itself is not held up because the audit log is full; its own log says so. */
function quietly(audit: Auditor, log: RulesLog, entry: AuditEntry): void {
  try {
    audit.record(entry);
  } catch (error) {
    log.error({ action: entry.action, reason: errorText(error) }, 'not in the audit log');
  }
}
