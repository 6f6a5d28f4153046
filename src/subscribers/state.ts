/**
 * What is known of subscribers for as long as the process lives, whatever the configuration: ledger, register, leases. A
 * reload must neither forget who opted out nor who holds an address.
 */
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Clock } from '../clock.ts';
import { makeDataFolder } from '../data-folder.ts';
import { errorText } from '../errors.ts';
import { AddressTable, type AddressTableMemory } from './address-table.ts';
import { LEASES_FILE, LeaseArchive } from './lease-archive.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import { type LeaseWriter, threadWriter } from './lease-writer.ts';
import { Leases } from './leases.ts';
import { Ledger } from './ledger.ts';
import { Notices } from './notices.ts';
import { Register } from './register.ts';
import type { SubscribersConfig } from './subscribers-config.ts';

export const LEDGER_FILE = 'consent.db';

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
  readonly ledger: Ledger;
  readonly notices: Notices;
  readonly leases: Leases;
  readonly clock: Clock;
  /** Why the ledger does not hold; then nobody is inspected until it is mended. */
  readonly damage: string | undefined;
  /** Called when the leases moved into another memory. */
  readonly onLeasesMoved = new Set<(memory: AddressTableMemory) => Promise<void>>();
  #leaseSeconds = 7200;
  #termsInForce = '';

  /**
   * Throws SekishoError where the ledger cannot be opened. `keep`: leases are kept over restarts, and those from before
   * believed so long; without it they end with the process.
   */
  constructor(dataFolder: string, clock: Clock, log: Logger, keep?: LeaseKeeping) {
    this.clock = clock;
    const folder = join(dataFolder, 'subscribers');
    makeDataFolder(folder);
    this.ledger = new Ledger(join(folder, LEDGER_FILE), () => clock.wallMs());
    this.damage = this.ledger.verify();
    if (this.damage !== undefined)
      log.error({ problem: this.damage }, 'the consent ledger does not hold: nobody is inspected');
    this.notices = new Notices(this.ledger.db);
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

  /** Resolves when what was reported so far outlives the process. */
  recorded(): Promise<void> {
    return this.leases.keeper?.recorded() ?? Promise.resolve();
  }

  /** The monotonic second that the packet threads compare expiries with. */
  nowSeconds(): number {
    return Math.floor(this.clock.nowMs() / 1000);
  }

  /** From now on these terms, groups and times hold. */
  putInForce({ terms, groups, leaseMs }: SubscribersConfig): void {
    this.#leaseSeconds = Math.round(leaseMs / 1000);
    if (this.damage !== undefined) {
      this.register.withdrawAll();
      return;
    }
    // A million entries take seconds to read: only where they mean something else than before.
    const text = JSON.stringify([terms, groups]);
    if (text === this.#termsInForce) return;
    this.register.putInForce(terms, groups, this.ledger.read());
    this.#termsInForce = text;
  }

  async close(): Promise<void> {
    this.ledger.close();
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
      log.info({ restored }, 'leases from before the start are believed for a while');
    } catch (error) {
      log.error({ reason: errorText(error) }, 'leases cannot be kept: after a restart addresses are unknown');
    }
  }
}
