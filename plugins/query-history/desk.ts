/**
 * The history desk in the main thread: collects each second, keeps the last quarter of an hour in memory and everything
 * else in the archive, watches for overloads.
 *
 *     every second      totals ──▶ ring of 900 seconds
 *     every 10 seconds  heavy hitters ──▶ 12 slices ──▶ is there an overload?
 *     every minute      the slices of the minute ──▶ 15 minutes in memory, and the archive (its own thread)
 *     every hour        what is older than the retention is deleted, and that is recorded
 *
 * One desk lives as long as the process: a reload brings new workers with recorders of their own, which are attached beside
 * the old ones. Neither the ring nor an open overload is lost by it.
 */
import type { Auditor, Clock, MeasureMatch } from '../../src/contract/plugin.ts';
import type { Circumstances } from './aggregate-causes.ts';
import { type KeptSlice, type Resolution, type Retention, SPAN_MS } from './archive.ts';
import type { HistoryArchive } from './archive-thread.ts';
import { type Baseline, baselineOf, baselineSpans, meanOf, momentsBefore, servfailShare } from './baseline.ts';
import type { ServerChange } from './changes.ts';
import type { Others } from './collateral.ts';
import type { Collector } from './collector.ts';
import { Diagnoses } from './diagnoses.ts';
import { historyError } from './errors.ts';
import type { ImportedHour, ImportOutcome, ImportRecord } from './imported.ts';
import { type Measures, type Overload, OverloadState, signalsOf } from './overload.ts';
import type { SuffixTeacher } from './shared-suffixes.ts';
import { emptySlice, mergeSlices, type Slice } from './slice.ts';
import { addTotals, NO_TOTALS, quantile, type Totals } from './totals.ts';
import { incidentRate } from './trial.ts';
import { type UpstreamCounters, upstreamsBetween } from './upstreams.ts';

const SECONDS = 900;
const SLICES = 30;
const MINUTES = 15;
const EPOCH_MS = 10_000;
const LEAST_TICK_MS = 500;
const MERGED_ENTRIES = 512;
/** Minutes that wait for a disk that takes none. */
const MAX_UNSAVED = 60;
/** Changes of the server that are remembered, and for how long. */
const MOST_CHANGES = 50;
const CHANGE_MS = 1_800_000;
/** What counts as today, for whom a rule would hit. */
const TODAY_MS = 3 * SPAN_MS.hour;
/** How long a baseline made of hours holds, and one of a server without a past, whose minutes are still coming in. */
const BASELINE_MS = 600_000;
const YOUNG_BASELINE_MS = 60_000;

export interface DeskLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

/** Counters of the server that no query tells, as they stand. */
export interface Surroundings {
  readonly cpuSeconds: number;
  readonly kernelDrops: number;
  readonly upstreams: UpstreamCounters;
  /** When the version in force of each list was fetched. */
  readonly lists?: Readonly<Record<string, number>>;
}

export interface DeskParts {
  readonly clock: Clock;
  readonly log: DeskLog;
  readonly audit: Auditor;
  /** Undefined where the disk gives none: the quarter of an hour in memory is there all the same. */
  readonly archive: HistoryArchive | undefined;
  readonly retention: Retention;
  /** Cores that the workers can use. */
  readonly cores: number;
  surroundings(): Surroundings;
}

export interface Second {
  readonly wallMs: number;
  readonly totals: Totals;
}

interface Attached {
  readonly collector: Collector;
  readonly teacher: SuffixTeacher;
}

export class HistoryDesk {
  readonly overload = new OverloadState();
  readonly seconds: Second[] = [];
  readonly diagnoses: Diagnoses;
  readonly #parts: DeskParts;
  #retention: Retention;
  readonly #attached = new Set<Attached>();
  /** Ten seconds each, oldest first. */
  readonly #slices: Slice[] = [];
  readonly #minutes: KeptSlice[] = [];
  #minute: Slice[] = [];
  #unsaved: { slice: Slice; incident: boolean }[] = [];
  #saving: Promise<void> = Promise.resolve();
  #tickedMs = Number.NEGATIVE_INFINITY;
  #epochTotals = NO_TOTALS;
  #epochMs: number;
  #epochWallMs: number;
  #expiredMs = Number.NEGATIVE_INFINITY;
  #baseline: Baseline | undefined;
  #baselineMs = Number.NEGATIVE_INFINITY;
  #surroundings: Surroundings;
  #saveFailed = false;
  readonly #cpu = new WeakMap<Slice, number>();
  readonly #changes: ServerChange[] = [];
  readonly #startedMs: number;
  /** Minutes that the disk did not take in time. */
  lostMinutes = 0;

  constructor(parts: DeskParts) {
    this.#parts = parts;
    this.diagnoses = new Diagnoses(parts.clock);
    this.#retention = parts.retention;
    this.#epochMs = parts.clock.nowMs();
    this.#startedMs = this.#epochMs;
    this.#epochWallMs = parts.clock.wallMs();
    this.#surroundings = parts.surroundings();
  }

  set retention(retention: Retention) {
    this.#retention = retention;
  }

  get retention(): Retention {
    return this.#retention;
  }

  /** What a diagnosis has to know beside the queries of `slices`. */
  circumstances(slices: readonly Slice[], beganMs: number | undefined): Circumstances {
    const { clock } = this.#parts;
    return {
      cpu: Math.max(0, ...slices.map((slice) => this.#cpu.get(slice) ?? 0)),
      upSeconds: (clock.nowMs() - this.#startedMs) / 1000,
      changes: this.#changes.filter(({ wallMs }) => clock.wallMs() - wallMs < CHANGE_MS),
      beganMs,
    };
  }

  /** The configuration was replaced, or lists were. */
  changed(what: ServerChange['what'], names: readonly string[] = []): void {
    this.#changes.push({ what, names, wallMs: this.#parts.clock.wallMs() });
    if (this.#changes.length > MOST_CHANGES) this.#changes.shift();
  }

  /** Recorders whose workers have begun. Returns what takes them away again. */
  attach(collector: Collector, teacher: SuffixTeacher): () => void {
    const attached = { collector, teacher };
    this.#attached.add(attached);
    return () => {
      // What they recorded since the last epoch is not lost.
      this.#rotate([attached]);
      this.#attached.delete(attached);
    };
  }

  /** Once a second; while a configuration is replaced both bring the time, and the second of them comes too soon. */
  tick(): void {
    const { clock } = this.#parts;
    if (clock.nowMs() - this.#tickedMs < LEAST_TICK_MS) return;
    this.#tickedMs = clock.nowMs();
    const totals = [...this.#attached].reduce(
      (sum, { collector }) => addTotals(sum, collector.takeTotals()),
      NO_TOTALS,
    );
    this.#epochTotals = addTotals(this.#epochTotals, totals);
    this.seconds.push({ wallMs: clock.wallMs(), totals });
    if (this.seconds.length > SECONDS) this.seconds.shift();
    if (clock.nowMs() - this.#epochMs >= EPOCH_MS - 50) this.#endEpoch();
  }

  /** The last quarter of an hour: minutes, and of the last five the tens of seconds. Oldest first, none twice. */
  memory(): readonly Slice[] {
    const first = this.#slices[0]?.startMs ?? Number.POSITIVE_INFINITY;
    return [
      ...this.#minutes.filter(({ startMs, seconds }) => startMs + seconds * 1000 <= first + 500),
      ...this.#slices,
    ];
  }

  /** The last `seconds`, as they were recorded: up to five minutes in tens of seconds, up to 15 in minutes. Oldest first. */
  slices(seconds: number): readonly Slice[] {
    const slices = seconds <= (SLICES * EPOCH_MS) / 1000 ? this.#slices : [...this.#minutes, ...this.#minute];
    const chosen: Slice[] = [];
    let covered = 0;
    for (const slice of [...slices].reverse()) {
      if (covered >= seconds - 5) break;
      chosen.push(slice);
      covered += slice.seconds;
    }
    return chosen.reverse();
  }

  /** The same as one slice; undefined where nothing was observed. */
  recent(seconds: number): Slice | undefined {
    const chosen = this.slices(seconds);
    return chosen.length === 0 ? undefined : mergeSlices(chosen, MERGED_ENTRIES);
  }

  /** Queries a second that `match` is about, over the last `seconds`, whatever became of them; undefined where that is not known yet. */
  incidentRate(match: MeasureMatch, seconds: number): number | undefined {
    const slice = this.recent(seconds);
    // The server has just begun: what was seen says nothing of that long.
    return slice === undefined || slice.seconds < seconds * 0.75 ? undefined : incidentRate(match, slice);
  }

  /** By the server's clock, for what is looked up. */
  wallMs(): number {
    return this.#parts.clock.wallMs();
  }

  /** Kept rows, oldest first; nothing where there is no archive. */
  async kept(resolution: Resolution, fromMs: number, toMs: number): Promise<KeptSlice[]> {
    return (await this.#parts.archive?.call('range', resolution, fromMs, toMs)) ?? [];
  }

  /** Measured hours, and imported ones where none was measured: never both of one hour. */
  async #pastHours({ fromMs, toMs }: { readonly fromMs: number; readonly toMs: number }): Promise<KeptSlice[]> {
    const measured = await this.kept('hour', fromMs, toMs);
    const imported = (await this.#parts.archive?.call('importedRange', fromMs, toMs)) ?? [];
    const known = new Set(measured.filter(({ seconds }) => seconds >= 600).map(({ startMs }) => startMs));
    return [
      ...measured.filter(({ startMs }) => known.has(startMs)),
      ...imported.filter(({ startMs }) => !known.has(startMs)),
    ];
  }

  /** Past figures from elsewhere. Rejects where there is no archive, or its disk takes nothing. */
  async putImported(
    by: Pick<ImportRecord, 'id' | 'who' | 'source'>,
    hours: readonly ImportedHour[],
    dryRun: boolean,
  ): Promise<ImportOutcome> {
    const { archive, clock } = this.#parts;
    if (!archive) throw historyError('SEKISHO_HISTORY_UNWRITABLE', 'the history cannot be stored on this disk');
    const record = { ...by, atMs: clock.wallMs() };
    const outcome = await archive.call('putImported', record, hours, this.#retention.hours, dryRun);
    if (!dryRun) this.#baselineMs = Number.NEGATIVE_INFINITY;
    return outcome;
  }

  imports(): Promise<ImportRecord[]> {
    return this.#parts.archive?.call('imports') ?? Promise.resolve([]);
  }

  /** Returns how many hours went. */
  async forgetImport(id: string): Promise<number> {
    this.#baselineMs = Number.NEGATIVE_INFINITY;
    return (await this.#parts.archive?.call('forgetImport', id)) ?? 0;
  }

  /** What is normal now. Looked up anew every ten minutes, on a young server every minute. */
  async baseline(): Promise<Baseline> {
    const nowMs = this.#parts.clock.nowMs();
    if (this.#baseline) {
      const young = this.#baseline.basis === 'none' || this.#baseline.basis === 'minutes before';
      if (nowMs - this.#baselineMs < (young ? YOUNG_BASELINE_MS : BASELINE_MS)) return this.#baseline;
    }
    const wallMs = this.#parts.clock.wallMs();
    const spans = baselineSpans(wallMs);
    const hours = await Promise.all(spans.map((span) => this.#pastHours(span)));
    const archived = await this.kept('minute', wallMs - SPAN_MS.hour, wallMs);
    const minutes = archived.length > 0 ? archived : this.#minutes;
    this.#baseline = baselineOf(wallMs, hours.flat(), minutes);
    this.#baselineMs = nowMs;
    return this.#baseline;
  }

  /** What is normal for a diagnosis: of a server that has just begun, the moments before what is unusual. */
  async normal(): Promise<Baseline> {
    const normal = await this.baseline();
    return normal.basis === 'none' ? (momentsBefore(this.#slices) ?? normal) : normal;
  }

  /** What is normal from then until now, hour by hour; at most `points` hours are looked up. */
  async normalSince(fromMs: number, points: number): Promise<Baseline> {
    const toMs = this.#parts.clock.wallMs();
    const middles = Array.from({ length: points }, (_, i) => fromMs + ((toMs - fromMs) * (i + 0.5)) / points);
    const hours: Baseline[] = [];
    for (const middle of middles) {
      const kept = await Promise.all(baselineSpans(middle).map((span) => this.#pastHours(span)));
      hours.push(baselineOf(middle, kept.flat(), []));
    }
    const known = hours.filter(({ basis }) => basis === 'hour of the week' || basis === 'hour of the day');
    return meanOf(known.length === hours.length ? known : []);
  }

  /** Traffic that nothing was wrong with, up to when what is unusual began: for whom a rule would hit. */
  async others(beganMs: number): Promise<Others> {
    const kept = await this.kept('minute', beganMs - TODAY_MS, beganMs);
    const calm = kept.filter(({ incident, startMs, seconds }) => !incident && startMs + seconds * 1000 <= beganMs);
    const before = this.memory().filter(({ startMs, seconds }) => startMs + seconds * 1000 <= beganMs + 500);
    const merged = (slices: readonly Slice[]) =>
      slices.length > 0 ? mergeSlices(slices, MERGED_ENTRIES * 2) : undefined;
    return { yesterday: await this.normalDay(), today: merged(calm), before: merged(before) };
  }

  /** The last 24 hours without those in which an overload was open; undefined where there is none. */
  async normalDay(): Promise<Slice | undefined> {
    const wallMs = this.#parts.clock.wallMs();
    const hours = await this.kept('hour', wallMs - 25 * SPAN_MS.hour, wallMs - SPAN_MS.hour);
    const calm = hours.filter(({ incident }) => !incident);
    if (calm.length > 0) return mergeSlices(calm, MERGED_ENTRIES * 2);
    const minutes = (await this.kept('minute', wallMs - 2 * SPAN_MS.hour, wallMs)).filter(({ incident }) => !incident);
    return minutes.length > 0 ? mergeSlices(minutes, MERGED_ENTRIES * 2) : undefined;
  }

  deletions(limit: number) {
    return this.#parts.archive?.call('deletions', limit) ?? Promise.resolve([]);
  }

  async archiveBytes(): Promise<number> {
    return (await this.#parts.archive?.call('size')) ?? 0;
  }

  /** The minute that is under way is written too. */
  async close(): Promise<void> {
    this.#endEpoch();
    this.#endMinute();
    await this.#saving;
    await this.#parts.archive?.close();
  }

  /** Resolves when everything that was to be written has been, or was refused. */
  settled(): Promise<void> {
    return this.#saving;
  }

  #endEpoch(): void {
    const now = this.#parts.surroundings();
    const upstreams = upstreamsBetween(this.#surroundings.upstreams, now.upstreams);
    const kernel = Math.max(0, now.kernelDrops - this.#surroundings.kernelDrops);
    this.#watch(this.#rotate([...this.#attached], upstreams, kernel), now);
    this.#expire();
  }

  #rotate(attached: readonly Attached[], upstreams: Record<string, number> = {}, kernel = 0): Slice {
    const { clock } = this.#parts;
    const seconds = Math.max(0.001, (clock.nowMs() - this.#epochMs) / 1000);
    const late = attached.reduce((sum, { collector }) => addTotals(sum, collector.takeTotals()), NO_TOTALS);
    const sum = addTotals(this.#epochTotals, late);
    // What the kernel dropped no worker has seen.
    const drops = kernel > 0 ? { ...sum.drops, kernel } : sum.drops;
    const totals = { ...sum, drops, upstreams };
    const startMs = this.#epochWallMs;
    const tops = attached.map(({ collector }) => collector.takeTops(startMs, 0));
    const slice = { ...mergeSlices([emptySlice(startMs), ...tops], MERGED_ENTRIES), startMs, seconds, totals };
    for (const { teacher } of attached) for (const { key } of slice.tops.domain) teacher.consider(key);
    this.#epochMs = clock.nowMs();
    this.#epochWallMs = clock.wallMs();
    this.#epochTotals = NO_TOTALS;
    this.#slices.push(slice);
    if (this.#slices.length > SLICES) this.#slices.shift();
    this.#minute.push(slice);
    // Any other minute than the one it began in, also an earlier one: the clock may have been set back.
    const first = this.#minute[0]!.startMs;
    if (Math.floor(this.#epochWallMs / SPAN_MS.minute) !== Math.floor(first / SPAN_MS.minute)) this.#endMinute();
    return slice;
  }

  #endMinute(): void {
    if (this.#minute.length === 0) return;
    const slice = mergeSlices(this.#minute, MERGED_ENTRIES);
    const minute = { ...slice, startMs: this.#minute[0]!.startMs };
    this.#minute = [];
    const incident = this.overload.open !== undefined || this.overload.signals.length > 0;
    this.#minutes.push({ ...minute, incident });
    if (this.#minutes.length > MINUTES) this.#minutes.shift();
    this.#unsaved.push({ slice: minute, incident });
    while (this.#unsaved.length > MAX_UNSAVED) {
      this.#unsaved.shift();
      this.lostMinutes++;
    }
    this.#saving = this.#saving.then(() => this.#save());
  }

  /** Whatever the disk does, serving goes on; what it refuses is tried again with the next minute. */
  async #save(): Promise<void> {
    const { archive, log } = this.#parts;
    if (!archive) return;
    try {
      for (let next = this.#unsaved[0]; next; next = this.#unsaved[0]) {
        await archive.call('putMinute', next.slice, next.incident);
        this.#unsaved.shift();
      }
      if (this.#saveFailed) log.info({}, 'history writes have recovered');
      this.#saveFailed = false;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (!this.#saveFailed)
        log.error({ reason, waiting: this.#unsaved.length }, 'THE HISTORY CANNOT BE WRITTEN; queries are still served');
      this.#saveFailed = true;
    }
  }

  #watch(slice: Slice, now: Surroundings): void {
    const { clock, log } = this.#parts;
    const measures: Measures = {
      rate: slice.totals.queries / slice.seconds,
      servfail: servfailShare(slice),
      kernelDrops: Math.max(0, now.kernelDrops - this.#surroundings.kernelDrops) / slice.seconds,
      cpu: Math.max(0, now.cpuSeconds - this.#surroundings.cpuSeconds) / slice.seconds / this.#parts.cores,
      latencyMs: quantile(slice.totals.latencies, 0.95) ?? 0,
    };
    const lists = Object.entries(now.lists ?? {}).filter(
      ([name, at]) => at !== (this.#surroundings.lists?.[name] ?? at),
    );
    if (lists.length > 0)
      this.changed(
        'list',
        lists.map(([name]) => name),
      );
    this.#surroundings = now;
    this.#cpu.set(slice, measures.cpu);
    this.baseline().then(
      (normal) => {
        for (const change of this.overload.observe(signalsOf(measures, normal), clock.nowMs(), clock.wallMs())) {
          const opened = 'opened' in change;
          const overload = opened ? change.opened : change.closed;
          const why = opened ? overload.reason : change.why;
          this.#tell(overload, why, opened ? undefined : change.open);
          this.#recordQuietly({
            who: 'server',
            role: 'server',
            action: opened ? 'overload.open' : 'overload.close',
            purpose: why,
            detail: { by: overload.by, signals: overload.signals, ...(!opened && { historyOpen: change.open }) },
          });
        }
      },
      (error: unknown) => log.error({ reason: String(error) }, 'failed to read the baseline'),
    );
  }

  /** Somebody says that it is over. Returns what was open. */
  closeOverloads(who: string): readonly Overload[] {
    const closed = this.overload.close();
    for (const overload of closed) this.#tell(overload, `${who} says that it is over`, false);
    return closed;
  }

  /** `open`: of one that is over, whether another keeps the history open. It is never called closed while it is open. */
  #tell({ by, who }: Overload, why: string, open: boolean | undefined): void {
    const { log } = this.#parts;
    if (open === undefined) log.warn({ by, why }, 'overload: the history is open');
    else if (!open) log.warn({ by, who, why }, 'overload over: the history is closed');
    else
      log.warn(
        { by, who, why, declared: this.overload.all.filter((each) => each.by === 'declared').length },
        by === 'detected'
          ? 'overload no longer detected: the history stays open, because one is declared'
          : 'a declared overload is over: the history stays open, because another one is',
      );
  }

  #expire(): void {
    const { archive, clock, log } = this.#parts;
    if (!archive || clock.nowMs() - this.#expiredMs < SPAN_MS.hour) return;
    this.#expiredMs = clock.nowMs();
    archive.call('expire', clock.wallMs(), this.#retention).then(
      (deletions) => {
        if (deletions.length === 0) return;
        const detail = { deletions: deletions.map(({ dataset, before, rows }) => ({ dataset, before, rows })) };
        log.info(detail, 'history deleted: its retention is over');
        this.#recordQuietly({ who: 'server', role: 'server', action: 'history.delete', purpose: 'retention', detail });
      },
      (error: unknown) => log.error({ reason: String(error) }, 'failed to delete history, retrying in an hour'),
    );
  }

  /** What the server does by itself is not refused because the audit log is full; it says so in its own log. */
  #recordQuietly(entry: Parameters<Auditor['record']>[0]): void {
    try {
      this.#parts.audit.record(entry);
    } catch (error) {
      this.#parts.log.error({ action: entry.action, reason: String(error) }, 'not in the audit log');
    }
  }
}
