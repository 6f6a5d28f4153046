import { describe, expect, it } from 'vitest';
import { Metrics } from '../../metrics/registry.ts';
import { FIRST_TIMEOUT_MS, MAX_SERVERS, MAX_TIMEOUT_MS, MIN_TIMEOUT_MS, UpstreamServers } from './servers.ts';

/** No exploring: 16 bits that are no multiple of 64. */
const CALM = 1;

function make(count: number): UpstreamServers {
  const configs = Array.from({ length: count }, (_, i) => ({ address: `192.0.2.${i + 1}`, port: 53, trusted: false }));
  return new UpstreamServers(configs, new Metrics());
}

describe('patience', () => {
  it('follows latency and its deviation (RFC 6298), within bounds', () => {
    const servers = make(1);
    const server = servers.list[0]!;
    expect(server.timeoutMs).toBe(FIRST_TIMEOUT_MS);
    servers.answered(server, 300, 0);
    expect(server.timeoutMs).toBe(300 + 4 * 150);
    servers.answered(server, 100, 0);
    expect(server.deviationMs).toBeCloseTo(150 + (200 - 150) / 4);
    expect(server.srttMs).toBeCloseTo(275);
    for (let i = 0; i < 100; i++) servers.answered(server, 2, 0);
    expect(server.timeoutMs).toBe(MIN_TIMEOUT_MS);
    for (let i = 0; i < 100; i++) servers.answered(server, 5000, 0);
    expect(server.timeoutMs).toBe(MAX_TIMEOUT_MS);
  });

  it('an answer that cannot be told apart from another says nothing about latency', () => {
    const servers = make(1);
    servers.answered(servers.list[0]!, -1, 0);
    expect(servers.list[0]!.measured).toBe(false);
  });
});

describe('choice', () => {
  it('asks each server once at first, then the fastest', () => {
    const servers = make(3);
    const first = [0, 1, 2].map(() => {
      const server = servers.choose(1000, 0, CALM)!;
      server.lastSentMs = 1000;
      return server.index;
    });
    expect(first).toEqual([0, 1, 2]);
    [30, 10, 20].forEach((rtt, i) => {
      servers.answered(servers.list[i]!, rtt, 1000);
    });
    expect(servers.choose(1001, 0, CALM)?.index).toBe(1);
    expect(servers.choose(1001, 0b010, CALM)?.index).toBe(2);
    expect(servers.choose(1001, 0b111, CALM)).toBeUndefined();
  });

  it('explores with one random number in 64, and what was not asked for ten seconds', () => {
    const servers = make(2);
    for (const server of servers.list) {
      server.lastSentMs = 0;
      servers.answered(server, server.index === 0 ? 5 : 50, 0);
    }
    let other = 0;
    for (let random = 0; random < 65536; random++) if (servers.choose(1, 0, random)!.index === 1) other++;
    expect(other / 65536).toBeCloseTo(1 / 128, 3);
    servers.list[0]!.lastSentMs = 10_500;
    expect(servers.choose(10_501, 0, CALM)?.index).toBe(1);
    // Not with a query that was unlucky already.
    expect(servers.choose(10_501, 0b01, CALM)?.index).toBe(1);
    expect(servers.choose(10_501, 0b10, CALM)?.index).toBe(0);
  });

  it('one unanswered query makes the next best preferred', () => {
    const servers = make(2);
    for (const server of servers.list) {
      server.lastSentMs = 0;
      servers.answered(server, server.index === 0 ? 5 : 50, 0);
    }
    servers.timedOut(servers.list[0]!, 1, false);
    expect(servers.choose(2, 0, CALM)?.index).toBe(1);
    servers.answered(servers.list[0]!, 5, 3);
    expect(servers.choose(3, 0, CALM)?.index).toBe(0);
  });
});

describe('health', () => {
  it('down takes three in a row, the last of them a probe; one answer brings it back', () => {
    const servers = make(2);
    const server = servers.list[0]!;
    for (let i = 0; i < 10; i++) servers.timedOut(server, i, false);
    expect([server.doubted, server.down, servers.up]).toEqual([true, false, 2]);
    servers.timedOut(server, 11, true);
    expect([server.down, servers.up]).toEqual([true, 1]);
    servers.timedOut(server, 12, true);
    expect(servers.up).toBe(1);
    servers.answered(server, 5, 20);
    expect([server.doubted, server.down, servers.up]).toEqual([false, false, 2]);
  });

  it('what was sent before its last answer is no evidence', () => {
    const servers = make(1);
    const server = servers.list[0]!;
    servers.answered(server, 5, 100);
    for (let i = 0; i < 10; i++) servers.timedOut(server, 99, false);
    expect(server.doubted).toBe(false);
  });
});

it('refuses no servers, too many, and what is no address', () => {
  expect(() => make(0)).toThrow(RangeError);
  expect(() => make(MAX_SERVERS + 1)).toThrow(RangeError);
  expect(() => new UpstreamServers([{ address: 'dns.example', port: 53, trusted: false }], new Metrics())).toThrow(
    'no IP address',
  );
});
