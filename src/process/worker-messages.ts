/** What the main thread and a worker tell each other. Plain data; shared memory is shared, the rest copied. */

import type { FailureMemory } from '../cache/failures.ts';
import type { CacheMemory } from '../cache/memory.ts';
import type { Config } from '../config/config.ts';
import type { Stage } from '../contract/plugin.ts';
import type { DropMaps } from '../drops/drop-check.ts';
import type { Publication } from '../feature/publications.ts';
import type { MetricsSnapshot } from '../metrics/registry.ts';
import type { IterateMemory } from '../resolve/iterate/iterate-memory.ts';
import type { TcpSharesMemory } from '../transports/tcp/tcp-shares.ts';
import type { ListenerSocket } from '../transports/udp/mmsg-listener.ts';
import type { FastPathShare } from '../transports/xdp/xdp-listener.ts';

/** How packets are taken: batched system calls on Linux, node:dgram elsewhere. */
export type IoKind = 'mmsg' | 'dgram';

/** A worker's `workerData`. */
export interface WorkerSetup {
  readonly config: Config;
  /** URL of the module with the list of features; undefined: src/features.ts. */
  readonly featureList: string | undefined;
  /** Place among the workers, from 0; a replacement gets the place of the one it replaces. */
  readonly place: number;
  /** Different for every worker thread that ever ran in this process, from 1. */
  readonly serial: number;
  readonly io: IoKind;
  /** The kernel cuts messages up into datagrams (net/self-test.ts). */
  readonly segments: boolean;
  /** Queues of network interfaces may be given to it while it serves (ToWorker). */
  readonly fastPath: boolean;
  /** Where the kernel is told which sources to drop; undefined where it cannot. */
  readonly drops: DropMaps | undefined;
  /** Sockets opened by the main thread; empty with node:dgram, which opens its own. */
  readonly udp: readonly ListenerSocket[];
  /** Descriptors of listening TCP sockets, one for each of `server.listen`; the worker closes them. */
  readonly tcp: readonly { readonly fd: number; readonly listener: number }[];
  /** Who has how many TCP connections; the same in all workers. */
  readonly tcpShares: TcpSharesMemory;
  readonly cache: CacheMemory;
  readonly failures: FailureMemory;
  /** The number of each partition of the configuration in keys of the cache. */
  readonly partitionKeys: readonly number[];
  /** With `config.resolve`: what is known of zones and authorities. */
  readonly iterate: IterateMemory | undefined;
  readonly hashKey: readonly [number, number];
  /** The server's time (time/shared-time.ts). */
  readonly time: SharedArrayBuffer;
  /** Makes DNS cookies where the configuration names no secrets: 16 bytes, the same in all workers. */
  readonly cookieSecret: Uint8Array;
  /** What each plugin's `control` returned as `shared`, in the order of `config.plugins`. */
  readonly shared: readonly unknown[];
  /** The latest of everything that the control plane keeps up to date here. */
  readonly published: readonly Publication[];
  /** Word 0 counts up while the worker lives; word 1 is the kernel's number of its thread, once it runs. */
  readonly heartbeat: SharedArrayBuffer;
  /** Descriptors that the worker opened, plus one, 0 = empty: closed by the main thread should the worker die. */
  readonly descriptors: SharedArrayBuffer;
  /** Addresses of the native memory that the worker allocated (64-bit floats), 0 = empty: freed when it has ended. */
  readonly allocations: SharedArrayBuffer;
}

/** Descriptors that one worker may have open besides its listeners. */
export const MAX_DESCRIPTORS = 16384 + 256;

/** Pieces of native memory that one worker may allocate. */
export const MAX_ALLOCATIONS = 256;

export type ToWorker =
  /**
   * Take no new queries, answer those that wait until `deadlineMs` milliseconds from now, then end. `leaving`: listeners
   * whose sockets nobody takes over.
   */
  | { readonly type: 'drain'; readonly deadlineMs: number; readonly leaving: readonly number[] }
  /** Take frames from these queues from now on, and from no others; `serial` comes back with `holds`. */
  | { readonly type: 'fast-path'; readonly share: FastPathShare; readonly serial: number }
  /** Hold this from now on, and say so. */
  | { readonly type: 'publish'; readonly publication: Publication };

export type FromWorker =
  | {
      readonly type: 'ready';
      readonly metrics: MetricsSnapshot;
      readonly chain: readonly ChainEntry[];
    }
  /** It could not start; `places`: where that arose (errors/fault-text.ts). */
  | { readonly type: 'failed'; readonly message: string; readonly places: readonly string[] }
  /** The publication with this serial is held; `problem`: why it could not be taken. */
  | { readonly type: 'holds'; readonly serial: number; readonly problem?: string }
  /** For a feature's half in the main thread (`Opened.heard`). */
  | { readonly type: 'told'; readonly feature: string; readonly value: unknown }
  /** After `drain`: nothing new is taken. */
  | { readonly type: 'stopped' }
  | { readonly type: 'log'; readonly level: LogLevel; readonly fields: Record<string, unknown>; readonly text: string };

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** One plugin of the chain, in the order in which it runs. */
export interface ChainEntry {
  readonly name: string;
  readonly stage: Stage;
  readonly hooks: readonly string[];
}
