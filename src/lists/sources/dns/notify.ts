/**
 * NOTIFY (RFC 1996): a primary says that a zone has changed. It is a hint and nothing more: what it makes us do is ask for the
 * SOA. So a forged one costs a question, and those are limited by the schedule.
 */
import { CLASS, FLAG_AA, FLAG_QR, HEADER_BYTES, RCODE, TYPE } from '../../../wire/constants.ts';
import { skipName } from '../../../wire/reader.ts';
import { RecordCursor } from '../../../wire/records.ts';
import { absoluteName, RecordError, readSoa } from './record-text.ts';
import { findSignature, type Signature, sign, TsigError, verifyRequest } from './tsig.ts';
import type { TsigKey } from './tsig-key.ts';

export interface Notify {
  /** Lower case, with the final dot, in master-file form. */
  readonly zone: string;
  /** Of the SOA in the message, where there is one: unproven, and perhaps already old. */
  readonly serial?: number;
}

/** A zone that we transfer, and who may notify us of it. */
export interface NotifyZone {
  /** Lower case, with the final dot. */
  readonly zone: string;
  /** Addresses of the primaries, in canonical text. */
  readonly primaries: readonly string[];
  readonly key?: TsigKey;
}

export type NotifyVerdict =
  | { readonly accepted: true; readonly zone: string; readonly serial?: number; readonly reply: Uint8Array }
  /** `reply` is absent where nothing is to be sent: no NOTIFY at all, or one from a stranger. */
  | { readonly accepted: false; readonly reason: string; readonly reply?: Uint8Array };

const OPCODE_BITS = 0x7800;
const OPCODE_NOTIFY = 0x2000;
const RD_BIT = 0x0100;
const NOTAUTH = 9;

/** What a datagram notifies of; undefined where it is no NOTIFY for a zone. */
export function parseNotify(bytes: Uint8Array): Notify | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  const flags = (bytes[2]! << 8) | bytes[3]!;
  if ((flags & FLAG_QR) !== 0 || (flags & OPCODE_BITS) !== OPCODE_NOTIFY) return undefined;
  // RFC 1996 §3.7: one question, of type SOA.
  const questionEnd = endOfQuestion(bytes);
  if (questionEnd < 0) return undefined;
  const type = (bytes[questionEnd - 4]! << 8) | bytes[questionEnd - 3]!;
  const klass = (bytes[questionEnd - 2]! << 8) | bytes[questionEnd - 1]!;
  if (type !== TYPE.SOA || klass !== CLASS.IN) return undefined;
  try {
    const zone = absoluteName(bytes, HEADER_BYTES, bytes.length);
    const serial = notifiedSerial(bytes, zone);
    return serial === undefined ? { zone } : { zone, serial };
  } catch (error) {
    if (error instanceof RecordError) return undefined;
    throw error;
  }
}

/** The answer (RFC 1996 §4): the question with QR set. `bytes` is what `parseNotify` took. */
export function notifyReply(bytes: Uint8Array, rcode: number = RCODE.NOERROR): Uint8Array {
  const reply = new Uint8Array(bytes.subarray(0, endOfQuestion(bytes)));
  const flags = FLAG_QR | OPCODE_NOTIFY | FLAG_AA | (((reply[2]! << 8) | reply[3]!) & RD_BIT) | rcode;
  reply[2] = flags >>> 8;
  reply[3] = flags & 0xff;
  reply.set([0, 1, 0, 0, 0, 0, 0, 0], 4);
  return reply;
}

/**
 * Judges a datagram from `address` (canonical text). An unsigned NOTIFY of a primary is accepted even where transfers are
 * signed, as most primaries send it so; a signature, where there is one, has to be right.
 */
export function judgeNotify(
  bytes: Uint8Array,
  address: string,
  zones: readonly NotifyZone[],
  nowS: number,
): NotifyVerdict {
  const notify = parseNotify(bytes);
  if (!notify) return { accepted: false, reason: 'is no NOTIFY for a zone' };
  const zone = zones.find((each) => each.zone === notify.zone);
  if (!zone) {
    return {
      accepted: false,
      reason: `no list is transferred from ${notify.zone}`,
      reply: notifyReply(bytes, NOTAUTH),
    };
  }
  if (!zone.primaries.includes(address)) {
    // RFC 1996 §3.10: from one that is not a primary: ignored, and logged.
    return { accepted: false, reason: `${address} is no primary of ${notify.zone}` };
  }
  try {
    const signature = findSignature(bytes);
    const reply = signature ? signedReply(bytes, signature, zone, nowS) : notifyReply(bytes);
    return { accepted: true, ...notify, reply };
  } catch (error) {
    if (!(error instanceof TsigError)) throw error;
    return { accepted: false, reason: error.message, reply: notifyReply(bytes, NOTAUTH) };
  }
}

function signedReply(bytes: Uint8Array, signature: Signature, { key }: NotifyZone, nowS: number): Uint8Array {
  if (!key) throw new TsigError(`BADKEY: signed with '${signature.keyName}', but the list has no key`);
  const mac = verifyRequest(bytes, signature, key, nowS);
  return sign(notifyReply(bytes), key, nowS, mac).message;
}

function notifiedSerial(bytes: Uint8Array, zone: string): number | undefined {
  const cursor = new RecordCursor();
  if (!cursor.open(bytes, 0, bytes.length)) throw new RecordError('the message is broken');
  let serial: number | undefined;
  while (cursor.next()) {
    if (cursor.section !== 0 || cursor.type !== TYPE.SOA || serial !== undefined) continue;
    if (absoluteName(bytes, cursor.owner, bytes.length) === zone) serial = readSoa(cursor).serial;
  }
  if (cursor.broken) throw new RecordError('the message is broken');
  return serial;
}

/** Offset behind the only question, or -1. */
function endOfQuestion(bytes: Uint8Array): number {
  if (((bytes[4]! << 8) | bytes[5]!) !== 1) return -1;
  const afterName = skipName(bytes, HEADER_BYTES, bytes.length, 0);
  return afterName < 0 || afterName + 4 > bytes.length ? -1 : afterName + 4;
}
