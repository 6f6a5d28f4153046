/**
 * Every subscriber that this process knows, and the byte of purposes that the packet threads read of each. The byte is
 * derived: from the ledger, the terms in force and, for contract groups, the configuration.
 */

import { Directory, isGroup, MAX_HOLDERS } from '../table/directory.ts';
import { allows, type ConsentState, consentState, SAID_NOTHING, saidByAction, type Terms } from './consent.ts';
import type { LedgerEntry } from './ledger.ts';
import { isPurpose, PURPOSES, type Purpose, purposeBit } from './purposes.ts';

/** A contract group of the configuration: who comes from its ranges consents to these purposes. */
export interface ContractGroup {
  /** With the `@`. */
  readonly name: string;
  readonly covers: readonly Purpose[];
}

/** Bits that `said` keeps of one purpose. */
const SAID_BITS = 2;

export class Register {
  readonly directory: Directory;
  /** A byte of purposes for each holder: shared with every worker. Pages that were never written cost no memory. */
  readonly consents: SharedArrayBuffer;
  readonly #bytes: Uint8Array;
  /** What each holder said last, SAID_BITS a purpose. */
  #said = new Uint8Array(1 << 10);
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
    if (holder >= before) {
      if (holder >= this.#said.length) {
        const larger = new Uint8Array(this.#said.length * 2);
        larger.set(this.#said);
        this.#said = larger;
      }
      this.#derive(holder, number);
    }
    return holder;
  }

  /**
   * Put other terms and groups into force, with everything that the ledger says. `holds`: it is to be relied on; else what it says
   * is known, and nobody is inspected.
   */
  putInForce(terms: Terms, groups: readonly ContractGroup[], entries: Iterable<LedgerEntry>, holds = true): void {
    this.#terms = terms;
    if (!holds) this.withdrawAll();
    this.#groups = groups;
    this.#said.fill(0);
    // Said first, put into force then: no byte may allow for a moment what a later entry withdraws.
    for (const entry of entries) this.#hear(entry);
    this.#inForce = holds;
    for (let holder = 0; holder < this.directory.count; holder++)
      this.#derive(holder, this.directory.numberOf(holder)!);
  }

  /** The ledger does not hold: nobody is inspected. */
  withdrawAll(): void {
    this.#inForce = false;
    this.#bytes.fill(0, 0, this.directory.count);
  }

  /** An entry is on the disk: it acts in every worker from the next packet on. */
  apply(entry: LedgerEntry): void {
    const holder = this.#hear(entry);
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
    return consentState(holder < 0 ? SAID_NOTHING : this.#saidOf(holder, purpose), purpose, this.#terms);
  }

  /** Does the holder consent to the purpose this very moment? */
  consentsNow(holder: number, purpose: Purpose): boolean {
    return (Atomics.load(this.#bytes, holder) & purposeBit(purpose)) !== 0;
  }

  #hear({ subscriber, purpose, action, terms }: LedgerEntry): number {
    if (action !== 'opt-out' && action !== 'opt-in') return -1;
    if (!isPurpose(purpose)) return -1;
    const holder = this.holderFor(subscriber);
    if (holder < 0) return -1;
    const shift = PURPOSES.indexOf(purpose) * SAID_BITS;
    this.#said[holder] = (this.#said[holder]! & ~(3 << shift)) | (saidByAction(action, terms, this.#terms) << shift);
    return holder;
  }

  #saidOf(holder: number, purpose: Purpose): number {
    return (this.#said[holder]! >> (PURPOSES.indexOf(purpose) * SAID_BITS)) & 3;
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
          : consentState(this.#saidOf(holder, purpose), purpose, this.#terms);
        if (allows(state)) mask |= purposeBit(purpose);
      }
      mask &= ~(this.#held.get(holder) ?? 0);
    }
    Atomics.store(this.#bytes, holder, mask);
  }
}
