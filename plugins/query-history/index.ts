/**
 * Query-rate history and overload diagnosis. Options, metrics and an example: README.md.
 *
 *     worker:  recorder.ts ─▶ shared memory ─▶ main thread:  collector.ts ─▶ desk.ts ─▶ archive.ts (a thread of its own)
 *                                                                             └─▶ reading.ts ─▶ diagnosis.ts
 */

import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { definePlugin, durationMs, type SuffixKey, z } from '../../src/contract/plugin.ts';
import { Collector } from './collector.ts';
import { shareDesk } from './desks.ts';
import { importRoutes } from './import-routes.ts';
import { createRecorderMemory, type RecorderMemory } from './layout.ts';
import { HistoryReading } from './reading.ts';
import { Recorder } from './recorder.ts';
import { historyRoutes } from './routes.ts';
import { SharedSuffixes, SuffixTeacher } from './shared-suffixes.ts';
import { upstreamCounters } from './upstreams.ts';

interface Shared {
  readonly memories: readonly RecorderMemory[];
  readonly suffixes: SharedArrayBuffer;
  readonly suffixKey: SuffixKey;
  readonly sourceKey: readonly number[];
}

const secret = () => randomInt(2 ** 32) | 0;

export default definePlugin({
  name: 'query-history',
  deletions: ['history.delete'],
  commands: {
    history: async () => (await import('./cli/history-command.ts')).historyCommand,
    diagnose: async () => (await import('./cli/diagnose-command.ts')).diagnoseCommand,
  },
  stage: 'observe',
  summary: 'keeps which names and which sources are queried how much, apart from each other; diagnoses overloads',
  options: z.strictObject({
    'ipv4-prefix': z
      .int()
      .min(8)
      .max(24)
      .default(24)
      .describe('Length of the IPv4 networks that sources are kept by. Single addresses are never written to disk.'),
    'ipv6-prefix': z
      .int()
      .min(16)
      .max(56)
      .default(40)
      .describe(
        'The same for IPv6. A /48 or /56 may be one household: networks of fewer than five lines are neither kept nor shown beside names.',
      ),
    retention: z
      .strictObject({
        minutes: durationMs({ min: '1h', max: '7d' }).prefault('1d').describe('How long rows of one minute are kept.'),
        hours: durationMs({ min: '1d', max: '35d' })
          .prefault('35d')
          .describe('How long rows of one hour are kept; the baseline is made of them.'),
        sources: durationMs({ min: '1h', max: '7d' })
          .prefault('1d')
          .describe('How long anything about source networks is kept, whatever the resolution.'),
      })
      .prefault({})
      .describe('What is older is deleted every hour, overwritten on disk, and the deletion recorded.'),
  }),
  async control({ options, workers, clock, every, log, audit, samples, measures, dataFolder, rules, routes, onClose }) {
    const { minutes, hours, sources } = options.retention;
    const retention = { minutes, hours, sources };
    const sum = (name: string) => samples(name).reduce((total, { value }) => total + value, 0);
    const parts = {
      clock,
      log,
      audit,
      retention,
      cores: Math.min(workers, availableParallelism()),
      surroundings: () => ({
        cpuSeconds: sum('sekisho_process_cpu_seconds_total'),
        kernelDrops: sum('sekisho_udp_kernel_drops_total'),
        upstreams: upstreamCounters(samples),
        lists: Object.fromEntries(
          samples('sekisho_list_fetched_timestamp_seconds').map(({ labels, value }) => [labels['list'] ?? '', value]),
        ),
      }),
    };
    const { desk, release } = await shareDesk(dataFolder(), parts, every);
    desk.retention = retention;
    const teacher = new SuffixTeacher([secret(), secret(), secret(), secret()]);
    const memories = Array.from({ length: workers }, createRecorderMemory);
    const detach = desk.attach(new Collector(memories, options['ipv4-prefix'], options['ipv6-prefix']), teacher);
    onClose(measures.watchIncidents((match, seconds) => desk.incidentRate(match, seconds)));
    const reading = new HistoryReading(desk, audit, clock, measures);
    routes((app) => {
      historyRoutes(app, desk, reading, { clock, slots: rules.slots });
      importRoutes(app, desk, audit);
    });
    onClose(async () => {
      detach();
      await release();
    });
    const sourceKey = Array.from({ length: 6 }, secret);
    return { shared: { memories, suffixes: teacher.memory, suffixKey: teacher.key, sourceKey } satisfies Shared };
  },
  data({ options, shared, worker, random32, counter, counters }) {
    const { memories, suffixes, suffixKey, sourceKey } = shared as Shared;
    const memory = memories[worker];
    const observedQueries = counter('observed', 'Packets that the history has seen.');
    const sampled = counter('sampled', 'Of these, those whose name and source were looked at.');
    // The hooks that only explain have none: nothing is observed there.
    if (!memory) return {};
    const recorder = new Recorder(memory, {
      sourceKey,
      suffixKey,
      suffixes: new SharedSuffixes(suffixes),
      ipv4Prefix: options['ipv4-prefix'],
      ipv6Prefix: options['ipv6-prefix'],
      random32,
    });
    return {
      observe(query) {
        counters[observedQueries]! += 1;
        if (recorder.observe(query)) counters[sampled]! += 1;
      },
    };
  },
});
