/** Figures of infected terminals, for Prometheus and `sekisho status`: none of them says whose. */
import type { Metrics } from '../metrics/registry.ts';
import { CASE_STATES, type CaseState } from './cases/case.ts';
import type { CaseFigures } from './cases/case-store.ts';
import type { TerminalsDesk } from './desk.ts';
import { REPORT_PROBLEMS } from './matching.ts';

const OUTCOMES = ['opened', 'added', 'over', 'repeated'] as const;

export interface TerminalsStatus {
  readonly leaseHistory: 'kept' | 'off' | 'unavailable';
  readonly open: Readonly<Record<CaseState, number>>;
  readonly over: number;
  readonly waiting: number;
  readonly undelivered: number;
}

export class TerminalsMetrics {
  readonly #metrics: Metrics;
  readonly #desk: TerminalsDesk;
  readonly #gauges;
  readonly #undelivered: number;
  #figures: CaseFigures | undefined;

  constructor(metrics: Metrics, desk: TerminalsDesk) {
    this.#metrics = metrics;
    this.#desk = desk;
    const outcomes = Object.fromEntries(
      OUTCOMES.map((outcome) => [
        outcome,
        metrics.counter(
          'sekisho_terminals_reports_total',
          'Reports of infected terminals that were matched, by what came of them.',
          { outcome },
        ),
      ]),
    ) as Record<(typeof OUTCOMES)[number], number>;
    const refused = Object.fromEntries(
      REPORT_PROBLEMS.map((reason) => [
        reason,
        metrics.counter(
          'sekisho_terminals_reports_refused_total',
          'Reports of infected terminals that were not matched to anybody, by why.',
          { reason },
        ),
      ]),
    );
    this.#gauges = Object.fromEntries(
      CASE_STATES.map((state) => [
        state,
        metrics.gauge('sekisho_terminals_cases', 'Cases of infected terminals that are not over.', { state }),
      ]),
    ) as Record<CaseState, number>;
    this.#undelivered = metrics.gauge(
      'sekisho_terminals_notices_undelivered',
      'Notices that the webhook did not take and that are given up.',
    );
    desk.onImport.add((result) => {
      const { values } = metrics;
      for (const outcome of OUTCOMES) values[outcomes[outcome]]! += result[outcome];
      for (const { problem } of result.refused) values[refused[problem]!]! += 1;
    });
  }

  /** Never rejects. */
  async refresh(): Promise<void> {
    try {
      this.#figures = await this.#desk.store.figures();
    } catch {
      return;
    }
    const { values } = this.#metrics;
    for (const state of CASE_STATES) values[this.#gauges[state]] = this.#figures.open[state];
    values[this.#undelivered] = this.#figures.undelivered;
  }

  status(): TerminalsStatus {
    const { leaseHistory } = this.#desk.config;
    const kept = this.#desk.historyMissing === undefined ? 'kept' : 'unavailable';
    return {
      leaseHistory: leaseHistory ? kept : 'off',
      open: this.#figures?.open ?? { new: 0, notified: 0, seen: 0, fixed: 0, wrong: 0 },
      over: this.#figures?.closed ?? 0,
      waiting: this.#figures?.waiting ?? 0,
      undelivered: this.#figures?.undelivered ?? 0,
    };
  }

  warnings(): readonly string[] {
    const undelivered = this.#figures?.undelivered ?? 0;
    const missing = this.#desk.config.leaseHistory ? this.#desk.historyMissing : undefined;
    return [
      ...(missing === undefined ? [] : [`reports of infected terminals cannot be matched: ${missing}`]),
      ...(undelivered > 0
        ? [
            `${undelivered} notices to subscribers were not taken by the webhook and are given up: send them with 'sekisho terminals export'`,
          ]
        : []),
    ];
  }
}
