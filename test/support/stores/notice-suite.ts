/** What a NoticeStore promises. */
import { describe, expect, it } from 'vitest';
import { SekishoError } from '../../../src/errors/errors.ts';
import { MAX_NAMES, type NoticeStore } from '../../../src/subscribers/consent/notice-store.ts';
import { placesOf, type StoreEngine } from './store-suite.ts';

const notice = (name: string | undefined, lastMs: number, subscriber = '4711') => ({
  subscriber,
  category: 'c2',
  list: 'feed',
  lastMs,
  count: 1,
  ...(name !== undefined && { name }),
});

export function noticeStoreSuite(engine: StoreEngine<NoticeStore>): void {
  describe(`notices in ${engine.name}`, () => {
    const newPlace = placesOf(engine);

    it('sums by subscriber, category and list, and finds it again', async () => {
      const place = await newPlace();
      const { store } = await place.open();
      await store.add([notice(undefined, 10), { ...notice(undefined, 20), count: 4 }]);
      await store.add([{ ...notice(undefined, 15), list: 'other' }, notice(undefined, 5, '4712')]);
      await store.add([]);
      await store.close();
      const again = (await place.open()).store;
      expect(await again.list('4711')).toEqual([
        { subscriber: '4711', category: 'c2', list: 'feed', firstMs: 10, lastMs: 20, count: 5 },
        { subscriber: '4711', category: 'c2', list: 'other', firstMs: 15, lastMs: 15, count: 1 },
      ]);
      expect((await again.list()).map(({ lastMs }) => lastMs)).toEqual([20, 15, 5]);
      expect(await again.list(undefined, 2)).toHaveLength(2);
      expect(await again.list('4713')).toEqual([]);
    });

    it('keeps names where they are given, a bounded number of each subscriber, and not beyond their time', async () => {
      const { store } = await (await newPlace()).open();
      expect(await store.keepsNames()).toBe(false);
      await store.add([
        notice(undefined, 1),
        notice('c2.example', 2),
        notice('c2.example', 5),
        notice('old.example', 3),
      ]);
      expect(await store.keepsNames()).toBe(true);
      expect(await store.list('4711')).toMatchObject([{ firstMs: 1, lastMs: 3, count: 4 }]);
      expect(await store.names('4711')).toEqual([
        { list: 'feed', name: 'c2.example', firstMs: 2, lastMs: 5, count: 2 },
        { list: 'feed', name: 'old.example', firstMs: 3, lastMs: 3, count: 1 },
      ]);
      expect(await store.names('4712')).toEqual([]);
      expect(await store.deleteNamesBefore(4)).toEqual({ notices: 0, names: 1 });
      expect((await store.names('4711')).map(({ name }) => name)).toEqual(['c2.example']);
      expect((await store.list('4711'))[0]?.count).toBe(4);
      const many = Array.from({ length: 3 * MAX_NAMES }, (_, i) => notice(`n${i}.example`, 6, '4713'));
      await store.add(many);
      await store.add([notice('n0.example', 7, '4713'), notice(`n${3 * MAX_NAMES - 1}.example`, 7, '4713')]);
      expect(await store.names('4713')).toHaveLength(MAX_NAMES);
      expect((await store.names('4713'))[0]).toMatchObject({ name: 'n0.example', count: 2 });
      expect((await store.list('4713'))[0]?.count).toBe(3 * MAX_NAMES + 2);
      expect(await store.deleteBefore(8)).toEqual({ notices: 2, names: MAX_NAMES + 1 });
      expect([await store.list(), await store.names('4713'), await store.keepsNames()]).toEqual([[], [], false]);
      expect(await store.deleteBefore(8)).toEqual({ notices: 0, names: 0 });
    });

    it('adds all of it or nothing, in the order asked for, and ends behind it', async () => {
      const place = await newPlace();
      const { store } = await place.open();
      const impossible = { ...notice(undefined, 1), category: undefined as unknown as string };
      await expect(store.add([notice(undefined, 1), impossible])).rejects.toBeInstanceOf(SekishoError);
      expect(await store.list()).toEqual([]);
      const adding = [store.add([notice('a.example', 1)]), store.add([notice(undefined, 2)])];
      const deleting = store.deleteNamesBefore(9);
      adding.push(store.add([notice('b.example', 3)]));
      await store.close();
      await Promise.all(adding);
      expect(await deleting).toEqual({ notices: 0, names: 1 });
      await expect(store.list()).rejects.toThrow('the server is stopping');
      const again = (await place.open()).store;
      expect((await again.names('4711')).map(({ name }) => name)).toEqual(['b.example']);
      expect((await again.list('4711'))[0]).toMatchObject({ firstMs: 1, lastMs: 3, count: 3 });
    });

    it('starts over where what lies there is damaged, and says where that went', async () => {
      const place = await newPlace();
      if (!place.damage) return;
      await (await place.open()).store.close();
      await place.damage();
      const { store, movedAside } = await place.open();
      expect(movedAside).toContain('damaged');
      expect(await store.list()).toEqual([]);
    });
  });
}
