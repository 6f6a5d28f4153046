import { expect, it } from 'vitest';
import { addressWords } from '../../address/address.ts';
import { HandshakeGate } from './handshake-limits.ts';

function begun(gate: HandshakeGate, address: string, tries: number, nowMs: number): number {
  const words = addressWords(address);
  return Array.from({ length: tries }, () => gate.admits(words, nowMs)).filter(Boolean).length;
}

it('a network begins its rate, two seconds of it at once; its neighbours share it and others do not', () => {
  const gate = new HandshakeGate({ perSecond: 1000, perNetwork: 10 });
  expect(begun(gate, '192.0.2.1', 100, 0)).toBe(20);
  expect(begun(gate, '192.0.2.200', 100, 0)).toBe(0);
  expect(begun(gate, '192.0.3.1', 100, 0)).toBe(20);
  expect(begun(gate, '2001:db8:0:1::1', 100, 0)).toBe(20);
  expect(begun(gate, '2001:db8:0:2::1', 100, 0)).toBe(0);
  expect(begun(gate, '2001:db8:0:100::1', 100, 0)).toBe(20);
  expect(begun(gate, '192.0.2.1', 100, 500)).toBe(5);
  expect(begun(gate, '192.0.2.1', 100, 100_000)).toBe(20);
});

it('all together begin no more than the worker can, and one over its own rate takes nothing from the others', () => {
  const gate = new HandshakeGate({ perSecond: 50, perNetwork: 10 });
  expect(begun(gate, '192.0.2.1', 10_000, 0)).toBe(20);
  const others = Array.from({ length: 20 }, (_, i) => begun(gate, `198.51.${i}.1`, 20, 0));
  expect(others.reduce((sum, count) => sum + count)).toBe(80);
});
