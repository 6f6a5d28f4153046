/**
 * The way into a list file: `createListParser(format, options, sink)`, then `feed` chunks and `end`. A bad line is skipped
 * and counted; a file that is no list at all is refused as a whole, and then whatever the sink got is to be thrown away.
 */
import { EXACT, EXACT_AND_SUBTREE } from '../index/rules.ts';
import { adblockFormat } from './adblock.ts';
import { DEFAULT_COLUMNS } from './columns.ts';
import type { Columns } from './columns-schema.ts';
import { csvFormat } from './csv.ts';
import { domainsFormat } from './domains.ts';
import type { FormatContext, LineFormat, PolicyZoneSoa } from './format.ts';
import { hostsFormat } from './hosts.ts';
import { jsonlFormat } from './jsonl.ts';
import { LineSplitter, type Refusal } from './lines.ts';
import { NameReader } from './name-reader.ts';
import { type Reason, type RejectedLine, RejectLog } from './rejects.ts';
import { rpzFormat } from './rpz.ts';
import type { EntrySink } from './sink.ts';

export const LIST_FORMATS = ['rpz', 'hosts', 'domains', 'adblock', 'csv', 'jsonl'] as const;

export type ListFormat = (typeof LIST_FORMATS)[number];

export interface ListParserOptions {
  /** hosts, domains, csv, jsonl: what a name without `*.` or `.` before it covers. Default: `exact`. */
  readonly match?: 'exact' | 'subtree';
  /** csv, jsonl: which columns. */
  readonly columns?: Columns;
  /** rpz: name of the policy zone, where the file does not say it. */
  readonly zone?: string | undefined;
  /** Take rules on single labels (whole top-level domains). Default: they are rejected. */
  readonly singleLabels?: boolean;
  /** adblock: rules may say what is answered ($dnsrewrite). Default: they are rejected. */
  readonly rewrites?: boolean;
}

export interface ParseSummary {
  readonly format: ListFormat;
  readonly bytes: number;
  readonly lines: number;
  /** Rules given to the sink; duplicates count. */
  readonly entries: number;
  /** Right, but without a rule: localhost lines, a zone's own records. */
  readonly skipped: number;
  /** Rows left out by score or category. */
  readonly filtered: number;
  readonly rejected: number;
  readonly reasons: Readonly<Partial<Record<Reason, number>>>;
  /** The first rejected lines of each reason. */
  readonly rejectedLines: readonly RejectedLine[];
  /** Why the whole file is no list; then nothing of it counts. */
  readonly refusal: Refusal | undefined;
  /** rpz: the policy zone. */
  readonly zone: { readonly name: Uint8Array; readonly soa: PolicyZoneSoa | undefined } | undefined;
}

export interface ListParser {
  /** The next bytes of the file, cut anywhere. Borrowed until it returns. */
  feed(chunk: Uint8Array): void;
  /** The file has ended. To be called once. */
  end(): ParseSummary;
  /** Set as soon as it is clear that the file is no list; what is fed afterwards is ignored. */
  readonly refusal: Refusal | undefined;
}

/** Throws RangeError where the options do not fit the format, NameError where `zone` is no name. */
export function createListParser(format: ListFormat, options: ListParserOptions, sink: EntrySink): ListParser {
  const rejects = new RejectLog();
  const counts = { entries: 0, skipped: 0, filtered: 0 };
  const context: FormatContext = {
    sink,
    rejects,
    counts,
    names: new NameReader({ singleLabels: options.singleLabels ?? false }),
    rewrites: options.rewrites ?? false,
    plainKind: options.match === 'subtree' ? EXACT_AND_SUBTREE : EXACT,
  };
  const reader = lineFormat(format, options, context);
  let refusal: Refusal | undefined;
  const splitter = new LineSplitter(
    {
      quick: reader.quick,
      line(bytes, from, to, line) {
        if (refusal !== undefined) return;
        reader.line(bytes, from, to, line);
        if (reader.refused !== undefined) refusal = { ...reader.refused, line };
      },
      longLine(bytes, from, to, line) {
        rejects.reject(line, reader.maxLineBytes + 1, 'line-too-long', bytes, from, to);
        reader.lineLost?.(line);
      },
    },
    reader.maxLineBytes,
  );
  return {
    get refusal() {
      return refusal ?? splitter.refusal;
    },
    feed(chunk) {
      if (refusal === undefined) splitter.feed(chunk);
    },
    end() {
      splitter.end();
      reader.end?.();
      return {
        format,
        bytes: splitter.bytes,
        lines: splitter.lines,
        ...counts,
        rejected: rejects.count,
        reasons: rejects.counts(),
        rejectedLines: rejects.kept(),
        refusal: refusal ?? splitter.refusal,
        zone: reader.zone?.(),
      };
    },
  };
}

function lineFormat(format: ListFormat, options: ListParserOptions, context: FormatContext): LineFormat {
  switch (format) {
    case 'hosts':
      return hostsFormat(context);
    case 'domains':
      return domainsFormat(context);
    case 'adblock':
      return adblockFormat(context);
    case 'csv':
      return csvFormat(context, options.columns ?? DEFAULT_COLUMNS);
    case 'jsonl':
      return jsonlFormat(context, options.columns ?? DEFAULT_COLUMNS);
    case 'rpz':
      return rpzFormat(context, { zone: options.zone, singleLabels: options.singleLabels ?? false });
    default:
      throw new RangeError(`'${String(format)}' is no list format; there are ${LIST_FORMATS.join(', ')}`);
  }
}
