/** What the operator says about blocking: which answer, and whom the subscriber turns to. */
import { durationMs, ground, type Problem, type ServerFacts, z } from '../../src/contract/plugin.ts';

export const options = z.strictObject({
  action: z
    .enum(['nxdomain', 'nodata', 'notice'])
    .default('nxdomain')
    .describe(
      'Answer to look-ups of names on confirmed c2 lists: the name does not exist, exists without data, or leads to the notice page (`notice.ipv4`, `notice.ipv6`).',
    ),
  ttl: z
    .int()
    .min(1)
    .max(300)
    .default(30)
    .describe(
      'TTL of the answers in seconds; short, so that an opt-out also acts soon in the subscriber’s own caches.',
    ),
  organization: z
    .string()
    .min(1)
    .max(60)
    .optional()
    .describe('Name of the operator, told with the block. Unless given: `notice.operator.name`.'),
  contact: z
    .string()
    .max(100)
    .optional()
    .describe(
      'Where a subscriber can complain, as a URI: `mailto:…`, `tel:…`, `sips:…` or `https://…`. Unless given: `notice.operator.contact`.',
    ),
  'opt-out': z
    .string()
    .max(100)
    .optional()
    .describe('Where a subscriber opts out: an `https://…` address. Unless given: `notice.portal.url`.'),
  keep: durationMs({ min: '1h', max: '366d' })
    .prefault('30d')
    .describe('How long a notice is kept after it was last added to.'),
  'record-names': z
    .strictObject({
      ground: ground.describe('On which ground names are kept, stated in full.'),
      keep: durationMs({ min: '1h', max: '30d' })
        .prefault('7d')
        .describe('How long a name is kept after it was last looked up.'),
    })
    .optional()
    .describe(
      'Keep the listed names that a subscriber looked up, beside the notice. Only with a ground: without this no name is kept.',
    ),
});
export type Options = z.output<typeof options>;

/** What is told with a block and where it leads: the plugin's own options, and for those not given the server's. */
export interface Told {
  readonly action: Options['action'];
  readonly ttl: number;
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
  readonly organization: string | undefined;
  readonly contact: string | undefined;
  readonly optOut: string | undefined;
}

export function toldWith(given: Options, { notice }: Pick<ServerFacts, 'notice'>): Told {
  return {
    action: given.action,
    ttl: given.ttl,
    ipv4: notice.ipv4,
    ipv6: notice.ipv6,
    organization: given.organization ?? notice.operator,
    contact: given.contact ?? notice.contact,
    optOut: given['opt-out'] ?? notice.portal,
  };
}

export function checkOptions(given: Options, { notice }: Pick<ServerFacts, 'notice'>): Problem[] {
  const problems: Problem[] = [];
  const complain = (path: keyof Options, message: string) => problems.push({ path: [path], message });
  if (given.action === 'notice' && notice.ipv4 === undefined && notice.ipv6 === undefined)
    complain('action', 'notice needs an address to lead to: notice.ipv4 or notice.ipv6');
  if (given.contact !== undefined && !/^(mailto:|tel:|sips:|https:\/\/)[\x21-\x7e]+$/.test(given.contact))
    complain('contact', 'write a URI: mailto:…, tel:…, sips:… or https://…');
  if (given['opt-out'] !== undefined && !/^https:\/\/[\x21-\x7e]+$/.test(given['opt-out']))
    complain('opt-out', 'write an address: https://…');
  return problems;
}
