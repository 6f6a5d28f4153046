/** The thread in which lists are compiled: one request after the other, by `CompileTask`. */
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { CompileTask } from './compile-task.ts';
import type { CompilerSettings, FromCompiler, ToCompiler } from './compiler.ts';

/** A tenth of the weight of the packet threads, where they want the same core: packets do not wait for lists. */
const NICE = 19;

const task = new CompileTask(workerData as CompilerSettings);
const main = parentPort!;

main.on('message', (message: ToCompiler) => {
  const { id } = message;
  // On Linux this is about the calling thread alone (setpriority(2)); elsewhere it would be about the whole process.
  const stepsBack = message.type === 'locate' || message.request.background;
  if (stepsBack && process.platform === 'linux') setPriority(0, NICE);
  try {
    const result =
      message.type === 'compile' ? task.compile(message.request) : task.locate(message.input, message.sought);
    main.postMessage({ id, result } satisfies FromCompiler);
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    main.postMessage({ id, failure } satisfies FromCompiler);
  }
});
