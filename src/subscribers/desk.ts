/**
 * The subscriber desk of one configuration: loads the static ranges, puts the terms into force, and tells the workers where
 * in shared memory everything lies. What outlives a reload is in state.ts.
 */
import { type FSWatcher, statSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Logger } from 'pino';
import type { Auditor } from '../audit/entry.ts';
import { errorText } from '../errors/errors.ts';
import { faultOf } from '../errors/fault-text.ts';
import type { Metrics } from '../metrics/registry.ts';
import type { PublishedSubscribers } from './in-force.ts';
import { type LeaseBounds, leaseBounds } from './leases/lease-bounds.ts';
import { LeaseDoubts } from './leases/lease-doubts.ts';
import { listenForAccounting } from './radius/listener.ts';
import { rangeHolder, refuseUnreadable } from './ranges/ranges-check.ts';
import { type LoadedRanges, loadRanges } from './ranges/ranges-file.ts';
import type { SubscriberState } from './state.ts';
import type { RadiusConfig, SubscribersConfig } from './subscribers-config.ts';
import { AddressTable, type AddressTableMemory } from './table/address-table.ts';

/** Several notices of one change of the file, and an editor's several steps, count as one. */
const SETTLE_MS = 200;
/** The file is looked at so often besides, for file systems that give no notice. */
const LOOK_MS = 5000;
/** Bad rows named in one line of the log. */
const LOGGED_ROWS = 20;
/** Bits: RADIUS has no prefixes of IPv4. */
const SINGLE_IPV4 = 32;

export interface SubscriberDeskParts {
  readonly config: SubscribersConfig;
  /** `server.access`: nothing else can be leased. */
  readonly access: readonly string[];
  readonly state: SubscriberState;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Told of a file of ranges that comes into force while the server runs. */
  readonly audit: Auditor;
  /** Resolves when every worker holds it. */
  readonly publish: (published: PublishedSubscribers) => Promise<void>;
}

export class SubscriberDesk {
  readonly config: SubscribersConfig;
  readonly state: SubscriberState;
  readonly doubts: LeaseDoubts;
  /** What the API may lease. */
  readonly provisioning: LeaseBounds;
  /** As last loaded; undefined where there is no file, or it could not be read yet. */
  ranges: LoadedRanges | undefined;
  readonly #parts: SubscriberDeskParts;
  readonly #empty = new AddressTable();
  readonly #gauges;
  readonly #leasesMoved = (leases: AddressTableMemory) => this.#publish(leases);
  #watcher: FSWatcher | undefined;
  #look: NodeJS.Timeout | undefined;
  #settle: NodeJS.Timeout | undefined;
  #stopAccounting: (() => Promise<void>) | undefined;
  #loading: Promise<void> = Promise.resolve();
  /** Time and size of the file as last loaded. */
  #seen = '';

  private constructor(parts: SubscriberDeskParts) {
    this.#parts = parts;
    this.config = parts.config;
    this.state = parts.state;
    const { metrics } = parts;
    this.doubts = new LeaseDoubts(metrics, parts.log, parts.state.clock);
    this.provisioning = leaseBounds(parts.config.provisioning, parts.access);
    this.#gauges = {
      known: metrics.gauge(
        'sekisho_subscribers_known',
        'Subscribers and contract groups that were seen since the start.',
      ),
      rows: metrics.gauge('sekisho_subscribers_range_rows', 'Rows of the file of static ranges that are in force.'),
      rejected: metrics.gauge('sekisho_subscribers_range_rows_rejected', 'Rows of that file that were left out.'),
      unreadable: metrics.gauge(
        'sekisho_subscribers_range_rows_unreadable',
        'Of those left out: rows that cannot be read although an address in them can. Nobody is known behind it.',
      ),
      leases: metrics.gauge('sekisho_subscribers_lease_addresses', 'Addresses that were leased since the start.'),
      bytes: metrics.gauge('sekisho_subscribers_table_bytes', 'Memory of the tables of addresses and sessions.'),
      entries: metrics.gauge('sekisho_subscribers_ledger_entries', 'Entries of the consent ledger.'),
      holds: metrics.gauge(
        'sekisho_subscribers_ledger_holds',
        '1 where the ledger was verified at the start; 0: nobody is inspected.',
      ),
    };
  }

  /**
   * Load the ranges and publish. Nobody is inspected on these terms before `activate`. Throws SekishoError where rows cannot
   * be read that name an address, unless the configuration says that those are to be hidden.
   */
  static async open(parts: SubscriberDeskParts): Promise<SubscriberDesk> {
    const desk = new SubscriberDesk(parts);
    await desk.#load();
    refuseUnreadable(parts.config, desk.ranges);
    parts.state.onLeasesMoved.add(desk.#leasesMoved);
    await desk.#publish();
    return desk;
  }

  /** From now on its terms are in force, and its file is watched. */
  async activate(): Promise<void> {
    const { rangesFile, radius } = this.config;
    // What can fail comes first: the terms of a configuration that is not to serve must not be in force for a moment.
    if (radius) this.#stopAccounting ??= await this.#listen(radius);
    await this.state.putInForce(this.config);
    if (rangesFile === undefined || this.#look) return;
    // The folder, not the file: configuration management puts a new file in the old one's place.
    try {
      this.#watcher = watch(dirname(rangesFile), (_event, name) => {
        if (name === null || name === basename(rangesFile)) this.#soon();
      });
      this.#watcher.on('error', () => this.#watcher?.close());
    } catch {
      // Looked at anyway.
    }
    this.#look = setInterval(() => this.#reloadWhenChanged(), LOOK_MS).unref();
    this.#reloadWhenChanged();
  }

  #listen(radius: RadiusConfig): Promise<() => Promise<void>> {
    const { state, doubts } = this;
    const bounds = leaseBounds({ shortestIpv4: SINGLE_IPV4, shortestIpv6: radius.shortestIpv6 }, this.#parts.access);
    return listenForAccounting(radius, { state, metrics: this.#parts.metrics, bounds, doubts });
  }

  async deactivate(): Promise<void> {
    this.#watcher?.close();
    clearInterval(this.#look);
    clearTimeout(this.#settle);
    this.#watcher = undefined;
    this.#look = undefined;
    await this.#stopAccounting?.();
    this.#stopAccounting = undefined;
    await this.#loading;
  }

  async close(): Promise<void> {
    await this.deactivate();
    this.state.onLeasesMoved.delete(this.#leasesMoved);
  }

  /** Bring the gauges up to date; called when somebody asks for them. */
  measure(): void {
    const { values } = this.#parts.metrics;
    const { register, leases, ledger, damage } = this.state;
    const ranges = this.ranges?.table ?? this.#empty;
    values[this.#gauges.known] = register.directory.count;
    values[this.#gauges.rows] = this.ranges?.rows ?? 0;
    values[this.#gauges.rejected] = this.ranges?.rejected ?? 0;
    values[this.#gauges.unreadable] = this.ranges?.unreadable ?? 0;
    values[this.#gauges.leases] = leases.table.count;
    values[this.#gauges.bytes] = leases.table.bytes + leases.bytes + ranges.bytes;
    values[this.#gauges.entries] = ledger.entries;
    values[this.#gauges.holds] = damage === undefined ? 1 : 0;
  }

  #soon(): void {
    clearTimeout(this.#settle);
    this.#settle = setTimeout(() => this.#reloadWhenChanged(), SETTLE_MS);
  }

  #reloadWhenChanged(): void {
    if (seenOf(this.config.rangesFile) === this.#seen) return;
    this.#loading = this.#loading.then(async () => {
      if (seenOf(this.config.rangesFile) === this.#seen) return;
      await this.#load();
      this.#record();
      await this.#publish();
    });
    this.#loading = this.#loading.catch((error: unknown) => {
      this.#parts.log.error(
        { fault: faultOf(error) },
        'failed to put new subscriber ranges into force in every worker',
      );
    });
  }

  /**
   * Where the file is gone or cannot be read, nobody is known by it: what it said before may have become untrue. Of one with
   * rows that cannot be read the others are in force; it was refused at the start, and is told of here.
   */
  async #load(): Promise<void> {
    const { rangesFile } = this.config;
    if (rangesFile === undefined) return;
    const { log } = this.#parts;
    this.#seen = seenOf(rangesFile);
    try {
      const { register } = this.state;
      this.ranges = await loadRanges(rangesFile, (subscriber) =>
        rangeHolder(subscriber, this.config.groups, (number) => register.holderFor(number)),
      );
    } catch (error) {
      this.ranges = undefined;
      log.error(
        { reason: errorText(error) },
        'failed to read the subscriber ranges: they identify nobody until they can be read',
      );
      return;
    }
    const { rows, rejected, unreadable, findings } = this.ranges;
    const first = findings.slice(0, LOGGED_ROWS);
    if (unreadable > 0)
      log.error(
        { rows, rejected, unreadable, first },
        'subscriber ranges: some rows cannot be read, and nobody is identified by the addresses in them',
      );
    else if (rejected > 0) log.warn({ rows, rejected, first }, 'subscriber ranges: some rows were skipped');
    else log.info({ rows }, 'subscriber ranges are in force');
  }

  /**
   * Who is known changes. Nobody waits for it: lines that have changed hands must not be taken for their former holders'
   * because a log cannot be written.
   */
  #record(): void {
    const { rows = 0, rejected = 0 } = this.ranges ?? {};
    const purpose = 'the file of static ranges has changed';
    const detail = { file: this.config.rangesFile, rows, rejected };
    try {
      this.#parts.audit.record({ who: 'server', role: 'server', action: 'ranges.update', purpose, detail });
    } catch (error) {
      this.#parts.log.error(
        { reason: errorText(error) },
        'new subscriber ranges are in force, but not in the audit log',
      );
    }
  }

  #publish(leases = this.state.leases.table.memory): Promise<void> {
    return this.#parts.publish({
      leases,
      ranges: (this.ranges?.table ?? this.#empty).memory,
      consents: this.state.register.consents,
      unfiltered: this.config.unfiltered,
      fence: this.state.fleet?.fence.memory,
    });
  }
}

/** Changes where the file does; empty where there is none. */
function seenOf(file: string | undefined): string {
  try {
    const { mtimeMs, size, ino } = statSync(file ?? '');
    return `${mtimeMs} ${size} ${ino}`;
  } catch {
    return '';
  }
}
