import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addressWords, isMapped } from '../address/address.ts';
import { COOKIE_BAD, COOKIE_CLIENT_ONLY, COOKIE_GOOD, Query } from './query.ts';
import { ServerCookies } from './server-cookies.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

/** The query of `client` with `cookie`, examined `seconds` after 1970. */
function examine(secrets: readonly string[], client: string, cookie: string | Uint8Array, seconds: number): Query {
  const query = new Query();
  query.reset();
  query.clientWords.set(addressWords(client));
  query.family = isMapped(query.clientWords) ? 4 : 6;
  // The option stands somewhere inside a message.
  const data = typeof cookie === 'string' ? hex(cookie) : cookie;
  query.message = Uint8Array.from([0xff, 0xff, 0xff, ...data, 0xff]);
  query.cookieStart = 3;
  query.cookieLength = data.length;
  new ServerCookies(secrets.map(hex), () => seconds * 1000 + 999).examine(query);
  return query;
}

const replyOf = (query: Query): string => Buffer.from(query.cookieReply).toString('hex');

/** RFC 9018, appendix A. */
describe('test vectors of RFC 9018', () => {
  const secret = 'e5e973e5a6b2a43f48e7dc849e37bfcf';

  test('A.1: a new client gets its first cookie', () => {
    const query = examine([secret], '198.51.100.100', '2464c4abcf10c957', 1559731985);
    expect(query).toMatchObject({ cookie: COOKIE_CLIENT_ONLY, verified: false, answersCookie: true });
    expect(replyOf(query)).toBe('2464c4abcf10c957010000005cf79f111f8130c3eee29480');
  });

  test('A.2: a cookie of 40 minutes is good, and renewed', () => {
    const cookie = '2464c4abcf10c957010000005cf79f111f8130c3eee29480';
    const query = examine([secret], '198.51.100.100', cookie, 1559734385);
    expect(query).toMatchObject({ cookie: COOKIE_GOOD, verified: true });
    expect(replyOf(query)).toBe('2464c4abcf10c957010000005cf7a871d4a564a1442aca77');
  });

  test('A.3: the reserved bytes count as they came', () => {
    const cookie = 'fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5';
    const query = examine([secret], '203.0.113.203', cookie, 1559728000);
    expect(query).toMatchObject({ cookie: COOKIE_GOOD, verified: true });
    expect(replyOf(query)).toBe(cookie);
    const renewed = examine([secret], '203.0.113.203', cookie.slice(0, 16), 1559734700);
    expect(replyOf(renewed)).toBe('fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e');
  });

  test('A.4: an IPv6 client, after the secret was rolled over', () => {
    const [before, now] = ['dd3bdf9344b678b185a6f5cb60fca715', '445536bcd2513298075a5d379663c962'];
    const cookie = '22681ab97d52c298010000005cf7c57926556bd0934c72f8';
    const client = '2001:db8:220:1:59de:d0f4:8769:82b8';
    expect(examine([now], client, cookie, 1559741961).cookie).toBe(COOKIE_BAD);
    const query = examine([now, before], client, cookie, 1559741961);
    expect(query).toMatchObject({ cookie: COOKIE_GOOD, verified: true });
    // Good, and young, but made with a secret that is on its way out.
    expect(replyOf(query)).toBe('22681ab97d52c298010000005cf7c609a6bb79d16625507a');
  });
});

const SECRET = '000102030405060708090a0b0c0d0e0f';

test('a cookie is good for its client alone, for an hour, and five minutes ahead of time', () => {
  const made = examine([SECRET], '192.0.2.1', '0123456789abcdef', 1_700_000_000).cookieReply;
  const at = (seconds: number, client = '192.0.2.1') => examine([SECRET], client, made, 1_700_000_000 + seconds);
  expect(at(0).verified).toBe(true);
  expect(at(3600).verified).toBe(true);
  expect(at(3601).cookie).toBe(COOKIE_BAD);
  expect(at(-300).verified).toBe(true);
  expect(at(-301).cookie).toBe(COOKIE_BAD);
  expect(at(0, '192.0.2.2').cookie).toBe(COOKIE_BAD);
  expect(at(0, '::c000:201').cookie).toBe(COOKIE_BAD);
  // What is good and young comes back as it was; what is bad is replaced.
  expect(at(1800).cookieReply).toEqual(made);
  expect(at(1801).cookieReply).not.toEqual(made);
  expect(at(3601).cookieReply.subarray(0, 8)).toEqual(made.subarray(0, 8));
});

test('time wraps around in 2106 (RFC 1982)', () => {
  const made = examine([SECRET], '192.0.2.1', '0123456789abcdef', 2 ** 32 - 10).cookieReply;
  expect(examine([SECRET], '192.0.2.1', made, 2 ** 32 + 10).verified).toBe(true);
});

test('one bit changed anywhere, and it is good no more', () => {
  const made = examine([SECRET], '192.0.2.1', '0123456789abcdef', 1_700_000_000).cookieReply;
  fc.assert(
    fc.property(fc.nat(made.length * 8 - 1), (bit) => {
      const changed = made.slice();
      changed[bit >> 3]! ^= 1 << (bit & 7);
      return examine([SECRET], '192.0.2.1', changed, 1_700_000_000).cookie === COOKIE_BAD;
    }),
  );
});

test('whatever stands in the option: verified means that we made it, and a good cookie comes back', () => {
  const length = fc.constantFrom(8, 16, 24, 40);
  const cookie = length.chain((n) => fc.uint8Array({ minLength: n, maxLength: n }));
  fc.assert(
    fc.property(cookie, (bytes) => {
      const query = examine([SECRET], '192.0.2.1', bytes, 1_700_000_000);
      const again = examine([SECRET], '192.0.2.1', query.cookieReply, 1_700_000_001);
      return !query.verified && again.verified && query.cookieReply.subarray(0, 8).every((b, i) => b === bytes[i]);
    }),
  );
});

test('secrets of another length, none, or too many are refused', () => {
  for (const secrets of [[], [new Uint8Array(15)], Array.from({ length: 5 }, () => new Uint8Array(16))])
    expect(() => new ServerCookies(secrets, () => 0)).toThrow(RangeError);
});
