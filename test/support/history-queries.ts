/** Queries as the chain hands them to the observe hook, and a recorder to hand them to. For this plugin's tests. */

import { Collector } from '../../plugins/query-history/collector.ts';
import { createRecorderMemory, type RecorderMemory } from '../../plugins/query-history/layout.ts';
import { Recorder } from '../../plugins/query-history/recorder.ts';
import { SharedSuffixes, SuffixTeacher } from '../../plugins/query-history/shared-suffixes.ts';
import { addressWords, isMapped } from '../../src/address/address.ts';
import { Query, TYPE } from '../../src/contract/plugin.ts';
import { queryMessage } from '../../src/testing/testing.ts';
import { readQuery } from '../../src/wire/reader.ts';

export interface Observed {
  readonly name?: string;
  readonly type?: string;
  readonly client?: string;
  readonly rcode?: number;
  readonly cacheResult?: number;
  readonly replyLength?: number;
  readonly dropReason?: number;
  readonly latencyMs?: number;
  readonly nowMs?: number;
}

export const HASH_KEY = [0x01234567, 0x09abcdef] as const;
const SOURCE_KEY = [0x2f7c1a93, 0x51d0e84b, 0x7a3b92c5, 0x0c64fd17, 0x5be1a3d9, 0x68f2479b];

export function observed(what: Observed): Query {
  const query = new Query();
  query.reset();
  if (what.name !== undefined) {
    query.message = queryMessage({ name: what.name, type: what.type ?? 'A' });
    query.length = query.message.length;
    readQuery(query, HASH_KEY[0], HASH_KEY[1]);
    if (what.type === 'HTTPS') query.question.type = TYPE.HTTPS;
  }
  query.clientWords.set(addressWords(what.client ?? '192.0.2.1'));
  query.family = isMapped(query.clientWords) ? 4 : 6;
  query.rcode = what.rcode ?? 0;
  query.cacheResult = what.cacheResult ?? 1;
  query.replyLength = what.replyLength ?? 100;
  query.reply = new Uint8Array(16);
  query.dropReason = what.dropReason ?? -1;
  query.nowMs = what.nowMs ?? 0;
  query.receivedMs = query.nowMs - (what.latencyMs ?? 0);
  return query;
}

export interface TestRecorder {
  readonly recorders: readonly Recorder[];
  readonly memories: readonly RecorderMemory[];
  readonly collector: Collector;
  readonly teacher: SuffixTeacher;
}

export function testRecorder(workers = 1): TestRecorder {
  const teacher = new SuffixTeacher([1, 2, 3, 4]);
  const memories = Array.from({ length: workers }, () => createRecorderMemory());
  const recorders = memories.map(
    (memory, i) =>
      new Recorder(memory, {
        sourceKey: SOURCE_KEY,
        suffixKey: teacher.key,
        suffixes: new SharedSuffixes(teacher.memory),
        ipv4Prefix: 24,
        ipv6Prefix: 56,
        random32: () => 0x9e3779b9 + i,
      }),
  );
  return { recorders, memories, collector: new Collector(memories, 24, 56), teacher };
}
