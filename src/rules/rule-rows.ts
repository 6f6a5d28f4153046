/** Rules and changes as rows of the SQLite store. Whoever writes them holds a transaction. */
import type { Database } from '../store/database.ts';
import { discreet, discreetText } from './discreet.ts';
import { isRunning, keyOf, type Rule } from './rule.ts';
import type { KeptChange, RuleAction, RuleChange } from './rule-store.ts';

export interface ChangeRow {
  readonly id: number;
  readonly at: number;
  readonly who: string;
  readonly action: RuleAction;
  readonly reason: string;
  readonly rule: string;
}

/** As a rule is kept: a measure that runs needs what it is on; everything else of it is kept without a single address. */
export function keptRule(rule: Rule): Rule {
  return rule.origin === 'diagnosis' && !isRunning(rule) ? discreet(rule) : rule;
}

/** As a change is kept: without a single address. */
export function keptChange<Change extends RuleChange>(change: Change): Change {
  const { rule, reason } = change;
  return rule.origin === 'diagnosis'
    ? { ...change, rule: discreet(rule), reason: discreetText(reason, rule.match) }
    : change;
}

/** Put the row of `rule` in place of the one before. */
export function keepRule(db: Database, rule: Rule): void {
  db.prepare(
    'INSERT INTO rule (number, rule) VALUES (?, ?) ON CONFLICT (number) DO UPDATE SET rule = excluded.rule',
  ).run(numberOf(rule.id), JSON.stringify(keptRule(rule)));
}

export function insertChange(db: Database, change: RuleChange): void {
  const { action, rule, who, reason, atMs } = keptChange(change);
  db.prepare(
    'INSERT INTO change (at, who, action, number, origin, plugin, key, reason, rule) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
  ).run(
    Math.floor(atMs),
    who,
    action,
    numberOf(rule.id),
    rule.origin,
    rule.plugin,
    keyOf(rule),
    reason,
    JSON.stringify(rule),
  );
}

export function changeOf({ id, at, who, action, reason, rule }: ChangeRow): KeptChange {
  return { id, atMs: at, who, action, reason, rule: ruleFrom(rule) };
}

/** By number. Throws where a row cannot be read. */
export function readRules(db: Database): Rule[] {
  const rows = db.prepare('SELECT rule FROM rule ORDER BY number').all() as { rule: string }[];
  return rows.map(({ rule }) => ruleFrom(rule));
}

/** The highest number that was ever used; 0 where none was. */
export function lastNumber(db: Database): number {
  const [row] = db
    .prepare(
      `SELECT max(coalesce((SELECT max(number) FROM change), 0), coalesce((SELECT max(number) FROM rule), 0),
         coalesce((SELECT number FROM kept), 0)) AS last`,
    )
    .all() as { last: number }[];
  return row?.last ?? 0;
}

export function numberOf(id: string): number {
  return Number(id.slice(1));
}

/** A rule that was kept as JSON. */
export function ruleFrom(text: string): Rule {
  return wholeRule(JSON.parse(text) as Rule);
}

export function wholeRule(rule: Rule): Rule {
  const { endsAtMs, reviewAtMs, endedAtMs, proposed } = rule;
  // What JSON leaves out is undefined.
  return { ...rule, endsAtMs, reviewAtMs, endedAtMs, proposed };
}
