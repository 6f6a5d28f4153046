import { expect, test } from 'vitest';
import { mountBoth } from '../../src/testing/testing.ts';
import plugin from './index.ts';

test('networks that owe are shown for a purpose, with the entry in the audit log first', async () => {
  const both = await mountBoth(plugin, {});
  try {
    const path = '/v1/amp-shaper/networks';
    expect((await both.request(undefined, 'GET', path)).status).toBe(401);
    expect((await both.request('privacy', 'GET', path)).status).toBe(403);
    expect((await both.request('operator', 'GET', path)).status).toBe(400);
    expect((await both.request('operator', 'GET', `${path}?limit=0&reason=who+floods+us`)).status).toBe(400);
    expect(both.audited).toEqual([]);
    const seen = await both.request('operator', 'GET', `${path}?reason=who+floods+us`);
    expect(seen).toMatchObject({ status: 200, body: { networks: [] } });
    expect(both.audited).toMatchObject([{ action: 'amp-shaper.networks', purpose: 'who floods us', who: 'operator' }]);
  } finally {
    await both.close();
  }
});
