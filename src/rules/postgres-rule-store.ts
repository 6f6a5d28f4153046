/**
 * Rules in the PostgreSQL that the nodes of a fleet share. Commits follow one another (the row `rule_head` is locked), so that changes are
 * numbered without gaps, and two nodes never change the same rule at the same moment: the second hears that it was late.
 *
 *   rule         as in SQLite; at most one that runs on a subject, whoever asked
 *   rule_change  append-only, with the node; NOTIFY sekisho_rules at each commit
 */
import type { Engine } from '../fleet/engine/engine.ts';
import { sqlStateOf } from '../fleet/engine/failures.ts';
import type { Session } from '../fleet/engine/session.ts';
import { InOrder } from '../store/store.ts';
import { rulesError } from './errors.ts';
import { isRunning, keyOf, type Rule } from './rule.ts';
import { keptChange, keptRule, numberOf, wholeRule } from './rule-rows.ts';
import { type ChangeFilter, RULE_ACTIONS, type RuleAction, type RuleChange, type RuleStore } from './rule-store.ts';

/** Notifications: a change was committed. */
export const RULES_CHANNEL = 'sekisho_rules';

interface ChangeRow {
  readonly id: number;
  readonly at: number;
  readonly who: string;
  readonly action: RuleAction;
  readonly reason: string;
  readonly rule: Rule;
}

interface Standing {
  readonly state: Rule['state'];
  readonly renewals: number;
}

export function openPostgresRuleStore(engine: Engine, node: string): RuleStore {
  const inOrder = new InOrder((reason, cause) =>
    rulesError('SEKISHO_RULE_STORE', `the rules could not be kept: ${reason}`, { cause }),
  );
  return {
    rules: () =>
      inOrder.do(async () => {
        const rows = await engine.query<{ rule: Rule }>('SELECT rule FROM sekisho.rule ORDER BY number');
        return rows.map(({ rule }) => wholeRule(rule));
      }),
    nextNumber: () =>
      inOrder.do(async () => {
        const [row] = await engine.query<{ number: number }>('SELECT number FROM sekisho.rule_head');
        return (row?.number ?? 0) + 1;
      }),
    commit: (changes) => inOrder.do(() => engine.transaction((session) => commit(session, node, changes))),
    forget: (ids) =>
      inOrder.do(async () => {
        await engine.query('DELETE FROM sekisho.rule WHERE number = ANY ($1) AND NOT running', [ids.map(numberOf)]);
      }),
    changes: (limit, filter) =>
      inOrder.do(async () => {
        const { where, values } = condition(filter);
        const text = `SELECT * FROM sekisho.rule_change ${where} ORDER BY id DESC LIMIT $${values.length + 1}`;
        const rows = await engine.query<ChangeRow>(text, [...values, limit]);
        return rows.map(({ id, at, who, action, reason, rule }) => ({
          id,
          atMs: at,
          who,
          action,
          reason,
          rule: wholeRule(rule),
        }));
      }),
    deleteChanges: (beforeMs, atMs) =>
      inOrder.do(() =>
        engine.transaction(async (session) => {
          await session.query('SELECT 1 FROM sekisho.rule_head FOR UPDATE');
          const [deleted] = await session.query<{ n: number }>(
            "WITH gone AS (DELETE FROM sekisho.rule_change WHERE at < $1 AND origin = 'diagnosis' RETURNING 1) SELECT count(*) AS n FROM gone",
            [Math.floor(beforeMs)],
          );
          const rows = deleted?.n ?? 0;
          // Whoever comes second, on another node, finds nothing left and records nothing.
          if (rows > 0)
            await session.query('INSERT INTO sekisho.rule_deletion (at, before, rows) VALUES ($1, $2, $3)', [
              Math.floor(atMs),
              Math.floor(beforeMs),
              rows,
            ]);
          return rows;
        }),
      ),
    close: () => inOrder.close(() => {}),
  };
}

async function commit(session: Session, node: string, changes: readonly RuleChange[]): Promise<void> {
  const [head] = await session.query<{ change: number; number: number }>('SELECT * FROM sekisho.rule_head FOR UPDATE');
  let { change: id, number: last } = head ?? { change: 0, number: 0 };
  for (const change of changes) {
    const { action, rule } = change;
    const number = numberOf(rule.id);
    const [standing] = await session.query<Standing>('SELECT state, renewals FROM sekisho.rule WHERE number = $1', [
      number,
    ]);
    if (isOverAlready(action, rule, standing)) continue;
    refuseLate(action, rule, standing);
    await keep(session, number, rule);
    id++;
    last = Math.max(last, number);
    const { who, reason, atMs, rule: shown } = keptChange(change);
    await session.query(
      `INSERT INTO sekisho.rule_change (id, at, node, who, action, number, origin, plugin, key, reason, rule)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
      [
        ...[id, Math.floor(atMs), node, who, action, number, shown.origin, shown.plugin, keyOf(shown), reason],
        JSON.stringify(shown),
      ],
    );
  }
  await session.query('UPDATE sekisho.rule_head SET change = $1, number = $2', [id, last]);
  await session.query('SELECT pg_notify($1, $2)', [RULES_CHANNEL, String(id)]);
}

async function keep(session: Session, number: number, rule: Rule): Promise<void> {
  try {
    await session.query(
      `INSERT INTO sekisho.rule (number, key, running, renewals, state, rule) VALUES ($1, $2, $3, $4, $5, $6)
       ON CONFLICT (number) DO UPDATE SET key = excluded.key, running = excluded.running, renewals = excluded.renewals,
         state = excluded.state, rule = excluded.rule`,
      [number, keyOf(rule), isRunning(rule), rule.renewals, rule.state, JSON.stringify(keptRule(rule))],
    );
  } catch (error) {
    if (sqlStateOf(error) === '23505') throw late(rule, 'a rule on the same thing is in force already');
    throw error;
  }
}

/** Every node sees the end of a term; one of them records it. */
function isOverAlready(action: RuleAction, rule: Rule, standing: Standing | undefined): boolean {
  return action === 'expire' && standing !== undefined && (standing.renewals > rule.renewals || !isRunning(standing));
}

/** What has ended never returns, and nobody undoes what another node did a moment ago without having seen it. */
function refuseLate(action: RuleAction, rule: Rule, standing: Standing | undefined): void {
  if (!standing) return;
  if (action === 'add') throw late(rule, 'its number has been used');
  if (standing.state === 'lifted') throw late(rule, 'it has been lifted');
  if (standing.renewals > rule.renewals - (action === 'renew' ? 1 : 0)) throw late(rule, 'it has been renewed');
}

function late(rule: Rule, what: string) {
  return rulesError('SEKISHO_RULE_LATE', `another node was faster with ${rule.id}: ${what}`);
}

function condition({ actions = RULE_ACTIONS, ...equal }: ChangeFilter = {}): { where: string; values: unknown[] } {
  const wanted = Object.entries({ origin: equal.origin, plugin: equal.plugin, key: equal.key }).filter(
    ([, value]) => value !== undefined,
  );
  const conditions = wanted.map(([column], i) => `${column} = $${i + 1}`);
  const values: unknown[] = wanted.map(([, value]) => value);
  if (actions.length < RULE_ACTIONS.length) {
    values.push(actions);
    conditions.push(`action = ANY ($${values.length})`);
  }
  return { where: conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`, values };
}
