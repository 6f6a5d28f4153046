/**
 * What a list can say about a name, as plain numbers.
 *
 * A *rule* belongs to one list and says on which names it acts (EXACT, SUBTREE or both) and what is to be done
 * (ACTION_…), with data where the action is LOCAL_DATA. All rules that all lists have on one name make a *rule set*.
 */

/** Lists that one index holds; list `i` is bit `i` of every mask, in the order of the configuration. */
export const MAX_LISTS = 32;

/** The name itself. */
export const EXACT = 1;
/** Every name strictly below it, at any depth, as RPZ's `*.name`. */
export const SUBTREE = 2;
/** The name and all below it, as adblock's `||name^`. */
export const EXACT_AND_SUBTREE = EXACT | SUBTREE;

/** The name stands on a plain reputation list; what follows from it is the plugin's matter. */
export const ACTION_LISTED = 1;
/** RPZ `CNAME .` */
export const ACTION_NXDOMAIN = 2;
/** RPZ `CNAME *.` */
export const ACTION_NODATA = 3;
/** RPZ `CNAME rpz-passthru.` */
export const ACTION_PASSTHRU = 4;
/** RPZ `CNAME rpz-drop.` */
export const ACTION_DROP = 5;
/** RPZ `CNAME rpz-tcp-only.` */
export const ACTION_TCP_ONLY = 6;
/** RPZ local data: records to answer with, any other CNAME included. One piece of data for each record. */
export const ACTION_LOCAL_DATA = 7;
/** An adblock rule with modifiers; always with one piece of data (adblock-rules.ts). */
export const ACTION_ADBLOCK = 8;
/** `$dnsrewrite` of adblock rules, where it is such a response code; 9 is the rpz plugin's own. */
export const ACTION_REFUSED = 10;
export const ACTION_SERVFAIL = 11;
/** Names of the actions, for explain and statistics. */
export const ACTIONS = [
  'none',
  'listed',
  'nxdomain',
  'nodata',
  'passthru',
  'drop',
  'tcp-only',
  'local-data',
  'adblock',
  'cname',
  'refused',
  'servfail',
] as const;

/**
 * A piece of local data is one record without owner and class: type (2 bytes), TTL (4 bytes), then the rdata, all
 * big-endian and uncompressed. The index does not look into it.
 */
export const DATA_TYPE_AT = 0;
export const DATA_TTL_AT = 2;
export const DATA_RDATA_AT = 6;
/** Longest piece: the fields above and 65 535 bytes of rdata. */
export const MAX_DATA_BYTES = DATA_RDATA_AT + 65535;
/** Records that one list may hold for one name and kind; the rest is left out and counted. */
export const MAX_RECORDS = 64;

/** No data belongs to the rule. */
export const NO_DATA = -1;

const KIND_SHIFT = 5;
const ACTION_SHIFT = 8;
/** List and kind of a rule word: rules equal in these are about the same list and the same names. */
export const RULE_PLACE = (1 << (KIND_SHIFT + 2)) - 1;

/** A rule of one kind (EXACT or SUBTREE, not both) as one word; its data reference is the next word. */
export function ruleWord(list: number, kind: number, action: number): number {
  return list | (kind << KIND_SHIFT) | (action << ACTION_SHIFT);
}

export function ruleList(word: number): number {
  return word & (MAX_LISTS - 1);
}

export function ruleKind(word: number): number {
  return (word >>> KIND_SHIFT) & 3;
}

export function ruleAction(word: number): number {
  return word >>> ACTION_SHIFT;
}
