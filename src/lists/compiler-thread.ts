/** The thread in which lists are compiled: one request after the other, by `CompileTask`. */
import { parentPort, workerData } from 'node:worker_threads';
import { CompileTask } from './compile-task.ts';
import type { CompilerSettings, FromCompiler, ToCompiler } from './compiler.ts';

const task = new CompileTask(workerData as CompilerSettings);
const main = parentPort!;

main.on('message', (message: ToCompiler) => {
  if (message.type === 'release') {
    task.release(message.version);
    return;
  }
  const { id } = message;
  try {
    const result =
      message.type === 'compile' ? task.compile(message.request) : task.locate(message.input, message.sought);
    main.postMessage({ id, result } satisfies FromCompiler);
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    main.postMessage({ id, failure } satisfies FromCompiler);
  }
});
