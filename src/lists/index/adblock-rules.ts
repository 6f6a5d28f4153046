/**
 * Adblock rules with modifiers, as the index holds them (ACTION_ADBLOCK), and their precedence as AdGuard documents it for DNS:
 *
 *     @@…$important   >   …$important   >   @@…   >   …            and none that a $badfilter of the same text takes out
 *
 * How near a rule is to the name does not matter. A plain rule is ACTION_LISTED, a plain exception ACTION_PASSTHRU; everything else
 * carries a piece of data:
 *
 *     | flags | types (bit 7: all but these) | type, type, … | names in $denyallow | name, name, … | rewrite |
 *
 * A rule with $dnsrewrite has REWRITE and what it answers (formats/dnsrewrite.ts); an exception to all of them has no rewrite behind
 * the flag. These rules come before all others, and only exceptions of their kind lift them. Of those that are left, a response code alone
 * decides, then a CNAME, then all records together.
 */
import { ACTION_ADBLOCK, ACTION_LISTED, ACTION_PASSTHRU } from './rules.ts';

export const EXCEPTION = 1;
export const IMPORTANT = 2;
/** $badfilter: takes the rule of the same text out. */
export const BAD = 4;
/** $dnsrewrite: the rule answers, or takes such answers out. */
export const REWRITE = 8;
const ALL_BUT = 0x80;
/** Each of types and names is counted in seven bits. */
export const MAX_CONDITIONS = 100;

export interface AdblockConditions {
  readonly types: readonly number[];
  readonly allBut: boolean;
  /** Wire form. */
  readonly denyAllow: readonly Uint8Array[];
}

/** Write a rule. The same conditions in another order are the same rule. */
export function adblockPiece(
  flags: number,
  { types, allBut, denyAllow }: AdblockConditions,
  rewrite: Uint8Array = new Uint8Array(0),
): Uint8Array {
  const sorted = [...new Set(types)].sort((one, other) => one - other);
  const names = denyAllow.map((name) => Buffer.from(name)).sort(Buffer.compare);
  return Uint8Array.from([
    flags,
    sorted.length | (allBut ? ALL_BUT : 0),
    ...sorted.flatMap((type) => [type >> 8, type & 255]),
    names.length,
    ...names.flatMap((name) => [...name]),
    ...rewrite,
  ]);
}

/** Where the rewrite of the piece `data[from…)` begins. */
export function rewriteAt(data: Uint8Array, from: number): number {
  let at = from + 2 + 2 * (data[from + 1]! & (ALL_BUT - 1));
  for (let names = data[at++]!; names > 0; names--) {
    while (data[at] !== 0) at += data[at]! + 1;
    at++;
  }
  return at;
}

/** A rule that stops nobody: an exception, or one that takes another out. The guard has nothing to say about it. */
export function letsPass(action: number, data: Uint8Array | undefined): boolean {
  return action === ACTION_PASSTHRU || (action === ACTION_ADBLOCK && (data![0]! & (EXCEPTION | BAD)) !== 0);
}

export function isAdblockAction(action: number): boolean {
  return action === ACTION_LISTED || action === ACTION_PASSTHRU || action === ACTION_ADBLOCK;
}

/** The piece `data[from…)` holds for a question of `type` for `name`. */
export function holdsFor(
  data: Uint8Array,
  from: number,
  type: number,
  name: Uint8Array,
  labelStarts: Uint8Array,
  labelCount: number,
): boolean {
  const allBut = (data[from + 1]! & ALL_BUT) !== 0;
  let at = from + 2;
  let count = data[from + 1]! & (ALL_BUT - 1);
  if (count > 0) {
    let found = false;
    for (; count > 0; count--, at += 2) if (((data[at]! << 8) | data[at + 1]!) === type) found = true;
    if (found === allBut) return false;
  }
  for (let names = data[at++]!; names > 0; names--) {
    if (isAtOrBelow(name, labelStarts, labelCount, data, at)) return false;
    while (data[at] !== 0) at += data[at]! + 1;
    at++;
  }
  return true;
}

function isAtOrBelow(
  name: Uint8Array,
  labelStarts: Uint8Array,
  labelCount: number,
  data: Uint8Array,
  from: number,
): boolean {
  let labels = 0;
  for (let at = from; data[at] !== 0; at += data[at]! + 1) labels++;
  if (labels === 0 || labels > labelCount) return false;
  for (let i = labelStarts[labelCount - labels]!, at = from; ; i++, at++) {
    if (name[i] !== data[at]) return false;
    if (name[i] === 0 && data[at] === 0) return true;
  }
}
