/** What is counted of the pages: by category and by what came of a request, never by visitor, name or subscriber. */
import type { Metrics } from '../metrics/registry.ts';
import { NOTICE_CATEGORIES, type NoticeCategory } from './blocked-names.ts';
import { LINK_FAULTS } from './signed-links.ts';

/** What came of a request, besides a blocked page. */
export const RESULTS = [
  'not-listed',
  'not-inspected',
  'portal',
  'opted-out',
  'opted-in',
  'link-taken',
  'code-asked',
  'code-genuine',
  'code-unknown',
  'message',
] as const;

/** Why a request was refused. */
export const REFUSALS = [
  ...LINK_FAULTS,
  'link-busy',
  'cross-site',
  'form-forged',
  'form-expired',
  'line-changed',
  'line-unknown',
  'line-group',
  'line-shared',
  'too-often',
  'bad-host',
  'bad-request',
  'connections',
  'failed',
] as const;
export type Refusal = (typeof REFUSALS)[number];
export type Result = (typeof RESULTS)[number];

export class NoticeCounters {
  readonly #values: Float64Array;
  readonly #pages: ReadonlyMap<string, number>;
  readonly #results: ReadonlyMap<string, number>;
  readonly #refusals: ReadonlyMap<string, number>;
  readonly #listening: number;

  constructor(metrics: Metrics) {
    const each = (values: readonly string[], declare: (value: string) => number) =>
      new Map(values.map((value) => [value, declare(value)]));
    this.#values = metrics.values;
    this.#pages = each(NOTICE_CATEGORIES, (category) =>
      metrics.counter('sekisho_notice_pages_total', 'Notice pages shown, by category of the list.', { category }),
    );
    this.#results = each(RESULTS, (result) =>
      metrics.counter('sekisho_notice_requests_total', 'Other requests to the notice page and the portal.', { result }),
    );
    this.#refusals = each(REFUSALS, (reason) =>
      metrics.counter('sekisho_notice_refused_total', 'Requests that were refused, by why.', { reason }),
    );
    this.#listening = metrics.gauge(
      'sekisho_notice_listening',
      '1 where the notice page and the portal can be reached.',
    );
  }

  page(category: NoticeCategory): void {
    this.#add(this.#pages, category);
  }

  request(result: Result): void {
    this.#add(this.#results, result);
  }

  refused(reason: Refusal): void {
    this.#add(this.#refusals, reason);
  }

  listening(is: boolean): void {
    this.#values[this.#listening] = is ? 1 : 0;
  }

  #add(indices: ReadonlyMap<string, number>, key: string): void {
    const index = indices.get(key);
    if (index !== undefined) this.#values[index]! += 1;
  }
}
