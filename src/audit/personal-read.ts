/** Who acts over the API, and what for, as the audit log is told of it (no read without a purpose, none without a trace). */

import { z } from 'zod';
import { anyAddress } from './addresses-in-text.ts';
import type { AuditEntry, Auditor } from './entry.ts';
import { auditError } from './errors.ts';
import type { Identity } from './roles.ts';
import { noteAudited } from './scope.ts';

/** Fewer letters say nothing, nor does one that is repeated. */
const LEAST_CHARACTERS = 4;

/** The schema of a purpose that a read needs. Absent is told by `statedPurpose`, with a code of its own. */
export const PURPOSE = z
  .string()
  .max(500)
  .optional()
  .describe('What for, in a sentence; recorded in the audit log. A read of personal data without it is refused.');

/** Throws SekishoError SEKISHO_PURPOSE_MISSING. */
export function statedPurpose(reason: string | undefined): string {
  const purpose = (reason ?? '').trim();
  if (purpose.length >= LEAST_CHARACTERS && new Set(purpose).size > 1) return purpose;
  throw auditError(
    'SEKISHO_PURPOSE_MISSING',
    `reason: this reads personal data; say in a sentence what for (at least ${LEAST_CHARACTERS} characters)`,
  );
}

/** Throws SekishoError SEKISHO_PURPOSE_MISSING. */
export function readOf(
  identity: Identity | null,
  action: string,
  reason: string | undefined,
  detail: NonNullable<AuditEntry['detail']>,
): AuditEntry {
  return { ...actorOf(identity), action, purpose: statedPurpose(reason), detail, personal: true };
}

/**
 * Before `answer` leaves, which may hold somebody's address or not: where it does, it is a read of personal data. One that
 * states a purpose is recorded in any case. Throws SekishoError SEKISHO_PURPOSE_MISSING.
 */
export function readWhereAddresses<Answer>(
  audit: Auditor,
  identity: Identity | null,
  action: string,
  reason: string | undefined,
  answer: Answer,
): Answer {
  if ((reason ?? '').trim() !== '' || anyAddress(answer)) {
    audit.record(readOf(identity, action, reason, {}));
    noteAudited(action);
  }
  return answer;
}

/** Why such a route may leave no entry. */
export const NO_ADDRESS = 'what is shown holds the address of nobody and no purpose was stated';

/** `purpose` where whoever asked stated none. */
export function changeBy(
  identity: Identity | null,
  action: string,
  reason: string | undefined,
  purpose: string,
  detail: NonNullable<AuditEntry['detail']>,
): AuditEntry {
  const stated = (reason ?? '').trim();
  return { ...actorOf(identity), action, purpose: stated === '' ? purpose : stated, detail };
}

export function actorOf(identity: Identity | null): Pick<AuditEntry, 'who' | 'role'> {
  return { who: identity?.name ?? 'unknown', role: identity?.roles.join(' ') ?? '' };
}
