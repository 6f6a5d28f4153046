// The writing thread of src/subscribers/table/two-threads.test.ts: gives a few prefixes new holders as fast as it can until it is told to end.
// Holders with an even number hold theirs beyond the reader's time, those with an odd one have long lost it.
import { parentPort, workerData } from 'node:worker_threads';

const { compiled, memory, prefixes, stop } = workerData;
const { PrefixTable } = await import(new URL('src/subscribers/table/prefix-table.js', compiled));

const table = new PrefixTable(memory);
const flag = new Int32Array(stop);
let written = 0;
for (; Atomics.load(flag, 0) === 0; written++) {
  const i = written % prefixes;
  const holder = (written * 7) & 0xffff;
  table.set(Int32Array.of(i, i, i, i, 0), 128, holder, (holder & 1) === 0 ? 2000 : 10, written);
}
parentPort.postMessage(written);
