/**
 * Questions, queries and answers made for tests and benches of the cache: what the reader and the upstream would have
 * made of real packets.
 */

import { type Answer, NXDOMAIN, POSITIVE } from '../../src/wire/answer.ts';
import { EDE, FLAG_AD, FLAG_CD, FLAG_RD, HEADER_BYTES, TYPE } from '../../src/wire/constants.ts';
import { textToName } from '../../src/wire/name.ts';
import { Query } from '../../src/wire/query.ts';
import type { Question } from '../../src/wire/question.ts';
import { READ_OK, readQuery } from '../../src/wire/reader.ts';
import { put16, put32 } from '../../src/wire/writer.ts';

/** The hash key of tests and benches. */
const KEY0 = 0x01234567;
const KEY1 = 0x76543210;

export interface SampleQuery {
  type?: number;
  class?: number;
  dnssecOk?: boolean;
  checkingDisabled?: boolean;
  /** The client sets AD. */
  ad?: boolean;
  /** EDNS with this UDP size; left out: no EDNS unless `dnssecOk`. */
  udpSize?: number;
  id?: number;
}

/** A query as the chain gets it, with room for a reply of `replyCapacity` bytes at offset 64 of a buffer of its own. */
export function sampleQuery(name: string, options: SampleQuery = {}, replyCapacity = 65_536): Query {
  const query = new Query();
  const buffer = new ArrayBuffer((64 + replyCapacity + 64) & ~3);
  query.reply = new Uint8Array(buffer);
  query.replyWords = new Int32Array(buffer);
  query.replyStart = 64;
  query.replyCapacity = replyCapacity;
  ask(query, name, options);
  return query;
}

/** Let `query` ask something else. The spelling of `name` is kept in its message. */
export function ask(query: Query, name: string, options: SampleQuery = {}): void {
  const {
    type = TYPE.A,
    class: qclass = 1,
    dnssecOk = false,
    checkingDisabled = false,
    ad = false,
    id = 0x1234,
  } = options;
  const edns = dnssecOk || options.udpSize !== undefined;
  const wire = textToName(name);
  // textToName lowercases; the client's spelling goes back in label by label.
  let at = 0;
  for (const label of name === '.' ? [] : name.split('.')) {
    for (let i = 0; i < label.length; i++) wire[at + 1 + i] = label.charCodeAt(i);
    at += label.length + 1;
  }
  const end = HEADER_BYTES + wire.length + 4;
  const message = new Uint8Array(end + (edns ? 11 : 0));
  put16(message, 0, id);
  put16(message, 2, FLAG_RD | (checkingDisabled ? FLAG_CD : 0) | (ad ? FLAG_AD : 0));
  put16(message, 4, 1);
  message.set(wire, HEADER_BYTES);
  put16(message, end - 4, type);
  put16(message, end - 2, qclass);
  if (edns) {
    put16(message, 10, 1);
    put16(message, end + 1, TYPE.OPT);
    put16(message, end + 3, options.udpSize ?? 1232);
    put16(message, end + 7, dnssecOk ? 0x8000 : 0);
  }
  query.reset();
  query.message = message;
  query.start = 0;
  query.length = message.length;
  if (readQuery(query, KEY0, KEY1) !== READ_OK) throw new Error(`'${name}' makes no query`);
}

export interface SampleAnswer {
  /** Seconds, of each record. */
  ttls?: readonly number[];
  /** Data bytes of each record; `fill` in each of them. */
  dataBytes?: number;
  fill?: number;
  rcode?: number;
  kind?: number;
  authenticData?: boolean;
  ede?: number;
}

/** Write an answer to `question` into `answer`: records of the question's name and type, or for NXDOMAIN of no meaning. */
export function sampleAnswer(answer: Answer, question: Question, options: SampleAnswer = {}): Answer {
  const { ttls = [300], dataBytes = 4, fill = 0, rcode = 0, authenticData = false, ede = EDE.NONE } = options;
  const bytes = answer.bytes;
  bytes.fill(0, 0, HEADER_BYTES);
  bytes[3] = rcode & 15;
  put16(bytes, 4, 1);
  put16(bytes, 6, ttls.length);
  for (let i = 0; i < question.nameLength; i++) bytes[HEADER_BYTES + i] = question.name[i]!;
  let at = HEADER_BYTES + question.nameLength;
  put16(bytes, at, question.type);
  put16(bytes, at + 2, question.class);
  at += 4;
  for (let i = 0; i < ttls.length; i++) {
    put16(bytes, at, 0xc00c);
    put16(bytes, at + 2, question.type);
    put16(bytes, at + 4, question.class);
    answer.ttlOffsets[i] = at + 6;
    put32(bytes, at + 6, ttls[i]!);
    put16(bytes, at + 10, dataBytes);
    bytes.fill(fill, at + 12, at + 12 + dataBytes);
    at += 12 + dataBytes;
  }
  answer.length = at;
  answer.ttlCount = ttls.length;
  answer.kind = options.kind ?? (rcode === 3 ? NXDOMAIN : POSITIVE);
  answer.rcode = rcode;
  answer.authenticData = authenticData;
  answer.ede = ede;
  answer.ttl = Math.min(...ttls);
  return answer;
}
