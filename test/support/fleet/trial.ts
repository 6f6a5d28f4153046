/**
 * Toggles and faults against a real fleet, watched by clients that ask all the while: who was inspected after an acknowledged opt-out,
 * which answers were lost, and whether all nodes have the acknowledged history in the end.
 */

import { join } from 'node:path';
import { entriesOf } from '../../../src/subscribers/consent/ledger-store.ts';
import { openSqliteLedger } from '../../../src/subscribers/consent/sqlite-ledger.ts';
import { pause } from '../observe.ts';
import type { Postgres } from '../postgres.ts';
import type { RealNode } from './real-fleet.ts';
import { randomFrom } from './virtual-time.ts';

export const FAULTS = ['kill a node', 'pause a node', 'kill PostgreSQL', 'freeze PostgreSQL', 'none'] as const;
export type Fault = (typeof FAULTS)[number];

export interface TrialOptions {
  readonly nodes: readonly RealNode[];
  readonly postgres: Postgres;
  readonly subscribers: number;
  readonly toggles: number;
  readonly seed: number;
  /** Between two faults. */
  readonly everyMs: number;
  readonly faults: readonly Fault[];
  /** Goes on until there were so many, however quick the toggles are. */
  readonly leastFaults?: number;
  readonly say?: (text: string) => void;
}

export interface TrialResult {
  /** Of opt-outs, milliseconds, sorted. */
  readonly tookMs: readonly number[];
  readonly acknowledged: number;
  /** Acting, and not confirmed everywhere. */
  readonly unconfirmed: number;
  readonly refused: number;
  readonly queries: number;
  readonly inspected: number;
  readonly inspectedAfterOptOut: readonly string[];
  /** Of nodes that nobody had stopped. */
  readonly answersLost: number;
  readonly faults: number;
  /** What was acknowledged and is not in the ledger of a node, or not in its order. */
  readonly lost: readonly string[];
}

interface Subscriber {
  readonly number: number;
  /** Since when, by this process's clock, nobody may inspect: the opt-out is acknowledged. */
  outSinceMs: number | undefined;
  state: 'in' | 'out';
  busy: boolean;
}

export async function trial(options: TrialOptions): Promise<TrialResult> {
  const { nodes, postgres, say = () => {} } = options;
  const random = randomFrom(options.seed);
  const subscribers = Array.from(
    { length: options.subscribers },
    (_, i): Subscriber => ({ number: i + 1, outSinceMs: undefined, state: 'in', busy: false }),
  );
  const acknowledged: { subscriber: string; reason: string }[] = [];
  const tookMs: number[] = [];
  const after: string[] = [];
  let [unconfirmed, refused, queries, inspected, answersLost, faults, begun] = [0, 0, 0, 0, 0, 0, 0];
  let over = false;
  const down = new Set<RealNode>();
  const disturbed = new Map<RealNode, number>();

  const ask = async (node: RealNode) => {
    for (let i = 0; !over; i++) {
      if (down.has(node)) {
        await pause(20);
        continue;
      }
      const subscriber = subscribers[i % subscribers.length]!;
      const { outSinceMs } = subscriber;
      const sentMs = performance.now();
      const seen = await node.seen(subscriber.number, 3000);
      queries++;
      const wasDown = down.has(node) || (disturbed.get(node) ?? Number.NEGATIVE_INFINITY) > sentMs;
      if (seen === 'nothing' && !wasDown && !over) answersLost++;
      if (seen !== 'blocked') continue;
      inspected++;
      // Sent after the opt-out was acknowledged, and answered before anybody asked for an opt-in.
      if (outSinceMs !== undefined && subscriber.outSinceMs === outSinceMs && sentMs > outSinceMs)
        after.push(`${node.options.name} inspected s${subscriber.number} ${Math.round(sentMs - outSinceMs)} ms after`);
    }
  };

  const toggle = async () => {
    while (begun < options.toggles || faults < (options.leastFaults ?? 0)) {
      const subscriber = subscribers[Math.floor(random() * subscribers.length)]!;
      const node = nodes[Math.floor(random() * nodes.length)]!;
      if (subscriber.busy || down.has(node)) {
        await pause(5);
        continue;
      }
      subscriber.busy = true;
      begun++;
      const action = subscriber.state === 'in' ? 'opt-out' : 'opt-in';
      const reason = `toggle ${begun}`;
      if (action === 'opt-in') subscriber.outSinceMs = undefined;
      const beganMs = performance.now();
      const answer = await node.toggle(`s${subscriber.number}`, action, reason, 12_000).catch(() => undefined);
      if (answer?.status === 200) {
        acknowledged.push({ subscriber: `s${subscriber.number}`, reason });
        if (action === 'opt-out') {
          subscriber.outSinceMs = performance.now();
          tookMs.push(performance.now() - beganMs);
        }
        subscriber.state = action === 'opt-out' ? 'out' : 'in';
      } else if (answer?.status === 202) {
        unconfirmed++;
        subscriber.state = 'out';
      } else {
        refused++;
        // What became of it is not known; the next change is what counts.
        if (action === 'opt-in') subscriber.state = 'in';
      }
      subscriber.busy = false;
    }
  };

  const disturb = async () => {
    while (!over) {
      await pause(options.everyMs * (0.5 + random()));
      if (over) return;
      const fault = options.faults[Math.floor(random() * options.faults.length)]!;
      const node = nodes[Math.floor(random() * nodes.length)]!;
      if (fault === 'none') continue;
      faults++;
      say(fault);
      const forMs = 200 + random() * 2500;
      if (fault === 'kill a node') {
        down.add(node);
        await node.kill();
        await pause(forMs / 4);
        await node.startAgain();
        down.delete(node);
      } else if (fault === 'pause a node') {
        // It is asked all the while: whoever goes on must not act on what was true before.
        disturbed.set(node, Number.POSITIVE_INFINITY);
        node.pause();
        await pause(forMs);
        node.resume();
        disturbed.set(node, performance.now() + 500);
      } else if (fault === 'kill PostgreSQL') {
        await postgres.kill();
        await pause(forMs / 2);
        await postgres.start();
      } else {
        postgres.freeze();
        await pause(forMs);
        postgres.thaw();
      }
    }
  };

  const asking = nodes.flatMap((node) => [ask(node), ask(node)]);
  const disturbing = disturb();
  await Promise.all(Array.from({ length: 3 }, toggle));
  over = true;
  await Promise.all([...asking, disturbing]);
  say('all is done; every node inspects again');
  // A node whose withdrawals were owed when it was killed counts as damaged: a person looks into it.
  for (const node of nodes) {
    const damaged = (await node.json<{ holds: boolean }>('GET', '/v1/consent/ledger')).body.holds === false;
    if (damaged) await node.json('POST', '/v1/consent/ledger/accept-damage', { reason: 'killed by the trial' }, 60_000);
    await node.toggle('s1', 'opt-in', 'the end');
  }
  for (const node of nodes) await node.inspects(1, 60_000);
  await pause(1000);
  const lost: string[] = [];
  for (const node of nodes) {
    await node.stop();
    const { store } = openSqliteLedger(join(node.data, 'subscribers', 'consent.db'), () => 0);
    const reasons = (await entriesOf(store, {})).map(({ reason }) => reason);
    await store.close();
    const places = acknowledged.map(({ reason }) => reasons.indexOf(reason));
    acknowledged.forEach(({ subscriber, reason }, i) => {
      if (places[i]! < 0) lost.push(`${node.options.name} lacks ${reason} of ${subscriber}`);
      const former = acknowledged.findLastIndex((each, j) => j < i && each.subscriber === subscriber);
      if (former >= 0 && places[former]! > places[i]!) lost.push(`${node.options.name} has ${reason} out of order`);
    });
  }
  tookMs.sort((one, other) => one - other);
  const numbers = { unconfirmed, refused, queries, inspected, answersLost, faults };
  return { tookMs, acknowledged: acknowledged.length, inspectedAfterOptOut: after, lost, ...numbers };
}

export function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}
