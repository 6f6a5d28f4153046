/** Proofs by NSEC3 (RFC 5155 §8, RFC 9276). The records are verified, and all of one zone. */
import { TYPE } from '../../wire/constants.ts';
import type { ValidationBudget } from './budget.ts';
import {
  isBelow,
  isWithin,
  labelCount,
  lastLabels,
  type Name,
  nameKey,
  parentOf,
  sameName,
  wildcardAt,
} from './canonical-name.ts';
import { CUT_INSECURE, CUT_NONE, CUT_UNKNOWN, type Denial, type Proof, proven, UNPROVEN } from './denial.ts';
import { compareData, type RRset } from './rrset.ts';
import { nsec3Blocks, nsec3Hash } from './sha1.ts';
import { bitmapHas, isBitmap } from './type-bitmap.ts';

/** RFC 5155 §11: SHA-1, the only one. */
const SHA1 = 1;
const HASH_BYTES = 20;
const OPT_OUT = 1;
/** Characters of a hash in base32hex (RFC 4648 §7). */
const HASH_LABEL_BYTES = 32;

interface Nsec3 {
  readonly hash: Uint8Array;
  readonly next: Uint8Array;
  readonly optOut: boolean;
  readonly data: Uint8Array;
  readonly mapAt: number;
}

export interface Parameters {
  readonly iterations: number;
  readonly salt: Uint8Array;
}

const TOO_MANY: Proof = { proven: false, optOut: false, tooManyIterations: true, closestEncloser: undefined };

export class Nsec3Denial implements Denial {
  readonly #zone: Name;
  readonly #zoneLabels: number;
  readonly #budget: ValidationBudget;
  readonly #records: readonly Nsec3[];
  readonly #parameters: Parameters | undefined;
  readonly #tooMany: boolean;
  /** Hashes made, by name: proofs of one answer ask for the same ones. */
  readonly #hashes = new Map<string, Uint8Array>();

  /** `sets`: verified NSEC3 RRsets signed by `zone`. `maxIterations`: more, and the proof is not looked at. */
  constructor(zone: Name, sets: readonly RRset[], maxIterations: number, budget: ValidationBudget) {
    this.#zone = zone;
    this.#zoneLabels = labelCount(zone);
    this.#budget = budget;
    const records: Nsec3[] = [];
    let parameters: Parameters | undefined;
    for (const set of sets) {
      for (const data of set.data) {
        const one = parametersOf(data);
        // RFC 5155 §8.2: those of the first count; a record with others does not belong to the chain.
        if (one === undefined || (parameters !== undefined && !sameParameters(parameters, one))) continue;
        const record = readNsec3(set.owner, zone, data, one);
        if (record === undefined) continue;
        parameters ??= one;
        records.push(record);
      }
    }
    this.#records = records;
    this.#parameters = parameters;
    this.#tooMany = parameters !== undefined && parameters.iterations > maxIterations;
  }

  /** RFC 5155 §8.4. */
  nxdomain(name: Name): Proof {
    if (this.#tooMany) return TOO_MANY;
    const found = this.#closestEncloser(name);
    if (found === undefined) return UNPROVEN;
    const wildcard = wildcardAt(found.encloser);
    if (wildcard !== undefined && !sameName(wildcard, name) && this.#covering(wildcard) === undefined) return UNPROVEN;
    return proven(found.encloser, found.covering.optOut);
  }

  /** RFC 5155 §8.5, §8.6, §8.7. */
  nodata(name: Name, type: number): Proof {
    if (this.#tooMany) return TOO_MANY;
    const matching = this.#matching(name);
    if (matching !== undefined) return lacks(matching, type, name) ? proven(name) : UNPROVEN;
    const found = this.#closestEncloser(name);
    if (found === undefined) return UNPROVEN;
    // RFC 5155 §8.6: an opt-out span over the next closer name leaves an insecure delegation possible.
    if (type === TYPE.DS && found.covering.optOut) return proven(found.encloser, true);
    const wildcard = wildcardAt(found.encloser);
    const source = wildcard === undefined ? undefined : this.#matching(wildcard);
    if (source === undefined || !lacks(source, type, wildcard!)) return UNPROVEN;
    return proven(found.encloser, found.covering.optOut);
  }

  /** RFC 5155 §8.8. */
  unmatched(name: Name, encloserLabels: number): Proof {
    if (this.#tooMany) return TOO_MANY;
    const nextCloser = lastLabels(name, encloserLabels + 1);
    const covering = this.#covering(nextCloser);
    return covering === undefined ? UNPROVEN : proven(lastLabels(name, encloserLabels), covering.optOut);
  }

  cutAt(name: Name): { cut: number; proof: Proof } {
    if (this.#tooMany) return { cut: CUT_UNKNOWN, proof: TOO_MANY };
    const matching = this.#matching(name);
    if (matching !== undefined) {
      const has = (type: number) => bitmapHas(matching.data, matching.mapAt, type);
      // RFC 6840 §4.4: the record must be the parent's. With SOA it is the child's own.
      if (has(TYPE.DS) || has(TYPE.SOA)) return { cut: CUT_UNKNOWN, proof: UNPROVEN };
      return { cut: has(TYPE.NS) ? CUT_INSECURE : CUT_NONE, proof: proven(name) };
    }
    const found = this.#closestEncloser(name);
    if (found === undefined) return { cut: CUT_UNKNOWN, proof: UNPROVEN };
    // RFC 5155 §8.9: covered by an opt-out span, there may be an insecure delegation.
    const { optOut } = found.covering;
    return { cut: optOut ? CUT_INSECURE : CUT_NONE, proof: proven(found.encloser, optOut) };
  }

  /**
   * RFC 5155 §8.3: a name above that exists, right above one that does not. There is only one such pair, so it is looked
   * for from the zone's apex downwards: most proofs are found after two hashes, however long the name.
   */
  #closestEncloser(name: Name): { encloser: Name; covering: Nsec3 } | undefined {
    if (!isBelow(name, this.#zone)) return undefined;
    const labels = labelCount(name);
    for (let count = this.#zoneLabels; count < labels; count++) {
      const encloser = lastLabels(name, count);
      const matching = this.#matching(encloser);
      if (matching === undefined) continue;
      const covering = this.#covering(lastLabels(name, count + 1));
      if (covering === undefined) continue;
      // RFC 5155 §8.3: nothing below a delegation or a DNAME is this zone's.
      const has = (type: number) => bitmapHas(matching.data, matching.mapAt, type);
      if (has(TYPE.DNAME) || (has(TYPE.NS) && !has(TYPE.SOA))) return undefined;
      return { encloser, covering };
    }
    return undefined;
  }

  #matching(name: Name): Nsec3 | undefined {
    const hash = this.#hashOf(name);
    return hash && this.#records.find((record) => compareData(record.hash, hash) === 0);
  }

  #covering(name: Name): Nsec3 | undefined {
    const hash = this.#hashOf(name);
    return hash && this.#records.find((record) => covers(record, hash));
  }

  /** Undefined where nothing may be hashed: no parameters, or the budget is spent. */
  #hashOf(name: Name): Uint8Array | undefined {
    const parameters = this.#parameters;
    if (parameters === undefined || !isWithin(name, this.#zone)) return undefined;
    const key = nameKey(name);
    const known = this.#hashes.get(key);
    if (known !== undefined) return known;
    const { salt, iterations } = parameters;
    if (!this.#budget.hashes(nsec3Blocks(name.length, salt.length, iterations))) return undefined;
    const hash = new Uint8Array(HASH_BYTES);
    nsec3Hash(name, salt, iterations, hash);
    this.#hashes.set(key, hash);
    return hash;
  }
}

/** RFC 5155 §3.2: algorithm, flags, iterations, salt. Undefined where it is to be ignored (§8.1, §8.2). */
export function parametersOf(data: Uint8Array): (Parameters & { readonly optOut: boolean }) | undefined {
  if (data.length < 5 || data[0] !== SHA1 || (data[1]! & ~OPT_OUT) !== 0) return undefined;
  const saltEnd = 5 + data[4]!;
  return saltEnd > data.length
    ? undefined
    : {
        iterations: (data[2]! << 8) | data[3]!,
        salt: data.subarray(5, saltEnd),
        optOut: (data[1]! & OPT_OUT) !== 0,
      };
}

function sameParameters(a: Parameters, b: Parameters): boolean {
  return a.iterations === b.iterations && compareData(a.salt, b.salt) === 0;
}

function readNsec3(owner: Name, zone: Name, data: Uint8Array, { salt }: Parameters): Nsec3 | undefined {
  const hash = hashOfOwner(owner, zone);
  const at = 5 + salt.length;
  const mapAt = at + 1 + HASH_BYTES;
  if (hash === undefined || data[at] !== HASH_BYTES || mapAt > data.length || !isBitmap(data, mapAt)) return undefined;
  return { hash, next: data.subarray(at + 1, mapAt), optOut: (data[1]! & OPT_OUT) !== 0, data, mapAt };
}

/** RFC 5155 §3: one label of hash, right below the apex. Undefined where it is no such name. */
export function hashOfOwner(owner: Name, zone: Name): Uint8Array | undefined {
  if (owner[0] !== HASH_LABEL_BYTES || !sameName(parentOf(owner), zone)) return undefined;
  return fromBase32(owner.subarray(1, 1 + HASH_LABEL_BYTES));
}

/** RFC 4648 §7, in lower case, without padding. */
function fromBase32(text: Uint8Array): Uint8Array | undefined {
  const out = new Uint8Array(HASH_BYTES);
  let bits = 0;
  let held = 0;
  let at = 0;
  for (const char of text) {
    const value = char >= 0x30 && char <= 0x39 ? char - 0x30 : char >= 0x61 && char <= 0x76 ? char - 0x57 : -1;
    if (value < 0) return undefined;
    bits = ((bits << 5) | value) & 0xfff;
    held += 5;
    if (held < 8) continue;
    held -= 8;
    out[at++] = (bits >>> held) & 255;
  }
  return out;
}

function covers({ hash, next }: Nsec3, name: Uint8Array): boolean {
  const after = compareData(hash, name) < 0;
  const before = compareData(name, next) < 0;
  // The last one of the chain points back to the first; a chain of one points to itself.
  return compareData(hash, next) < 0 ? after && before : (after || before) && compareData(hash, name) !== 0;
}

/** The record matches the name and shows that it has no `type`, and no CNAME instead. */
function lacks({ data, mapAt }: Nsec3, type: number, name: Name): boolean {
  const has = (one: number) => bitmapHas(data, mapAt, one);
  if (has(type) || (has(TYPE.CNAME) && type !== TYPE.CNAME)) return false;
  // RFC 6840 §4.1, §4.4: at a delegation the parent speaks of DS alone, and of DS the parent alone.
  if (type === TYPE.DS) return name.length === 1 || !has(TYPE.SOA);
  return !(has(TYPE.NS) && !has(TYPE.SOA));
}
