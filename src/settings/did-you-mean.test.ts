import { describe, expect, it } from 'vitest';
import { didYouMean } from './did-you-mean.ts';

const keys = ['listen', 'workers', 'access', 'data', 'idle-timeout', 'size'];

describe('didYouMean', () => {
  it.each([
    ['lissen', 'listen'],
    ['worker', 'workers'],
    ['acess', 'access'],
    ['dta', 'data'],
    ['idle_timeout', 'idle-timeout'],
    ['idleTimeout', 'idle-timeout'],
    ['Size', 'size'],
    ['lsiten', 'listen'],
  ])('takes %s for %s', (word, meant) => {
    expect(didYouMean(word, keys)).toBe(meant);
  });

  it('proposes nothing that is far away or shares nothing', () => {
    expect(didYouMean('subscribers', keys)).toBeUndefined();
    expect(didYouMean('b', ['a'])).toBeUndefined();
    expect(didYouMean('', keys)).toBeUndefined();
    expect(didYouMean('x'.repeat(5000), keys)).toBeUndefined();
  });
});
