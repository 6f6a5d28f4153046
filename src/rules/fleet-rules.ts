/**
 * The rules of a fleet, from one node's side: PostgreSQL has them, this node follows, and keeps a copy on its own disk, from which it starts
 * where PostgreSQL is out of reach.
 *
 *   commit (any node) ─▶ PostgreSQL ─NOTIFY▶ every node: read all ─▶ desk.follow ─▶ workers ─▶ "seen" back into PostgreSQL
 *                                                     └─▶ copy on the own disk
 *
 * Out of reach: what the node has acts on, what ends ends by its own clock, and nothing can be added, renewed or lifted from here.
 */
import { errorText } from '../errors/errors.ts';
import type { Engine } from '../fleet/engine/engine.ts';
import type { EngineTime } from '../fleet/engine/engine-time.ts';
import { isEngineFailure } from '../fleet/engine/failures.ts';
import type { Entry } from './entry.ts';
import { openPostgresRuleStore, RULES_CHANNEL } from './postgres-rule-store.ts';
import type { Rule } from './rule.ts';
import { numberOf } from './rule-rows.ts';
import type { RuleStore } from './rule-store.ts';
import type { RulesLog } from './watch.ts';

/** What a node keeps of the rules on its own disk. */
export interface RulesCopy {
  rules(): Promise<readonly Rule[]>;
  /** PostgreSQL's time at the last `replace`; 0 before. */
  seenMs(): Promise<number>;
  /** All of them, in place of what was there; on the disk when it resolves. */
  replace(rules: readonly Rule[], seenMs: number): Promise<void>;
  close(): Promise<void>;
}

/** The desk of this node. */
export interface Follower {
  follow(): Promise<void>;
}

/** What a node said last of a rule. */
export interface Sight {
  readonly node: string;
  readonly rule: string;
  /** It acts there, in the term that the fleet has. */
  readonly state: string;
  readonly renewals: number;
  readonly matched: number;
  /** Milliseconds since it said so, by PostgreSQL's clock. */
  readonly agoMs: number;
}

const SAY_MS = 5_000;
const ASK_TIME_MS = 10_000;

export class FleetRules {
  readonly node: string;
  readonly time: EngineTime;
  readonly store: RuleStore;
  readonly #engine: Engine;
  readonly #copy: RulesCopy;
  readonly #log: RulesLog;
  #desk: Follower | undefined;
  #end: () => void = () => {};
  #following: Promise<void> | undefined;
  #again = false;
  #kept = '';
  #saidMs = Number.NEGATIVE_INFINITY;
  #askedMs = Number.NEGATIVE_INFINITY;

  constructor(parts: {
    readonly engine: Engine;
    readonly node: string;
    readonly time: EngineTime;
    readonly copy: RulesCopy;
    readonly log: RulesLog;
  }) {
    const { engine, node, time, copy, log } = parts;
    this.node = node;
    this.time = time;
    this.#engine = engine;
    this.#copy = copy;
    this.#log = log;
    this.store = openPostgresRuleStore(engine, node);
  }

  /** As this node left them: what it starts with. */
  async kept(): Promise<readonly Rule[]> {
    this.time.atLeast(await this.#copy.seenMs());
    return this.#copy.rules();
  }

  /** From now on `desk` follows the fleet. */
  begin(desk: Follower): void {
    this.#desk = desk;
    this.#end = this.#engine.listen(RULES_CHANNEL, {
      heard: () => void this.followSoon(),
      connected: () => void this.followSoon(),
    });
  }

  /** Never rejects; what is under way is followed by another one. */
  followSoon(): Promise<void> {
    if (this.#following) {
      this.#again = true;
      return this.#following;
    }
    this.#following = this.#follow().finally(() => {
      this.#following = undefined;
      if (!this.#again) return;
      this.#again = false;
      void this.followSoon();
    });
    return this.#following;
  }

  /** Every second or so. Never rejects. */
  async tick(running: readonly Entry[], matchedOf: (entry: Entry) => number): Promise<void> {
    if (!this.#engine.connected) return;
    const nowMs = this.time.nowMs();
    try {
      if (nowMs - this.#askedMs >= ASK_TIME_MS) {
        this.#askedMs = nowMs;
        await this.time.ask(this.#engine);
      }
      if (nowMs - this.#saidMs < SAY_MS) return;
      this.#saidMs = nowMs;
      await this.#say(running.map((entry) => ({ rule: entry.rule, matched: matchedOf(entry) })));
    } catch {
      // The next one says it; that PostgreSQL is out of reach is said elsewhere.
    }
  }

  /** What each node said last of each rule. Empty where PostgreSQL is out of reach. */
  async sights(): Promise<readonly Sight[]> {
    if (!this.#engine.connected) return [];
    try {
      const rows = await this.#engine.query<Omit<Sight, 'rule'> & { number: number }>(
        `SELECT node, number, state, renewals, matched,
           (extract(epoch FROM clock_timestamp() - at) * 1000)::DOUBLE PRECISION AS "agoMs"
         FROM sekisho.rule_sight ORDER BY number, node COLLATE "C"`,
      );
      return rows.map(({ number, ...sight }) => ({ ...sight, rule: `m${number}` }));
    } catch {
      return [];
    }
  }

  /** Reads the rules as they are now. Rejects as the engine does. */
  async read(): Promise<readonly Rule[]> {
    if (!this.#engine.connected && this.#engine.failure) throw this.#engine.failure;
    if (this.time.aheadMs === undefined) await this.time.ask(this.#engine);
    return this.store.rules();
  }

  async keep(rules: readonly Rule[]): Promise<void> {
    const text = JSON.stringify(rules);
    if (text === this.#kept) return;
    try {
      await this.#copy.replace(rules, this.time.wallMs());
      this.#kept = text;
    } catch (error) {
      this.#log.error(
        { reason: errorText(error) },
        'the copy of the rules could not be kept: after a restart without PostgreSQL this node would have older ones',
      );
    }
  }

  async close(): Promise<void> {
    this.#end();
    await this.#following;
    await this.store.close();
    await this.#copy.close();
  }

  async #follow(): Promise<void> {
    const desk = this.#desk;
    if (!desk) return;
    try {
      await desk.follow();
      this.#saidMs = Number.NEGATIVE_INFINITY;
    } catch (error) {
      if (isEngineFailure(error)) return;
      this.#log.error({ reason: errorText(error) }, 'the rules of the fleet could not be taken in');
    }
  }

  async #say(seen: readonly { readonly rule: Rule; readonly matched: number }[]): Promise<void> {
    const rows = seen.map(({ rule, matched }) => ({
      number: numberOf(rule.id),
      renewals: rule.renewals,
      state: rule.state,
      matched,
    }));
    await this.#engine.query(
      `WITH said AS (
         SELECT * FROM json_to_recordset($2::JSON) AS t(number INTEGER, renewals INTEGER, state TEXT, matched BIGINT)
       ), gone AS (
         DELETE FROM sekisho.rule_sight WHERE node = $1 AND number NOT IN (SELECT number FROM said)
       )
       INSERT INTO sekisho.rule_sight (node, number, renewals, state, matched)
       SELECT $1, number, renewals, state, matched FROM said
       ON CONFLICT (node, number) DO UPDATE SET renewals = excluded.renewals, state = excluded.state,
         matched = excluded.matched, at = clock_timestamp()`,
      [this.node, JSON.stringify(rows)],
    );
  }
}
