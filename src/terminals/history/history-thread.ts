/** The thread behind sqlite-history-store.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { errorText } from '../../errors/errors.ts';
import { LeaseFile } from './lease-file.ts';
import { HISTORY_OPENED, type HistoryReply, type HistoryRequest } from './sqlite-history-store.ts';

const main = parentPort!;
const { file, wallMs } = workerData as { file: string; wallMs: number };
const leases = new LeaseFile(file, wallMs);
main.postMessage({ id: HISTORY_OPENED, result: leases.movedAside } satisfies HistoryReply);

main.on('message', ({ id, name, args }: HistoryRequest) => {
  try {
    const result = (leases[name] as (...args: unknown[]) => unknown).apply(leases, [...args]);
    main.postMessage({ id, result } satisfies HistoryReply);
  } catch (error) {
    main.postMessage({ id, error: errorText(error) } satisfies HistoryReply);
  }
  if (name === 'close') main.close();
});
