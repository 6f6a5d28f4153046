import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openLedgerFile } from './ledger-file.ts';
import { Notices } from './notices.ts';

const notice = (name: string | undefined, lastMs: number, subscriber = '4711') => ({
  subscriber,
  category: 'c2',
  list: 'feed',
  lastMs,
  count: 1,
  ...(name !== undefined && { name }),
});

it('keeps names where they are given, a bounded number of each subscriber, and not beyond their time', () => {
  const db = openLedgerFile(join(mkdtempSync(join(tmpdir(), 'sekisho-notices-')), 'consent.db'));
  const notices = new Notices(db);
  notices.add([notice(undefined, 1), notice('c2.example', 2), notice('c2.example', 5), notice('old.example', 3)]);
  expect(notices.list('4711')).toMatchObject([{ firstMs: 1, lastMs: 3, count: 4 }]);
  expect(notices.names('4711')).toEqual([
    { list: 'feed', name: 'c2.example', firstMs: 2, lastMs: 5, count: 2 },
    { list: 'feed', name: 'old.example', firstMs: 3, lastMs: 3, count: 1 },
  ]);
  expect(notices.names('4712')).toEqual([]);
  notices.deleteNamesBefore(4);
  expect(notices.names('4711').map(({ name }) => name)).toEqual(['c2.example']);
  expect(notices.list('4711')[0]?.count).toBe(4);
  notices.add(Array.from({ length: 300 }, (_, i) => notice(`n${i}.example`, 6, '4713')));
  notices.add([notice('n0.example', 7, '4713'), notice('n299.example', 7, '4713')]);
  expect(notices.names('4713')).toHaveLength(100);
  expect(notices.names('4713')[0]).toMatchObject({ name: 'n0.example', count: 2 });
  expect(notices.list('4713')[0]?.count).toBe(302);
  notices.deleteBefore(8);
  expect([notices.list(), notices.names('4713')]).toEqual([[], []]);
  db.close();
});
