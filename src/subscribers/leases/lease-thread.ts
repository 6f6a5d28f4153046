/** The thread behind sqlite-lease-store.ts. */
import { workerData } from 'node:worker_threads';
import { serveStore } from '../../store/store-thread.ts';
import { LeaseArchive } from './lease-archive.ts';
import type { ArchiveOpened } from './sqlite-lease-store.ts';

const { file, wallMs } = workerData as { file: string; wallMs: number };
const archive = new LeaseArchive(file, wallMs);
serveStore(archive, { run: archive.run, movedAside: archive.movedAside } satisfies ArchiveOpened);
