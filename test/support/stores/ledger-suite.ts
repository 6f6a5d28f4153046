/** What a LedgerStore promises. */
import { describe, expect, it } from 'vitest';
import { SekishoError } from '../../../src/errors/errors.ts';
import {
  entriesOf,
  FIRST_HASH,
  hashOfEntry,
  type LedgerRecord,
  type LedgerStore,
} from '../../../src/subscribers/consent/ledger-store.ts';
import { placesOf, type StoreEngine } from './store-suite.ts';

const record = (subscriber: string, action: LedgerRecord['action'] = 'opt-out', channel = 'portal'): LedgerRecord => ({
  subscriber,
  purpose: 'c2',
  action,
  who: 'a-portal',
  channel,
  terms: '2026-04',
  reason: 'because',
});
const failing = (): Promise<never> => {
  const failed = Promise.reject(new Error('the audit log is on fire'));
  failed.catch(() => {});
  return failed;
};

/** `engine` opens stores whose clock says 1234 ms. */
export function ledgerStoreSuite(engine: StoreEngine<LedgerStore>): void {
  describe(`the consent ledger in ${engine.name}`, () => {
    const newPlace = placesOf(engine);
    const fresh = async () => (await (await newPlace()).open()).store;

    it('numbers and chains what it is given in the order asked for, and finds it again', async () => {
      const place = await newPlace();
      const { store } = await place.open();
      expect(await store.end()).toEqual({ seq: 0, hash: FIRST_HASH });
      const asked = [
        store.append([record('1'), record('2')]),
        store.append([record('1', 'opt-in')]),
        store.append([record('3')]),
      ];
      expect((await Promise.all(asked)).flat().map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
      await store.close();
      const again = (await place.open()).store;
      const entries = await entriesOf(again, {});
      expect(entries.map(({ seq, subscriber, action, atMs }) => [seq, subscriber, action, atMs])).toEqual([
        [1, '1', 'opt-out', 1234],
        [2, '2', 'opt-out', 1234],
        [3, '1', 'opt-in', 1234],
        [4, '3', 'opt-out', 1234],
      ]);
      expect(entries[0]).toMatchObject(record('1'));
      let hash = FIRST_HASH;
      for (const entry of entries) {
        hash = hashOfEntry(hash, entry);
        expect(entry.hash).toBe(hash);
      }
      expect([await again.end(), await again.verify()]).toEqual([{ seq: 4, hash }, undefined]);
      expect((await again.append([record('5')]))[0]?.seq).toBe(5);
    });

    it('is read page by page, of all or of one, and from where somebody has come to', async () => {
      const store = await fresh();
      await store.append(Array.from({ length: 1200 }, (_, i) => record(`s${i % 3}`)));
      const numbers: number[] = [];
      let pages = 0;
      for await (const page of store.pages()) {
        pages++;
        numbers.push(...page.map(({ seq }) => seq));
        // What comes meanwhile is not in the way.
        if (pages === 2) await store.append([record('late')]);
      }
      expect(pages).toBeGreaterThan(2);
      expect(numbers.slice(0, 1200)).toEqual(Array.from({ length: 1200 }, (_, i) => i + 1));
      expect((await entriesOf(store, { subscriber: 's1' })).length).toBe(400);
      expect((await entriesOf(store, { after: 1199 })).map(({ seq }) => seq)).toEqual([1200, 1201]);
      expect((await entriesOf(store, { subscriber: 's1', after: 1199 })).length).toBe(0);
      expect(await entriesOf(store, { after: 5000 })).toEqual([]);
    });

    it('records all of an append or nothing, and goes on', async () => {
      const store = await fresh();
      await store.append([record('1')]);
      const impossible = { ...record('2'), who: undefined as unknown as string };
      await expect(store.append([record('3'), impossible])).rejects.toBeInstanceOf(SekishoError);
      await store.append([record('4')]);
      expect((await entriesOf(store, {})).map(({ subscriber, seq }) => [subscriber, seq])).toEqual([
        ['1', 1],
        ['4', 2],
      ]);
      expect(await store.verify()).toBeUndefined();
    });

    it('lets nothing act or be read that what goes to the disk beside it failed for', async () => {
      const store = await fresh();
      await store.append([record('1')]);
      const beside = { flushed: failing(), recorded: failing() };
      await expect(store.append([record('2')], { beside })).rejects.toThrow(/on fire/);
      expect((await entriesOf(store, {})).map(({ subscriber }) => subscriber)).toEqual(['1']);
      expect((await store.end()).seq).toBe(1);
    });

    it('remembers how far an import came, together with its entries', async () => {
      const place = await newPlace();
      const { store } = await place.open();
      expect(await store.importedRows('crm')).toBe(0);
      await store.append([record('1')], { progress: { id: 'crm', rows: 1000 } });
      const impossible = { ...record('2'), who: undefined as unknown as string };
      await store.append([impossible], { progress: { id: 'crm', rows: 1500 } }).catch(() => {});
      await store.append([record('2')], { progress: { id: 'other', rows: 7 } });
      await store.close();
      const again = (await place.open()).store;
      expect([await again.importedRows('crm'), await again.importedRows('other')]).toEqual([1000, 7]);
    });

    it('tells how often what was done over which channel, and for how many', async () => {
      const store = await fresh();
      await store.append([record('1'), record('1'), record('2'), record('3', 'opt-in', 'api')]);
      expect(await store.tally(0, 1234)).toEqual([]);
      expect(await store.tally(1234, 1235)).toEqual([
        { action: 'opt-in', channel: 'api', count: 1, subscribers: 1 },
        { action: 'opt-out', channel: 'portal', count: 3, subscribers: 2 },
      ]);
    });

    it('records what still waits when it is closed, and refuses what comes after', async () => {
      const place = await newPlace();
      const { store } = await place.open();
      const waiting = [store.append([record('1')]), store.append([record('2')])];
      await store.close();
      await Promise.all(waiting);
      await expect(store.append([record('3')])).rejects.toThrow('the server is stopping');
      await expect(store.end()).rejects.toThrow('the server is stopping');
      await expect(entriesOf(store, {})).rejects.toThrow('the server is stopping');
      expect((await (await place.open()).store.end()).seq).toBe(2);
    });
  });
}
