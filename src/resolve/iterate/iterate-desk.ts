/** The iterator's memory as the control plane sees it: described, counted and flushed, for all workers at once. */
import { setImmediate } from 'node:timers/promises';
import { addressText } from '../../address/address.ts';
import { Answer } from '../../wire/answer.ts';
import { TYPE } from '../../wire/constants.ts';
import type { Question } from '../../wire/question.ts';
import { RecordCursor } from '../../wire/records.ts';
import { type Delegation, MAX_NAME_SERVERS } from './delegation.ts';
import { hintsDelegation, type RootHint } from './hints.ts';
import { InfraStore, nameOfQuestion } from './infra-store.ts';
import type { IterateMemory } from './iterate-memory.ts';
import { nameForPeople, parentName, ROOT_NAME, type WireName } from './name-text.ts';
import { ServerTable } from './server-memory.ts';

/** Number of the main thread in the locks: that of no worker. */
const MAIN_THREAD = 0x7ffffffe;
/** Servers whose addresses are written out. */
const SHOWN = 4;

export interface DelegationsReport {
  /** Delegations, addresses and DS records held. */
  readonly entries: number;
  readonly usedBytes: number;
  readonly sizeBytes: number;
}

export class IterateDesk {
  readonly #infra: InfraStore;
  readonly #servers: ServerTable;
  readonly #hints: Delegation;
  readonly #answer = new Answer();
  readonly #cursor = new RecordCursor();

  constructor(memory: IterateMemory, hints: readonly RootHint[], hashKey: readonly [number, number]) {
    this.#infra = new InfraStore(memory.infra, { worker: MAIN_THREAD, hashKey, maxTtl: 0 });
    this.#servers = new ServerTable(memory.servers, hashKey);
    this.#hints = hintsDelegation(hints);
  }

  /** Forget delegations, addresses and DS of `name` (wire form), or of all below it as well. Resolves with their number. */
  flush(name: Uint8Array, subtree: boolean): Promise<number> {
    return this.#infra.flush(name, subtree, () => setImmediate());
  }

  report(): DelegationsReport {
    const { entries, bytesUsed, capacity } = this.#infra.stats();
    return { entries, usedBytes: bytesUsed, sizeBytes: capacity };
  }

  /** The zones that are known on the way to `question`, from the root down, and whom the closest one's servers are. */
  path(question: Question, nowMs: number): string {
    const name = nameOfQuestion(question);
    const known: Delegation[] = [];
    // RFC 4035 §3.1.4.1: DS belongs to the zone above.
    for (let zone = question.type === TYPE.DS ? parentName(name) : name; ; zone = parentName(zone)) {
      const found = this.#infra.delegation(zone, nowMs);
      if (found) known.unshift(found);
      if (zone === ROOT_NAME) break;
    }
    if (known[0]?.zone !== ROOT_NAME) known.unshift(this.#hints);
    const closest = known.at(-1)!;
    const way = known.map(({ zone }) => nameForPeople(zone)).join(' → ');
    const left =
      closest.expiresMs === Number.POSITIVE_INFINITY
        ? 'root hints'
        : `${Math.max(0, Math.round((closest.expiresMs - nowMs) / 1000))} s left`;
    const next = `asked next: servers of ${nameForPeople(closest.zone)} (${left}): ${this.#serversText(closest, nowMs)}`;
    const proofs = known.flatMap(({ zone }) => this.#proofText(zone, nowMs) ?? []);
    return [`way known: ${way}`, next, ...(proofs.length > 0 ? [`proofs held: ${proofs.join(', ')}`] : [])].join('; ');
  }

  /** What the zone above says of the zone's keys, as far as a referral brought it. It is validated when it is used. */
  #proofText(zone: WireName, nowMs: number): string | undefined {
    if (zone === ROOT_NAME || !this.#infra.readDs(zone, nowMs, this.#answer)) return undefined;
    const { bytes, length } = this.#answer;
    const tags = new Set<number>();
    let denial = '';
    this.#cursor.open(bytes, 0, length);
    while (this.#cursor.next()) {
      const { type, dataStart } = this.#cursor;
      if (type === TYPE.DS) tags.add((bytes[dataStart]! << 8) | bytes[dataStart + 1]!);
      if (type === TYPE.NSEC) denial = 'NSEC';
      if (type === TYPE.NSEC3) denial = 'NSEC3';
    }
    const name = nameForPeople(zone);
    return tags.size > 0 ? `${name} has DS ${[...tags].join(' ')}` : `${name} has no DS (${denial})`;
  }

  #serversText(delegation: Delegation, nowMs: number): string {
    const shown = delegation.servers.slice(0, SHOWN).map(({ name, glue }) => this.#serverText(name, glue, nowMs));
    const more = delegation.servers.length - shown.length;
    return more > 0 ? `${shown.join(', ')} and ${more} more of at most ${MAX_NAME_SERVERS}` : shown.join(', ');
  }

  #serverText(name: WireName, glue: readonly Int32Array[], nowMs: number): string {
    const addresses =
      glue.length > 0 ? glue : [TYPE.A, TYPE.AAAA].flatMap((type) => this.#infra.addresses(name, type, nowMs) ?? []);
    if (addresses.length === 0) return `${nameForPeople(name)} (address not known yet)`;
    return `${nameForPeople(name)} ${addresses.map((address) => this.#addressText(address, nowMs)).join(' ')}`;
  }

  #addressText(address: Int32Array, nowMs: number): string {
    const place = this.#servers.find(address);
    if (place < 0) return addressText(address);
    const rttMs = this.#servers.rttMs(place);
    const notes = [
      rttMs > 0 ? `${rttMs.toFixed(1)} ms` : '',
      this.#servers.rests(place, nowMs) ? 'does not answer' : '',
    ].filter(Boolean);
    return notes.length > 0 ? `${addressText(address)} (${notes.join(', ')})` : addressText(address);
  }
}
