/** What the operator says about blocking: which answer, and whom the subscriber turns to. */
import { ground } from '../../src/grounds/ground.ts';
import { AddressError, addressWords, isMapped } from '../../src/net/address.ts';
import { durationMs, type Problem, z } from '../../src/plugin.ts';

export const options = z.strictObject({
  action: z
    .enum(['nxdomain', 'nodata', 'notice'])
    .default('nxdomain')
    .describe(
      'Answer to look-ups of names on confirmed c2 lists: the name does not exist, exists without data, or leads to the notice address.',
    ),
  'notice-ipv4': z
    .ipv4()
    .optional()
    .describe(
      'Address of the server that shows the notice page, given as A. Names on confirmed malware lists lead there.',
    ),
  'notice-ipv6': z.string().optional().describe('The same as AAAA.'),
  ttl: z
    .int()
    .min(1)
    .max(300)
    .default(30)
    .describe(
      'TTL of the answers in seconds; short, so that an opt-out also acts soon in the subscriber’s own caches.',
    ),
  organization: z.string().min(1).max(60).optional().describe('Name of the operator, told with the block.'),
  contact: z
    .string()
    .max(100)
    .optional()
    .describe('Where a subscriber can complain, as a URI: `mailto:…`, `tel:…`, `sips:…` or `https://…`.'),
  'opt-out': z
    .string()
    .max(100)
    .optional()
    .describe('Where a subscriber opts out: an `https://…` address. Told with every block.'),
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

export function checkOptions(given: Options): Problem[] {
  const problems: Problem[] = [];
  const complain = (path: keyof Options, message: string) => problems.push({ path: [path], message });
  if (given.action === 'notice' && given['notice-ipv4'] === undefined && given['notice-ipv6'] === undefined)
    complain('action', 'notice needs an address to lead to: notice-ipv4 or notice-ipv6');
  if (given['notice-ipv6'] !== undefined && !isIPv6(given['notice-ipv6']))
    complain('notice-ipv6', `'${given['notice-ipv6']}' is no IPv6 address`);
  if (given.contact !== undefined && !/^(mailto:|tel:|sips:|https:\/\/)[\x21-\x7e]+$/.test(given.contact))
    complain('contact', 'write a URI: mailto:…, tel:…, sips:… or https://…');
  if (given['opt-out'] !== undefined && !/^https:\/\/[\x21-\x7e]+$/.test(given['opt-out']))
    complain('opt-out', 'write an address: https://…');
  return problems;
}

function isIPv6(text: string): boolean {
  try {
    return !isMapped(addressWords(text));
  } catch (error) {
    if (error instanceof AddressError) return false;
    throw error;
  }
}
