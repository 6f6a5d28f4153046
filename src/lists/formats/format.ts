/** What a format of lines gets and gives: the small contract between parser.ts and each format's file. */

import { ACTION_LISTED, EXACT_AND_SUBTREE, SUBTREE } from '../index/rules.ts';
import type { QuickLines, RefusalReason } from './lines.ts';
import type { NameReader } from './name-reader.ts';
import type { Reason, RejectLog } from './rejects.ts';
import type { EntrySink, Kind } from './sink.ts';

export interface FormatContext {
  readonly sink: EntrySink;
  readonly rejects: RejectLog;
  readonly names: NameReader;
  /** What a name without any mark covers. */
  readonly plainKind: Kind;
  readonly counts: FormatCounts;
  /** Rules may say what is answered ($dnsrewrite). */
  readonly rewrites: boolean;
}

export interface FormatCounts {
  /** Calls of the sink. */
  entries: number;
  /** Things that are right but say nothing: localhost lines, a zone's own NS records, signatures. */
  skipped: number;
  /** Rows below the score threshold or of another category. */
  filtered: number;
}

/** SOA of a policy zone (RFC 1035 §3.3.13). */
export interface PolicyZoneSoa {
  readonly serial: number;
  readonly refreshSeconds: number;
  readonly retrySeconds: number;
  readonly expireSeconds: number;
  /** TTL of negative answers (RFC 2308 §4). */
  readonly minimumSeconds: number;
  readonly ttl: number;
  /** The whole data in wire form, to be put into negative answers. */
  readonly data: Uint8Array;
}

export interface LineFormat {
  /** Longest line taken, without its end. */
  readonly maxLineBytes: number;
  line(bytes: Uint8Array, from: number, to: number, line: number): void;
  readonly quick?: QuickLines;
  /** A line beyond `maxLineBytes` was left out; for formats that carry something from line to line. */
  lineLost?(line: number): void;
  /** The file has ended. */
  end?(): void;
  /** The policy zone's SOA and name, for `rpz`. */
  zone?(): { readonly name: Uint8Array; readonly soa: PolicyZoneSoa | undefined };
  /** Set where nothing that follows can be read. */
  readonly refused?: { readonly reason: RefusalReason; readonly message: string } | undefined;
}

/** True for blanks within a line. */
export function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 9 || byte === 13 || byte === 11 || byte === 12;
}

/**
 * Read a name that may begin with `*.` (everything below) or `.` (the name and everything below) and hand it on as
 * LISTED; or reject it. `lineFrom` is where the line begins, for the column.
 */
export function listName(
  context: FormatContext,
  bytes: Uint8Array,
  from: number,
  to: number,
  line: number,
  lineFrom: number,
  plainKind: Kind = context.plainKind,
): void {
  const { names, rejects, counts, sink } = context;
  let kind = plainKind;
  let at = from;
  if (bytes[from] === 0x2a && (to - from === 1 || bytes[from + 1] === 0x2e)) {
    kind = SUBTREE;
    // `*` and `*.` alone are everything below the root.
    at = from + 2;
    if (at >= to) {
      rejects.reject(line, from - lineFrom + 1, 'root', bytes, lineFrom, to);
      return;
    }
  } else if (bytes[from] === 0x2e && to - from > 1) {
    kind = EXACT_AND_SUBTREE;
    at = from + 1;
  }
  const reason: Reason | undefined = names.read(bytes, at, to);
  if (reason !== undefined) {
    rejects.reject(line, names.problemAt - lineFrom + 1, reason, bytes, lineFrom, to);
    return;
  }
  counts.entries++;
  sink.entry(names.name, names.length, kind, ACTION_LISTED, undefined, line);
}
