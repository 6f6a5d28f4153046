import { describe, expect, it } from 'vitest';
import { advice } from './advice.ts';
import { GUARD_REASONS } from './verdict.ts';

const said = (...reasons: (typeof GUARD_REASONS)[number][]) =>
  advice(
    'feed',
    reasons.map((reason) => ({ reason })),
  );

describe('what would accept a version that is held back', () => {
  it.each(GUARD_REASONS)('is said for %s', (reason) => {
    expect(said(reason)[0]).toMatch(new RegExp(`^${reason}: `));
  });

  it('names the override, but not where nothing can be loaded', () => {
    expect(said('shrank')).toContain(
      'accept it as it is: sekisho lists reload feed --override --approver WHO --reason TEXT',
    );
    expect(said('not-a-list').join()).not.toContain('reload feed --override');
  });

  it('offers to load without the names only where names are what is wrong', () => {
    expect(said('shrank').join()).not.toContain('--without');
    expect(said('shrank', 'popular-name').join()).toContain('load without these names');
  });
});
