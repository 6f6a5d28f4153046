/**
 * One name a line. `name`: as the list's `match` says, the name alone unless told otherwise; `*.name`: everything below;
 * `.name`: the name and everything below (as squid and dnsmasq read it). `#` and `;` begin a comment.
 */
import { type FormatContext, isBlank, type LineFormat, listName } from './format.ts';

const HASH = 0x23;
const SEMICOLON = 0x3b;

export function domainsFormat(context: FormatContext): LineFormat {
  const { rejects } = context;
  return {
    maxLineBytes: 4096,
    line(bytes, lineFrom, lineTo, line) {
      let from = lineFrom;
      while (from < lineTo && isBlank(bytes[from]!)) from++;
      let to = from;
      while (to < lineTo) {
        const byte = bytes[to]!;
        if (byte <= 0x20 ? isBlank(byte) : byte === HASH || byte === SEMICOLON) break;
        to++;
      }
      if (to === from) return;
      let next = to;
      while (next < lineTo && isBlank(bytes[next]!)) next++;
      if (next < lineTo && bytes[next] !== HASH && bytes[next] !== SEMICOLON) {
        rejects.reject(line, next - lineFrom + 1, 'extra-text', bytes, lineFrom, lineTo);
        return;
      }
      listName(context, bytes, from, to, line, lineFrom);
    },
  };
}
