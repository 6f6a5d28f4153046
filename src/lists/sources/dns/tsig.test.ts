import { createHmac } from 'node:crypto';
import { encode } from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { textToName } from '../../../wire/name.ts';
import { findSignature, sign, TsigError, TsigVerifier, verifyRequest } from './tsig.ts';
import type { TsigKey } from './tsig-key.ts';

const NOW = 1_760_000_000;
const key: TsigKey = { name: 'k.test', algorithm: 'hmac-sha256', secret: new TextEncoder().encode('0123456789abcdef') };

function message(id: number): Uint8Array {
  const answers = [{ type: 'A' as const, name: `n${id}.test`, ttl: 1, data: '192.0.2.1' }];
  return new Uint8Array(encode({ type: 'response', id, questions: [{ type: 'A', name: 'q.test' }], answers }));
}

const request = sign(message(1), key, NOW);

/** The signature of a later message, written a second time from RFC 8945 §5.3.1. */
function signLater(
  bytes: Uint8Array,
  priorMac: Uint8Array,
  between: Uint8Array[],
  atS = NOW,
): { message: Uint8Array; mac: Uint8Array } {
  const time = Buffer.alloc(8);
  time.writeUIntBE(atS, 0, 6);
  time.writeUInt16BE(300, 6);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(priorMac.length);
  const parts = [length, priorMac, ...between, bytes, time];
  const mac = createHmac('sha256', key.secret).update(Buffer.concat(parts)).digest();
  const data = Buffer.concat([
    textToName('hmac-sha256'),
    time,
    Buffer.from([0, 32]),
    mac,
    bytes.subarray(0, 2),
    Buffer.alloc(4),
  ]);
  const head = Buffer.from([0, 250, 0, 255, 0, 0, 0, 0, 0, data.length]);
  const whole = new Uint8Array(Buffer.concat([bytes, textToName('k.test'), head, data]));
  whole[11] = (whole[11] ?? 0) + 1;
  return { message: whole, mac: new Uint8Array(mac) };
}

function opened(): { verifier: TsigVerifier; mac: Uint8Array } {
  const verifier = new TsigVerifier(key, request.mac);
  const first = sign(message(2), key, NOW, request.mac);
  verifier.take(first.message, NOW);
  return { verifier, mac: first.mac };
}

describe('a request', () => {
  it('is verified with its key and no other, and only as it was', () => {
    const signature = findSignature(request.message);
    if (!signature) throw new Error('no signature');
    expect(verifyRequest(request.message, signature, key, NOW + 300)).toEqual(request.mac);
    expect(() => verifyRequest(request.message, signature, key, NOW + 301)).toThrow(
      /BADTIME.*301 s behind ours; 300 s/,
    );
    const otherSecret = { ...key, secret: new Uint8Array(16) };
    expect(() => verifyRequest(request.message, signature, otherSecret, NOW)).toThrow(/BADSIG/);
    expect(() => verifyRequest(request.message, signature, { ...key, name: 'x' }, NOW)).toThrow(/BADKEY/);
    const altered = request.message.slice();
    altered[20] = (altered[20] ?? 0) ^ 1;
    expect(() => verifyRequest(altered, signature, key, NOW)).toThrow(/BADSIG/);
  });
});

describe('the messages of an answer', () => {
  it('are verified in a chain, with up to 99 unsigned ones between two signed', () => {
    const { verifier, mac } = opened();
    const between = Array.from({ length: 99 }, (_, i) => message(100 + i));
    for (const each of between) verifier.take(each, NOW);
    expect(() => verifier.end()).toThrow('the last message is not signed');
    const later = signLater(message(3), mac, between);
    verifier.take(later.message, NOW);
    verifier.take(signLater(message(4), later.mac, []).message, NOW);
    expect(() => verifier.end()).not.toThrow();
  });

  it('are refused after 99 without a signature', () => {
    const { verifier } = opened();
    for (let i = 0; i < 99; i++) verifier.take(message(i), NOW);
    expect(() => verifier.take(message(99), NOW)).toThrow(/100 messages without a signature/);
  });

  it('are refused where one between, unsigned, was altered, dropped or repeated', () => {
    const sent = [message(10), message(11)];
    const got = [
      [message(10), message(12)],
      [message(10)],
      [message(10), message(11), message(11)],
      [message(11), message(10)],
    ];
    for (const messages of got) {
      const { verifier, mac } = opened();
      for (const each of messages) verifier.take(each, NOW);
      expect(() => verifier.take(signLater(message(3), mac, sent).message, NOW)).toThrow(/BADSIG/);
    }
  });

  it('are refused where the first is unsigned, or one is signed too long ago', () => {
    expect(() => new TsigVerifier(key, request.mac).take(message(2), NOW)).toThrow(/not signed with key 'k.test'/);
    const { verifier, mac } = opened();
    expect(() => verifier.take(signLater(message(3), mac, [], NOW - 400).message, NOW)).toThrow(
      /BADTIME.*400 s behind/,
    );
  });

  it('do not end the process, whatever they hold', () => {
    fc.assert(
      fc.property(
        fc.nat(request.message.length - 1),
        fc.nat(255),
        fc.nat(request.message.length),
        (at, value, length) => {
          const bytes = request.message.slice();
          bytes[at] = value;
          for (const each of [bytes, request.message.slice(0, length)]) {
            try {
              new TsigVerifier(key, request.mac).take(each, NOW);
              throw new Error('accepted what was signed for something else');
            } catch (error) {
              expect(error).toBeInstanceOf(TsigError);
            }
          }
        },
      ),
    );
  });
});
