/**
 * Discovery of designated resolvers (RFC 9462): whoever asks this server unencrypted learns from `_dns.resolver.arpa` where it may be asked
 * encrypted.
 *
 *     _dns.resolver.arpa SVCB 1 dns.isp.example alpn=dot port=853 ipv4hint=192.0.2.53
 *                        SVCB 2 dns.isp.example alpn=h2 port=443 dohpath=/dns-query{?dns} …
 *
 * A client follows only where the certificate stands for the very address that it asked (§4.2), which is the operator's to see to.
 */
import { addressWords, isMapped, isWildcard } from '../address/address.ts';
import { textToName } from '../wire/name.ts';
import type { ZoneRecord } from './zone-config.ts';

export interface DesignatedResolver {
  /** Name that its certificate stands for. */
  readonly name: string;
  readonly transport: 'tls' | 'https';
  readonly address: string;
  readonly port: number;
  /** Of DNS over HTTPS. */
  readonly path?: string;
}

const OWNER = '_dns.resolver.arpa';
const TYPE_SVCB = 64;
/** Seconds; servers come and go with the configuration. */
const TTL = 300;
/** RFC 9460 §14.3.2, RFC 9461 §10. */
const ALPN = 1;
const PORT = 3;
const IPV4_HINT = 4;
const IPV6_HINT = 6;
const DOH_PATH = 7;

/** The records, in the order of preference. */
export function designatedRecords(resolvers: readonly DesignatedResolver[]): ZoneRecord[] {
  return resolvers.map((resolver, i) => ({
    owner: textToName(OWNER),
    type: TYPE_SVCB,
    ttl: TTL,
    data: Uint8Array.from([...two(i + 1), ...textToName(resolver.name), ...parametersOf(resolver)]),
  }));
}

/** RFC 9460 §2.2: in ascending order of their keys. */
function parametersOf({ transport, address, port, path }: DesignatedResolver): number[] {
  const protocol = transport === 'tls' ? 'dot' : 'h2';
  const words = addressWords(address);
  const hint = isWildcard(words) ? [] : isMapped(words) ? parameter(IPV4_HINT, bytesOf(words).slice(12)) : [];
  const hint6 = isWildcard(words) || isMapped(words) ? [] : parameter(IPV6_HINT, bytesOf(words));
  return [
    ...parameter(ALPN, [protocol.length, ...ascii(protocol)]),
    ...parameter(PORT, two(port)),
    ...hint,
    ...hint6,
    ...(path === undefined ? [] : parameter(DOH_PATH, ascii(`${path}{?dns}`))),
  ];
}

function parameter(key: number, value: readonly number[]): number[] {
  return [...two(key), ...two(value.length), ...value];
}

function two(value: number): number[] {
  return [value >>> 8, value & 255];
}

function ascii(text: string): number[] {
  return [...Buffer.from(text, 'latin1')];
}

function bytesOf(words: Int32Array): number[] {
  return [...words].flatMap((word) => [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255]);
}
