/**
 * Entries that are written many at a time: changes of consent and leases come by the hundred a second, and a transaction on
 * the disk for each would hold the main thread up. What is asked for in one turn of the event loop goes into one transaction.
 */
import type { AuditEntry, Auditor } from './entry.ts';
import { noteAudited } from './scope.ts';

interface Waiting {
  readonly entry: AuditEntry;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const waiting = new WeakMap<Auditor, Waiting[]>();

/** Resolves when the entry is on the disk. Rejects with SekishoError SEKISHO_AUDIT_FAILED, and then it is not. */
export async function recordTogether(audit: Auditor, entry: AuditEntry): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const already = waiting.get(audit);
    if (already) {
      already.push({ entry, resolve, reject });
      return;
    }
    waiting.set(audit, [{ entry, resolve, reject }]);
    setImmediate(() => flush(audit));
  });
  noteAudited(entry.action);
}

function flush(audit: Auditor): void {
  const batch = waiting.get(audit) ?? [];
  waiting.delete(audit);
  try {
    if (audit.recordAll) audit.recordAll(batch.map(({ entry }) => entry));
    else for (const { entry } of batch) audit.record(entry);
  } catch (error) {
    for (const { reject } of batch) reject(error);
    return;
  }
  for (const { resolve } of batch) resolve();
}
