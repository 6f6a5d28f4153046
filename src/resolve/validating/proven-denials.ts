/**
 * What verified NSEC and NSEC3 records prove beyond the answer that they came with (RFC 8198): that other names do not exist
 * either, and which types others lack. Questions about these are answered without asking anybody.
 *
 *   zone ─▶ SOA, and its records in canonical order ─▶ the one right before a name ─▶ covers it? and the wildcard, too?
 *            owner of NSEC, or hash of NSEC3
 *
 * Only NXDOMAIN and NODATA are made: never a positive answer from a wildcard. Records with opt-out are left out, because names may
 * exist in their spans (RFC 8198 §5.2 leaves them to the zone); so are chains with many iterations, which cost more
 * than they save. Bounded by bytes and by records of one zone; the zone that was of use longest ago goes first.
 */
import { RCODE, TYPE } from '../../wire/constants.ts';
import type { WireName } from '../iterate/name-text.ts';
import type { RRset as WrittenSet } from '../iterate/reply.ts';
import { AllowedValidation } from '../validate/budget.ts';
import {
  compareNames,
  labelCount,
  lastLabels,
  type Name,
  nameKey,
  sameName,
  wildcardAt,
} from '../validate/canonical-name.ts';
import { deniers } from '../validate/deniers.ts';
import { closestEncloser, readNsec } from '../validate/nsec.ts';
import { hashOfOwner, parametersOf } from '../validate/nsec3.ts';
import { compareData, type RRset } from '../validate/rrset.ts';
import { nsec3Hash } from '../validate/sha1.ts';
import type { Verdict } from '../validate/verdict.ts';
import { SECURE } from '../validate/verdict.ts';

/** Bytes of all records together, estimated. */
const MAX_BYTES = 16 * 1024 * 1024;
/** Records of one zone: one that is walked through does not push the others out. */
const MAX_RECORDS = 4096;
/** RFC 9276 §3.1: zones should have none at all. */
const MAX_ITERATIONS = 10;
/** Labels below the zone that are hashed for one question. */
const MAX_LABELS = 8;
/** RFC 2308 §5: nothing negative is kept for longer. */
const MAX_SECONDS = 10_800;
/** Objects around the bytes of a record. */
const RECORD_BYTES = 400;

/** A denial that stands in the store. */
interface Kept {
  /** Of NSEC the owner in canonical order, of NSEC3 the hash. */
  readonly place: Uint8Array;
  readonly set: RRset;
  readonly endsMs: number;
  readonly bytes: number;
}

class ZoneDenials {
  readonly zone: Name;
  soa: Kept | undefined;
  /** By place. */
  readonly nsec: Kept[] = [];
  readonly nsec3: Kept[] = [];
  bytes = 0;

  constructor(zone: Name) {
    this.zone = zone;
  }
}

/** An answer that was made from what is proven. */
export interface Denied {
  readonly rcode: number;
  /** SOA first, then the proof, as records are written (iterate/assemble.ts). */
  readonly authority: readonly WrittenSet[];
}

export class ProvenDenials {
  readonly #maxBytes: number;
  /** By zone; the one used last stands last. */
  readonly #zones = new Map<string, ZoneDenials>();
  #bytes = 0;

  constructor(maxBytes: number = MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get records(): number {
    let count = 0;
    for (const { nsec, nsec3 } of this.#zones.values()) count += nsec.length + nsec3.length;
    return count;
  }

  /** Keep what was verified for this answer. */
  learn(verdict: Verdict, nowMs: number): void {
    for (const { set, status, zone, wildcard, maxTtl } of verdict.sets) {
      if (status !== SECURE || wildcard || zone === undefined) continue;
      if (set.type !== TYPE.NSEC && set.type !== TYPE.NSEC3 && set.type !== TYPE.SOA) continue;
      const seconds = Math.min(set.ttl, maxTtl, MAX_SECONDS);
      if (seconds > 0) this.#keep(zone, set, nowMs + seconds * 1000);
    }
    while (this.#bytes > this.#maxBytes) this.#drop(this.#zones.keys().next().value!);
  }

  /** The answer to a question for `type` at `name`, if it is proven; undefined where it has to be asked. */
  deny(name: Name, type: number, nowMs: number): Denied | undefined {
    if (this.#zones.size === 0 || !mayBeDenied(type)) return undefined;
    const zone = this.#closest(name);
    if (zone === undefined || zone.soa === undefined || nowMs >= zone.soa.endsMs) return undefined;
    return this.#denyIn(zone, zone.soa, name, type, nowMs);
  }

  forget(name: Name, subtree: boolean): void {
    for (const [key, { zone }] of [...this.#zones]) {
      // A name that is to be found again is denied by the zone above it.
      const above = zone.length <= name.length && sameName(lastLabels(name, labelCount(zone)), zone);
      const below = subtree && zone.length > name.length && sameName(lastLabels(zone, labelCount(name)), name);
      if (above || below) this.#drop(key);
    }
  }

  clear(): void {
    this.#zones.clear();
    this.#bytes = 0;
  }

  #closest(name: Name): ZoneDenials | undefined {
    const whole = nameKey(name);
    for (let at = 0; ; at += name[at]! + 1) {
      const key = at === 0 ? whole : whole.slice(at);
      const found = this.#zones.get(key);
      if (found !== undefined) return found;
      if (name[at] === 0) return undefined;
    }
  }

  #denyIn(zone: ZoneDenials, soa: Kept, name: Name, type: number, nowMs: number): Denied | undefined {
    const records = [...nsecFor(zone, name, nowMs), ...nsec3For(zone, name, nowMs)];
    if (records.length === 0) return undefined;
    const sets = records.map(({ set }) => set);
    for (const denier of deniers(zone.zone, sets, MAX_ITERATIONS, new AllowedValidation())) {
      const nxdomain = denier.nxdomain(name);
      // An opt-out span never gets here; were one to, it would prove nothing.
      const found = nxdomain.proven && !nxdomain.optOut;
      if (!found) {
        const nodata = denier.nodata(name, type);
        if (!nodata.proven || nodata.optOut) continue;
      }
      const key = nameKey(zone.zone);
      this.#zones.delete(key);
      this.#zones.set(key, zone);
      return {
        rcode: found ? RCODE.NXDOMAIN : RCODE.NOERROR,
        authority: lifeLeft([soa, ...records], nowMs),
      };
    }
    return undefined;
  }

  #keep(name: Name, set: RRset, endsMs: number): void {
    const kept = keptFrom(name, set, endsMs);
    if (kept === undefined) return;
    const key = nameKey(name);
    let zone = this.#zones.get(key);
    if (zone === undefined) {
      zone = new ZoneDenials(name.slice());
      this.#zones.set(key, zone);
    }
    let bytes = kept.bytes;
    if (set.type === TYPE.SOA) {
      bytes -= zone.soa?.bytes ?? 0;
      zone.soa = kept;
    } else {
      const records = set.type === TYPE.NSEC ? zone.nsec : zone.nsec3;
      const order = set.type === TYPE.NSEC ? compareNames : compareData;
      const at = placeOf(records, kept.place, order);
      if (at >= 0 && order(records[at]!.place, kept.place) === 0) {
        bytes -= records[at]!.bytes;
        records[at] = kept;
      } else if (records.length < MAX_RECORDS) records.splice(at + 1, 0, kept);
      else return;
    }
    zone.bytes += bytes;
    this.#bytes += bytes;
  }

  #drop(key: string): void {
    this.#bytes -= this.#zones.get(key)?.bytes ?? 0;
    this.#zones.delete(key);
  }
}

/** Types whose absence nothing of a zone's own chain speaks of, or that are asked for in other ways. */
function mayBeDenied(type: number): boolean {
  return type !== TYPE.DS && type !== TYPE.RRSIG && type !== TYPE.ANY && type !== TYPE.NSEC && type !== TYPE.NSEC3;
}

/** Undefined where it is of no use to other questions. */
function keptFrom(zone: Name, set: RRset, endsMs: number): Kept | undefined {
  const data = set.data[0];
  if (set.data.length !== 1 || data === undefined) return undefined;
  let place = set.owner;
  if (set.type === TYPE.NSEC3) {
    const parameters = parametersOf(data);
    if (parameters === undefined || parameters.optOut || parameters.iterations > MAX_ITERATIONS) return undefined;
    const hash = hashOfOwner(set.owner, zone);
    if (hash === undefined) return undefined;
    place = hash;
  }
  const signatures = set.signatures.reduce((sum, { head, bytes }) => sum + head.length + bytes.length, 0);
  const kept = { ...set, ttlOffsets: [] };
  return { place, set: kept, endsMs, bytes: RECORD_BYTES + set.owner.length * 2 + data.length + signatures };
}

/** The NSEC records that may deny `name`: the one before it, and the one before the wildcard that would match it. */
function nsecFor(zone: ZoneDenials, name: Name, nowMs: number): Kept[] {
  const before = floorOf(zone.nsec, name, compareNames, nowMs);
  const record = before && readNsec(before.set.owner, zone.zone, before.set.data[0]!);
  if (before === undefined || record === undefined) return [];
  if (sameName(record.owner, name)) return [before];
  const wildcard = wildcardAt(closestEncloser(name, record));
  const other = wildcard && floorOf(zone.nsec, wildcard, compareNames, nowMs);
  return other === undefined || other === before ? [before] : [before, other];
}

/** The NSEC3 records that match or cover the names above `name`, from the zone down, and their wildcards (RFC 5155 §8). */
function nsec3For(zone: ZoneDenials, name: Name, nowMs: number): Kept[] {
  const first = zone.nsec3.find(({ endsMs }) => nowMs < endsMs);
  const parameters = first && parametersOf(first.set.data[0]!);
  const labels = labelCount(name);
  const top = labelCount(zone.zone);
  if (parameters === undefined || labels - top > MAX_LABELS) return [];
  const found: Kept[] = [];
  const take = (one: Name | undefined): boolean => {
    if (one === undefined) return false;
    nsec3Hash(one, parameters.salt, parameters.iterations, hashed);
    // The last of the chain covers what comes before the first as well.
    const kept = floorOf(zone.nsec3, hashed, compareData, nowMs) ?? liveOf(zone.nsec3.at(-1), nowMs);
    if (kept !== undefined && !found.includes(kept)) found.push(kept);
    return kept !== undefined && compareData(kept.place, hashed) === 0;
  };
  for (let count = top; count <= labels; count++) {
    if (take(lastLabels(name, count))) continue;
    // The first that does not exist: nothing below it does, and a wildcard would stand beside it.
    if (count > top) take(wildcardAt(lastLabels(name, count - 1)));
    break;
  }
  return found;
}

const hashed = new Uint8Array(20);

function floorOf(
  records: readonly Kept[],
  place: Uint8Array,
  order: (a: Uint8Array, b: Uint8Array) => number,
  nowMs: number,
): Kept | undefined {
  const at = placeOf(records, place, order);
  return at < 0 ? undefined : liveOf(records[at], nowMs);
}

function liveOf(kept: Kept | undefined, nowMs: number): Kept | undefined {
  return kept !== undefined && nowMs < kept.endsMs ? kept : undefined;
}

/** Index of the last record at or before `place`, or -1. */
function placeOf(records: readonly Kept[], place: Uint8Array, order: (a: Uint8Array, b: Uint8Array) => number): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (order(records[middle]!.place, place) <= 0) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** RFC 8198 §5.4: no longer than the shortest of what proves it. */
function lifeLeft(records: readonly Kept[], nowMs: number): WrittenSet[] {
  const endsMs = Math.min(...records.map((record) => record.endsMs));
  const ttl = Math.max(1, Math.floor((endsMs - nowMs) / 1000));
  return records.map(({ set }) => ({
    owner: nameKey(set.owner) as WireName,
    type: set.type,
    ttl,
    data: [...set.data],
    signatures: set.signatures.map(({ head, bytes }) => {
      const data = new Uint8Array(head.length + bytes.length);
      data.set(head);
      data.set(bytes, head.length);
      return data;
    }),
  }));
}
