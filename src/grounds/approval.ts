/**
 * Two people (四つの目): who asks for a measure over the API and who approved it are not the same, unless the operator has said
 * in the configuration that there is only one (`admin.single-approver`, with a reason). The API knows who asks by the token's
 * name; who approved is what the request says. Names are compared as people would (statement.ts): "Ａｄｍｉｎ" is "admin".
 */
import { comparableName } from './statement.ts';

export interface Approval {
  /** Why one person may do both; undefined where two are needed. */
  singleApproverReason: string | undefined;
}

/** What is wrong with `approver` where `asker` asks; undefined where nothing is, or it was said that one is enough. */
export function approverProblem(
  approver: string,
  asker: string,
  { singleApproverReason }: Approval,
): string | undefined {
  if (singleApproverReason !== undefined || comparableName(approver) !== comparableName(asker)) return undefined;
  return `approver: '${approver.slice(0, 80)}' is who asks (the token '${asker.slice(0, 80)}'): somebody else has to approve it; or say admin.single-approver: true in the configuration, with a reason`;
}
