/** What the portal shows of a subscriber's record: never a name that was looked up, even where such are kept on a ground. */
import { CONSENT_PURPOSES, type ListCategory } from '../grounds/categories.ts';
import type { SubscriberRecord } from '../subscribers/consent/consent-desk.ts';
import type { Language } from './languages.ts';
import type { PortalView } from './pages.ts';
import { aboutPurpose, portalPurpose } from './sample-views.ts';

/** The latest entries; all of them are in `sekisho consent export`. */
const SHOWN_ENTRIES = 20;
const SHOWN_NOTICES = 50;
/** Who speaks for the operator on the telephone. */
const TELEPHONE = ['call-centre', 'command-line'];

/** `form`: the ticket of its forms. `done`: what the subscriber has just done. */
export function portalView(
  { consent, history, notices, names }: SubscriberRecord,
  by: 'line' | 'link',
  form: string,
  done: string | undefined,
  language: Language,
): PortalView {
  const at = timeWriter(language);
  return {
    subscriber: consent.subscriber,
    byLine: by === 'line',
    byLink: by === 'link',
    done: done !== undefined && { optedOut: done === 'opt-out', optedIn: done === 'opt-in' },
    purposes: consent.purposes.map(({ purpose, state }) =>
      portalPurpose(purpose, state, consent.terms !== undefined, form),
    ),
    hasNotices: notices.length > 0,
    notices: notices.slice(0, SHOWN_NOTICES).map(({ category, list, firstMs, lastMs, count }) => ({
      ...aboutPurpose(CONSENT_PURPOSES[category as ListCategory] ?? ''),
      list,
      first: at(firstMs),
      last: at(lastMs),
      count,
    })),
    namesKept: names.length > 0,
    hasHistory: history.length > 0,
    history: history
      .slice(-SHOWN_ENTRIES)
      .reverse()
      .map(({ atMs, action, purpose, channel, terms }) => ({
        ...aboutPurpose(purpose),
        at: at(atMs),
        optOut: action === 'opt-out',
        optIn: action === 'opt-in',
        looked: action === 'shown',
        exported: action === 'exported',
        portal: channel === 'portal',
        callCentre: TELEPHONE.includes(channel),
        other: channel !== 'portal' && !TELEPHONE.includes(channel),
        // Under which terms somebody looked means nothing to them.
        terms: (action === 'opt-out' || action === 'opt-in') && terms !== '' && terms,
      })),
  };
}

/** In the time zone of the server (TZ), named. */
export function timeWriter(language: Language): (ms: number) => string {
  const format = new Intl.DateTimeFormat(language === 'ja' ? 'ja-JP' : 'en-GB', {
    year: 'numeric',
    month: language === 'ja' ? 'numeric' : 'short',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    timeZoneName: 'short',
  });
  return (ms) => format.format(ms);
}
