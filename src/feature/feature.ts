/**
 * A feature of the control plane (lists, subscribers, measures, notice page, audit, report, …): what it declares, so that the
 * process can carry it without knowing it. `features.ts` is the list of them; to add one is a folder and a line there.
 *
 *                     main thread                                              each packet thread, and `explain`
 *   open ─▶ (plugins' control halves) ─▶ afterPlugins ─▶ (workers)              data
 *     ─▶ prepare ─▶ activate ─▶ commit ─▶ … ─▶ deactivate ─▶ close               └─▶ take(what `publish` was given)
 *
 * - *One configuration, one opening.* A reload opens the new configuration's features beside the old one's, in the order of the
 *   list; `deactivate` has put the old ones to rest before. What the new one's `open`, `afterPlugins`, `prepare` or `activate` rejects
 *   with refuses the reload: what was opened is closed, the last one first, and the old ones are activated again. At the start
 *   it ends the process with 1 and that reason.
 * - *What outlives a reload* is kept with `FeatureContext.keep`, and closed when the process ends.
 * - *The declaration is loaded in packet threads too*: the file `feature.ts` of a room imports its data half, and brings in the
 *   rest with `await import(…)` inside `open`.
 *
 * No hook here runs for a packet.
 */

import type { Logger } from 'pino';
import type { AuditLog } from '../audit/log.ts';
import type { CommandLoader } from '../commands/command.ts';
import type { AdminApi } from '../errors/api-schema.ts';
import type { Catalogue } from '../errors/errors.ts';
import type { Approval } from '../grounds/approval.ts';
import type { CounterSample, MetricSample } from '../metrics/prometheus.ts';
import type { Metrics } from '../metrics/registry.ts';
import type { LatestTime } from '../time/latest-time.ts';
import type { Entrance } from './entrance.ts';
import type { Sections } from './sections.ts';
import type { StatusPart } from './status.ts';

/**
 * `Config`: the keys of the configuration that it reads. `Desk`: what it lends to others in the main thread, of one configuration.
 * `Data`: the same in a packet thread.
 */
export interface Feature<Config = unknown, Desk = unknown, Data = unknown> {
  /** Lower-case, dashes; one of a kind in the list. */
  readonly name: string;
  /** Its sections of the configuration file. */
  readonly sections?: () => Promise<Sections>;
  /** What it adds to `sekisho status`; `Opened.status` gives the values. */
  readonly status?: () => Promise<StatusPart>;
  /** Codes of its errors (errors.ts of its room). No two features have the same. */
  readonly errors?: Catalogue;
  /** Actions of the audit log under which it records deletions; the transparency report adds their rows up (`detail.deletions`). */
  readonly deletions?: readonly string[];
  /** Its commands of the command line, by name. */
  readonly commands?: Commands;
  /** Its half in the main thread, for one configuration. Rejects with SekishoError where the configuration cannot be carried out. */
  open?(context: FeatureContext<Config>): Opened<Desk> | Promise<Opened<Desk>>;
  /** Its half in a packet thread, made before the plugins' hooks are. */
  data?(facts: DataFacts<Config>): DataHalf<Data>;
}

/** Each brought in when it is used. */
export type Commands = { readonly [name: string]: CommandLoader };

/** Any feature, in a list. */
export type AnyFeature = Feature<never>;

/** The keys of the configuration that the features of a list read. */
export type ConfigOf<List> = List extends readonly [Feature<infer Config, infer _Desk, infer _Data>, ...infer Rest]
  ? Config & ConfigOf<Rest>
  : unknown;

/** What a feature has to work with in the main thread. */
export interface FeatureContext<Config> {
  readonly config: Config;
  readonly server: ServerSettings;
  /** As configured, in the order of the configuration. */
  readonly plugins: readonly PluginFacts[];
  readonly log: Logger;
  /** The server's time, by which terms are judged. */
  readonly time: LatestTime;
  readonly audit: AuditLog;
  /** Whether one person may ask for something and approve it. */
  readonly approval: Approval;
  /** Numbers of the main thread: declared while it opens, set at any time, or in `Opened.measure`. */
  readonly metrics: Metrics;
  /** What the plugins have counted since the start of the process, all threads together, whichever configuration is in force. */
  counters(): readonly CounterSample[];
  /** What `/metrics` shows under a name at this moment: one sample per set of labels. */
  samples(name: string): readonly MetricSample[];
  /** Actions of the audit log under which features and plugins record deletions. */
  readonly deletions: readonly string[];
  /** Version of this program. */
  readonly version: string;
  /**
   * Hand `value` to `DataHalf.take` in every thread that has one, and in each that starts later. Plain data and
   * SharedArrayBuffers; the latest replaces what was published before. Resolves when all hold it; rejects where one could not take it.
   */
  publish(value: unknown): Promise<void>;
  /** What a feature lends that stands earlier in the list. */
  desk<Desk>(feature: Feature<never, Desk>): Desk;
  /** The data half of another feature, in this thread and kept up to date: to see what packet threads see. */
  follow<Data>(feature: Feature<never, unknown, Data>): Data;
  /**
   * What is kept from one configuration to the next, one thing for each feature, for as long as the process lives: made where there is
   * none yet.
   */
  keep<Kept extends KeptPart>(make: () => Kept): Kept;
  /** What is kept already; undefined where nothing is. */
  kept<Kept extends KeptPart>(): Kept | undefined;
}

export interface KeptPart {
  /** The process is about to end: workers still answer what waits, and what they count is not added up yet. */
  stop?(): void | Promise<void>;
  /** The process ends; what was kept later is closed before. */
  close(): void | Promise<void>;
}

/** What every feature is told of the section `server`. */
export interface ServerSettings {
  /** Networks in CIDR notation. */
  readonly access: readonly string[];
  readonly workers: number;
  /** Absolute. */
  readonly dataFolder: string;
  /** Absolute. */
  readonly anchorsFolder?: string;
}

export interface PluginFacts {
  readonly name: string;
  readonly stage: string;
  /** One line. */
  readonly summary: string;
  readonly carriesMeasures?: boolean | 'misses';
  /** Categories of lists that it acts on. */
  readonly listCategories?: readonly string[];
  readonly deletions?: readonly string[];
}

export interface Opened<Desk = unknown> {
  readonly desk: Desk;
  /**
   * The plugins' control halves stand, the workers do not: what takes longest, or needs to know the plugins. May return what ends it, which
   * then runs before the plugins' halves are closed.
   */
  afterPlugins?(): Promise<Close | undefined>;
  /**
   * Workers serve this configuration; make everything ready that can fail and that others outside see. It is in force with `commit`,
   * after all features were activated, and never where `discard` is called instead.
   */
  prepare?(): Promise<Prepared>;
  /** From now on it fetches, watches, listens and writes. May follow upon `deactivate`; called again it changes nothing. */
  activate?(): void | Promise<void>;
  /** It rests, so that another configuration's may write to the same files. What is in force stays. */
  deactivate?(): void | Promise<void>;
  close?: Close;
  /**
   * Its routes of the admin API, below `/v1/`. Each names the roles that may use it and what it leaves in the audit log (`config: { roles, audit }`,
   * or `noAudit` with the reason), or the server does not start. Called again for every configuration.
   */
  routes?(app: AdminApi): void;
  /** Another way into the admin listener than a bearer token, with its pages. */
  readonly entrance?: Entrance;
  /** Somebody asks for the numbers: bring up to date those that are not counted as things happen. */
  measure?(): void;
  /** A packet thread has something to say to this feature (`tell` of process/worker.ts); `worker` is its number. */
  heard?(value: unknown, worker: number): void;
  /**
   * Somebody flushes `name` (wire form, lower case), or all below it as well: what the feature has found out of it is to be found out again.
   * Resolves once packet threads have forgotten it.
   */
  forget?(name: Uint8Array, subtree: boolean): Promise<void>;
  /** Fields of the log line that says that the server serves. */
  announced?(): object;
  /** Values of the keys that `Feature.status` declares. */
  status?(): object;
  /** Why `/readyz` must not say yes, where that is so although workers answer: in a few words, without a name or an address. */
  unready?(): string | undefined;
  /** Sentences for `sekisho status`: what stands until a person does something about it. */
  warnings?(): readonly string[];
}

export type Close = () => void | Promise<void>;

/** What stands ready and is not in force yet. Neither may fail. */
export interface Prepared {
  commit(): void;
  discard(): void;
}

export interface DataFacts<Config> {
  readonly config: Config;
  /** Packet threads of the configuration. */
  readonly workers: number;
  /** Number of this one, from 0; -1 in the main thread, where nothing that packet threads share may be written. */
  readonly worker: number;
  /** Numbers of this thread. */
  readonly metrics: Metrics;
}

export interface DataHalf<Data> {
  /** What it lends to the hooks and to others in this thread. */
  readonly data: Data;
  /** What `FeatureContext.publish` was given, between two packets. Throws where it cannot be taken; the one before stays. */
  take(value: unknown): void;
}

/** For `feature.ts` of a room: the types of its configuration, desk and data half are those of what it declares. */
export function declareFeature<Config, Desk = undefined, Data = undefined>(
  feature: Feature<Config, Desk, Data>,
): Feature<Config, Desk, Data> {
  return feature;
}

/** Throws TypeError where two features of a list have the same name, command or error code. */
export function refuseDoubles(features: readonly AnyFeature[]): void {
  const owners = new Map<string, string>();
  for (const { name, commands = {}, errors = {} } of features)
    for (const word of [
      `name ${name}`,
      ...Object.keys(commands).map((command) => `command ${command}`),
      ...Object.keys(errors).map((code) => `error ${code}`),
    ]) {
      const owner = owners.get(word);
      if (owner !== undefined) throw new TypeError(`the features ${owner} and ${name} both declare the ${word}`);
      owners.set(word, name);
    }
}
