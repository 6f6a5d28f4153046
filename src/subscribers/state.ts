/**
 * What is known of subscribers for as long as the process lives, whatever the configuration: ledger, register, leases. A
 * reload must neither forget who opted out nor who holds an address.
 */
import { join } from 'node:path';
import type { Logger } from 'pino';
import { errorText } from '../errors/errors.ts';
import type { Database } from '../store/database.ts';
import { makeDataFolder } from '../system/data-folder.ts';
import type { Clock } from '../time/clock.ts';
import { GuardedLedger, LEDGER_FILE, type LedgerAnchors } from './consent/guarded-ledger.ts';
import { IN_MEMORY, type Ledger } from './consent/ledger.ts';
import { NOTICES_FILE, Notices, openNotices } from './consent/notices.ts';
import { Register } from './consent/register.ts';
import { LEASES_FILE, LeaseArchive } from './leases/lease-archive.ts';
import { LeaseKeeper } from './leases/lease-keeper.ts';
import { type LeaseWriter, threadWriter } from './leases/lease-writer.ts';
import { Leases } from './leases/leases.ts';
import type { SubscribersConfig } from './subscribers-config.ts';
import { AddressTable, type AddressTableMemory } from './table/address-table.ts';

export { LEDGER_FILE };

export interface LeaseKeeping {
  /** `subscribers.lease` of the configuration that starts: what is kept is judged by it. */
  readonly leaseMs: number;
  /** After the last that was heard before a restart. */
  readonly believedMs: number;
  /** Who writes; a thread of its own unless told otherwise. */
  readonly writer?: (file: string, run: number) => LeaseWriter;
}

export class SubscriberState {
  readonly register = new Register();
  /** The ledger, what guards it, and its damage. */
  readonly consent: GuardedLedger;
  readonly notices: Notices;
  readonly leases: Leases;
  readonly clock: Clock;
  /** Called when the leases moved into another memory. */
  readonly onLeasesMoved = new Set<(memory: AddressTableMemory) => Promise<void>>();
  #leaseSeconds = 7200;
  #termsInForce = '';
  #config: SubscribersConfig | undefined;

  /**
   * Throws SekishoError where the folder cannot be made. `keep`: leases are kept over restarts, and those from before believed so
   * long; without it they end with the process.
   */
  constructor(dataFolder: string, clock: Clock, log: Logger, keep?: LeaseKeeping, anchors: LedgerAnchors = {}) {
    this.clock = clock;
    const sound = () => {
      this.#termsInForce = '';
      if (this.#config) this.putInForce(this.#config);
    };
    const folder = join(dataFolder, 'subscribers');
    makeDataFolder(folder);
    this.notices = noticesIn(folder, clock, log);
    const opened = (ledger: Database) => this.notices.takeOver(ledger);
    this.consent = new GuardedLedger({ dataFolder, clock, log, register: this.register, anchors, opened, sound });
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
    if (keep) this.#keepLeases(join(folder, LEASES_FILE), keep, log);
  }

  get ledger(): Ledger {
    return this.consent.ledger;
  }

  /** Why the ledger does not hold; then nobody is inspected. */
  get damage(): string | undefined {
    return this.consent.damage;
  }

  /** Resolves when what was reported so far outlives the process. */
  recorded(): Promise<void> {
    return this.leases.keeper?.recorded() ?? Promise.resolve();
  }

  /** The monotonic second that the packet threads compare expiries with. */
  nowSeconds(): number {
    return Math.floor(this.clock.nowMs() / 1000);
  }

  /** From now on these terms, groups and times hold. */
  putInForce(config: SubscribersConfig): void {
    const { terms, groups, leaseMs } = config;
    this.#config = config;
    this.#leaseSeconds = Math.round(leaseMs / 1000);
    const holds = this.damage === undefined;
    // A million entries take seconds to read: only where they mean something else than before.
    const text = JSON.stringify([terms, groups, holds]);
    if (text === this.#termsInForce) return;
    this.register.putInForce(terms, groups, this.ledger.read(), holds);
    this.#termsInForce = text;
  }

  async close(): Promise<void> {
    await this.consent.close();
    this.notices.close();
    await this.leases.keeper?.close();
  }

  /** Serving does not depend on it: without the file addresses are unknown until their next message. */
  #keepLeases(file: string, { believedMs, writer = threadWriter }: LeaseKeeping, log: Logger): void {
    try {
      const before = new LeaseArchive(file, this.clock.wallMs());
      const lifetimeMs = () => this.#leaseSeconds * 1000;
      const keeper = new LeaseKeeper(writer(file, before.run), this.register, lifetimeMs, this.clock, log);
      const restored = keeper.restore(before, this.leases, this.register, believedMs);
      before.close();
      this.leases.keeper = keeper;
      log.info({ restored }, 'leases from before the start are trusted for a while');
    } catch (error) {
      log.error({ reason: errorText(error) }, 'leases cannot be stored: after a restart addresses are unknown');
    }
  }
}

/** What cannot be kept is told to nobody, and stops nothing. */
function noticesIn(folder: string, clock: Clock, log: Logger): Notices {
  try {
    return new Notices(openNotices(join(folder, NOTICES_FILE), clock.wallMs()));
  } catch (error) {
    log.error({ reason: errorText(error) }, 'notices cannot be stored: they are kept in memory only');
    return new Notices(openNotices(IN_MEMORY, clock.wallMs()));
  }
}
