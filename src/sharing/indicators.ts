/** Indicators for other operators: names of the operator's own lists, and names under attack; never what a subscriber asked for. */
import { readFile } from 'node:fs/promises';
import { errorText } from '../errors/errors.ts';
import { createListParser } from '../lists/formats/parser.ts';
import { EXACT_AND_SUBTREE, SUBTREE } from '../lists/index/rules.ts';
import type { ListConfig } from '../lists/list-config.ts';
import { nameToText } from '../wire/name.ts';
import { isAddressText } from './addresses.ts';
import { sharingError } from './errors.ts';
import type { Indicator } from './stix.ts';

/** Of one share. */
export const MOST_INDICATORS = 100_000;

/** Names of a list that lies in a file of the operator's own. Rejects with SekishoError SEKISHO_SHARE_REFUSED. */
export async function ownList(list: ListConfig): Promise<Indicator[]> {
  if (list.source.kind !== 'file')
    throw sharingError(
      'SEKISHO_SHARE_REFUSED',
      `the list ${list.name} comes from somebody else, who decides about passing it on: share lists of your own, from a file`,
    );
  let bytes: Buffer;
  try {
    bytes = await readFile(list.source.path);
  } catch (error) {
    throw sharingError('SEKISHO_SHARE_REFUSED', `the list ${list.name} cannot be read: ${errorText(error)}`);
  }
  const names = new Map<string, boolean>();
  const parser = createListParser(
    list.format,
    { columns: list.columns, match: list.match, singleLabels: list.singleLabels, zone: list.zone },
    {
      entry(name, length, kind) {
        const text = nameToText(name.slice(0, length)).replace(/\.$/, '').toLowerCase();
        names.set(text, (names.get(text) ?? false) || kind === SUBTREE || kind === EXACT_AND_SUBTREE);
      },
      nameServer() {},
      network() {},
    },
  );
  parser.feed(bytes);
  parser.end();
  return [...names].map(([name, below]) => ({
    name,
    below,
    why: `on the list ${list.name} (${list.category}, ${list.tier})`,
  }));
}

/** Without addresses, each once, and no more than there may be; with what was left out. */
export function shareableIndicators(all: readonly Indicator[]): {
  readonly indicators: readonly Indicator[];
  readonly leftOut: readonly { readonly why: string; readonly rows: number }[];
} {
  const once = [...new Map(all.map((each) => [each.name, each])).values()];
  const named = once.filter(({ name }) => !isAddressText(name));
  const indicators = named.slice(0, MOST_INDICATORS);
  return {
    indicators,
    leftOut: [
      { why: 'is an address, or the reverse name of one', rows: once.length - named.length },
      { why: `more than ${MOST_INDICATORS}`, rows: named.length - indicators.length },
    ].filter(({ rows }) => rows > 0),
  };
}
