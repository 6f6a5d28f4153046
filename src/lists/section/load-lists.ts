/** The part of loading that is about lists: `lists`, `transfer` and `popular-names`. */
import { accessSync, constants, existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AddressError, parseEndpoint } from '../../address/address.ts';
import { errorText } from '../../errors/errors.ts';
import type { Finding } from '../../settings/finding.ts';
import type { Found } from '../../settings/found.ts';
import { check } from '../../settings/problems.ts';
import type { ConfigProblem, ConfigSource } from '../../settings/yaml-source.ts';
import type { ListConfig, TransferConfig } from '../list-config.ts';
import { readKeyFile } from '../sources/dns/tsig-key.ts';
import {
  listConfig,
  listDangers,
  listFindings,
  listsSchema,
  popularNamesSchema,
  transferSchema,
} from './lists-section.ts';

export interface LoadedListSections {
  readonly lists: readonly ListConfig[];
  readonly transfer: TransferConfig;
  readonly popularNamesFile: string;
  readonly dangers: readonly Finding[];
  readonly problems: readonly ConfigProblem[];
}

export async function loadLists(
  raw: Record<string, unknown>,
  found: Found,
  source: ConfigSource,
): Promise<LoadedListSections> {
  const problems: ConfigProblem[] = [];
  const section = <Schema extends Parameters<typeof check>[0]>(schema: Schema, key: string) => {
    const checked = check(schema, Object.hasOwn(raw, key) ? raw[key] : undefined, source, [key]);
    problems.push(...(checked.problems ?? []));
    return checked.data;
  };
  const complain = (path: Finding['path'], message: string) => problems.push(source.problem(path, message));

  const transferSection = section(transferSchema, 'transfer');
  const transfer: { -readonly [Key in keyof TransferConfig]: TransferConfig[Key] } = {};
  let keys: Set<string> | undefined = new Set();
  if (transferSection?.notify !== undefined) {
    try {
      transfer.notify = parseEndpoint(transferSection.notify, {});
    } catch (error) {
      if (!(error instanceof AddressError)) throw error;
      complain(['transfer', 'notify'], error.message);
    }
  }
  const keysFile = transferSection?.['keys-file'];
  if (keysFile !== undefined) {
    transfer.keysFile = resolve(found.baseFolder, keysFile);
    try {
      keys = new Set((await readKeyFile(transfer.keysFile)).keys());
    } catch (error) {
      keys = undefined;
      complain(['transfer', 'keys-file'], `'${keysFile}' ${errorText(error)}`);
    }
  }

  const popular = section(popularNamesSchema, 'popular-names');
  const popularNamesFile = popular === undefined ? shipped('popular.txt') : resolve(found.baseFolder, popular);
  if (popular !== undefined && !isReadable(popularNamesFile))
    complain(['popular-names'], `'${popular}' cannot be read: names that everybody uses would not be protected`);

  const listed =
    raw['lists'] === undefined ? { data: SAMPLE_LISTS } : check(listsSchema, raw['lists'] ?? [], source, ['lists']);
  problems.push(...(listed.problems ?? []));
  const entries = listed.data ?? [];
  const findings = listFindings(entries, keys);
  for (const { path, message } of findings) complain(path, message);
  const lists = findings.length > 0 ? [] : entries.map((entry) => listConfig(entry, found.baseFolder));
  // Not a problem: a feed that is just being replaced must not keep the server from starting; the last good version serves.
  const dangers = lists.flatMap(({ source: from }, i): Finding[] => {
    if (from.kind !== 'file' || isReadable(from.path)) return [];
    const why = existsSync(from.path) ? 'cannot be read' : 'is not there';
    return [
      { path: ['lists', i, entries[i]?.file === undefined ? 'source' : 'file'], message: `'${from.path}' ${why}` },
    ];
  });
  return {
    lists,
    transfer,
    popularNamesFile,
    dangers: [...dangers, ...listDangers(lists, Date.now())],
    problems,
  };
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

/** A file of lists/, which is shipped with the program: beside src/ and beside dist/. */
function shipped(name: string): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const file = join(folder, 'lists', name);
    if (existsSync(file)) return file;
    if (dirname(folder) === folder) return file;
  }
}

/** Without `lists` in the configuration: something to look at, whose names nobody has (RFC 2606). */
const SAMPLE_LISTS = listsSchema.parse([
  {
    name: 'c2-sample',
    category: 'c2',
    tier: 'confirmed',
    format: 'rpz',
    file: shipped('c2-sample.rpz'),
  },
  {
    name: 'domains-sample',
    category: 'c2',
    tier: 'suspected',
    format: 'domains',
    file: shipped('domains-sample.txt'),
  },
]);
