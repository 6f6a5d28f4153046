/** What `sekisho check` finds in the file of static ranges: as the server would read it, with nothing put into force. */
import type { ContractGroup } from '../consent/register.ts';
import { subscribersError } from '../errors.ts';
import type { SubscribersConfig } from '../subscribers-config.ts';
import { Directory, isGroup } from '../table/directory.ts';
import type { RowProblem } from './range-row.ts';
import { type LoadedRanges, loadRanges } from './ranges-file.ts';

/**
 * Throws SekishoError where the file has rows that name an address and cannot be read, unless the configuration says that
 * those addresses are to be hidden.
 */
export function refuseUnreadable(config: SubscribersConfig, ranges: LoadedRanges | undefined): void {
  if (!ranges || ranges.unreadable === 0 || config.unreadableRows === 'hide') return;
  const first = ranges.findings.find(({ hides }) => hides);
  const where = first ? `, the first of them line ${first.line}: ${first.problem}` : '';
  const rows =
    ranges.unreadable === 1 ? 'one row names an address and' : `${ranges.unreadable} rows name an address and`;
  throw subscribersError(
    'SEKISHO_RANGES_UNREADABLE',
    `${config.rangesFile}: ${rows} cannot be read${where}; correct them (\`sekisho check\` names them), or let nobody be known behind these addresses with \`subscribers.unreadable-rows: hide\``,
  );
}

/** Rejects where the file cannot be read. */
export function checkRanges(file: string, groups: readonly ContractGroup[]): Promise<LoadedRanges> {
  const directory = new Directory();
  return loadRanges(file, (subscriber) => rangeHolder(subscriber, groups, (number) => directory.add(number)));
}

/**
 * The holder whom a row of the ranges speaks of, or what is wrong with it. `holderFor`: the number of a subscriber or
 * group, made where it is new; below 0 where there is no room.
 */
export function rangeHolder(
  subscriber: string,
  groups: readonly ContractGroup[],
  holderFor: (subscriber: string) => number,
): number | RowProblem {
  if (isGroup(subscriber) && !groups.some(({ name }) => name === subscriber))
    return 'contract group is not in subscribers.groups';
  const holder = holderFor(subscriber);
  return holder < 0 ? 'more subscribers than one server can hold' : holder;
}
