/**
 * The value of AdGuard's `$dnsrewrite`, as its documentation of DNS filtering syntax has it:
 *
 *     REFUSED  NXDOMAIN  SERVFAIL  NOERROR        that response code and nothing else; also `REFUSED;;`
 *     192.0.2.1   2001:db8::1   name.example      A, AAAA, CNAME
 *     NOERROR;TYPE;VALUE                          A, AAAA, CNAME, PTR, TXT, MX, SRV, HTTPS, SVCB
 *
 * It becomes a response code (1 byte, as on the wire) and one record in the form of index/rules.ts: type (0 = none), TTL, data.
 */
import { isIP } from 'node:net';
import { RCODE, TYPE } from '../../wire/constants.ts';
import { textToName } from '../../wire/name.ts';
import { rdataFromText, type Token } from './rdata-text.ts';
import { svcbFromText } from './svcb-text.ts';

/** Seconds for which what a rule answers may be kept: short, so that a rule taken out is gone soon. */
const TTL = 30;
const CODES: Readonly<Record<string, number>> = {
  NOERROR: RCODE.NOERROR,
  SERVFAIL: RCODE.SERVFAIL,
  NXDOMAIN: RCODE.NXDOMAIN,
  REFUSED: RCODE.REFUSED,
};
/** Record types by name; all others are not documented. */
const TYPES: Readonly<Record<string, number>> = {
  A: TYPE.A,
  AAAA: TYPE.AAAA,
  CNAME: TYPE.CNAME,
  PTR: TYPE.PTR,
  TXT: TYPE.TXT,
  MX: TYPE.MX,
  SRV: TYPE.SRV,
  HTTPS: TYPE.HTTPS,
  SVCB: TYPE.SVCB,
};

/** The rewrite that `value` describes; undefined where it is none that the documentation has. */
export function readRewrite(value: string): Uint8Array | undefined {
  const fields = fieldsOf(value);
  try {
    return fields && rewriteOf(fields);
  } catch {
    // Data that does not fit its type.
    return undefined;
  }
}

interface Fields {
  readonly code: number;
  /** 0 = none. */
  readonly type: number;
  readonly data: string;
}

function fieldsOf(value: string): Fields | undefined {
  // Keywords are in capital letters: `refused` is a host of that name.
  if (Object.hasOwn(CODES, value)) return { code: CODES[value]!, type: 0, data: '' };
  if (!value.includes(';')) {
    const family = isIP(value);
    const type = family === 4 ? TYPE.A : family === 6 ? TYPE.AAAA : TYPE.CNAME;
    return { code: RCODE.NOERROR, type, data: value };
  }
  const [code = '', type = '', ...rest] = value.split(';');
  if (!Object.hasOwn(CODES, code) || rest.length === 0) return undefined;
  const data = rest.join(';');
  // Of another code only the code counts; NOERROR without a type is an empty answer.
  if (code !== 'NOERROR' || (type === '' && data === '')) return { code: CODES[code]!, type: 0, data: '' };
  const number = Object.hasOwn(TYPES, type.toUpperCase()) ? TYPES[type.toUpperCase()] : undefined;
  return number === undefined ? undefined : { code: RCODE.NOERROR, type: number, data };
}

function rewriteOf({ code, type, data }: Fields): Uint8Array {
  const rdata = type === 0 ? [] : rdataOf(type, data);
  return Uint8Array.from([code, type >> 8, type & 255, 0, 0, 0, type === 0 ? 0 : TTL, ...rdata]);
}

/** Throws where the data does not fit. */
function rdataOf(type: number, data: string): Uint8Array {
  const name = (text: string): Uint8Array | undefined =>
    /^[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?$/i.test(text) ? textToName(text.toLowerCase()) : undefined;
  if (type === TYPE.HTTPS || type === TYPE.SVCB) return svcbFromText(data, name);
  const tokens: Token[] =
    type === TYPE.TXT
      ? [{ text: data, quoted: true }]
      : data
          .trim()
          .split(/\s+/)
          .map((text) => ({ text, quoted: false }));
  return rdataFromText(type, tokens, name);
}
