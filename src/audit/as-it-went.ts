/**
 * A change in the audit log as it went: what was asked for, by whom and why, before it happens, and what came of it after.
 *
 *     list.rollback             asked for: on the disk before anything is touched, or nothing is touched
 *     list.rollback.succeeded   or .refused (nothing was changed, and why), or .failed
 */
import { errorText, SekishoError } from '../errors/errors.ts';
import type { AuditEntry, Auditor } from './entry.ts';
import { auditError } from './errors.ts';
import { recordTogether } from './together.ts';

export type Outcome = 'succeeded' | 'refused' | 'failed';

/** What came of it, where that is not simply that it succeeded. */
export interface Went {
  readonly outcome?: Outcome;
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** Throws SEKISHO_AUDIT_FAILED where the request cannot be recorded (nothing is done) or its outcome (it is done). */
export async function asItWent<Result>(
  audit: Auditor,
  asked: AuditEntry,
  work: () => Promise<Result>,
  went: (result: Result) => Went = () => ({}),
): Promise<Result> {
  await recordTogether(audit, asked);
  const record = (outcome: Outcome, more: AuditEntry['detail']) =>
    recordTogether(audit, { ...asked, action: `${asked.action}.${outcome}`, detail: { ...asked.detail, ...more } });
  let result: Result;
  try {
    result = await work();
  } catch (error) {
    try {
      await record(outcomeOf(error), { code: error instanceof SekishoError ? error.code : 'SEKISHO_INTERNAL' });
    } catch (unrecorded) {
      throw auditError('SEKISHO_AUDIT_FAILED', `${errorText(error)}; and ${errorText(unrecorded)}`, {
        cause: error,
      });
    }
    throw error;
  }
  const { outcome = 'succeeded', detail = {} } = went(result);
  await record(outcome, detail);
  return result;
}

/** Codes that say that something broke; all others say that it was not allowed, and nothing was changed. */
const BROKE = /_(FAILED|STORE|WORKERS|UNUSABLE|INTERNAL)$/;

export function outcomeOf(error: unknown): Exclude<Outcome, 'succeeded'> {
  return error instanceof SekishoError && !BROKE.test(error.code) ? 'refused' : 'failed';
}
