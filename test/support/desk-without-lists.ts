/** For tests of what stands around the desk: a real one, of a configuration without lists. */

import { pino } from 'pino';
import type { Config } from '../../src/config/config.ts';
import { threadCompiler } from '../../src/lists/compiler.ts';
import { ListDesk } from '../../src/lists/desk.ts';
import { Metrics } from '../../src/metrics/registry.ts';
import { systemClock } from '../../src/time/clock.ts';

export function deskWithoutLists({ server: { dataFolder }, popularNamesFile }: Config): Promise<ListDesk> {
  return ListDesk.open({
    audit: { record: () => {} },
    config: { lists: [], transfer: {} },
    folder: dataFolder,
    log: pino({ level: 'silent' }),
    clock: systemClock,
    random: () => 0,
    metrics: new Metrics(),
    // Starts no thread before it is asked for something.
    compiler: threadCompiler({ key: [1, 2, 3, 4], popularNamesFile }),
    nextVersion: () => 1,
    publish: async () => {},
  });
}
