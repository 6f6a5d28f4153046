/** The thread behind sqlite-history-store.ts. */
import { workerData } from 'node:worker_threads';
import { serveStore } from '../../store/store-thread.ts';
import { LeaseFile } from './lease-file.ts';
import type { HistoryOpened } from './sqlite-history-store.ts';

const { file, wallMs } = workerData as { file: string; wallMs: number };
const leases = new LeaseFile(file, wallMs);
serveStore(leases, { movedAside: leases.movedAside } satisfies HistoryOpened);
