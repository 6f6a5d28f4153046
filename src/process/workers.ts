/**
 * The worker threads of one configuration: started together, watched, replaced one by one when they die or hang, drained
 * together when a newer configuration takes over.
 *
 * A worker owns nothing that its death could take along: listening sockets, cache and counters belong to the main thread.
 */
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import type { Logger } from 'pino';
import { releaseLocksOf } from '../cache/cache.ts';
import type { FailureMemory } from '../cache/failures.ts';
import type { CacheMemory } from '../cache/memory.ts';
import type { Config } from '../config/config.ts';
import type { DropMaps } from '../drops/drop-check.ts';
import { faultOf, faultText } from '../errors/fault-text.ts';
import type { Publication, Publications } from '../feature/publications.ts';
import type { MetricsSource, RetiredMetrics } from '../metrics/prometheus.ts';
import type { MetricsSnapshot } from '../metrics/registry.ts';
import type { IterateMemory } from '../resolve/iterate/iterate-memory.ts';
import { libc } from '../system/libc.ts';
import { programHasChanged } from '../system/program.ts';
import { processDelayedMs, threadTime } from '../system/thread-time.ts';
import type { LatestTime } from '../time/latest-time.ts';
import type { Listeners } from '../transports/listeners.ts';
import { createTcpShares, releaseTcpSharesOf, type TcpSharesMemory } from '../transports/tcp/tcp-shares.ts';
import { segmentsWork } from '../transports/udp/self-test.ts';
import type { FastPath, FastPathWorkers } from '../transports/xdp/fast-path.ts';
import type { FastPathShare } from '../transports/xdp/xdp-listener.ts';
import {
  type ChainEntry,
  type FromWorker,
  type IoKind,
  MAX_ALLOCATIONS,
  MAX_DESCRIPTORS,
  type ToWorker,
  type WorkerSetup,
} from './worker-messages.ts';
import { type Finding, WorkerWatch } from './worker-watch.ts';

/** How often workers' heartbeats are looked at. */
const WATCH_MS = 50;
/** A worker that is told to stop receiving says so at once, unless it hangs. */
const STOP_TIMEOUT_MS = 1000;
/** A worker that has had so much processor time, or slept so long, and has not come up, never will. */
const START_TIMEOUT_MS = 20_000;
/** A worker that serves for the first time may take so many times the usual: its code is slow yet, and so is its replacement's. */
const COLD_ALLOWANCE = 2;
/** Each hang at a place within this time doubles what is allowed there, up to so many times. */
const BACK_OFF_MS = 60_000;
const MOST_PATIENCE = 8;
/** That a worker gets too little processor time is said so often at most; the metric counts each time. */
const SAY_STARVED_MS = 60_000;
/** A replacement that failed to start is retried after this, and after twice as long each time. */
const RESTART_PAUSE_MS = 500;
const LONGEST_RESTART_PAUSE_MS = 16_000;

export interface WorkersParts {
  /** Nobody serves any more and nothing can be done about it: the process is to end. */
  readonly giveUp?: (why: string) => void;
  readonly config: Config;
  readonly featureList: string | undefined;
  readonly io: IoKind;
  /** Undefined where the workers open their own sockets. */
  readonly listeners: Listeners | undefined;
  /** Undefined where no packets are taken past the sockets. */
  readonly fastPath: Pick<FastPath, 'ready' | 'gone'> | undefined;
  /** Undefined where the kernel cannot be told whom to drop. */
  readonly drops: DropMaps | undefined;
  readonly cache: CacheMemory;
  readonly failures: FailureMemory;
  readonly partitionKeys: readonly number[];
  readonly iterate: IterateMemory | undefined;
  readonly hashKey: readonly [number, number];
  readonly time: LatestTime;
  readonly cookieSecret: Uint8Array;
  /** `shared` of each plugin, in the order of the configuration. */
  readonly shared: readonly unknown[];
  readonly publications: Publications;
  /** What a worker says to a feature of the main thread. */
  told(feature: string, value: unknown, worker: number): void;
  readonly retired: RetiredMetrics;
  readonly log: Logger;
  /** How often the worker at each place was replaced, since the process began. */
  readonly replaced: number[];
  /** How often the worker at each place was found to get too little processor time, since the process began. */
  readonly starved: number[];
  /** Numbers threads through the life of the process, from 1. */
  readonly nextSerial: () => number;
}

export interface WorkerState {
  readonly place: number;
  readonly state: 'starting' | 'running' | 'draining' | 'stopped';
  /** How often the worker at this place was replaced. */
  readonly replaced: number;
  /** When the worker at this place was started, wall-clock milliseconds. */
  readonly sinceMs: number;
}

interface Member {
  readonly place: number;
  readonly serial: number;
  readonly thread: Worker;
  readonly heartbeat: Int32Array;
  readonly descriptors: Int32Array;
  readonly allocations: Float64Array;
  readonly sinceMs: number;
  state: WorkerState['state'];
  watch: WorkerWatch;
  /** Why it was ended on purpose; said already. */
  endedFor: Error | undefined;
  metrics: MetricsSnapshot | undefined;
  chain: readonly ChainEntry[];
  /** Settles `start`. */
  started: (error?: Error) => void;
  /** Settles when it takes no more queries. */
  readonly stopped: Promise<void>;
  readonly saidStopped: () => void;
  /** Publications that it was sent and does not hold yet, by serial. */
  readonly awaited: Map<number, (problem?: string) => void>;
  ended: Promise<void>;
}

export class Workers implements FastPathWorkers {
  readonly config: Config;
  readonly #parts: WorkersParts;
  readonly #members: Member[] = [];
  readonly #replaced: number[];
  readonly #tcpShares: TcpSharesMemory;
  /** When workers at each place hung, within BACK_OFF_MS. */
  readonly #hangs: number[][] = [];
  /** When it was last said of each place that its worker is starved. */
  readonly #saidStarvedMs: number[] = [];
  #watch: NodeJS.Timeout | undefined;
  /** Ends are expected from now on: no replacements. */
  #closing = false;
  /** Serials of what is given to workers beside publications, counted down from 0. */
  #given = 0;

  constructor(parts: WorkersParts) {
    // V8 collects the whole heap of a thread that has allocated little for eight seconds, to give memory back: two or three
    // times, each with steps of up to 20 ms in that thread, and a thread that handles packets never allocates much. What
    // workers hold they hold for life, so there is nothing to give back. Heeded by threads that are started later.
    setFlagsFromString('--no-memory-reducer');
    this.#parts = parts;
    this.config = parts.config;
    this.#replaced = parts.replaced;
    const { maxConnections, maxConnectionsPerClient } = parts.config.server.tcp;
    this.#tcpShares = createTcpShares({ maxConnections, maxPerClient: maxConnectionsPerClient });
    for (let place = 0; place < parts.config.server.workers; place++) this.#replaced[place] ??= 0;
    parts.publications.addReader((publication) => this.#deliver(publication));
  }

  /** Start all of them. Rejects, with none left running, where one cannot start. */
  async start(): Promise<void> {
    this.#watch = setInterval(() => this.#lookAtHeartbeats(), WATCH_MS);
    try {
      await Promise.all(this.#places.map((place) => this.#launch(place)));
    } catch (error) {
      await this.terminate();
      throw error;
    }
  }

  /**
   * Have them take no more queries. `leaving` says for the worker at a place which listeners' sockets nobody takes over.
   * Resolves when none takes any; those that do not say so within a second are left alone.
   */
  async stopReceiving(drainMs: number, leaving: (place: number) => readonly number[]): Promise<void> {
    this.#closing = true;
    clearInterval(this.#watch);
    const stopped = this.#members.map((member) => {
      member.state = 'draining';
      tell(member, { type: 'drain', deadlineMs: drainMs, leaving: leaving(member.place) });
      return Promise.race([member.stopped, member.ended]);
    });
    let giveUp: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      giveUp = setTimeout(resolve, STOP_TIMEOUT_MS);
    });
    await Promise.race([Promise.all(stopped), late]);
    clearTimeout(giveUp);
  }

  /** After `stopReceiving`: resolves when all have answered what waited and ended, by force after `drainMs`. */
  async drained(drainMs: number): Promise<void> {
    const overdue = setTimeout(() => void this.terminate(), drainMs + 1000);
    await Promise.all(this.#members.map((member) => member.ended));
    clearTimeout(overdue);
  }

  /** Have the worker at `place` use these queues of network interfaces and no others. Resolves when it does, or is gone. */
  async give(place: number, share: FastPathShare): Promise<void> {
    const member = this.#members.find((each) => each.place === place && each.state === 'running');
    if (member === undefined || member.endedFor) return member?.ended;
    const serial = --this.#given;
    await new Promise<void>((resolve, reject) => {
      member.awaited.set(serial, (problem) => {
        member.awaited.delete(serial);
        if (problem === undefined) resolve();
        else reject(new Error(`worker ${place} could not take its queues: ${problem}`));
      });
      tell(member, { type: 'fast-path', share, serial });
    });
  }

  /** After `stopReceiving`: resolves when none of them uses any queue of a network interface. */
  async released(): Promise<void> {
    await Promise.all(this.#members.map((member) => Promise.race([member.stopped, member.ended])));
  }

  /** End them at once. */
  async terminate(): Promise<void> {
    this.#closing = true;
    clearInterval(this.#watch);
    await Promise.all(this.#members.map((member) => member.thread.terminate().then(() => member.ended)));
  }

  /** Resolves when every worker holds it or is gone: a replacement begins with the latest. */
  async #deliver(publication: Publication): Promise<void> {
    const deliveries = this.#members.map(
      (member) =>
        new Promise<void>((resolve, reject) => {
          member.awaited.set(publication.serial, (problem) => {
            member.awaited.delete(publication.serial);
            if (problem === undefined) resolve();
            else reject(new Error(`worker ${member.place} could not take ${publication.topic}: ${problem}`));
          });
          tell(member, { type: 'publish', publication });
        }),
    );
    await Promise.all(deliveries);
  }

  get states(): WorkerState[] {
    return this.#places.map((place) => {
      const replaced = this.#replaced[place] ?? 0;
      const member = this.#members.find((candidate) => candidate.place === place);
      return { place, replaced, state: member?.state ?? 'stopped', sinceMs: member?.sinceMs ?? Date.now() };
    });
  }

  get #places(): number[] {
    return Array.from({ length: this.config.server.workers }, (_, place) => place);
  }

  get serving(): boolean {
    return this.#members.some((member) => member.state === 'running');
  }

  /** As the first worker set it up; all are alike. */
  get chain(): readonly ChainEntry[] {
    return this.#members.find((member) => member.chain.length > 0)?.chain ?? [];
  }

  get metrics(): MetricsSource[] {
    return this.#members.flatMap(({ metrics, place }) => (metrics ? [{ worker: place, snapshot: metrics }] : []));
  }

  #launch(place: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const { config, io, listeners, cache, failures, iterate, hashKey, time, cookieSecret, shared, publications } =
        this.#parts;
      const serial = this.#parts.nextSerial();
      const heartbeat = new SharedArrayBuffer(8);
      const descriptors = new SharedArrayBuffer(MAX_DESCRIPTORS * 4);
      const allocations = new SharedArrayBuffer(MAX_ALLOCATIONS * 8);
      const setup: WorkerSetup = {
        config,
        featureList: this.#parts.featureList,
        place,
        serial,
        io,
        fastPath: this.#parts.fastPath !== undefined,
        drops: this.#parts.drops,
        segments: io === 'mmsg' && config.upstream.segments && segmentsWork(),
        udp: listeners?.udp(place) ?? [],
        tcp: listeners?.duplicateTcp(place) ?? [],
        tcpShares: this.#tcpShares,
        cache,
        failures,
        partitionKeys: this.#parts.partitionKeys,
        iterate,
        hashKey,
        time: time.shared.memory,
        cookieSecret,
        shared,
        published: publications.latest(),
        heartbeat,
        descriptors,
        allocations,
      };
      const thread = new Worker(new URL('./worker.js', import.meta.url), {
        workerData: setup,
        name: `sekisho-${place}`,
      });
      let failure: Error | undefined;
      let saidStopped = () => {};
      const stopped = new Promise<void>((said) => {
        saidStopped = said;
      });
      const member: Member = {
        place,
        serial,
        thread,
        heartbeat: new Int32Array(heartbeat),
        descriptors: new Int32Array(descriptors),
        allocations: new Float64Array(allocations),
        sinceMs: Date.now(),
        state: 'starting',
        watch: watchOver(heartbeat, START_TIMEOUT_MS, 1),
        endedFor: undefined,
        metrics: undefined,
        chain: [],
        started: (error) => {
          if (error) reject(error);
          else resolve();
        },
        stopped,
        saidStopped: () => saidStopped(),
        awaited: new Map(),
        ended: new Promise((ended) => {
          thread.once('exit', (code) => {
            this.#buried(member, member.endedFor ?? failure ?? new Error(`worker ${place} ended with code ${code}`));
            ended();
          });
        }),
      };
      thread.on('message', (message: FromWorker) => this.#heard(member, message));
      thread.on('error', (error) => {
        failure = error instanceof Error ? error : new Error(String(error));
      });
      this.#members.push(member);
    });
  }

  #heard(member: Member, message: FromWorker): void {
    switch (message.type) {
      case 'ready':
        member.metrics = message.metrics;
        member.chain = message.chain;
        member.state = 'running';
        member.watch = watchOver(member.heartbeat.buffer, this.config.server.hangTimeoutMs, COLD_ALLOWANCE);
        member.started();
        this.#parts.fastPath?.ready(this, member.place);
        break;
      case 'failed':
        member.started(errorOf(message.message, message.places));
        void member.thread.terminate();
        break;
      case 'holds':
        member.awaited.get(message.serial)?.(message.problem);
        break;
      case 'told':
        this.#parts.told(message.feature, message.value, member.place);
        break;
      case 'stopped':
        member.saidStopped();
        break;
      case 'log':
        this.#parts.log[message.level]({ worker: member.place, ...message.fields }, message.text);
        break;
    }
  }

  /** The thread is gone, by whatever way: take over what it held, and put another in its place. */
  #buried(member: Member, failure: Error): void {
    const { log, cache, iterate, retired } = this.#parts;
    const served = member.state === 'running';
    member.state = 'stopped';
    this.#members.splice(this.#members.indexOf(member), 1);
    this.#parts.fastPath?.gone(this, member.place);
    releaseLocksOf(cache, member.serial);
    if (iterate) releaseLocksOf(iterate.infra.store, member.serial);
    releaseTcpSharesOf(this.#tcpShares, member.serial);
    if (member.metrics) retired.fold(member.metrics);
    for (const entry of member.descriptors) if (entry > 0) libc().close(entry - 1);
    for (const address of member.allocations) if (address > 0) libc().free(address);
    member.started(failure);
    for (const held of member.awaited.values()) held();
    if (this.#closing) return;
    if (served && !member.endedFor) {
      log.error({ worker: member.place, fault: faultOf(failure) }, 'worker died, restarting');
      log.debug({ worker: member.place, message: faultText(failure) }, 'worker died: message');
    }
    if (served) this.#replace(member.place);
  }

  #replace(place: number, pauseMs = RESTART_PAUSE_MS): void {
    if (programHasChanged()) {
      this.#restartIsDue(place, pauseMs);
      return;
    }
    this.#replaced[place] = (this.#replaced[place] ?? 0) + 1;
    this.#launch(place).then(
      () => this.#parts.log.info({ worker: place }, 'the new worker is serving'),
      (error) => {
        if (this.#closing) return;
        this.#parts.log.error(
          { worker: place, fault: faultOf(error), pauseMs },
          'failed to restart the worker, retrying',
        );
        this.#parts.log.debug({ worker: place, message: faultText(error) }, 'failed to restart the worker: message');
        const next = Math.min(LONGEST_RESTART_PAUSE_MS, pauseMs * 2);
        setTimeout(() => !this.#closing && this.#replace(place, next), pauseMs);
      },
    );
  }

  /** A new worker would load another version beside this one. The others go on; without any, a supervisor has to start over. */
  #restartIsDue(place: number, pauseMs: number): void {
    this.#parts.log.error(
      { worker: place, code: 'SEKISHO_RESTART_DUE' },
      'A RESTART IS DUE: the program on disk has changed since this process started; the worker is not restarted',
    );
    if (!this.serving) {
      this.#parts.giveUp?.('the program on disk has changed, and no worker is left');
      return;
    }
    const next = Math.min(LONGEST_RESTART_PAUSE_MS, pauseMs * 2);
    setTimeout(() => !this.#closing && this.#replace(place, next), pauseMs).unref();
  }

  #lookAtHeartbeats(): void {
    for (const member of this.#members) {
      if (member.endedFor || (member.state !== 'running' && member.state !== 'starting')) continue;
      const found = member.watch.look(Atomics.load(member.heartbeat, 0), this.#patienceAt(member.place));
      if (found.kind === 'starved') this.#sayStarved(member);
      if (found.kind !== 'hung') continue;
      if (member.state === 'starting') this.#end(member, `worker ${member.place} did not come up: ${reasonOf(found)}`);
      // Never all at once: while one is being replaced, the others are what still answers, be it slowly.
      else if (!this.#replacing) this.#endHung(member, found);
    }
  }

  get #replacing(): boolean {
    return this.config.server.workers > 1 && this.#members.filter(isServing).length < this.config.server.workers;
  }

  #endHung(member: Member, found: Finding & { kind: 'hung' }): void {
    const { place } = member;
    this.#hangs[place] = [...(this.#hangs[place] ?? []), performance.now()];
    const { hangTimeoutMs } = this.config.server;
    const { kind: _, ...facts } = found;
    this.#parts.log.error(
      { worker: place, ...facts, silentMs: member.watch.silentMs, hangTimeoutMs },
      'worker hangs, restarting',
    );
    this.#end(member, `worker ${place} hung: ${reasonOf(found)}`);
  }

  #end(member: Member, why: string): void {
    member.endedFor = new Error(why);
    void member.thread.terminate();
  }

  #sayStarved({ place, state, watch }: Member): void {
    const { starved } = this.#parts;
    starved[place] = (starved[place] ?? 0) + 1;
    const nowMs = performance.now();
    if (nowMs - (this.#saidStarvedMs[place] ?? Number.NEGATIVE_INFINITY) < SAY_STARVED_MS) return;
    this.#saidStarvedMs[place] = nowMs;
    this.#parts.log.warn(
      { worker: place, silentMs: watch.silentMs, ranMs: Math.round(watch.ranMs) },
      state === 'starting'
        ? 'worker is slow to start: it gets too little CPU time'
        : 'worker gets too little CPU time and answers late; it does not hang, so it is not restarted',
    );
  }

  /** Who hangs again and again is given more time: replacing it costs more than it brings. */
  #patienceAt(place: number): number {
    const recent = (this.#hangs[place] ?? []).filter((atMs) => performance.now() - atMs < BACK_OFF_MS);
    this.#hangs[place] = recent;
    return Math.min(MOST_PATIENCE, 2 ** recent.length);
  }
}

function isServing({ state, endedFor }: Member): boolean {
  return state === 'running' && endedFor === undefined;
}

function reasonOf({ why, ranMs, asleepMs }: Finding & { kind: 'hung' }): string {
  if (ranMs !== undefined) return `${why} (${ranMs} ms of processor time)`;
  return asleepMs === undefined ? why : `${why} (asleep for ${asleepMs} ms)`;
}

/** `heartbeat`: WorkerSetup.heartbeat. */
function watchOver(heartbeat: ArrayBufferLike, hangTimeoutMs: number, coldAllowance: number): WorkerWatch {
  const words = new Int32Array(heartbeat);
  return new WorkerWatch(
    { lookMs: WATCH_MS, hangTimeoutMs, coldAllowance },
    {
      time: () => {
        const id = Atomics.load(words, 1);
        // It has not run its first line.
        return id === 0 ? { ranMs: 0, delayedMs: 0, asleep: true } : threadTime(id);
      },
      processDelayedMs,
    },
  );
}

function tell(member: Member, message: ToWorker): void {
  member.thread.postMessage(message);
}

/** What was thrown in a worker, as far as it came over. */
function errorOf(message: string, places: readonly string[]): Error {
  const error = new Error(message);
  error.stack = ['Error', ...places.map((place) => `    ${place}`)].join('\n');
  return error;
}
