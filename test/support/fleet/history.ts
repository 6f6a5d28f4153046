/**
 * Histories of toggles and faults against the model: nobody is inspected after an acknowledged opt-out, nothing acknowledged is lost, and
 * all nodes agree in the end. A history is a list of steps; what fails is made as short as it still fails.
 */
import type { LedgerRecord } from '../../../src/subscribers/consent/ledger-store.ts';
import { ModelEngine } from './model-engine.ts';
import { FENCE_MS, ModelNode } from './model-node.ts';
import { randomFrom, VirtualTime } from './virtual-time.ts';

const FAULTS = ['kill', 'start', 'pause', 'resume', 'cut', 'mend', 'leave', 'crash', 'restart'] as const;

export type Step =
  | { readonly do: 'toggle'; readonly node: number; readonly subscriber: number; readonly afterMs: number }
  | { readonly do: (typeof FAULTS)[number]; readonly node: number; readonly chance: number; readonly afterMs: number };

export interface Outcome {
  /** What went against the guarantee; undefined where nothing did. */
  readonly violation: string | undefined;
  readonly acknowledged: number;
  readonly refused: number;
  /** Moments, after each event, at which some node inspected somebody: that it is not all fences. */
  readonly inspected: number;
}

const NODES = 3;
const SUBSCRIBERS = ['s1', 's2', 's3', 's4'];

export function historyOf(seed: number, length: number): Step[] {
  const random = randomFrom(seed);
  const pick = (count: number) => Math.floor(random() * count);
  return Array.from({ length }, (): Step => {
    const afterMs = random() < 0.8 ? random() * 120 : random() * 3000;
    const node = pick(NODES);
    if (random() < 0.7) return { do: 'toggle', node, subscriber: pick(SUBSCRIBERS.length), afterMs };
    return { do: FAULTS[pick(FAULTS.length)]!, node, chance: random(), afterMs };
  });
}

interface Said {
  /** The last change that was acknowledged. */
  state: 'in' | 'out';
  /** A change is under way, or was given up and may still come into force. */
  open: 'opt-in' | 'opt-out' | undefined;
  asking: boolean;
}

export async function run(steps: readonly Step[], seed: number): Promise<Outcome> {
  const random = randomFrom(seed ^ 0x5eed);
  const time = new VirtualTime();
  const engine = new ModelEngine(time, random);
  const rates = [1, 1.001, 0.999];
  const nodes = rates.map((rate, i) => new ModelNode(`node-${i + 1}`, time, engine, rate, SUBSCRIBERS));
  const said = SUBSCRIBERS.map((): Said => ({ state: 'in', open: undefined, asking: false }));
  const acknowledged: { subscriber: string; action: string; reason: string }[] = [];
  let [refused, inspected, toggles] = [0, 0, 0];
  let violation: string | undefined;

  const look = () => {
    SUBSCRIBERS.forEach((subscriber, i) => {
      const { state, open } = said[i]!;
      for (const node of nodes) {
        if (!node.inspects(subscriber)) continue;
        inspected++;
        if (state === 'out' && open !== 'opt-in')
          violation ??= `${node.name} inspects ${subscriber} at ${time.nowMs} after an acknowledged opt-out`;
      }
    });
  };

  const toggle = (at: ModelNode, i: number) => {
    const of = said[i]!;
    // What was given up may have come into force: the next change is what counts, and one at a time.
    if (of.asking || !at.isRunning) return;
    const action = of.state === 'in' ? 'opt-out' : 'opt-in';
    const subscriber = SUBSCRIBERS[i]!;
    const reason = `toggle ${++toggles}`;
    const record: LedgerRecord = {
      subscriber,
      purpose: 'c2',
      action,
      who: 'x',
      channel: 'portal',
      terms: '2026-04',
      reason,
    };
    of.asking = true;
    of.open = action === 'opt-in' || of.open === 'opt-in' ? 'opt-in' : action;
    at.append(record).then(
      () => {
        acknowledged.push({ subscriber, action, reason });
        Object.assign(of, { state: action === 'opt-out' ? 'out' : 'in', open: undefined, asking: false });
      },
      () => {
        refused++;
        of.asking = false;
      },
    );
    // A node that is killed answers nobody: its client gives up.
    time.at(9000, () => {
      if (of.asking && of.open !== undefined && lastAsked.get(i) === reason) {
        refused++;
        of.asking = false;
      }
    });
    lastAsked.set(i, reason);
  };
  const lastAsked = new Map<number, string>();

  const apply = (step: Step) => {
    const node = nodes[step.node]!;
    if (step.do === 'toggle') return toggle(node, step.subscriber);
    if (step.do === 'kill') node.kill(step.chance);
    else if (step.do === 'start') node.start();
    else if (step.do === 'pause') node.pause();
    else if (step.do === 'resume') node.resume();
    else if (step.do === 'cut') node.connect(false);
    else if (step.do === 'mend') node.connect(true);
    else if (step.do === 'leave') void node.leave();
    else if (step.do === 'crash' && engine.isUp) engine.crash();
    else if (step.do === 'restart' && !engine.isUp) engine.restart();
  };

  const heal = () => {
    if (!engine.isUp) engine.restart();
    for (const node of nodes) {
      node.connect(true);
      node.resume();
      node.start();
    }
  };

  heal();
  let atMs = time.nowMs + 4 * FENCE_MS;
  await time.runUntil(atMs, look);
  for (const [i, step] of steps.entries()) {
    atMs += step.afterMs;
    await time.runUntil(atMs, look);
    apply(step);
    // Else most of a history is spent in ruins.
    if (i % 20 === 19) heal();
    if (violation !== undefined) break;
  }
  heal();
  await time.runUntil(atMs + 30_000, look);
  violation ??= faultAtTheEnd();
  return { violation, acknowledged: acknowledged.length, refused, inspected };

  function faultAtTheEnd(): string | undefined {
    const places = acknowledged.map(({ reason }) => engine.entries.findIndex((entry) => entry.reason === reason));
    const lost = places.indexOf(-1);
    if (lost >= 0) return `the acknowledged ${acknowledged[lost]!.reason} is lost`;
    for (const subscriber of SUBSCRIBERS) {
      const its = places.filter((_, i) => acknowledged[i]!.subscriber === subscriber);
      if (its.some((place, i) => i > 0 && place < its[i - 1]!)) return `changes of ${subscriber} are out of order`;
    }
    for (const node of nodes) {
      if (node.applied !== engine.entries.length || node.problem !== undefined)
        return `${node.name} has ${node.applied} of ${engine.entries.length} entries: ${node.problem}`;
      for (const subscriber of SUBSCRIBERS) {
        const last = engine.entries.findLast((entry) => entry.subscriber === subscriber);
        if (node.consents(subscriber) !== (last?.action !== 'opt-out'))
          return `${node.name} disagrees about ${subscriber}`;
      }
    }
    return undefined;
  }
}

/** A shorter history that still fails: parts are left out, large ones first. */
export async function minimised(steps: readonly Step[], seed: number): Promise<Step[]> {
  let shortest = [...steps];
  for (let size = Math.ceil(shortest.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2))
    for (let from = 0; from < shortest.length; ) {
      const fewer = shortest.toSpliced(from, size);
      if ((await run(fewer, seed)).violation !== undefined) shortest = fewer;
      else from += size;
    }
  return shortest;
}
