/**
 * Adblock-style lists, of which only rules on whole names mean something to a resolver:
 *
 *     ||name^   ||name^|   ||name   ||name^$important      the name and everything below
 *     ||*.name^                                            everything below
 *     @@||name^                                            exception: PASSTHRU, for this list alone
 *
 * An exception belongs to its list: the author means "my rule on example.com does not hold for good.example.com", and
 * without it the list would block more than its author wants. It never opens a hole in another list (sink.ts).
 * Options that narrow a rule to some requests (`$third-party`, `$script`, `$domain=…`) would block too much in the DNS,
 * so such rules are rejected, as are rules on pages and cosmetic ones.
 */

import { ACTION_LISTED, ACTION_PASSTHRU, EXACT_AND_SUBTREE, SUBTREE } from '../index/rules.ts';
import { type FormatContext, isBlank, type LineFormat } from './format.ts';
import type { Kind } from './sink.ts';

const BANG = 0x21;
const HASH = 0x23;
const DOLLAR = 0x24;
const STAR = 0x2a;
const DOT = 0x2e;
const AT = 0x40;
const BRACKET = 0x5b;
const CARET = 0x5e;
const PIPE = 0x7c;

/** Options under which a rule still is about every request for the name. */
const HARMLESS_OPTIONS = new Set(['all', 'important', 'document', 'doc', 'network']);
const MAX_OPTIONS_BYTES = 256;

export function adblockFormat(context: FormatContext): LineFormat {
  const { rejects, names, counts, sink } = context;
  return {
    maxLineBytes: 16_384,
    line(bytes, lineFrom, lineTo, line) {
      let from = lineFrom;
      let to = lineTo;
      while (from < to && isBlank(bytes[from]!)) from++;
      while (to > from && isBlank(bytes[to - 1]!)) to--;
      if (from === to || bytes[from] === BANG) return;
      if (bytes[from] === HASH && !isCosmeticMark(bytes, from, to)) return;
      if (bytes[from] === BRACKET && bytes[to - 1] === 0x5d) return;
      const start = from;
      const exception = bytes[from] === AT && bytes[from + 1] === AT;
      if (exception) from += 2;
      if (bytes[from] !== PIPE || bytes[from + 1] !== PIPE) {
        const reason = hasCosmeticMark(bytes, from, to) ? 'cosmetic' : 'page-rule';
        rejects.reject(line, start - lineFrom + 1, reason, bytes, lineFrom, lineTo);
        return;
      }
      from += 2;
      let kind: Kind = EXACT_AND_SUBTREE;
      if (bytes[from] === STAR && bytes[from + 1] === DOT) {
        kind = SUBTREE;
        from += 2;
      }
      let end = from;
      while (end < to && bytes[end] !== CARET && bytes[end] !== DOLLAR && bytes[end] !== PIPE) end++;
      let rest = end;
      if (bytes[rest] === CARET) rest++;
      if (bytes[rest] === PIPE && rest < to) rest++;
      if (rest < to && bytes[rest] !== DOLLAR) {
        const reason = hasCosmeticMark(bytes, from, to) ? 'cosmetic' : 'page-rule';
        rejects.reject(line, rest - lineFrom + 1, reason, bytes, lineFrom, lineTo);
        return;
      }
      if (rest < to && !areHarmless(bytes, rest + 1, to)) {
        rejects.reject(line, rest - lineFrom + 1, 'option', bytes, lineFrom, lineTo);
        return;
      }
      const problem = names.read(bytes, from, end);
      if (problem !== undefined) {
        const { problemAt } = names;
        const cosmetic = hasCosmeticMark(bytes, from, to);
        const reason = cosmetic ? 'cosmetic' : problem === 'url' || problem === 'wildcard' ? 'page-rule' : problem;
        rejects.reject(line, problemAt - lineFrom + 1, reason, bytes, lineFrom, lineTo);
        return;
      }
      counts.entries++;
      sink.entry(names.name, names.length, kind, exception ? ACTION_PASSTHRU : ACTION_LISTED, undefined, line);
    },
  };
}

/** `##`, `#@#`, `#?#`, `#$#`, `#%#`: what stands before is a page, what stands behind hides part of it. */
function isCosmeticMark(bytes: Uint8Array, at: number, to: number): boolean {
  if (bytes[at] !== HASH || at + 1 >= to) return false;
  const next = bytes[at + 1]!;
  if (next === HASH) return at + 2 < to && bytes[at + 2] !== HASH && !isBlank(bytes[at + 2]!);
  const mark = next === AT || next === 0x3f || next === DOLLAR || next === 0x25;
  return mark && (bytes[at + 2] === HASH || bytes[at + 2] === 0x3f || bytes[at + 2] === DOLLAR);
}

function hasCosmeticMark(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (bytes[i] === HASH && isCosmeticMark(bytes, i, to)) return true;
  return false;
}

function areHarmless(bytes: Uint8Array, from: number, to: number): boolean {
  if (to - from > MAX_OPTIONS_BYTES) return false;
  const options = String.fromCharCode(...bytes.subarray(from, to)).split(',');
  return options.every((option) => HARMLESS_OPTIONS.has(option.trim().toLowerCase()));
}
