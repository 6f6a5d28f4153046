/** One desk per data folder and process: the configurations before and after a reload share it. */
import { join } from 'node:path';
import type { ControlContext } from '../../src/contract/plugin.ts';
import { type ArchiveThread, ArchiveThread as Thread } from './archive-thread.ts';
import { type DeskParts, HistoryDesk } from './desk.ts';

const TICK_MS = 1000;

export const HISTORY_FILE = 'history.db';

interface Shared {
  readonly desk: Promise<HistoryDesk>;
  users: number;
}
const desks = new Map<string, Shared>();

/** The desk for `folder`, begun where nobody uses it yet. `release` it when done; the last one closes it. */
export async function shareDesk(
  folder: string,
  parts: Omit<DeskParts, 'archive'>,
  every: ControlContext<unknown>['every'],
): Promise<{ desk: HistoryDesk; release: () => Promise<void> }> {
  let shared = desks.get(folder);
  if (!shared) {
    shared = { desk: begin(folder, parts), users: 0 };
    desks.set(folder, shared);
  } else (await shared.desk).changed('configuration');
  const mine = shared;
  mine.users++;
  const desk = await mine.desk;
  // Each user brings the time: the one whose configuration is replaced takes its timer along.
  every(TICK_MS, () => desk.tick());
  return {
    desk,
    release: async () => {
      if (--mine.users > 0) return;
      desks.delete(folder);
      await desk.close();
    },
  };
}

async function begin(folder: string, parts: Omit<DeskParts, 'archive'>): Promise<HistoryDesk> {
  let archive: ArchiveThread | undefined;
  try {
    const opened = await Thread.open(join(folder, HISTORY_FILE));
    archive = opened.archive;
    if (opened.movedAside !== undefined)
      parts.log.error(
        { movedAside: opened.movedAside },
        'THE HISTORY DATABASE WAS DAMAGED. It was moved aside and a new one was created; the baseline starts from scratch',
      );
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    parts.log.error({ reason }, 'THE HISTORY CANNOT BE STORED on disk; the last 15 minutes are still available');
  }
  return new HistoryDesk({ ...parts, archive });
}
