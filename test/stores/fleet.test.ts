/** Consent and leases of several nodes over a real PostgreSQL: what one is told, all know; ledgers that contradict each other. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { addressWords } from '../../src/address/address.ts';
import type { LeaseEvent } from '../../src/subscribers/leases/leases.ts';
import { reporterOf, sessionName } from '../../src/subscribers/leases/session-name.ts';
import { type StateInFleet, stateAlone, stateInFleet } from '../support/fleet/state-in-fleet.ts';
import { waitFor } from '../support/observe.ts';
import { type Postgres, postgresMissing, startPostgres } from '../support/postgres.ts';
import { temporaryFolder } from '../support/process.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });
const actor = { who: 'x', channel: 'portal', reason: '' };

describe.skipIf(postgresMissing())('nodes of a fleet', () => {
  let postgres: Postgres;
  let database: string;
  const open: StateInFleet[] = [];
  const start = async (name: string, folder?: string): Promise<StateInFleet> => {
    const node = await stateInFleet({ name, postgres, database, ...(folder !== undefined && { folder }) });
    open.push(node);
    return node;
  };
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  beforeEach(() => {
    database = postgres.createDatabase();
  });
  afterEach(async () => {
    for (const node of open.splice(0)) await node.close();
  });
  afterAll(() => postgres.stop());

  it('bring a ledger along that they had before, and carry the withdrawals of a second one over', async () => {
    const folders = ['first', 'second'].map((name) => temporaryFolder(name));
    await stateAlone(folders[0]!, [
      ['s1', 'opt-out'],
      ['s2', 'opt-out'],
      ['s2', 'opt-in'],
    ]);
    await stateAlone(folders[1]!, [
      ['s3', 'opt-out'],
      ['s2', 'opt-out'],
      ['s4', 'opt-out'],
      ['s4', 'opt-in'],
    ]);
    const one = await start('one', folders[0]);
    await waitFor('it to connect', () => one.fleet.engine.connected);
    const made = await one.fleet.init(false);
    expect(made).toMatchObject({ problem: undefined });
    expect(made.done).toContain(
      'give 3 entries of the consent ledger of node one to the database, which ends with entry 0',
    );
    await one.joined();
    expect([one.inspects('s1'), one.inspects('s2'), one.inspects('s3')]).toEqual([false, true, true]);

    const two = await start('two', folders[1]);
    await waitFor('doubt', () => two.fleet.membership.problem?.code === 'SEKISHO_FLEET_DIVERGED');
    // It concerns nobody else.
    expect([one.inspects('s2'), two.inspects('s9')]).toEqual([true, false]);
    const [planned] = (await two.fleet.init(true)).done;
    expect(planned).toBe("record 2 withdrawals of the ledger of node two (4 entries) in the fleet's");
    const joined = await two.fleet.init(false);
    expect(joined.problem).toBeUndefined();
    await two.joined();
    for (const node of [one, two]) {
      await waitFor('all of it', () => node.state.ledger.entries === 5);
      expect(['s1', 's2', 's3', 's4', 's9'].map((each) => node.inspects(each))).toEqual([
        false,
        false,
        false,
        true,
        true,
      ]);
    }
    expect(readdirSync(join(folders[1]!, 'subscribers')).filter((name) => name.includes('damaged'))).not.toEqual([]);
    expect(await two.state.fleet?.ledger.verify(await two.state.fleet.nodes())).toBeUndefined();
    expect(await two.state.consent.verify()).toBeUndefined();
  });

  it('take changes of one subscriber at several nodes at once, in one order', async () => {
    const [one, two, three] = [await start('one'), await start('two'), await start('three')];
    await waitFor('it to connect', () => one.fleet.engine.connected);
    await one.fleet.init(false);
    for (const node of [one, two, three]) await node.joined();
    await Promise.all(
      [one, two, three].flatMap((node, i) =>
        Array.from({ length: 15 }, (_, j) =>
          node.desk.change(`s${j % 4}`, 'c2', (i + j) % 2 ? 'opt-in' : 'opt-out', actor),
        ),
      ),
    );
    for (const node of [one, two, three]) await waitFor('all of it', () => node.state.ledger.entries === 45);
    const states = [one, two, three].map((node) => ['s0', 's1', 's2', 's3'].map((each) => node.inspects(each)));
    expect(states[1]).toEqual(states[0]);
    expect(states[2]).toEqual(states[0]);
    const heads = [one, two, three].map(({ state }) => state.ledger.endNow);
    expect(new Set(heads.map(({ hash }) => hash)).size).toBe(1);
    await one.desk.import(
      'crm',
      0,
      [
        ['s7', 'c2', 'opt-out'],
        ['s8', 'c2', 'nonsense'],
      ],
      actor,
    );
    expect(await two.state.consent.importedRows('crm')).toBe(2);
    expect(two.inspects('s7')).toBe(false);
  });

  it('show an altered entry in the database, in which nobody believes', async () => {
    const one = await start('one');
    await waitFor('it to connect', () => one.fleet.engine.connected);
    await one.fleet.init(false);
    await one.joined();
    for (const subscriber of ['s1', 's2', 's3']) await one.desk.change(subscriber, 'c2', 'opt-out', actor);
    postgres.sql(
      `ALTER TABLE sekisho.consent DISABLE TRIGGER ALL; UPDATE sekisho.consent SET action = 'opt-in' WHERE seq = 2`,
      database,
    );
    expect(await one.state.fleet?.ledger.verify(await one.state.fleet.nodes())).toBe(
      'the consent ledger in the database does not hold: entry 2 was altered',
    );
    const two = await start('two');
    await waitFor('doubt', () => two.fleet.membership.problem?.code === 'SEKISHO_FLEET_LEDGER_ALTERED');
    expect(two.inspects('s9')).toBe(false);
  });

  it('hear each lease of every other, and hold an address that two are named for at none', async () => {
    const [one, two] = [await start('one'), await start('two')];
    await waitFor('it to connect', () => one.fleet.engine.connected);
    await one.fleet.init(false);
    for (const node of [one, two]) await node.joined();
    const nas = reporterOf({ source: addressWords('198.51.100.1'), identifier: 'bng-1' });
    const say = async (at: StateInFleet, kind: LeaseEvent['kind'], id: string, address: string, subscriber: string) => {
      const prefixes = [{ words: addressWords(address), bits: 128, port: 0, portBits: 0 }];
      const holder = at.state.register.holderFor(subscriber);
      at.state.leases.report({
        kind,
        session: sessionName(id, nas),
        prefixes,
        holder,
        atSeconds: at.state.nowSeconds(),
      });
      await at.state.recorded();
    };
    const holderAt = ({ state }: StateInFleet, address: string) => {
      const holder = state.leases.table.holderOf({ words: addressWords(address), bits: 128, port: 0, portBits: 0 });
      return state.register.directory.numberOf(holder);
    };
    const holds = (address: string, subscriber: string | undefined, ...nodes: StateInFleet[]) =>
      waitFor(`${address} to be held by ${subscriber}`, () =>
        nodes.every((node) => holderAt(node, address) === subscriber),
      );

    await say(one, 'start', 'a', '192.0.2.1', 's1');
    await say(two, 'start', 'b', '192.0.2.2', 's2');
    await holds('192.0.2.1', 's1', one, two);
    await holds('192.0.2.2', 's2', one, two);
    // The same message to several nodes.
    await say(two, 'start', 'a', '192.0.2.1', 's1');
    await holds('192.0.2.1', 's1', one, two);
    // Two are named for one address, each at another node.
    await say(two, 'start', 'c', '192.0.2.1', 's3');
    await holds('192.0.2.1', undefined, one, two);
    await say(one, 'stop', 'a', '192.0.2.1', 's1');
    await say(two, 'interim', 'c', '192.0.2.1', 's3');
    await holds('192.0.2.1', 's3', one, two);
    // A node that comes later hears all of it before it inspects.
    const three = await start('three');
    await three.joined();
    expect([holderAt(three, '192.0.2.1'), holderAt(three, '192.0.2.2')]).toEqual(['s3', 's2']);
    // The reporter starts over: none of its sessions is left, at any node.
    one.state.leases.endReporter(nas, one.state.nowSeconds());
    await one.state.recorded();
    await holds('192.0.2.2', undefined, one, two, three);
    // What cannot be shared is not answered.
    await postgres.kill();
    await expect(say(one, 'start', 'd', '192.0.2.4', 's4')).rejects.toMatchObject({
      code: 'SEKISHO_FLEET_UNCONFIRMED',
    });
    expect([one, two, three].map(({ state }) => state.isFenced)).not.toContain(undefined);
    await postgres.start();
    await holds('192.0.2.4', 's4', one, two, three);
  });
});
