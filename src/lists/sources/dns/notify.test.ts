import { decode, encode } from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judgeNotify, notifyReply, parseNotify } from './notify.ts';
import { sign, TsigVerifier } from './tsig.ts';
import type { TsigKey } from './tsig-key.ts';

const NOW = 1_760_000_000;
const key: TsigKey = { name: 'k', algorithm: 'hmac-sha512', secret: new Uint8Array(32).fill(7) };
const zones = [{ zone: 'rpz.test.', primaries: ['192.0.2.1', '2001:db8::1'], key }];

function notify(more: { name?: string; flags?: number; type?: 'SOA' | 'A'; serial?: number } = {}): Uint8Array {
  const { name = 'RPZ.test', flags = 0x2400, type = 'SOA', serial } = more;
  const data = { mname: 'm', rname: 'r', serial: serial ?? 0, refresh: 1, retry: 1, expire: 1, minimum: 1 };
  const answers = serial === undefined ? [] : [{ type: 'SOA' as const, name, data }];
  return new Uint8Array(encode({ type: 'query', id: 77, flags, questions: [{ type, name }], answers }));
}

describe('NOTIFY', () => {
  it('is read with the serial it may carry', () => {
    expect(parseNotify(notify())).toEqual({ zone: 'rpz.test.' });
    expect(parseNotify(notify({ serial: 4_000_000_000 }))).toEqual({ zone: 'rpz.test.', serial: 4_000_000_000 });
  });

  it('is nothing else: no query, no answer, no other type, no broken message', () => {
    expect(parseNotify(notify({ flags: 0x0100 }))).toBeUndefined();
    expect(parseNotify(notifyReply(notify()))).toBeUndefined();
    expect(parseNotify(notify({ type: 'A' }))).toBeUndefined();
    const bytes = notify({ serial: 1 });
    for (let length = 0; length < bytes.length; length++) expect(parseNotify(bytes.slice(0, length))).toBeUndefined();
  });

  it('is answered with its ID and question', () => {
    const reply = decode(Buffer.from(notifyReply(notify({ serial: 3 }))));
    expect(reply).toMatchObject({
      id: 77,
      type: 'response',
      opcode: 'NOTIFY',
      rcode: 'NOERROR',
      flag_aa: true,
      answers: [],
    });
    expect(reply.questions).toMatchObject([{ name: 'RPZ.test', type: 'SOA' }]);
  });

  it('is accepted from a primary of the zone, unsigned or rightly signed, and then answered signed', () => {
    expect(judgeNotify(notify({ serial: 3 }), '2001:db8::1', zones, NOW)).toMatchObject({ accepted: true, serial: 3 });
    const signed = sign(notify(), key, NOW);
    const verdict = judgeNotify(signed.message, '192.0.2.1', zones, NOW);
    expect(verdict.accepted).toBe(true);
    const verifier = new TsigVerifier(key, signed.mac);
    verifier.take(verdict.reply ?? new Uint8Array(), NOW);
    expect(() => verifier.end()).not.toThrow();
  });

  it('is refused from strangers, for other zones, and wrongly signed', () => {
    const reason = (bytes: Uint8Array, address: string): string => {
      const verdict = judgeNotify(bytes, address, zones, NOW);
      return verdict.accepted ? 'accepted' : verdict.reason;
    };
    expect(reason(notify(), '192.0.2.2')).toBe('192.0.2.2 is no primary of rpz.test.');
    expect(reason(notify({ name: 'x.test' }), '192.0.2.1')).toBe('no list is transferred from x.test.');
    expect(reason(sign(notify(), { ...key, secret: new Uint8Array(32) }, NOW).message, '192.0.2.1')).toMatch(/BADSIG/);
    expect(reason(sign(notify(), { ...key, name: 'other' }, NOW).message, '192.0.2.1')).toMatch(/BADKEY/);
    expect(reason(sign(notify(), key, NOW - 999).message, '192.0.2.1')).toMatch(/BADTIME/);
    expect(judgeNotify(notify({ flags: 0x0100 }), '192.0.2.1', zones, NOW)).not.toHaveProperty('reply');
    expect(judgeNotify(notify(), '192.0.2.9', zones, NOW)).not.toHaveProperty('reply');
  });

  it('never throws, whatever comes', () => {
    const bytes = sign(notify({ serial: 1 }), key, NOW).message;
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(bytes.length - 1), fc.nat(255), (noise, at, value) => {
        judgeNotify(noise, '192.0.2.1', zones, NOW);
        const altered = bytes.slice();
        altered[at] = value;
        judgeNotify(altered, '192.0.2.1', zones, NOW);
      }),
      { numRuns: 500 },
    );
  });
});
