/** TTLs of a reply, cut to what some clients may keep. */
import { TYPE } from './constants.ts';
import type { Query } from './query.ts';
import { RecordCursor } from './records.ts';
import { put32 } from './writer.ts';

const cursor = new RecordCursor();

/** Cut the TTL of every record in the reply, which has no OPT record yet, to `seconds`. */
export function cutTtls({ reply, replyStart, replyLength }: Query, seconds: number): void {
  if (!cursor.open(reply, replyStart, replyLength)) return;
  while (cursor.next()) if (cursor.ttl > seconds && cursor.type !== TYPE.OPT) put32(reply, cursor.ttlAt, seconds);
}
