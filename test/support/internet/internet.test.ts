import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { askUdp } from '../dns-client.ts';
import { type Internet, internetMissing, startInternet } from './internet.ts';

const missing = internetMissing();
if (missing !== undefined) console.warn(`The synthetic internet is not tested: ${missing}.`);

describe.skipIf(missing !== undefined)('the synthetic internet', () => {
  let internet: Internet;
  beforeAll(async () => {
    internet = await startInternet({ bulk: 6 });
  });
  afterAll(async () => internet?.stop());

  it('has a root that refers to the servers of a top-level domain, over IPv4 and IPv6', async () => {
    for (const host of ['198.41.0.4', '2001:503:ba3e::2:30']) {
      const { answers, authorities } = await askUdp({ name: 'www.d000000.com', rd: false }, { host, port: 53 });
      expect(answers).toEqual([]);
      expect(authorities.map(({ name, type }) => `${name} ${type}`)).toContain('com NS');
    }
  });

  it('counts what a misbehaving server is asked', async () => {
    const before = internet.received('refused').udp;
    const { rcode } = await askUdp({ name: 'www.refused.net', rd: false }, { host: '198.18.254.3', port: 53 });
    expect(rcode).toBe(5);
    await expect.poll(() => internet.received('refused').udp).toBe(before + 1);
  });

  it('says what a validating resolver must answer', () => {
    expect(internet.expected.length).toBeGreaterThan(60);
    expect(internet.expected.find(({ name }) => name === 'www.expired.com.')).toMatchObject({
      rcode: 'SERVFAIL',
      ad: false,
    });
  });
});
