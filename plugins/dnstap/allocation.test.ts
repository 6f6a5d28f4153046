import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { Query } from '../../src/contract/plugin.ts';
import { queryMessage } from '../../src/testing/testing.ts';
import { readQuery } from '../../src/wire/reader.ts';
import { createRing, RingReader, RingWriter } from './ring.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

test('a copy allocates nothing, whether there is room or not', () => {
  const memory = createRing();
  const writer = new RingWriter(memory);
  const reader = new RingReader(memory);
  const query = new Query();
  query.reset();
  query.message = queryMessage({ name: 'www.example.com' });
  query.length = query.message.length;
  readQuery(query, 1, 2);
  query.reply = new Uint8Array(200);
  query.replyLength = 120;
  query.receivedMs = 10.25;
  query.nowMs = 12.5;
  let put = 0;
  // About 4 900 fit: most of a round finds no room.
  const run = () => {
    for (let i = 0; i < 20_000; i++) if (writer.put(query)) put++;
  };
  for (let round = 0; round < 20; round++) {
    run();
    reader.drain(() => {});
  }
  // The least of the rounds: before V8 has optimised the code, which on a busy machine takes its time, fractions are objects.
  let grown = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 12; round++) {
    collect();
    const before = process.memoryUsage().heapUsed;
    run();
    grown = Math.min(grown, process.memoryUsage().heapUsed - before);
    reader.drain(() => {});
  }
  expect(put).toBeGreaterThan(25 * 4000);
  // About 4 900 copies: one object each would be more than seventy kilobytes.
  expect(grown).toBeLessThan(20_000);
});
