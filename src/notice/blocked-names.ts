/**
 * Why a visitor came to the notice page: the name of the Host header in the lists, in the main thread, and only for somebody
 * whose consent allows the look-up. What c2-block does for queries holds here too: whoever has withdrawn, or is not known, is
 * not inspected, and gets a page that says nothing about the name.
 */
import type { ListCategory } from '../grounds/categories.ts';
import type { ListsInForce } from '../lists/in-force.ts';
import { ACTION_PASSTHRU } from '../lists/index/rules.ts';
import { categoryBit } from '../subscribers/consent/purposes.ts';
import type { SubscribersInForce } from '../subscribers/in-force.ts';
import { NameError, textToName } from '../wire/name.ts';
import { holderOf, type Visitor } from './recognition.ts';

/** Categories that lead to the page. */
export type NoticeCategory = Exclude<ListCategory, 'policy'>;
export const NOTICE_CATEGORIES: readonly NoticeCategory[] = ['c2', 'malware'];

export type NameVerdict = NoticeCategory | 'not-listed' | 'not-inspected';

export class BlockedNames {
  readonly lists: ListsInForce;
  readonly subscribers: SubscribersInForce;
  /** Look-ups in the lists, for whoever wants to see that there was none. */
  lookups = 0;

  /** Both as a packet thread holds them. */
  constructor(lists: ListsInForce, subscribers: SubscribersInForce) {
    this.lists = lists;
    this.subscribers = subscribers;
  }

  /** `host`: a name in lower case. */
  verdict(host: string, visitor: Visitor | undefined, nowMs: number): NameVerdict {
    const holder = visitor === undefined ? -1 : holderOf(visitor, this.subscribers, nowMs);
    const purposes = holder < 0 ? 0 : this.subscribers.purposesOf(holder);
    // A list that is only suspected, or a dry run, leads nobody here.
    const wanted = this.lists.mask(
      ({ category, tier, dryRun }) => tier === 'confirmed' && !dryRun && (categoryBit(category) & purposes) !== 0,
    );
    if (wanted === 0) return 'not-inspected';
    const name = wireName(host);
    const names = this.lists.current?.names;
    if (!name || !names) return 'not-listed';
    this.lookups++;
    const found = names.lookupName(name.bytes, name.labelStarts, name.labelCount, wanted);
    for (const [list, { category }] of this.lists.facts.entries()) {
      if ((found & (1 << list)) === 0 || category === 'policy') continue;
      if (names.matchOf(list) && names.action === ACTION_PASSTHRU) continue;
      return category;
    }
    return 'not-listed';
  }
}

function wireName(
  text: string,
): { readonly bytes: Uint8Array; readonly labelStarts: Uint8Array; readonly labelCount: number } | undefined {
  let bytes: Uint8Array;
  try {
    bytes = textToName(text);
  } catch (error) {
    if (error instanceof NameError) return undefined;
    throw error;
  }
  const labelStarts = new Uint8Array(128);
  let labelCount = 0;
  for (let at = 0; bytes[at] !== 0 && at < bytes.length; at += bytes[at]! + 1) labelStarts[labelCount++] = at;
  return { bytes, labelStarts, labelCount };
}
