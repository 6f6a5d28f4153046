/**
 * The lists of category `policy` as the hooks need them: which are in force now, which of them only count, what their
 * override makes of a rule's action, and where their hits are counted.
 */
import {
  ACTION_DROP,
  ACTION_LISTED,
  ACTION_LOCAL_DATA,
  ACTION_NODATA,
  ACTION_NXDOMAIN,
  ACTION_PASSTHRU,
  ACTION_REFUSED,
  ACTION_SERVFAIL,
  ACTION_TCP_ONLY,
  type Clock,
  type DataContext,
  expiryMs,
  type ListFacts,
  type PolicyOverride,
} from '../../src/contract/plugin.ts';

/** Triggers in the order in which they count inside one zone (draft-vixie-dnsop-dns-rpz-04 §5.4). */
export const CLIENT_IP = 0;
export const QNAME = 1;
export const IP = 2;
export const NSDNAME = 3;
export const NSIP = 4;
export const TRIGGERS = ['client-ip', 'qname', 'ip', 'nsdname', 'nsip'] as const;

/** Local data, or an override, that is a CNAME: the client is sent to another name. Beyond the ACTION_… of rules.ts. */
export const ACTION_CNAME = 9;
/** No action: the list leaves the name alone. */
export const ACTION_NONE = 0;
const ACTION_LABELS = new Map([
  [ACTION_NXDOMAIN, 'nxdomain'],
  [ACTION_NODATA, 'nodata'],
  [ACTION_PASSTHRU, 'passthru'],
  [ACTION_DROP, 'drop'],
  [ACTION_TCP_ONLY, 'tcp-only'],
  [ACTION_LOCAL_DATA, 'local-data'],
  [ACTION_CNAME, 'cname'],
  [ACTION_REFUSED, 'refused'],
  [ACTION_SERVFAIL, 'servfail'],
]);
const OVERRIDES: Readonly<Record<PolicyOverride['action'], number>> = {
  given: ACTION_NONE,
  disabled: ACTION_NONE,
  passthru: ACTION_PASSTHRU,
  drop: ACTION_DROP,
  nxdomain: ACTION_NXDOMAIN,
  nodata: ACTION_NODATA,
  'tcp-only': ACTION_TCP_ONLY,
  cname: ACTION_CNAME,
};

export function actionLabel(action: number): string {
  return ACTION_LABELS.get(action) ?? 'none';
}

export interface Policy {
  readonly facts: ListFacts;
  /** Place in the configuration: its bit in every mask, and its place in the order of zones (§5.2). */
  readonly list: number;
  /** Only counts: a dry run, or DISABLED (§6.1). */
  readonly counts: boolean;
  /** Action that replaces those of the rules; ACTION_NONE where they stand as given. */
  readonly override: number;
  /** Where the override is a CNAME, its target. */
  readonly target: Uint8Array | undefined;
  /** Wall-clock milliseconds at which its ground expires; Infinity = never. */
  readonly endsAtMs: number;
  /** It has: nothing brings it back. */
  ended: boolean;
  /** Counter of each trigger and action, `hits[trigger * HIT_ACTIONS + action]`; -1 where it cannot occur. */
  readonly hits: Int32Array;
}

const HIT_ACTIONS = ACTION_SERVFAIL + 1;
/** The clock may jump: so often at least ends are compared with it. */
const LOOK_MS = 1_000;

export class Policies {
  /** In the order of the configuration; undefined for lists of another category, which are never looked into here. */
  readonly byList: readonly (Policy | undefined)[];
  /** Lists in force for the query in hand (`narrow`). */
  inForce = 0;
  /** Those of them that act rather than count. */
  acting = 0;
  /** When to look again, monotonic milliseconds: `look` is to be called from then on. */
  nextLookMs = Number.NEGATIVE_INFINITY;
  readonly #clock: Clock;
  /** The same without a look at the query's view. */
  #allInForce = 0;
  #allActing = 0;

  constructor(facts: readonly ListFacts[], clock: Clock, counter: DataContext<unknown>['counter']) {
    this.byList = facts.map((list, i) => (list.category === 'policy' ? policy(list, i, counter) : undefined));
    this.#clock = clock;
    this.look();
  }

  /** Only lists of this mask count from here on: those that apply in the query's view. */
  narrow(lists: number): void {
    this.inForce = this.#allInForce & lists;
    this.acting = this.#allActing & lists;
  }

  /** Find out which lists are in force; `narrow` follows. While the time is in doubt nothing that has an end acts. */
  look(): void {
    this.#allInForce = 0;
    this.#allActing = 0;
    const termMs = this.#clock.termMs();
    const known = termMs < Number.POSITIVE_INFINITY;
    let nextMs = LOOK_MS;
    for (const policy of this.byList) {
      if (policy === undefined || policy.ended) continue;
      if (termMs >= policy.endsAtMs && policy.endsAtMs < Number.POSITIVE_INFINITY) {
        policy.ended = known;
        continue;
      }
      this.#allInForce |= 1 << policy.list;
      if (!policy.counts) this.#allActing |= 1 << policy.list;
      nextMs = Math.min(nextMs, policy.endsAtMs - termMs);
    }
    this.nextLookMs = this.#clock.nowMs() + nextMs;
  }

  /** Index of the counter of a trigger and action of the list. */
  hit(policy: Policy, trigger: number, action: number): number {
    return policy.hits[trigger * HIT_ACTIONS + action]!;
  }

  /**
   * What the list does where its rule says `action`. `zone`: it is a policy zone. ACTION_LISTED says nothing by itself,
   * and an exception in a list that is no policy zone decides nothing about the lists behind it.
   */
  effective(policy: Policy, action: number, zone: boolean): number {
    if (action === ACTION_PASSTHRU && !zone) return ACTION_NONE;
    // Of adblock rules, $dnsrewrite comes before all others: the override is what the rest get, unless the list is to do nothing at all.
    if (!zone && action !== ACTION_LISTED && policy.override !== ACTION_PASSTHRU) return action;
    if (policy.override !== ACTION_NONE) return policy.override;
    return action === ACTION_LISTED ? ACTION_NONE : action;
  }
}

function policy(facts: ListFacts, list: number, counter: DataContext<unknown>['counter']): Policy {
  const override = OVERRIDES[facts.override.action];
  const counts = facts.dryRun || facts.override.action === 'disabled';
  const hits = new Int32Array(TRIGGERS.length * HIT_ACTIONS).fill(-1);
  for (const [trigger, name] of TRIGGERS.entries()) {
    for (const action of possibleActions(override, trigger)) {
      hits[trigger * HIT_ACTIONS + action] = counter('hits', 'Queries on which a rule of a policy list decided.', {
        list: facts.name,
        trigger: name,
        action: actionLabel(action),
        dry_run: String(counts),
      });
    }
  }
  const wallMs = facts.ground && expiryMs(facts.ground);
  return {
    facts,
    list,
    counts,
    override,
    target: facts.override.action === 'cname' ? facts.override.name : undefined,
    endsAtMs: wallMs ?? Number.POSITIVE_INFINITY,
    ended: false,
    hits,
  };
}

/** A redirection of the walled garden into itself is none (matcher.ts); adblock rules on names may answer by themselves. */
function possibleActions(override: number, trigger: number): Iterable<number> {
  if (override === ACTION_NONE || trigger === QNAME) return ACTION_LABELS.keys();
  return override === ACTION_CNAME ? [ACTION_CNAME, ACTION_PASSTHRU] : [override];
}
