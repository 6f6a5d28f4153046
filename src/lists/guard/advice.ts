/** For each thing that the guard finds: the setting that would accept it, and whether an override or a load without it can. */
import type { Finding, GuardReason } from './verdict.ts';

const SETTINGS: Readonly<Record<GuardReason, string>> = {
  'not-a-list':
    'set lists[].format (and columns) to what the source sends, or raise guard.max-bad-lines; no override accepts it',
  empty: 'no setting accepts an empty list; --override does',
  shrank: 'raise guard.max-shrink or guard.slack',
  grew: 'raise guard.max-growth or guard.slack',
  'overlap-too-small': 'lower guard.min-overlap',
  'popular-name': 'add names that are right to guard.allow-names, or set guard.popular-names: allow',
  'public-suffix': 'add names that are right to guard.allow-names, or set guard.public-suffixes: allow',
  'wide-network': 'no setting accepts it; --override does',
};
const BY_NAME: readonly GuardReason[] = ['popular-name', 'public-suffix', 'wide-network'];
const WHO = '--approver WHO --reason TEXT';

/** What would let a version in that has these findings, one sentence each. A changed setting acts with the next fetch. */
export function advice(list: string, findings: readonly Pick<Finding, 'reason'>[]): string[] {
  const reasons = findings.map(({ reason }) => reason);
  const settings = [...new Set(reasons)].map((reason) => `${reason}: ${SETTINGS[reason]}`);
  if (reasons.length === 0 || reasons.includes('not-a-list')) return settings;
  return [
    ...settings,
    `after a change of settings: sekisho lists reload ${list} --again`,
    `accept it as it is: sekisho lists reload ${list} --override ${WHO}`,
    ...(reasons.some((reason) => BY_NAME.includes(reason))
      ? [`load without these names: sekisho lists reload ${list} --without ${WHO}`]
      : []),
  ];
}
