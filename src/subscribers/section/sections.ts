/** `subscribers` as the feature declares it. */
import type { Sections } from '../../feature/sections.ts';
import { loadSubscribers } from './load-subscribers.ts';
import { subscribersSchema } from './subscribers-section.ts';

export const SUBSCRIBER_SECTIONS: Sections = {
  schemas: {
    subscribers: subscribersSchema
      .optional()
      .describe(
        'Who is behind an address, and what was consented to. Without this key nobody is known, and nobody inspected.',
      ),
  },
  load(raw, { found, source, server }) {
    const { problems, dangers, ...values } = loadSubscribers(raw, server?.listen, found, source);
    return { values, problems, dangers };
  },
};
