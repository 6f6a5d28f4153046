/**
 * The measures desk: puts proposals of a diagnosis in force, brings them to the plugins that carry them, watches what they
 * are about, and lifts them when that is back to normal.
 *
 *   apply ─▶ checked ─▶ audit log ─▶ on the disk ─▶ in every worker (or with a plugin's own desk) ─▶ the caller hears of it
 *   tick  ─▶ ended ones recorded ─▶ rates compared with the normal ─▶ lifted
 *
 * One desk a process: it outlives reloads. While one is under way both configurations are attached, and every change goes
 * to both.
 */
import type { Auditor } from '../audit/entry.ts';
import { errorText } from '../errors/errors.ts';
import { type Approval, approverProblem } from '../grounds/approval.ts';
import { readGround } from '../grounds/stated.ts';
import { statementProblem } from '../grounds/statement.ts';
import type { Clock } from '../time/clock.ts';
import { compileMatch, MAX_MEASURES, MatchError, published } from './compile.ts';
import { discreet, discreetGround, discreetMatch, discreetText } from './discreet.ts';
import { rulesError } from './errors.ts';
import { LIMITED, MATCHED, type PublishedMeasures } from './in-force.ts';
import { isRunning, type Measure, type MeasureProposal, matchText, sameMatch } from './measure.ts';
import { Recovery } from './recovery.ts';
import type { MeasureChange, MeasureStore } from './store.ts';

export interface MeasuresLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

/** A plugin that keeps rules of its own, with all that belongs to them; the others look at `DataContext.measures`. */
export interface MeasureCarrier {
  /** Resolves when every worker acts on it; rejects with SekishoError where it cannot be carried. */
  put(measure: Measure, who: string): Promise<void>;
  /** Resolves when no worker does any more; also where the rule had gone already. */
  take(measure: Measure, who: string, why: string): Promise<void>;
  /** Queries that it matched, all in all; undefined where the plugin has no such rule any more. */
  hits(measure: Measure): number | undefined;
}

/** One configuration. */
export interface MeasuresAttachment {
  /** Names of its plugins that carry measures. */
  readonly plugins: ReadonlySet<string>;
  /** Of its plugins with rules of their own; filled while they start. */
  readonly carriers: ReadonlyMap<string, MeasureCarrier>;
  /** Resolves when all its workers hold them. */
  publish(measures: PublishedMeasures): Promise<void>;
}

/** What whoever applies a proposal states. */
export interface Statement {
  /** As the API takes it; read by src/grounds/stated.ts. */
  readonly ground: unknown;
  readonly dryRun: boolean;
  /** Why a whole zone; for a proposal that is none it means nothing. */
  readonly escalate: string;
}

export interface Held {
  measure: Measure;
  readonly slot: number;
  /** Monotonic milliseconds; made anew where the clock jumps. */
  endsMs: number;
  readonly recovery: Recovery;
  /** Counters as they stood when it took the slot. */
  readonly base: { readonly matched: number; readonly limited: number };
}

const LAST_MS = 7 * 86_400_000;
/** An ended measure stays in sight so long. */
const KEEP_ENDED_MS = 86_400_000;
const DELETE_EVERY_MS = 3_600_000;
/** The clocks of a machine drift apart by less in a second. */
const JUMP_MS = 500;
const SERVER = 'server';

export class MeasureDesk {
  /** Where a damaged store was put; monitoring shows it. */
  readonly store: MeasureStore | undefined;
  /** Of the configuration in force. */
  approval: Approval = { singleApproverReason: undefined };
  /** How long changes are kept (`measures.keep`). */
  keepMs = 90 * 86_400_000;
  #deletedMs = Number.NEGATIVE_INFINITY;
  readonly #clock: Clock;
  readonly #audit: Auditor;
  readonly #log: MeasuresLog;
  readonly #counters = new SharedArrayBuffer(2 * MAX_MEASURES * 4);
  readonly #counts = new Int32Array(this.#counters);
  /** Running ones and those that ended within a day, by id. */
  readonly #held = new Map<string, Held>();
  readonly #ended: Measure[] = [];
  readonly #attached = new Set<MeasuresAttachment>();
  #tickFailed = false;
  /** As the ends were made with: wall clock less monotonic clock, and whether the time was known. */
  #offsetMs: number;
  #timeKnown: boolean;
  /** One change after the other: each sees what the one before left. */
  #queue: Promise<unknown> = Promise.resolve();
  #ticking = false;

  /** `store` undefined: the disk gives none, and nothing can be put in force. */
  constructor(parts: {
    readonly store: MeasureStore | undefined;
    readonly clock: Clock;
    readonly audit: Auditor;
    readonly log: MeasuresLog;
  }) {
    this.store = parts.store;
    this.#clock = parts.clock;
    this.#audit = parts.audit;
    this.#log = parts.log;
    this.#offsetMs = parts.clock.wallMs() - parts.clock.nowMs();
    this.#timeKnown = Number.isFinite(parts.clock.termMs());
    for (const measure of this.store?.measures ?? []) {
      if (isRunning(measure)) this.#hold(measure);
      else this.#ended.push(measure);
    }
  }

  /** A configuration comes up. Resolves, with what ends it, when its workers hold the measures. */
  async attach(attachment: MeasuresAttachment): Promise<() => void> {
    this.#attached.add(attachment);
    for (const { measure } of this.#held.values())
      if (!attachment.plugins.has(measure.plugin))
        this.#log.warn(
          { measure: measure.id, plugin: measure.plugin },
          'a measure is in force whose plugin is not in this configuration: nothing acts on it',
        );
    await attachment.publish(this.#published());
    return () => void this.#attached.delete(attachment);
  }

  /** Running ones first, then those that ended within the last day. */
  list(): { readonly measure: Measure; readonly held: Held | undefined; readonly counted: Counted | undefined }[] {
    const running = [...this.#held.values()].map((held) => ({
      measure: held.measure,
      held,
      counted: this.#counted(held),
    }));
    return [...running, ...this.#ended.map((measure) => ({ measure, held: undefined, counted: undefined }))];
  }

  /** Some configuration has the plugin, so that a measure in it acts. */
  carries(plugin: string): boolean {
    return [...this.#attached].some(({ plugins }) => plugins.has(plugin));
  }

  changes(limit: number): MeasureChange[] {
    return this.store?.changes(limit) ?? [];
  }

  /** Put `proposal` in force. Throws SekishoError with everything that is missing; resolves when every worker acts on it. */
  apply(proposal: MeasureProposal, statement: Statement, who: string, role: string): Promise<Measure> {
    return this.#inTurn(() => this.#apply(proposal, statement, who, role));
  }

  async #apply(proposal: MeasureProposal, statement: Statement, who: string, role: string): Promise<Measure> {
    const { store } = this;
    if (!store) throw rulesError('SEKISHO_MEASURE_STORE', 'there is no store for measures; the log says why');
    const wallMs = this.#clock.wallMs();
    const checked = this.#checked(proposal, statement, who, wallMs);
    const stated = { ...checked, ground: discreetGround(checked.ground, proposal.match) };
    const before = this.#conflicting(proposal, statement);
    const measure: Measure = {
      ...proposal,
      id: `m${store.nextNumber()}`,
      ground: stated.ground,
      escalated: proposal.escalation ? discreetText(statement.escalate.trim(), proposal.match) : '',
      dryRun: statement.dryRun,
      appliedBy: who,
      appliedAtMs: wallMs,
      endsAtMs: stated.endsAtMs,
      state: statement.dryRun ? 'dry-run' : 'in-force',
      endedAtMs: undefined,
      endedWhy: '',
    };
    const { id, plugin, dryRun, diagnosis, endsAtMs } = measure;
    const fields = { measure: id, plugin, dryRun, diagnosis, approver: stated.ground.approver };
    this.#audit.record({
      who,
      role,
      action: 'measure.apply',
      purpose: `${stated.ground.kind}: ${matchText(discreetMatch(measure.match))}`,
      detail: { ...fields, ground: stated.ground, escalated: measure.escalated, until: iso(endsAtMs) },
    });
    // A dry run gives way to the measure that follows from it.
    if (before) await this.#end(before, 'lifted', who, `followed by ${id}`);
    await this.#carrier(plugin)
      ?.put(measure, who)
      .catch((error: unknown) => {
        this.#recordQuietly('measure.not-applied', errorText(error), measure);
        throw error;
      });
    try {
      store.record('apply', measure, who, '', wallMs);
    } catch (error) {
      // What is not on the disk must not act until a restart forgets it.
      await this.#carrier(plugin)?.take(measure, SERVER, 'the measure could not be kept');
      this.#recordQuietly('measure.not-applied', errorText(error), measure);
      throw error;
    }
    this.#hold(measure);
    await this.#publish();
    this.#log.info({ ...fields, by: who, until: iso(endsAtMs) }, 'measure in force');
    return measure;
  }

  /** Throws SekishoError; resolves when no worker acts on it any more. */
  lift(id: string, who: string, role: string, reason: string): Promise<Measure> {
    return this.#inTurn(() => this.#lift(id, who, role, reason));
  }

  async #lift(id: string, who: string, role: string, reason: string): Promise<Measure> {
    const held = this.#held.get(id);
    if (!held) throw rulesError('SEKISHO_MEASURE_UNKNOWN', `no measure '${id.slice(0, 20)}' is in force; see the list`);
    this.#audit.record({
      who,
      role,
      action: 'measure.lift',
      purpose: discreetText(reason, held.measure.match) || 'no reason was given',
      detail: { id },
    });
    return this.#end(held, 'lifted', who, reason);
  }

  /** To be called every second or so. */
  async tick(): Promise<void> {
    if (this.#ticking) return;
    this.#ticking = true;
    try {
      await this.recordEnds();
      this.#forgetOld();
      this.#tickFailed = false;
    } catch (error) {
      // Workers let go of what has ended in any case; that it did is written down when the disk takes it again.
      if (!this.#tickFailed)
        this.#log.error({ reason: errorText(error) }, 'the end of a measure could not be recorded');
      this.#tickFailed = true;
    } finally {
      this.#ticking = false;
    }
  }

  /** What has ended by now is on record when this resolves. Rejects where the disk takes it not. */
  async recordEnds(): Promise<void> {
    await this.#inTurn(() => this.#followClock());
    for (const held of [...this.#held.values()]) await this.#inTurn(() => this.#look(held, this.#clock.nowMs()));
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work);
    this.#queue = done.catch(() => {});
    return done;
  }

  close(): void {
    this.store?.close();
  }

  /** The wall clock was set, or the time is known again: ends lie elsewhere on the monotonic clock now. */
  async #followClock(): Promise<void> {
    const offsetMs = this.#clock.wallMs() - this.#clock.nowMs();
    const known = Number.isFinite(this.#clock.termMs());
    if (known === this.#timeKnown && Math.abs(offsetMs - this.#offsetMs) < JUMP_MS) return;
    this.#offsetMs = offsetMs;
    this.#timeKnown = known;
    for (const held of this.#held.values()) held.endsMs = held.measure.endsAtMs - offsetMs;
    await this.#publish();
  }

  async #look(held: Held, nowMs: number): Promise<void> {
    // While the time is in doubt nothing acts, and nothing has ended for certain.
    if (!this.#held.has(held.measure.id) || !this.#timeKnown) return;
    if (nowMs >= held.endsMs) {
      this.#recordQuietly('measure.expire', 'its term was over', held.measure);
      await this.#end(held, 'expired', SERVER, 'its term was over');
      return;
    }
    // Where nothing counts, a rate of 0 says nothing.
    if (!this.carries(held.measure.plugin)) return;
    const counted = this.#counted(held);
    if (!counted) {
      this.#recordQuietly('measure.lift', 'its rule was removed from the plugin that carried it', held.measure);
      await this.#end(held, 'lifted', SERVER, 'its rule was removed from the plugin that carried it');
      return;
    }
    if (!held.recovery.sample(nowMs, counted.matched) || held.measure.dryRun) return;
    const { quiet, threshold } = held.recovery;
    const why = `back to normal: at most ${threshold.toFixed(1)} queries/s in each of the last ${quiet} minutes`;
    this.#recordQuietly('measure.lift', why, held.measure);
    await this.#end(held, 'lifted', SERVER, why);
  }

  #checked(
    proposal: MeasureProposal,
    { ground: given, escalate }: Statement,
    who: string,
    wallMs: number,
  ): { ground: Measure['ground']; endsAtMs: number } {
    const problems: string[] = [];
    if (!Number.isFinite(this.#clock.termMs()))
      problems.push(
        'the clock is in doubt: it is behind the latest time that the data folder has seen. Set it right, or say that it is: sekisho time accept --reason TEXT',
      );
    try {
      compileMatch(proposal.match);
    } catch (error) {
      if (!(error instanceof MatchError)) throw error;
      problems.push(error.message);
    }
    if (!this.carries(proposal.plugin))
      problems.push(
        `${proposal.plugin} is not in the configuration, so nothing would act on it: add \`${proposal.plugin}: {}\` below plugins, and reload`,
      );
    // The narrowest first; a whole zone only where somebody says why.
    if (proposal.escalation && statementProblem(escalate) !== undefined)
      problems.push('escalate: this is on a whole zone; say in a sentence why nothing narrower does');
    const stated = readGround(given, wallMs, problems);
    const onePerson = stated && approverProblem(stated.ground.approver, who, this.approval);
    if (onePerson !== undefined) problems.push(onePerson);
    const endsAtMs = stated?.endsAtMs ?? stated?.reviewAtMs ?? 0;
    if (stated?.ground.kind === 'legitimate-business' && endsAtMs > wallMs + LAST_MS + 1000)
      problems.push('review: a measure of a diagnosis is temporary, whatever its ground: at most 7d');
    if (problems.length > 0 || !stated) {
      const message = `nothing was put in force: ${problems.length === 1 ? problems[0] : `${problems.length} problems`}`;
      throw rulesError('SEKISHO_MEASURE_REFUSED', message, { details: problems.length > 1 ? problems : [] });
    }
    return { ground: stated.ground, endsAtMs };
  }

  /** The dry run that this follows from, if any. Throws SekishoError where it cannot be put beside what is there. */
  #conflicting(proposal: MeasureProposal, { dryRun }: Statement): Held | undefined {
    const conflict = (message: string) => rulesError('SEKISHO_MEASURE_CONFLICT', message);
    const before = [...this.#held.values()].find(({ measure }) => sameMatch(measure, proposal));
    if (before && (dryRun || !before.measure.dryRun))
      throw conflict(`${before.measure.id} is on the very same already; lift it first`);
    // No silent renewal. A diagnosis is the evidence, and carries one term.
    const kept = { ...proposal, match: discreetMatch(proposal.match) };
    const again = this.#ended.find((measure) => sameMatch(measure, kept) && !measure.dryRun);
    if (again?.diagnosis === proposal.diagnosis)
      throw conflict(
        `diagnosis ${proposal.diagnosis} has carried ${again.id} already; diagnose again for fresh evidence`,
      );
    if (!before && this.#held.size >= MAX_MEASURES)
      throw conflict(`there are ${MAX_MEASURES} measures already, which is the limit; lift one first`);
    return before;
  }

  async #end(held: Held, state: 'lifted' | 'expired', who: string, why: string): Promise<Measure> {
    const { measure } = held;
    const wallMs = this.#clock.wallMs();
    const ended: Measure = { ...measure, state, endedAtMs: wallMs, endedWhy: why };
    if (state === 'lifted') await this.#carrier(measure.plugin)?.take(measure, who, why);
    this.store?.record(state === 'lifted' ? 'lift' : 'expire', ended, who, why, wallMs);
    this.#held.delete(measure.id);
    this.#ended.unshift(discreet(ended));
    await this.#publish();
    this.#log.warn({ measure: measure.id, plugin: measure.plugin, by: who, why }, `measure ${state}`);
    return ended;
  }

  #hold(measure: Measure): void {
    const taken = new Set([...this.#held.values()].map(({ slot }) => slot));
    const slot = Array.from({ length: MAX_MEASURES }, (_, i) => i).find((i) => !taken.has(i)) ?? 0;
    const endsMs = this.#clock.nowMs() + measure.endsAtMs - this.#clock.wallMs();
    const base = { matched: this.#counts[2 * slot + MATCHED]!, limited: this.#counts[2 * slot + LIMITED]! };
    const before = this.#carrier(measure.plugin)?.hits(measure) ?? 0;
    const recovery = new Recovery(measure.normalPerSecond, measure.startPerSecond, this.#clock.nowMs(), before);
    this.#held.set(measure.id, { measure, slot, endsMs, recovery, base });
  }

  /** Undefined where the plugin that keeps the rule itself has it no more. */
  #counted({ measure, slot, base }: Held): Counted | undefined {
    const carrier = this.#carrier(measure.plugin);
    if (carrier) {
      const hits = carrier.hits(measure);
      return hits === undefined ? undefined : { matched: hits, limited: measure.dryRun ? 0 : hits };
    }
    // The counters wrap at 2^32.
    const since = (cell: number, from: number) => (Atomics.load(this.#counts, 2 * slot + cell) - from) >>> 0;
    return { matched: since(MATCHED, base.matched), limited: since(LIMITED, base.limited) };
  }

  /** Of the configuration that came last. */
  #carrier(plugin: string): MeasureCarrier | undefined {
    return [...this.#attached].at(-1)?.carriers.get(plugin);
  }

  #published(): PublishedMeasures {
    const measures = [...this.#held.values()].map(({ measure, endsMs, slot }) =>
      published(measure, this.#timeKnown ? endsMs : Number.NEGATIVE_INFINITY, slot),
    );
    return { measures, counters: this.#counters };
  }

  async #publish(): Promise<void> {
    const measures = this.#published();
    const all = await Promise.allSettled([...this.#attached].map((attachment) => attachment.publish(measures)));
    const failed = all.find((each) => each.status === 'rejected');
    if (failed) this.#log.error({ reason: errorText(failed.reason) }, 'a worker could not take the measures');
  }

  #forgetOld(): void {
    const wallMs = this.#clock.wallMs();
    this.#deleteOld(wallMs);
    for (
      let last = this.#ended.at(-1);
      last && wallMs - (last.endedAtMs ?? 0) > KEEP_ENDED_MS;
      last = this.#ended.at(-1)
    ) {
      this.store?.forget(last);
      this.#ended.pop();
    }
  }

  /** Once an hour: changes whose retention is over go, and that they went is recorded. */
  #deleteOld(wallMs: number): void {
    const nowMs = this.#clock.nowMs();
    if (!this.store || nowMs - this.#deletedMs < DELETE_EVERY_MS) return;
    this.#deletedMs = nowMs;
    const before = Math.floor(wallMs - this.keepMs);
    const rows = this.store.deleteChanges(before, wallMs);
    if (rows === 0) return;
    const detail = { deletions: [{ dataset: 'measures/changes', before, rows }] };
    this.#log.info(detail, 'changes of measures deleted: their retention is over');
    try {
      this.#audit.record({ who: SERVER, role: SERVER, action: 'measures.delete', purpose: 'retention', detail });
    } catch (error) {
      this.#log.error({ action: 'measures.delete', reason: errorText(error) }, 'not in the audit log');
    }
  }

  /** What the server lifts by itself is not kept in force because the audit log is full; its own log says so. */
  #recordQuietly(action: string, purpose: string, { id, plugin }: Measure): void {
    try {
      this.#audit.record({ who: SERVER, role: SERVER, action, purpose, detail: { id, plugin } });
    } catch (error) {
      this.#log.error({ action, reason: errorText(error) }, 'not in the audit log');
    }
  }
}

export interface Counted {
  /** Queries that it was about, since it began or the server did. */
  readonly matched: number;
  /** Of these, those over its limit; of a dry run, those that would have been. */
  readonly limited: number;
}

function iso(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
