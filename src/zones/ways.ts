/**
 * Which way a question goes that the cache does not answer: to the servers of `upstream`, to those of a zone of its own, or
 * to nobody, because the records are here.
 *
 *     question ─▶ closest name known (suffix-table.ts) ─▶ its zone ─▶ forward: group of servers ─▶ upstream/router.ts
 *                                                              └───▶ records: answered here (RFC 1034 §4.3.2, RFC 4592)
 *
 * It is looked at behind the cache, which holds nothing of zones with records: a cache hit costs nothing more.
 */

import type { UpstreamServer } from '../address/upstream-server.ts';
import { ANSWER, COMPLETE, CONTINUE, type Verdict } from '../contract/plugin.ts';
import { CLASS, EDE, FLAG_AA, FLAG_TC, HEADER_BYTES, RCODE, TYPE } from '../wire/constants.ts';
import type { Query } from '../wire/query.ts';
import { CACHE_NOT_ASKED } from '../wire/query.ts';
import type { Question } from '../wire/question.ts';
import { transportOf } from '../wire/transports.ts';
import { ANSWER as ANSWER_SECTION, AUTHORITY, addOwnedRecord, addRecordRange, beginReply } from '../wire/writer.ts';
import { SuffixTable } from './suffix-table.ts';
import { NAME_ALONE, type ZoneConfig, type ZoneRecord } from './zone-config.ts';

/** The group of everything that no zone says otherwise about. */
export const DEFAULT_GROUP = 0;
/** Aliases followed inside the records; a loop ends here. */
const MAX_ALIASES = 8;
const STAR = 0x2a;

/** A name that is known: an apex, an owner of records, or an empty name above one (RFC 4592 §2.2.2). */
interface Node {
  readonly zone: number;
  readonly sets: RecordSet[];
  /** Number of the node `*` right below; -1 = none. */
  wildcard: number;
}

interface RecordSet {
  readonly type: number;
  readonly ttl: number;
  readonly data: readonly Uint8Array[];
}

interface Zone {
  readonly config: ZoneConfig;
  /** Number of its group of servers; -1 = records. */
  readonly group: number;
  /** For negative answers (RFC 2308 §3). */
  readonly soa: RecordSet | undefined;
  readonly negativeTtl: number;
}

/** Servers that are asked together, and for what. */
export interface ServerGroup {
  /** `stub`: authoritative servers, which are asked without recursion. */
  readonly kind: 'forward' | 'stub';
  readonly servers: readonly UpstreamServer[];
  /** The first zone that they are for; absent where they are for everything that a view asks. */
  readonly zone?: string;
  /** The view whose zone that is, or whose servers these are; absent for the top level's. */
  readonly view?: string;
}

export class Ways {
  readonly #zones: readonly Zone[];
  readonly #table: SuffixTable;
  readonly #nodes: readonly Node[];
  readonly #labelStarts = new Uint8Array(128);
  readonly #general: number;

  /**
   * `groups`: all groups of servers but the first, which is `upstream`; those of these zones are added. `general`: the one for what is in no
   * zone. `view`: the first that has these zones.
   */
  constructor(
    configs: readonly ZoneConfig[],
    groups: ServerGroup[] = [],
    general: number = DEFAULT_GROUP,
    view?: string,
  ) {
    this.#zones = configs.map((config) => zoneOf(config, groups, view));
    this.#general = general;
    const { names, nodes } = nodesOf(configs);
    this.#table = new SuffixTable(names);
    this.#nodes = nodes;
  }

  /** Number of the group of servers that `question` is for. */
  groupOf(question: Question): number {
    const zone = this.#zoneOf(question);
    return zone === undefined || zone.group < 0 ? this.#general : zone.group;
  }

  /** The zone of its own that `question` is in, as configured; undefined where there is none. */
  configOf(question: Question): ZoneConfig | undefined {
    return this.#zoneOf(question)?.config;
  }

  /**
   * ANSWER: the reply is written from records that are here. COMPLETE: it ends in an alias whose target is not here.
   * CONTINUE: nothing was touched.
   */
  decide(query: Query): Verdict {
    const { question } = query;
    if (question.class !== CLASS.IN) return CONTINUE;
    const zone = this.#zoneOf(question);
    if (zone === undefined || zone.group >= 0) return CONTINUE;
    beginReply(query, RCODE.NOERROR, FLAG_AA);
    query.cacheResult = CACHE_NOT_ASKED;
    const node = this.#table.find(question);
    return this.#answer(query, node, this.#table.foundLength === question.nameLength);
  }

  #zoneOf(question: Question): Zone | undefined {
    const node = this.#table.find(question);
    if (node < 0) return undefined;
    const zone = this.#zones[this.#nodes[node]!.zone]!;
    const { apex, way } = zone.config;
    // RFC 4035 §3.1.4.1: DS belongs to the zone above. Where that is ours to ask, it is asked the way of the name above.
    const above =
      question.type === TYPE.DS && question.nameLength === apex.length && (way.kind !== 'records' || way.dsAbove);
    return above ? this.#above(question, apex.length) : zone;
  }

  #above({ name, labelStarts, labelCount }: Question, length: number): Zone | undefined {
    if (labelCount === 0) return undefined;
    const starts = labelStarts.subarray(1, labelCount);
    const node = this.#table.findName(name, length, starts, labelCount - 1);
    return node < 0 ? undefined : this.#zones[this.#nodes[node]!.zone];
  }

  #answer(query: Query, first: number, exact: boolean): Verdict {
    const { type } = query.question;
    let owner: Uint8Array | undefined;
    let number = first;
    let found = exact;
    for (let aliases = 0; ; aliases++) {
      const node = this.#nodes[number]!;
      const zone = this.#zones[node.zone]!;
      // RFC 4592 §3.3.1: the wildcard right below the closest encloser, and no other.
      const source = found ? node : node.wildcard < 0 ? undefined : this.#nodes[node.wildcard];
      if (source === undefined) return negative(query, zone, RCODE.NXDOMAIN);
      const set = setOf(source, type);
      if (set) return add(query, owner, set) ? ANSWER : tooLarge(query);
      const alias = setOf(source, TYPE.CNAME);
      if (!alias) return negative(query, zone, RCODE.NOERROR);
      if (!add(query, owner, alias)) return tooLarge(query);
      if (aliases === MAX_ALIASES) return loop(query);
      owner = alias.data[0]!;
      number = this.#findTarget(owner);
      found = this.#table.foundLength === owner.length;
      // Another way leads there.
      if (number < 0 || this.#zones[this.#nodes[number]!.zone]!.group >= 0) return COMPLETE;
    }
  }

  #findTarget(name: Uint8Array): number {
    let labels = 0;
    for (let at = 0; name[at]! > 0; at += name[at]! + 1) this.#labelStarts[labels++] = at;
    return this.#table.findName(name, name.length, this.#labelStarts, labels);
  }
}

function setOf({ sets }: Node, type: number): RecordSet | undefined {
  for (let i = 0; i < sets.length; i++) if (sets[i]!.type === type) return sets[i];
  return undefined;
}

/** `owner` undefined: the question's name. False where the reply is full. */
function add(query: Query, owner: Uint8Array | undefined, { type, ttl, data }: RecordSet): boolean {
  for (let i = 0; i < data.length; i++) {
    const one = data[i]!;
    const fits = owner
      ? addOwnedRecord(query, ANSWER_SECTION, owner, owner.length, type, ttl, one, one.length)
      : addRecordRange(query, ANSWER_SECTION, HEADER_BYTES, type, ttl, one, 0, one.length);
    if (!fits) return false;
  }
  return true;
}

/** The name or the type is not there. The SOA says for how long that may be kept (RFC 2308 §3). */
function negative(query: Query, { config: { apex }, soa, negativeTtl }: Zone, rcode: number): Verdict {
  query.rcode = rcode;
  const flags = query.replyStart + 3;
  query.reply[flags] = (query.reply[flags]! & 0xf0) | rcode;
  const data = soa?.data[0];
  if (data && !addOwnedRecord(query, AUTHORITY, apex, apex.length, TYPE.SOA, negativeTtl, data, data.length))
    return tooLarge(query);
  return ANSWER;
}

function tooLarge(query: Query): Verdict {
  if (transportOf(query).mayTruncate) beginReply(query, RCODE.NOERROR, FLAG_TC);
  else fail(query);
  return ANSWER;
}

function loop(query: Query): Verdict {
  fail(query);
  return ANSWER;
}

function fail(query: Query): void {
  beginReply(query, RCODE.SERVFAIL);
  query.ede = EDE.OTHER;
}

// ── set-up ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Number of the group with these servers; a new one where there is none yet. */
export function groupOf(groups: ServerGroup[], group: ServerGroup): number {
  const key = ({ kind, servers, zone }: ServerGroup) =>
    // What a stub server says is believed below its zone alone.
    JSON.stringify([kind, servers, kind === 'stub' ? zone : '']);
  const same = groups.findIndex((one) => key(one) === key(group));
  return DEFAULT_GROUP + 1 + (same >= 0 ? same : groups.push(group) - 1);
}

function zoneOf(config: ZoneConfig, groups: ServerGroup[], view: string | undefined): Zone {
  const { way, apex, zone } = config;
  if (way.kind !== 'records') {
    const { kind, servers } = way;
    const group = groupOf(groups, { kind, servers, zone, ...(view !== undefined && { view }) });
    return { config, group, soa: undefined, negativeTtl: 0 };
  }
  const record = way.records.find(({ owner, type }) => type === TYPE.SOA && owner.length === apex.length);
  if (!record) return { config, group: -1, soa: undefined, negativeTtl: 0 };
  const { data } = record;
  // MINIMUM is its last word.
  const minimum = new DataView(data.buffer, data.byteOffset, data.length).getUint32(data.length - 4);
  const soa = { type: TYPE.SOA, ttl: record.ttl, data: [data] };
  return { config, group: -1, soa, negativeTtl: Math.min(record.ttl, minimum) };
}

function nodesOf(configs: readonly ZoneConfig[]): { names: Uint8Array[]; nodes: Node[] } {
  const names: Uint8Array[] = [];
  const nodes: Node[] = [];
  const known = new Map<string, number>();
  const put = (name: Uint8Array, zone: number): number => {
    const key = Buffer.from(name).toString('latin1');
    const there = known.get(key);
    if (there !== undefined) return there;
    known.set(key, nodes.length);
    names.push(name);
    return nodes.push({ zone, sets: [], wildcard: -1 }) - 1;
  };
  // Apexes first: below one, nothing belongs to the zone above any more.
  for (const [zone, { apex }] of configs.entries()) put(apex, zone);
  const apexes = new SuffixTable(configs.map(({ apex }) => apex));
  const starts = new Uint8Array(128);
  const enclosing = (name: Uint8Array): number => {
    let labels = 0;
    for (let at = 0; name[at]! > 0; at += name[at]! + 1) starts[labels++] = at;
    return apexes.findName(name, name.length, starts, labels);
  };
  for (const [zone, { way, apex }] of configs.entries()) {
    // Of a zone inside another the names between them exist, empty.
    emptyNamesAbove(apex, enclosing, put, configs);
    if (way.kind !== 'records') continue;
    for (const record of way.records) {
      if (enclosing(record.owner) !== zone) continue;
      const number = put(record.owner, zone);
      if (record.type !== NAME_ALONE) addTo(nodes[number]!.sets, record);
      emptyNamesAbove(record.owner, enclosing, put, configs);
    }
  }
  for (const [number, name] of names.entries()) {
    if (name[0] !== 1 || name[1] !== STAR) continue;
    const above = known.get(Buffer.from(name.subarray(2)).toString('latin1'));
    if (above !== undefined && nodes[above]!.zone === nodes[number]!.zone) nodes[above]!.wildcard = number;
  }
  return { names, nodes };
}

/** Put the names between `name` and the apex of the records it is below; nothing where it is below none. */
function emptyNamesAbove(
  name: Uint8Array,
  enclosing: (name: Uint8Array) => number,
  put: (name: Uint8Array, zone: number) => number,
  configs: readonly ZoneConfig[],
): void {
  for (let at = name[0]! === 0 ? 0 : name[0]! + 1; at > 0 && at < name.length; at += name[at]! + 1) {
    const above = name.subarray(at);
    const zone = enclosing(above);
    if (zone < 0 || configs[zone]!.way.kind !== 'records' || configs[zone]!.apex.length === above.length) return;
    put(above, zone);
    if (name[at] === 0) return;
  }
}

/** RFC 2181 §5.2: records of a set have one TTL; the lowest counts. §5: a record stands in it once. */
function addTo(sets: RecordSet[], { type, ttl, data }: ZoneRecord): void {
  const at = sets.findIndex((set) => set.type === type);
  if (at < 0) {
    sets.push({ type, ttl, data: [data] });
    return;
  }
  const set = sets[at]!;
  const twice = set.data.some((other) => Buffer.compare(other, data) === 0);
  sets[at] = { type, ttl: Math.min(set.ttl, ttl), data: twice ? set.data : [...set.data, data] };
}
