import type { Logger } from 'pino';
import type { AuditLog } from '../audit/log.ts';
import type { FailureMemory } from '../cache/failures.ts';
import type { AnyFeature } from '../feature/feature.ts';
import type { KeptParts } from '../feature/kept-parts.ts';
import type { StatusPart } from '../feature/status.ts';
import type { CounterSample, MetricSample, RetiredMetrics } from '../metrics/prometheus.ts';
import type { TimeStore } from '../store/time-store.ts';
import type { Clock } from '../time/clock.ts';
import type { LatestTime } from '../time/latest-time.ts';
import type { Timers } from '../time/timers.ts';
import type { PartitionKeys } from '../zones/partitions.ts';
import type { KernelPath } from './kernel-path.ts';
import type { LastingParts } from './lasting.ts';
import type { IoKind } from './worker-messages.ts';

/** What lasts as long as the process, whatever the configuration. */
export interface ProcessParts {
  readonly giveUp?: (why: string) => void;
  readonly version: string;
  readonly io: IoKind;
  /** Undefined where the kernel takes no programs of ours. */
  readonly kernel: KernelPath | undefined;
  readonly log: Logger;
  readonly clock: Clock;
  /** The same clock, as what it is. */
  readonly time: LatestTime;
  /** Timers of the main thread. */
  readonly timers: Timers;
  readonly timeStore: TimeStore;
  readonly hashKey: readonly [number, number];
  readonly cookieSecret: Uint8Array;
  readonly failures: FailureMemory;
  /** Numbers the sets of servers and zones that views have of their own, over reloads. */
  readonly partitionKeys: PartitionKeys;
  readonly retired: RetiredMetrics;
  readonly nextSerial: () => number;
  /** How often the worker at each place was replaced. */
  readonly replaced: number[];
  /** How often the worker at each place was found to get too little processor time. */
  readonly starved: number[];
  /** URL of the module whose FEATURES these are; workers load it too. Undefined: src/features.ts. */
  readonly featureList: string | undefined;
  readonly features: readonly AnyFeature[];
  /** What they add to the answer of `/v1/status`. */
  readonly statusSchemas: StatusPart['schemas'];
  /** What features keep from one configuration to the next. */
  readonly kept: KeptParts;
  /** What plugins keep beyond a reload. */
  readonly lasting: LastingParts;
  readonly audit: AuditLog;
  /** What /metrics shows under a name; nothing while the server is not up. */
  readonly samples: (name: string) => readonly MetricSample[];
  /** What the plugins have counted; nothing while the server is not up. */
  readonly counters: () => readonly CounterSample[];
}
