/** Where cases of infected terminals are kept, and what is to be told of them. */
import type { Store } from '../../store/store.ts';
import type { Case, CaseState } from './case.ts';

/** That a terminal was seen, with nothing in it of where or by which lease it was found. */
export interface Sighting {
  readonly subscriber: string;
  readonly kind: string;
  readonly source: string;
  readonly observedMs: number;
  /** Reports that it stands for. */
  readonly count: number;
  /** A keyed hash of the report, in hexadecimal, where it must be taken once only. */
  readonly seen?: string;
}

/** What came of a sighting. `over`: it was observed before its case was fixed, found wrong or ended. */
export type SightingResult = 'opened' | 'added' | 'over';

export interface CaseFilter {
  readonly subscriber?: string;
  readonly state?: CaseState;
  /** Cases that are over, too. */
  readonly closed?: boolean;
}

/** A notice on its way to the mailing system. */
export interface Delivery {
  readonly code: string;
  /** Which notice of the case, from 1. */
  readonly notice: number;
  readonly tries: number;
  readonly dueMs: number;
}

export interface CaseFigures {
  /** Cases that are not over, by state. */
  readonly open: Readonly<Record<CaseState, number>>;
  readonly closed: number;
  /** Notices that could not be delivered and are not tried any more. */
  readonly undelivered: number;
  readonly waiting: number;
}

/** Rejects with SekishoError SEKISHO_STORE_FAILED where the engine does not do it. All writes are on the disk when they resolve. */
export interface CaseStore extends Store {
  /** Which of these hashes were taken before. */
  seenBefore(hashes: readonly string[]): Promise<ReadonlySet<string>>;
  /** The key of these hashes. */
  seenKey(): Promise<Buffer>;
  /** All of them, or none. `newCode` is asked until the code is a new one. `rehearse`: say what would come of it. */
  add(sightings: readonly Sighting[], options: AddOptions): Promise<readonly SightingResult[]>;
  find(code: string): Promise<Case | undefined>;
  /** Latest report first. */
  list(filter: CaseFilter, limit: number): Promise<readonly Case[]>;
  /** `closedMs`: over since; 0 = not over. Resolves with the case, undefined where there is none. */
  mark(code: string, state: CaseState, closedMs: number): Promise<Case | undefined>;
  /** Cases of which a notice is due: new ones, and those told before `remindBeforeMs` fewer than `mostNotices` times. */
  due(remindBeforeMs: number, mostNotices: number, limit: number): Promise<readonly Case[]>;
  /** A notice left at `atMs`; a case that is new is notified now. */
  noticed(codes: readonly string[], atMs: number): Promise<void>;
  /** End cases without a report since `ms`. Resolves with how many. */
  end(ms: number, atMs: number): Promise<number>;
  /** Put notices of these cases on their way, once each. */
  enqueue(codes: readonly string[], dueMs: number): Promise<void>;
  /** Of those on their way, what is due. */
  deliveries(dueMs: number, limit: number): Promise<readonly Delivery[]>;
  /** It was not taken: try at `dueMs`, or, undefined, not any more. */
  deliverLater(code: string, dueMs: number | undefined): Promise<void>;
  /** Cases over since before `ms`, so that no byte is left of them. */
  deleteClosedBefore(ms: number): Promise<number>;
  /** Hashes of reports taken before `ms`, likewise. */
  deleteSeenBefore(ms: number): Promise<number>;
  figures(): Promise<CaseFigures>;
}

export interface AddOptions {
  readonly nowMs: number;
  readonly newCode: () => string;
  readonly rehearse?: boolean;
}
