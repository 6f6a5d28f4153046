/**
 * Adblock-style lists as AdGuard documents them for DNS filtering, of which rules on whole names mean something to a resolver:
 *
 *     ||name^   ||name^|   ||name             the name and everything below
 *     ||*.name^                               everything below
 *     |name^    name    0.0.0.0 name          the name alone (the latter two: lines as in lists of domains and hosts)
 *     @@…                                     an exception
 *
 *     $important $badfilter                   precedence: index/adblock-rules.ts
 *     $dnstype=A|AAAA  $dnstype=~A            for questions of these types, or of all but these
 *     $denyallow=name|name                    not for these names and what is below them
 *     $dnsrewrite=…                           an answer (dnsrewrite.ts); in lists of category policy alone
 *
 * Modifiers that need what this server does not know (`$client`, `$ctag`), and those that narrow a rule to
 * some requests of a browser (`$third-party`, `$script`, `$domain=…`), would make the rule block too much without
 * them: such rules are rejected, each counted under its reason, as are rules on pages and cosmetic ones.
 */

import { textToName } from '../../wire/name.ts';
import { adblockPiece, BAD, EXCEPTION, IMPORTANT, MAX_CONDITIONS, REWRITE } from '../index/adblock-rules.ts';
import { ACTION_ADBLOCK, ACTION_LISTED, ACTION_PASSTHRU, EXACT, EXACT_AND_SUBTREE, SUBTREE } from '../index/rules.ts';
import { readRewrite } from './dnsrewrite.ts';
import { type FormatContext, isBlank, type LineFormat } from './format.ts';
import { hostsFormat } from './hosts.ts';
import { LETTER } from './name-reader.ts';
import { recordType } from './rdata-text.ts';
import type { Reason } from './rejects.ts';
import type { Kind } from './sink.ts';

const BANG = 0x21;
const HASH = 0x23;
const DOLLAR = 0x24;
const STAR = 0x2a;
const DOT = 0x2e;
const AT = 0x40;
const BRACKET = 0x5b;
const COLON = 0x3a;
const CARET = 0x5e;
const PIPE = 0x7c;

/** Options under which a rule still is about every request for the name. */
const HARMLESS_OPTIONS = new Set(['all', 'document', 'doc', 'network']);
/** Documented for DNS, and not done here: each is counted apart. */
const UNSUPPORTED: Readonly<Record<string, Reason>> = {
  client: 'option-client',
  ctag: 'option-ctag',
};
const MAX_OPTIONS_BYTES = 4096;

interface Modifiers {
  /** IMPORTANT, BAD */
  readonly flags: number;
  readonly types: readonly number[];
  readonly allBut: boolean;
  readonly denyAllow: readonly Uint8Array[];
  /** With REWRITE: what is answered; empty: any rewrite. */
  readonly rewrite: Uint8Array;
}
const NONE = new Uint8Array(0);
const NO_MODIFIERS: Modifiers = { flags: 0, types: [], allBut: false, denyAllow: [], rewrite: NONE };

export function adblockFormat(context: FormatContext): LineFormat {
  const { rejects, names, counts, sink } = context;
  const hosts = hostsFormat(context);
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
      let kind: Kind = EXACT_AND_SUBTREE;
      if (!exception && isPlainLine(bytes, from, to)) {
        if (bytes.subarray(from, to).some(isBlank)) return hosts.line(bytes, lineFrom, lineTo, line);
        kind = EXACT;
      } else if (bytes[from] === PIPE && bytes[from + 1] !== PIPE) {
        kind = EXACT;
        from += 1;
      } else if (bytes[from] === PIPE) {
        from += 2;
      } else {
        const reason = hasCosmeticMark(bytes, from, to) ? 'cosmetic' : 'page-rule';
        rejects.reject(line, start - lineFrom + 1, reason, bytes, lineFrom, lineTo);
        return;
      }
      if (kind !== EXACT && bytes[from] === STAR && bytes[from + 1] === DOT) {
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
      const modifiers = rest < to ? readModifiers(bytes, rest + 1, to, context.rewrites, exception) : NO_MODIFIERS;
      if (typeof modifiers === 'string') {
        rejects.reject(line, rest - lineFrom + 1, modifiers, bytes, lineFrom, lineTo);
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
      const { flags, types, denyAllow } = modifiers;
      if (flags === 0 && types.length === 0 && denyAllow.length === 0) {
        sink.entry(names.name, names.length, kind, exception ? ACTION_PASSTHRU : ACTION_LISTED, undefined, line);
      } else {
        const piece = adblockPiece(flags | (exception ? EXCEPTION : 0), modifiers, modifiers.rewrite);
        sink.entry(names.name, names.length, kind, ACTION_ADBLOCK, piece, line);
      }
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

/** What stands behind the `$`, or why the rule cannot be taken. */
function readModifiers(
  bytes: Uint8Array,
  from: number,
  to: number,
  rewrites: boolean,
  exception: boolean,
): Modifiers | Reason {
  if (to - from > MAX_OPTIONS_BYTES) return 'option';
  const read = {
    flags: 0,
    types: [] as number[],
    allBut: false,
    denyAllow: [] as Uint8Array[],
    rewrite: NONE as Uint8Array,
  };
  // A comma that belongs to a value has a backslash before it.
  for (const text of String.fromCharCode(...bytes.subarray(from, to)).split(/(?<!\\),/)) {
    const [key = '', value] = splitOnce(text.trim().replaceAll('\\,', ','), '=');
    const option = key.toLowerCase();
    if (option === 'important' && value === undefined) read.flags |= IMPORTANT;
    else if (option === 'badfilter' && value === undefined) read.flags |= BAD;
    else if (option === 'dnstype' && value !== undefined) {
      if (!readTypes(value, read)) return 'option';
    } else if (option === 'denyallow' && value !== undefined) {
      if (!readNames(value, read.denyAllow)) return 'option';
    } else if (option === 'dnsrewrite') {
      // What names are answered with is the operator's own policy: consent to blocking is none to another address.
      const rewrite = value === undefined && exception ? NONE : readRewrite(value ?? '');
      if (!rewrites || rewrite === undefined) return 'option-dnsrewrite';
      read.flags |= REWRITE;
      read.rewrite = rewrite;
    } else if (Object.hasOwn(UNSUPPORTED, option)) return UNSUPPORTED[option]!;
    else if (!HARMLESS_OPTIONS.has(option) || value !== undefined) return 'option';
  }
  return read;
}

/** `A|AAAA`, or `~A|~AAAA`; where both stand, those that are named without `~` count. */
function readTypes(value: string, read: { types: number[]; allBut: boolean }): boolean {
  const wanted = value.split('|').map((text) => ({
    not: text.startsWith('~'),
    type: recordType(text.replace(/^~/, '').toUpperCase()),
  }));
  if (wanted.length > MAX_CONDITIONS || wanted.some(({ type }) => type === undefined)) return false;
  const plain = wanted.filter(({ not }) => !not);
  read.allBut = plain.length === 0;
  read.types = (read.allBut ? wanted : plain).map(({ type }) => type!);
  return true;
}

function readNames(value: string, names: Uint8Array[]): boolean {
  for (const text of value.split('|')) {
    if (!/^[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?$/i.test(text) || names.length === MAX_CONDITIONS) return false;
    try {
      names.push(textToName(text.toLowerCase()));
    } catch {
      return false;
    }
  }
  return true;
}

function splitOnce(text: string, by: string): [string, string?] {
  const at = text.indexOf(by);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

/** A line of a list of domains or hosts: letters, digits, dots, dashes, colons and blanks, and at least one dot. */
function isPlainLine(bytes: Uint8Array, from: number, to: number): boolean {
  let dots = 0;
  for (let i = from; i < to; i++) {
    const byte = bytes[i]!;
    if (byte === HASH) break;
    if (byte === DOT) dots++;
    else if (LETTER[byte] === 0 && byte < 0x80 && byte !== COLON && !isBlank(byte)) return false;
  }
  return dots > 0;
}
