/** Leases reported at a rate to nodes in turn, all in this process: how long until the slowest node has heard of each. */
import { setTimeout as pause } from 'node:timers/promises';
import { addressWords } from '../../src/address/address.ts';
import { reporterOf, sessionName } from '../../src/subscribers/leases/session-name.ts';
import { type StateInFleet, stateInFleet } from '../../test/support/fleet/state-in-fleet.ts';
import { quantile } from '../../test/support/fleet/trial.ts';
import { waitFor } from '../../test/support/observe.ts';
import type { Postgres } from '../../test/support/postgres.ts';

const SLICE_MS = 10;

export async function leaseBench(postgres: Postgres, count: number, rate: number, seconds: number): Promise<object> {
  const database = postgres.createDatabase();
  const nodes: StateInFleet[] = [];
  for (let i = 1; i <= count; i++) nodes.push(await stateInFleet({ name: `node-${i}`, postgres, database }));
  const [first] = nodes as [StateInFleet];
  await waitFor('it to connect', () => first.fleet.engine.connected);
  await first.fleet.init(false);
  for (const node of nodes) await node.joined();
  const nas = reporterOf({ source: addressWords('198.51.100.1'), identifier: 'bng-1' });
  const prefixOf = (i: number) => ({
    words: addressWords(`10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`),
    bits: 128,
    port: 0,
    portBits: 0,
  });
  const saidMs: number[] = [];
  const heardMs: number[] = [];
  let checked = 0;
  const isHeard = (i: number) => nodes.every(({ state }) => state.leases.table.holderOf(prefixOf(i)) >= 0);
  const check = () => {
    for (; checked < saidMs.length && isHeard(checked); checked++) heardMs.push(performance.now() - saidMs[checked]!);
  };
  const beganMs = performance.now();
  while (saidMs.length < rate * seconds) {
    const due = Math.min(rate * seconds, Math.floor(((performance.now() - beganMs) * rate) / 1000));
    for (let i = saidMs.length; i < due; i++) {
      const { state } = nodes[i % count]!;
      const holder = state.register.holderFor(`s${i}`);
      const session = sessionName(`${i}`, nas);
      state.leases.report({ kind: 'start', session, prefixes: [prefixOf(i)], holder, atSeconds: state.nowSeconds() });
      saidMs.push(performance.now());
    }
    check();
    await pause(SLICE_MS);
  }
  const toldMs = performance.now() - beganMs;
  await waitFor(
    'all to be heard',
    () => {
      check();
      return checked === saidMs.length;
    },
    120_000,
  );
  heardMs.sort((one, other) => one - other);
  for (const node of nodes) await node.close();
  const at = (q: number) => Math.round(quantile(heardMs, q));
  return {
    nodes: count,
    changes: saidMs.length,
    perSecond: Math.round((saidMs.length * 1000) / toldMs),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    maxMs: at(1),
  };
}
