import { expect, test } from 'vitest';
import { MAX_CELLS, Metrics } from './registry.ts';

test('the same name and labels are the same counter; other labels are another', () => {
  const metrics = new Metrics();
  const one = metrics.counter('sekisho_x_total', 'X.', { a: '1', b: '2' });
  expect(metrics.counter('sekisho_x_total', 'X.', { b: '2', a: '1' })).toBe(one);
  expect(metrics.counter('sekisho_x_total', 'X.', { a: '1' })).not.toBe(one);
});

test('counters of one label follow each other, also when declared a second time', () => {
  const metrics = new Metrics();
  const first = metrics.counters('sekisho_y_total', 'Y.', 'kind', ['a', 'b', 'c']);
  metrics.counter('sekisho_other_total', 'O.');
  expect(metrics.counters('sekisho_y_total', 'Y.', 'kind', ['a', 'b', 'c'])).toBe(first);
  expect(metrics.cells[first + 2]?.labels).toEqual({ kind: 'c' });
});

test('counters that could not follow each other are refused', () => {
  const metrics = new Metrics();
  metrics.counter('sekisho_y_total', 'Y.', { kind: 'b' });
  expect(() => metrics.counters('sekisho_y_total', 'Y.', 'kind', ['a', 'b'])).toThrow(/declared apart/);
});

test('a histogram counts into the bucket whose bound is not exceeded', () => {
  const metrics = new Metrics();
  const histogram = metrics.histogram('sekisho_t_seconds', 'T.', [0.001, 0.01]);
  histogram.record(1);
  histogram.record(1.5, 2);
  histogram.record(99);
  const values = metrics.cells.map((cell, i) => [cell.name.slice(17), cell.labels['le'], metrics.values[i]]);
  expect(values).toEqual([
    ['_bucket', '0.001', 1],
    ['_bucket', '0.01', 2],
    ['_bucket', '+Inf', 1],
    ['_sum', undefined, expect.closeTo(0.103)],
    ['_count', undefined, 4],
  ]);
});

test('a name that Prometheus would not take is refused, and so is one metric too many', () => {
  const metrics = new Metrics();
  expect(() => metrics.counter('Sekisho-Bad', 'x')).toThrow(/not of the form/);
  for (let i = 0; i < MAX_CELLS; i++) metrics.counter('sekisho_n_total', 'N.', { i: String(i) });
  expect(() => metrics.counter('sekisho_n_total', 'N.', { i: 'more' })).toThrow(/more than/);
});
