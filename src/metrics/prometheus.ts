/**
 * The numbers of all threads as one page in Prometheus's text format 0.0.4 (Content-Type `METRICS_CONTENT_TYPE`).
 *
 * Each thread keeps its own array (registry.ts). Here they are added up by name and labels, together with the totals of
 * workers that have ended: a counter must never go back because a worker was replaced, or every rate over it is wrong.
 */
import type { MetricCell, MetricsSnapshot, MetricType } from './registry.ts';

export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** The numbers of one thread. */
export interface MetricsSource {
  /** The worker's number; undefined for the main thread. */
  readonly worker?: number;
  readonly snapshot: MetricsSnapshot;
}

/** What ended workers have counted. Gauges end with their worker. */
export class RetiredMetrics {
  readonly #totals = new Map<string, { cell: MetricCell; value: number }>();

  /** Take over the numbers of a worker that has ended. Call once per worker, when it writes no more. */
  fold(snapshot: MetricsSnapshot): void {
    snapshot.cells.forEach((cell, index) => {
      if (cell.type === 'gauge') return;
      const key = seriesKey(cell.name, cell.labels);
      const total = this.#totals.get(key);
      const value = snapshot.values[index] ?? 0;
      if (total) total.value += value;
      else this.#totals.set(key, { cell, value });
    });
  }

  snapshot(): MetricsSnapshot {
    const totals = [...this.#totals.values()];
    return { cells: totals.map(({ cell }) => cell), values: Float64Array.from(totals, ({ value }) => value) };
  }
}

/**
 * A source without its gauges: for workers that only finish what waits, beside their successors. What they have counted
 * counts, but where they stand is no longer where the server stands.
 */
export function countersOnly(source: MetricsSource): MetricsSource {
  const kept = source.snapshot.cells.flatMap((cell, i) => (cell.type === 'gauge' ? [] : [i]));
  const cells = kept.map((i) => source.snapshot.cells[i]!);
  return { ...source, snapshot: { cells, values: Float64Array.from(kept, (i) => source.snapshot.values[i]!) } };
}

/** The page: every source and what `retired` holds, families and series in an order that does not change. */
export function metricsText(sources: readonly MetricsSource[], retired: RetiredMetrics = new RetiredMetrics()): string {
  const families = new Map<string, Family>();
  for (const { worker, snapshot } of [...sources, { snapshot: retired.snapshot() }]) {
    snapshot.cells.forEach((cell, index) => {
      const labels = cell.perWorker && worker !== undefined ? { ...cell.labels, worker: String(worker) } : cell.labels;
      add(families, cell, labels, snapshot.values[index] ?? 0);
    });
  }
  return [...families.values()]
    .sort((one, other) => compareText(one.name, other.name))
    .map(familyText)
    .join('');
}

/**
 * The sum, over all sources and `retired`, of the series called `name` whose labels include `labels`; a label that is undefined
 * has to be absent. For the status page; 0 where there is none.
 */
export function metricsTotal(
  sources: readonly MetricsSource[],
  retired: RetiredMetrics,
  name: string,
  labels: Readonly<Record<string, string | undefined>> = {},
): number {
  const wanted = Object.entries(labels);
  let total = 0;
  for (const { snapshot } of [...sources, { snapshot: retired.snapshot() }]) {
    snapshot.cells.forEach((cell, index) => {
      if (cell.name !== name || !wanted.every(([label, value]) => cell.labels[label] === value)) return;
      total += snapshot.values[index] ?? 0;
    });
  }
  return total;
}

/** One number, and the labels that tell it from others of its name. */
export interface MetricSample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The series called `name`, those with the same labels added up. */
export function metricSamples(
  sources: readonly MetricsSource[],
  retired: RetiredMetrics,
  name: string,
): readonly MetricSample[] {
  const found = new Map<string, { labels: MetricSample['labels']; value: number }>();
  for (const { snapshot } of [...sources, { snapshot: retired.snapshot() }]) {
    snapshot.cells.forEach((cell, index) => {
      if (cell.name !== name) return;
      const key = seriesKey('', cell.labels);
      const value = snapshot.values[index] ?? 0;
      const there = found.get(key);
      if (there) there.value += value;
      else found.set(key, { labels: cell.labels, value });
    });
  }
  return [...found.values()];
}

/** One counter, all threads together. */
export interface CounterSample extends MetricSample {
  readonly name: string;
  readonly help: string;
}

/** Every counter that `wanted` names, those with the same labels added up. */
export function counterSamples(
  sources: readonly MetricsSource[],
  retired: RetiredMetrics,
  wanted: (name: string) => boolean,
): CounterSample[] {
  const found = new Map<string, CounterSample & { value: number }>();
  for (const { snapshot } of [...sources, { snapshot: retired.snapshot() }]) {
    snapshot.cells.forEach(({ name, help, type, labels }, index) => {
      if (type !== 'counter' || !wanted(name)) return;
      const key = seriesKey(name, labels);
      const value = snapshot.values[index] ?? 0;
      const there = found.get(key);
      if (there) there.value += value;
      else found.set(key, { name, help, labels, value });
    });
  }
  return [...found.values()];
}

interface Series {
  /** `_bucket`, `_sum`, `_count` of a histogram; empty otherwise. */
  readonly suffix: string;
  readonly labels: Readonly<Record<string, string>>;
  value: number;
}

interface Family {
  readonly name: string;
  readonly help: string;
  /** `untyped` where two threads disagree: the numbers stay visible. */
  type: MetricType | 'untyped';
  readonly series: Map<string, Series>;
}

function add(
  families: Map<string, Family>,
  cell: MetricCell,
  labels: Readonly<Record<string, string>>,
  value: number,
): void {
  const suffix = cell.type === 'histogram' ? (/_(?:bucket|sum|count)$/.exec(cell.name)?.[0] ?? '') : '';
  const name = suffix ? cell.name.slice(0, -suffix.length) : cell.name;
  let family = families.get(name);
  if (!family) {
    family = { name, help: cell.help, type: cell.type, series: new Map() };
    families.set(name, family);
  }
  if (family.type !== cell.type) family.type = 'untyped';
  const key = seriesKey(suffix, labels);
  const series = family.series.get(key);
  if (series) series.value += value;
  else family.series.set(key, { suffix, labels, value });
}

function familyText(family: Family): string {
  const head = `# HELP ${family.name} ${escapedHelp(family.help)}\n# TYPE ${family.name} ${family.type}\n`;
  const series = [...family.series.values()];
  const lines =
    family.type === 'histogram' ? histogramLines(family.name, series) : series.map((one) => line(family.name, one));
  return head + (family.type === 'histogram' ? lines : lines.sort(compareText)).join('');
}

/**
 * A histogram's lines: buckets cumulated by ascending bound, then sum and count, for each set of labels. The count is
 * taken from the buckets, because the worker goes on counting while we read and the format wants both alike.
 */
function histogramLines(name: string, series: readonly Series[]): string[] {
  const groups = new Map<string, { labels: Record<string, string>; buckets: Series[]; sum: number }>();
  for (const one of series) {
    const { le: _, ...labels } = one.labels;
    const key = seriesKey('', labels);
    const group = groups.get(key) ?? { labels, buckets: [], sum: 0 };
    groups.set(key, group);
    if (one.suffix === '_bucket') group.buckets.push(one);
    else if (one.suffix === '_sum') group.sum += one.value;
  }
  return [...groups.entries()]
    .sort(([one], [other]) => compareText(one, other))
    .flatMap(([, { labels, buckets, sum }]) => {
      let count = 0;
      const lines = buckets
        .sort((one, other) => upperBound(one) - upperBound(other))
        .map((bucket) => {
          count += bucket.value;
          return line(name, {
            suffix: '_bucket',
            labels: { ...labels, le: bucket.labels['le'] ?? '+Inf' },
            value: count,
          });
        });
      lines.push(
        line(name, { suffix: '_sum', labels, value: sum }),
        line(name, { suffix: '_count', labels, value: count }),
      );
      return lines;
    });
}

function upperBound(bucket: Series): number {
  const le = bucket.labels['le'];
  return le === undefined || le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le);
}

function line(name: string, { suffix, labels, value }: Series): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapedLabel(text)}"`);
  return `${name}${suffix}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${numberText(value)}\n`;
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}

function escapedHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function escapedLabel(text: string): string {
  return escapedHelp(text).replaceAll('"', '\\"');
}

/** Labels count by what they say, not by the order in which they were written. */
function seriesKey(name: string, labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).sort(([one], [other]) => compareText(one, other));
  return JSON.stringify([name, pairs]);
}

/** By code unit: the order must not depend on the machine's locale. */
function compareText(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
