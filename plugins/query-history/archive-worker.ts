/** The thread behind archive-thread.ts. */

import { parentPort, workerData } from 'node:worker_threads';
import { errorText, threadClock } from '../../src/contract/plugin.ts';
import { Archive } from './archive.ts';
import type { ArchiveOpened, ArchiveReply, ArchiveRequest } from './archive-thread.ts';

const main = parentPort!;
const { file } = workerData as { file: string };

try {
  const archive = new Archive(file, threadClock().wallMs());
  main.on('message', ({ id, name, args }: ArchiveRequest) => {
    try {
      const value = (archive[name] as (...args: unknown[]) => unknown).apply(archive, [...args]);
      main.postMessage({ id, value } satisfies ArchiveReply);
    } catch (error) {
      main.postMessage({ id, error: errorText(error) } satisfies ArchiveReply);
    }
    if (name === 'close') main.close();
  });
  main.postMessage({ id: 0, movedAside: archive.movedAside } satisfies ArchiveOpened);
} catch (error) {
  main.postMessage({ id: 0, error: errorText(error) } satisfies ArchiveOpened);
}
