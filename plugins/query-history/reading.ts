/**
 * Who may read the history, and what they get. An overload must be open (detected, or declared with a reason), and the
 * reading is in the audit log before the first number leaves.
 */

import {
  type Auditor,
  approverProblem,
  type Clock,
  type ControlContext,
  generalError,
  measureText,
  nameProblem,
  statementProblem,
} from '../../src/contract/plugin.ts';
import { type Application, applyProposal, commandFor, previewProposal } from './application.ts';
import { SPAN_MS } from './archive.ts';
import type { HistoryDesk } from './desk.ts';
import type { Diagnosis } from './diagnosis.ts';
import { disclosedDiagnosis, disclosedHistory } from './disclosure.ts';
import { historyError } from './errors.ts';
import { besideOverload, fittedDiagnosis, givenDiagnosis, mergedOf, slicesOf } from './fitted.ts';
import { ATTRIBUTES } from './layout.ts';
import type { Overload } from './overload.ts';
import type { Trying } from './proposals.ts';
import type { Reader } from './reader.ts';
import type {
  DiagnosisReport,
  HistoryEntry,
  HistoryReport,
  NormalReport,
  PreviewReport,
  Series,
  ShownOverload,
} from './report-shapes.ts';
import { byKind, type Slice } from './slice.ts';
import { covers } from './trial.ts';

export interface Request {
  /** Declares an overload. */
  readonly reason?: string | undefined;
  /** How far back; a diagnosis without it finds the window that fits. */
  readonly windowSeconds?: number | undefined;
  /** A second person, who approves that single addresses are shown although no overload is detected. */
  readonly approver?: string | undefined;
  /** `read`: single addresses, and no names. */
  readonly addresses?: boolean | undefined;
}

/** At least a few words: a reason of one letter is none. */
export const LEAST_REASON = 8;
/** Longer windows are read from minutes, and beyond a day from hours. */
const IN_MEMORY_SECONDS = 900;
const MINUTES_SECONDS = 24 * 3600;
const SERIES_STEPS = 60;
const MOST_ENTRIES = 300;

export class HistoryReading {
  readonly #desk: HistoryDesk;
  readonly #audit: Auditor;
  readonly #clock: Clock;
  readonly #measures: ControlContext<unknown>['measures'];

  constructor(desk: HistoryDesk, audit: Auditor, clock: Clock, measures: ControlContext<unknown>['measures']) {
    this.#measures = measures;
    this.#desk = desk;
    this.#audit = audit;
    this.#clock = clock;
  }

  /** As it leaves the server. Throws SekishoError. */
  async shownDiagnosis(reader: Reader, request: Request): Promise<DiagnosisReport> {
    const addresses = this.#mayShowAddresses(reader, request);
    return disclosedDiagnosis(await this.diagnose(reader, request), addresses);
  }

  /** As it leaves the server. Throws SekishoError. */
  async shownHistory(reader: Reader, request: Request, top: number): Promise<HistoryReport> {
    const addresses = request.addresses === true;
    if (addresses && !this.#mayShowAddresses(reader, request))
      throw historyError(
        'SEKISHO_HISTORY_CLOSED',
        'single addresses are shown while an overload is detected, or where a second person approves (--approver WHO); this one is only declared',
      );
    // What is left out below the networks that many ask from must not depend on how many entries were asked for.
    const report = disclosedHistory(await this.read(reader, request, MOST_ENTRIES), addresses);
    return { ...report, tops: byKind((kind) => report.tops[kind].slice(0, top)) };
  }

  /** While an overload is measured, or where somebody else approves. Throws SekishoError where the approver is who asks. */
  #mayShowAddresses({ who }: Reader, { approver }: Request): boolean {
    if (approver === undefined) return this.#desk.overload.detected !== undefined;
    // Not even where one person may do both otherwise.
    const problem = nameProblem(approver) ?? approverProblem(approver, who, { singleApproverReason: undefined });
    if (problem !== undefined) throw generalError('SEKISHO_REQUEST_INVALID', problem);
    return true;
  }

  /** Sums of the server, as `/metrics` has them: no name and no source, so that nothing has to be open for it. */
  async normal(): Promise<NormalReport> {
    const { basis, samples, rate, servfail, latency } = await this.#desk.baseline();
    const series = { ...(await this.#series(IN_MEMORY_SECONDS)), endMs: this.#clock.wallMs() };
    return { basis, samples, rate, servfail, latencyMs: latency, series };
  }

  /** Everything that is known, for putting in force and for `shownDiagnosis`. */
  async diagnose(reader: Reader, request: Request): Promise<DiagnosisReport> {
    const overload = this.#admit(reader, 'history.diagnose', request);
    const diagnosis = await this.#diagnosed(request.windowSeconds, overload);
    const { id } = this.#desk.diagnoses.add(reader.who, diagnosis, overload);
    return {
      ...diagnosis,
      id,
      proposals: diagnosis.proposals.map((proposal, i) => ({
        ...proposal,
        number: i + 1,
        command: commandFor(
          id,
          i + 1,
          diagnosis.incidents[proposal.incident - 1]?.cause.cause ?? 'unexplained',
          proposal,
        ),
        obstacle: this.#measures.carries(proposal.plugin)
          ? ''
          : `${proposal.plugin} is not in the configuration: add \`${proposal.plugin}: {}\` below plugins, and reload`,
      })),
      // Without a single address, whoever looks.
      inForce: this.#measures
        .list(({ state }) => state === 'in-force')
        .map(({ rule: { id, plugin, match } }) => ({ id, plugin, text: measureText(match) })),
      overload: shown(overload),
      series: await this.#series(IN_MEMORY_SECONDS),
    };
  }

  async #diagnosed(seconds: number | undefined, { by }: Overload): Promise<Diagnosis> {
    const desk = this.#desk;
    const trying = (slices: readonly Slice[]) => this.#trying(slices);
    const found =
      seconds === undefined
        ? await fittedDiagnosis(desk, trying)
        : await givenDiagnosis(desk, await slicesOf(desk, seconds), trying);
    if (!found) throw emptyWindow(seconds);
    return besideOverload(found, desk.overload.signals, by === 'declared');
  }

  /** Rules are tried on what was recorded, before they are offered; what is in force is not offered again. */
  #trying(slices: readonly Slice[]): Trying {
    const inForce = this.#measures.list(({ state }) => state === 'in-force').map(({ rule }) => rule);
    return {
      slices,
      sees: (plugin) => this.#measures.sees(plugin),
      isCovered: (plugin, match) => inForce.some((rule) => rule.plugin === plugin && covers(rule.match, match)),
    };
  }

  /** What putting a proposal in force would do; that somebody looked is in the audit log. Throws SekishoError. */
  preview(reader: Reader, application: Application, purpose?: string): PreviewReport {
    this.#audit.record({
      ...reader,
      action: 'measure.preview',
      purpose: purpose?.trim() || `proposal ${application.proposal} of a diagnosis`,
    });
    const { proposal, problems } = previewProposal(this.#desk.diagnoses, this.#measures, reader, application);
    const { match, plugin, limitPerSecond, limitRationale, trial } = proposal;
    return { text: measureText(match), plugin, limitPerSecond, limitRationale, trial, problems };
  }

  /** Put a proposal in force; audited where that is done. Throws SekishoError. */
  apply(reader: Reader, application: Application): ReturnType<typeof applyProposal> {
    return applyProposal(this.#desk.diagnoses, this.#measures, reader, application);
  }

  /** Everything that is known, for `shownHistory`. */
  async read(reader: Reader, request: Request, top: number): Promise<HistoryReport> {
    const overload = this.#admit(reader, 'history.read', request);
    const windowSeconds = request.windowSeconds ?? 60;
    const slice = mergedOf(await slicesOf(this.#desk, windowSeconds));
    if (slice.totals.queries === 0) throw emptyWindow(windowSeconds);
    const normal = await this.#desk.baseline();
    const seconds = Math.max(1, slice.seconds);
    const tops = byKind((kind) =>
      slice.tops[kind].slice(0, top).map(
        ({ key, count, distinct, attributes }): HistoryEntry => ({
          key,
          queries: Math.round(count),
          rate: count / seconds,
          normal: normal.keys[kind].get(key) ?? 0,
          distinct,
          counted: Object.fromEntries(
            ATTRIBUTES.map((name, i) => [name, attributes[i] ?? 0] as const).filter(([, value]) => value > 0),
          ),
        }),
      ),
    );
    const { types, rcodes, transports, cache, drops, upstreams = {} } = slice.totals;
    return {
      overload: shown(overload),
      window: { from: new Date(slice.startMs).toISOString(), seconds: slice.seconds },
      baseline: { basis: normal.basis, samples: normal.samples, imported: normal.imported },
      rate: slice.totals.queries / seconds,
      normal: normal.rate.median,
      series: await this.#series(windowSeconds),
      tops,
      types,
      rcodes,
      transports,
      cache,
      drops,
      upstreams,
    };
  }

  /** Declare an overload. In the audit log before it opens anything. */
  declare(reader: Reader, reason: string): Overload {
    const purpose = reason.trim();
    if (purpose.length < LEAST_REASON || statementProblem(purpose) !== undefined)
      throw generalError(
        'SEKISHO_REQUEST_INVALID',
        `say the reason in a sentence (at least ${LEAST_REASON} characters)`,
      );
    this.#audit.record({ ...reader, action: 'overload.declare', purpose });
    return this.#desk.overload.declare(reader.who, purpose, this.#clock.nowMs(), this.#clock.wallMs());
  }

  /** Say that all of it is over. In the audit log before, with what was open. Throws SekishoError. */
  close(reader: Reader, reason: string | undefined): readonly Overload[] {
    const declared = this.#desk.overload.all.map(({ by, who, reason: why, sinceMs }) => ({
      by,
      who,
      reason: why,
      since: new Date(sinceMs).toISOString(),
    }));
    const purpose = reason?.trim() || 'the operator says that it is over';
    this.#audit.record({ ...reader, action: 'overload.close', purpose, detail: { closed: declared } });
    return this.#desk.closeOverloads(reader.who);
  }

  #admit(reader: Reader, action: string, { reason, windowSeconds, approver, addresses }: Request): Overload {
    const overload = reason === undefined ? this.#desk.overload.open : this.declare(reader, reason);
    if (!overload)
      throw historyError(
        'SEKISHO_HISTORY_CLOSED',
        'no overload is open, detected or declared, so the history is closed: a reason opens it',
      );
    this.#audit.record({
      ...reader,
      action,
      purpose: overload.reason,
      detail: {
        ...(windowSeconds !== undefined && { windowSeconds }),
        by: overload.by,
        detected: this.#desk.overload.detected !== undefined,
        ...(approver !== undefined && { approver }),
        ...(addresses && { addresses }),
      },
      personal: true,
    });
    return overload;
  }

  /** For the sparkline. */
  async #series(seconds: number): Promise<Series> {
    if (seconds <= IN_MEMORY_SECONDS) {
      const ring = this.#desk.seconds.slice(-seconds);
      const step = Math.max(1, Math.ceil(ring.length / SERIES_STEPS));
      const values: number[] = [];
      for (let i = ring.length % step; i < ring.length; i += step)
        values.push(ring.slice(i, i + step).reduce((sum, { totals }) => sum + totals.queries, 0) / step);
      return { stepSeconds: step, values };
    }
    const toMs = this.#clock.wallMs();
    const resolution = seconds <= MINUTES_SECONDS ? 'minute' : 'hour';
    const slices = await this.#desk.kept(resolution, toMs - seconds * 1000, toMs);
    const every = Math.max(1, Math.ceil(slices.length / SERIES_STEPS));
    const values: number[] = [];
    for (let i = 0; i < slices.length; i += every) {
      const part = slices.slice(i, i + every);
      const covered = part.reduce((sum, slice) => sum + slice.seconds, 0);
      values.push(part.reduce((sum, { totals }) => sum + totals.queries, 0) / Math.max(1, covered));
    }
    return { stepSeconds: (every * SPAN_MS[resolution]) / 1000, values };
  }
}

function emptyWindow(seconds: number | undefined) {
  const when = seconds === undefined ? 'quarter of an hour, nor over the last day' : `${seconds} seconds`;
  return historyError('SEKISHO_HISTORY_EMPTY', `there is no query on record in the last ${when}`);
}

export function shown({ by, sinceMs, reason, who, signals }: Overload): ShownOverload {
  return { by, since: new Date(sinceMs).toISOString(), reason, who, signals };
}
