import type { Went } from '../audit/as-it-went.ts';
import type { ReloadResult } from './status.ts';

/** What came of a reload, for the audit log; the problems may hold what stands in the file, their number does not. */
export function reloadWent({ ok, problems }: ReloadResult): Went {
  return { outcome: ok ? 'succeeded' : 'refused', detail: { problems: problems.length } };
}
