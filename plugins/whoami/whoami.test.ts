import { expect, test } from 'vitest';
import { mount, mountBoth } from '../../src/testing/testing.ts';
import whoami from './index.ts';

test('an IPv4 client sees its address, port and transport', async () => {
  const reply = await mount(whoami, { name: 'who.example' }).ask({
    name: 'WHO.example',
    client: '192.0.2.7',
    port: 4711,
  });
  expect(reply.answers).toMatchObject([{ name: 'WHO.example', type: 'A', ttl: 0, data: '192.0.2.7' }]);
  expect(reply.additionals).toMatchObject([{ type: 'SRV', data: { weight: 17, port: 4711 } }]);
});

test('an IPv6 client over TCP sees its own', async () => {
  const reply = await mount(whoami, {}).ask({
    name: 'whoami.sekisho.internal',
    type: 'AAAA',
    client: '2001:db8::7',
    transport: 'tcp',
  });
  expect(reply.answers).toMatchObject([{ type: 'AAAA', data: '2001:db8::7' }]);
  expect(reply.additionals).toMatchObject([{ data: { weight: 6 } }]);
});

test('the other address type is there without data', async () => {
  const reply = await mount(whoami, {}).ask({ name: 'whoami.sekisho.internal', type: 'AAAA', client: '192.0.2.7' });
  expect(reply).toMatchObject({ rcode: 'NOERROR', answers: [], authorities: [{ type: 'SOA' }] });
});

test('every other name goes on', async () => {
  const mounted = mount(whoami, {});
  expect((await mounted.ask({ name: 'x.whoami.sekisho.internal' })).answers).toMatchObject([{ data: '192.0.2.99' }]);
  expect(mounted.counter('sekisho_whoami_answered_total')).toBe(0);
});

test('a name that is none is an error about that option', () => {
  expect(() => mount(whoami, { name: 'a..b' })).toThrow(/name: 'a..b' has an empty label/);
});

test('it has no control half: mounted with both, it answers the same and brings no route', async () => {
  const both = await mountBoth(whoami, { name: 'who.example' });
  try {
    expect((await both.ask({ name: 'who.example', client: '192.0.2.7' })).answers).toMatchObject([
      { data: '192.0.2.7' },
    ]);
    expect((await both.request('operator', 'GET', '/v1/whoami')).status).toBe(404);
  } finally {
    await both.close();
  }
});
