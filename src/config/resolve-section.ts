/** Section `resolve`: answers are looked for from the root down, instead of at the servers of `upstream`. */
import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { z } from 'zod';
import { AddressError, addressText, parsePrefix } from '../address/address.ts';
import { errorText } from '../errors/errors.ts';
import { BUDGET_LIMITS } from '../resolve/iterate/budget.ts';
import { BUILT_IN_HINTS, hintsFrom } from '../resolve/iterate/hints.ts';
import type { ResolveConfig } from '../resolve/iterate/resolve-config.ts';
import type { Found } from '../settings/found.ts';
import { check } from '../settings/problems.ts';
import { durationMs, sizeBytes } from '../settings/units.ts';
import type { ConfigProblem, ConfigSource } from '../settings/yaml-source.ts';
import { nameToText } from '../wire/name.ts';
import { readZoneFile } from '../zones/zone-file.ts';

const MAX_FILE_BYTES = 1 << 20;

/** Networks in which no public zone has its servers: this machine, this link, private ones, groups of hosts. */
const NEVER_ASKED = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '224.0.0.0/3',
  '::/127',
  'fc00::/7',
  'fe80::/10',
  'ff00::/8',
];

export const resolveSchema = z
  .strictObject({
    hints: z
      .string()
      .min(1)
      .optional()
      .describe(
        'File with the names and addresses of the root’s servers, in the form of IANA’s `named.root`; without it those that are built in. Relative to the configuration.',
      ),
    'delegations-size': sizeBytes({ min: '1MiB', max: '16GiB' })
      .prefault('32MiB')
      .describe('Memory for delegations and addresses of name servers, all workers together.'),
    minimise: z
      .boolean()
      .default(true)
      .describe('Tell each server no more of a name than it needs to refer further (QNAME minimisation, RFC 9156).'),
    ipv4: z.boolean().default(true).describe('Ask name servers at their IPv4 addresses.'),
    ipv6: z
      .boolean()
      .default(true)
      .describe('Ask name servers at their IPv6 addresses, as long as this machine has a way there.'),
    'never-ask': z
      .array(
        z.string().superRefine((text, context) => {
          try {
            parsePrefix(text);
          } catch (error) {
            if (!(error instanceof AddressError)) throw error;
            context.addIssue({ code: 'custom', message: error.message });
          }
        }),
      )
      .max(1000)
      .default(NEVER_ASKED)
      .describe('Networks whose addresses are never asked, whatever a zone says of its servers.'),
    budget: z
      .strictObject({
        queries: z
          .int()
          .min(10)
          .max(1000)
          .default(BUDGET_LIMITS.queries)
          .describe('Queries that one question may send.'),
        time: durationMs({ min: '500ms', max: '30s' }).prefault('5s').describe('How long one question may take.'),
        lookups: z
          .int()
          .min(1)
          .max(100)
          .default(BUDGET_LIMITS.questions)
          .describe('Addresses of name servers that one question may look for.'),
        'failed-lookups': z
          .int()
          .min(1)
          .max(100)
          .default(BUDGET_LIMITS.failedQuestions)
          .describe('How many of these may end without an address.'),
        referrals: z
          .int()
          .min(5)
          .max(300)
          .default(BUDGET_LIMITS.referrals)
          .describe('Referrals that one question may follow.'),
        bytes: sizeBytes({ min: '64KiB', max: '16MiB' })
          .prefault('256KiB')
          .describe('Bytes of answers that one question may receive.'),
        crypto: durationMs({ min: '5ms', max: '5s' })
          .prefault('100ms')
          .describe('Processor time for signatures that one question may cost.'),
      })
      .prefault({})
      .describe('What one question of a client may cause, all together; whoever asks the same shares it.'),
  })
  .optional()
  .describe(
    'Find answers from the root down instead of asking the servers of `upstream`. `{}` is enough. Without this key the server forwards.',
  );

export interface LoadedResolve {
  readonly resolve: ResolveConfig | undefined;
  readonly problems: readonly ConfigProblem[];
}

/** `servers`: what `upstream.servers` says, undefined where it says nothing. */
export async function loadResolve(
  raw: Readonly<Record<string, unknown>>,
  servers: unknown,
  found: Found,
  source: ConfigSource,
): Promise<LoadedResolve> {
  if (raw['resolve'] === undefined) return { resolve: undefined, problems: [] };
  const { data, problems = [] } = check(resolveSchema, raw['resolve'], source, ['resolve']);
  const all = [...problems];
  if (servers !== undefined) {
    const message =
      'stands beside `upstream.servers`: answers are either looked for from the root down or asked of these servers; remove one of the two';
    all.push(source.problem(['resolve'], message, 'key'));
  }
  if (data === undefined) return { resolve: undefined, problems: all };
  if (!data.ipv4 && !data.ipv6)
    all.push(source.problem(['resolve', 'ipv4'], 'without IPv4 and IPv6 nobody can be asked'));
  const hints = data.hints === undefined ? BUILT_IN_HINTS : await readHints(data.hints, found, source, all);
  const { budget } = data;
  return {
    problems: all,
    resolve: {
      hints,
      delegationsBytes: data['delegations-size'],
      minimise: data.minimise,
      ipv4: data.ipv4,
      ipv6: data.ipv6,
      neverAsk: data['never-ask'],
      budget: {
        queries: budget.queries,
        timeMs: budget.time,
        questions: budget.lookups,
        failedQuestions: budget['failed-lookups'],
        referrals: budget.referrals,
        bytes: budget.bytes,
        cryptoMicroseconds: budget.crypto * 1000,
      },
    },
  };
}

async function readHints(name: string, found: Found, source: ConfigSource, problems: ConfigProblem[]) {
  const complain = (message: string) => problems.push(source.problem(['resolve', 'hints'], `'${name}' ${message}`));
  try {
    const file = resolve(found.baseFolder, name);
    const { size } = await stat(file);
    if (size > MAX_FILE_BYTES) complain(`is larger than ${MAX_FILE_BYTES >> 10} KiB`);
    else {
      const { records, problems: inFile } = readZoneFile(await readFile(file), '.');
      for (const { line, column, message } of inFile) {
        if (line > 0) problems.push({ file: name, line, column, path: 'resolve.hints', message });
        else complain(message);
      }
      const hints = hintsFrom(records, nameToText, addressText);
      if (hints.length > 0) return hints;
      if (inFile.length === 0) complain('names no server of the root with an address');
    }
  } catch (error) {
    complain(`cannot be read: ${errorText(error)}`);
  }
  return [];
}
