/** Compares indexes, for the checks before an update of a list is taken. */
import { type PolicyIndexMemory, PolicyIndexView, SLOT_WORDS } from './memory.ts';

/**
 * How many of the names that `list` holds in `one` it also holds in `other`. Throws RangeError where the two were made
 * with different keys. Both lie in the order of their hashes, so that this runs through both from front to end.
 */
export function sharedNames(one: PolicyIndexMemory, other: PolicyIndexMemory, list: number): number {
  if (one.key.some((word, i) => word !== other.key[i])) throw new RangeError('the indexes have different keys');
  const mine = new PolicyIndexView(one.size, one.buffer);
  const theirs = new PolicyIndexView(other.size, other.buffer);
  const bit = 1 << list;
  let shared = 0;
  for (let at = 0; at < one.size.names * SLOT_WORDS; at += SLOT_WORDS) {
    if (!holds(mine, mine.slots[at + 3]!, bit)) continue;
    const set = theirs.find(mine.slots[at]!, mine.slots[at + 1]!, mine.slots[at + 2]!);
    if (set >= 0 && holds(theirs, set, bit)) shared++;
  }
  return shared;
}

function holds(view: PolicyIndexView, set: number, bit: number): boolean {
  return ((view.sets[set + 1]! | view.sets[set + 2]!) & bit) !== 0;
}
