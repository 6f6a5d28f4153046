import { expect, test } from 'vitest';
import type { Config } from '../config/config.ts';
import type { Ground } from '../grounds/ground.ts';
import { markEndedGrounds } from './configured-grounds.ts';

const ground = (): Ground => ({
  kind: 'self-defence',
  effect: 'floods the resolver of the north',
  evidence: 'graph of 14:10, ticket 4711',
  approver: 'K. Sato',
  expires: '2026-04-01T00:00:00Z',
});

test('a ground that is on record as ended is marked wherever it stands: in a list, a plugin, or a section of any feature', () => {
  const [ofList, ofPlugin, ofFeature, running] = [ground(), ground(), ground(), { ...ground(), approver: 'N. Abe' }];
  const config = {
    lists: [{ name: 'own', ground: ofList }],
    plugins: [{ name: 'sinkhole', options: { rules: [{ name: 'a.example', ground: ofPlugin }] } }],
    tide: { level: 3, ground: ofFeature, other: running },
  } as unknown as Config;
  markEndedGrounds(config, { hasEnded: (each) => each.approver === 'K. Sato' });
  expect([ofList, ofPlugin, ofFeature, running].map(({ ended }) => ended)).toEqual([
    'on record',
    'on record',
    'on record',
    undefined,
  ]);
});
