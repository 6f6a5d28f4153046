/** Queries and a handler for the tests of the transports: real messages through the real reader and writer. */
import { encode } from 'dns-packet';
import type { Query } from '../../src/wire/query.ts';
import { READ_OK, readQuery } from '../../src/wire/reader.ts';
import { ANSWER, addRecord, beginReply, finishReply } from '../../src/wire/writer.ts';

export const KEY0 = 0x1234;
export const KEY1 = 0x5678;

export function question(id: number, name: string): Buffer {
  return encode({ type: 'query', id, flags: 0x100, questions: [{ type: 'A', name }] });
}

/** A packet handler that answers every query with 192.0.2.7. */
export function answer(query: Query): boolean {
  query.reset();
  if (readQuery(query, KEY0, KEY1) !== READ_OK) {
    query.dropReason = 0;
    return false;
  }
  writeAnswer(query);
  return true;
}

export function writeAnswer(query: Query): void {
  beginReply(query, 0);
  addRecord(query, ANSWER, 1, 60, Uint8Array.of(192, 0, 2, 7));
  finishReply(query);
}

/** Resolves once `condition` holds, looked at once per turn of the event loop. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
