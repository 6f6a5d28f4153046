/** What a LeaseStore promises. */
import { describe, expect, it } from 'vitest';
import { addressWords } from '../../../src/address/address.ts';
import {
  type ArchivedClaim,
  CLAIM_ENDED,
  CLAIM_UNSURE,
  type LeaseBatch,
  type LeaseStore,
  PREFIX_WORDS,
} from '../../../src/subscribers/leases/lease-store.ts';
import { ID_WORDS, NAME_WORDS, reporterOf, sessionName } from '../../../src/subscribers/leases/session-name.ts';
import { placesOf, type StoreEngine } from './store-suite.ts';

const NAS = reporterOf({ source: addressWords('192.0.2.1'), identifier: 'bng1' });
const OTHER_NAS = reporterOf({ source: addressWords('192.0.2.2'), identifier: 'bng2' });
const MINUTE = 60_000;

interface Claim {
  readonly address: string;
  readonly id: string;
  readonly subscriber: string;
  readonly nas?: Int32Array;
  readonly untilMs?: number;
  readonly flags?: number;
}

function batchOf(claims: readonly Claim[], ended: LeaseBatch['ended'] = []): LeaseBatch {
  const prefixes = new Int32Array(claims.length * PREFIX_WORDS);
  const sessions = new Int32Array(claims.length * NAME_WORDS);
  claims.forEach(({ address, id, nas = NAS }, i) => {
    prefixes.set(addressWords(address), i * PREFIX_WORDS);
    prefixes[i * PREFIX_WORDS + 4] = 128;
    sessions.set(sessionName(id, nas), i * NAME_WORDS);
  });
  return {
    ended,
    prefixes,
    sessions,
    atMs: Float64Array.from(claims, () => 1000),
    heardMs: Float64Array.from(claims, () => 2000),
    untilMs: Float64Array.from(claims, ({ untilMs = 1e9 }) => untilMs),
    stamps: Float64Array.from(claims, () => 77),
    flags: Uint8Array.from(claims, ({ flags = 0 }) => flags),
    subscribers: claims.map(({ subscriber }) => subscriber),
  };
}

async function claimsOf(store: LeaseStore, rows = 100): Promise<ArchivedClaim[]> {
  const claims: ArchivedClaim[] = [];
  for await (const page of store.claims(rows)) {
    expect(page.length).toBeLessThanOrEqual(rows);
    claims.push(...page);
  }
  return claims;
}
const subscribers = async (store: LeaseStore) => (await claimsOf(store)).map(({ subscriber }) => subscriber).sort();

export function leaseStoreSuite(engine: StoreEngine<LeaseStore>): void {
  describe(`leases in ${engine.name}`, () => {
    const newPlace = placesOf(engine);

    it('gives claims back as they were written, to a process with a higher number', async () => {
      const place = await newPlace();
      const { store } = await place.open();
      const claim = { address: '192.0.2.7', id: 'a', subscriber: '4711', flags: CLAIM_UNSURE };
      await store.write([batchOf([claim, { address: '2001:db8::1', id: 'a', subscriber: '4711' }])], 3000);
      await store.close();
      const again = (await place.open()).store;
      expect(again.run).toBeGreaterThan(store.run);
      expect([...(await again.runs())]).toEqual([[store.run, 3000]]);
      const claims = await claimsOf(again);
      const seven = claims.find(({ prefix }) => prefix.slice(0, 4).join() === addressWords('192.0.2.7').join());
      expect(claims).toHaveLength(2);
      expect(seven).toEqual({
        prefix: Int32Array.of(...addressWords('192.0.2.7'), 128),
        session: sessionName('a', NAS),
        subscriber: '4711',
        atMs: 1000,
        heardMs: 2000,
        untilMs: 1e9,
        stamp: 77,
        flags: CLAIM_UNSURE,
        run: store.run,
      });
    });

    it('keeps one claim of each session on each prefix, the latest', async () => {
      const { store } = await (await newPlace()).open();
      const claim = { address: '192.0.2.7', id: 'a', subscriber: '4711' };
      await store.write([batchOf([claim]), batchOf([{ ...claim, subscriber: '4712' }])], 3000);
      await store.write([batchOf([{ ...claim, nas: OTHER_NAS, subscriber: '4713' }])], 3001);
      await store.write([batchOf([{ ...claim, id: 'b', subscriber: '4714' }])], 3002);
      expect(await subscribers(store)).toEqual(['4712', '4713', '4714']);
    });

    it('gives the subscribers of ended sessions up at once, and lets what comes behind the end stand', async () => {
      const { store } = await (await newPlace()).open();
      const claim = { address: '192.0.2.7', id: 'a', subscriber: '4711' };
      await store.write([batchOf([claim, { ...claim, id: 'b', nas: OTHER_NAS, subscriber: '4712' }])], 3000);
      const ended = [{ reporters: [NAS], atMs: 4000, heardMs: 4001, untilMs: 5e8 }];
      await store.write([batchOf([{ ...claim, id: 'c', subscriber: '4713' }], ended)], 4001);
      const claims = await claimsOf(store);
      expect(claims.map(({ subscriber }) => subscriber).sort()).toEqual(['', '4712', '4713']);
      const gone = claims.find(({ subscriber }) => subscriber === '');
      expect(gone).toMatchObject({ flags: CLAIM_ENDED, atMs: 4000, heardMs: 4001, untilMs: 5e8 });
      expect(gone?.session.slice(0, ID_WORDS)).toEqual(sessionName('a', NAS).slice(0, ID_WORDS));
    });

    it('forgets claims whose time has come, with processes that left nothing else', async () => {
      const place = await newPlace();
      const first = (await place.open()).store;
      await first.write(
        [batchOf([{ address: '192.0.2.7', id: 'a', subscriber: '4711', untilMs: 5 * MINUTE }])],
        MINUTE,
      );
      await first.close();
      const { store } = await place.open();
      await store.write([batchOf([{ address: '192.0.2.8', id: 'b', subscriber: '4712' }])], 10 * MINUTE);
      expect(await subscribers(store)).toEqual(['4712']);
      expect([...(await store.runs()).keys()]).toEqual([store.run]);
    });

    it('is read page by page, each claim once, with sessions beside each other on one prefix', async () => {
      const { store } = await (await newPlace()).open();
      const claims = Array.from({ length: 90 }, (_, i) => ({
        address: `192.0.2.${i % 30}`,
        id: `s${i}`,
        subscriber: `n${i}`,
        nas: i % 2 ? NAS : OTHER_NAS,
      }));
      await store.write([batchOf(claims)], 3000);
      for (const rows of [1, 7, 30, 90, 91])
        expect(new Set((await claimsOf(store, rows)).map(({ subscriber }) => subscriber)).size).toBe(90);
      expect((await claimsOf(store, 7)).length).toBe(90);
    });

    it('forgets everything on demand, and takes what comes then', async () => {
      const { store } = await (await newPlace()).open();
      await store.write([batchOf([{ address: '192.0.2.7', id: 'a', subscriber: '4711' }])], 3000);
      await store.beginAnew(3000);
      expect(await subscribers(store)).toEqual([]);
      await store.write([batchOf([{ address: '192.0.2.8', id: 'b', subscriber: '4712' }])], 3001);
      expect(await subscribers(store)).toEqual(['4712']);
    });

    it('does one thing after the other, and ends behind them', async () => {
      const place = await newPlace();
      const { store } = await place.open();
      const claim = { address: '192.0.2.7', id: 'a' };
      const writing = Array.from({ length: 9 }, (_, i) =>
        store.write([batchOf([{ ...claim, subscriber: String(i) }])], 3000 + i),
      );
      await store.close();
      await store.close();
      await Promise.all(writing);
      await expect(store.write([], 4000)).rejects.toThrow('the server is stopping');
      await expect(store.runs()).rejects.toThrow('the server is stopping');
      await expect(claimsOf(store)).rejects.toThrow('the server is stopping');
      expect(await subscribers((await place.open()).store)).toEqual(['8']);
    });

    it('starts over where what lies there is damaged, and says where that went', async () => {
      const place = await newPlace();
      if (!place.damage) return;
      await (await place.open()).store.close();
      await place.damage();
      const { store, movedAside } = await place.open();
      expect(movedAside).toContain('damaged');
      expect(await claimsOf(store)).toEqual([]);
    });
  });
}
