import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressText, addressWords } from '../../address/address.ts';
import { PROXY_HEADER_BYTES, PROXY_INCOMPLETE, PROXY_INVALID, ProxyHeader } from './proxy-header.ts';

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

interface Spoken {
  command?: number;
  version?: number;
  family?: number;
  way?: number;
  body?: Buffer;
}

function header({ command = 1, version = 2, family = 1, way = 1, body = Buffer.alloc(12) }: Spoken): Buffer {
  const fixed = Buffer.alloc(4);
  fixed[0] = (version << 4) | command;
  fixed[1] = (family << 4) | way;
  fixed.writeUInt16BE(body.length, 2);
  return Buffer.concat([SIGNATURE, fixed, body]);
}

const ipv4 = (client: string, port: number, tail = Buffer.alloc(0)) => {
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(port, 0);
  return Buffer.concat([Buffer.from(client.split('.').map(Number)), Buffer.from([192, 0, 2, 53]), ports, tail]);
};
const ipv6 = (client: string, port: number) => {
  const bytes = Buffer.alloc(36);
  addressWords(client).forEach((word, i) => {
    bytes.writeInt32BE(word, 4 * i);
  });
  bytes.writeUInt16BE(port, 32);
  return bytes;
};

const read = (bytes: Uint8Array, stream = true) => {
  const found = new ProxyHeader();
  const length = found.read(bytes, 0, bytes.length, stream);
  const { local, family, port, clientWords } = found;
  return { length, local, family, port, client: addressText(clientWords) };
};

describe('the header of the PROXY protocol, version 2', () => {
  it('names an IPv4 client', () => {
    const bytes = header({ body: ipv4('203.0.113.9', 4711) });
    const found = { length: 28, local: false, family: 4, port: 4711, client: '203.0.113.9' };
    expect(read(Buffer.concat([bytes, Buffer.from('message')]))).toEqual(found);
    expect(read(header({ way: 2, body: ipv4('203.0.113.9', 4711) }), false)).toEqual(found);
  });

  it('names an IPv6 client, and an IPv4 one in a mapped address', () => {
    expect(read(header({ family: 2, body: ipv6('2001:db8::1', 53000) }))).toMatchObject({
      length: 52,
      family: 6,
      port: 53000,
      client: '2001:db8::1',
    });
    expect(read(header({ family: 2, body: ipv6('::ffff:192.0.2.1', 1) }))).toMatchObject({
      family: 4,
      client: '192.0.2.1',
    });
  });

  it('skips TLVs', () => {
    expect(read(header({ body: ipv4('203.0.113.9', 1, Buffer.from('0500026162', 'hex')) })).length).toBe(33);
  });

  it('may be of a proxy that speaks for itself', () => {
    expect(read(header({ command: 0, family: 0, way: 0, body: Buffer.alloc(0) }))).toMatchObject({
      length: 16,
      local: true,
    });
  });

  it.each([
    ['version 1', Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 1 53\r\n')],
    ['no header at all', Buffer.from('a query of the ordinary kind')],
    ['another version', header({ version: 3 })],
    ['an unknown command', header({ command: 2 })],
    ['an unknown family', header({ family: 3, body: Buffer.alloc(216) })],
    ['no family, and for somebody else', header({ family: 0 })],
    ['no way', header({ way: 0 })],
    ['a datagram in a stream', header({ way: 2 })],
    ['too short for IPv4', header({ body: Buffer.alloc(11) })],
    ['too short for IPv6', header({ family: 2, body: Buffer.alloc(35) })],
    ['64 KB of it', header({ body: Buffer.alloc(65535) })],
  ])('is refused: %s', (_, bytes) => {
    expect(read(bytes).length).toBe(PROXY_INVALID);
  });

  it('is incomplete as long as what is there may still become one', () => {
    const bytes = header({ family: 2, body: ipv6('2001:db8::1', 53000) });
    for (let length = 0; length < bytes.length; length++)
      expect(read(bytes.subarray(0, length)).length).toBe(PROXY_INCOMPLETE);
  });

  it('never reads past its end, whatever comes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.boolean(), fc.boolean(), (noise, signed, stream) => {
        const bytes = signed ? Uint8Array.from([...SIGNATURE, ...noise]) : noise;
        const { length } = read(bytes, stream);
        expect(length).toBeGreaterThanOrEqual(PROXY_INVALID);
        expect(length).toBeLessThanOrEqual(bytes.length);
        if (length > 0) expect(length).toBeGreaterThanOrEqual(PROXY_HEADER_BYTES);
      }),
    );
  });
});
