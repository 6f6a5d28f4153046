/**
 * `lists` and what stands beside it in the configuration. The schema says what each key may hold; what keys have to do with
 * each other, and with the ground on which a list acts, is checked below it.
 */
import { resolve } from 'node:path';
import { z } from 'zod';
import { CONSENT_PURPOSES, categoryProblem, type ListCategory } from '../../grounds/categories.ts';
import { expiryMs, ground } from '../../grounds/ground.ts';
import type { Finding } from '../../settings/finding.ts';
import { durationMs, sizeBytes } from '../../settings/units.ts';
import { NameError, textToName } from '../../wire/name.ts';
import { columnsSchema } from '../formats/columns-schema.ts';
import { LIST_FORMATS } from '../formats/parser.ts';
import { guardSchema } from '../guard/options.ts';
import type { PolicyOverride } from '../in-force.ts';
import { MAX_LISTS } from '../index/rules.ts';
import type { ListConfig, ListSourceConfig } from '../list-config.ts';
import { parseTransferUrl } from '../sources/dns/transfer-url.ts';
import { urlForPeople } from '../sources/http-source.ts';

/** Also the name of the list's folder and a label in metrics. */
const LIST_NAME = /^[a-z0-9_][a-z0-9._-]{0,62}$/i;

export const listSchema = z.strictObject({
  name: z
    .string()
    .regex(LIST_NAME, 'a list is named with up to 63 letters, digits, dots, dashes and underscores')
    .describe('What the list is called in logs, metrics and commands.'),
  category: z
    .string()
    .describe(
      "What it is about, which decides the ground it acts on: `c2` and `malware` act on the subscriber's consent, `policy` for everyone on the `ground` stated with it.",
    ),
  tier: z
    .enum(['confirmed', 'suspected'])
    .optional()
    .describe('c2, malware: `confirmed` may block, `suspected` only leads to a notice. Required there.'),
  format: z.enum(LIST_FORMATS).describe('How it is written.'),
  file: z.string().min(1).optional().describe('A file, watched for changes. One of `file`, `url` and `source`.'),
  url: z
    .string()
    .min(1)
    .optional()
    .describe('An address: `https://…`, `http://…`, or `axfr://host:port/zone?key=NAME`.'),
  source: z.string().min(1).optional().describe('A file or an address, as in `file` and `url`.'),
  refresh: durationMs({ min: '30s', max: '7d' })
    .prefault('10m')
    .describe("How often the source is asked; a zone's SOA wins. Files are watched besides."),
  'max-size': sizeBytes({ min: '1KiB', max: '8GiB' }).prefault('512MiB').describe('Larger versions are refused.'),
  match: z
    .enum(['exact', 'subtree'])
    .default('exact')
    .describe('hosts, domains, csv, jsonl: what a name without `*.` or `.` before it covers.'),
  columns: columnsSchema.prefault({}).describe('csv, jsonl: which columns hold what, and which rows count.'),
  zone: z.string().min(1).optional().describe("rpz: the policy zone's name, where the file does not say it."),
  'single-labels': z
    .boolean()
    .default(false)
    .describe('Take rules on whole top-level domains; the guard still asks about public suffixes.'),
  guard: guardSchema.prefault({}).describe('What an update may change before somebody has to look at it.'),
  override: z
    .string()
    .default('given')
    .describe(
      'policy: what is done instead of what the rules say: `given`, `disabled`, `passthru`, `drop`, `nxdomain`, `nodata`, `tcp-only`, or `cname NAME`.',
    ),
  ground: ground.optional().describe('policy: the ground on which the list acts, stated in full. Required there.'),
  'dry-run': z.boolean().default(false).describe('Only count what the list would hit.'),
});

export const listsSchema = z.array(listSchema).max(MAX_LISTS);

export const popularNamesSchema = z
  .string()
  .min(1)
  .optional()
  .describe('File of names, one a line, that no list update may take. Without it: lists/popular.txt.');

export const transferSchema = z
  .strictObject({
    notify: z
      .string()
      .optional()
      .describe(
        'Address and port (UDP) that take NOTIFY from the primaries of lists (RFC 1996). Without it they are asked at intervals.',
      ),
    'keys-file': z
      .string()
      .min(1)
      .optional()
      .describe('TSIG keys, `name:hmac-sha256:base64` one a line or as BIND writes them.'),
  })
  .prefault({})
  .describe('Zone transfers of lists.');

type ListSection = z.output<typeof listSchema>;

/** What is wrong with the lists beyond what the schema says. `keys`: names of the TSIG keys; undefined where unknown. */
export function listFindings(lists: readonly ListSection[], keys: ReadonlySet<string> | undefined): Finding[] {
  return lists.flatMap((list, i) =>
    [...repeated(lists, i), ...groundFindings(list), ...formatFindings(list), ...sourceFindings(list, keys)].map(
      ({ path, message }) => ({ path: ['lists', i, ...path], message }),
    ),
  );
}

/** Not wrong, but worth a line in the log. */
export function listDangers(lists: readonly ListConfig[], nowMs: number): Finding[] {
  return lists.flatMap((list, i): Finding[] => {
    const endsMs = list.ground && expiryMs(list.ground);
    if (endsMs !== undefined && endsMs <= nowMs)
      return [{ path: ['lists', i, 'ground', 'expires'], message: `has passed: the list '${list.name}' does not act` }];
    return [];
  });
}

/** Only for lists without findings. */
export function listConfig(list: ListSection, baseFolder: string): ListConfig {
  return {
    name: list.name,
    category: list.category as ListCategory,
    tier: list.tier ?? 'confirmed',
    dryRun: list['dry-run'],
    override: parseOverride(list.override) as PolicyOverride,
    ...(list.ground && { ground: list.ground }),
    format: list.format,
    source: sourceOf(list, baseFolder) as ListSourceConfig,
    refreshMs: list.refresh,
    maxBytes: list['max-size'],
    match: list.match,
    columns: list.columns,
    ...(list.zone !== undefined && { zone: list.zone }),
    singleLabels: list['single-labels'],
    guard: list.guard,
  };
}

function repeated(lists: readonly ListSection[], i: number): Finding[] {
  const first = lists.findIndex(({ name }) => name.toLowerCase() === lists[i]?.name.toLowerCase());
  return first < i ? [{ path: ['name'], message: `number ${first + 1} has this name already` }] : [];
}

/** A list acts on the ground of its category and on no other. */
function groundFindings(list: ListSection): Finding[] {
  const problem = categoryProblem(list.category);
  if (problem !== undefined) return [{ path: ['category'], message: problem }];
  const findings: Finding[] = [];
  const purpose = CONSENT_PURPOSES[list.category as ListCategory];
  if (purpose === undefined) {
    if (!list.ground)
      findings.push({
        path: [],
        message: `list '${list.name}' of category policy applies to everyone, so it needs a ground stated in full (ground: { kind: …, … })`,
      });
    if (list.tier !== undefined)
      findings.push({ path: ['tier'], message: 'a tier says how sure a reputation list is; a policy list has none' });
    return findings;
  }
  if (list.ground)
    findings.push({
      path: ['ground'],
      message: `a list of category ${list.category} acts on the consent of the subscriber (purpose ${purpose}) and on no other ground`,
    });
  if (list.tier === undefined)
    findings.push({
      path: [],
      message: `list '${list.name}' needs a tier: confirmed (may block) or suspected (notice only)`,
    });
  if (list.override !== 'given')
    findings.push({
      path: ['override'],
      message: `only policy lists have an override; what category ${list.category} leads to is set with its plugin`,
    });
  return findings;
}

function formatFindings(list: ListSection): Finding[] {
  const findings: Finding[] = [];
  const override = parseOverride(list.override);
  if (typeof override === 'string') findings.push({ path: ['override'], message: override });
  else if (list.category === 'policy' && list.format !== 'rpz' && override.action === 'given')
    findings.push({
      path: ['override'],
      message: `a list of format ${list.format} names no action: say with override what a match leads to`,
    });
  if (list.zone !== undefined) {
    if (list.format !== 'rpz') findings.push({ path: ['zone'], message: 'only lists of format rpz have a zone' });
    const problem = nameProblem(list.zone);
    if (problem !== undefined) findings.push({ path: ['zone'], message: `'${list.zone}' ${problem}` });
  }
  return findings;
}

function sourceFindings(list: ListSection, keys: ReadonlySet<string> | undefined): Finding[] {
  const given = (['file', 'url', 'source'] as const).filter((key) => list[key] !== undefined);
  if (given.length !== 1)
    return [
      {
        path: given[1] === undefined ? [] : [given[1]],
        message: `list '${list.name}' needs exactly one of file, url and source${given.length === 0 ? '' : `, not ${given.join(' and ')}`}`,
      },
    ];
  const key = given[0] as 'file' | 'url' | 'source';
  const source = sourceOf(list, '/');
  if (typeof source === 'string') return [{ path: [key], message: source }];
  if (source.kind !== 'transfer') return [];
  if (list.format !== 'rpz') return [{ path: ['format'], message: 'what comes by zone transfer is of format rpz' }];
  if (source.key !== undefined && keys !== undefined && !keys.has(source.key))
    return [{ path: [key], message: `transfer.keys-file holds no key '${source.key}'` }];
  return [];
}

/** Where the list comes from, or what is wrong with it. */
function sourceOf(list: ListSection, baseFolder: string): ListSourceConfig | string {
  if (list.file !== undefined) return { kind: 'file', path: resolve(baseFolder, list.file) };
  const text = list.url ?? list.source ?? '';
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  switch (scheme) {
    case undefined:
      return list.url === undefined
        ? { kind: 'file', path: resolve(baseFolder, text) }
        : 'is no address: write https://…, http://… or axfr://…, or use file';
    case 'http':
    case 'https':
      // Not the text itself: it may hold a password.
      return URL.canParse(text) ? { kind: 'http', url: text } : 'is no address that could be asked';
    case 'axfr':
    case 'ixfr':
      try {
        const { primary, zone, key } = parseTransferUrl(text);
        return { kind: 'transfer', ...primary, zone, ...(key !== undefined && { key }) };
      } catch (error) {
        if (error instanceof TypeError) return error.message;
        throw error;
      }
    default:
      return `'${scheme}:' is no way to fetch a list: https:, http:, axfr:, or a file`;
  }
}

/** The override, or what is wrong with it. */
export function parseOverride(text: string): PolicyOverride | string {
  switch (text) {
    case 'given':
    case 'disabled':
    case 'passthru':
    case 'drop':
    case 'nxdomain':
    case 'nodata':
    case 'tcp-only':
      return { action: text };
  }
  const name = /^cname\s+(\S+)$/i.exec(text)?.[1];
  if (name === undefined)
    return `expected given, disabled, passthru, drop, nxdomain, nodata, tcp-only or cname NAME, found '${text.slice(0, 40)}'`;
  const problem = nameProblem(name);
  return problem === undefined ? { action: 'cname', name: textToName(name) } : `'${name}' ${problem}`;
}

function nameProblem(text: string): string | undefined {
  try {
    textToName(text);
    return undefined;
  } catch (error) {
    if (error instanceof NameError) return error.message;
    throw error;
  }
}

/** Names a source for people, without credentials. */
export function sourceText(source: ListSourceConfig): string {
  switch (source.kind) {
    case 'file':
      return source.path;
    case 'http':
      return urlForPeople(new URL(source.url));
    case 'transfer':
      return `axfr://${source.host}:${source.port}/${source.zone}`;
  }
}
