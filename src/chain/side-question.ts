/** A question that the chain asks for the sake of a client's: the target of an alias, another type of the same name. */
import type { AnswerCache } from '../cache/cache.ts';
import type { FailureTable } from '../cache/failures.ts';
import { FLAG_RD, HEADER_BYTES, MAX_MESSAGE_BYTES } from '../wire/constants.ts';
import { Query, TCP } from '../wire/query.ts';
import { readQuery } from '../wire/reader.ts';
import { put16 } from '../wire/writer.ts';
import type { Partitions } from '../zones/partitions.ts';
import type { SuspendedQueries } from './suspended.ts';

/** Where such questions are answered from, and where the client's query waits meanwhile. */
export interface SideQuestionParts {
  readonly cache: Pick<AnswerCache, 'serve' | 'refreshDue'>;
  readonly failures: Pick<FailureTable, 'active'>;
  readonly localZones?: Pick<Partitions, 'decide'> | undefined;
  readonly suspended: SuspendedQueries;
  readonly hashKey: readonly [number, number];
}

export class SideQuestion {
  /** The question, and room for the reply to it. */
  readonly query = new Query();
  readonly #message = new Uint8Array(HEADER_BYTES + 256 + 4);
  readonly #key0: number;
  readonly #key1: number;

  constructor(hashKey: readonly [number, number]) {
    [this.#key0, this.#key1] = hashKey;
    const memory = new ArrayBuffer(MAX_MESSAGE_BYTES + 1);
    const { query } = this;
    query.reply = new Uint8Array(memory);
    query.replyWords = new Int32Array(memory);
    query.replyCapacity = memory.byteLength;
    query.message = this.#message;
    // Whole, whatever the client's transport takes.
    query.transport = TCP;
  }

  /** Ask for `name` and `type` as `asker` would: its class, DO, partition, and whether it takes what is stale. `flags`: besides RD. */
  ask(asker: Query, name: Uint8Array, nameLength: number, type: number, flags: number): void {
    const message = this.#message;
    message.fill(0, 0, HEADER_BYTES);
    put16(message, 2, FLAG_RD | flags);
    message[5] = 1;
    for (let i = 0; i < nameLength; i++) message[HEADER_BYTES + i] = name[i]!;
    put16(message, HEADER_BYTES + nameLength, type);
    put16(message, HEADER_BYTES + nameLength + 2, asker.question.class);
    const { query } = this;
    query.reset();
    query.length = HEADER_BYTES + nameLength + 4;
    query.nowMs = asker.nowMs;
    readQuery(query, this.#key0, this.#key1);
    query.question.dnssecOk = asker.question.dnssecOk;
    query.question.partition = asker.question.partition;
    query.mayBeStale = asker.mayBeStale;
  }
}
