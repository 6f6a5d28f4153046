/** The rules of the desk in memory: those that run or have ended within a day, found by what they are on. */
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../time/clock.ts';
import { discreet } from './discreet.ts';
import { type Entry, entryOf, retime } from './entry.ts';
import { isRunning, KEEP_ENDED_MS, keyOf, type Rule } from './rule.ts';
import type { Slots } from './slots.ts';

/** What the fleet's rules changed here. */
export interface Followed {
  readonly changed: boolean;
  readonly ended: readonly Rule[];
  readonly freed: readonly Entry[];
}

export class HeldRules {
  readonly #slots: Slots;
  readonly #clock: Clock;
  /** Those that run, and those whose term was over: an ended one can be renewed, and says why a name resolves again. */
  readonly #entries = new Map<string, Entry>();
  /** Everything that ended within a day, the latest first. */
  readonly #ended: Rule[];

  constructor(rules: readonly Rule[], slots: Slots, clock: Clock) {
    this.#slots = slots;
    this.#clock = clock;
    this.#ended = rules.filter((rule) => !isRunning(rule)).sort((one, other) => endOf(other) - endOf(one));
    for (const rule of rules) {
      const there = this.#entries.get(keyOf(rule));
      if (rule.state === 'lifted' || (there !== undefined && !isRunning(rule))) continue;
      this.hold(rule, there);
    }
  }

  /** Those of the desk by name. */
  all(plugin?: string): Entry[] {
    const entries = [...this.#entries.entries()].filter(
      ([, { rule }]) => plugin === undefined || rule.plugin === plugin,
    );
    return entries.sort(([one], [other]) => (one < other ? -1 : 1)).map(([, entry]) => entry);
  }

  /** In the order in which they began. */
  running(): Entry[] {
    return [...this.#entries.values()].filter(({ rule }) => isRunning(rule));
  }

  ended(): readonly Rule[] {
    return this.#ended;
  }

  at(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  byId(id: string): Entry | undefined {
    return [...this.#entries.values()].find(({ rule }) => rule.id === id);
  }

  /** Take `rule` in; `before` is what it comes in place of, and goes on counting where that was a dry run of the very same. */
  hold(rule: Rule, before: Entry | undefined): Entry {
    const slot = before?.slot ?? this.#slots.take();
    const entry = entryOf(rule, slot, this.#slots.read(slot), this.#clock);
    const sameReach = before && before.rule.match.domain === rule.match.domain;
    if (before && sameReach && before.rule.dryRun && isRunning(before.rule)) entry.monitor = before.monitor;
    // A new place in the order: the last one began last.
    this.#entries.delete(keyOf(rule));
    this.#entries.set(keyOf(rule), entry);
    return entry;
  }

  /** Another term of the same rule. */
  renew(entry: Entry, rule: Rule): void {
    entry.rule = rule;
    entry.warned = false;
    retime(entry, this.#clock);
    const ended = this.#ended.findIndex(({ id }) => id === rule.id);
    if (ended >= 0) this.#ended.splice(ended, 1);
  }

  /** `rule`: as it is from now on. What was lifted is nobody's any more; its slot goes back with `drop`. */
  end(entry: Entry, rule: Rule): void {
    entry.rule = rule;
    this.followed(rule);
    if (rule.state === 'lifted') this.#entries.delete(keyOf(rule));
  }

  /** A dry run to which another rule has come; that one has its slot. */
  followed(rule: Rule): void {
    const again = this.#ended.findIndex(({ id }) => id === rule.id);
    if (again >= 0) this.#ended.splice(again, 1);
    // What a measure was on is nobody's business any more.
    this.#ended.unshift(rule.origin === 'diagnosis' ? discreet(rule) : rule);
  }

  /**
   * Take `rules`, all that the fleet has, in place of what is here. What has ended here, in the term that the fleet shows as running, does not
   * begin again; it is in `ended`, so that the fleet learns of it. `freed`: slots to release once no worker holds them.
   */
  follow(rules: readonly Rule[]): Followed {
    const followed = { changed: false, ended: [] as Rule[], freed: [] as Entry[] };
    const ids = new Set(rules.map(({ id }) => id));
    for (const entry of [...this.#entries.values()])
      if (!ids.has(entry.rule.id)) {
        this.drop(entry);
        followed.freed.push(entry);
        followed.changed = true;
      }
    this.#ended.splice(0, this.#ended.length, ...this.#ended.filter(({ id }) => ids.has(id)));
    for (const rule of rules) this.#followOne(rule, followed);
    return followed;
  }

  #followOne(rule: Rule, followed: { changed: boolean; ended: Rule[]; freed: Entry[] }): void {
    const over = this.#ended.find((each) => isSame(each, rule));
    if (over && isRunning(rule) && over.renewals >= rule.renewals) {
      followed.ended.push(over);
      return;
    }
    const there = this.byId(rule.id);
    if (there ? isAlike(there.rule, rule) : over && isAlike(over, discreetOnceEnded(rule))) return;
    followed.changed = true;
    if (isRunning(rule)) {
      if (there) this.renew(there, rule);
      else this.hold(rule, this.#entries.get(keyOf(rule)));
    } else if (there) {
      this.end(there, rule);
      if (rule.state === 'lifted') followed.freed.push(there);
    } else this.followed(rule);
  }

  /** Only when no worker holds it any more. */
  release({ slot }: Entry): void {
    this.#slots.release(slot);
  }

  drop(entry: Entry): void {
    this.#entries.delete(keyOf(entry.rule));
  }

  /** Those that ended a day ago; they are not shown any longer. */
  forgettable(wallMs: number): Rule[] {
    return this.#ended.filter((rule) => wallMs - endOf(rule) >= KEEP_ENDED_MS);
  }

  forget(rules: readonly Rule[]): Entry[] {
    const ids = new Set(rules.map(({ id }) => id));
    this.#ended.splice(0, this.#ended.length, ...this.#ended.filter(({ id }) => !ids.has(id)));
    const gone = [...this.#entries.values()].filter(({ rule }) => ids.has(rule.id) && !isRunning(rule));
    for (const entry of gone) this.drop(entry);
    return gone;
  }
}

/** A number may mean another rule where the database was put back. */
function isSame(one: Rule, other: Rule): boolean {
  return one.id === other.id && one.addedAtMs === other.addedAtMs;
}

/** What has no value is left out where a rule was kept. */
function isAlike(one: Rule, other: Rule): boolean {
  return isDeepStrictEqual(JSON.parse(JSON.stringify(one)), JSON.parse(JSON.stringify(other)));
}

function discreetOnceEnded(rule: Rule): Rule {
  return rule.origin === 'diagnosis' ? discreet(rule) : rule;
}

function endOf({ endedAtMs }: Rule): number {
  return endedAtMs ?? 0;
}
