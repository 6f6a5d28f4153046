import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ListConfig } from '../../lists/list-config.ts';
import { ManualClock } from '../../time/clock.ts';
import { SubscriberState } from '../state.ts';
import { noticeDesk } from './notice-desk.ts';

test('a list of a single name is told by its category, also where its size is not known; others by their own name', async () => {
  const silent = { info: () => {}, error: () => {} };
  const state = new SubscriberState(mkdtempSync(join(tmpdir(), 'notices-')), new ManualClock(), silent as never);
  await state.putInForce({ terms: { version: '1', covers: ['c2'] }, groups: [], leaseMs: 1000 } as never);
  const holder = state.register.holderFor('4711');
  const lists = ['of-many', 'of-one', 'of-none-yet'].map((name) => ({ name, category: 'c2' }) as ListConfig);
  const sizes = [2, 1, undefined];
  const desk = noticeDesk(
    state,
    lists,
    (list) => sizes[list],
    { record: () => {} },
    silent,
    () => true,
  );
  await desk.record([0, 1, 2].map((list) => ({ holder, list, count: list + 1 })));
  expect((await state.notices.list('4711')).map(({ list, count }) => [list, count])).toEqual(
    expect.arrayContaining([
      ['of-many', 1],
      ['c2', 5],
    ]),
  );
  expect(await state.notices.list('4711')).toHaveLength(2);
  await state.close();
});
