/** What a node knows of subscribers, in a fleet on a real PostgreSQL, without a server around it. */
import { pino } from 'pino';
import { FleetState } from '../../../src/fleet/fleet-state.ts';
import { ConsentDesk } from '../../../src/subscribers/consent/consent-desk.ts';
import { fleetOf } from '../../../src/subscribers/fleet/fleet-of-state.ts';
import { SubscriberState } from '../../../src/subscribers/state.ts';
import type { SubscribersConfig } from '../../../src/subscribers/subscribers-config.ts';
import { systemClock } from '../../../src/time/clock.ts';
import { waitFor } from '../observe.ts';
import type { Postgres } from '../postgres.ts';
import { temporaryFolder } from '../process.ts';

const log = pino({ level: 'silent' });
const CONFIG = {
  unreadableRows: 'refuse',
  terms: { version: '2026-04', covers: ['c2'] },
  groups: [],
  unfiltered: [],
  leaseMs: 7_200_000,
  leaseAfterRestartMs: 900_000,
  provisioning: { shortestIpv4: 32, shortestIpv6: 48, portal: false },
} as const satisfies SubscribersConfig;

export interface StateInFleet {
  readonly state: SubscriberState;
  readonly fleet: FleetState;
  readonly desk: ConsentDesk;
  /** This subscriber would be inspected now. */
  inspects(subscriber: string): boolean;
  /** Its fence is up. */
  joined(): Promise<void>;
  close(): Promise<void>;
}

export interface NodeOptions {
  readonly name: string;
  readonly postgres: Postgres;
  readonly database: string;
  readonly folder?: string;
  readonly fenceMs?: number;
}

export async function stateInFleet({ name, postgres, database, ...options }: NodeOptions): Promise<StateInFleet> {
  const folder = options.folder ?? temporaryFolder(`node-${name}`);
  const connection = { tls: 'auto', pool: 3, statementTimeoutMs: 3000, connectTimeoutMs: 3000 } as const;
  const config = {
    node: name,
    postgres: { urlFile: postgres.urlFile(database), ...connection },
    fenceMs: options.fenceMs ?? 1000,
    lists: { canary: undefined, watchMs: 0 },
    readyWithFence: false,
  };
  const fleet = new FleetState(config, { dataFolder: folder, clock: systemClock, log, version: 'test' });
  const keep = { leaseMs: CONFIG.leaseMs, believedMs: CONFIG.leaseAfterRestartMs };
  const state = new SubscriberState(folder, systemClock, log, keep, {}, fleetOf(fleet));
  await state.restored;
  await state.putInForce(CONFIG);
  fleet.start();
  const node: StateInFleet = {
    state,
    fleet,
    desk: new ConsentDesk(state),
    inspects: (subscriber) => !state.isFenced && state.register.consentsNow(state.register.holderFor(subscriber), 'c2'),
    joined: () => waitFor(`node ${name} to join`, () => !state.isFenced).then(() => {}),
    async close() {
      await state.close();
      await fleet.close();
    },
  };
  return node;
}

/** A node that stood alone, with what it was told: closed again. */
export async function stateAlone(
  folder: string,
  said: readonly (readonly [string, 'opt-out' | 'opt-in'])[],
): Promise<void> {
  const state = new SubscriberState(folder, systemClock, log);
  await state.putInForce(CONFIG);
  const desk = new ConsentDesk(state);
  for (const [subscriber, action] of said)
    await desk.change(subscriber, 'c2', action, { who: 'x', channel: 'portal', reason: '' });
  await state.close();
}
