/**
 * Counters as indices into one typed array.
 *
 * Each worker has an array of its own in shared memory and is the only one to write it: counting is a plain addition,
 * without locks. The main thread adds the arrays of all workers up, by name and labels, when somebody asks. Names and
 * labels are fixed at set-up; a query's name or a client never becomes a label (they would be unbounded, and personal).
 */
export type MetricType = 'counter' | 'gauge' | 'histogram';

/** One number of the array. */
export interface MetricCell {
  /** Prometheus name, e.g. `sekisho_queries_total`. */
  readonly name: string;
  readonly help: string;
  readonly type: MetricType;
  readonly labels: Readonly<Record<string, string>>;
  /** Gauges that mean nothing as a sum carry the worker's number as a label instead. */
  readonly perWorker: boolean;
}

/** What a worker tells the main thread: which cell means what, and where the numbers are. Can be sent between threads. */
export interface MetricsSnapshot {
  readonly cells: readonly MetricCell[];
  readonly values: Float64Array;
}

/** Numbers that one worker can hold; set-up fails loudly beyond. */
export const MAX_CELLS = 8192;

const NAME = /^[a-z][a-z0-9_]*$/;

export class Metrics {
  /** The numbers. Add to `values[index]`, index from the methods below. */
  readonly values = new Float64Array(new SharedArrayBuffer(MAX_CELLS * 8));
  readonly cells: MetricCell[] = [];
  readonly #known = new Map<string, number>();

  /** Declare a counter that only grows. Returns its index. Asking again for the same name and labels returns the same. */
  counter(name: string, help: string, labels: Record<string, string> = {}): number {
    return this.#declare({ name, help, type: 'counter', labels, perWorker: false });
  }

  /** Declare one counter for each value of one label. Returns the index of the first; the others follow. */
  counters(
    name: string,
    help: string,
    label: string,
    values: readonly string[],
    labels: Record<string, string> = {},
  ): number {
    const indices = values.map((value) => this.counter(name, help, { ...labels, [label]: value }));
    const first = indices[0] ?? 0;
    if (indices.some((index, i) => index !== first + i))
      throw new Error(`${name}: some of its values were declared apart`);
    return first;
  }

  /** Declare a number that goes up and down. `perWorker`: shown with a `worker` label instead of summed. */
  gauge(name: string, help: string, labels: Record<string, string> = {}, perWorker = false): number {
    return this.#declare({ name, help, type: 'gauge', labels, perWorker });
  }

  /** Declare a histogram with upper bounds in seconds, ascending. */
  histogram(name: string, help: string, boundsSeconds: readonly number[]): Histogram {
    const first = this.cells.length;
    for (const bound of boundsSeconds)
      this.#cell({ name: `${name}_bucket`, help, type: 'histogram', labels: { le: String(bound) }, perWorker: false });
    this.#cell({ name: `${name}_bucket`, help, type: 'histogram', labels: { le: '+Inf' }, perWorker: false });
    this.#cell({ name: `${name}_sum`, help, type: 'histogram', labels: {}, perWorker: false });
    this.#cell({ name: `${name}_count`, help, type: 'histogram', labels: {}, perWorker: false });
    return new Histogram(this.values, first, boundsSeconds);
  }

  snapshot(): MetricsSnapshot {
    return { cells: this.cells, values: this.values };
  }

  #declare(cell: MetricCell): number {
    const key = JSON.stringify([cell.name, Object.entries(cell.labels).sort()]);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const index = this.#cell(cell);
    this.#known.set(key, index);
    return index;
  }

  #cell(cell: MetricCell): number {
    if (!NAME.test(cell.name)) throw new Error(`metric name '${cell.name}' is not of the form ${NAME.source}`);
    if (this.cells.length >= MAX_CELLS) throw new Error(`more than ${MAX_CELLS} metrics in one worker`);
    return this.cells.push(cell) - 1;
  }
}

/** A histogram's buckets inside the array; the last bucket has no upper bound. Buckets hold counts of their own, not cumulated. */
export class Histogram {
  readonly #values: Float64Array;
  readonly #first: number;
  readonly #boundsMs: Float64Array;

  constructor(values: Float64Array, first: number, boundsSeconds: readonly number[]) {
    this.#values = values;
    this.#first = first;
    this.#boundsMs = Float64Array.from(boundsSeconds, (bound) => bound * 1000);
  }

  /** Record `times` observations of `ms` milliseconds. */
  record(ms: number, times = 1): void {
    const bounds = this.#boundsMs;
    const values = this.#values;
    let bucket = 0;
    while (bucket < bounds.length && ms > bounds[bucket]!) bucket++;
    const first = this.#first;
    values[first + bucket]! += times;
    values[first + bounds.length + 1]! += (ms * times) / 1000;
    values[first + bounds.length + 2]! += times;
  }
}

/** What the names of a plugin's metrics begin with. */
export function metricPrefix(plugin: string): string {
  return `sekisho_${plugin.replaceAll('-', '_')}`;
}
