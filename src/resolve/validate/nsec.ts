/** Proofs by NSEC (RFC 4034 §4, RFC 4035 §5.4, RFC 6840 §4). The records are verified, and all of one zone. */
import { TYPE } from '../../wire/constants.ts';
import {
  compareNames,
  isBelow,
  isWithin,
  labelCount,
  lastLabels,
  type Name,
  parentOf,
  sameName,
  sharedLabels,
  wildcardAt,
} from './canonical-name.ts';
import { CUT_INSECURE, CUT_NONE, CUT_UNKNOWN, type Denial, type Proof, proven, UNPROVEN } from './denial.ts';
import { type RRset, readName } from './rrset.ts';
import { bitmapHas, isBitmap } from './type-bitmap.ts';

export interface Nsec {
  readonly owner: Name;
  readonly next: Name;
  /** The record's data, and where its bit map begins. */
  readonly data: Uint8Array;
  readonly mapAt: number;
}

export class NsecDenial implements Denial {
  readonly #zone: Name;
  readonly #records: readonly Nsec[];

  /** `sets`: verified NSEC RRsets signed by `zone`, none of them made from a wildcard. */
  constructor(zone: Name, sets: readonly RRset[]) {
    this.#zone = zone;
    this.#records = sets.flatMap((set) => set.data.flatMap((data) => readNsec(set.owner, zone, data) ?? []));
  }

  nxdomain(name: Name): Proof {
    const covering = this.#covering(name);
    if (covering === undefined || isBelow(covering.next, name)) return UNPROVEN;
    const encloser = closestEncloser(name, covering);
    const wildcard = wildcardAt(encloser);
    // RFC 4035 §3.1.3.2: nor is there a wildcard that would match. One that fits into no name is none.
    if (wildcard !== undefined && !sameName(wildcard, name)) {
      const other = this.#covering(wildcard);
      if (other === undefined || isBelow(other.next, wildcard)) return UNPROVEN;
    }
    return proven(encloser);
  }

  nodata(name: Name, type: number): Proof {
    const matching = this.#matching(name);
    if (matching !== undefined) return lacks(matching, type) ? proven(name) : UNPROVEN;
    const covering = this.#covering(name);
    if (covering === undefined) return UNPROVEN;
    // RFC 4035 §3.1.3.1, RFC 4592 §2.2.2: an empty non-terminal has no record, but names below it.
    if (isBelow(covering.next, name)) return proven(name);
    // RFC 4035 §3.1.3.4: the wildcard that matches has none of the type.
    const encloser = closestEncloser(name, covering);
    const wildcard = wildcardAt(encloser);
    if (wildcard === undefined) return UNPROVEN;
    const source = this.#matching(wildcard);
    if (source !== undefined) return lacks(source, type) ? proven(encloser) : UNPROVEN;
    const above = this.#covering(wildcard);
    return above !== undefined && isBelow(above.next, wildcard) ? proven(encloser) : UNPROVEN;
  }

  unmatched(name: Name, encloserLabels: number): Proof {
    const covering = this.#covering(name);
    if (covering === undefined || isBelow(covering.next, name)) return UNPROVEN;
    // RFC 4035 §5.3.4: no closer match exists than the wildcard.
    const encloser = closestEncloser(name, covering);
    return labelCount(encloser) === encloserLabels ? proven(encloser) : UNPROVEN;
  }

  cutAt(name: Name): { cut: number; proof: Proof } {
    const matching = this.#matching(name);
    if (matching === undefined) {
      const covering = this.#covering(name);
      return covering === undefined ? { cut: CUT_UNKNOWN, proof: UNPROVEN } : { cut: CUT_NONE, proof: proven() };
    }
    const has = (type: number) => bitmapHas(matching.data, matching.mapAt, type);
    // RFC 6840 §4.4: the record must be the parent's. With SOA it is the child's own.
    if (has(TYPE.DS) || has(TYPE.SOA)) return { cut: CUT_UNKNOWN, proof: UNPROVEN };
    return { cut: has(TYPE.NS) ? CUT_INSECURE : CUT_NONE, proof: proven(name) };
  }

  #matching(name: Name): Nsec | undefined {
    return this.#records.find(({ owner }) => sameName(owner, name));
  }

  /** The record whose span `name` lies in, which proves that it owns no records. */
  #covering(name: Name): Nsec | undefined {
    if (!isWithin(name, this.#zone)) return undefined;
    return this.#records.find((record) => this.#covers(record, name));
  }

  #covers(record: Nsec, name: Name): boolean {
    const { owner, next } = record;
    if (compareNames(owner, name) >= 0) return false;
    // The last record of the zone points back to the apex.
    if (!sameName(next, this.#zone) && compareNames(name, next) >= 0) return false;
    // RFC 6840 §4.1: below a delegation or a DNAME the zone has nothing to say.
    if (!isBelow(name, owner)) return true;
    const has = (type: number) => bitmapHas(record.data, record.mapAt, type);
    return !has(TYPE.DNAME) && !(has(TYPE.NS) && !has(TYPE.SOA));
  }
}

/** RFC 4034 §4.1. Undefined where it cannot be one of `zone`. */
export function readNsec(owner: Name, zone: Name, data: Uint8Array): Nsec | undefined {
  // The next name is not compressed, and stands in the case of the zone (RFC 6840 §5.1).
  const next = readName(data, 0, data.length, 0);
  if (next === undefined || !isWithin(next, zone) || !isWithin(owner, zone)) return undefined;
  return isBitmap(data, next.length) ? { owner, next, data, mapAt: next.length } : undefined;
}

/** RFC 4592 §3.3.1: the longest name above `name` that the ends of the span show to exist. */
export function closestEncloser(name: Name, { owner, next }: Nsec): Name {
  const labels = Math.max(sharedLabels(name, owner), sharedLabels(name, next));
  const encloser = lastLabels(name, labels);
  return encloser.length === name.length ? parentOf(name) : encloser;
}

/** The record matches the name and shows that it has no `type`, and no CNAME instead. */
function lacks({ data, mapAt, owner }: Nsec, type: number): boolean {
  const has = (one: number) => bitmapHas(data, mapAt, one);
  if (has(type) || (has(TYPE.CNAME) && type !== TYPE.CNAME)) return false;
  // RFC 6840 §4.1, §4.4: at a delegation the parent speaks of DS alone, and of DS the parent alone.
  if (type === TYPE.DS) return owner.length === 1 || !has(TYPE.SOA);
  return !(has(TYPE.NS) && !has(TYPE.SOA));
}
