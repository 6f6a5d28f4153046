/**
 * The desk of infected terminals: what comes in becomes cases, cases become notices, and everything ends.
 *
 *   reports of third parties ─▶ matched once to a lease ─┐
 *   c2-block, tier suspected ────────────────────────────┼─▶ case ─▶ notice (CSV, webhook) ─▶ reminders ─▶ over ─▶ deleted
 *   names that do not exist, at an abnormal rate ────────┘            code, checked in the portal
 */
import type { Logger } from 'pino';
import type { AuditEntry, Auditor } from '../audit/entry.ts';
import { recordTogether } from '../audit/together.ts';
import { errorText } from '../errors/errors.ts';
import { expiryMs } from '../grounds/ground.ts';
import type { SubscriberState } from '../subscribers/state.ts';
import { isGroup } from '../subscribers/table/directory.ts';
import type { LatestTime } from '../time/latest-time.ts';
import { type Case, type CaseState, newCode } from './cases/case.ts';
import type { CaseFilter, CaseStore, Sighting, SightingResult } from './cases/case-store.ts';
import { TERMINALS_DELETED } from './deleted.ts';
import { terminalsError } from './errors.ts';
import type { LeaseHistory } from './history/lease-history.ts';
import type { RangeClaim } from './history/lease-span.ts';
import { type Matched, matchReports, type RefusedReport } from './matching.ts';
import type { ReportRow } from './reports/report-forms.ts';
import type { Zone } from './reports/report-time.ts';
import type { TerminalsConfig } from './terminals-config.ts';
import type { Webhook } from './webhook.ts';

/** Rows of one answer. */
export const MOST_CASES = 10_000;

/** Cases and history of a process: one writer each, whatever the configuration. */
export interface TerminalsParts {
  readonly cases: CaseStore;
  readonly time: LatestTime;
  readonly audit: Auditor;
  readonly log: Logger;
  readonly state: SubscriberState;
  /** Undefined while it is off. */
  readonly history: () => LeaseHistory | undefined;
  /** Since when the history missed nothing. */
  readonly watchedSinceMs: () => number;
  readonly range: (words: Int32Array, family: 4 | 6, port: number) => RangeClaim | undefined;
  readonly lifetimeMs: () => number;
}

export interface ImportRequest {
  readonly source: string;
  readonly rows: readonly ReportRow[];
  readonly zone?: Zone | undefined;
  readonly kind?: string | undefined;
  /** Say what would come of it; nothing is kept. */
  readonly dryRun: boolean;
}

export interface ImportResult {
  readonly matched: number;
  readonly repeated: number;
  readonly opened: number;
  readonly added: number;
  readonly over: number;
  readonly refused: readonly RefusedReport[];
}

export class TerminalsDesk {
  readonly config: TerminalsConfig;
  readonly #parts: TerminalsParts;
  readonly #webhook: Webhook | undefined;
  /** What was taken in, refused and found, since the start of the process. */
  readonly onImport = new Set<(result: ImportResult) => void>();

  constructor(config: TerminalsConfig, parts: TerminalsParts, webhook: Webhook | undefined) {
    this.config = config;
    this.#parts = parts;
    this.#webhook = webhook;
  }

  get store(): CaseStore {
    return this.#parts.cases;
  }

  /** Why no report can be matched now; undefined where it can. */
  get historyMissing(): string | undefined {
    const { leaseHistory } = this.config;
    if (!leaseHistory) return 'terminals.lease-history is not configured, so nobody knows who held an address';
    if (!this.#parts.history())
      return 'the ground of terminals.lease-history has ended, or the file cannot be opened (see the log)';
    return undefined;
  }

  /** The look into the history must be on record before. Rejects with SekishoError. */
  async import({ source, rows, zone, kind, dryRun }: ImportRequest): Promise<ImportResult> {
    const { cases, time } = this.#parts;
    const missing = this.historyMissing;
    const history = this.#parts.history();
    if (missing !== undefined || !history) throw terminalsError('SEKISHO_NO_LEASE_HISTORY', `${missing}`);
    const matched: Matched = await matchReports(
      rows,
      { source, zone, kind },
      {
        rules: () => ({
          nowMs: time.wallMs(),
          inDoubt: !Number.isFinite(time.termMs()),
          marginMs: this.config.marginMs,
          lifetimeMs: this.#parts.lifetimeMs(),
          keptMs: this.config.leaseHistory?.keepMs ?? 0,
          watchedSinceMs: this.#parts.watchedSinceMs(),
        }),
        find: (questions) => history.find(questions),
        range: this.#parts.range,
        seenBefore: (hashes) => cases.seenBefore(hashes),
        seenKey: await cases.seenKey(),
      },
    );
    const came = await this.#add(matched.sightings, dryRun);
    const counted = (result: SightingResult) => came.filter((each) => each === result).length;
    const result: ImportResult = {
      matched: matched.sightings.length,
      repeated: matched.repeated,
      opened: counted('opened'),
      added: counted('added'),
      over: counted('over'),
      refused: matched.refused,
    };
    if (!dryRun) for (const hear of this.onImport) hear(result);
    return result;
  }

  /** What the server found by itself, with a ground of its own. Never rejects: it is lost then, and said. */
  async found(sightings: readonly Omit<Sighting, 'observedMs'>[]): Promise<void> {
    const observedMs = this.#parts.time.wallMs();
    const known = sightings.filter(({ subscriber }) => !isGroup(subscriber));
    try {
      await this.#add(
        known.map((sighting) => ({ ...sighting, observedMs })),
        false,
      );
    } catch (error) {
      this.#parts.log.error({ reason: errorText(error) }, 'a finding about a terminal could not be kept, and is lost');
    }
  }

  list(filter: CaseFilter, limit = MOST_CASES): Promise<readonly Case[]> {
    return this.#parts.cases.list(filter, limit);
  }

  /** Rejects with SekishoError where there is no such case. */
  async mark(code: string, state: CaseState): Promise<Case> {
    const { cases, time } = this.#parts;
    const known = await cases.find(code);
    if (!known) throw terminalsError('SEKISHO_CASE_UNKNOWN', `no case has the code ${code}`);
    if (state === 'seen' && (known.state === 'fixed' || known.state === 'wrong')) return known;
    const isOver = state === 'fixed' || state === 'wrong';
    const marked = await cases.mark(code, state, isOver ? Math.max(1, time.wallMs()) : 0);
    if (!marked) throw terminalsError('SEKISHO_CASE_UNKNOWN', `no case has the code ${code}`);
    if (state === 'notified' && known.noticedMs === 0) await cases.noticed([code], time.wallMs());
    return (await cases.find(code)) ?? marked;
  }

  /** Somebody holds the code: it is genuine, and was seen now. Undefined where there is none. */
  async checked(code: string): Promise<Case | undefined> {
    const known = await this.#parts.cases.find(code);
    if (!known) return undefined;
    const isNews = known.closedMs === 0 && (known.state === 'new' || known.state === 'notified');
    return isNews ? this.#parts.cases.mark(code, 'seen', 0) : known;
  }

  /** Cases to tell of now: new ones, and reminders. */
  due(limit = MOST_CASES): Promise<readonly Case[]> {
    const { afterMs, most } = this.config.reminders;
    return this.#parts.cases.due(this.#parts.time.wallMs() - afterMs, 1 + most, limit);
  }

  /** They were told. */
  noticed(codes: readonly string[]): Promise<void> {
    return this.#parts.cases.noticed(codes, this.#parts.time.wallMs());
  }

  /** The address at which a subscriber can check the code. */
  checkUrl(portalUrl: string, code: string): string {
    return `${portalUrl}${portalUrl.endsWith('/') ? '' : '/'}check?code=${code}`;
  }

  /** End, remind, hand over and delete what is due. Never rejects. */
  async tick(): Promise<void> {
    const { cases, time, log } = this.#parts;
    const termMs = time.termMs();
    // Nobody knows how late it is: nothing ends, nothing is sent.
    if (!Number.isFinite(termMs)) return;
    try {
      await cases.end(termMs - this.config.endsAfterMs, termMs);
      if (this.#webhook) {
        const due = await this.due();
        await cases.enqueue(
          due.map(({ code }) => code),
          termMs,
        );
        await this.#webhook.deliver(cases);
      }
    } catch (error) {
      log.error({ reason: errorText(error) }, 'failed to look after the cases of infected terminals, retrying');
    }
  }

  /** Delete what has been kept long enough. Never rejects. */
  async deleteOld(): Promise<void> {
    const { cases, time, log } = this.#parts;
    const termMs = time.termMs();
    if (!Number.isFinite(termMs)) return;
    try {
      const { leaseHistory, keepMs } = this.config;
      const history = this.#parts.history();
      const leases = leaseHistory && history ? await history.deleteOlderThan(leaseHistory.keepMs) : 0;
      const over = await cases.deleteClosedBefore(termMs - keepMs);
      const seen = await cases.deleteSeenBefore(termMs - (leaseHistory?.keepMs ?? 0));
      this.recordDeletion(
        [
          { dataset: 'terminals/lease-history', rows: leases },
          { dataset: 'terminals/cases', rows: over },
          { dataset: 'terminals/reports', rows: seen },
        ],
        'retention',
      );
    } catch (error) {
      log.error({ reason: errorText(error) }, 'failed to delete old cases and leases, retrying');
    }
  }

  recordDeletion(counted: readonly { readonly dataset: string; readonly rows: number }[], purpose: string): void {
    recordTerminalsDeletion(counted, purpose, this.#parts.audit, this.#parts.log);
  }

  record(entry: AuditEntry): Promise<void> {
    return recordTogether(this.#parts.audit, entry);
  }

  #add(sightings: readonly Sighting[], rehearse: boolean): Promise<readonly SightingResult[]> {
    if (sightings.length === 0) return Promise.resolve([]);
    return this.#parts.cases.add(sightings, { nowMs: this.#parts.time.wallMs(), newCode, rehearse });
  }
}

/** What was deleted, how much and why: in the audit log, from where the transparency report takes it. */
export function recordTerminalsDeletion(
  counted: readonly { readonly dataset: string; readonly rows: number }[],
  purpose: string,
  audit: Auditor,
  log: Pick<Logger, 'error' | 'info'>,
): void {
  const deletions = counted.filter(({ rows }) => rows > 0);
  if (deletions.length === 0) return;
  log.info({ deletions, purpose }, 'records of infected terminals deleted');
  try {
    audit.record({ who: 'server', role: 'server', action: TERMINALS_DELETED, purpose, detail: { deletions } });
  } catch (error) {
    // A deletion is not held up by it.
    log.error({ action: TERMINALS_DELETED, reason: errorText(error) }, 'not in the audit log');
  }
}

/** Does the ground hold? While the time is in doubt, no ground with an end does. */
export function groundHolds(config: TerminalsConfig, time: Pick<LatestTime, 'termMs'>): boolean {
  if (!config.leaseHistory) return false;
  const endsMs = expiryMs(config.leaseHistory.ground);
  return endsMs === undefined || time.termMs() < endsMs;
}
