import type { NetworkInterfaceInfo } from 'node:os';
import { describe, expect, it } from 'vitest';
import { addressText } from '../../address/address.ts';
import { type FastPathOptions, planFastPath } from './fast-path-plan.ts';
import type { InterfaceFacts } from './interface-facts.ts';

const entry = (address: string, internal = false): NetworkInterfaceInfo =>
  ({
    address,
    internal,
    family: address.includes(':') ? 'IPv6' : 'IPv4',
    scopeid: address.startsWith('fe80') ? 2 : 0,
  }) as never;
const ADDRESSES = {
  lo: [entry('127.0.0.1', true), entry('::1', true)],
  eth0: [entry('192.0.2.53'), entry('2001:db8::53'), entry('fe80::1')],
  'eth0.77': [entry('198.51.100.53')],
  eth1: [entry('203.0.113.53')],
};
const card = (name: string, more: Partial<InterfaceFacts> = {}): InterfaceFacts => ({
  name,
  index: name.length,
  mac: new Uint8Array(6),
  mtu: 1500,
  up: true,
  loopback: name === 'lo',
  queues: 4,
  ...more,
});
const CARDS: Record<string, InterfaceFacts> = {
  lo: card('lo'),
  eth0: card('eth0'),
  'eth0.77': card('eth0.77', { vlan: { id: 77, lower: 'eth0' } }),
  eth1: card('eth1', { queues: 1 }),
};

function plan(
  listen: string[],
  { workers = 2, cautious = false, ...options }: Partial<FastPathOptions & { workers: number; cautious: boolean }> = {},
) {
  const entries = listen.map((address) => ({ address, port: 53, ...(address === '192.0.2.99' && { proxies: [] }) }));
  const { interfaces, reasons } = planFastPath({
    listen: entries,
    workers,
    cautious,
    options: {
      interfaces: 'auto',
      queues: 'auto',
      zeroCopy: true,
      generic: false,
      busyPollMicroseconds: 0,
      ...options,
    },
    addresses: ADDRESSES,
    facts: (name) => CARDS[name],
  });
  const shown = interfaces.map(({ facts, queues, places }) => [
    facts.name,
    queues.length,
    places.map(({ words, vlan, listener }) => `${addressText(Int32Array.from(words))} ${vlan} ${listener}`),
  ]);
  return { shown, reasons };
}

describe('the plan of the fast path', () => {
  it('finds interfaces by the addresses of server.listen', () => {
    const { shown, reasons } = plan(['192.0.2.53', '2001:db8::53', '127.0.0.1']);
    expect(shown).toEqual([['eth0', 4, ['192.0.2.53 0 0', '2001:db8::53 0 1']]]);
    expect(reasons).toEqual(['127.0.0.1:53 is on the loopback interface, which the kernel serves best']);
  });

  it('takes a wildcard for every address outside the loopback and the link, on every interface', () => {
    const { shown } = plan(['::'], { workers: 1 });
    expect(shown).toEqual([['eth0', 4, ['2001:db8::53 0 0']]]);
    const all = ['192.0.2.53', '198.51.100.53', '203.0.113.53'];
    expect(plan(['0.0.0.0'], { workers: 1 }).shown).toEqual([
      ['eth0', 4, [0, 77].flatMap((vlan) => all.map((each) => `${each} ${vlan} 0`))],
      ['eth1', 1, all.map((each) => `${each} 0 0`)],
    ]);
  });

  it('serves a VLAN at the interface below, by its tag', () => {
    expect(plan(['198.51.100.53']).shown).toEqual([['eth0', 4, ['198.51.100.53 77 0']]]);
  });

  it('leaves listeners of proxies, and addresses that nobody has, to the sockets', () => {
    const { shown, reasons } = plan(['192.0.2.99', '192.0.2.1']);
    expect(shown).toEqual([]);
    expect(reasons.join('\n')).toMatch(/hears proxies.*\n.*no interface has this address/);
    expect(plan(['192.0.2.1'], { interfaces: ['eth0'] }).shown).toEqual([['eth0', 4, ['192.0.2.1 0 0']]]);
  });

  it('says what named interfaces and queues there are not', () => {
    expect(plan(['192.0.2.53'], { interfaces: ['eth7'] }).reasons).toEqual(["there is no interface 'eth7'"]);
    expect(plan(['192.0.2.53'], { queues: [7] }).reasons.join()).toMatch(/4 receive queues, and none of/);
    expect(plan(['192.0.2.53'], { queues: [3, 1, 9], workers: 1 }).shown[0]?.[1]).toBe(2);
  });

  it('with auto takes no interface with fewer queues than workers; asked for by name it does, and says who goes without', () => {
    expect(plan(['203.0.113.53'], { cautious: true })).toMatchObject({
      shown: [],
      reasons: [expect.stringContaining('ethtool -L eth1 combined 2')],
    });
    const { shown, reasons } = plan(['203.0.113.53']);
    expect(shown.length).toBe(1);
    expect(reasons.join()).toMatch(/1 receive queues for 2 workers: 1 get only what comes by sockets/);
  });
});
