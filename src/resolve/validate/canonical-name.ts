/**
 * Names as the validator holds them: uncompressed wire form in lower case, each in an array of its own. Canonical order is
 * that of RFC 4034 §6.1: labels from the right, compared as bytes, the absent label first.
 */

/** A name in uncompressed, lowercased wire form, root label included: 1–255 bytes, nothing behind it. */
export type Name = Uint8Array;

export const ROOT_NAME: Name = new Uint8Array(1);
const STAR = 0x2a;

/** The name as a key of a map: equal names, equal keys. */
export function nameKey(name: Name): string {
  return Buffer.from(name.buffer, name.byteOffset, name.length).toString('latin1');
}

/** Labels without the root, 0–127. A wildcard's `*` counts. */
export function labelCount(name: Name): number {
  let count = 0;
  for (let at = 0; name[at]! > 0; at += name[at]! + 1) count++;
  return count;
}

/** `name` without its `count` leftmost labels; the root where there are no more. A view, nothing is copied. */
export function withoutLabels(name: Name, count: number): Name {
  let at = 0;
  for (let i = 0; i < count && name[at]! > 0; i++) at += name[at]! + 1;
  return at === 0 ? name : name.subarray(at);
}

/** The last `count` labels of `name`, which has at least as many. */
export function lastLabels(name: Name, count: number): Name {
  return withoutLabels(name, Math.max(0, labelCount(name) - count));
}

export function parentOf(name: Name): Name {
  return withoutLabels(name, 1);
}

export function isRoot(name: Name): boolean {
  return name[0] === 0;
}

/** The leftmost label is `*` (RFC 4592 §2.1.1). */
export function isWildcard(name: Name): boolean {
  return name[0] === 1 && name[1] === STAR;
}

/** `*.` and `encloser`; undefined where that is longer than a name may be. */
export function wildcardAt(encloser: Name): Name | undefined {
  if (encloser.length + 2 > 255) return undefined;
  const name = new Uint8Array(encloser.length + 2);
  name[0] = 1;
  name[1] = STAR;
  name.set(encloser, 2);
  return name;
}

export function sameName(a: Name, b: Name): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** `name` is `zone` or lies below it. */
export function isWithin(name: Name, zone: Name): boolean {
  const from = name.length - zone.length;
  if (from < 0) return false;
  for (let i = 0; i < zone.length; i++) if (name[from + i] !== zone[i]) return false;
  // The bytes agree; they have to begin at a label, too.
  let at = 0;
  while (at < from) at += name[at]! + 1;
  return at === from;
}

/** `name` lies below `zone` and is not `zone` itself. */
export function isBelow(name: Name, zone: Name): boolean {
  return name.length > zone.length && isWithin(name, zone);
}

/** How many labels, from the right, both names share. */
export function sharedLabels(a: Name, b: Name): number {
  const long = labelCount(a);
  const short = labelCount(b);
  let count = Math.min(long, short);
  let one = withoutLabels(a, long - count);
  let other = withoutLabels(b, short - count);
  while (count > 0 && !sameName(one, other)) {
    one = parentOf(one);
    other = parentOf(other);
    count--;
  }
  return count;
}

const startsA = new Uint8Array(128);
const startsB = new Uint8Array(128);

function labelStarts(name: Name, starts: Uint8Array): number {
  let count = 0;
  for (let at = 0; name[at]! > 0; at += name[at]! + 1) starts[count++] = at;
  return count;
}

/** RFC 4034 §6.1: below 0 where `a` comes first, 0 where both are one name. */
export function compareNames(a: Name, b: Name): number {
  let i = labelStarts(a, startsA);
  let j = labelStarts(b, startsB);
  while (i > 0 && j > 0) {
    const order = compareLabels(a, startsA[--i]!, b, startsB[--j]!);
    if (order !== 0) return order;
  }
  return i - j;
}

function compareLabels(a: Name, atA: number, b: Name, atB: number): number {
  const sizeA = a[atA]!;
  const sizeB = b[atB]!;
  const size = Math.min(sizeA, sizeB);
  for (let k = 1; k <= size; k++) {
    const order = a[atA + k]! - b[atB + k]!;
    if (order !== 0) return order;
  }
  return sizeA - sizeB;
}
