/** The thread behind lease-writer.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { errorText } from '../../errors/errors.ts';
import { LeaseArchive } from './lease-archive.ts';
import type { WriterReply, WriterRequest } from './lease-writer.ts';

const main = parentPort!;
const { file, run } = workerData as { file: string; run: number };
const archive = new LeaseArchive(file, Date.now(), run);

main.on('message', ({ id, name, args }: WriterRequest) => {
  try {
    (archive[name] as (...args: unknown[]) => void).apply(archive, [...args]);
    main.postMessage({ id } satisfies WriterReply);
  } catch (error) {
    main.postMessage({ id, error: errorText(error) } satisfies WriterReply);
  }
  if (name === 'close') main.close();
});
