/**
 * Numbers of the DNS protocol that the code names. Source: IANA "Domain Name System (DNS) Parameters",
 * with the RFC that defines each group.
 */

/** Bytes of the fixed message header (RFC 1035 §4.1.1). */
export const HEADER_BYTES = 12;
/** Longest name on the wire, length bytes and root label included (RFC 1035 §2.3.4). */
export const MAX_NAME_BYTES = 255;
/** Longest label (RFC 1035 §2.3.4). */
export const MAX_LABEL_BYTES = 63;
/** Longest message: TCP's length prefix has 16 bits (RFC 1035 §4.2.2). */
export const MAX_MESSAGE_BYTES = 65535;
/** What a client without EDNS accepts over UDP (RFC 1035 §4.2.1). */
export const PLAIN_UDP_BYTES = 512;
/** Largest UDP answer sent and the size announced: fits one IPv6 packet everywhere (RFC 9715 §3.2, DNS flag day 2020). */
export const MAX_UDP_BYTES = 1232;
/** Bytes of an OPT record without options (RFC 6891 §6.1.2). */
export const OPT_BYTES = 11;

/** Header flag bits of the 16-bit word at offset 2 (RFC 1035 §4.1.1, RFC 4035 §3). */
export const FLAG_QR = 0x8000;
export const FLAG_AA = 0x0400;
export const FLAG_TC = 0x0200;
export const FLAG_RD = 0x0100;
export const FLAG_RA = 0x0080;
export const FLAG_AD = 0x0020;
export const FLAG_CD = 0x0010;
/** The DO bit in the OPT record's flags (RFC 3225 §3). */
export const EDNS_FLAG_DO = 0x8000;

/** Record types (RFC 1035 §3.2.2 and later). */
export const TYPE = {
  A: 1,
  NS: 2,
  MD: 3,
  MF: 4,
  CNAME: 5,
  SOA: 6,
  MB: 7,
  MG: 8,
  MR: 9,
  PTR: 12,
  HINFO: 13,
  MINFO: 14,
  MX: 15,
  TXT: 16,
  RP: 17,
  AFSDB: 18,
  RT: 21,
  SIG: 24,
  PX: 26,
  AAAA: 28,
  NXT: 30,
  SRV: 33,
  NAPTR: 35,
  KX: 36,
  DNAME: 39,
  OPT: 41,
  DS: 43,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  NSEC3: 50,
  TLSA: 52,
  SVCB: 64,
  HTTPS: 65,
  CAA: 257,
  TKEY: 249,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  MAILB: 253,
  MAILA: 254,
  ANY: 255,
} as const;

/** Classes (RFC 1035 §3.2.4, RFC 2136 §2.4). */
export const CLASS = { IN: 1, CH: 3, HS: 4, NONE: 254, ANY: 255 } as const;

/** Response codes (RFC 1035 §4.1.1; YXDOMAIN: RFC 2136 §2.2; BADVERS: RFC 6891 §9; BADCOOKIE: RFC 7873 §8). */
export const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  YXDOMAIN: 6,
  BADVERS: 16,
  BADCOOKIE: 23,
} as const;

/** EDNS option codes (RFC 6891 §9). */
export const EDNS_OPTION = { COOKIE: 10, TCP_KEEPALIVE: 11, PADDING: 12, EXTENDED_ERROR: 15 } as const;

/** Extended DNS error info codes (RFC 8914 §4; IANA's registry for those above 24). */
export const EDE = {
  NONE: -1,
  OTHER: 0,
  UNSUPPORTED_DNSKEY_ALGORITHM: 1,
  UNSUPPORTED_DS_DIGEST: 2,
  STALE_ANSWER: 3,
  FORGED_ANSWER: 4,
  DNSSEC_INDETERMINATE: 5,
  DNSSEC_BOGUS: 6,
  SIGNATURE_EXPIRED: 7,
  SIGNATURE_NOT_YET_VALID: 8,
  DNSKEY_MISSING: 9,
  RRSIGS_MISSING: 10,
  NO_ZONE_KEY_BIT_SET: 11,
  NSEC_MISSING: 12,
  CACHED_ERROR: 13,
  NOT_READY: 14,
  BLOCKED: 15,
  CENSORED: 16,
  FILTERED: 17,
  PROHIBITED: 18,
  STALE_NXDOMAIN: 19,
  NOT_AUTHORITATIVE: 20,
  NOT_SUPPORTED: 21,
  NO_REACHABLE_AUTHORITY: 22,
  NETWORK_ERROR: 23,
  SIGNATURE_EXPIRED_BEFORE_VALID: 25,
  UNSUPPORTED_NSEC3_ITERATIONS: 27,
} as const;

/**
 * The answer came and was found false (RFC 8914 §4.7–§4.13, §4.26): a verdict on what the zone says now, which nothing that
 * was true before stands in for.
 */
export function isBogus(ede: number): boolean {
  return (ede >= EDE.DNSSEC_BOGUS && ede <= EDE.NSEC_MISSING) || ede === EDE.SIGNATURE_EXPIRED_BEFORE_VALID;
}

/** Name of a record type for people, `TYPE65280` where there is none (RFC 3597 §5). */
export function typeName(type: number): string {
  return TYPE_NAMES.get(type) ?? `TYPE${type}`;
}

/** Number of a record type from its name or `TYPEn` (RFC 3597 §5), in any case; undefined where it is neither. */
export function typeFromName(name: string): number | undefined {
  const upper = name.toUpperCase();
  const known = (TYPE as Record<string, number>)[upper];
  if (known !== undefined) return known;
  const generic = /^TYPE(\d{1,5})$/.exec(upper);
  const value = generic ? Number(generic[1]) : Number.NaN;
  return value <= 0xffff ? value : undefined;
}

/** Name of a response code for people, `RCODE11` where there is none. */
export function rcodeName(rcode: number): string {
  return RCODE_NAMES.get(rcode) ?? `RCODE${rcode}`;
}

const TYPE_NAMES = new Map<number, string>(Object.entries(TYPE).map(([name, value]) => [value, name]));
const RCODE_NAMES = new Map<number, string>(Object.entries(RCODE).map(([name, value]) => [value, name]));
