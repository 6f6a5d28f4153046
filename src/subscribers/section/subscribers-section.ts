/**
 * `subscribers` in the configuration: who is behind an address, and what the contract covers. The schema says what each key
 * may hold; what keys have to do with each other is checked below it.
 */
import { resolve } from 'node:path';
import { z } from 'zod';
import { AddressError, type Endpoint, endpointText, parseEndpoint, parsePrefix } from '../../address/address.ts';
import type { Finding } from '../../settings/finding.ts';
import { durationMs } from '../../settings/units.ts';
import { PURPOSES } from '../consent/purposes.ts';
import type { SubscribersConfig } from '../subscribers-config.ts';
import { isGroup, isSubscriberNumber } from '../table/directory.ts';

/** Bits of a prefix: one subscriber's, so never everybody's. */
const shortest = (width: number, usual: number) => z.int().min(8).max(width).default(usual);

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
  'shortest-ipv6': shortest(128, 48).describe(
    'Shortest IPv6 prefix that is taken; a shorter one is refused and counted. IPv4 comes as single addresses.',
  ),
});

export const provisioningSchema = z.strictObject({
  prefixes: z
    .array(z.string())
    .min(1)
    .max(1000)
    .optional()
    .describe('Networks in which leases may be written over the API; without this key those of `server.access`.'),
  'shortest-ipv4': shortest(32, 32).describe('Shortest IPv4 prefix that is taken.'),
  'shortest-ipv6': shortest(128, 48).describe('Shortest IPv6 prefix that is taken.'),
  portal: z
    .boolean()
    .default(false)
    .describe(
      'The portal recognises subscribers by such leases too. Whoever holds a token of the role provisioning can then see and change the consent of any subscriber from an address in these networks.',
    ),
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
  provisioning: provisioningSchema
    .prefault({})
    .describe('Leases over the API (`POST /v1/leases`), written by the role provisioning.'),
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
  section.provisioning.prefixes?.forEach((text, i) => {
    const prefix = attempt(() => parsePrefix(text));
    if (typeof prefix === 'string') complain(['provisioning', 'prefixes', i], prefix);
    else if (prefix.bits === 0 || prefix.bits === 96)
      complain(['provisioning', 'prefixes', i], 'is every address there is: name the networks that are handed out');
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
  const { radius, provisioning } = section;
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
        shortestIpv6: radius['shortest-ipv6'],
      },
    }),
    provisioning: {
      ...(provisioning.prefixes !== undefined && { prefixes: provisioning.prefixes }),
      shortestIpv4: provisioning['shortest-ipv4'],
      shortestIpv6: provisioning['shortest-ipv6'],
      portal: provisioning.portal,
    },
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
