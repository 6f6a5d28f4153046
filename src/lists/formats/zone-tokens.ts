/**
 * Cuts lines of a zone file into tokens (RFC 1035 §5.1): blanks separate, `;` begins a comment, quotes hold blanks,
 * parentheses let a record go over several lines, a backslash takes away the meaning of what follows.
 */
export type TokenOutcome = 'whole' | 'open' | 'parentheses' | 'bad-quoting' | 'bad-rdata';

const MAX_TOKENS = 1024;

export class ZoneTokens {
  /** Where each token begins and ends, quotes left out. */
  readonly from = new Int32Array(MAX_TOKENS);
  readonly to = new Int32Array(MAX_TOKENS);
  readonly quoted = new Uint8Array(MAX_TOKENS);
  count = 0;
  /** Where the comment begins, or the end. */
  end = 0;
  /** Parentheses still open at the end. */
  depth = 0;

  /**
   * `depth`: parentheses that earlier lines left open. `open`: there still is one, the record goes on. `bad-rdata`: more
   * tokens than any record has.
   */
  split(bytes: Uint8Array, from: number, to: number, depth: number): TokenOutcome {
    let at = from;
    this.count = 0;
    for (;;) {
      while (at < to && isSpace(bytes[at]!)) at++;
      if (at >= to) break;
      const byte = bytes[at]!;
      if (byte === 0x3b) break;
      if (byte === 0x28) {
        depth++;
        at++;
        continue;
      }
      if (byte === 0x29) {
        if (--depth < 0) return 'parentheses';
        at++;
        continue;
      }
      if (this.count === MAX_TOKENS) return 'bad-rdata';
      const quoted = byte === 0x22;
      const begin = quoted ? ++at : at;
      at = quoted ? endOfQuoted(bytes, at, to) : endOfPlain(bytes, at, to);
      if (quoted && at >= to) return 'bad-quoting';
      this.from[this.count] = begin;
      this.to[this.count] = at;
      this.quoted[this.count++] = quoted ? 1 : 0;
      if (quoted) at++;
    }
    this.end = at;
    this.depth = depth;
    return depth > 0 ? 'open' : 'whole';
  }

  text(bytes: Uint8Array, index: number): string {
    // At most 64 KiB, and apply has its limit: in parts.
    const to = this.to[index]!;
    let text = '';
    for (let at = this.from[index]!; at < to; at += 4096)
      text += String.fromCharCode(...bytes.subarray(at, Math.min(to, at + 4096)));
    return text;
  }
}

function endOfPlain(bytes: Uint8Array, at: number, to: number): number {
  for (; at < to; at++) {
    const byte = bytes[at]!;
    if (byte > 0x3b && byte !== 0x5c) continue;
    if (byte === 0x5c) at++;
    else if (isSpace(byte) || byte === 0x3b || byte === 0x28 || byte === 0x29 || byte === 0x22) return at;
  }
  return Math.min(at, to);
}

function endOfQuoted(bytes: Uint8Array, at: number, to: number): number {
  for (; at < to && bytes[at] !== 0x22; at++) if (bytes[at] === 0x5c) at++;
  return Math.min(at, to);
}

export function isSpace(byte: number): boolean {
  // The lines of a record in parentheses are joined with their line ends.
  return byte === 0x20 || byte === 9 || byte === 10 || byte === 13;
}
