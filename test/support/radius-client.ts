/**
 * A NAS in a test: RADIUS accounting (RFC 2866) with any attributes, from any address, in any order. Written from the RFC
 * and not with the server's reader, so that both cannot share a mistake.
 */
import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import ipaddr from 'ipaddr.js';

const TEXT = 0;
const NUMBER = 1;
const ADDRESS = 2;
const PREFIX = 3;

const ATTRIBUTES = {
  'User-Name': [1, TEXT],
  'NAS-IP-Address': [4, ADDRESS],
  'Framed-IP-Address': [8, ADDRESS],
  Class: [25, TEXT],
  'Calling-Station-Id': [31, TEXT],
  'NAS-Identifier': [32, TEXT],
  'Acct-Status-Type': [40, NUMBER],
  'Acct-Delay-Time': [41, NUMBER],
  'Acct-Session-Id': [44, TEXT],
  'Acct-Session-Time': [46, NUMBER],
  'Event-Timestamp': [55, NUMBER],
  'NAS-IPv6-Address': [95, ADDRESS],
  'Framed-IPv6-Prefix': [97, PREFIX],
  'Delegated-IPv6-Prefix': [123, PREFIX],
  'Framed-IPv6-Address': [168, ADDRESS],
} as const;

export const STATUS = { Start: 1, Stop: 2, 'Interim-Update': 3, 'Accounting-On': 7, 'Accounting-Off': 8 } as const;

export type Attributes = { readonly [Name in keyof typeof ATTRIBUTES]?: string | number | readonly string[] };

export interface Nas {
  readonly port: number;
  readonly secret: string;
  /** Source address (default 127.0.0.1). */
  readonly from?: string;
  /** How long an answer is waited for (default 5 s; what is not answered is heard about in a metric, if at all). */
  readonly timeoutMs?: number;
}

let lastIdentifier = 0;

/** Report; resolves with whether it was answered (RFC 2866 §4.2: only what is recorded may be). */
export function account(
  { port, secret, from = '127.0.0.1', timeoutMs = 5_000 }: Nas,
  status: keyof typeof STATUS,
  attributes: Attributes,
): Promise<boolean> {
  lastIdentifier = (lastIdentifier + 1) & 0xff;
  const request = encodeRequest(lastIdentifier, secret, { 'Acct-Status-Type': STATUS[status], ...attributes });
  const identifier = lastIdentifier;
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    const finish = (answered: boolean, error?: Error): void => {
      clearTimeout(timer);
      socket.close();
      if (error) reject(error);
      else resolve(answered);
    };
    const timer = setTimeout(() => finish(false), timeoutMs);
    socket.once('error', (error) => finish(false, error));
    socket.on('message', (reply) => {
      if (isAnswer(reply, identifier, request, secret)) finish(true);
    });
    socket.bind({ address: from }, () => socket.send(request, port, '127.0.0.1'));
  });
}

function encodeRequest(identifier: number, secret: string, attributes: Attributes): Buffer {
  const body = Object.entries(attributes).flatMap(([name, given]) => {
    const [type, kind] = ATTRIBUTES[name as keyof typeof ATTRIBUTES];
    return (Array.isArray(given) ? given : [given]).map((value: string | number) => {
      const data = encodeValue(kind, value);
      return Buffer.concat([Buffer.from([type, data.length + 2]), data]);
    });
  });
  const packet = Buffer.concat([Buffer.from([4, identifier, 0, 0]), Buffer.alloc(16), ...body]);
  packet.writeUInt16BE(packet.length, 2);
  // RFC 2866 §3: MD5 over code, identifier, length, 16 zero octets, attributes and the secret.
  createHash('md5').update(packet).update(secret).digest().copy(packet, 4);
  return packet;
}

function encodeValue(kind: number, value: string | number): Buffer {
  if (kind === TEXT) return Buffer.from(String(value));
  if (kind === ADDRESS) return Buffer.from(ipaddr.parse(String(value)).toByteArray());
  if (kind === NUMBER) {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(Number(value));
    return bytes;
  }
  // RFC 3162 §2.3: a reserved octet, the length, and all octets of the prefix.
  const [address = '', bits = '128'] = String(value).split('/');
  return Buffer.from([0, Number(bits), ...ipaddr.parse(address).toByteArray()]);
}

function isAnswer(reply: Buffer, identifier: number, request: Buffer, secret: string): boolean {
  if (reply.length < 20 || reply[0] !== 5 || reply[1] !== identifier) return false;
  const expected = createHash('md5')
    .update(reply.subarray(0, 4))
    .update(request.subarray(4, 20))
    .update(reply.subarray(20))
    .update(secret)
    .digest();
  return expected.equals(reply.subarray(4, 20));
}
