/** The thread in which lists are compiled: one request after the other, by `CompileTask`. */
import { parentPort, workerData } from 'node:worker_threads';
import { Background } from './background.ts';
import { CompileTask } from './compile-task.ts';
import type { CompilerSettings, FromCompiler, ToCompiler } from './compiler.ts';

const background = new Background();
const task = new CompileTask(workerData as CompilerSettings, () => background.goOn());
const main = parentPort!;
main.on('message', (message: ToCompiler) => {
  const { id } = message;
  if (message.type === 'locate' || message.request.background) background.enter();
  try {
    const result =
      message.type === 'compile' ? task.compile(message.request) : task.locate(message.input, message.sought);
    main.postMessage({ id, result } satisfies FromCompiler);
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    main.postMessage({ id, failure } satisfies FromCompiler);
  }
});
