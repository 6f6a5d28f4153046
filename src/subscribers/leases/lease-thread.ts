/** The thread behind sqlite-lease-store.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { errorText } from '../../errors/errors.ts';
import { LeaseArchive } from './lease-archive.ts';
import { type ArchiveReply, type ArchiveRequest, OPENED } from './sqlite-lease-store.ts';

const main = parentPort!;
const { file, wallMs } = workerData as { file: string; wallMs: number };
const archive = new LeaseArchive(file, wallMs);
main.postMessage({
  id: OPENED,
  result: { run: archive.run, movedAside: archive.movedAside },
} satisfies ArchiveReply);

main.on('message', ({ id, name, args }: ArchiveRequest) => {
  try {
    const result = (archive[name] as (...args: unknown[]) => unknown).apply(archive, [...args]);
    main.postMessage({ id, result } satisfies ArchiveReply);
  } catch (error) {
    main.postMessage({ id, error: errorText(error) } satisfies ArchiveReply);
  }
  if (name === 'close') main.close();
});
