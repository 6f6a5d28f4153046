import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openLedgerFile } from './ledger-file.ts';
import { entriesOf, type LedgerRecord } from './ledger-store.ts';
import { SqliteLedger } from './sqlite-ledger.ts';

const folder = mkdtempSync(join(tmpdir(), 'sekisho-ledger-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const newFile = () => join(folder, `consent-${files++}.db`);

const record = (subscriber: string, action: LedgerRecord['action'] = 'opt-out'): LedgerRecord => ({
  subscriber,
  purpose: 'c2',
  action,
  who: 'a-portal',
  channel: 'portal',
  terms: '2026-04',
  reason: '',
});

const all = (ledger: SqliteLedger, subscriber?: string) =>
  entriesOf(ledger, subscriber === undefined ? {} : { subscriber });

describe('the consent ledger in SQLite', () => {
  it('numbers and chains what it is given, and finds it again', async () => {
    const file = newFile();
    const ledger = new SqliteLedger(file, () => 1234);
    const appended = await Promise.all([
      ledger.append([record('1'), record('2')]),
      ledger.append([record('1', 'opt-in')]),
    ]);
    expect(appended.flat().map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect((await all(ledger, '1')).map(({ action, atMs, terms }) => [action, atMs, terms])).toEqual([
      ['opt-out', 1234, '2026-04'],
      ['opt-in', 1234, '2026-04'],
    ]);
    await ledger.close();
    const again = new SqliteLedger(file, () => 5678);
    expect([again.entries, again.verifyNow()]).toEqual([3, undefined]);
    const [next] = await again.append([record('3')]);
    expect(next?.seq).toBe(4);
    expect(await again.verify()).toBeUndefined();
    expect(new Set((await all(again)).map(({ hash }) => hash)).size).toBe(4);
    await again.close();
  });

  it('cannot be altered or thinned out through SQL', async () => {
    const ledger = new SqliteLedger(newFile(), () => 0);
    await ledger.append([record('1')]);
    expect(() => ledger.db.exec("UPDATE entry SET action = 'opt-in'")).toThrow('append-only');
    expect(() => ledger.db.exec('DELETE FROM entry')).toThrow('append-only');
    await ledger.close();
  });

  it.each([
    ['an entry altered', "UPDATE entry SET action = 'opt-in' WHERE seq = 2", 'entry 2 was altered'],
    ['the reason of the last one altered', "UPDATE entry SET reason = 'x' WHERE seq = 3", 'entry 3 was altered'],
    ['an entry taken out', 'DELETE FROM entry WHERE seq = 2', 'entry 2 is missing'],
    ['a hash altered', "UPDATE entry SET hash = hash || '0' WHERE seq = 1", 'entry 1 was altered'],
  ])('shows %s behind its back', async (_, sql, problem) => {
    const file = newFile();
    const ledger = new SqliteLedger(file, () => 0);
    await ledger.append([record('1'), record('2'), record('3')]);
    await ledger.close();
    const db = openLedgerFile(file);
    db.exec('DROP TRIGGER entry_is_not_altered; DROP TRIGGER entry_is_not_deleted;');
    db.exec(sql);
    db.close();
    const opened = new SqliteLedger(file, () => 0);
    expect(await opened.verify()).toBe(problem);
    await opened.close();
  });

  it('records nothing of a batch that fails, and goes on afterwards', async () => {
    const ledger = new SqliteLedger(newFile(), () => 0);
    await ledger.append([record('1')]);
    const impossible = { ...record('2'), who: undefined as unknown as string };
    const results = await Promise.allSettled([ledger.append([record('3')]), ledger.append([impossible])]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect([ledger.entries, await ledger.verify()]).toEqual([1, undefined]);
    await ledger.append([record('4')]);
    expect((await all(ledger)).map(({ subscriber, seq }) => [subscriber, seq])).toEqual([
      ['1', 1],
      ['4', 2],
    ]);
    expect(await ledger.verify()).toBeUndefined();
    await ledger.close();
  });

  it('remembers how far an import came, together with its entries', async () => {
    const ledger = new SqliteLedger(newFile(), () => 0);
    expect(await ledger.importedRows('crm')).toBe(0);
    await ledger.append([record('1')], { progress: { id: 'crm', rows: 1000 } });
    await ledger.append([record('2')], { progress: { id: 'crm', rows: 2000 } });
    expect(await ledger.importedRows('crm')).toBe(2000);
    await ledger.close();
  });

  it('lets a change act after those before it, however long what goes to the disk beside them takes', async () => {
    const ledger = new SqliteLedger(newFile(), () => 0);
    const told: string[] = [];
    ledger.onRecorded = (entries) => void told.push(...entries.map(({ subscriber }) => `acts ${subscriber}`));
    let flushed = () => {};
    const beside = new Promise<void>((resolve) => {
      flushed = resolve;
    });
    const first = ledger.append([record('1')], { beside: { flushed: beside, recorded: beside } });
    await new Promise(setImmediate);
    const second = ledger.append([record('2')]);
    for (const [i, each] of [first, second].entries()) void each.then(() => told.push(`told ${i + 1}`));
    // Time enough for the second one to be on the disk.
    for (let turns = 0; turns < 50; turns++) await new Promise(setImmediate);
    expect(told).toEqual([]);
    flushed();
    await Promise.all([first, second]);
    expect(told).toEqual(['acts 1', 'told 1', 'acts 2', 'told 2']);
    await ledger.close();
  });

  it('shows nothing and lets nothing act that is not recorded elsewhere too', async () => {
    const ledger = new SqliteLedger(newFile(), () => 0);
    const heard: string[] = [];
    ledger.onRecorded = (entries) => void heard.push(...entries.map(({ subscriber }) => subscriber));
    ledger.onUnanchored = (reason) => void heard.push(reason);
    const failing = Promise.reject(new Error('the audit log is on fire'));
    failing.catch(() => {});
    const one = ledger.append([record('1')], { beside: { flushed: failing, recorded: failing } });
    await expect(one).rejects.toThrow(/recorded, but its anchor cannot be written: the audit log is on fire/);
    // Nor what comes behind it: the anchor would lead past it.
    await expect(ledger.append([record('2')])).rejects.toThrow(/on fire/);
    expect(await all(ledger)).toEqual([]);
    expect(heard).toEqual(['the audit log is on fire', 'the audit log is on fire']);
    ledger.anchorEnd();
    expect((await all(ledger)).map(({ subscriber }) => subscriber)).toEqual(['1', '2']);
    await ledger.append([record('3')]);
    expect(heard.at(-1)).toBe('3');
    await ledger.close();
  });

  it('is verified in steps, and what is recorded meanwhile is not missing', async () => {
    const ledger = new SqliteLedger(newFile(), () => 0);
    await ledger.append(Array.from({ length: 1500 }, (_, i) => record(`s${i}`)));
    let turns = 0;
    const verifying = ledger.verify().finally(() => {
      turns = -turns;
    });
    const changes = [ledger.append([record('1')]), ledger.append([record('2')])];
    while (turns >= 0) {
      turns++;
      await new Promise(setImmediate);
    }
    expect(await verifying).toBeUndefined();
    expect(-turns).toBeGreaterThan(4);
    await Promise.all(changes);
    await ledger.close();
  });

  it('records what still waits when it is closed', async () => {
    const file = newFile();
    const ledger = new SqliteLedger(file, () => 0);
    const waiting = ledger.append([record('1')]);
    await ledger.close();
    await waiting;
    const again = new SqliteLedger(file, () => 0);
    expect(again.entries).toBe(1);
    await again.close();
  });

  it('refuses what comes after its end, and takes nobody along', async () => {
    const ledger = new SqliteLedger(newFile(), () => 0);
    await ledger.close();
    await expect(ledger.append([record('1')])).rejects.toThrow('the server is stopping');
    await expect(all(ledger, '1')).rejects.toThrow('the server is stopping');
  });
});
