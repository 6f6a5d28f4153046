/**
 * dnstap messages in Protocol Buffers (https://dnstap.info, dnstap.proto). The schema is fixed and small, so that writing it
 * by hand is shorter than bringing a library.
 */
import { RecordCursor, TYPE } from '../../src/contract/plugin.ts';

export const CLIENT_QUERY = 5;
export const CLIENT_RESPONSE = 6;

export interface TapMessage {
  readonly type: typeof CLIENT_QUERY | typeof CLIENT_RESPONSE;
  readonly ipv6: boolean;
  readonly tcp: boolean;
  /** 4 or 16 bytes; undefined = left out. */
  readonly address: Uint8Array | undefined;
  /** Wall-clock milliseconds, with fractions. */
  readonly queryMs: number;
  readonly responseMs: number;
  /** DNS message in wire form. */
  readonly message: Uint8Array;
}

const VARINT = 0;
const BYTES = 2;
const FIXED32 = 5;

/** Numbers of the fields, as dnstap.proto has them. */
const DNSTAP = { identity: 1, version: 2, message: 14, type: 15 } as const;
const MESSAGE = {
  type: 1,
  family: 2,
  protocol: 3,
  queryAddress: 4,
  queryTimeSec: 8,
  queryTimeNsec: 9,
  queryMessage: 10,
  responseTimeSec: 12,
  responseTimeNsec: 13,
  responseMessage: 14,
} as const;

/** Writes frames: their length, then a Dnstap message. Its memory is used again for each. */
export class FrameEncoder {
  readonly #inner = new Protobuf();
  readonly #outer = new Protobuf();
  readonly #identity: Uint8Array;
  readonly #version: Uint8Array;

  constructor(identity: string, version: string) {
    this.#identity = new TextEncoder().encode(identity);
    this.#version = new TextEncoder().encode(version);
  }

  /** A frame of its own memory. */
  frame(tap: TapMessage): Buffer {
    const inner = this.#inner.clear();
    inner.varint(MESSAGE.type, tap.type);
    inner.varint(MESSAGE.family, tap.ipv6 ? 2 : 1);
    inner.varint(MESSAGE.protocol, tap.tcp ? 2 : 1);
    if (tap.address) inner.bytes(MESSAGE.queryAddress, tap.address);
    time(inner, MESSAGE.queryTimeSec, MESSAGE.queryTimeNsec, tap.queryMs);
    if (tap.type === CLIENT_QUERY) inner.bytes(MESSAGE.queryMessage, tap.message);
    else {
      time(inner, MESSAGE.responseTimeSec, MESSAGE.responseTimeNsec, tap.responseMs);
      inner.bytes(MESSAGE.responseMessage, tap.message);
    }
    const outer = this.#outer.clear();
    if (this.#identity.length > 0) outer.bytes(DNSTAP.identity, this.#identity);
    outer.bytes(DNSTAP.version, this.#version);
    outer.bytes(DNSTAP.message, inner.written());
    // Type 1 = MESSAGE.
    outer.varint(DNSTAP.type, 1);
    const body = outer.written();
    const frame = Buffer.allocUnsafe(4 + body.length);
    frame.writeUInt32BE(body.length);
    frame.set(body, 4);
    return frame;
  }
}

function time(out: Protobuf, seconds: number, nanoseconds: number, ms: number): void {
  const whole = Math.floor(ms / 1000);
  out.varint(seconds, whole);
  out.fixed32(nanoseconds, Math.min(999_999_999, Math.max(0, Math.round((ms - whole * 1000) * 1e6))));
}

/** Header and question alone: options of a query (client subnet, cookie) name the client. */
export function questionOnly(question: Uint8Array): Uint8Array {
  const message = Uint8Array.from(question);
  // RFC 1035 §4.1.1: no record follows.
  message.fill(0, 6, 12);
  return message;
}

/**
 * The reply without its OPT record, which carries the client's cookie. Where it does not stand last (nobody here writes it
 * elsewhere) or the reply is broken, only header and question are left.
 */
export function withoutOptions(reply: Uint8Array): Uint8Array {
  const cursor = new RecordCursor();
  const message = Uint8Array.from(reply);
  if (!cursor.open(message, 0, message.length)) return message.subarray(0, 0);
  let questionEnd = -1;
  let optAt = -1;
  while (cursor.next()) {
    if (questionEnd < 0) questionEnd = cursor.owner;
    if (optAt >= 0) return questionOnly(message.subarray(0, questionEnd));
    // RFC 6891 §6.1.1.
    if (cursor.type === TYPE.OPT) optAt = cursor.owner;
  }
  if (cursor.broken) return questionOnly(message.subarray(0, Math.max(12, questionEnd)));
  if (optAt < 0) return message;
  const additional = ((message[10]! << 8) | message[11]!) - 1;
  message[10] = additional >>> 8;
  message[11] = additional & 255;
  return message.subarray(0, optAt);
}

/** Fields one after the other, in memory that grows to what the largest message needs. */
class Protobuf {
  #bytes = new Uint8Array(2048);
  #at = 0;

  clear(): this {
    this.#at = 0;
    return this;
  }

  written(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  /** `value`: a whole number, 0–2^53. */
  varint(field: number, value: number): void {
    this.#room(16);
    this.#number(field * 8 + VARINT);
    this.#number(value);
  }

  fixed32(field: number, value: number): void {
    this.#room(16);
    this.#number(field * 8 + FIXED32);
    for (let shift = 0; shift < 32; shift += 8) this.#bytes[this.#at++] = (value >>> shift) & 255;
  }

  bytes(field: number, value: Uint8Array): void {
    this.#room(16 + value.length);
    this.#number(field * 8 + BYTES);
    this.#number(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  #number(value: number): void {
    let left = value;
    for (; left >= 128; left = Math.floor(left / 128)) this.#bytes[this.#at++] = (left % 128) | 128;
    this.#bytes[this.#at++] = left;
  }

  #room(more: number): void {
    if (this.#at + more <= this.#bytes.length) return;
    const grown = new Uint8Array(2 * (this.#at + more));
    grown.set(this.written());
    this.#bytes = grown;
  }
}
