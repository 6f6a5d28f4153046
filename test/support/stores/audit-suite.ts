/** What an AuditStore promises. */
import { describe, expect, it } from 'vitest';
import type { AuditStore } from '../../../src/audit/audit-store.ts';
import { placesOf, type StoreEngine } from './store-suite.ts';

const entry = (n: number, action = 'history.read') => ({
  who: 'admin',
  role: 'operator',
  action,
  purpose: `ticket ${n}`,
  detail: { n },
});
const personal = { ...entry(0, 'consent.show'), personal: true };
const OFFICER = { who: 'officer', role: 'privacy', reason: 'ticket 4711' };
const ALWAYS = ['2000-01-01T00:00:00.000Z', '2100-01-01T00:00:00.000Z'] as const;

export function auditStoreSuite(engine: StoreEngine<AuditStore>): void {
  describe(`the audit log in ${engine.name}`, () => {
    const newPlace = placesOf(engine);

    it('chains entries in the order asked for, however they were asked for, over restarts', async () => {
      const place = await newPlace();
      const { store } = await place.open();
      const asked = [store.append([entry(1), entry(2)]), store.begin([entry(3)]).recorded];
      store.record(entry(4));
      asked.push(store.append([entry(5)]), store.append([]));
      await Promise.all(asked);
      const before = await store.verify();
      expect(before).toMatchObject({ ok: true, entries: 5, problem: null });
      await store.close();
      const again = (await place.open()).store;
      await again.append([entry(6)]);
      const details = await again.details('history.read', ...ALWAYS);
      expect(details.map(({ detail }) => detail)).toEqual([1, 2, 3, 4, 5, 6].map((n) => ({ n })));
      expect(await again.verify()).toMatchObject({ ok: true, entries: 6 });
      expect(await again.verify(before.head!)).toMatchObject({ ok: true });
      const other = `3:${'0'.repeat(64)}`;
      expect(await again.verify(other)).toMatchObject({ ok: false, problem: expect.stringContaining(other) });
      await expect(again.verify('yesterday')).rejects.toThrow(/SEQUENCE:HASH/);
      // To be asked for something that is not there is no damage.
      expect(again.damage).toBeUndefined();
    });

    it('writes all of them or none, and goes on', async () => {
      const { store } = await (await newPlace()).open();
      const impossible = { ...entry(2), detail: { n: 1n } };
      await expect(store.append([entry(1), impossible])).rejects.toMatchObject({ code: 'SEKISHO_AUDIT_FAILED' });
      expect(() => store.record(impossible)).toThrow(expect.objectContaining({ code: 'SEKISHO_AUDIT_FAILED' }));
      await store.append([entry(3)]);
      expect((await store.details('history.read', ...ALWAYS)).map(({ detail }) => detail)).toEqual([{ n: 3 }]);
      expect(await store.verify()).toMatchObject({ ok: true, entries: 1 });
    });

    it('sums actions by name, within a time', async () => {
      const { store } = await (await newPlace()).open();
      await store.append([entry(1), entry(2, 'consent.show'), entry(3)]);
      const summary = await store.summary(...ALWAYS);
      expect(summary.map(({ action, count }) => [action, count])).toEqual([
        ['consent.show', 1],
        ['history.read', 2],
      ]);
      const [{ first = '', last = '' } = {}] = summary;
      expect(first <= last && first > '2000').toBe(true);
      expect(await store.summary(ALWAYS[0], first)).toEqual([]);
      expect(await store.details('consent.show', ALWAYS[0], first)).toEqual([]);
      expect(await store.details('none', ...ALWAYS)).toEqual([]);
    });

    it('refuses personal reads while it is damaged, takes changes, and is sound once acknowledged, over restarts', async () => {
      const place = await newPlace();
      if (!place.damage) return;
      const { store } = await place.open();
      await store.append([entry(1), personal]);
      await expect(store.acknowledge(OFFICER)).rejects.toMatchObject({ code: 'SEKISHO_LEDGER_SOUND' });
      await store.close();
      await place.damage();
      for (let restarts = 0; restarts < 2; restarts++) {
        const damaged = (await place.open()).store;
        expect(damaged.damage).toBeDefined();
        await expect(damaged.append([personal])).rejects.toMatchObject({ code: 'SEKISHO_AUDIT_DAMAGED' });
        await damaged.append([entry(2)]);
        expect(await damaged.verify()).toMatchObject({ ok: false });
        await damaged.close();
      }
      const accepted = (await place.open()).store;
      await expect(accepted.acknowledge({ ...OFFICER, reason: ' ' })).rejects.toThrow(/needs a reason/);
      expect(await accepted.acknowledge(OFFICER)).toMatchObject({ ok: true });
      await accepted.append([personal]);
      await accepted.close();
      const after = (await place.open()).store;
      expect([after.damage, (await after.verify()).ok]).toEqual([undefined, true]);
      expect((await after.details('audit.acknowledge', ...ALWAYS)).length).toBe(1);
    });

    it('ends behind what was asked for, and refuses what comes after', async () => {
      const place = await newPlace();
      const { store } = await place.open();
      const writing = [store.append([entry(1)]), store.append([entry(2)])];
      await store.close();
      await store.close();
      await Promise.all(writing);
      await expect(store.append([entry(3)])).rejects.toThrow('the server is stopping');
      await expect(store.verify()).rejects.toThrow('the server is stopping');
      expect(await (await place.open()).store.verify()).toMatchObject({ ok: true, entries: 2 });
    });
  });
}
