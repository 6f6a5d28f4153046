/** Options of dns64, and what their schema cannot say. */
import { AddressError, NameError, type Problem, parsePrefix, textToName, z } from '../../src/contract/plugin.ts';
import { PREFIX_LENGTHS } from './translation.ts';

/** RFC 6052 §2.1. */
export const WELL_KNOWN_PREFIX = '64:ff9b::/96';

/** RFC 6890: what the well-known prefix must not stand for (RFC 6052 §3.1). */
const NOT_GLOBAL = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
];

export const dns64Options = z.strictObject({
  prefix: z
    .string()
    .default(WELL_KNOWN_PREFIX)
    .describe('The translator’s IPv6 prefix (NAT64), of 32, 40, 48, 56, 64 or 96 bits (RFC 6052).'),
  clients: z
    .array(z.string())
    .max(1000)
    .optional()
    .describe('Networks whose clients get made-up addresses. Without it: all clients.'),
  exclude: z
    .array(z.string())
    .max(1000)
    .default(['::ffff:0:0/96'])
    .describe('IPv6 networks whose addresses in answers count as if they were not there (RFC 6147 §5.1.4).'),
  'exclude-ipv4': z
    .array(z.string())
    .max(1000)
    .optional()
    .describe(
      'IPv4 networks that are not translated. Without it: with the well-known prefix the networks that are not global (RFC 6052 §3.1), with another prefix none.',
    ),
  'exclude-names': z
    .array(z.string())
    .max(10_000)
    .default([])
    .describe('Names for which nothing is made up, they and all below.'),
});

export type Dns64Options = z.infer<typeof dns64Options>;

/** IPv4 networks that are not translated. */
export function untranslated(options: Dns64Options): readonly string[] {
  return options['exclude-ipv4'] ?? (options.prefix === WELL_KNOWN_PREFIX ? NOT_GLOBAL : []);
}

export function checkOptions(options: Dns64Options): Problem[] {
  const problems: Problem[] = [];
  const attempt = (path: (string | number)[], parse: () => string | undefined) => {
    try {
      const message = parse();
      if (message !== undefined) problems.push({ path, message });
    } catch (error) {
      if (!(error instanceof AddressError) && !(error instanceof NameError)) throw error;
      problems.push({ path, message: error instanceof NameError ? `is not a name: ${error.message}` : error.message });
    }
  };
  attempt(['prefix'], () => {
    const { words, bits } = parsePrefix(options.prefix);
    if (!options.prefix.includes(':') || !PREFIX_LENGTHS.includes(bits))
      return `'${options.prefix}' must be an IPv6 prefix of ${PREFIX_LENGTHS.slice(0, -1).join(', ')} or 96 bits`;
    // RFC 6052 §2.2: bits 64 to 71.
    return words[2]! >>> 24 === 0 ? undefined : `'${options.prefix}' must have zeros in bits 64 to 71`;
  });
  const networks = (key: 'clients' | 'exclude' | 'exclude-ipv4', kind?: 4 | 6) => {
    for (const [i, text] of (options[key] ?? []).entries()) {
      attempt([key, i], () => {
        parsePrefix(text);
        const is6 = text.includes(':');
        return kind !== undefined && is6 !== (kind === 6) ? `'${text}' must be an IPv${kind} network` : undefined;
      });
    }
  };
  networks('clients');
  networks('exclude', 6);
  networks('exclude-ipv4', 4);
  for (const [i, name] of options['exclude-names'].entries())
    attempt(['exclude-names', i], () => {
      textToName(name);
      return undefined;
    });
  return problems;
}
