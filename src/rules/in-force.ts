/**
 * Measures as the packet threads see them: few (compile.ts), so that a flat list is the quickest table; a plugin that carries
 * none pays for one comparison with 0.
 *
 *   desk.ts ─▶ publish ─▶ MeasuresInForce.take ─▶ PluginMeasures of each plugin ─▶ its hooks ask for each query
 *
 * Nothing is allocated per query. A measure ends by its own clock, whether or not the main thread still works.
 */
import type { Query } from '../wire/query.ts';
import { LIMITED, MATCHED } from './slots.ts';

/** How far a measure on a name reaches. */
export const ANY_NAME = 0;
export const EXACT = 1;
/** Below the name, not the name itself. */
export const BELOW = 2;
export const SUBTREE = 3;

/** One measure, as plain data. */
export interface PublishedMeasure {
  readonly plugin: string;
  /** Wire form, lower case; empty for ANY_NAME. */
  readonly name: Uint8Array;
  readonly reach: number;
  /** 0 = every type. */
  readonly type: number;
  /** Address words under `mask`; a mask of zeros is everybody. */
  readonly source: Int32Array;
  readonly mask: Int32Array;
  readonly onSource: boolean;
  /** Queries a second of the whole server that pass. */
  readonly limitPerSecond: number;
  readonly dryRun: boolean;
  /** Monotonic milliseconds. */
  readonly endsMs: number;
  /** Where its queries are counted: `MATCHED` and `LIMITED` of its slot. */
  readonly slot: number;
  /** For `explain`. */
  readonly about: string;
}

/** What the desk publishes. */
export interface PublishedMeasures {
  readonly measures: readonly PublishedMeasure[];
  /** Two 32-bit counters a slot, for `Atomics`; they wrap. */
  readonly counters: SharedArrayBuffer;
}

/** More queries a second than a server can be asked. */
const NO_LIMIT = 1e12;

/** The measures that one plugin carries, in one thread. */
export class PluginMeasures {
  /** How many there are: 0 = nothing to look for. */
  count = 0;
  #measures: readonly PublishedMeasure[] = [];
  #counters: Int32Array = new Int32Array(0);
  /** Queries that may pass at once, and when that was reckoned. */
  #tokens = new Float64Array(0);
  #atMs = new Float64Array(0);
  readonly #workers: number;
  readonly #rehearsed: boolean;

  /** `workers` share the limits evenly. `rehearsed`: for `explain`; nothing is counted, and every limit has room. */
  constructor(workers: number, rehearsed = false) {
    this.#workers = workers;
    this.#rehearsed = rehearsed;
  }

  take(published: readonly PublishedMeasure[], counters: SharedArrayBuffer): void {
    // How much of a limit is left is known to each worker alone.
    const measures = this.#rehearsed ? published.map((one) => ({ ...one, limitPerSecond: NO_LIMIT })) : published;
    this.#measures = measures;
    this.#counters = this.#rehearsed ? new Int32Array(counters.byteLength / 4) : new Int32Array(counters);
    // Begun anew full: a second's worth.
    this.#tokens = Float64Array.from(measures, ({ limitPerSecond }) => this.#burst(limitPerSecond));
    this.#atMs = new Float64Array(measures.length);
    this.count = measures.length;
  }

  /**
   * The measure over whose limit the query is, or -1. Counts the query under every measure that matches it. `spared`: it
   * passes whatever the limit, for reasons of the plugin's own.
   */
  overLimit(query: Query, spared: boolean): number {
    for (let i = 0; i < this.count; i++) {
      const measure = this.#measures[i]!;
      if (query.nowMs >= measure.endsMs || !matches(measure, query)) continue;
      Atomics.add(this.#counters, 2 * measure.slot + MATCHED, 1);
      if (spared || this.#passes(i, measure.limitPerSecond, query.nowMs)) continue;
      Atomics.add(this.#counters, 2 * measure.slot + LIMITED, 1);
      if (!measure.dryRun) return i;
    }
    return -1;
  }

  /** Whether measure `i` names a source: it is about that very client, and not about whoever forges one. */
  isOnSource(i: number): boolean {
    return this.#measures[i]!.onSource;
  }

  /** For `explain`: what the first measure is that matches; nothing is counted. */
  explain(query: Query): string | undefined {
    return this.#measures.find((measure) => query.nowMs < measure.endsMs && matches(measure, query))?.about;
  }

  #burst(limitPerSecond: number): number {
    return Math.max(1, limitPerSecond / this.#workers);
  }

  #passes(i: number, limitPerSecond: number, nowMs: number): boolean {
    const rate = limitPerSecond / this.#workers;
    const tokens = this.#tokens[i]! + ((nowMs - this.#atMs[i]!) * rate) / 1000;
    const held = Math.min(Math.max(1, rate), tokens);
    this.#atMs[i] = nowMs;
    if (held < 1) {
      this.#tokens[i] = held;
      return false;
    }
    this.#tokens[i] = held - 1;
    return true;
  }
}

/** Those of all plugins, in one thread. */
export class MeasuresInForce {
  readonly #workers: number;
  readonly #rehearsed: boolean;
  readonly #ofPlugin = new Map<string, PluginMeasures>();

  /** As in PluginMeasures. */
  constructor(workers: number, rehearsed = false) {
    this.#workers = workers;
    this.#rehearsed = rehearsed;
  }

  of(plugin: string): PluginMeasures {
    const measures = this.#ofPlugin.get(plugin) ?? new PluginMeasures(this.#workers, this.#rehearsed);
    this.#ofPlugin.set(plugin, measures);
    return measures;
  }

  take({ measures, counters }: PublishedMeasures): void {
    for (const [name, mine] of this.#ofPlugin)
      mine.take(
        measures.filter(({ plugin }) => plugin === name),
        counters,
      );
  }
}

function matches({ type, name, reach, source, mask, onSource }: PublishedMeasure, query: Query): boolean {
  const { question, clientWords } = query;
  if (type !== 0 && question.type !== type) return false;
  if (onSource) for (let i = 0; i < 4; i++) if ((clientWords[i]! & mask[i]!) !== source[i]) return false;
  if (reach === ANY_NAME) return true;
  const from = question.nameLength - name.length;
  if (from < 0 || (reach === EXACT && from !== 0) || (reach === BELOW && from === 0)) return false;
  for (let i = name.length - 1; i >= 0; i--) if (question.name[from + i] !== name[i]) return false;
  // The bytes may also end a label that only ends alike.
  for (let i = 0; i < question.labelCount; i++) if (question.labelStarts[i] === from) return true;
  return false;
}
