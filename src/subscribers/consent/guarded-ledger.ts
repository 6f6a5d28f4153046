/**
 * The consent ledger with what guards it: anchors outside the file, the damage that stands until a person accepts it, and the
 * withdrawals that could not be written yet.
 *
 *   sound ──somebody works on the files, or they are not what they were──▶ damaged: nobody is inspected
 *     ▲                                                                        │ opt-outs are taken and recorded
 *     └────────── a person of the role privacy accepts it, with a reason ──────┘
 *
 * While it is damaged there is a ledger anyway, a new file where the old one does not hold: a withdrawal must find its
 * place at any time.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { ANCHORS_FOLDER, type AuditLog } from '../../audit/log.ts';
import { errorText, generalError } from '../../errors/errors.ts';
import { AnchorFile } from '../../store/anchor.ts';
import { ChainGuard } from '../../store/chain-guard.ts';
import { type Database, moveAside } from '../../store/database.ts';
import { storeError } from '../../store/errors.ts';
import { makeDataFolder } from '../../system/data-folder.ts';
import type { Clock } from '../../time/clock.ts';
import { subscribersError } from '../errors.ts';
import { isSubscriberNumber } from '../table/directory.ts';
import type { AppendOptions, LedgerEntry, LedgerRecord } from './ledger-store.ts';
import { MOST_OWED, OwedWithdrawals } from './owed-withdrawals.ts';
import { isPurpose, type Purpose } from './purposes.ts';
import type { Register } from './register.ts';
import { IN_MEMORY, SqliteLedger } from './sqlite-ledger.ts';

export const LEDGER_FILE = 'consent.db';

/** Where the ledger's end is noted besides its own anchor. */
export interface LedgerAnchors {
  /** In its database lies an anchor of the ledger, and in the ledger's one of it. */
  readonly audit?: Pick<AuditLog, 'anchorPlace' | 'addAnchor' | 'record'> | undefined;
  /** A folder outside the data folder. */
  readonly outside?: string | undefined;
}

/** Who accepts damage of the ledger, and why. */
export interface Acceptance {
  readonly who: string;
  readonly role: string;
  readonly reason: string;
}

/** What lies around the ledger. */
export interface LedgerSurroundings {
  readonly dataFolder: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly register: Register;
  readonly anchors: LedgerAnchors;
  /** The ledger repeats that of a fleet: nothing is added to it from here. */
  readonly inFleet?: boolean;
  /** Called with the database before it is compared with anything. */
  readonly opened: (ledger: Database) => void;
  /** The ledger has become sound again: what it says comes into force. Never rejects. */
  readonly sound: () => Promise<void>;
}

interface Withdrawal {
  readonly subscriber: string;
  readonly purpose: Purpose;
}

/** The files are looked at so often, besides with every change. */
const LOOK_MS = 1000;
const TO_DO =
  'THE CONSENT LEDGER IS DAMAGED: nobody is inspected. Find out what happened, and put no older copy in its place: it would lack withdrawals. Opt-outs are taken meanwhile. Then a person of the role privacy runs: sekisho consent accept-damage --reason …';

/** The ledger of a fleet, which this one repeats. */
export interface WiderLedger {
  append(records: readonly LedgerRecord[], options?: AppendOptions): Promise<LedgerEntry[]>;
  importedRows(id: string): Promise<number>;
}

export class GuardedLedger {
  ledger: SqliteLedger;
  /** Where there is one, changes go there, and come from there. */
  wider: WiderLedger | undefined;
  readonly owed: OwedWithdrawals;
  readonly #file: string;
  readonly #around: LedgerSurroundings;
  readonly #guard: ChainGuard;
  readonly #looking: NodeJS.Timeout;
  /** Why nobody is inspected for the moment; ends by itself. */
  #suspended: string | undefined;
  #closed = false;

  /** Throws SekishoError where the folder cannot be made. */
  constructor(around: LedgerSurroundings) {
    const { dataFolder, clock, log, anchors } = around;
    this.#around = around;
    const folder = join(dataFolder, 'subscribers');
    makeDataFolder(folder);
    makeDataFolder(join(dataFolder, ANCHORS_FOLDER));
    this.#file = join(folder, LEDGER_FILE);
    const { audit, outside } = anchors;
    const others = [
      ...(audit ? [audit.anchorPlace('consent')] : []),
      ...(outside === undefined ? [] : [new AnchorFile(join(outside, 'consent'))]),
    ];
    const primary = new AnchorFile(join(dataFolder, ANCHORS_FOLDER, 'consent'));
    this.#guard = new ChainGuard(primary, others, log, (damage) => this.#damaged(damage));
    this.owed = new OwedWithdrawals({
      append: (records) => this.append(records),
      note: (count) => this.#guard.owe(count),
      log,
    });
    let unusable: string | undefined;
    try {
      this.ledger = this.#guarded(new SqliteLedger(this.#file, () => clock.wallMs()));
    } catch (error) {
      unusable = errorText(error);
      this.ledger = new SqliteLedger(IN_MEMORY, () => clock.wallMs());
    }
    around.opened(this.ledger.db);
    if (unusable === undefined) this.#compare();
    else this.#guard.declare(unusable);
    audit?.addAnchor({
      name: `in ${this.#file}`,
      read: () => this.ledger.anchorPlace('audit').read(),
      write: (anchor) => this.ledger.anchorPlace('audit').write(anchor),
    });
    this.#looking = setInterval(() => void this.look(), LOOK_MS).unref();
  }

  /** As LedgerStore.append; in a fleet, of the fleet's ledger. */
  append(records: readonly LedgerRecord[], options?: AppendOptions): Promise<LedgerEntry[]> {
    return this.#changes().append(records, options);
  }

  importedRows(id: string): Promise<number> {
    return this.#changes().importedRows(id);
  }

  /** Why nobody is inspected; undefined where the ledger holds. */
  get damage(): string | undefined {
    return this.#guard.damage ?? this.#suspended;
  }

  /** See whether somebody works on the ledger's files, and bring the anchors up to date; done every second too. Never rejects. */
  async look(): Promise<void> {
    if (this.#closed) return;
    this.#guard.look();
    this.#guard.spread();
    if (this.#suspended === undefined || !this.#anchorTail()) return;
    this.#around.log.info('the consent ledger is trusted again');
    if (this.damage === undefined) await this.#around.sound();
  }

  /** Why the ledger does not hold; undefined where it does. What is found is damage from then on. In small steps. */
  async verify(): Promise<string | undefined> {
    this.#guard.look();
    if (this.damage !== undefined) return this.damage;
    const { ledger } = this;
    const problem = await ledger.verify().catch((error: unknown) => {
      // What was begun with a file that another one has replaced says nothing.
      if (ledger === this.ledger) throw error;
      return undefined;
    });
    if (ledger !== this.ledger) return this.verify();
    if (problem !== undefined && this.damage === undefined) this.#guard.declare(problem);
    return this.damage ?? problem;
  }

  /**
   * These withdrawals act, and could not be written: try again until they are. False where the server is stopping, and nothing
   * will be tried any more.
   */
  owe(records: readonly LedgerRecord[], error: unknown): boolean {
    if (this.#closed) return false;
    this.owed.add(records, errorText(error));
    if (this.owed.count > MOST_OWED) this.#guard.declare(`more than ${MOST_OWED} withdrawals could not be written`);
    return true;
  }

  /**
   * A person has looked into the damage and lets inspection go on with what the ledger says now. Recorded in the ledger and in
   * the audit log. Rejects with SekishoError where nothing is damaged, no reason is given, or it cannot be recorded.
   */
  async acceptDamage({ who, role, reason }: Acceptance): Promise<{ damage: string; entries: number }> {
    const { damage } = this.#guard;
    if (damage === undefined) throw storeError('SEKISHO_LEDGER_SOUND', 'the consent ledger is not damaged');
    if (reason.trim() === '') throw generalError('SEKISHO_REQUEST_INVALID', 'accepting damage needs a reason');
    const { ledger } = this;
    const broken = ledger.isVolatile || (await ledger.verify()) !== undefined;
    // Somebody else's look may have put another file in its place meanwhile.
    if (ledger === this.ledger && (broken || this.#guard.look() !== undefined)) this.#rescue();
    if (this.ledger.isVolatile)
      throw subscribersError('SEKISHO_LEDGER_UNUSABLE', 'the consent ledger still cannot be opened; see the log');
    this.#around.anchors.audit?.record({
      who,
      role,
      action: 'consent.accept-damage',
      purpose: reason,
      detail: { damage },
    });
    const { version = '' } = this.#around.register.terms;
    const common = { subscriber: '', purpose: '', action: 'damage-accepted', channel: 'api' } as const;
    await this.append([{ ...common, who, terms: version, reason }]);
    if (!(await this.owed.settle()))
      throw subscribersError('SEKISHO_LEDGER_FAILED', 'withdrawals of consent cannot be written yet: make room first');
    this.#guard.follow({ ...this.ledger.opened(), fault: undefined }, null);
    this.#around.log.error(
      { damage, by: who, reason },
      'damage of the consent ledger was accepted: consents are in force',
    );
    if (this.damage === undefined) await this.#around.sound();
    return { damage, entries: this.ledger.entries };
  }

  /**
   * Put the file aside and begin an empty one, as a person has asked for: what the fleet's ledger says takes its place. Nobody is
   * inspected until that was read. Throws what the file system throws.
   */
  async beginAnew(): Promise<void> {
    const { clock, log, register } = this.#around;
    register.withdrawAll();
    const fresh = `${this.#file}.new`;
    removeDatabase(fresh);
    new SqliteLedger(fresh, () => clock.wallMs()).abandon();
    await this.ledger.close();
    const aside = existsSync(this.#file) ? moveAside(this.#file, clock.wallMs()) : undefined;
    renameSync(fresh, this.#file);
    this.ledger = this.#guarded(new SqliteLedger(this.#file, () => clock.wallMs()));
    this.#guard.follow({ ...this.ledger.opened(), fault: undefined }, null);
    log.warn({ aside }, "the consent ledger of this node was put aside; the fleet's takes its place");
    await this.#around.sound();
  }

  async close(): Promise<void> {
    clearInterval(this.#looking);
    await this.owed.settle();
    this.owed.stop();
    this.#closed = true;
    await this.ledger.close();
    this.#guard.close();
  }

  #changes(): WiderLedger {
    if (this.#around.inFleet && !this.wider) throw new TypeError('a ledger that repeats that of a fleet needs one');
    return this.wider ?? this.ledger;
  }

  /** Entries are on the disk. */
  #apply(entries: readonly LedgerEntry[]): void {
    const { register } = this.#around;
    for (const entry of entries) {
      register.apply(entry);
      if (entry.action === 'opt-out' && isPurpose(entry.purpose)) register.release(entry.subscriber, entry.purpose);
    }
  }

  /**
   * Entries behind the anchor were written by a process that ended before anybody was told, or could not be anchored. They are
   * in force from now on; whether the audit log has theirs is not known, since both go to the disk side by side, so it is told
   * now. False where that cannot be recorded: then nobody is inspected.
   */
  #anchorTail(): boolean {
    try {
      const entries = this.ledger.unrecorded();
      const count = (what: LedgerEntry['action']) => entries.filter(({ action }) => action === what).length;
      const [first, last] = [entries[0], entries.at(-1)];
      if (first && last)
        this.#around.anchors.audit?.record({
          who: 'server',
          role: 'server',
          action: 'consent.recovered',
          purpose: 'entries of the consent ledger that nobody was told of come into force',
          detail: { from: first.seq, to: last.seq, optOuts: count('opt-out'), optIns: count('opt-in') },
        });
      this.ledger.anchorEnd();
      this.#suspended = undefined;
      return true;
    } catch (error) {
      this.#suspend(errorText(error));
      return false;
    }
  }

  #suspend(reason: string): void {
    const { log, register } = this.#around;
    register.withdrawAll();
    if (this.#suspended === undefined)
      log.error(
        { reason },
        'the end of the consent ledger cannot be anchored outside its file: nobody is inspected until it can',
      );
    this.#suspended = `its end cannot be noted outside its file: ${reason}`;
  }

  #guarded(ledger: SqliteLedger): SqliteLedger {
    ledger.guard = this.#guard;
    ledger.onUnanchored = (reason) => this.#suspend(reason);
    ledger.onRecorded = (entries) => this.#apply(entries);
    return ledger;
  }

  /** Compare with the anchors what was opened at the start. */
  #compare(): void {
    const damage = this.#guard.start(this.ledger.opened(), 'left');
    if (damage === undefined) {
      if (this.#guard.count < this.ledger.entries) this.#anchorTail();
      return;
    }
    this.#damaged(damage);
    // What does not hold cannot be added to.
    if (this.ledger.verifyNow() !== undefined) this.#rescue();
  }

  #damaged(damage: string): void {
    this.#around.register.withdrawAll();
    this.#around.log.error({ problem: damage }, TO_DO);
    if (this.#guard.look() !== undefined) this.#rescue();
  }

  /**
   * Put a new file in the place of one that is gone, that somebody else works on or that does not hold. Everything comes along that
   * the open file still proves; where that does not hold, every withdrawal of which anything there tells: rather one too many.
   */
  #rescue(): void {
    const { clock, log, register } = this.#around;
    const old = this.ledger;
    const fresh = `${this.#file}.new`;
    try {
      const holds = !old.isVolatile && old.verifyNow() === undefined;
      const withdrawn = holds ? [] : withdrawalsOf(old, register);
      removeDatabase(fresh);
      const copy = new SqliteLedger(fresh, () => clock.wallMs());
      if (holds) copy.copyFrom(old);
      copy.abandon();
      // SQLite takes away the log beside the old name when it closes: nothing new may lie there before.
      const abandoned = old.abandon();
      const aside = existsSync(this.#file) ? moveAside(this.#file, clock.wallMs()) : undefined;
      renameSync(fresh, this.#file);
      this.ledger = this.#guarded(new SqliteLedger(this.#file, () => clock.wallMs()));
      this.#guard.follow({ ...this.ledger.opened(), fault: undefined }, this.#guard.damage ?? null);
      if (aside !== undefined) {
        log.error(
          { aside },
          'the file found in place of the consent ledger was moved aside; delete it after it has been examined',
        );
      }
      this.#carryOver(withdrawn);
      this.ledger.take(abandoned, holds);
    } catch (error) {
      log.error(
        { reason: errorText(error) },
        'failed to create a new consent ledger; withdrawals take effect in memory only',
      );
    }
  }

  #carryOver(withdrawn: readonly Withdrawal[]): void {
    if (withdrawn.length === 0) return;
    const common = { action: 'opt-out', who: 'server', channel: 'api', terms: '' } as const;
    const reason = 'carried over from a ledger that was damaged';
    const records = withdrawn.map((each): LedgerRecord => ({ ...each, ...common, reason }));
    for (const { subscriber, purpose } of withdrawn) this.#around.register.withdrawAtOnce(subscriber, purpose);
    // In a fleet they are withdrawn until the fleet's ledger, which has them, was read again.
    if (!this.#around.inFleet) this.ledger.append(records).catch((error: unknown) => this.owe(records, error));
  }
}

/** What the process remembers, and what can be read before something cannot. */
function withdrawalsOf(ledger: SqliteLedger, register: Register): Withdrawal[] {
  const found = new Map<string, Withdrawal>();
  const add = (each: Withdrawal) => found.set(`${each.purpose} ${each.subscriber}`, each);
  for (const each of register.withdrawals()) add(each);
  try {
    for (const { subscriber, purpose, action } of ledger.readNow())
      if (action === 'opt-out' && isSubscriberNumber(subscriber) && isPurpose(purpose)) add({ subscriber, purpose });
  } catch {
    // So far it could be read.
  }
  return [...found.values()];
}

function removeDatabase(file: string): void {
  for (const part of ['', '-wal', '-shm']) rmSync(file + part, { force: true });
}
