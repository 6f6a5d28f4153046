/** What the desk publishes, as the table that workers look into; and this plugin's own words for what the desk refuses. */
import {
  type CarriedRule,
  type MeasureMatch,
  type Refusal,
  type RuleCarrier,
  textToName,
} from '../../src/contract/plugin.ts';
import { sinkholeError } from './errors.ts';
import type { ConfigurationRule } from './rule-name.ts';
import { compileTable, MAX_RULES, type TableMemory, type TableRule } from './table.ts';

const REFUSALS = {
  refused: 'SEKISHO_SINKHOLE_REFUSED',
  conflict: 'SEKISHO_SINKHOLE_CONFLICT',
  unknown: 'SEKISHO_SINKHOLE_NO_RULE',
} as const satisfies Record<Refusal, string>;

/** `publish` hands the table to every worker. */
export function carrierFor(
  rules: readonly ConfigurationRule[],
  hashKey: readonly [number, number],
  publish: (table: TableMemory) => Promise<void>,
): RuleCarrier {
  const tableRule = tableRules();
  return {
    configured: rules.map(({ name, ground, dryRun, place }) => ({ match: { name: name.text }, ground, dryRun, place })),
    capacity: MAX_RULES,
    publish: (carried) => publish(compileTable(carried.map(tableRule), hashKey)),
    refusal: (kind, message, details) => sinkholeError(REFUSALS[kind], message, { details }),
  };
}

/** The bytes of a name are made once for each rule, however often the table is. */
function tableRules(): (rule: CarriedRule) => TableRule {
  const names = new WeakMap<MeasureMatch, Uint8Array>();
  const encoder = new TextEncoder();
  return ({ match, dryRun, endsMs, slot, place, about }) => {
    const name = names.get(match) ?? textToName(match.name ?? match.domain ?? '.');
    names.set(match, name);
    return { name, subtree: match.domain !== undefined, dryRun, endsMs, slot, place, about: encoder.encode(about) };
  };
}
