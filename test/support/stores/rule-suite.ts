/** What a RuleStore promises. */
import { describe, expect, it } from 'vitest';
import { SekishoError } from '../../../src/errors/errors.ts';
import type { Rule } from '../../../src/rules/rule.ts';
import type { RuleAction, RuleStore } from '../../../src/rules/rule-store.ts';
import { placesOf, type StoreEngine } from './store-suite.ts';

const proposed = {
  limitRationale: 'half again the normal',
  escalation: false,
  normalPerSecond: 20,
  startPerSecond: 1000,
  removes: 0.9,
  hits: 0,
  diagnosis: 'd1',
  cause: 'broken-client',
  escalated: '',
};

export function ruleOf(number: number, over: Partial<Rule> = {}): Rule {
  return {
    id: `m${number}`,
    origin: 'operator',
    plugin: 'sinkhole',
    match: { name: `n${number}.example` },
    limitPerSecond: 0,
    dryRun: false,
    ground: { kind: 'self-defence', effect: 'floods', evidence: 'ticket 1', approver: 'lead', expires: '2099-01-01' },
    endsAtMs: 4_000_000_000_000,
    reviewAtMs: undefined,
    addedBy: 'sato',
    addedAtMs: 1000,
    termFromMs: 1000,
    renewals: 0,
    state: 'in-force',
    endedAtMs: undefined,
    endedWhy: '',
    proposed: undefined,
    ...over,
  };
}

const change = (action: RuleAction, rule: Rule, atMs = 1000, reason = '') => ({
  action,
  rule,
  who: 'sato',
  reason,
  atMs,
});
const onClient = (number: number, over: Partial<Rule> = {}) =>
  ruleOf(number, {
    origin: 'diagnosis',
    plugin: 'amp-shaper',
    match: { source: '192.0.2.77' },
    limitPerSecond: 5,
    proposed,
    ...over,
  });

export function ruleStoreSuite(engine: StoreEngine<RuleStore>): void {
  describe(`rules in ${engine.name}`, () => {
    const newPlace = placesOf(engine);

    it('gives back after another start what was committed, rules and changes', async () => {
      const place = await newPlace();
      const { store } = await place.open();
      const reviewed = ruleOf(2, {
        endsAtMs: undefined,
        reviewAtMs: 5_000_000_000_000,
        match: { domain: 'b.example' },
      });
      await store.commit([change('add', ruleOf(1)), change('add', reviewed, 2000)]);
      await store.commit([change('renew', ruleOf(1, { renewals: 1 }), 3000, 'goes on')]);
      await store.close();
      const again = (await place.open()).store;
      expect(await again.rules()).toEqual([ruleOf(1, { renewals: 1 }), reviewed]);
      expect(await again.changes(10)).toEqual([
        { id: 3, ...change('renew', ruleOf(1, { renewals: 1 }), 3000, 'goes on') },
        { id: 2, ...change('add', reviewed, 2000) },
        { id: 1, ...change('add', ruleOf(1)) },
      ]);
      expect(await again.changes(1)).toHaveLength(1);
    });

    it('commits all of it or nothing', async () => {
      const { store } = await (await newPlace()).open();
      const impossible = { ...change('add', ruleOf(2)), who: undefined as unknown as string };
      await expect(store.commit([change('add', ruleOf(1)), impossible])).rejects.toBeInstanceOf(SekishoError);
      expect([await store.rules(), await store.changes(10)]).toEqual([[], []]);
      await store.commit([change('follow', ruleOf(1, { state: 'lifted' })), change('add', ruleOf(2))]);
      expect((await store.rules()).map(({ id }) => id)).toEqual(['m1', 'm2']);
    });

    it('finds changes by origin, plugin, action and what the rule is on', async () => {
      const { store } = await (await newPlace()).open();
      await store.commit([change('add', ruleOf(1)), change('add', onClient(2)), change('lift', ruleOf(1), 2000)]);
      const found = async (...filter: Parameters<RuleStore['changes']>) =>
        (await store.changes(...filter)).map(({ action, rule }) => `${action} ${rule.id}`);
      expect(await found(10, { origin: 'diagnosis' })).toEqual(['add m2']);
      expect(await found(10, { plugin: 'sinkhole' })).toEqual(['lift m1', 'add m1']);
      expect(await found(10, { plugin: 'sinkhole', actions: ['add'] })).toEqual(['add m1']);
      expect(await found(10, { key: 'sinkhole: n1.example' })).toEqual(['lift m1', 'add m1']);
      expect(await found(10, { key: 'amp-shaper: queries from 192.0.2.0/24' })).toEqual(['add m2']);
    });

    it('keeps the address of a client with the measure that runs, and nowhere else', async () => {
      const { store } = await (await newPlace()).open();
      await store.commit([change('add', onClient(1), 1000, 'the box at 192.0.2.77 loops')]);
      expect((await store.rules())[0]?.match).toEqual({ source: '192.0.2.77' });
      expect(JSON.stringify(await store.changes(10))).not.toContain('192.0.2.77');
      await store.commit([change('lift', onClient(1, { state: 'lifted', endedAtMs: 2000 }), 2000)]);
      expect((await store.rules())[0]?.match).toEqual({ source: '192.0.2.0/24' });
    });

    it('never uses a number again, also not of what was forgotten and deleted', async () => {
      const place = await newPlace();
      const { store } = await place.open();
      expect(await store.nextNumber()).toBe(1);
      await store.commit([change('add', onClient(1)), change('add', onClient(2, { match: { source: '192.0.2.78' } }))]);
      const ended = { state: 'lifted', endedAtMs: 2000 } as const;
      await store.commit([
        change('lift', onClient(1, ended), 2000),
        change('lift', onClient(2, { match: { source: '192.0.2.78' }, ...ended }), 2000),
      ]);
      await store.forget(['m1', 'm2']);
      expect([await store.rules(), await store.nextNumber()]).toEqual([[], 3]);
      expect(await store.deleteChanges(5000, 6000)).toBe(4);
      expect([await store.changes(10), await store.nextNumber()]).toEqual([[], 3]);
      await store.close();
      expect(await (await place.open()).store.nextNumber()).toBe(3);
    });

    it('deletes changes of measures alone, and those from before', async () => {
      const { store } = await (await newPlace()).open();
      await store.commit([change('add', ruleOf(1)), change('add', onClient(2)), change('expire', onClient(2), 9000)]);
      expect(await store.deleteChanges(5000, 6000)).toBe(1);
      expect((await store.changes(10)).map(({ action, rule }) => `${action} ${rule.id}`)).toEqual([
        'expire m2',
        'add m1',
      ]);
    });

    it('does one thing after the other, awaited or not, and refuses after its end', async () => {
      const place = await newPlace();
      const { store } = await place.open();
      const commits = Array.from({ length: 20 }, (_, i) => store.commit([change('add', ruleOf(i + 1), i)]));
      const seen = store.changes(100);
      await store.close();
      await store.close();
      await Promise.all(commits);
      expect(await seen).toHaveLength(20);
      await expect(store.rules()).rejects.toBeInstanceOf(SekishoError);
    });

    it('puts aside what is damaged, and begins empty', async () => {
      const place = await newPlace();
      if (!place.damage) return;
      const first = (await place.open()).store;
      await first.commit([change('add', ruleOf(1))]);
      await first.close();
      await place.damage();
      const { store, movedAside } = await place.open();
      expect([await store.rules(), movedAside]).toEqual([[], expect.stringContaining('damaged')]);
    });
  });
}
