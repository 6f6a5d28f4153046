/**
 * Records from a zone file (RFC 1035 §5), by the reader that the policy lists use. What signs a zone is left out: the records
 * here are not served signed. A line that cannot be read makes the whole file unfit: half a zone would deny what it lacks.
 */

import { LineSplitter } from '../lists/formats/lines.ts';
import { NameReader } from '../lists/formats/name-reader.ts';
import { REASONS, type Reason, RejectLog } from '../lists/formats/rejects.ts';
import { masterFile, type RecordTaker } from '../lists/formats/rpz.ts';
import { isSkippedType } from '../lists/formats/rpz-zone.ts';
import { EXACT } from '../lists/index/rules.ts';
import { TYPE } from '../wire/constants.ts';
import { nameToText, textToName } from '../wire/name.ts';
import { emptyZone } from './special-use.ts';
import type { ZoneRecord } from './zone-config.ts';

/** Records that one file may hold. */
export const MAX_ZONE_RECORDS = 100_000;

/** What is wrong with a zone file, and where. */
export interface ZoneFileProblem {
  /** From 1; 0 = the file as a whole. */
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** The records of `zone` (text without the final dot) in the bytes of a file. At least one record, or at least one problem. */
export function readZoneFile(
  bytes: Uint8Array,
  zone: string,
): { readonly records: readonly ZoneRecord[]; readonly problems: readonly ZoneFileProblem[] } {
  const apex = textToName(zone);
  const records: ZoneRecord[] = [];
  const problems: ZoneFileProblem[] = [];
  const whole = (message: string) => problems.push({ line: 0, column: 0, message });
  const taker: RecordTaker = {
    zone: apex,
    soa: undefined,
    record(owner, ownerLength, type, ttl, data, dataLength): Reason | undefined {
      const name = owner.slice(0, ownerLength);
      if (!isBelow(name, apex)) return 'out-of-zone';
      if (isSkippedType(type)) return undefined;
      if (type >= 128 && type <= 255) return 'unsupported-type';
      // The first one counts.
      if (type === TYPE.SOA && records.some((record) => record.type === TYPE.SOA)) return undefined;
      if (records.length < MAX_ZONE_RECORDS) records.push({ owner: name, type, ttl, data: data.slice(0, dataLength) });
      else if (problems.length === 0) whole(`holds more than ${MAX_ZONE_RECORDS} records`);
      return undefined;
    },
  };
  const rejects = new RejectLog();
  const reader = masterFile(
    {
      rejects,
      counts: { entries: 0, skipped: 0, filtered: 0 },
      names: new NameReader({ singleLabels: true }),
      plainKind: EXACT,
      rewrites: false,
      // Nothing of it is a rule.
      sink: { entry() {}, network() {}, nameServer() {} },
    },
    { zone },
    taker,
    false,
  );
  const splitter = new LineSplitter(
    {
      line: (from, begin, end, line) => reader.line(from, begin, end, line),
      longLine(from, begin, end, line) {
        rejects.reject(line, reader.maxLineBytes + 1, 'line-too-long', from, begin, end);
        reader.lineLost?.(line);
      },
    },
    reader.maxLineBytes,
  );
  splitter.feed(bytes);
  splitter.end();
  reader.end?.();
  if (splitter.refusal) whole(splitter.refusal.message);
  for (const { line, column, reason, excerpt } of rejects.kept())
    problems.push({ line, column, message: `${zoneReason(reason)}: ${excerpt}` });
  problems.push(...aliasesBesideData(records));
  if (records.length === 0 && problems.length === 0) whole('holds no record');
  if (problems.length > 0) return { records: [], problems };
  // Without an SOA of its own, negative answers get that of an empty zone (RFC 6303 §3).
  const missing = records.some(({ type }) => type === TYPE.SOA) ? [] : emptyZone(apex).slice(0, 1);
  return { records: [...missing, ...records], problems };
}

function zoneReason(reason: Reason): string {
  if (reason === 'out-of-zone') return 'the owner is not below the zone';
  return reason === 'unsupported-type' ? 'a type that no zone holds' : REASONS[reason];
}

/** RFC 1034 §3.6.2: a name with an alias has nothing else, and one alias. */
function aliasesBesideData(records: readonly ZoneRecord[]): ZoneFileProblem[] {
  const types = new Map<string, number[]>();
  for (const { owner, type } of records) {
    const name = nameToText(owner);
    types.set(name, [...(types.get(name) ?? []), type]);
  }
  return [...types]
    .filter(([, all]) => all.length > 1 && all.includes(TYPE.CNAME))
    .map(([name]) => ({ line: 0, column: 0, message: `'${name}' has an alias (CNAME) and other records beside it` }));
}

function isBelow(name: Uint8Array, apex: Uint8Array): boolean {
  let at = 0;
  while (name.length - at > apex.length && name[at] !== 0) at += name[at]! + 1;
  return name.length - at === apex.length && apex.every((byte, i) => name[at + i] === byte);
}
