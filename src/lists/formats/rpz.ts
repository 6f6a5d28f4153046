/**
 * RPZ zone files: RFC 1035 §5 master files, record by record into PolicyZone. An owner with a plain name and a CNAME, which
 * is nearly every record of every feed, is read without a string.
 *
 * The name of the zone: the configuration's `zone`, else an absolute $ORIGIN before the first record, else the SOA's owner
 * where that is absolute. Feeds that say none of these write all their owners relative, so any name will do for them.
 *
 * $INCLUDE is refused: a feed does not choose files on this machine.
 */
import { CLASS, TYPE } from '../../wire/constants.ts';
import { nameToText, textToName } from '../../wire/name.ts';
import type { FormatContext, LineFormat, PolicyZoneSoa } from './format.ts';
import type { QuickLines } from './lines.ts';
import { isCname, PlainRecords } from './plain-records.ts';
import { RdataError, rdataFromText, recordType, type Token } from './rdata-text.ts';
import { type Reason, safeText } from './rejects.ts';
import { isSkippedType, PolicyZone } from './rpz-zone.ts';
import { parseTtl } from './ttl.ts';
import { nameProblem, readZoneName } from './zone-name.ts';
import { isSpace, ZoneTokens } from './zone-tokens.ts';

export interface RpzOptions {
  /** Name of the policy zone, as text. */
  readonly zone?: string | undefined;
  readonly singleLabels?: boolean;
}

/** A TXT record of 64 KiB, every byte written as `\DDD`, is 257 KiB long. */
const MAX_RECORD_BYTES = 320 * 1024;
const NAMELESS_ZONE = 'rpz.invalid';
/** Where neither the record nor $TTL says one: what RPZ feeds commonly use, an hour. */
const DEFAULT_TTL = 3600;
const CLASSES = new Map<string, number>([...Object.entries(CLASS), ['CS', 2]]);

/** Takes the records of a zone file one by one. */
export interface RecordTaker {
  /** Name of the zone, wire form in lower case. */
  zone: Uint8Array;
  readonly soa: PolicyZoneSoa | undefined;
  /** As in PolicyZone. */
  record: PolicyZone['record'];
}

export function rpzFormat(context: FormatContext, options: RpzOptions = {}): LineFormat {
  const { counts, sink } = context;
  const zone = new PolicyZone(textToName((options.zone ?? NAMELESS_ZONE).toLowerCase()), sink, counts, {
    singleLabels: options.singleLabels ?? false,
  });
  return masterFile(context, options, zone, true);
}

/** A zone file whose records go to `zone`. `policy`: its plain records may be read without asking `zone`. */
export function masterFile(
  context: FormatContext,
  options: RpzOptions,
  zone: RecordTaker,
  policy: boolean,
): LineFormat {
  const { rejects, counts, sink } = context;
  const tokens = new ZoneTokens();
  let origin = zone.zone;
  let zoneKnown = options.zone !== undefined;
  const owner = new Uint8Array(256);
  let ownerLength = 0;
  let records = 0;
  const target = new Uint8Array(256);
  let defaultTtl = -1;
  let lastTtl = -1;
  /** A record whose parentheses are still open. */
  let open = new Uint8Array(1024);
  let openLength = 0;
  let openLine = 0;
  let openDepth = 0;
  const plain = new PlainRecords(sink);
  let originIsZone = true;
  let refused: { reason: 'bad-zone'; message: string } | undefined;

  function keepOpen(bytes: Uint8Array, from: number, to: number): boolean {
    if (openLength + to - from + 1 > MAX_RECORD_BYTES) return false;
    if (openLength + to - from + 1 > open.length) {
      const larger = new Uint8Array(Math.min(MAX_RECORD_BYTES, 2 * (openLength + to - from + 1)));
      larger.set(open.subarray(0, openLength));
      open = larger;
    }
    open.set(bytes.subarray(from, to), openLength);
    openLength += to - from;
    open[openLength++] = 10;
    return true;
  }

  /** What is wrong with the record in `tokens`, or undefined; `problem` is set to the token at fault. */
  let problem = 0;
  function record(bytes: Uint8Array, from: number, line: number): Reason | undefined {
    problem = 0;
    if (tokens.count === 0) return undefined;
    let at = 0;
    if (bytes[tokens.from[0]!] === 0x24 && tokens.from[0] === from) return directive(bytes);
    if (!isSpace(bytes[from]!)) {
      const length = tokens.quoted[0] ? -1 : readZoneName(bytes, tokens.from[0]!, tokens.to[0]!, origin, owner, true);
      ownerLength = Math.max(0, length);
      if (length < 0) return nameProblem(length);
      at = 1;
    } else if (ownerLength === 0) {
      return 'owner-missing';
    }
    let ttl = -1;
    let type = -1;
    // [TTL] [class] type, or [class] [TTL] type (RFC 1035 §5.1).
    for (; type < 0; at++) {
      problem = at;
      if (at >= tokens.count) return 'bad-type';
      const begin = tokens.from[at]!;
      if (tokens.to[at]! - begin === 5 && isCname(bytes, begin)) {
        type = TYPE.CNAME;
        continue;
      }
      const text = tokens.text(bytes, at).toUpperCase();
      const digit = bytes[begin]! >= 0x30 && bytes[begin]! <= 0x39;
      if (digit) {
        const seconds = parseTtl(text);
        if (seconds === undefined || ttl >= 0) return 'bad-ttl';
        ttl = seconds;
        continue;
      }
      const klass = CLASSES.get(text);
      if (klass !== undefined) {
        if (klass !== CLASS.IN) return 'bad-class';
        continue;
      }
      const number = recordType(text);
      if (number === undefined) return 'bad-type';
      type = number;
    }
    problem = at;
    if (ttl < 0) ttl = defaultTtl >= 0 ? defaultTtl : lastTtl >= 0 ? lastTtl : DEFAULT_TTL;
    else lastTtl = ttl;
    if (records++ === 0 && !zoneKnown && type === TYPE.SOA) adoptZone(owner.slice(0, ownerLength));
    if (type === TYPE.CNAME && tokens.count === at + 1 && bytes[tokens.from[at]!] !== 0x5c) {
      const length = readZoneName(bytes, tokens.from[at]!, tokens.to[at]!, origin, target, false);
      if (length < 0) return 'bad-rdata';
      problem = 0;
      return zone.record(owner, ownerLength, type, ttl, target, length, line);
    }
    // Signatures are skipped, so nobody need read what is in them.
    let data: Uint8Array = target.subarray(0, 0);
    if (!isSkippedType(type)) {
      try {
        data = rdataFromText(type, rest(bytes, at), nameInData);
      } catch (error) {
        if (error instanceof RdataError) return 'bad-rdata';
        throw error;
      }
    }
    problem = 0;
    const reason = zone.record(owner, ownerLength, type, ttl, data, data.length, line);
    if (reason === 'out-of-zone' && type === TYPE.SOA && zone.soa === undefined) {
      const [found, wanted] = [owner.subarray(0, ownerLength), zone.zone].map((name) => nameToText(name));
      refused = { reason: 'bad-zone', message: `the file holds the zone ${safeText(found)}, not ${safeText(wanted)}` };
    }
    return reason;
  }

  function directive(bytes: Uint8Array): Reason | undefined {
    const keyword = tokens.text(bytes, 0).toUpperCase();
    if (tokens.count !== 2) return 'directive';
    problem = 1;
    if (keyword === '$TTL') {
      const seconds = parseTtl(tokens.text(bytes, 1));
      if (seconds === undefined) return 'bad-ttl';
      defaultTtl = seconds;
      return undefined;
    }
    if (keyword !== '$ORIGIN') {
      problem = 0;
      return 'directive';
    }
    const name = new Uint8Array(256);
    const length = readZoneName(bytes, tokens.from[1]!, tokens.to[1]!, origin, name, true);
    if (length < 0) return nameProblem(length);
    origin = name.slice(0, length);
    originIsZone = isSameName(origin, zone.zone);
    if (!zoneKnown && records === 0 && bytes[tokens.to[1]! - 1] === 0x2e) adoptZone(origin);
    return undefined;
  }

  function adoptZone(name: Uint8Array): void {
    if (name.length === 1) return;
    zone.zone = name.slice();
    origin = zone.zone;
    originIsZone = true;
    zoneKnown = true;
  }

  function nameInData(text: string): Uint8Array | undefined {
    const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
    const length = readZoneName(bytes, 0, bytes.length, origin, target, false);
    return length < 0 ? undefined : target.slice(0, length);
  }

  function rest(bytes: Uint8Array, from: number): Token[] {
    const list: Token[] = [];
    for (let i = from; i < tokens.count; i++)
      list.push({ text: tokens.text(bytes, i), quoted: tokens.quoted[i] === 1 });
    return list;
  }

  function take(bytes: Uint8Array, from: number, to: number, line: number): void {
    const reason = record(bytes, from, line);
    if (reason === undefined) return;
    const column = problem < tokens.count ? tokens.from[problem]! - from + 1 : to - from + 1;
    rejects.reject(line, column, reason, bytes, from, to);
  }

  /** The record in the line or lines just ended cannot be cut into tokens. */
  function broken(reason: Reason, bytes: Uint8Array, from: number, to: number, line: number): void {
    // Records below without an owner must not fall to the one above this record.
    if (from < to && !isSpace(bytes[from]!)) ownerLength = 0;
    rejects.reject(line, 1, reason, bytes, from, to);
    openLength = 0;
  }

  /** What the records left out here would have changed for those that follow. */
  const quick: QuickLines = {
    get count() {
      return plain.count;
    },
    read(bytes, from, to, line) {
      if (openLength > 0 || !originIsZone) {
        plain.count = 0;
        return from;
      }
      const next = plain.read(bytes, from, to, line, origin);
      if (plain.count > 0) {
        records += plain.count;
        counts.entries += plain.count;
        if (plain.ttl >= 0) lastTtl = plain.ttl;
        ownerLength = readZoneName(bytes, plain.ownerFrom, plain.ownerTo, origin, owner, true);
      }
      return next;
    },
  };

  return {
    ...(policy && { quick }),
    // A TXT record of 64 KiB may stand in one line.
    maxLineBytes: MAX_RECORD_BYTES - 2,
    get refused() {
      return refused;
    },
    line(bytes, from, to, line) {
      if (openLength === 0) {
        const outcome = tokens.split(bytes, from, to, 0);
        if (outcome === 'whole') {
          take(bytes, from, to, line);
        } else if (outcome === 'open') {
          openLine = line;
          openDepth = tokens.depth;
          keepOpen(bytes, from, tokens.end);
        } else {
          broken(outcome, bytes, from, to, line);
        }
        return;
      }
      // Each line is read once to find its comment and its parentheses, and the record once more when it is whole.
      const outcome = tokens.split(bytes, from, to, openDepth);
      if (outcome !== 'whole' && outcome !== 'open') {
        broken(outcome, open, 0, openLength - 1, openLine);
        return;
      }
      openDepth = tokens.depth;
      if (!keepOpen(bytes, from, tokens.end)) {
        broken('line-too-long', open, 0, openLength - 1, openLine);
        return;
      }
      if (outcome === 'open') return;
      const length = openLength - 1;
      const whole = tokens.split(open, 0, length, 0);
      if (whole === 'whole') {
        openLength = 0;
        take(open, 0, length, openLine);
      } else {
        broken(whole === 'open' ? 'parentheses' : whole, open, 0, length, openLine);
      }
    },
    lineLost() {
      openLength = 0;
      ownerLength = 0;
    },
    end() {
      if (openLength > 0) rejects.reject(openLine, 1, 'parentheses', open, 0, openLength - 1);
    },
    zone: () => ({ name: zone.zone, soa: zone.soa }),
  };
}

function isSameName(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, i) => byte === other[i]);
}
