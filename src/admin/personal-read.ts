/** Reads of personal data over the API, as the audit log is told of them (R14: no read without a trace). */
import type { AuditEntry } from '../audit/entry.ts';
import type { Identity } from './tokens.ts';

/** Where nobody said why, the entry says just that. */
const NO_REASON = 'not stated';

export function readOf(
  identity: Identity | null,
  action: string,
  reason: string,
  detail: NonNullable<AuditEntry['detail']>,
): AuditEntry {
  return {
    who: identity?.name ?? '',
    role: identity?.roles.join(' ') ?? '',
    action,
    purpose: reason.trim() === '' ? NO_REASON : reason,
    detail,
    personal: true,
  };
}
