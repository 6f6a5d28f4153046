/**
 * Delegations, addresses of name servers and what referrals say of DS: kept beside the answer cache, in memory of the same kind
 * that all workers share and that configuration bounds. Nothing of it ever answers a client, and no answer gets in here.
 *
 *   (zone, NS)      the servers of a zone and their glue, as the parent told it
 *   (name, A|AAAA)  addresses of a name server, asked for; without records: it has none
 *   (zone, DS)      the DS records, or the proof that there are none, that came with a referral
 *   (name, absent)  that there is no such name, with its proof: nor is there anything below it (RFC 8020)
 *
 * Zones in use are kept ready for each worker as well, until they expire or somebody flushes (`epoch`).
 */
import { AnswerCache } from '../../cache/cache.ts';
import type { CacheMemory } from '../../cache/memory.ts';
import { halfSipHash, hashHigh, hashLow } from '../../hash/siphash.ts';
import { Answer, NODATA, POSITIVE } from '../../wire/answer.ts';
import { CLASS, HEADER_BYTES, TYPE } from '../../wire/constants.ts';
import { Question } from '../../wire/question.ts';
import { RecordCursor } from '../../wire/records.ts';
import { put16 } from '../../wire/writer.ts';
import { bytesOfAddress, type Delegation, lowerName, type NameServer, wordsOfAddress } from './delegation.ts';
import { nameFromBytes, parentName, putName, ROOT_NAME, readName, type WireName } from './name-text.ts';

/** Stands for "no such name" in the store: a type of the range for private use (RFC 6895 §3.1), which nobody asks here. */
const ABSENT = 0xff01;
/** Zones that one worker keeps ready. */
const READY = 1024;

export interface InfraMemory {
  readonly store: CacheMemory;
  /** Word 0 counts flushes. */
  readonly epoch: SharedArrayBuffer;
}

export interface InfraSettings {
  /** As for the answer cache. */
  readonly worker: number;
  readonly hashKey: readonly [number, number];
  /** Seconds for which anything is kept at most. */
  readonly maxTtl: number;
}

export class InfraStore {
  readonly maxTtl: number;
  readonly #cache: AnswerCache;
  readonly #epochs: Int32Array;
  readonly #key: readonly [number, number];
  readonly #question = new Question();
  readonly #answer = new Answer();
  readonly #cursor = new RecordCursor();
  readonly #ready = new Map<WireName, Delegation>();
  #epoch = 0;

  constructor(memory: InfraMemory, { worker, hashKey, maxTtl }: InfraSettings) {
    this.#cache = new AnswerCache(memory.store, { worker, minTtl: 0, maxTtl, serveStale: 0 });
    this.#epochs = new Int32Array(memory.epoch);
    this.#epoch = Atomics.load(this.#epochs, 0);
    this.#key = hashKey;
    this.maxTtl = maxTtl;
  }

  /** The delegation of the closest zone that `name` is in and that is known; undefined where not even the root's is. */
  closest(name: WireName, nowMs: number): Delegation | undefined {
    for (let zone = name; ; zone = parentName(zone)) {
      const found = this.delegation(zone, nowMs);
      if (found || zone === ROOT_NAME) return found;
    }
  }

  /** The delegation of `zone` itself. */
  delegation(zone: WireName, nowMs: number): Delegation | undefined {
    this.#lookAtEpoch();
    const ready = this.#ready.get(zone);
    if (ready) {
      if (nowMs < ready.expiresMs) return ready;
      this.#ready.delete(zone);
    }
    const left = this.#read(zone, TYPE.NS, nowMs);
    if (left === 0) return undefined;
    const delegation = this.#delegationRead(zone, nowMs + left * 1000);
    this.#keepReady(delegation);
    return delegation;
  }

  putDelegation(delegation: Delegation, nowMs: number): void {
    const ttl = Math.floor((delegation.expiresMs - nowMs) / 1000);
    if (ttl <= 0) return;
    this.#begin(delegation.zone, TYPE.NS);
    for (const { name } of delegation.servers) this.#add(0, delegation.zone, TYPE.NS, bytesOf(name));
    for (const { name, glue } of delegation.servers)
      for (const address of glue) {
        const data = bytesOfAddress(address);
        this.#add(2, name, data.length === 4 ? TYPE.A : TYPE.AAAA, data);
      }
    this.#keep(ttl, nowMs);
    this.#keepReady(delegation);
  }

  /** Addresses of a name server; empty: it has none of that kind; undefined: nobody knows. */
  addresses(name: WireName, type: number, nowMs: number): Int32Array[] | undefined {
    if (this.#read(name, type, nowMs) === 0) return undefined;
    const found: Int32Array[] = [];
    const cursor = this.#cursor;
    cursor.open(this.#answer.bytes, 0, this.#answer.length);
    while (cursor.next()) found.push(wordsOfAddress(this.#answer.bytes.slice(cursor.dataStart, cursor.dataEnd)));
    return found;
  }

  putAddresses(name: WireName, type: number, addresses: readonly Int32Array[], ttl: number, nowMs: number): void {
    this.#begin(name, type);
    for (const address of addresses) this.#add(0, name, type, bytesOfAddress(address));
    this.#keep(ttl, nowMs);
  }

  /** Read what a referral said of the zone's DS into `answer`, as the answer to that question. False where nothing is known. */
  readDs(zone: WireName, nowMs: number, answer: Answer): boolean {
    this.#ask(zone, TYPE.DS);
    this.#question.dnssecOk = true;
    return this.#cache.read(this.#question, nowMs, answer) > 0;
  }

  /** Keep the answer to the question for the zone's DS. Borrowed. */
  putDs(zone: WireName, answer: Answer, nowMs: number): void {
    this.#ask(zone, TYPE.DS);
    this.#question.dnssecOk = true;
    this.#cache.insert(this.#question, answer, nowMs);
  }

  /** Keep that `name` does not exist: the answer that says so, asked with or without DO as `dnssecOk` says. Borrowed. */
  putAbsent(name: WireName, dnssecOk: boolean, answer: Answer, nowMs: number): void {
    this.#ask(name, ABSENT);
    this.#question.dnssecOk = dnssecOk;
    // The message is found again by the question in it.
    const typeAt = HEADER_BYTES + name.length;
    const type = (answer.bytes[typeAt]! << 8) | answer.bytes[typeAt + 1]!;
    put16(answer.bytes, typeAt, ABSENT);
    this.#cache.insert(this.#question, answer, nowMs);
    put16(answer.bytes, typeAt, type);
  }

  /**
   * Read what says that a name above `name`, and below `zone`, does not exist. False where nothing does. The question in
   * the message is that name's.
   */
  readAbsentAbove(name: WireName, zone: WireName, dnssecOk: boolean, nowMs: number, answer: Answer): boolean {
    for (let above = parentName(name); above.length > zone.length; above = parentName(above)) {
      this.#ask(above, ABSENT);
      this.#question.dnssecOk = dnssecOk;
      if (this.#cache.read(this.#question, nowMs, answer) > 0) return true;
    }
    return false;
  }

  /** Forget what is known of `name`, or of all below it as well. */
  async flush(name: Uint8Array, subtree: boolean, pause: () => Promise<void>): Promise<number> {
    const removed = await this.#cache.flushNames(name, subtree, -1, pause);
    Atomics.add(this.#epochs, 0, 1);
    return removed;
  }

  stats(): { entries: number; bytesUsed: number; capacity: number } {
    return this.#cache.stats();
  }

  #lookAtEpoch(): void {
    const epoch = Atomics.load(this.#epochs, 0);
    if (epoch === this.#epoch) return;
    this.#epoch = epoch;
    this.#ready.clear();
  }

  #keepReady(delegation: Delegation): void {
    // The one that has been there for longest goes; the root and TLDs come back at once.
    if (this.#ready.size >= READY) this.#ready.delete(this.#ready.keys().next().value!);
    this.#ready.set(delegation.zone, delegation);
  }

  #delegationRead(zone: WireName, expiresMs: number): Delegation {
    const { bytes, length } = this.#answer;
    const servers: { name: WireName; glue: Int32Array[] }[] = [];
    const cursor = this.#cursor;
    cursor.open(bytes, 0, length);
    while (cursor.next()) {
      const data = bytes.slice(cursor.dataStart, cursor.dataEnd);
      if (cursor.section === 0) servers.push({ name: lowerName(data), glue: [] });
      else {
        const owner = readName(bytes, cursor.owner, length, 0);
        servers.find(({ name }) => name === owner)?.glue.push(wordsOfAddress(data));
      }
    }
    return { zone, servers: servers satisfies NameServer[], expiresMs };
  }

  #ask(name: WireName, type: number): void {
    const question = this.#question;
    putName(name, question.name, 0);
    question.nameLength = name.length;
    question.type = type;
    question.class = CLASS.IN;
    question.dnssecOk = false;
    halfSipHash(question.nameWords, name.length, this.#key[0], this.#key[1]);
    question.hashLow = hashLow;
    question.hashHigh = hashHigh;
  }

  #read(name: WireName, type: number, nowMs: number): number {
    this.#ask(name, type);
    return this.#cache.read(this.#question, nowMs, this.#answer);
  }

  #begin(name: WireName, type: number): void {
    this.#ask(name, type);
    const answer = this.#answer;
    const { bytes } = answer;
    bytes.fill(0, 0, HEADER_BYTES);
    bytes[5] = 1;
    const at = putName(name, bytes, HEADER_BYTES);
    put16(bytes, at, type);
    put16(bytes, at + 2, CLASS.IN);
    answer.length = at + 4;
    answer.kind = NODATA;
    answer.rcode = 0;
    answer.ede = -1;
    answer.authenticData = false;
    answer.ttlCount = 0;
  }

  #add(section: 0 | 2, owner: WireName, type: number, data: Uint8Array): void {
    const answer = this.#answer;
    const { bytes } = answer;
    let at = putName(owner, bytes, answer.length);
    put16(bytes, at, type);
    put16(bytes, at + 2, CLASS.IN);
    bytes.fill(0, at + 4, at + 8);
    put16(bytes, at + 8, data.length);
    bytes.set(data, at + 10);
    at += 10 + data.length;
    answer.length = at;
    const count = section === 0 ? 6 : 10;
    put16(bytes, count, ((bytes[count]! << 8) | bytes[count + 1]!) + 1);
    answer.kind = POSITIVE;
  }

  #keep(ttl: number, nowMs: number): void {
    this.#answer.ttl = ttl;
    this.#cache.insert(this.#question, this.#answer, nowMs);
  }
}

function bytesOf(name: WireName): Uint8Array {
  const bytes = new Uint8Array(name.length);
  putName(name, bytes, 0);
  return bytes;
}

/** The zone's name as the store has it, from a question. */
export function nameOfQuestion(question: Question): WireName {
  return nameFromBytes(question.name, question.nameLength);
}
