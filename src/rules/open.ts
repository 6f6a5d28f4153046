/** The measures desk of a process, with its store and the clock hand that drives it. */
import { join } from 'node:path';
import type { Auditor } from '../audit/entry.ts';
import { errorText } from '../errors/errors.ts';
import { makeDataFolder } from '../system/data-folder.ts';
import type { Clock } from '../time/clock.ts';
import { MeasureDesk, type MeasuresLog } from './desk.ts';
import { MeasureStore } from './store.ts';

/** Ends and rates are looked at this often. */
const TICK_MS = 1_000;

/** Below `dataFolder`. A store that cannot be opened says so; then nothing can be put in force, and serving goes on. */
export function openMeasures(
  dataFolder: string,
  { clock, audit, log }: { clock: Clock; audit: Auditor; log: MeasuresLog },
): MeasureDesk {
  const desk = new MeasureDesk({ store: openStore(dataFolder, clock, log), clock, audit, log });
  setInterval(() => void desk.tick(), TICK_MS).unref();
  return desk;
}

function openStore(dataFolder: string, clock: Clock, log: MeasuresLog): MeasureStore | undefined {
  try {
    const folder = join(dataFolder, 'measures');
    makeDataFolder(folder);
    const store = new MeasureStore(folder, clock.wallMs());
    if (store.movedAside !== undefined)
      log.error(
        { movedAside: store.movedAside },
        'THE STORE OF THE MEASURES WAS DAMAGED. It was moved aside; measures that were in force are NOT any more',
      );
    return store;
  } catch (error) {
    log.error({ reason: errorText(error) }, 'the measures cannot be kept: none can be put in force');
    return undefined;
  }
}
