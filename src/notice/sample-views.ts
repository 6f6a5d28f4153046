/** Made-up content of every page: what the validator of templates looks at, and what `sekisho notice preview` shows. */
import { CONSENT_PURPOSES } from '../grounds/categories.ts';
import type { ConsentState } from '../subscribers/consent/consent.ts';
import { PURPOSES } from '../subscribers/consent/purposes.ts';
import { MESSAGES, type Page, type PortalPurpose, type PortalView, type Views } from './pages.ts';

export interface Sample<Of extends Page = Page> {
  /** As `preview` calls it. */
  readonly name: string;
  readonly page: Of;
  readonly view: Views[Of];
}

/** RFC 2606: names that nobody has. */
export const SAMPLE_NAME = 'c2.botnet.example';
/** Stands in every form of a sample. */
export const SAMPLE_TICKET = 'ticket';

/** Of no case. */
export const SAMPLE_CODE = '2345-6789-ABCD';

export function samples(): Sample[] {
  const states: ConsentState[] = ['contract', 'individual', 'opted-out', 'unknown'];
  return [
    { name: 'blocked-c2', page: 'blocked', view: { name: SAMPLE_NAME, c2: true, malware: false } },
    { name: 'blocked-malware', page: 'blocked', view: { name: 'www.spreader.example', c2: false, malware: true } },
    { name: 'not-listed', page: 'elsewhere', view: { name: SAMPLE_NAME, notListed: true, notInspected: false } },
    { name: 'not-inspected', page: 'elsewhere', view: { name: SAMPLE_NAME, notListed: false, notInspected: true } },
    ...states.map((state): Sample => ({ name: `portal-${state}`, page: 'portal', view: samplePortal(state) })),
    { name: 'check', page: 'check', view: { code: '', unknown: false, genuine: false } },
    { name: 'check-unknown', page: 'check', view: { code: SAMPLE_CODE, unknown: true, genuine: false } },
    { name: 'check-open', page: 'check', view: sampleCheck({ open: true }) },
    { name: 'check-fixed', page: 'check', view: sampleCheck({ fixed: true }) },
    { name: 'check-wrong', page: 'check', view: sampleCheck({ wrong: true }) },
    ...MESSAGES.map(
      (message): Sample => ({
        name: `message-${message}`,
        page: 'message',
        view: {
          [message]: true,
          linkOffered: message === 'group' || message === 'shared',
          ...(message === 'failed' && { withdrawals: withdrawals(SAMPLE_TICKET) }),
        },
      }),
    ),
  ];
}

/** How one purpose stands, as the portal shows it. `hasTerms`: there are terms that can be agreed to. */
export function portalPurpose(purpose: string, state: ConsentState, hasTerms: boolean, form: string): PortalPurpose {
  const on = state === 'contract' || state === 'individual';
  return {
    ...aboutPurpose(purpose),
    purpose,
    on,
    contract: state === 'contract',
    individual: state === 'individual',
    optedOut: state === 'opted-out',
    unknown: state === 'unknown',
    // Withdrawing needs no terms, and not even a consent: who says no beforehand is heard.
    canOptOut: state !== 'opted-out',
    canOptIn: !on && hasTerms,
    noTerms: !on && !hasTerms,
    form,
  };
}

/** Every purpose, to be withdrawn by whoever cannot be shown how it stands. */
export function withdrawals(form: string): NonNullable<Views['message']['withdrawals']> {
  return PURPOSES.map((purpose) => ({ ...aboutPurpose(purpose), purpose, form }));
}

export function aboutPurpose(purpose: string): { c2: boolean; malware: boolean } {
  return { c2: purpose === CONSENT_PURPOSES.c2, malware: purpose === CONSENT_PURPOSES.malware };
}

function sampleCheck(how: { open?: true; fixed?: true; wrong?: true }): Views['check'] {
  const seen = { code: SAMPLE_CODE, kind: 'mirai', first: '2026-11-03 21:14', last: '2026-11-24 07:52' };
  return { code: SAMPLE_CODE, unknown: false, genuine: { ...seen, open: false, fixed: false, wrong: false, ...how } };
}

function samplePortal(state: ConsentState): PortalView {
  const at = { first: '2026-11-03 21:14', last: '2026-11-24 07:52' };
  const entry = { optOut: false, optIn: false, looked: false, exported: false, c2: false, malware: false };
  const by = { portal: false, callCentre: false, other: false, terms: '2026-04' };
  return {
    subscriber: '4711',
    byLine: state !== 'individual',
    byLink: state === 'individual',
    done: state === 'opted-out' && { optedOut: true, optedIn: false },
    purposes: PURPOSES.map((purpose) => portalPurpose(purpose, state, true, SAMPLE_TICKET)),
    hasNotices: true,
    notices: [{ c2: true, malware: false, list: 'c2-feed', ...at, count: 12 }],
    namesKept: state === 'individual',
    hasHistory: true,
    history: [
      { ...entry, ...by, at: at.last, optOut: true, c2: true, portal: true },
      { ...entry, ...by, at: at.first, looked: true, callCentre: true },
    ],
  };
}
