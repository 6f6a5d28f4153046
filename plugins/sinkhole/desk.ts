/**
 * The sinkhole desk: all rules, in memory, on the disk and in every worker, and what becomes of them in time.
 *
 *   add ─▶ checked ─▶ in the audit log ─▶ on the disk (store.ts) ─▶ in the table of every worker (publish) ─▶ the caller hears of it
 *   tick ─▶ hits sampled ─▶ ended rules recorded, ends announced, lifting proposed
 *
 * One desk a process: it outlives reloads. During a reload the old and the new configuration are attached side by side,
 * each with rules and workers of its own, and every change goes to both.
 */

import {
  type Approval,
  type Auditor,
  approverProblem,
  type Clock,
  errorText,
  faultOf,
  type SekishoError,
} from '../../src/contract/plugin.ts';
import {
  type ConfigurationRule,
  configurationEntry,
  deskEntry,
  type Entry,
  retime,
  stateOf,
  tableRule,
} from './entry.ts';
import { sinkholeError } from './errors.ts';
import { staleEvidence } from './evidence.ts';
import { RateMonitor } from './rates.ts';
import { type Draft, readDraft, readRenewal, refused } from './request.ts';
import { type DeskRule, KEEP_EXPIRED_MS } from './rule.ts';
import type { RuleName } from './rule-name.ts';
import { Slots } from './slots.ts';
import type { Action, Change, Store } from './store.ts';
import { compileTable, MAX_RULES, type TableMemory } from './table.ts';
import { announceEnd, type DeskLog, sampleRate } from './watch.ts';

/** One configuration's plugin. */
export interface Attachment {
  readonly rules: readonly ConfigurationRule[];
  /** Resolves when all its workers hold the table. */
  publish(table: TableMemory): Promise<void>;
  readonly log: DeskLog;
  /** Whether one person may ask and approve; two are needed unless told otherwise. */
  readonly approval?: Approval;
}

export interface DeskParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly hashKey: readonly [number, number];
  readonly audit: Auditor;
}

/** What the API is told of a change. */
export interface Applied {
  readonly entry: Entry;
  /** From the moment that it was on the disk until every worker held it. */
  readonly appliedInMs: number;
}

/** Hits are sampled this often. */
const SAMPLE_MS = 5_000;
/** The clocks of a machine drift apart by less in a second. */
const JUMP_MS = 500;
/** Those who write nothing of their own: the desk itself. */
const DESK = 'sekisho';

export class Desk {
  /** Hits of each rule, for the workers. */
  readonly slots = new Slots(3 * MAX_RULES);
  readonly store: Store;
  /** Changes that monitoring has not counted yet, by action: whoever counts them takes them away. */
  readonly uncounted: Record<Action, number> = { add: 0, renew: 0, remove: 0, expire: 0 };
  readonly #clock: Clock;
  readonly #hashKey: readonly [number, number];
  readonly #audit: Auditor;
  /** Rules of the desk, by name. */
  readonly #desk = new Map<string, Entry>();
  /** Rules of each configuration that is in force or still served. */
  readonly #attached = new Map<Attachment, Entry[]>();
  #sampledMs: number;
  #tickFailed = false;
  /** As the ends of the entries were made with: wall clock less monotonic clock, and whether the time was known. */
  #offsetMs: number;
  #timeKnown: boolean;

  constructor({ store, clock, hashKey, audit }: DeskParts) {
    this.store = store;
    this.#clock = clock;
    this.#hashKey = hashKey;
    this.#audit = audit;
    this.#sampledMs = clock.nowMs();
    this.#offsetMs = clock.wallMs() - clock.nowMs();
    this.#timeKnown = Number.isFinite(clock.termMs());
    for (const rule of store.rules) {
      const entry = deskEntry(rule, this.slots.take(), new RateMonitor(clock.nowMs(), 0), clock);
      entry.ended = store.endRecorded(rule);
      this.#desk.set(rule.name.text, entry);
    }
  }

  /** A configuration comes into force, or is about to. Resolves, with what ends it, when its workers hold all rules. */
  async attach(attachment: Attachment): Promise<() => void> {
    if (attachment.rules.length + this.#desk.size > MAX_RULES)
      throw sinkholeError(
        'SEKISHO_SINKHOLE_CONFLICT',
        `${attachment.rules.length} rules of the configuration and ${this.#desk.size} of the desk: ${MAX_RULES} in all is the limit`,
      );
    const before = [...this.#attached.values()].flat();
    const entries = attachment.rules.map((rule) => {
      const entry = configurationEntry(rule, this.slots.take(), this.#clock);
      entry.monitor = new RateMonitor(this.#clock.nowMs(), this.slots.read(entry.slot));
      // What was learnt of its rate is not lost by a reload.
      const same = before.find(({ name, dryRun }) => name.text === rule.name.text && dryRun === rule.dryRun);
      if (same) entry.monitor.continueFrom(same.monitor);
      return entry;
    });
    this.#attached.set(attachment, entries);
    await attachment.publish(this.#tableOf(attachment));
    return () => {
      this.#attached.delete(attachment);
      for (const { slot } of entries) this.slots.release(slot);
    };
  }

  /** All rules: those of the configuration in force, then those of the desk by name. */
  entries(): Entry[] {
    const desk = [...this.#desk.values()].sort((one, other) => (one.name.text < other.name.text ? -1 : 1));
    return [...this.#configured(), ...desk];
  }

  /** Throws SekishoError; resolves when every worker holds the rule. */
  async add(body: unknown, who: string, role = ''): Promise<Applied> {
    this.#needsTime('no rule was added');
    const draft = readDraft(body, this.#clock.wallMs());
    this.#needsTwo(draft.ground.approver, who, 'no rule was added');
    const conflict = this.conflictOf(draft);
    if (conflict) throw conflict;
    const wallMs = this.#clock.wallMs();
    const rule: DeskRule = { ...draft, addedBy: who, addedAtMs: wallMs, termFromMs: wallMs, renewals: 0 };
    const before = this.#desk.get(rule.name.text);
    if (!before && !this.#makeRoom()) throw tooMany();
    this.#record('add', rule, who, role, '');
    const slot = before?.slot ?? this.slots.take();
    // A dry run that becomes a rule has counted the very same queries.
    const goesOn = before && before.subtree === rule.subtree && stateOf(before, this.#clock.nowMs()) === 'dry-run';
    const monitor = goesOn ? before.monitor : new RateMonitor(this.#clock.nowMs(), this.slots.read(slot));
    return this.#apply('add', deskEntry(rule, slot, monitor, this.#clock), who);
  }

  /** Another term for a rule, on fresh evidence. Throws SekishoError; resolves when every worker holds it. */
  async renew(name: RuleName, body: unknown, who: string, role = ''): Promise<Applied> {
    const before = this.#known(name);
    const unchanged = `'${name.text}' was not renewed`;
    this.#needsTime(unchanged);
    const wallMs = this.#clock.wallMs();
    const renewal = readRenewal(body, before.rule, wallMs);
    this.#needsTwo(renewal.ground.approver, who, unchanged);
    const stale = staleEvidence(this.store, { ...before.rule, ...renewal });
    if (stale !== undefined) throw refused(`'${name.text}' was not renewed`, [stale]);
    const rule: DeskRule = { ...before.rule, ...renewal, termFromMs: wallMs, renewals: before.rule.renewals + 1 };
    this.#record('renew', rule, who, role, '');
    return this.#apply('renew', deskEntry(rule, before.slot, before.monitor, this.#clock), who);
  }

  /** Lift a rule. Throws SekishoError; resolves when no worker has it any more. */
  async remove(name: RuleName, who: string, reason: string, role = ''): Promise<Applied> {
    const entry = this.#known(name);
    this.#record('remove', entry.rule, who, role, reason);
    this.#desk.delete(name.text);
    const appliedInMs = await this.#publish();
    this.slots.release(entry.slot);
    this.uncounted.remove++;
    this.#log.info({ rule: name.text, by: who, reason }, 'sinkhole rule lifted');
    return { entry, appliedInMs };
  }

  /** Why `draft` cannot be added to the rules that there are. */
  conflictOf(draft: Draft): SekishoError | undefined {
    const { text } = draft.name;
    const configured = this.#configured().find(({ name }) => name.text === text);
    if (configured) return conflict(`the configuration has a rule on '${text}'; change it there`);
    const there = this.#desk.get(text);
    const state = there && stateOf(there, this.#clock.nowMs());
    if (state === 'in-force') return conflict(`'${text}' has a rule in force; renew it, or remove it first`);
    if (state === 'dry-run' && draft.dryRun)
      return conflict(`'${text}' has a dry run already; renew it, or remove it first`);
    const stale = staleEvidence(this.store, draft);
    return stale === undefined ? undefined : refused('no rule was added', [stale]);
  }

  /** The latest changes first. */
  changes(limit: number): Change[] {
    return this.store.changes(limit);
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  /** To be called every second. */
  tick(): void {
    const nowMs = this.#clock.nowMs();
    this.#followClock();
    if (nowMs - this.#sampledMs >= SAMPLE_MS) this.#sample(nowMs);
    // In doubt nothing with an end acts, but nothing has ended for certain.
    if (!this.#timeKnown) return;
    try {
      this.#endRules(nowMs);
      this.#tickFailed = false;
    } catch (error) {
      // Workers have let go of the rule in any case; that it ended is written down when the disk takes it again.
      if (!this.#tickFailed)
        this.#log.error({ fault: faultOf(error) }, 'the end of a sinkhole rule could not be recorded yet');
      this.#tickFailed = true;
    }
  }

  close(): void {
    this.store.close();
  }

  #sample(nowMs: number): void {
    this.#sampledMs = nowMs;
    for (const entry of [...[...this.#attached.values()].flat(), ...this.#desk.values()])
      sampleRate(entry, this.slots.read(entry.slot), nowMs, this.#log);
  }

  /** The wall clock was set, or the time is known again: ends lie elsewhere on the monotonic clock now. */
  #followClock(): void {
    const offsetMs = this.#clock.wallMs() - this.#clock.nowMs();
    const known = Number.isFinite(this.#clock.termMs());
    if (known === this.#timeKnown && Math.abs(offsetMs - this.#offsetMs) < JUMP_MS) return;
    this.#offsetMs = offsetMs;
    this.#timeKnown = known;
    for (const entry of [...[...this.#attached.values()].flat(), ...this.#desk.values()]) retime(entry, this.#clock);
    this.#publish().catch((error: unknown) =>
      this.#log.error({ fault: faultOf(error) }, 'sinkhole rules could not be published'),
    );
  }

  #endRules(nowMs: number): void {
    // What a configuration states cannot be taken out of it: it is marked, and the configuration's end is on record (src/time).
    for (const entry of [...this.#attached.values()].flat()) if (nowMs >= entry.endsMs) entry.ended = true;
    let forgotten = false;
    for (const entry of this.#desk.values()) {
      announceEnd(entry, nowMs, this.#log);
      if (nowMs < entry.endsMs || entry.rule === undefined) continue;
      if (!entry.ended) {
        this.#recordEnd(entry.rule);
        entry.ended = true;
        this.uncounted.expire++;
        this.#log.warn({ rule: entry.name.text }, 'a sinkhole rule has ended by itself');
      }
      if (nowMs < entry.endsMs + KEEP_EXPIRED_MS) continue;
      this.#forget(entry);
      forgotten = true;
    }
    if (!forgotten) return;
    this.#publish().catch((error: unknown) =>
      this.#log.error({ fault: faultOf(error) }, 'sinkhole rules could not be published'),
    );
  }

  /** In the audit log first: what cannot be recorded there does not happen. Throws SekishoError. */
  #record(action: Action, rule: DeskRule, who: string, role: string, reason: string): void {
    const entry = { who, role, ...auditOf(action, rule, reason) };
    this.#audit.record(entry);
    try {
      this.store.record(action, rule, who, reason, this.#clock.wallMs());
    } catch (error) {
      // As it went: the entry before must not stand for something that was not done.
      try {
        this.#audit.record({ ...entry, action: `${entry.action}.failed` });
      } catch (unrecorded) {
        this.#log.error({ action: entry.action, err: unrecorded }, 'that it failed is not in the audit log');
      }
      throw error;
    }
  }

  /** Time does not wait for a log: what has ended has ended. */
  #recordEnd(rule: DeskRule): void {
    const reason = 'its term was over';
    this.store.record('expire', rule, DESK, reason, this.#clock.wallMs());
    try {
      this.#audit.record({ who: DESK, role: 'server', ...auditOf('expire', rule, reason) });
    } catch (error) {
      this.#log.error(
        { rule: rule.name.text, fault: faultOf(error) },
        'the end of a sinkhole rule is not in the audit log',
      );
    }
  }

  /** False where every place is taken by a rule that still runs. */
  #makeRoom(): boolean {
    const taken = Math.max(0, ...[...this.#attached.keys()].map(({ rules }) => rules.length)) + this.#desk.size;
    if (taken < MAX_RULES) return true;
    const ended = [...this.#desk.values()].find(({ ended }) => ended);
    if (ended) this.#forget(ended);
    return ended !== undefined;
  }

  /** It ended long ago, and no worker looks at its slot any more. */
  #forget(entry: Entry): void {
    this.store.forget(entry.name.text);
    this.#desk.delete(entry.name.text);
    this.slots.release(entry.slot);
  }

  async #apply(action: 'add' | 'renew', entry: Entry, who: string): Promise<Applied> {
    this.#desk.set(entry.name.text, entry);
    const appliedInMs = await this.#publish();
    this.uncounted[action]++;
    const { dryRun, subtree, ground } = entry;
    this.#log.info(
      {
        rule: entry.name.text,
        by: who,
        approver: ground.approver,
        ground: ground.kind,
        subtree,
        dryRun,
        appliedInMs: Math.round(appliedInMs * 1000) / 1000,
      },
      action === 'add' ? 'sinkhole rule added' : 'sinkhole rule renewed',
    );
    return { entry, appliedInMs };
  }

  /** Resolves, with how long it took, when all workers of all configurations hold the rules as they are now. */
  async #publish(): Promise<number> {
    const fromMs = this.#clock.nowMs();
    const published = await Promise.allSettled(
      [...this.#attached.keys()].map((attachment) => attachment.publish(this.#tableOf(attachment))),
    );
    const failed = published.find((each) => each.status === 'rejected');
    if (failed)
      throw sinkholeError('SEKISHO_SINKHOLE_WORKERS', `the change is kept, but ${errorText(failed.reason)}`, {
        cause: failed.reason,
      });
    return this.#clock.nowMs() - fromMs;
  }

  #tableOf(attachment: Attachment): TableMemory {
    const configured = (this.#attached.get(attachment) ?? []).map((entry, i) =>
      tableRule(entry, attachment.rules[i]?.place ?? 0),
    );
    const desk = [...this.#desk.values()].map((entry) => tableRule(entry, 0));
    return compileTable([...configured, ...desk], this.#hashKey);
  }

  /** A term that nobody can tell the end of is none. */
  #needsTime(what: string): void {
    if (Number.isFinite(this.#clock.termMs())) return;
    throw refused(what, [
      'the clock is in doubt: it is behind the latest time that the data folder has seen. Set it right, or say that it is: sekisho time accept --reason TEXT',
    ]);
  }

  #needsTwo(approver: string, asker: string, what: string): void {
    // Of the configuration that came last; one that does not come up after all takes its own along.
    const approval = [...this.#attached.keys()].at(-1)?.approval ?? { singleApproverReason: undefined };
    const problem = approverProblem(approver, asker, approval);
    if (problem !== undefined) throw refused(what, [problem]);
  }

  /** Of the configuration that came last. */
  #configured(): Entry[] {
    return [...this.#attached.values()].at(-1) ?? [];
  }

  get #log(): DeskLog {
    return [...this.#attached.keys()].at(-1)?.log ?? SILENT;
  }

  #known(name: RuleName): Entry & { readonly rule: DeskRule } {
    const entry = this.#desk.get(name.text);
    if (entry?.rule) return entry as Entry & { readonly rule: DeskRule };
    const configured = this.#configured().some((each) => each.name.text === name.text);
    const where = configured ? '; that of the configuration is changed there' : '';
    throw sinkholeError('SEKISHO_SINKHOLE_NO_RULE', `the desk has no rule on '${name.text}'${where}`);
  }
}

function auditOf(action: Action, { name, subtree, dryRun, ground }: DeskRule, reason: string) {
  return {
    action: `sinkhole.${action}`,
    purpose: reason === '' ? (ground.kind === 'legitimate-business' ? ground.purpose : ground.effect) : reason,
    detail: { rule: name.text, subtree, dryRun, ground: ground.kind, approver: ground.approver },
  };
}

const SILENT: DeskLog = { info: () => {}, warn: () => {}, error: () => {} };

function conflict(message: string): SekishoError {
  return sinkholeError('SEKISHO_SINKHOLE_CONFLICT', message);
}

function tooMany(): SekishoError {
  return conflict(`there are ${MAX_RULES} rules already, which is the limit; remove one first`);
}
