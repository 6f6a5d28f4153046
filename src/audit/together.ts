/**
 * Entries that are written many at a time: changes of consent and leases come by the hundred a second, and a transaction for
 * each would hold the main thread up. What is asked for in one turn of the event loop goes into one transaction, and what is
 * written while the disk is busy is flushed together.
 */
import type { AuditEntry, Auditor, Recording } from './entry.ts';
import { noteAudited } from './scope.ts';

interface Waiting {
  readonly entry: AuditEntry;
  readonly resolve: (recording: Recording) => void;
  readonly reject: (error: unknown) => void;
}

const waiting = new WeakMap<Auditor, Waiting[]>();

/**
 * For the request under way: resolves when the entry is on the disk. Rejects as Auditor.record throws: then what was to be audited
 * must not happen.
 */
export async function recordTogether(audit: Auditor, entry: AuditEntry): Promise<void> {
  await (await beginTogether(audit, entry)).recorded;
}

/**
 * Resolves when the entry is written, on its way to the disk: for what goes to the disk beside it. Rejects with SekishoError
 * SEKISHO_AUDIT_FAILED where it is not written.
 */
export async function beginTogether(audit: Auditor, entry: AuditEntry): Promise<Recording> {
  const { flushed, recorded } = await new Promise<Recording>((resolve, reject) => {
    const already = waiting.get(audit);
    if (already) {
      already.push({ entry, resolve, reject });
      return;
    }
    waiting.set(audit, [{ entry, resolve, reject }]);
    setImmediate(() => begin(audit));
  });
  // In the scope of whoever asks, which is not that of whoever asked first in this turn.
  const noted = recorded.then(() => noteAudited(entry.action));
  noted.catch(() => {});
  return { flushed, recorded: noted };
}

const DONE: Recording = { flushed: Promise.resolve(), recorded: Promise.resolve() };

function begin(audit: Auditor): void {
  const batch = waiting.get(audit) ?? [];
  waiting.delete(audit);
  // A read that is refused while the log is damaged takes no change along.
  for (const personal of [false, true])
    beginAll(
      audit,
      batch.filter(({ entry }) => (entry.personal ?? false) === personal),
    );
}

function beginAll(audit: Auditor, batch: readonly Waiting[]): void {
  if (batch.length === 0) return;
  const entries = batch.map(({ entry }) => entry);
  let recording = DONE;
  try {
    if (audit.begin) recording = audit.begin(entries);
    else if (audit.recordAll) audit.recordAll(entries);
    else for (const entry of entries) audit.record(entry);
  } catch (error) {
    for (const { reject } of batch) reject(error);
    return;
  }
  for (const { resolve } of batch) resolve(recording);
}
