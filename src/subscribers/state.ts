/**
 * What is known of subscribers for as long as the process lives, whatever the configuration: ledger, register, leases. A
 * reload must neither forget who opted out nor who holds an address.
 */
import { join } from 'node:path';
import type { Logger } from 'pino';
import { errorText } from '../errors/errors.ts';
import type { Fence } from '../fleet/fence.ts';
import type { Membership } from '../fleet/membership.ts';
import type { Database } from '../store/database.ts';
import type { OpenedStore } from '../store/store.ts';
import { makeDataFolder } from '../system/data-folder.ts';
import type { Clock } from '../time/clock.ts';
import type { Timers } from '../time/timers.ts';
import { FleetNotices } from './consent/fleet-notices.ts';
import { GuardedLedger, LEDGER_FILE, type LedgerAnchors } from './consent/guarded-ledger.ts';
import type { NoticeStore } from './consent/notice-store.ts';
import type { PostgresNotices } from './consent/postgres-notice-store.ts';
import { Register } from './consent/register.ts';
import { IN_MEMORY, type SqliteLedger } from './consent/sqlite-ledger.ts';
import { NOTICES_FILE, openSqliteNotices, type SqliteNotices } from './consent/sqlite-notice-store.ts';
import type { ConsentLog } from './fleet/consent-log.ts';
import { FleetLeases } from './fleet/fleet-leases.ts';
import { FleetLedger, type NodeEnd } from './fleet/fleet-ledger.ts';
import type { LeaseLog } from './fleet/lease-log.ts';
import { LEASES_FILE } from './leases/lease-archive.ts';
import { LeaseKeeper } from './leases/lease-keeper.ts';
import type { LeaseStore } from './leases/lease-store.ts';
import { Leases } from './leases/leases.ts';
import { openThreadLeases } from './leases/sqlite-lease-store.ts';
import type { SubscribersConfig } from './subscribers-config.ts';
import { AddressTable, type AddressTableMemory } from './table/address-table.ts';

export { LEDGER_FILE };

export interface LeaseKeeping {
  /** `subscribers.lease` of the configuration that starts: what is kept is judged by it. */
  readonly leaseMs: number;
  /** After the last that was heard before a restart. */
  readonly believedMs: number;
  /** Opens the store; SQLite in a thread of its own unless told otherwise. */
  readonly open?: (file: string, wallMs: number) => Promise<OpenedStore<LeaseStore>>;
}

/** The fleet that this node belongs to. */
export interface FleetOfState {
  readonly fence: Fence;
  readonly membership: Membership;
  readonly node: string;
  readonly log: ConsentLog;
  readonly leaseLog: LeaseLog;
  /** Of this process. */
  readonly session: string;
  readonly timers: Timers;
  readonly notices: PostgresNotices;
  /** Calls `read` whenever something may have been added to the log. */
  follow(what: 'consent' | 'leases', read: () => void): void;
}

/** A fleet, and the ledger in it. */
export interface JoinedFleet {
  readonly ledger: FleetLedger;
  readonly leases: FleetLeases;
  readonly fence: Fence;
  /** The nodes as they are now. Rejects as the engine does. */
  nodes(): Promise<readonly NodeEnd[]>;
}

export interface SuspectedLookups {
  readonly subscriber: string;
  /** Name of the list, or its category where the list would say which name it was. */
  readonly list: string;
  readonly count: number;
}

/** That terminals of a subscriber were reported as infected. */
export interface KeptCase {
  readonly code: string;
  readonly kind: string;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly reports: number;
  readonly state: string;
}

export class SubscriberState {
  readonly register = new Register();
  /** The ledger, what guards it, and its damage. */
  readonly consent: GuardedLedger;
  readonly notices: NoticeStore;
  readonly leases: Leases;
  readonly clock: Clock;
  /** Of a node of a fleet; undefined where the server stands alone. */
  readonly fleet: JoinedFleet | undefined;
  /** Leases from before the start are there, or cannot be; nothing is reported before. Never rejects. */
  readonly restored: Promise<void>;
  /** Called when the leases moved into another memory. */
  readonly onLeasesMoved = new Set<(memory: AddressTableMemory) => Promise<void>>();
  /** Told of look-ups of names of the tier `suspected` that were added to notices: with consent, and of no group. */
  onSuspected: ((found: readonly SuspectedLookups[]) => void) | undefined;
  /** What else is kept of a subscriber (src/terminals): for the subscriber's own request. */
  casesOf: ((subscriber: string) => Promise<readonly KeptCase[]>) | undefined;
  #leaseSeconds = 7200;
  #termsInForce = '';
  #puttingInForce: Promise<void> = Promise.resolve();
  #config: SubscribersConfig | undefined;

  /**
   * Throws SekishoError where the folder cannot be made. `keep`: leases are kept over restarts, and those from before believed so
   * long; without it they end with the process.
   */
  constructor(
    dataFolder: string,
    clock: Clock,
    log: Logger,
    keep?: LeaseKeeping,
    anchors: LedgerAnchors = {},
    fleet?: FleetOfState,
  ) {
    this.clock = clock;
    const sound = async () => {
      this.#termsInForce = '';
      if (!this.#config) return;
      await this.putInForce(this.#config).catch((error: unknown) =>
        log.error({ reason: errorText(error) }, 'the consent ledger could not be read: nobody is inspected'),
      );
    };
    const folder = join(dataFolder, 'subscribers');
    makeDataFolder(folder);
    const notices = noticesIn(folder, clock, log);
    this.notices = fleet ? new FleetNotices(fleet.notices, notices) : notices;
    const opened = (ledger: Database) => notices.takeOver(ledger);
    const { register } = this;
    const inFleet = fleet !== undefined;
    this.consent = new GuardedLedger({ dataFolder, clock, log, register, anchors, inFleet, opened, sound });
    const table = new AddressTable({
      replaced: async (memory) => {
        await Promise.all([...this.onLeasesMoved].map((moved) => moved(memory)));
      },
    });
    if (keep) this.#leaseSeconds = Math.round(keep.leaseMs / 1000);
    this.leases = new Leases(
      table,
      () => this.#leaseSeconds,
      () => this.nowSeconds(),
    );
    this.fleet = fleet && this.#join(fleet, log);
    this.restored = keep ? this.#keepLeases(join(folder, LEASES_FILE), keep, log) : Promise.resolve();
  }

  /** The fence of the fleet has run out: nobody is inspected. */
  get isFenced(): boolean {
    return this.fleet !== undefined && this.clock.nowMs() >= this.fleet.fence.untilMs;
  }

  /** The ledger of this node. */
  get ledger(): SqliteLedger {
    return this.consent.ledger;
  }

  /** Why the ledger does not hold; then nobody is inspected. */
  get damage(): string | undefined {
    return this.consent.damage;
  }

  /** Resolves when what was reported so far outlives the process; in a fleet, when all nodes can hear it. Rejects where they cannot. */
  async recorded(): Promise<void> {
    await Promise.all([this.leases.keeper?.recorded(), this.fleet?.leases.recorded()]);
  }

  /** The monotonic second that the packet threads compare expiries with. */
  nowSeconds(): number {
    return Math.floor(this.clock.nowMs() / 1000);
  }

  /**
   * These terms, groups and times hold when it resolves; until then, those before. Rejects with SekishoError where the ledger is
   * closed meanwhile.
   */
  putInForce(config: SubscribersConfig): Promise<void> {
    this.#config = config;
    this.#leaseSeconds = Math.round(config.leaseMs / 1000);
    const done = this.#puttingInForce.then(() => this.#putInForce(config));
    this.#puttingInForce = done.catch(() => {});
    return done;
  }

  async #putInForce({ terms, groups }: SubscribersConfig): Promise<void> {
    const text = () => JSON.stringify([terms, groups, this.damage === undefined]);
    // A million entries take seconds to read: only where they mean something else than before.
    if (text() === this.#termsInForce) return;
    for (;;) {
      const { ledger } = this;
      const reading = this.register.reading(terms, groups);
      try {
        for await (const page of ledger.pages()) reading.hear(page);
      } catch (error) {
        reading.cancel();
        // Another file has taken the place of one that was found damaged.
        if (ledger !== this.ledger) continue;
        throw error;
      }
      reading.putInForce(this.damage === undefined);
      this.#termsInForce = text();
      return;
    }
  }

  #join(
    { membership, node, log, leaseLog, session, timers, fence, follow }: FleetOfState,
    logger: Logger,
  ): JoinedFleet {
    const { consent, register, clock } = this;
    const ledger = new FleetLedger({
      log,
      replica: () => consent.ledger,
      membership,
      clock,
      timers,
      node,
      withdrawals: () => register.withdrawals(),
      beginAnew: () => consent.beginAnew(),
    });
    consent.wider = ledger;
    membership.attach(ledger);
    // Who reads in vain hears of it in the next round.
    follow('consent', () => void ledger.catchUp().catch(() => {}));
    const shared = new FleetLeases({
      log: leaseLog,
      leases: this.leases,
      register,
      session,
      clock,
      timers,
      lifetimeSeconds: () => this.#leaseSeconds,
      logger,
    });
    // What was kept on this node's disk comes first.
    const hear = () => this.restored.then(() => shared.catchUp());
    membership.attachBeside(hear);
    follow('leases', () => void hear().catch(() => {}));
    return { ledger, leases: shared, fence, nodes: async () => (await membership.refresh()).nodes };
  }

  async close(): Promise<void> {
    await this.consent.close();
    this.fleet?.ledger.close();
    this.fleet?.leases.close();
    await this.notices.close();
    await this.restored;
    await this.leases.keeper?.close();
  }

  /** Serving does not depend on it: without the file addresses are unknown until their next message. */
  async #keepLeases(file: string, { believedMs, open = openThreadLeases }: LeaseKeeping, log: Logger): Promise<void> {
    let opened: OpenedStore<LeaseStore> | undefined;
    let keeper: LeaseKeeper | undefined;
    try {
      opened = await open(file, this.clock.wallMs());
      if (opened.movedAside !== undefined)
        log.error(
          { movedAside: opened.movedAside },
          'the lease file was damaged: moved aside, and a new one was started',
        );
      const lifetimeMs = () => this.#leaseSeconds * 1000;
      keeper = new LeaseKeeper(opened.store, this.register, lifetimeMs, this.clock, log);
      const restored = await keeper.restore(this.leases, this.register, believedMs);
      this.leases.keeper = keeper;
      log.info({ restored }, 'leases from before the start are trusted for a while');
    } catch (error) {
      log.error({ reason: errorText(error) }, 'leases cannot be stored: after a restart addresses are unknown');
      await (keeper ?? opened?.store)?.close().catch(() => {});
    }
  }
}

/** What cannot be kept is told to nobody, and stops nothing. */
function noticesIn(folder: string, clock: Clock, log: Logger): SqliteNotices {
  try {
    return openSqliteNotices(join(folder, NOTICES_FILE), clock.wallMs()).store;
  } catch (error) {
    log.error({ reason: errorText(error) }, 'notices cannot be stored: they are kept in memory only');
    return openSqliteNotices(IN_MEMORY, clock.wallMs()).store;
  }
}
