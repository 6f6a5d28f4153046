import { describe, expect, it } from 'vitest';
import { addressText, addressWords, prefixText } from '../address/address.ts';
import { ClientPlaces } from './client-places.ts';
import { type DropSink, HeavySources, TERM_MS } from './heavy-sources.ts';

function setup(room = Number.POSITIVE_INFINITY) {
  const inForce = new Map<string, number>();
  const sink: DropSink = {
    dropHost: (words, { passPerSecond }) => put(addressText(words), passPerSecond),
    dropNetwork: (network, _, { passPerSecond }) => put(prefixText(network), passPerSecond),
    removeHost: (words) => void inForce.delete(addressText(words)),
    removeNetwork: (network) => void inForce.delete(prefixText(network)),
  };
  function put(text: string, rate: number): boolean {
    if (inForce.size >= room) return false;
    inForce.set(text, rate);
    return true;
  }
  const heavy = new HeavySources(sink);
  const places = new ClientPlaces([1, 2]);
  const shed = (address: string, times: number, { network = false, share = 5, nowMs = 0 } = {}) => {
    const words = addressWords(address);
    const family = address.includes(':') ? 6 : 4;
    for (let i = 0; i < times; i++) {
      places.find(words, family);
      heavy.shed(words, family, places, network, share, nowMs);
    }
  };
  return { heavy, shed, inForce };
}

describe('heavy sources', () => {
  it('are those of which much is shed in one epoch; they keep their share as a rate', () => {
    const { heavy, shed, inForce } = setup();
    shed('192.0.2.9', 127);
    heavy.clear(25, 5, 40);
    shed('192.0.2.9', 127);
    expect(inForce.size).toBe(0);
    shed('192.0.2.9', 1, { share: 5 });
    expect([...inForce]).toEqual([['192.0.2.9', 200]]);
  });

  it('get what the share has become since: nobody gets less than without the kernel', () => {
    const { heavy, shed, inForce } = setup();
    shed('192.0.2.9', 128, { share: 1 });
    shed('198.51.100.7', 128, { network: true, share: 8 });
    expect([...inForce.values()]).toEqual([40, 320]);
    heavy.clear(25, 2, 16);
    expect([...inForce.values()]).toEqual([80, 640]);
    heavy.clear(50, 100, 800);
    expect([...inForce.values()]).toEqual([4000, 32_000]);
    heavy.clear(75, 110, 880);
    expect([...inForce.values()]).toEqual([4000, 32_000]);
  });

  it('of IPv6 are a /64; networks are a /24 or a /56', () => {
    const { shed, inForce } = setup();
    shed('2001:db8:1:203::1', 70);
    shed('2001:db8:1:203::2', 70);
    shed('198.51.100.7', 128, { network: true });
    shed('2001:db8:2:3ff::1', 128, { network: true });
    expect([...inForce.keys()]).toEqual(['2001:db8:1:203::', '198.51.100.0/24', '2001:db8:2:300::/56']);
  });

  it('go free when their term is over, and all of them when nothing is shed any more', () => {
    const { heavy, shed, inForce } = setup();
    shed('192.0.2.9', 128, { nowMs: 0 });
    heavy.clear(25, 5, 40);
    shed('192.0.2.10', 128, { nowMs: 1000 });
    heavy.clear(TERM_MS, 5, 40);
    expect([...inForce.keys()]).toEqual(['192.0.2.10']);
    heavy.end();
    expect([inForce.size, heavy.size]).toEqual([0, 0]);
  });

  it('are bounded in one epoch and in all, and a full table is no harm', () => {
    const { heavy, shed, inForce } = setup();
    for (let i = 0; i < 100; i++) shed(`10.1.${i}.1`, 200);
    expect(inForce.size).toBe(32);
    for (let epoch = 1; epoch < 60; epoch++) {
      heavy.clear(epoch, 5, 40);
      for (let i = 0; i < 60; i++) shed(`10.${epoch + 1}.${i}.1`, 200, { nowMs: epoch });
    }
    expect(inForce.size).toBe(256);
    const full = setup(1);
    full.shed('192.0.2.9', 128);
    full.shed('192.0.2.10', 128);
    expect([full.inForce.size, full.heavy.size]).toEqual([1, 1]);
  });

  it('never are those who share a place with one that is heavier', () => {
    const { shed, inForce } = setup();
    // Many modest ones among one heavy: whatever place they have, none of them is shed more than it.
    for (let round = 0; round < 200; round++) {
      shed('192.0.2.9', 3);
      shed(`10.7.${round}.1`, 1);
    }
    expect([...inForce.keys()]).toEqual(['192.0.2.9']);
  });
});
