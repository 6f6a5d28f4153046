import { describe, expect, test } from 'vitest';
import { mount } from '../../src/testing/testing.ts';
import access from './index.ts';

const server = { access: ['192.0.2.0/24', '2001:db8::/32'] };

describe.each(['udp', 'tcp'] as const)('over %s', (transport) => {
  test.each(['192.0.2.7', '2001:db8::7'])('%s is inside and gets its answer', async (client) => {
    const reply = await mount(access, {}, { server }).ask({ name: 'a.example', client, transport });
    expect(reply).toMatchObject({ rcode: 'NOERROR', answers: [{ data: '192.0.2.99' }] });
  });

  test.each(['198.51.100.7', '127.0.0.1', '2001:db9::7', '::1'])(
    '%s is outside, refused and counted',
    async (client) => {
      const gate = mount(access, {}, { server });
      expect(await gate.ask({ name: 'a.example', client, transport })).toMatchObject({ rcode: 'REFUSED', answers: [] });
      expect(gate.counter('sekisho_access_outsiders_total')).toBe(1);
    },
  );

  test('outsiders: drop sends nothing, and counts', async () => {
    const gate = mount(access, { outsiders: 'drop' }, { server });
    expect(await gate.ask({ name: 'a.example', client: '198.51.100.7', transport })).toMatchObject({ sent: false });
    expect(gate.counter('sekisho_access_outsiders_total')).toBe(1);
    expect(gate.counter('sekisho_drops_total', { reason: 'plugin' })).toBe(1);
  });
});

test('explain names the networks', () => {
  const gate = mount(access, {}, { server });
  expect(gate.explain({ name: 'a.example', client: '198.51.100.7' })).toMatchObject({
    reason: expect.stringContaining('192.0.2.0/24'),
  });
  expect(gate.explain({ name: 'a.example', client: '192.0.2.1' })).toMatchObject({ verdict: 0 });
  expect(gate.counter('sekisho_access_outsiders_total')).toBe(0);
});
