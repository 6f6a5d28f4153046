/** Data of HTTPS and SVCB records from text (RFC 9460 §2.1): `PRIORITY TARGET key=value …`, values without quotes. */

import { TYPE } from '../../wire/constants.ts';
import { RdataError, rdataFromText } from './rdata-text.ts';

const KEYS: readonly string[] = [
  'mandatory',
  'alpn',
  'no-default-alpn',
  'port',
  'ipv4hint',
  'ech',
  'ipv6hint',
  'dohpath',
];

/** Throws RdataError where the text is none. */
export function svcbFromText(text: string, readName: (text: string) => Uint8Array | undefined): Uint8Array {
  const [priority = '', target = '', ...rest] = text.trim().split(/\s+/);
  if (!/^\d{1,5}$/.test(priority) || Number(priority) > 0xffff) throw new RdataError('no priority');
  const name = target === '.' ? Uint8Array.of(0) : readName(target);
  if (name === undefined) throw new RdataError('no target');
  const params = rest.map(paramOf).sort((one, other) => one.key - other.key);
  // §2.2: in strictly increasing order, so each key once.
  if (params.some(({ key }, i) => key === params[i - 1]?.key)) throw new RdataError('duplicate key');
  return Uint8Array.from([
    Number(priority) >> 8,
    Number(priority) & 255,
    ...name,
    ...params.flatMap(({ key, value }) => [key >> 8, key & 255, value.length >> 8, value.length & 255, ...value]),
  ]);
}

function paramOf(text: string): { readonly key: number; readonly value: readonly number[] } {
  const equals = text.indexOf('=');
  const word = (equals < 0 ? text : text.slice(0, equals)).toLowerCase();
  const value = equals < 0 ? undefined : text.slice(equals + 1);
  const key = keyOf(word);
  return { key, value: dataOf(key, value) };
}

function keyOf(word: string): number {
  const known = KEYS.indexOf(word);
  if (known >= 0) return known;
  const generic = Number(/^key(\d{1,5})$/.exec(word)?.[1] ?? Number.NaN);
  if (!(generic < 65535)) throw new RdataError('unknown key');
  return generic;
}

function dataOf(key: number, value: string | undefined): readonly number[] {
  if (KEYS[key] === 'no-default-alpn') {
    if (value !== undefined) throw new RdataError('this key has no value');
    return [];
  }
  if (value === undefined || value === '' || value.includes('"'))
    throw new RdataError('a value without quotes is needed');
  switch (KEYS[key]) {
    case 'mandatory':
      return value
        .split(',')
        .map((word) => keyOf(word.toLowerCase()))
        .sort((one, other) => one - other)
        .flatMap((one) => [one >> 8, one & 255]);
    case 'alpn':
      return value.split(',').flatMap((one) => {
        const bytes = Buffer.from(one, 'latin1');
        if (bytes.length === 0 || bytes.length > 255) throw new RdataError('no protocol');
        return [bytes.length, ...bytes];
      });
    case 'port': {
      if (!/^\d{1,5}$/.test(value) || Number(value) > 0xffff) throw new RdataError('no port');
      return [Number(value) >> 8, Number(value) & 255];
    }
    case 'ipv4hint':
    case 'ipv6hint': {
      const type = KEYS[key] === 'ipv4hint' ? TYPE.A : TYPE.AAAA;
      return value
        .split(',')
        .flatMap((one) => [...rdataFromText(type, [{ text: one, quoted: false }], () => undefined)]);
    }
    case 'ech': {
      if (!/^[a-z0-9+/]+=*$/i.test(value)) throw new RdataError('no base64');
      return [...Buffer.from(value, 'base64')];
    }
    default:
      return [...Buffer.from(value, 'utf8')];
  }
}
