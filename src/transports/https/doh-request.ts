/** What a request of DNS over HTTPS holds besides its body (RFC 8484 §4.1). */
import type { IncomingHttpHeaders } from 'node:http2';

export const MESSAGE_TYPE = 'application/dns-message';
/** The parameter of the URI template, `{?dns}`. */
const PARAMETER = 'dns=';

/** To be read from the body … */
export const FROM_BODY = 0;
/** … or in `bytes` already … */
export const FROM_PATH = 1;
/** … or refused, with this status and what may be said to whoever looks. */
export interface Refusal {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
}

const NOT_FOUND: Refusal = { status: 404 };
const BAD_REQUEST: Refusal = { status: 400 };
const TOO_LONG: Refusal = { status: 414 };
const NO_METHOD: Refusal = { status: 405, headers: { allow: 'GET, POST' } };
const NO_TYPE: Refusal = { status: 415 };
export const TOO_LARGE: Refusal = { status: 413 };

/**
 * `path`: of the URI template; `most`: bytes of the longest query. A message in the path is written to `into`. Returns its length, 0 where
 * it comes in the body, or the refusal.
 */
export function readRequest(
  headers: IncomingHttpHeaders,
  path: string,
  into: Uint8Array,
  most: number,
): number | Refusal {
  const wanted = headers[':path'] ?? '';
  const question = wanted.indexOf('?');
  if ((question < 0 ? wanted : wanted.slice(0, question)) !== path) return NOT_FOUND;
  const method = headers[':method'];
  if (method === 'POST') {
    const type = headers['content-type'] ?? '';
    return type === MESSAGE_TYPE || type.startsWith(`${MESSAGE_TYPE};`) ? 0 : NO_TYPE;
  }
  if (method !== 'GET') return NO_METHOD;
  const begin = parameterAt(wanted, question);
  if (begin < 0) return BAD_REQUEST;
  const behind = wanted.indexOf('&', begin);
  const text = wanted.slice(begin, behind < 0 ? undefined : behind);
  // RFC 8484 §4.1.1: base64url without padding (RFC 4648 §5).
  if (!/^[\w-]+$/.test(text)) return BAD_REQUEST;
  if (text.length > Math.ceil((most * 4) / 3)) return TOO_LONG;
  return Buffer.from(into.buffer, into.byteOffset, into.length).write(text, 'base64url');
}

/** Where the value of `dns=` begins, or -1. */
function parameterAt(path: string, question: number): number {
  for (let at = question; at >= 0; at = path.indexOf('&', at + 1))
    if (path.startsWith(PARAMETER, at + 1)) return at + 1 + PARAMETER.length;
  return -1;
}
