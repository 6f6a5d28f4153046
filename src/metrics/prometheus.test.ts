import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countersOnly, metricsText, metricsTotal, RetiredMetrics } from './prometheus.ts';
import { Metrics } from './registry.ts';

/** One thread that has counted `queries` queries over UDP. */
function worker(queries: number, waiting = 0): Metrics {
  const metrics = new Metrics();
  metrics.values[metrics.counter('sekisho_queries_total', 'Queries received.', { transport: 'udp' })]! += queries;
  metrics.values[metrics.gauge('sekisho_waiting', 'Queries that wait.', {}, true)]! += waiting;
  return metrics;
}

const sources = (...all: Metrics[]) => all.map((metrics, number) => ({ worker: number, snapshot: metrics.snapshot() }));

describe('the Prometheus page', () => {
  it('takes the counts of a worker that only finishes what waits, and leaves out where it stands', () => {
    const [serving, finishing] = sources(worker(3, 7), worker(4, 9));
    const page = metricsText([serving!, countersOnly({ ...finishing!, worker: 0 })]);
    expect(page).toContain('sekisho_queries_total{transport="udp"} 7\n');
    expect(page).toContain('sekisho_waiting{worker="0"} 7\n');
  });

  it('adds workers up by name and labels, and shows per-worker gauges apart', () => {
    expect(metricsText(sources(worker(3, 7), worker(4, 9)))).toBe(
      [
        '# HELP sekisho_queries_total Queries received.',
        '# TYPE sekisho_queries_total counter',
        'sekisho_queries_total{transport="udp"} 7',
        '# HELP sekisho_waiting Queries that wait.',
        '# TYPE sekisho_waiting gauge',
        'sekisho_waiting{worker="0"} 7',
        'sekisho_waiting{worker="1"} 9',
        '',
      ].join('\n'),
    );
  });

  it('keeps the counters of a worker that has ended, and forgets its gauges', () => {
    const retired = new RetiredMetrics();
    const ended = worker(10, 5);
    retired.fold(ended.snapshot());
    ended.values.fill(0);
    retired.fold(worker(5).snapshot());
    const text = metricsText(sources(worker(1, 2)), retired);
    expect(text).toContain('sekisho_queries_total{transport="udp"} 16\n');
    expect(text.match(/sekisho_waiting\{/g)).toHaveLength(1);
    expect(text).toContain('sekisho_waiting{worker="0"} 2\n');
  });

  it('never lets a counter go back when a worker is replaced', () => {
    const retired = new RetiredMetrics();
    const first = worker(1000);
    const before = metricsTotal(sources(first), retired, 'sekisho_queries_total');
    retired.fold(first.snapshot());
    expect(metricsTotal(sources(worker(0)), retired, 'sekisho_queries_total')).toBe(before);
  });

  it('adds the numbers of the main thread without a worker label', () => {
    const main = new Metrics();
    main.values[main.gauge('sekisho_workers', 'Workers running.', {}, true)] = 2;
    expect(metricsText([{ snapshot: main.snapshot() }])).toContain('\nsekisho_workers 2\n');
  });

  it('cumulates histogram buckets by ascending bound, over workers, and takes the count from them', () => {
    const metrics = [new Metrics(), new Metrics()];
    for (const one of metrics) {
      const histogram = one.histogram('sekisho_latency_seconds', 'Time to the reply.', [0.001, 0.01, 2]);
      histogram.record(0.5);
      histogram.record(5, 2);
      histogram.record(5000);
    }
    // A count that is ahead of its buckets, as a reader in another thread may see it.
    metrics[0]!.values[5]! += 1;
    expect(metricsText(sources(...metrics)).split('\n')).toEqual([
      '# HELP sekisho_latency_seconds Time to the reply.',
      '# TYPE sekisho_latency_seconds histogram',
      'sekisho_latency_seconds_bucket{le="0.001"} 2',
      'sekisho_latency_seconds_bucket{le="0.01"} 6',
      'sekisho_latency_seconds_bucket{le="2"} 6',
      'sekisho_latency_seconds_bucket{le="+Inf"} 8',
      'sekisho_latency_seconds_sum 10.021',
      'sekisho_latency_seconds_count 8',
      '',
    ]);
  });

  it('sorts families and series whatever order they were declared in', () => {
    const one = new Metrics();
    const other = new Metrics();
    for (const name of ['b', 'a']) one.counters(`sekisho_${name}_total`, 'x', 'reason', ['y', 'x']);
    for (const name of ['a', 'b']) other.counters(`sekisho_${name}_total`, 'x', 'reason', ['x', 'y']);
    expect(metricsText(sources(one))).toBe(metricsText(sources(other)));
  });

  it('treats labels alike in whatever order they were written', () => {
    const one = new Metrics();
    one.values[one.counter('sekisho_x_total', 'x', { a: '1', b: '2' })] = 1;
    const other = new Metrics();
    other.values[other.counter('sekisho_x_total', 'x', { b: '2', a: '1' })] = 1;
    expect(metricsText(sources(one, other))).toContain('sekisho_x_total{a="1",b="2"} 2\n');
  });

  it('shows a name that threads declare with different types as untyped, once', () => {
    const one = new Metrics();
    one.values[one.counter('sekisho_x', 'x')] = 1;
    const other = new Metrics();
    other.values[other.gauge('sekisho_x', 'x')] = 2;
    expect(metricsText(sources(one, other))).toBe('# HELP sekisho_x x\n# TYPE sekisho_x untyped\nsekisho_x 3\n');
  });

  it('writes numbers as the format wants them', () => {
    const metrics = new Metrics();
    for (const [i, value] of [
      0,
      0.25,
      1e21,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
    ].entries()) {
      metrics.values[metrics.gauge(`sekisho_g${i}`, 'x')] = value;
    }
    const numbers = [...metricsText(sources(metrics)).matchAll(/^sekisho_g\d (.*)$/gm)].map(([, number]) => number);
    expect(numbers).toEqual(['0', '0.25', '1e+21', 'NaN', '+Inf', '-Inf']);
  });

  it('follows the line grammar of the text format for any help and label text, and the text reads back', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (help, label) => {
        const metrics = new Metrics();
        metrics.counter('sekisho_x_total', help, { label });
        const [first, second, third, end, ...rest] = metricsText(sources(metrics)).split('\n');
        expect(unescaped(/^# HELP sekisho_x_total (.*)$/su.exec(first!)![1]!)).toBe(help);
        expect(second).toBe('# TYPE sekisho_x_total counter');
        expect(unescaped(/^sekisho_x_total\{label="((?:[^"\\]|\\["\\n])*)"\} 0$/su.exec(third!)![1]!)).toBe(label);
        expect([end, ...rest]).toEqual(['']);
      }),
    );
  });
});

describe('metricsTotal', () => {
  it('sums the series that have the labels asked for', () => {
    const metrics = new Metrics();
    const first = metrics.counters('sekisho_replies_total', 'Replies.', 'rcode', ['NOERROR', 'SERVFAIL']);
    metrics.values[first] = 5;
    metrics.values[first + 1] = 2;
    const all = sources(metrics, metrics);
    expect(metricsTotal(all, new RetiredMetrics(), 'sekisho_replies_total')).toBe(14);
    expect(metricsTotal(all, new RetiredMetrics(), 'sekisho_replies_total', { rcode: 'SERVFAIL' })).toBe(4);
    expect(metricsTotal(all, new RetiredMetrics(), 'sekisho_nothing_total')).toBe(0);
  });
});

function unescaped(text: string): string {
  return text.replace(/\\(.)/gs, (_, char: string) => (char === 'n' ? '\n' : char));
}
