/**
 * Records as nearly all of an RPZ feed has them, many at a time, in one pass over their bytes and without a call for each
 * line:
 *
 *     bad.example CNAME .            *.bad.example 300 IN CNAME *.          bad.example.rpz.zone. CNAME .
 *
 * One plain name (letters, digits, `-` and `_`), perhaps a TTL in digits and the class, CNAME to the root or to `*.`, in one line
 * without a comment. Whatever is anything else, or would be rejected, is left to the reader of zone files (rpz.ts), so that
 * there is one place that decides about it; plain-records.test.ts compares the two.
 */
import { MAX_LABEL_BYTES, MAX_NAME_BYTES } from '../../wire/constants.ts';
import { ACTION_NODATA, ACTION_NXDOMAIN, EXACT, SUBTREE } from '../index/rules.ts';
import { LETTER } from './name-reader.ts';
import type { EntrySink } from './sink.ts';

const NEWLINE = 10;
const RETURN = 13;
const SPACE = 0x20;
const TAB = 9;
const STAR = 0x2a;
const DOT = 0x2e;
/** TTLs of more digits are looked at elsewhere. */
const MAX_TTL_DIGITS = 9;
/** Longer lines are no plain ones. So many bytes are always at hand: one read beyond an array's end, and V8 throws the code away. */
const MAX_LINE_BYTES = 512;

export class PlainRecords {
  // ── set by read ───────────────────────────────────────────────────────────────────────────────────────────────────
  /** Records read by the last call: as many as lines. */
  count = 0;
  /** Where the owner of the last of them stands. */
  ownerFrom = 0;
  ownerTo = 0;
  /** TTL of the last one that said its own; -1 = none did. */
  ttl = -1;

  readonly #sink: EntrySink;
  readonly #name = new Uint8Array(MAX_LINE_BYTES + 2);

  constructor(sink: EntrySink) {
    this.#sink = sink;
  }

  /**
   * Read whole lines from `from`, of which the first has number `line`, up to the first that is not plain or begins within
   * the last MAX_LINE_BYTES before `to`. Gives where that begins. `zone`: the zone's name in wire form, which is the origin too.
   */
  read(bytes: Uint8Array, from: number, to: number, line: number, zone: Uint8Array): number {
    const name = this.#name;
    const sink = this.#sink;
    this.count = 0;
    this.ttl = -1;
    let begin = from;
    for (const last = to - MAX_LINE_BYTES; begin <= last; ) {
      let at = begin;
      const end = begin + MAX_LINE_BYTES - 8;
      let kind = EXACT;
      if (bytes[at] === STAR && bytes[at + 1] === DOT) {
        kind = SUBTREE;
        at += 2;
      }
      let labelAt = 0;
      let length = 1;
      let labels = 0;
      let byte = 0;
      for (; at < end; at++) {
        byte = bytes[at]!;
        const letter = LETTER[byte]!;
        if (letter !== 0) {
          name[length++] = letter;
          continue;
        }
        if (byte !== DOT) break;
        const size = length - labelAt - 1;
        if (size === 0 || size > MAX_LABEL_BYTES || length >= MAX_NAME_BYTES) return begin;
        name[labelAt] = size;
        labelAt = length++;
        labels++;
      }
      const ownerTo = at;
      const size = length - labelAt - 1;
      if (size > MAX_LABEL_BYTES) return begin;
      if (size > 0) {
        name[labelAt] = size;
        labelAt = length++;
        labels++;
      } else {
        // An absolute name: what is before the zone is the trigger.
        const absolute = length;
        labelAt = absolute - zone.length;
        labels = labelsBefore(name, labelAt);
        if (labels < 0 || !endsWith(name, labelAt, zone)) return begin;
        // The root label takes the place of the zone's first.
        length = labelAt + 1;
      }
      // Two for the `*.` of a wildcard.
      if (length + zone.length + 2 > MAX_NAME_BYTES) return begin;
      name[labelAt] = 0;
      if (labels < 2 || isOddTop(name)) return begin;

      // [TTL] [IN] CNAME, as tokens that end in blanks.
      let ttl = -1;
      for (;;) {
        if (byte !== SPACE && byte !== TAB) return begin;
        do byte = bytes[++at]!;
        while (at < end && (byte === SPACE || byte === TAB));
        const word = at;
        if (byte >= 0x30 && byte <= 0x39 && ttl < 0) {
          ttl = 0;
          for (; at < end && byte >= 0x30 && byte <= 0x39; byte = bytes[++at]!) ttl = 10 * ttl + byte - 0x30;
          if (at - word > MAX_TTL_DIGITS) return begin;
        } else if ((byte | 0x20) === 0x69 && (bytes[at + 1]! | 0x20) === 0x6e) {
          at += 2;
          byte = bytes[at]!;
        } else break;
      }
      if (!isCname(bytes, at)) return begin;
      at += 5;
      byte = bytes[at]!;
      if (byte !== SPACE && byte !== TAB) return begin;
      do byte = bytes[++at]!;
      while (at < end && (byte === SPACE || byte === TAB));
      let action = ACTION_NXDOMAIN;
      if (byte === STAR) {
        action = ACTION_NODATA;
        byte = bytes[++at]!;
      }
      if (byte !== DOT) return begin;
      byte = bytes[++at]!;
      if (byte === RETURN) byte = bytes[++at]!;
      if (byte !== NEWLINE) return begin;

      this.ownerFrom = begin;
      this.ownerTo = ownerTo;
      if (ttl >= 0) this.ttl = ttl;
      sink.entry(name, labelAt + 1, kind, action, undefined, line + this.count++);
      begin = at + 1;
    }
    return begin;
  }
}

/** Labels before `at`; -1 where no label begins there. */
function labelsBefore(name: Uint8Array, at: number): number {
  let labels = 0;
  let label = 0;
  for (; label < at; label += name[label]! + 1) labels++;
  return label === at ? labels : -1;
}

/** The root label of `name`, which is not written yet, aside: is the rest from `at` on the zone? */
function endsWith(name: Uint8Array, at: number, zone: Uint8Array): boolean {
  for (let i = 0; i < zone.length - 1; i++) if (name[at + i] !== zone[i]) return false;
  return true;
}

/** The last label is a trigger of RPZ (`rpz-ip`), or looks like a number. */
function isOddTop(name: Uint8Array): boolean {
  let last = 0;
  for (let at = 0; name[at] !== 0; at += name[at]! + 1) last = at;
  const first = name[last + 1]!;
  return (first >= 0x30 && first <= 0x39) || (first === 0x72 && name[last + 2] === 0x70 && name[last + 3] === 0x7a);
}

/** `CNAME` in any case. */
export function isCname(bytes: Uint8Array, at: number): boolean {
  return (
    (bytes[at]! | 0x20) === 0x63 &&
    (bytes[at + 1]! | 0x20) === 0x6e &&
    (bytes[at + 2]! | 0x20) === 0x61 &&
    (bytes[at + 3]! | 0x20) === 0x6d &&
    (bytes[at + 4]! | 0x20) === 0x65
  );
}
