/**
 * Statistics for other operators: only where no communication of anybody can be inferred (guideline 1(6)(セ): 個別の通信との関連性がない).
 * Numbers by the day, without a name and without an address; small ones are left out, and so is what names a rule, which may be a
 * rare name. What was left out is said, and why.
 */
import { isAddressText } from './addresses.ts';

/** A number below it may be one household's. */
export const LEAST_CELL = 10;

export interface DailyCount {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly count: number;
}

export interface SharedStatistics {
  readonly counts: readonly DailyCount[];
  readonly leftOut: readonly { readonly why: string; readonly rows: number }[];
}

/** Values of these are names or texts of the operator's own, and may be what only one subscriber asks for. */
const NAMING_LABELS = ['rule', 'server', 'listener', 'view'];

export function shareable(counts: readonly DailyCount[]): SharedStatistics {
  const [taken, small, named, addressed]: DailyCount[][] = [[], [], [], []];
  for (const each of counts) {
    const labels = Object.entries(each.labels);
    if (labels.some(([label]) => NAMING_LABELS.includes(label))) named!.push(each);
    else if (labels.some(([, value]) => isAddressText(value))) addressed!.push(each);
    else if (each.count < LEAST_CELL) small!.push(each);
    else taken!.push({ name: each.name, labels: each.labels, count: each.count });
  }
  const leftOut = [
    { why: `fewer than ${LEAST_CELL}: somebody could be inferred`, rows: small!.length },
    { why: 'names a rule, a server or a view, which may be a rare name', rows: named!.length },
    { why: 'holds an address', rows: addressed!.length },
  ].filter(({ rows }) => rows > 0);
  return { counts: taken!, leftOut };
}
