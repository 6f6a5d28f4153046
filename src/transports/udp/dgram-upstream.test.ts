import { describe, expect, it } from 'vitest';
import { describeUpstreamSockets } from '../../../test/support/udp-suite.ts';
import { Metrics } from '../../metrics/registry.ts';
import { DgramUpstream } from './dgram-upstream.ts';
import { SocketBudget } from './source-ports.ts';

describeUpstreamSockets('node:dgram', async (setup) => {
  const transport = new DgramUpstream(setup);
  return { transport, stop: () => transport.close() };
});

describe('DgramUpstream', () => {
  it('sends nothing to port 0 nor after close, and counts it', () => {
    const metrics = new Metrics();
    const sink = { datagram: () => {} };
    const sockets = new DgramUpstream({
      sink,
      sourcePorts: new SocketBudget(2),
      random32: () => 0x8000_0000,
      metrics,
      nowMs: () => 0,
    });
    const bytes = new Uint8Array(12);
    const address = Int32Array.of(0, 0, 0xffff, 0x7f000001);
    expect(sockets.send(bytes, 0, 12, address, 0)).toBe(-1);
    sockets.close();
    expect(sockets.send(bytes, 0, 12, address, 53)).toBe(-1);
    expect(metrics.values[metrics.counter('sekisho_upstream_send_errors_total', '')]).toBe(2);
  });

  it('gives up where every port it draws is taken', () => {
    const metrics = new Metrics();
    const parts = {
      sink: { datagram: () => {} },
      sourcePorts: new SocketBudget(2),
      random32: () => 0x3000_0000,
      metrics,
      nowMs: () => 0,
    };
    const holder = new DgramUpstream(parts);
    const other = new DgramUpstream(parts);
    const bytes = new Uint8Array(12);
    const address = Int32Array.of(0, 0, 0xffff, 0x7f000001);
    expect(holder.send(bytes, 0, 12, address, 9)).toBeGreaterThanOrEqual(0);
    expect(other.send(bytes, 0, 12, address, 9)).toBe(-1);
    holder.close();
    other.close();
  });
});
