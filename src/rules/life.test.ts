/**
 * The life of rules over random sequences of what people and time do to them, with kills in between: the desk, its store, what
 * workers hold and the change log always say the same, and what has ended never acts again by itself.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SekishoError } from '../errors/errors.ts';
import { ManualClock } from '../time/clock.ts';
import type { CarriedRule } from './carriers.ts';
import { RulesDesk } from './desk.ts';
import { rulesError } from './errors.ts';
import type { PublishedMeasures } from './in-force.ts';
import { isRunning } from './rule.ts';
import { openSqliteRuleStore, RULES_FILE, RULES_FOLDER } from './sqlite-rule-store.ts';

const SINKHOLE = 'sinkhole';
const MINUTE = 60_000;
const NAMES = ['a.example', 'b.example'] as const;
const by = (action: string) => ({ who: 'sato', role: 'operator', action });

type Step =
  | { readonly do: 'add' | 'apply'; readonly name: string; readonly dryRun: boolean; readonly minutes: number }
  | { readonly do: 'renew' | 'lift'; readonly name: string; readonly minutes: number }
  | { readonly do: 'wait'; readonly minutes: number }
  | { readonly do: 'kill' | 'reload' };

const name = fc.constantFrom(...NAMES);
const minutes = fc.integer({ min: 2, max: 90 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constantFrom('add' as const, 'apply' as const), name, dryRun: fc.boolean(), minutes }),
  fc.record({ do: fc.constantFrom('renew' as const, 'lift' as const), name, minutes }),
  fc.record({ do: fc.constant('wait' as const), minutes: fc.integer({ min: 1, max: 30 * 60 }) }),
  fc.record({ do: fc.constantFrom('kill' as const, 'reload' as const) }),
);

class Run {
  readonly folder = mkdtempSync(join(tmpdir(), 'life-'));
  readonly clock = new ManualClock();
  desk!: RulesDesk;
  table: readonly CarriedRule[] = [];
  list: PublishedMeasures['measures'] = [];
  #detach: (() => void) | undefined;
  #evidence = 0;

  async open(): Promise<void> {
    mkdirSync(join(this.folder, RULES_FOLDER), { recursive: true });
    const file = join(this.folder, RULES_FOLDER, RULES_FILE);
    const { store } = await openSqliteRuleStore(file, this.folder, this.clock.wallMs());
    const log = { info: () => {}, warn: () => {}, error: () => {} };
    const rules = await store.rules();
    this.desk = new RulesDesk({ store, rules, clock: this.clock, audit: { record: () => {} }, log });
    this.#detach = undefined;
    await this.attach();
    await this.desk.tick();
  }

  async attach(): Promise<void> {
    const before = this.#detach;
    this.#detach = await this.desk.attach({
      plugins: new Set([SINKHOLE, 'amp-shaper']),
      carriers: new Map([
        [
          SINKHOLE,
          {
            configured: [],
            capacity: 100,
            publish: async (rules) => {
              this.table = rules;
            },
            refusal: (_, message, details) => rulesError('SEKISHO_MEASURE_REFUSED', message, { details }),
          },
        ],
      ]),
      publish: async ({ measures }) => {
        this.list = measures;
      },
    });
    before?.();
  }

  async take(one: Step): Promise<void> {
    const evidence = `graph number ${++this.#evidence} of the border`;
    const end = (ms: number) => new Date(this.clock.wallMs() + ms).toISOString().replace(/\.\d+/, '');
    const stated = (m: number) => ({ evidence, approver: 'shift lead', expires: end(m * MINUTE) });
    const ground = (m: number) => ({ kind: 'self-defence' as const, effect: 'floods the resolvers', ...stated(m) });
    try {
      if (one.do === 'add') {
        const endsAtMs = Date.parse(ground(one.minutes).expires);
        const draft = { plugin: SINKHOLE, match: { name: one.name }, dryRun: one.dryRun, ground: ground(one.minutes) };
        await this.desk.add({ ...draft, endsAtMs, reviewAtMs: undefined }, by('sinkhole.add'));
      } else if (one.do === 'apply') {
        const known = {
          limitRationale: '',
          escalation: false,
          normalPerSecond: 1e9,
          startPerSecond: 1e9,
          removes: 1,
          hits: 0,
        };
        await this.desk.apply(
          {
            plugin: 'amp-shaper',
            match: { name: one.name },
            limitPerSecond: 5,
            ...known,
            diagnosis: evidence,
            cause: '',
          },
          { ground: ground(one.minutes), dryRun: one.dryRun, escalate: '' },
          'sato',
          'operator',
        );
      } else if (one.do === 'renew') {
        await this.desk.renew({ plugin: SINKHOLE, name: one.name }, stated(one.minutes), by('sinkhole.renew'));
      } else if (one.do === 'lift') {
        const [first] = this.desk.list(({ match, state }) => match.name === one.name && state !== 'lifted');
        if (first) await this.desk.lift({ id: first.rule.id }, 'over', by('rule.lift'));
      } else if (one.do === 'wait') {
        // Measures match, so that none is withdrawn for matching nothing.
        for (const { slot } of this.list) Atomics.add(new Int32Array(this.desk.slots.buffer), 2 * slot, 1000);
        this.clock.advance(one.minutes * MINUTE);
        await this.desk.tick();
      } else if (one.do === 'kill') {
        // What was not on the disk is gone; nobody closed anything.
        await this.open();
      } else await this.attach();
    } catch (error) {
      if (!(error instanceof SekishoError)) throw error;
    }
  }

  /** Whoever looks where sees the same. */
  async agree(): Promise<void> {
    const { desk, clock } = this;
    const kept = (await desk.store?.rules()) ?? [];
    const shown = desk.list().map(({ rule }) => rule);
    const running = (rules: readonly { id: string; state: string }[]) =>
      rules.filter(({ state }) => state === 'in-force' || state === 'dry-run').map(({ id, state }) => `${id} ${state}`);
    expect(running(shown).sort()).toEqual(running(kept).sort());
    const nowMs = clock.nowMs();
    const acting = [
      ...this.table.filter(({ endsMs }) => endsMs > nowMs).map(({ match, dryRun }) => `${match.name} ${dryRun}`),
      ...this.list
        .filter(({ endsMs }) => endsMs > nowMs)
        .map(({ about, dryRun }) => `${/on queries for (\S+):/.exec(about)?.[1]} ${dryRun}`),
    ];
    expect(acting.sort()).toEqual(
      shown
        .filter(isRunning)
        .map(({ match, dryRun }) => `${match.name} ${dryRun}`)
        .sort(),
    );
    // Told from the log alone: the last change of a rule says what it is.
    const log = await desk.changes(10_000);
    const last = new Map<string, string>();
    for (const { rule, action } of [...log].reverse()) {
      const before = last.get(rule.id);
      if (before === 'lift' || before === 'follow') throw new Error(`${rule.id} was ${before}ed, and then: ${action}`);
      if (before === 'expire' && action !== 'renew' && action !== 'lift')
        throw new Error(`${rule.id}: ${action} after its end`);
      last.set(rule.id, action);
    }
    const alive = [...last].filter(([, action]) => action === 'add' || action === 'renew').map(([id]) => id);
    expect(alive.sort()).toEqual(
      shown
        .filter(isRunning)
        .map(({ id }) => id)
        .sort(),
    );
  }

  async close(): Promise<void> {
    await this.desk.close();
    rmSync(this.folder, { recursive: true });
  }
}

test('store, workers, list and change log agree after every step; what has ended acts no more', {
  timeout: 120_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), async (steps) => {
      const run = new Run();
      await run.open();
      for (const one of steps) {
        await run.take(one);
        await run.agree();
      }
      await run.close();
    }),
    { numRuns: 60, seed: 20261128 },
  );
});
