/** For tests of what stands around the desk: a real one, of a configuration without lists. */
import { pino } from 'pino';
import { systemClock } from '../clock.ts';
import type { Config } from '../config/config.ts';
import { Metrics } from '../metrics/registry.ts';
import { threadCompiler } from './compiler.ts';
import { ListDesk } from './desk.ts';

export function deskWithoutLists(config: Config): Promise<ListDesk> {
  return ListDesk.open({
    audit: { record: () => {} },
    config: { ...config, lists: [], transfer: {} },
    folder: config.server.dataFolder,
    log: pino({ level: 'silent' }),
    clock: systemClock,
    random: () => 0,
    metrics: new Metrics(),
    // Starts no thread before it is asked for something.
    compiler: threadCompiler({ key: [1, 2, 3, 4], popularNamesFile: config.popularNamesFile }),
    nextVersion: () => 1,
    publish: async () => {},
  });
}
