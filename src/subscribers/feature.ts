/** Who is behind an address and what was consented to, as a feature of the control plane. */
import { declareFeature } from '../feature/feature.ts';
import { NOTICES_DELETED } from './consent/notices-deleted.ts';
import { SUBSCRIBERS_ERRORS } from './errors.ts';
import { type PublishedSubscribers, SubscribersInForce } from './in-force.ts';
import type { LentSubscribers, SubscriberSections } from './open.ts';

export const SUBSCRIBERS = declareFeature<SubscriberSections, LentSubscribers, SubscribersInForce>({
  name: 'subscribers',
  errors: SUBSCRIBERS_ERRORS,
  deletions: [NOTICES_DELETED],
  status: async () => (await import('./status.ts')).SUBSCRIBERS_STATUS,
  sections: async () => (await import('./section/sections.ts')).SUBSCRIBER_SECTIONS,
  commands: { consent: async () => (await import('./cli/consent-command.ts')).consentCommand },
  open: async (context) => (await import('./open.ts')).openSubscribers(context),
  data: () => {
    const subscribers = new SubscribersInForce();
    return { data: subscribers, take: (published) => subscribers.take(published as PublishedSubscribers) };
  },
});
