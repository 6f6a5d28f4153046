/** What the real primaries of these tests have in common. */
import { type DnsServer, type Zone, zoneText } from '../support/nsd.ts';

/** A key that the primary knows and demands for transfers. */
export interface PrimaryKey {
  readonly name: string;
  /** `hmac-sha256` or `hmac-sha512`. */
  readonly algorithm: string;
  /** base64. */
  readonly secret: string;
}

export interface PrimaryOptions {
  readonly zone: Zone;
  readonly key?: PrimaryKey;
  /** Port on 127.0.0.1 that it notifies. */
  readonly notifyPort?: number;
}

/** A primary whose zone can be changed while it runs. */
export interface Primary extends DnsServer {
  /** Folder of its configuration and zone file. */
  readonly folder: string;
}

export const KEY: PrimaryKey = {
  name: 'transfer.test',
  algorithm: 'hmac-sha256',
  secret: 'MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=',
};

/** A policy zone of `names` names at `serial`, with one record of every kind that is hard to write down. */
export function policyZone(name: string, names: number, serial = 1): Zone {
  const blocked = Array.from({ length: names }, (_, i) => `blocked-${i}.example CNAME .`);
  const hard = [
    '*.wild.example CNAME *.',
    'UPPER.Example CNAME RPZ-PassThru.',
    '32.1.2.0.192.rpz-ip CNAME rpz-drop.',
    'local A 192.0.2.1',
    'local AAAA 2001:db8::1',
    'local AAAA ::ffff:192.0.2.1',
    'local MX 10 mail.example.',
    'local TXT "semi;colon" "quo\\"te and \\\\ back" "" "\\200\\007"',
    '_dns._udp SRV 1 2 53 ns.example.',
    'ptr PTR host.example.',
    'naptr NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:a@example!" .',
    'caa CAA 0 issue "ca.example"',
    'odd TYPE65280 \\# 3 0a0b0c',
    'empty TYPE65281 \\# 0',
    'a\\.dot CNAME .',
    'sp\\032ace CNAME .',
    'semi\\;colon CNAME .',
    '\\$dollar CNAME .',
    '\\@at CNAME .',
    'byte\\255 CNAME .',
  ];
  const text = zoneText(name, [...blocked, ...hard].join('\n')).replace('hostmaster 1 ', `hostmaster ${serial} `);
  return { name, text };
}
