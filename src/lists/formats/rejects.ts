/**
 * Bad lines: counted by reason, the first of each reason kept as text that is safe to show. A list is written by
 * strangers, so nothing of it reaches a terminal or a page before it went through `excerpt`.
 */

/** Why a line was skipped, and how that reads in `lists status`. The keys are stable: scripts look for them. */
export const REASONS = {
  address: 'an IP address stands where a name should be, or a last label that programs take for one',
  url: 'a URL, path or port: one page of a site says nothing about the whole name',
  'bad-character': 'a character that no listed name has',
  'empty-name': 'no name',
  'empty-label': 'two dots in a row, or a dot with nothing before it',
  'label-too-long': 'a label of more than 63 bytes',
  'name-too-long': 'a name of more than 255 bytes on the wire',
  root: 'the root: it would take every name there is',
  'single-label': 'a single label: a whole top-level domain, or no domain name at all',
  wildcard: '`*` anywhere but as the first label',
  'not-utf8': 'bytes that are not UTF-8',
  'bad-idn': 'an internationalised name that has no A-label form',
  'line-too-long': 'a line beyond the bound of the format',
  'extra-text': 'more on the line than one name',
  'no-address': 'a hosts line that does not begin with an address',
  'other-address': 'a hosts line that maps to a real address instead of 0.0.0.0, 127.x.x.x, :: or ::1',
  cosmetic: 'an adblock rule that hides parts of a page',
  'page-rule': 'an adblock rule on addresses of pages, not on a whole name',
  option: 'an adblock rule whose options narrow it to some requests: DNS would block too much',
  'option-client': 'an adblock rule for some clients ($client): lists here do not know who asks',
  'option-ctag': 'an adblock rule for some kinds of device ($ctag): nobody here knows what asks',
  'option-dnsrewrite':
    'an adblock rule with an answer of its own ($dnsrewrite) that is not documented, or in a list of another category than policy',
  'bad-quoting': 'quotes that do not match',
  'missing-column': 'the row has no such column',
  'bad-score': 'the score is no number',
  'bad-json': 'no JSON object',
  'owner-missing': 'a record without an owner, and the owner above it is missing or broken',
  'out-of-zone': 'the owner is not below the policy zone',
  'bad-escape': 'a backslash that is followed by neither a character nor three digits up to 255',
  'bad-ttl': 'a TTL that is no number of seconds up to 2147483647',
  'bad-class': 'a class other than IN',
  'bad-type': 'no record type, or none that is known',
  'bad-rdata': 'the data does not fit the type',
  directive: 'a directive that is not taken ($INCLUDE, $GENERATE or an unknown one)',
  parentheses: 'parentheses that do not match',
  'bad-prefix': 'no network as RPZ writes it: prefix length, then the address from its end',
  'reserved-trigger': 'a trigger rpz-… that the RPZ draft does not know',
  'reserved-action': 'a CNAME to rpz-… that the RPZ draft does not know',
  'unsupported-type': 'a type that is no local data in a policy zone (NS, SOA, DS)',
} as const satisfies Record<string, string>;

export type Reason = keyof typeof REASONS;

export interface RejectedLine {
  /** From 1. */
  readonly line: number;
  /** Byte of the line at which the trouble is, from 1. */
  readonly column: number;
  readonly reason: Reason;
  /** Printable ASCII without `<`, `>`, `&` and quotes; everything else as `\xNN`; at most 80 characters and `…`. */
  readonly excerpt: string;
}

/** Lines kept of each reason: one frequent reason must not hide the others. */
const KEPT_PER_REASON = 10;
const EXCERPT_CHARACTERS = 80;

export class RejectLog {
  /** Rejected lines (or items on a line) in all. */
  count = 0;
  readonly #counts = new Map<Reason, number>();
  readonly #kept: RejectedLine[] = [];

  /** `bytes[from..to)` is what to show of it. */
  reject(line: number, column: number, reason: Reason, bytes: Uint8Array, from: number, to: number): void {
    this.count++;
    const before = this.#counts.get(reason) ?? 0;
    this.#counts.set(reason, before + 1);
    if (before < KEPT_PER_REASON) this.#kept.push({ line, column, reason, excerpt: excerpt(bytes, from, to) });
  }

  /** Rejections by reason, only those that occurred. */
  counts(): Partial<Record<Reason, number>> {
    return Object.fromEntries(this.#counts);
  }

  /** The first of each reason, in the order of the file. */
  kept(): readonly RejectedLine[] {
    return this.#kept;
  }
}

/** Bytes of strangers as text for a terminal, a log or a page. */
export function excerpt(bytes: Uint8Array, from = 0, to = bytes.length): string {
  let text = '';
  for (let i = from; i < to; i++) {
    const byte = bytes[i]!;
    const next = isPlain(byte) ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
    if (text.length + next.length > EXCERPT_CHARACTERS) return `${text}…`;
    text += next;
  }
  return text;
}

/** The same for text. */
export function safeText(text = ''): string {
  return excerpt(new TextEncoder().encode(text));
}

/** Printable ASCII that means nothing to HTML, to a shell's quotes or to this notation itself. */
function isPlain(byte: number): boolean {
  if (byte < 0x20 || byte > 0x7e) return false;
  return byte !== 0x22 && byte !== 0x26 && byte !== 0x27 && byte !== 0x3c && byte !== 0x3e && byte !== 0x5c;
}
