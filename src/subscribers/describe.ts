/** Who a client is and what that means, in words: for `sekisho explain`, in the main thread. */
import type { Query } from '../wire/query.ts';
import type { ConsentState } from './consent/consent.ts';
import { PURPOSES, type Purpose } from './consent/purposes.ts';
import type { Register } from './consent/register.ts';
import { NO_SUBSCRIBERS, type SubscribersInForce, UNFILTERED_LISTENER } from './in-force.ts';
import type { Leases, WhyNobody } from './leases/leases.ts';

export interface SubscriberFacts {
  /** `subscriber 4711`, `contract group @wholesale`, or why there is none. */
  readonly who: string;
  /** By purpose; undefined where nobody is known. */
  readonly consents: Readonly<Record<Purpose, ConsentState>> | undefined;
  readonly terms: string | undefined;
}

export function describeSubscriber(
  query: Query,
  subscribers: SubscribersInForce,
  state: { readonly register: Register; readonly leases: Leases } | undefined,
): SubscriberFacts {
  const register = state?.register;
  const holder = subscribers.holderOf(query);
  const number = register?.directory.numberOf(holder);
  if (register === undefined || number === undefined) {
    return { who: whyNobody(query, subscribers, state?.leases), consents: undefined, terms: register?.terms.version };
  }
  const consents = Object.fromEntries(PURPOSES.map((purpose) => [purpose, register.stateOf(number, purpose)]));
  return {
    who: `${number.startsWith('@') ? 'contract group' : 'subscriber'} ${number}${subscribers.isFenced ? ', and nobody is inspected: the fence of the fleet has run out (sekisho fleet status)' : ''}`,
    consents: consents as Record<Purpose, ConsentState>,
    terms: register.terms.version,
  };
}

function whyNobody(query: Query, { reason, byLease, matchedBits }: SubscribersInForce, leases?: Leases): string {
  if (reason === NO_SUBSCRIBERS) return 'nobody is known: the configuration has no subscribers';
  if (reason === UNFILTERED_LISTENER) return 'the listening address is in subscribers.unfiltered';
  if (!byLease || !leases) return 'no range and no lease says whose address this is';
  return NOBODY_HOLDS_IT[leases.whyNobody(query, matchedBits)];
}

const NOBODY_HOLDS_IT: Readonly<Record<WhyNobody, string>> = {
  contested:
    'the address is contested: sessions of several subscribers claim it, so nobody holds it until all but one have ended or been silent for subscribers.lease (see what the NAS sends)',
  unconfirmed:
    'the lease of the address is not confirmed: nobody holds it until a message of its session says so again (another one claimed it meanwhile, or the server was restarted)',
  ended: 'the lease of the address has ended, and nobody has reported another one',
};
