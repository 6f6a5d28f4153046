/** What a TallyStore promises. */
import { describe, expect, it } from 'vitest';
import { SekishoError } from '../../../src/errors/errors.ts';
import type { TallyStore } from '../../../src/report/tally-store.ts';
import { placesOf, type StoreEngine } from './store-suite.ts';

const queries = (count: number, help = 'Queries.') => ({
  name: 'sekisho_queries_total',
  labels: { transport: 'udp', family: 'inet' },
  help,
  count,
});

export function tallyStoreSuite(engine: StoreEngine<TallyStore>): void {
  describe(`daily tallies in ${engine.name}`, () => {
    const newPlace = placesOf(engine);

    it('sums what was added to each counter on each day, and tells the days on which it rose', async () => {
      const { store } = await (await newPlace()).open();
      await store.add('2026-10-01', [queries(3), { ...queries(10), labels: { transport: 'tcp', family: 'inet' } }]);
      await store.add('2026-10-01', [queries(4)]);
      await store.add('2026-10-03', [queries(5, 'All queries.'), { ...queries(1), name: 'sekisho_answers_total' }]);
      const udp = { ...queries(12), days: 2 };
      const tcp = { ...queries(10), labels: { transport: 'tcp', family: 'inet' }, days: 1 };
      expect(await store.between('2026-10-01', '2026-10-03')).toEqual([
        { ...queries(1), name: 'sekisho_answers_total', days: 1 },
        udp,
        tcp,
      ]);
      expect(await store.between('2026-10-01', '2026-10-02')).toEqual([tcp, { ...queries(7), days: 1 }]);
      expect(await store.between('2026-10-02', '2026-10-02')).toEqual([]);
      await store.close();
    });

    it('takes labels in any order for the same counter', async () => {
      const { store } = await (await newPlace()).open();
      await store.add('2026-10-01', [queries(1), { ...queries(2), labels: { family: 'inet', transport: 'udp' } }]);
      expect((await store.between('2026-10-01', '2026-10-01')).map(({ count }) => count)).toEqual([3]);
      await store.close();
    });

    it('adds all of it or nothing', async () => {
      const { store } = await (await newPlace()).open();
      const impossible = { ...queries(1), name: undefined as unknown as string };
      await expect(store.add('2026-10-01', [queries(1), impossible])).rejects.toBeInstanceOf(SekishoError);
      expect(await store.between('2026-10-01', '2026-10-01')).toEqual([]);
      await store.add('2026-10-01', [queries(2)]);
      expect((await store.between('2026-10-01', '2026-10-01')).map(({ count }) => count)).toEqual([2]);
      await store.close();
    });

    it('does one thing after the other, awaited or not, and ends behind them', async () => {
      const place = await newPlace();
      const { store } = await place.open();
      const adding = Array.from({ length: 20 }, () => store.add('2026-10-01', [queries(1)]));
      const seen = store.between('2026-10-01', '2026-10-01');
      adding.push(store.add('2026-10-01', [queries(1)]));
      await store.close();
      await store.close();
      await Promise.all(adding);
      expect((await seen).map(({ count }) => count)).toEqual([20]);
      await expect(store.add('2026-10-01', [queries(1)])).rejects.toThrow('the server is stopping');
      await expect(store.between('2026-10-01', '2026-10-01')).rejects.toThrow('the server is stopping');
      const again = await place.open();
      expect((await again.store.between('2026-10-01', '2026-10-01')).map(({ count }) => count)).toEqual([21]);
      await again.store.close();
    });

    it('forgets days, and those alone', async () => {
      const { store } = await (await newPlace()).open();
      for (const day of ['2026-09-30', '2026-10-01', '2026-10-02']) await store.add(day, [queries(1)]);
      await store.forgetBefore('2026-10-01');
      expect((await store.between('2000-01-01', '2100-01-01')).map(({ days }) => days)).toEqual([2]);
      expect(await store.between('2026-09-30', '2026-09-30')).toEqual([]);
      await store.close();
    });

    it('starts over where what lies there is damaged, and says where that went', async () => {
      const place = await newPlace();
      if (!place.damage) return;
      const { store, movedAside } = await place.open();
      expect(movedAside).toBeUndefined();
      await store.add('2026-10-01', [queries(1)]);
      await store.close();
      await place.damage();
      const again = await place.open();
      expect(again.movedAside).toContain('damaged');
      expect(await again.store.between('2000-01-01', '2100-01-01')).toEqual([]);
      await again.store.close();
    });
  });
}
