/**
 * What a configuration puts in force, as the audit log keeps it: every value under its path, so that a start or a reload can
 * be recorded with what changed. All of the configuration counts but what only makes it faster or says where things lie,
 * so that a section that is added later is in it by itself. Secrets are told to have changed and never shown.
 */

import { endpointText } from '../address/address.ts';
import type { Config } from '../config/config.ts';
import { sourceText } from '../lists/section/lists-section.ts';

/** Path, such as `lists.c2-feed.tier`, to its value as JSON. */
export type Enforced = ReadonlyMap<string, string>;

export interface EnforcedChange {
  readonly what: string;
  /** null: it was not there, or is not any more. */
  readonly from: string | null;
  readonly to: string | null;
}

/** Changes that one entry names; the others are counted. */
const NAMED_CHANGES = 200;
const LONGEST_VALUE = 300;
const HIDDEN = '(not shown)';
/** Keys whose values are secrets, or digests that a guess can be compared with. A file's path is none. */
const SECRET = /^(secrets?|passwords?|passphrase|tokens?|sha-?256|token-?sha-?256|api-?key|private-?key|psk)$/i;
/** Credentials and parameters of an address. */
const CREDENTIALS = /(:\/\/)[^/@\s"]+@/g;
const PARAMETERS = /(:\/\/[^?\s"]*)\?[^\s"]*/g;
/** Sections that enforce nothing. */
const ELSEWHERE = ['source', 'baseFolder', 'warnings'];

export function enforced(config: Config): Enforced {
  const { lists, plugins, subscribers, admin, server, views, partitions, ...others } = config;
  const listen = server.listen.map(endpointText);
  const found = new Map<string, string>();
  const put = (path: string, value: unknown) => flatten(path, value, found);
  for (const [key, value] of Object.entries(others)) if (!ELSEWHERE.includes(key)) put(key, value);
  put('server', { ...server, listen });
  put('admin.listen', endpointText(admin.listen));
  // Whose token it is and what it may do; that one was replaced by another is seen and not shown.
  for (const { name, role, sha256 } of admin.tokens) put(`admin.tokens.${name}`, { role, sha256 });
  if (subscribers) {
    const { unfiltered, groups, ...rest } = subscribers;
    put('subscribers', { ...rest, unfiltered: listen.filter((_, i) => unfiltered[i]) });
    for (const { name, covers } of groups) put(`subscribers.groups.${name}`, covers);
  }
  put('lists', { order: lists.map(({ name }) => name) });
  for (const { name, source, ...list } of lists)
    put(`lists.${name}`, { ...list, source: source.kind === 'http' ? source.url : sourceText(source) });
  put('views', { order: views.map(({ name }) => name) });
  for (const { name, listeners, lists: applying, partition, ...view } of views) {
    const own = partitions[partition - 1];
    put(`views.${name}`, {
      ...view,
      listeners: listeners.map((place) => listen[place]),
      lists: lists.filter((_, i) => (applying & (1 << i)) !== 0).map((list) => list.name),
      ...(own && { upstream: own.servers?.map(endpointText) ?? 'as without views', ownCache: own.own }),
    });
    for (const { zone, way } of own?.zones ?? [])
      if (way.kind !== 'records') put(`views.${name}.zones.${zone}`, { [way.kind]: way.servers.map(endpointText) });
      else if (!way.specialUse) put(`views.${name}.zones.${zone}`, { records: way.records.length });
  }
  put('plugins', { order: plugins.map(({ name }) => name) });
  for (const { name, module, options } of plugins) put(`plugins.${name}`, { ...(module && { module }), options });
  return found;
}

/** As it may be shown and kept: without secrets. */
export function shownEnforced(all: Enforced): Enforced {
  return new Map([...all].map(([path, value]) => [path, shown(path, value)]));
}

/** What differs, in the order of the paths. */
export function enforcedChanges(before: Enforced, after: Enforced): EnforcedChange[] {
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort();
  return paths.flatMap((what) => {
    const [from, to] = [before.get(what), after.get(what)];
    if (from === to) return [];
    return [{ what, from: orNull(what, from), to: orNull(what, to) }];
  });
}

/** For an entry's detail: bounded, whatever changed. */
export function changesDetail(changes: readonly EnforcedChange[]): Readonly<Record<string, unknown>> {
  const more = changes.length - NAMED_CHANGES;
  return { changed: changes.slice(0, NAMED_CHANGES), ...(more > 0 && { notNamed: more }) };
}

function orNull(path: string, value: string | undefined): string | null {
  if (value === undefined) return null;
  const text = shown(path, value);
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}… (${text.length} characters)` : text;
}

function shown(path: string, value: string): string {
  const keys = path.replace(/^admin\.tokens\./, 'admin.').split('.');
  if (keys.some((key) => SECRET.test(key))) return HIDDEN;
  return value.replace(PARAMETERS, `$1?${HIDDEN}`).replace(CREDENTIALS, `$1${HIDDEN}@`);
}

/** Objects are gone into, in arrays too; what is left is one value. */
function flatten(path: string, value: unknown, found: Map<string, string>): void {
  if (value === undefined) return;
  if (value instanceof Uint8Array) {
    found.set(path, JSON.stringify(Buffer.from(value).toString('hex')));
    return;
  }
  if (Array.isArray(value) && value.some((each) => typeof each === 'object' && each !== null)) {
    const names = value.map(nameOf);
    value.forEach((each, i) => {
      const isAlone = names.indexOf(names[i]) === names.lastIndexOf(names[i]);
      flatten(`${path}.${isAlone ? (names[i] ?? i) : i}`, each, found);
    });
    return;
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const [key, each] of Object.entries(value)) flatten(`${path}.${key}`, each, found);
    return;
  }
  found.set(path, JSON.stringify(value) ?? String(value));
}

/** What an element of an array is called, so that one that is put before it does not change all. */
function nameOf(each: unknown): string | undefined {
  const { name } = (each ?? {}) as { name?: unknown };
  return typeof name === 'string' ? name : undefined;
}
