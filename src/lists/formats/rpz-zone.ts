/**
 * The records of a policy zone, one after the other, into rules (draft-vixie-dnsop-dns-rpz-04). Used for zone files and
 * for zone transfers alike: records come in wire form.
 *
 *     owner                                    trigger                 data              action
 *     bad.example.ZONE                         QNAME, the name         CNAME .           NXDOMAIN
 *     *.bad.example.ZONE                       QNAME, all below it     CNAME *.          NODATA
 *     24.0.2.0.192.rpz-client-ip.ZONE          client address          CNAME rpz-…       PASSTHRU, DROP, TCP_ONLY
 *     24.0.2.0.192.rpz-ip.ZONE                 address in the answer   CNAME other       LOCAL_DATA, a rewrite
 *     ns.bad.example.rpz-nsdname.ZONE          name of a name server   A, TXT, …         LOCAL_DATA
 *     24.0.2.0.192.rpz-nsip.ZONE               address of one
 */
import { TYPE } from '../../wire/constants.ts';
import {
  ACTION_DROP,
  ACTION_LOCAL_DATA,
  ACTION_NODATA,
  ACTION_NXDOMAIN,
  ACTION_PASSTHRU,
  ACTION_TCP_ONLY,
  DATA_RDATA_AT,
  EXACT,
  SUBTREE,
} from '../index/rules.ts';
import type { FormatCounts, PolicyZoneSoa } from './format.ts';
import { endsInNumber } from './name-reader.ts';
import type { Reason } from './rejects.ts';
import { RpzAddress } from './rpz-address.ts';
import { ADDRESS_TRIGGER, type AddressTrigger, type EntrySink } from './sink.ts';

const STAR = 0x2a;
/** `rpz-` */
const RESERVED = [0x72, 0x70, 0x7a, 0x2d];

/** What signs a zone and what describes it (DNSSEC, ZONEMD) is no rule. */
const SKIPPED_TYPES: ReadonlySet<number> = new Set([
  TYPE.RRSIG,
  TYPE.NSEC,
  TYPE.DNSKEY,
  TYPE.NSEC3,
  51,
  59,
  60,
  63,
  65534,
]);

/** True for types that a signed policy zone has and that say nothing about policy. */
export function isSkippedType(type: number): boolean {
  return SKIPPED_TYPES.has(type);
}

const REFUSED_TYPES: ReadonlySet<number> = new Set([TYPE.NS, TYPE.SOA, TYPE.DS, TYPE.OPT]);

const ADDRESS_TRIGGERS: Readonly<Record<string, AddressTrigger>> = {
  'rpz-client-ip': ADDRESS_TRIGGER.CLIENT_IP,
  'rpz-ip': ADDRESS_TRIGGER.IP,
  'rpz-nsip': ADDRESS_TRIGGER.NSIP,
};
const ACTIONS: Readonly<Record<string, number>> = {
  'rpz-passthru': ACTION_PASSTHRU,
  'rpz-drop': ACTION_DROP,
  'rpz-tcp-only': ACTION_TCP_ONLY,
};

export class PolicyZone {
  soa: PolicyZoneSoa | undefined;
  /** Name of the zone, wire form in lower case. */
  zone: Uint8Array;
  readonly #sink: EntrySink;
  readonly #counts: FormatCounts;
  readonly #singleLabels: boolean;
  readonly #address = new RpzAddress();
  /** The name in the trigger, with a root label. */
  readonly #name = new Uint8Array(256);

  constructor(zone: Uint8Array, sink: EntrySink, counts: FormatCounts, options: { singleLabels?: boolean } = {}) {
    this.zone = zone;
    this.#sink = sink;
    this.#counts = counts;
    this.#singleLabels = options.singleLabels ?? false;
  }

  /**
   * One record of class IN. `owner` and names inside `data` are uncompressed and in lower case (names in local data may
   * have any case). Gives the reason where the record is no rule that can be kept. `line` as in EntrySink.
   */
  record(
    owner: Uint8Array,
    ownerLength: number,
    type: number,
    ttl: number,
    data: Uint8Array,
    dataLength: number,
    line: number,
  ): Reason | undefined {
    const zoneAt = ownerLength - this.zone.length;
    // Walk to the label at which the zone begins; on the way, remember the last label before it.
    let last = -1;
    let at = 0;
    while (at < zoneAt && owner[at] !== 0) {
      last = at;
      at += owner[at]! + 1;
    }
    if (at !== zoneAt || !sameBytes(owner, at, this.zone)) return 'out-of-zone';
    if (zoneAt === 0) return this.#apex(type, ttl, data, dataLength);
    if (isSkippedType(type)) {
      this.#counts.skipped++;
      return undefined;
    }
    if (REFUSED_TYPES.has(type) || (type >= 128 && type <= 255)) return 'unsupported-type';
    if (beginsReserved(owner, last)) return this.#special(owner, zoneAt, last, type, ttl, data, dataLength, line);
    return this.#named(false, owner, zoneAt, type, ttl, data, dataLength, line);
  }

  #apex(type: number, ttl: number, data: Uint8Array, dataLength: number): Reason | undefined {
    this.#counts.skipped++;
    if (type !== TYPE.SOA) return undefined;
    const soa = readSoa(data, dataLength, ttl);
    if (soa === undefined) return 'bad-rdata';
    // The first one counts; a transfer ends with the same one again (RFC 5936 §2.2).
    this.soa ??= soa;
    return undefined;
  }

  #named(
    nameServer: boolean,
    owner: Uint8Array,
    to: number,
    type: number,
    ttl: number,
    data: Uint8Array,
    dataLength: number,
    line: number,
  ): Reason | undefined {
    const wildcard = owner[0] === 1 && owner[1] === STAR;
    const from = wildcard ? 2 : 0;
    const name = this.#name;
    let length = 0;
    for (let i = from; i < to; i++) name[length++] = owner[i]!;
    name[length++] = 0;
    if (length === 1) return 'root';
    if (endsInNumber(name, length)) return 'address';
    if (name[0]! + 2 === length && !this.#singleLabels) return 'single-label';
    const action = actionOf(type, data, dataLength, owner, to);
    if (typeof action === 'string') return action;
    const piece = action === ACTION_LOCAL_DATA ? dataPiece(type, ttl, data, dataLength) : undefined;
    this.#counts.entries++;
    const kind = wildcard ? SUBTREE : EXACT;
    if (nameServer) this.#sink.nameServer(name, length, kind, action, piece, line);
    else this.#sink.entry(name, length, kind, action, piece, line);
    return undefined;
  }

  #special(
    owner: Uint8Array,
    zoneAt: number,
    last: number,
    type: number,
    ttl: number,
    data: Uint8Array,
    dataLength: number,
    line: number,
  ): Reason | undefined {
    const label = labelText(owner, last);
    if (label === 'rpz-nsdname') {
      if (last === 0) return 'root';
      return this.#named(true, owner, last, type, ttl, data, dataLength, line);
    }
    const trigger = ADDRESS_TRIGGERS[label];
    if (trigger === undefined) return 'reserved-trigger';
    if (!this.#address.read(owner, 0, last)) return 'bad-prefix';
    let action = actionOf(type, data, dataLength, owner, last);
    // The same with the trigger's label: nothing else can be meant by it.
    if (action === 'reserved-action' && isSelf(data, dataLength, owner, zoneAt)) action = ACTION_PASSTHRU;
    if (typeof action === 'string') return action;
    const piece = action === ACTION_LOCAL_DATA ? dataPiece(type, ttl, data, dataLength) : undefined;
    this.#counts.entries++;
    this.#sink.network(trigger, this.#address.words, this.#address.bits, action, piece, line);
    return undefined;
  }
}

/**
 * The action that a record encodes (§3 of the draft). `owner[0..to)`: what the trigger is on, without a root label, with the
 * `*` of a wildcard.
 */
function actionOf(type: number, data: Uint8Array, dataLength: number, owner: Uint8Array, to: number): number | Reason {
  if (type !== TYPE.CNAME) return ACTION_LOCAL_DATA;
  if (dataLength === 1) return ACTION_NXDOMAIN;
  if (dataLength === 3 && data[1] === STAR) return ACTION_NODATA;
  let last = 0;
  for (let at = 0; at < dataLength && data[at] !== 0; at += data[at]! + 1) last = at;
  // §3.4, §3.6: top-level labels rpz-… are kept for actions.
  if (beginsReserved(data, last)) {
    const action = last === 0 ? ACTIONS[labelText(data, 0)] : undefined;
    return action ?? 'reserved-action';
  }
  // §3.3: before rpz-passthru. was agreed on, a CNAME to the trigger itself meant the same, whatever the trigger is on.
  return isSelf(data, dataLength, owner, to) ? ACTION_PASSTHRU : ACTION_LOCAL_DATA;
}

/** The name `data` is `owner[0..to)` with the root behind it. */
function isSelf(data: Uint8Array, dataLength: number, owner: Uint8Array, to: number): boolean {
  if (dataLength !== to + 1) return false;
  for (let i = 0; i < to; i++) if (lower(data[i]!) !== owner[i]) return false;
  return true;
}

/** One record in the form of index/rules.ts. */
function dataPiece(type: number, ttl: number, data: Uint8Array, dataLength: number): Uint8Array {
  const piece = new Uint8Array(DATA_RDATA_AT + dataLength);
  const view = new DataView(piece.buffer);
  view.setUint16(0, type);
  view.setUint32(2, ttl);
  piece.set(data.subarray(0, dataLength), DATA_RDATA_AT);
  return piece;
}

function readSoa(data: Uint8Array, length: number, ttl: number): PolicyZoneSoa | undefined {
  let at = 0;
  for (let names = 0; names < 2; names++) {
    while (at < length && data[at] !== 0) at += data[at]! + 1;
    at++;
  }
  if (at + 20 !== length) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, length);
  return {
    serial: view.getUint32(at),
    refreshSeconds: view.getUint32(at + 4),
    retrySeconds: view.getUint32(at + 8),
    expireSeconds: view.getUint32(at + 12),
    minimumSeconds: view.getUint32(at + 16),
    ttl,
    data: data.slice(0, length),
  };
}

function beginsReserved(name: Uint8Array, at: number): boolean {
  if (name[at]! <= RESERVED.length) return false;
  for (let i = 0; i < RESERVED.length; i++) if (lower(name[at + 1 + i]!) !== RESERVED[i]) return false;
  return true;
}

function labelText(name: Uint8Array, at: number): string {
  return String.fromCharCode(...name.subarray(at + 1, at + 1 + name[at]!)).toLowerCase();
}

function sameBytes(bytes: Uint8Array, at: number, other: Uint8Array): boolean {
  for (let i = 0; i < other.length; i++) if (bytes[at + i] !== other[i]) return false;
  return true;
}

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
}
