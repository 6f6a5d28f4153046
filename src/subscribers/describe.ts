/** Who a client is and what that means, in words: for `sekisho explain`, in the main thread. */
import type { Query } from '../wire/query.ts';
import type { ConsentState } from './consent/consent.ts';
import { PURPOSES, type Purpose } from './consent/purposes.ts';
import type { Register } from './consent/register.ts';
import { NO_SUBSCRIBERS, type SubscribersInForce, UNFILTERED_LISTENER } from './in-force.ts';

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
  register: Register | undefined,
): SubscriberFacts {
  const holder = subscribers.holderOf(query);
  const number = register?.directory.numberOf(holder);
  if (register === undefined || number === undefined) {
    return { who: whyNobody(subscribers.reason), consents: undefined, terms: register?.terms.version };
  }
  const consents = Object.fromEntries(PURPOSES.map((purpose) => [purpose, register.stateOf(number, purpose)]));
  return {
    who: number.startsWith('@') ? `contract group ${number}` : `subscriber ${number}`,
    consents: consents as Record<Purpose, ConsentState>,
    terms: register.terms.version,
  };
}

function whyNobody(reason: number): string {
  if (reason === NO_SUBSCRIBERS) return 'nobody is known: the configuration has no subscribers';
  if (reason === UNFILTERED_LISTENER) return 'the listening address is in subscribers.unfiltered';
  return 'no range and no lease says whose address this is';
}
