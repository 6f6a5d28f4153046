import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { ownThreadId, processDelayedMs, threadTime } from './thread-time.ts';

it.runIf(process.platform === 'linux')('tells what a thread has run, and that it sleeps', async () => {
  const words = new Int32Array(new SharedArrayBuffer(8));
  const thread = new Worker(
    `const { workerData: words } = require('node:worker_threads');
     words[0] = Number(require('node:fs').readlinkSync('/proc/thread-self').split('/').pop());
     const until = process.hrtime.bigint() + 30_000_000n;
     while (process.hrtime.bigint() < until);
     Atomics.store(words, 1, 1);
     Atomics.wait(words, 1, 1);`,
    { eval: true, workerData: words },
  );
  while (Atomics.load(words, 1) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const id = words[0]!;
  expect(id).not.toBe(ownThreadId());
  const deadline = performance.now() + 10_000;
  while (threadTime(id)?.asleep !== true && performance.now() < deadline) await new Promise((r) => setTimeout(r, 5));
  const first = threadTime(id)!;
  expect(first.asleep).toBe(true);
  expect(first.ranMs).toBeGreaterThan(0);
  expect(threadTime(id)).toEqual(first);
  expect(processDelayedMs()).toBeGreaterThanOrEqual(0);
  await thread.terminate();
  expect(threadTime(id)).toBeUndefined();
});

it('knows nothing of threads that there are not', () => {
  expect([threadTime(0), threadTime(-1), threadTime(2 ** 30)]).toEqual([undefined, undefined, undefined]);
});
