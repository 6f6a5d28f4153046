/**
 * Sends a scenario's events through the plugin's real parts: recorder, collector, desk, archive. Time is a manual clock's.
 */
import { copyFileSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Archive, SPAN_MS } from '../../plugins/query-history/archive.ts';
import { inlineArchive } from '../../plugins/query-history/archive-thread.ts';
import { HistoryDesk, type Surroundings } from '../../plugins/query-history/desk.ts';
import { HistoryReading } from '../../plugins/query-history/reading.ts';
import type { Slice } from '../../plugins/query-history/slice.ts';
import { addressWords, isMapped } from '../../src/address/address.ts';
import { Query, TCP, textToName, UDP } from '../../src/contract/plugin.ts';
import { halfSipHash, hashHigh, hashLow } from '../../src/hash/siphash.ts';
import { ManualClock } from '../../src/time/clock.ts';
import { typeFromName } from '../../src/wire/constants.ts';
import { rulesWithoutStore } from '../support/desk-without-store.ts';
import { HASH_KEY, type TestRecorder, testRecorder } from '../support/history-queries.ts';
import { Random } from './random.ts';
import { diurnal, type Event, World } from './traffic.ts';

/** Ordinary queries a second at the busiest hour. */
const PEAK = 100;
/** Seconds of traffic that stand for ten minutes of an hour in the past. */
const SAMPLE_SECONDS = 10;
const RETENTION = { minutes: 24 * SPAN_MS.hour, hours: 35 * 24 * SPAN_MS.hour, sources: 24 * SPAN_MS.hour };
const DAY_HOURS = 24;

export class Replay {
  readonly clock: ManualClock;
  readonly world: World;
  readonly desk: HistoryDesk;
  readonly reading: HistoryReading;
  readonly audited: string[] = [];
  readonly archive: Archive;
  readonly #recorder: TestRecorder;
  readonly #observed = new Observed();
  #past: TestRecorder | undefined;
  readonly #peak: number;
  /** Counters of the server as they stand. */
  surroundings: Surroundings = { cpuSeconds: 0, kernelDrops: 0, upstreams: {} };

  /** A server that has seen five weeks of ordinary life; the same past for the same `worldSeed`, `peak` and `hoursLater`. */
  constructor(seed: number, settings: ReplaySettings = {}) {
    const { peak = PEAK, hoursLater = 0, worldSeed = seed, young = false } = settings;
    const file = join(mkdtempSync(join(tmpdir(), 'replay-')), 'history.db');
    if (!young) copyFileSync(pastOf(worldSeed, peak, hoursLater), file);
    this.#peak = peak;
    this.clock = clockAt(hoursLater);
    this.world = new World(new Random(worldSeed));
    this.world.random = new Random(seed);
    this.archive = new Archive(file, this.clock.wallMs());
    const log = {
      info: () => {},
      warn: () => {},
      error: (fields: object, text: string) => console.error(text, fields),
    };
    const audit = { record: ({ action }: { action: string }) => void this.audited.push(action) };
    this.desk = new HistoryDesk({
      clock: this.clock,
      log,
      audit,
      archive: inlineArchive(this.archive),
      retention: RETENTION,
      cores: 2,
      surroundings: () => this.surroundings,
    });
    this.reading = new HistoryReading(this.desk, audit, this.clock, rulesWithoutStore());
    this.#recorder = testRecorder();
    this.desk.attach(this.#recorder.collector, this.#recorder.teacher);
  }

  /** Ordinary queries a second at this moment. */
  rate(): number {
    return ordinaryRate(this.#peak, this.clock.wallMs());
  }

  /** A minute of the past, on the disk. */
  writeMinute(startMs: number, minute: () => Generator<Event>): void {
    this.#past ??= testRecorder();
    const recorder = this.#past;
    let nowMs = startMs;
    for (const event of minute()) {
      this.#observed.observe(recorder, event, nowMs);
      // So slowly that all of them are looked at.
      nowMs += 1;
    }
    const totals = recorder.collector.takeTotals();
    this.archive.putMinute({ ...recorder.collector.takeTops(startMs, 60), totals }, false);
  }

  /** So many seconds of `second`. Returns the events. */
  async incident(
    seconds: number,
    second: () => Generator<Event>,
    surroundings?: (second: number) => Surroundings,
  ): Promise<Event[]> {
    const events: Event[] = [];
    for (let i = 0; i < seconds; i++) {
      for (const event of second()) {
        events.push(event);
        this.#observed.observe(this.#recorder, event, this.clock.nowMs());
      }
      if (surroundings) this.surroundings = surroundings(i + 1);
      this.clock.advance(1000);
      this.desk.tick();
      await this.desk.settled();
    }
    // The baseline that an epoch asks for is there a few turns later.
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    return events;
  }
}

export interface ReplaySettings {
  /** Ordinary queries a second at the busiest hour. */
  readonly peak?: number;
  /** Than the early evening in which the clock of tests begins. */
  readonly hoursLater?: number;
  /** Which names and subscribers there are. */
  readonly worldSeed?: number;
  /** It has no past. */
  readonly young?: boolean;
}

function clockAt(hoursLater: number): ManualClock {
  const clock = new ManualClock();
  clock.advance(hoursLater * SPAN_MS.hour);
  return clock;
}

function ordinaryRate(peak: number, wallMs: number): number {
  return diurnal(peak, (wallMs / SPAN_MS.hour + 9) % 24);
}

const pasts = new Map<string, string>();

/**
 * The database of five ordinary weeks: the hours around this one in each week, and the day before, a sample of each hour. One past
 * week had an incident of its own, which must not become the norm. Made once, and copied.
 */
function pastOf(worldSeed: number, peak: number, hoursLater: number): string {
  const key = `${worldSeed} ${peak} ${hoursLater}`;
  const made = pasts.get(key);
  if (made !== undefined) return made;
  const file = join(mkdtempSync(join(tmpdir(), 'past-')), 'history.db');
  pasts.set(key, file);
  const wallMs = clockAt(hoursLater).wallMs();
  const archive = new Archive(file, wallMs);
  const recorder = testRecorder();
  const observed = new Observed();
  const world = new World(new Random(worldSeed));
  const hours = Array.from({ length: DAY_HOURS }, (_, i) => i + 1);
  for (let week = 1; week <= 4; week++) for (const near of [-1, 0, 1]) hours.push(week * 168 + near);
  for (const ago of hours) {
    const incident = ago > 300 && ago < 400 ? 4 : 1;
    const rate = ordinaryRate(peak, wallMs - ago * SPAN_MS.hour) * incident;
    for (let second = 0; second < SAMPLE_SECONDS; second++)
      for (const event of world.second(rate)) observed.observe(recorder, event, ago * 1000 + second);
    const totals = recorder.collector.takeTotals();
    const startMs = Math.floor(wallMs / SPAN_MS.hour - ago) * SPAN_MS.hour;
    const slice = { ...recorder.collector.takeTops(startMs, SAMPLE_SECONDS), totals };
    archive.putMinute(stretched(slice, 600 / SAMPLE_SECONDS), incident > 1);
  }
  archive.close();
  return file;
}

/** Events as the queries that a recorder sees. */
class Observed {
  readonly #query = new Query();
  /** Names and addresses are read once: they come again and again. */
  readonly #names = new Map<string, Uint8Array>();
  readonly #addresses = new Map<string, Int32Array>();

  constructor() {
    this.#query.reply = new Uint8Array(16);
  }

  observe(recorder: TestRecorder, event: Event, nowMs: number): void {
    const query = this.#query;
    query.reset();
    const { question } = query;
    const name = known(this.#names, event.name, textToName);
    question.name.set(name);
    question.nameLength = name.length;
    question.labelCount = 0;
    for (let at = 0; name[at] !== 0; at += name[at]! + 1) question.labelStarts[question.labelCount++] = at;
    halfSipHash(question.nameWords, name.length, HASH_KEY[0], HASH_KEY[1]);
    question.hashLow = hashLow;
    question.hashHigh = hashHigh;
    question.type = typeFromName(event.type)!;
    query.clientWords.set(known(this.#addresses, event.client, addressWords));
    query.family = isMapped(query.clientWords) ? 4 : 6;
    query.transport = event.transport === 'tcp' ? TCP : UDP;
    query.rcode = event.rcode;
    query.cacheResult = event.cacheResult;
    query.replyLength = event.replyLength;
    query.dropReason = event.dropReason ?? -1;
    query.nowMs = nowMs;
    query.receivedMs = nowMs - event.latencyMs;
    recorder.recorders[0]!.observe(query);
  }
}

function known<T>(cache: Map<string, T>, key: string, make: (key: string) => T): T {
  const there = cache.get(key);
  if (there !== undefined) return there;
  const made = make(key);
  cache.set(key, made);
  return made;
}

/** A minute's traffic as if it had gone on `times` as long. */
function stretched(slice: Slice, times: number): Slice {
  const more = (counts: Record<string, number>) =>
    Object.fromEntries(Object.entries(counts).map(([key, count]) => [key, count * times]));
  const { totals } = slice;
  return {
    ...slice,
    seconds: slice.seconds * times,
    totals: {
      queries: totals.queries * times,
      answerBytes: totals.answerBytes * times,
      transports: more(totals.transports),
      rcodes: more(totals.rcodes),
      cache: more(totals.cache),
      drops: more(totals.drops),
      types: more(totals.types),
      upstreams: more(totals.upstreams),
      sizes: more(totals.sizes),
      latencies: more(totals.latencies),
    },
    tops: Object.fromEntries(
      Object.entries(slice.tops).map(([kind, entries]) => [
        kind,
        entries.map((entry) => ({
          ...entry,
          count: entry.count * times,
          attributes: entry.attributes.map((value) => value * times),
        })),
      ]),
    ) as unknown as Slice['tops'],
    floors: Object.fromEntries(
      Object.entries(slice.floors).map(([kind, floor]) => [kind, floor * times]),
    ) as Slice['floors'],
  };
}
