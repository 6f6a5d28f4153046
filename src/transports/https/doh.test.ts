import { encode } from 'dns-packet';
import { describe, expect, it } from 'vitest';
import { readRequest } from './doh-request.ts';
import { freshSeconds, maxAge } from './http-lifetime.ts';

const into = new Uint8Array(512);
const read = (headers: Record<string, string>) => readRequest(headers, '/dns-query', into, 512);
const status = (headers: Record<string, string>) => {
  const found = read(headers);
  return typeof found === 'number' ? found : found.status;
};
const get = (path: string) => ({ ':method': 'GET', ':path': path });

describe('a request of DNS over HTTPS', () => {
  it('holds its message in the path, in base64url', () => {
    const message = Buffer.from([0xfb, 0xff, 0xbf, 1, 2]);
    for (const path of ['?dns=', '?a=b&dns=', '?dns=&dns2=', '?xdns=1&dns='].map((query) => `/dns-query${query}`)) {
      const whole = path.includes('dns2')
        ? `/dns-query?dns=${message.toString('base64url')}&dns2=1`
        : `${path}${message.toString('base64url')}`;
      expect(read(get(whole)), whole).toBe(5);
      expect(Buffer.from(into.subarray(0, 5))).toEqual(message);
    }
  });

  it('or in its body', () => {
    const post = (type: string) => status({ ':method': 'POST', ':path': '/dns-query', 'content-type': type });
    expect(post('application/dns-message')).toBe(0);
    expect(post('application/dns-message; charset=x')).toBe(0);
    expect(post('application/dns-messages')).toBe(415);
    expect(post('')).toBe(415);
  });

  it.each([
    ['/', 404],
    ['/dns-query/', 404],
    ['/dns-query', 400],
    ['/dns-query?dns=', 400],
    ['/dns-query?dns=AA+A', 400],
    ['/dns-query?xdns=AAAA', 400],
    [`/dns-query?dns=${'A'.repeat(684)}`, 414],
  ])('%s is refused with %i', (path, expected) => {
    expect(status(get(path))).toBe(expected);
  });
});

describe('the lifetime that HTTP is told', () => {
  const soa = (ttl: number, minimum: number) => ({
    type: 'SOA' as const,
    name: 'test',
    ttl,
    data: { mname: 'a', rname: 'b', serial: 1, refresh: 1, retry: 1, expire: 1, minimum },
  });
  const a = (ttl: number) => ({ type: 'A' as const, name: 'a.test', ttl, data: '192.0.2.1' });
  it.each([
    ['the least TTL of the answer', { answers: [a(300), a(20)], authorities: [] }, 20],
    ["a negative answer's minimum", { answers: [], authorities: [soa(900, 60)] }, 60],
    ["its SOA's TTL where that is less", { answers: [], authorities: [soa(30, 60)] }, 30],
    ['an alias to nothing', { answers: [a(10)], authorities: [soa(30, 60)] }, 10],
    ['nothing that says it', { answers: [], authorities: [] }, 0],
    ['a day at most', { answers: [a(900_000)], authorities: [] }, 86_400],
  ])('%s', (_, { answers, authorities }, expected) => {
    const bytes = encode({ type: 'response', questions: [{ type: 'A', name: 'a.test' }], answers, authorities });
    expect(freshSeconds(bytes, 0, bytes.length)).toBe(expected);
  });

  it('of what cannot be read is none', () => {
    expect(freshSeconds(new Uint8Array(5), 0, 5)).toBe(0);
  });

  it('is said in seconds, above five minutes in whole minutes', () => {
    expect([0, 1, 300, 301, 3_659].map(maxAge)).toEqual([
      'max-age=0',
      'max-age=1',
      'max-age=300',
      'max-age=300',
      'max-age=3600',
    ]);
    expect(maxAge(77)).toBe(maxAge(77));
  });
});
