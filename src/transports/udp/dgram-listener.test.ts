import { createSocket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import { encode } from 'dns-packet';
import { describe, expect, it } from 'vitest';
import { describeDatagramListener } from '../../../test/support/udp-suite.ts';
import type { PacketHandler } from '../../chain/routes.ts';
import { SuspendedQueries } from '../../chain/suspended.ts';
import { Metrics } from '../../metrics/registry.ts';
import { ManualClock } from '../../time/clock.ts';
import { Query } from '../../wire/query.ts';
import { beginReply } from '../../wire/writer.ts';
import { DgramListener } from './dgram-listener.ts';

/** Loopback addresses alone, as if each were configured. */
const LOOPBACKS = {
  lo: [
    ...['127.0.0.1', '127.0.0.2', '127.0.0.3'].map((address) => ({ address, family: 'IPv4' as const })),
    { address: '::1', family: 'IPv6' as const, scopeid: 0 },
  ].map((entry) => ({ ...entry, netmask: '', mac: '', internal: true, cidr: null })),
} as ReturnType<typeof networkInterfaces>;

describeDatagramListener('node:dgram', async (setup) => {
  const transport = await DgramListener.open({ ...setup, interfaces: LOOPBACKS });
  return { transport, stop: () => transport.close() };
});

function open(addresses: string[], handle: PacketHandler = () => false): Promise<DgramListener> {
  return DgramListener.open({
    addresses: addresses.map((address) => ({ address, port: 0 })),
    handle,
    clock: new ManualClock(),
    metrics: new Metrics(),
  });
}

describe('DgramListener', () => {
  it('binds a wildcard to every address of this machine, those of link-local scope included', async () => {
    const listener = await open(['0.0.0.0', '::']);
    const own = Object.values(networkInterfaces()).flatMap((entries) => (entries ?? []).map((entry) => entry.address));
    expect(listener.bound.map(({ address }) => address.replace(/%.*/, '')).sort()).toEqual(own.sort());
    const v4Ports = listener.bound.filter(({ address }) => !address.includes(':')).map(({ port }) => port);
    expect(new Set(v4Ports).size).toBe(1);
    listener.close();
  });

  it('says which address is taken and leaves nothing open', async () => {
    const first = await open(['127.0.0.1']);
    const { port } = first.bound[0]!;
    const parts = { handle: () => false, clock: new ManualClock(), metrics: new Metrics() };
    const addresses = [
      { address: '127.0.0.2', port },
      { address: '127.0.0.1', port },
    ];
    await expect(DgramListener.open({ ...parts, addresses })).rejects.toThrow(`EADDRINUSE 127.0.0.1:${port}`);
    const second = await DgramListener.open({ ...parts, addresses: addresses.slice(0, 1) });
    first.close();
    second.close();
  });

  it('refuses a wildcard that stands for nothing', async () => {
    const parts = { handle: () => false, clock: new ManualClock(), metrics: new Metrics(), interfaces: {} };
    await expect(DgramListener.open({ ...parts, addresses: [{ address: '::', port: 0 }] })).rejects.toThrow("'::'");
  });

  it('takes nothing more after stopReceiving but still answers those that wait; after close it does neither', async () => {
    const suspended = new SuspendedQueries(4);
    let held: (token: number) => void = () => {};
    const holding = new Promise<number>((resolve) => {
      held = resolve;
    });
    let handled = 0;
    const listener = await open(['127.0.0.1'], (query) => {
      handled++;
      query.reset();
      held(suspended.hold(query));
      return false;
    });
    const { port } = listener.bound[0]!;
    const client = createSocket('udp4');
    const reply = new Promise<Buffer>((resolve) => client.once('message', resolve));
    const packet = encode({ type: 'query', id: 4242, questions: [{ type: 'A', name: 'wait.example' }] });
    client.send(packet, port, '127.0.0.1');
    const token = await holding;
    listener.stopReceiving();
    await new Promise<void>((resolve) => client.send(packet, port, '127.0.0.1', () => resolve()));

    const query = new Query();
    suspended.restore(token, query, 1, 2);
    expect(listener.prepare(query)).toBe(true);
    beginReply(query, 5);
    listener.send(query);
    expect((await reply).readUInt16BE(0)).toBe(4242);
    expect(handled).toBe(1);

    listener.close();
    expect(listener.prepare(query)).toBe(false);
    expect(() => listener.send(query)).not.toThrow();
    client.close();
  });
});
