/**
 * `subscribers` in the configuration: who is behind an address, and what the contract covers. The schema says what each key
 * may hold; what keys have to do with each other is checked below it.
 */
import { resolve } from 'node:path';
import { z } from 'zod';
import { AddressError, type Endpoint, endpointText, parseEndpoint, parsePrefix } from '../../address/address.ts';
import type { Finding } from '../../config/cross-checks.ts';
import { durationMs } from '../../settings/units.ts';
import { PURPOSES } from '../consent/purposes.ts';
import type { SubscribersConfig } from '../subscribers-config.ts';
import { isGroup, isSubscriberNumber } from '../table/directory.ts';

const purposes = () => z.array(z.enum(PURPOSES)).max(PURPOSES.length);

export const radiusSchema = z.strictObject({
  listen: z
    .string()
    .default('127.0.0.1:1813')
    .describe('Address and port (UDP) that take RADIUS accounting (RFC 2866).'),
  'secret-file': z
    .string()
    .min(1)
    .describe('File that holds the secret shared with the clients, alone on its first line.'),
  clients: z
    .array(z.string())
    .min(1)
    .max(1000)
    .default(['127.0.0.0/8'])
    .describe('Networks of the RADIUS clients (NAS, BNG) that are listened to.'),
  subscriber: z
    .enum(['user-name', 'calling-station-id', 'chargeable-user-identity', 'class'])
    .default('user-name')
    .describe('Attribute that holds the subscriber number.'),
});

export const subscribersSchema = z.strictObject({
  ranges: z
    .string()
    .min(1)
    .optional()
    .describe('CSV file `address-or-prefix[:ports],subscriber`, watched for changes. The longest prefix counts.'),
  'unreadable-rows': z
    .enum(['refuse', 'hide'])
    .default('refuse')
    .describe(
      'What to do about rows of `ranges` that cannot be read although an address in them can: `refuse` the file, at check, start and reload, or `hide` these addresses, so that nobody is known behind them.',
    ),
  terms: z
    .string()
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/,
      'a version of the terms is named with up to 32 letters, digits, dots, dashes and underscores',
    )
    .optional()
    .describe(
      'Version of the contract terms in force, such as `2026-04`. Without it nobody consents by contract, and no consent can be given.',
    ),
  covers: purposes()
    .default(['c2'])
    .describe(
      'Purposes that these terms cover by blanket consent (契約約款等による包括同意), with opt-out at any time.',
    ),
  groups: z
    .array(
      z.strictObject({
        name: z.string().describe('`@` and the name that `ranges` gives the group, e.g. `@wholesale`.'),
        covers: purposes().describe(
          'Purposes that the contract of everybody in the group covers; none = not inspected.',
        ),
      }),
    )
    .max(1000)
    .default([])
    .describe('Contract groups: ranges that stand for many subscribers alike, without a consent of each.'),
  unfiltered: z
    .array(z.string())
    .max(64)
    .default([])
    .describe(
      'Addresses of `server.listen` whose queries are never inspected, for subscribers that were given another resolver.',
    ),
  lease: durationMs({ min: '1m', max: '7d' })
    .prefault('2h')
    .describe('A lease ends so long after the last message about it: several times the interval of Interim-Updates.'),
  'lease-after-restart': durationMs({ min: '0s', max: '7d' })
    .prefault('15m')
    .describe(
      'After a restart a lease from before is believed so long, counted from the last that was heard before it; then a message has to confirm it. 0: not at all.',
    ),
  radius: radiusSchema.optional().describe('RADIUS accounting: leases of addresses to subscribers.'),
});

type Section = z.output<typeof subscribersSchema>;

/** What is wrong beyond what the schema says. `listen`: server.listen; undefined where that is wrong itself. */
export function subscriberFindings(section: Section, listen: readonly Endpoint[] | undefined): Finding[] {
  const findings: Finding[] = [];
  const complain = (path: Finding['path'], message: string) =>
    findings.push({ path: ['subscribers', ...path], message });
  section.groups.forEach(({ name }, i) => {
    if (!isGroup(name) || !isSubscriberNumber(name))
      complain(
        ['groups', i, 'name'],
        `'${name.slice(0, 64)}' is no name of a group: @ and letters, digits, . _ - follow`,
      );
    if (section.groups.findIndex((other) => other.name === name) < i)
      complain(['groups', i, 'name'], 'an earlier group has this name already');
  });
  section.unfiltered.forEach((text, i) => {
    const endpoint = attempt(() => parseEndpoint(text, { defaultPort: 53 }));
    if (typeof endpoint === 'string') complain(['unfiltered', i], endpoint);
    else if (listen && !listen.some((each) => endpointText(each) === endpointText(endpoint)))
      complain(['unfiltered', i], `${endpointText(endpoint)} is none of server.listen`);
  });
  if (section.radius) {
    const endpoint = attempt(() => parseEndpoint(section.radius?.listen ?? '', { defaultPort: 1813 }));
    if (typeof endpoint === 'string') complain(['radius', 'listen'], endpoint);
    section.radius.clients.forEach((text, i) => {
      const prefix = attempt(() => parsePrefix(text));
      if (typeof prefix === 'string') complain(['radius', 'clients', i], prefix);
    });
  }
  return findings;
}

/** Only for a section without findings. */
export function subscribersConfig(
  section: Section,
  listen: readonly Endpoint[],
  baseFolder: string,
): SubscribersConfig {
  const unfiltered = section.unfiltered.map((text) => endpointText(parseEndpoint(text, { defaultPort: 53 })));
  const { radius } = section;
  return {
    ...(section.ranges !== undefined && { rangesFile: resolve(baseFolder, section.ranges) }),
    unreadableRows: section['unreadable-rows'],
    terms: { version: section.terms, covers: section.covers },
    groups: section.groups,
    unfiltered: listen.map((endpoint) => unfiltered.includes(endpointText(endpoint))),
    leaseMs: section.lease,
    leaseAfterRestartMs: section['lease-after-restart'],
    ...(radius && {
      radius: {
        listen: parseEndpoint(radius.listen, { defaultPort: 1813 }),
        secretFile: resolve(baseFolder, radius['secret-file']),
        clients: radius.clients,
        subscriber: radius.subscriber,
      },
    }),
  };
}

function attempt<T>(read: () => T): T | string {
  try {
    return read();
  } catch (error) {
    if (error instanceof AddressError) return error.message;
    throw error;
  }
}
