/**
 * Transaction signatures (RFC 8945): a request is signed, every message of its answer verified, chained to the one before.
 *
 *   request  ──MAC──►  message 1: HMAC(request's MAC, message, all variables)
 *                         │ MAC
 *                         ▼
 *                      messages 2…: HMAC(MAC before, messages since then, time and fudge); up to 99 may go unsigned between
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { CLASS, MAX_NAME_BYTES, RCODE, TYPE } from '../../../wire/constants.ts';
import { nameToText, textToName } from '../../../wire/name.ts';
import { skipName } from '../../../wire/reader.ts';
import { RecordCursor } from '../../../wire/records.ts';
import { TSIG_HASHES, type TsigKey } from './tsig-key.ts';

/** RFC 8945 §10: the recommended tolerance between two clocks, seconds. */
const FUDGE_S = 300;
/** RFC 8945 §5.3.1: a signature at least every 100 messages. */
const MAX_UNSIGNED = 99;
const BADSIG = 16;
const BADKEY = 17;
const BADTIME = 18;
const BADTRUNC = 22;
const NOTAUTH = 9;

/** A signature that is missing, wrong, or out of time; the message is for the operator. */
export class TsigError extends Error {}

/** The TSIG record at the end of a message. */
export interface Signature {
  /** Lower case. */
  readonly keyName: string;
  readonly algorithm: string;
  /** Seconds since 1970. */
  readonly signedAtS: number;
  readonly fudgeS: number;
  readonly mac: Uint8Array;
  readonly originalId: number;
  readonly error: number;
  readonly other: Uint8Array;
  /** Offset of the record: where the signed part ends. */
  readonly at: number;
}

/** The message's TSIG record; undefined where there is none. Throws TsigError where there is one that cannot be used. */
export function findSignature(message: Uint8Array): Signature | undefined {
  const cursor = new RecordCursor();
  if (!cursor.open(message, 0, message.length)) throw new TsigError('the message is broken');
  let at = -1;
  while (cursor.next()) {
    // RFC 8945 §5.1: the last record of the additional section, and only one.
    if (at >= 0) throw new TsigError('TSIG is not the last record (FORMERR)');
    if (cursor.type === TYPE.TSIG) at = cursor.owner;
  }
  if (cursor.broken) throw new TsigError('the message is broken');
  if (at < 0) return undefined;
  if (cursor.section !== 2 || cursor.class !== CLASS.ANY)
    throw new TsigError('a TSIG record that breaks RFC 8945 §4.2');
  const { dataStart, dataEnd } = cursor;
  const afterName = skipName(message, dataStart, dataEnd, 0);
  if (afterName < 0 || afterName + 16 > dataEnd) throw new TsigError('a TSIG record that is cut short');
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const macAt = afterName + 10;
  const macEnd = macAt + view.getUint16(afterName + 8);
  const otherAt = macEnd + 6;
  if (otherAt > dataEnd || otherAt + view.getUint16(macEnd + 4) !== dataEnd) {
    throw new TsigError('a TSIG record that is cut short');
  }
  return {
    keyName: expandedName(message, at),
    algorithm: expandedName(message, dataStart),
    signedAtS: view.getUint16(afterName) * 2 ** 32 + view.getUint32(afterName + 2),
    fudgeS: view.getUint16(afterName + 6),
    mac: copied(message, macAt, macEnd),
    originalId: view.getUint16(macEnd),
    error: view.getUint16(macEnd + 2),
    other: copied(message, otherAt, dataEnd),
    at,
  };
}

/** `message` with a TSIG record behind it. `requestMac`: of the request that this message answers. */
export function sign(
  message: Uint8Array,
  key: TsigKey,
  nowS: number,
  requestMac?: Uint8Array,
): { message: Uint8Array; mac: Uint8Array } {
  const time = timers(nowS, FUDGE_S);
  const id = copied(message, 0, 2);
  const hmac = createHmac(TSIG_HASHES[key.algorithm], key.secret);
  if (requestMac) hmac.update(withLength(requestMac));
  hmac.update(message).update(variables(key, time, 0, new Uint8Array(0)));
  const mac = new Uint8Array(hmac.digest());
  const data = concat([textToName(key.algorithm), time, withLength(mac), id, uint16s(0, 0)]);
  const record = concat([textToName(key.name), uint16s(TYPE.TSIG, CLASS.ANY, 0, 0, data.length), data]);
  const signed = concat([message, record]);
  signed.set(uint16s(((message[10] ?? 0) << 8) + (message[11] ?? 0) + 1), 10);
  return { message: signed, mac };
}

/** Verifies a signed request. Returns its MAC, which the answer's signature covers. Throws TsigError. */
export function verifyRequest(message: Uint8Array, signature: Signature, key: TsigKey, nowS: number): Uint8Array {
  checkKey(signature, key);
  const all = variables(key, timers(signature.signedAtS, signature.fudgeS), signature.error, signature.other);
  checkMac(key, signature, [unsigned(message, signature), all]);
  checkTime(signature, nowS);
  return signature.mac;
}

/** Verifies the messages that answer one signed request, in their order. */
export class TsigVerifier {
  readonly #key: TsigKey;
  #priorMac: Uint8Array;
  #first = true;
  /** Messages without a signature since the last one with. */
  #pending: Uint8Array[] = [];

  constructor(key: TsigKey, requestMac: Uint8Array) {
    this.#key = key;
    this.#priorMac = requestMac;
  }

  /** Take the next message. Throws TsigError. The bytes are copied where they are needed later. */
  take(message: Uint8Array, nowS: number): void {
    const signature = findSignature(message);
    if (!signature) {
      this.#takeUnsigned(message);
      return;
    }
    const key = this.#key;
    checkRefusal(signature, key, nowS);
    checkKey(signature, key);
    const time = timers(signature.signedAtS, signature.fudgeS);
    // RFC 8945 §5.3.1: from the second message on, time and fudge alone stand for the variables.
    const tail = this.#first ? variables(key, time, signature.error, signature.other) : time;
    checkMac(key, signature, [withLength(this.#priorMac), ...this.#pending, unsigned(message, signature), tail]);
    checkTime(signature, nowS);
    if (signature.error === BADTIME) throw new TsigError(clockReason(signature, nowS));
    if (signature.error !== 0) throw new TsigError(`the primary reports TSIG error ${signature.error}`);
    this.#priorMac = signature.mac;
    this.#pending = [];
    this.#first = false;
  }

  /** To be called after the last message: RFC 8945 §5.3.1, it must be signed. Throws TsigError. */
  end(): void {
    if (this.#first || this.#pending.length > 0) throw new TsigError('the last message is not signed (TSIG)');
  }

  #takeUnsigned(message: Uint8Array): void {
    if (this.#first) throw new TsigError(`the answer is not signed with key '${this.#key.name}'${rcodeHint(message)}`);
    if (this.#pending.length === MAX_UNSIGNED)
      throw new TsigError('100 messages without a signature (RFC 8945 §5.3.1)');
    this.#pending.push(copied(message, 0, message.length));
  }
}

/** An unsigned error is believed only so far as to give up (RFC 8945 §5.3.2: "MUST NOT be trusted"). */
function checkRefusal(signature: Signature, key: TsigKey, nowS: number): void {
  const { error } = signature;
  if (signature.mac.length > 0 && error === 0) return;
  if (error === BADKEY) {
    throw new TsigError(`BADKEY: the primary does not know key '${key.name}' with ${key.algorithm}`);
  }
  if (error === BADSIG) throw new TsigError(`BADSIG: the primary has another secret for key '${key.name}'`);
  if (error === BADTRUNC) throw new TsigError('BADTRUNC: the primary finds our signature too short');
  if (error === BADTIME && signature.mac.length === 0) throw new TsigError(clockReason(signature, nowS));
  if (signature.mac.length === 0) throw new TsigError(`the answer's signature is empty (TSIG error ${error})`);
}

function checkKey(signature: Signature, key: TsigKey): void {
  if (signature.keyName !== key.name || signature.algorithm !== key.algorithm) {
    throw new TsigError(
      `BADKEY: signed with '${signature.keyName}' (${signature.algorithm}), not with '${key.name}' (${key.algorithm})`,
    );
  }
}

function checkMac(key: TsigKey, signature: Signature, covered: Uint8Array[]): void {
  const hmac = createHmac(TSIG_HASHES[key.algorithm], key.secret);
  for (const part of covered) hmac.update(part);
  const expected = hmac.digest();
  // RFC 8945 §5.2.2.1 lets a truncated MAC pass by local policy; ours is to want all of it.
  if (expected.length !== signature.mac.length || !timingSafeEqual(expected, signature.mac)) {
    throw new TsigError(
      `BADSIG: the signature does not match key '${key.name}': another secret, or altered on the way`,
    );
  }
}

function checkTime(signature: Signature, nowS: number): void {
  if (Math.abs(nowS - signature.signedAtS) > signature.fudgeS) throw new TsigError(clockReason(signature, nowS));
}

function clockReason(signature: Signature, nowS: number): string {
  const { other } = signature;
  // RFC 8945 §5.2.3: a BADTIME answer carries the server's clock in "other data".
  const clock = other.length === 6 ? new DataView(other.buffer) : undefined;
  const theirs = clock ? clock.getUint16(0) * 2 ** 32 + clock.getUint32(2) : signature.signedAtS;
  const skewS = Math.round(theirs - nowS);
  const side = skewS > 0 ? 'ahead of' : 'behind';
  return `BADTIME: the primary's clock is ${Math.abs(skewS)} s ${side} ours; ${signature.fudgeS} s are allowed: check NTP on both`;
}

function rcodeHint(message: Uint8Array): string {
  const rcode = (message[3] ?? 0) & 15;
  if (rcode === RCODE.NOERROR) return '';
  if (rcode === RCODE.REFUSED) return ': the primary refuses (REFUSED)';
  return rcode === NOTAUTH ? ': the primary answers NOTAUTH' : `: the primary answers rcode ${rcode}`;
}

/** RFC 8945 §4.3.2: the message as it was before TSIG was added, with its original ID. */
function unsigned(message: Uint8Array, signature: Signature): Uint8Array {
  const bytes = copied(message, 0, signature.at);
  bytes.set(uint16s(signature.originalId), 0);
  bytes.set(uint16s(((message[10] ?? 0) << 8) + (message[11] ?? 0) - 1), 10);
  return bytes;
}

/** RFC 8945 §4.3.3. */
function variables(key: TsigKey, time: Uint8Array, error: number, other: Uint8Array): Uint8Array {
  const owner = concat([textToName(key.name), uint16s(CLASS.ANY, 0, 0)]);
  return concat([owner, textToName(key.algorithm), time, uint16s(error), withLength(other)]);
}

/** Time (48 bits) and fudge. */
function timers(seconds: number, fudgeS: number): Uint8Array {
  const whole = Math.floor(seconds);
  return uint16s(Math.floor(whole / 2 ** 32), Math.floor(whole / 2 ** 16) & 0xffff, whole & 0xffff, fudgeS);
}

function expandedName(message: Uint8Array, at: number): string {
  // Checked by skipName; pointers lead backwards. TSIG names are not compressed by anybody, but the owner may be.
  const name = new Uint8Array(MAX_NAME_BYTES);
  let written = 0;
  for (let size = message[at] ?? 0; size !== 0; size = message[at] ?? 0) {
    if (size >= 0xc0) {
      at = ((size & 0x3f) << 8) | (message[at + 1] ?? 0);
      continue;
    }
    name.set(message.subarray(at, at + size + 1), written);
    written += size + 1;
    at += size + 1;
  }
  return nameToText(name).toLowerCase();
}

function withLength(bytes: Uint8Array): Uint8Array {
  return concat([uint16s(bytes.length), bytes]);
}

function uint16s(...values: number[]): Uint8Array {
  return Uint8Array.from(values.flatMap((value) => [value >>> 8, value & 0xff]));
}

/** Not `slice`: a Buffer's shares the memory. */
function copied(bytes: Uint8Array, from: number, to: number): Uint8Array {
  return new Uint8Array(bytes.subarray(from, to));
}

function concat(parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
