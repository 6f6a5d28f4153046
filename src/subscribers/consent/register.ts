/**
 * Every subscriber that this process knows, and the byte of purposes that the packet threads read of each. The byte is
 * derived: from the ledger, the terms in force and, for contract groups, the configuration.
 */

import { Directory, isGroup, MAX_HOLDERS } from '../table/directory.ts';
import { allows, type ConsentState, consentState, SAID_NOTHING, saidByAction, type Terms } from './consent.ts';
import type { LedgerEntry } from './ledger-store.ts';
import { isPurpose, PURPOSES, type Purpose, purposeBit } from './purposes.ts';

/** A contract group of the configuration: who comes from its ranges consents to these purposes. */
export interface ContractGroup {
  /** With the `@`. */
  readonly name: string;
  readonly covers: readonly Purpose[];
}

/** Bits that `said` keeps of one purpose. */
const SAID_BITS = 2;

/** What each holder said last, SAID_BITS a purpose. */
class Said {
  #bytes = new Uint8Array(1 << 10);

  of(holder: number, purpose: Purpose): number {
    return ((this.#bytes[holder] ?? 0) >> (PURPOSES.indexOf(purpose) * SAID_BITS)) & 3;
  }

  set(holder: number, purpose: Purpose, what: number): void {
    if (holder >= this.#bytes.length) {
      const larger = new Uint8Array(Math.max(holder + 1, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    const shift = PURPOSES.indexOf(purpose) * SAID_BITS;
    this.#bytes[holder] = (this.#bytes[holder]! & ~(3 << shift)) | (what << shift);
  }
}

/** The ledger as it is read for other terms and groups, while those before are in force. */
export interface Reading {
  /** Entries in their order, the whole ledger. */
  hear(entries: Iterable<LedgerEntry>): void;
  /** From now on. `holds`: the ledger is to be relied on; else what it says is known, and nobody is inspected. */
  putInForce(holds: boolean): void;
  /** It comes to nothing. */
  cancel(): void;
}

export class Register {
  readonly directory: Directory;
  /** A byte of purposes for each holder: shared with every worker. Pages that were never written cost no memory. */
  readonly consents: SharedArrayBuffer;
  readonly #bytes: Uint8Array;
  #said = new Said();
  /** What is recorded while the ledger is read, for each that reads it. */
  readonly #meanwhile = new Set<LedgerEntry[]>();
  #terms: Terms = { version: undefined, covers: [] };
  #groups: readonly ContractGroup[] = [];
  /** Until the ledger was read nobody is inspected. */
  #inForce = false;
  /** Purposes that a holder has withdrawn, by bits, and that no entry of the ledger says yet. */
  readonly #held = new Map<number, number>();

  constructor(maxHolders = MAX_HOLDERS) {
    this.directory = new Directory(maxHolders);
    this.consents = new SharedArrayBuffer(maxHolders);
    this.#bytes = new Uint8Array(this.consents);
  }

  get terms(): Terms {
    return this.#terms;
  }

  /** Holder of a subscriber or group, made where it is new; -1 where there is no room. */
  holderFor(number: string): number {
    const before = this.directory.count;
    const holder = this.directory.add(number);
    if (holder >= before) this.#derive(holder, number);
    return holder;
  }

  /** Put other terms and groups into force with all that the ledger says, at once: where it is short. */
  putInForce(terms: Terms, groups: readonly ContractGroup[], entries: Iterable<LedgerEntry>, holds = true): void {
    const reading = this.reading(terms, groups);
    reading.hear(entries);
    reading.putInForce(holds);
  }

  /** Begin to read the ledger for other terms and groups. What is recorded meanwhile acts, and is part of it. */
  reading(terms: Terms, groups: readonly ContractGroup[]): Reading {
    const said = new Said();
    const meanwhile: LedgerEntry[] = [];
    this.#meanwhile.add(meanwhile);
    const hear = (entries: Iterable<LedgerEntry>) => {
      for (const entry of entries) this.#hear(entry, said, terms);
    };
    return {
      hear,
      putInForce: (holds) => {
        this.#meanwhile.delete(meanwhile);
        // Said first, put into force then: no byte may allow for a moment what a later entry withdraws.
        hear(meanwhile);
        if (!holds) this.withdrawAll();
        this.#terms = terms;
        this.#groups = groups;
        this.#said = said;
        this.#inForce = holds;
        for (let holder = 0; holder < this.directory.count; holder++)
          this.#derive(holder, this.directory.numberOf(holder)!);
      },
      cancel: () => this.#meanwhile.delete(meanwhile),
    };
  }

  /** The ledger does not hold: nobody is inspected. */
  withdrawAll(): void {
    this.#inForce = false;
    this.#bytes.fill(0, 0, this.directory.count);
  }

  /** An entry is on the disk: it acts in every worker from the next packet on. */
  apply(entry: LedgerEntry): void {
    for (const entries of this.#meanwhile) entries.push(entry);
    const holder = this.#hear(entry, this.#said, this.#terms);
    if (holder >= 0) this.#derive(holder, entry.subscriber);
  }

  /** Before the disk is asked: a withdrawal need not wait for it. It holds, whatever is read or reloaded, until `release`. */
  withdrawAtOnce(number: string, purpose: Purpose): void {
    const holder = this.holderFor(number);
    if (holder < 0) return;
    this.#held.set(holder, (this.#held.get(holder) ?? 0) | purposeBit(purpose));
    Atomics.and(this.#bytes, holder, ~purposeBit(purpose));
  }

  /** The ledger says it now. */
  release(number: string, purpose: Purpose): void {
    const holder = this.directory.find(number);
    const held = this.#held.get(holder);
    if (held === undefined) return;
    const left = held & ~purposeBit(purpose);
    if (left === 0) this.#held.delete(holder);
    else this.#held.set(holder, left);
    this.#derive(holder, number);
  }

  /** What this process knows of withdrawals, from whatever was read and heard. */
  *withdrawals(): IterableIterator<{ subscriber: string; purpose: Purpose }> {
    for (let holder = 0; holder < this.directory.count; holder++) {
      const subscriber = this.directory.numberOf(holder)!;
      for (const purpose of PURPOSES)
        if (this.stateOf(subscriber, purpose) === 'opted-out') yield { subscriber, purpose };
    }
  }

  stateOf(number: string, purpose: Purpose): ConsentState {
    if (isGroup(number)) return this.#groupCovers(number, purpose) ? 'contract' : 'unknown';
    const holder = this.directory.find(number);
    if (((this.#held.get(holder) ?? 0) & purposeBit(purpose)) !== 0) return 'opted-out';
    return consentState(holder < 0 ? SAID_NOTHING : this.#said.of(holder, purpose), purpose, this.#terms);
  }

  /** Does the holder consent to the purpose this very moment? */
  consentsNow(holder: number, purpose: Purpose): boolean {
    return (Atomics.load(this.#bytes, holder) & purposeBit(purpose)) !== 0;
  }

  #hear({ subscriber, purpose, action, terms }: LedgerEntry, said: Said, inForce: Terms): number {
    if (action !== 'opt-out' && action !== 'opt-in') return -1;
    if (!isPurpose(purpose)) return -1;
    const holder = this.holderFor(subscriber);
    if (holder < 0) return -1;
    said.set(holder, purpose, saidByAction(action, terms, inForce));
    return holder;
  }

  #groupCovers(number: string, purpose: Purpose): boolean {
    if (this.#terms.version === undefined) return false;
    return this.#groups.find(({ name }) => name === number)?.covers.includes(purpose) ?? false;
  }

  /** One atomic store of what a holder consents to. */
  #derive(holder: number, number: string): void {
    let mask = 0;
    if (this.#inForce) {
      for (const purpose of PURPOSES) {
        const state = isGroup(number)
          ? this.stateOf(number, purpose)
          : consentState(this.#said.of(holder, purpose), purpose, this.#terms);
        if (allows(state)) mask |= purposeBit(purpose);
      }
      mask &= ~(this.#held.get(holder) ?? 0);
    }
    Atomics.store(this.#bytes, holder, mask);
  }
}
