/** The thread behind writer-thread.ts. */

import { parentPort, workerData } from 'node:worker_threads';
import { threadClock } from '../../src/contract/plugin.ts';
import { FileSink, type Sink, SocketSink } from './sink.ts';
import { TapWriter } from './writer.ts';
import type { WriterOrder, WriterReport, WriterSetup } from './writer-thread.ts';

/** The rings are looked at this often: at 100 000 queries of 200 bytes a second one is full after 50 ms. */
const PASS_MS = 10;
const REPORT_MS = 1_000;

const main = parentPort!;
const setup = workerData as WriterSetup;
const sink: Sink =
  setup.socket === undefined ? new FileSink(setup.file ?? '', setup.fileBytes) : new SocketSink(setup.socket);
const writer = new TapWriter(setup, sink, threadClock());

const passes = setInterval(() => writer.pass(), PASS_MS);
const reports = setInterval(() => {
  sink.tick();
  report();
}, REPORT_MS);

main.on('message', async (order: WriterOrder) => {
  if ('key' in order) {
    writer.changeKey(order.key);
    return;
  }
  clearInterval(passes);
  clearInterval(reports);
  writer.pass();
  await sink.close();
  report();
  main.close();
});

function report(): void {
  const { written, dropped, open } = sink;
  main.postMessage({ written, dropped: { ...dropped }, open, problem: sink.takeProblem() } satisfies WriterReport);
}
