import { expect, it } from 'vitest';
import { listError } from '../lists/errors.ts';
import { asItWent } from './as-it-went.ts';
import type { AuditEntry } from './entry.ts';
import { auditError } from './errors.ts';
import { recordTogether } from './together.ts';

const ASKED = {
  who: 'a',
  role: 'operator',
  action: 'list.rollback',
  purpose: 'blocks a customer',
  detail: { list: 'x' },
};

function auditor(failsFrom = Number.POSITIVE_INFINITY) {
  const written: AuditEntry[] = [];
  const transactions: number[] = [];
  const recordAll = (entries: readonly AuditEntry[]): void => {
    if (written.length >= failsFrom) throw auditError('SEKISHO_AUDIT_FAILED', 'the disk is full');
    written.push(...entries);
    transactions.push(entries.length);
  };
  return { written, transactions, recordAll, record: (entry: AuditEntry): void => recordAll([entry]) };
}
const actions = ({ written }: { written: AuditEntry[] }) => written.map(({ action }) => action);

const WENT: [work: () => Promise<unknown>, outcome: string][] = [
  [async () => 'done', 'succeeded'],
  [async () => Promise.reject(listError('SEKISHO_LIST_NO_PREVIOUS', 'none')), 'refused'],
  [async () => Promise.reject(listError('SEKISHO_LIST_FAILED', 'no answer')), 'failed'],
  [async () => Promise.reject(new TypeError('x')), 'failed'],
];
it.each(WENT)('writes what was asked before it is done, and then how it went (%#)', async (work, outcome) => {
  const audit = auditor();
  let before: string[] = [];
  await asItWent(audit, ASKED, async () => {
    before = actions(audit);
    return work();
  }).catch(() => {});
  expect(before).toEqual(['list.rollback']);
  expect(actions(audit)).toEqual(['list.rollback', `list.rollback.${outcome}`]);
  expect(audit.written[1]).toMatchObject({ who: 'a', purpose: 'blocks a customer', detail: { list: 'x' } });
});

it('does nothing where that cannot be written', async () => {
  let done = false;
  const asked = asItWent(auditor(0), ASKED, async () => {
    done = true;
  });
  await expect(asked).rejects.toMatchObject({ code: 'SEKISHO_AUDIT_FAILED' });
  expect(done).toBe(false);
});

it('says that it is not recorded how it went, where it is not', async () => {
  await expect(asItWent(auditor(1), ASKED, async () => 'done')).rejects.toMatchObject({ code: 'SEKISHO_AUDIT_FAILED' });
  const failed = asItWent(auditor(1), ASKED, () => Promise.reject(new Error('broken')));
  await expect(failed).rejects.toThrow(/broken; and the disk is full/);
});

it('puts what comes in one turn into one transaction, all of it or none', async () => {
  const audit = auditor();
  await Promise.all(Array.from({ length: 50 }, (_, i) => recordTogether(audit, { ...ASKED, action: `a${i}` })));
  expect([audit.written.length, audit.transactions]).toEqual([50, [50]]);
  const full = auditor(0);
  const all = await Promise.allSettled([recordTogether(full, ASKED), recordTogether(full, ASKED)]);
  expect(all.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
});
