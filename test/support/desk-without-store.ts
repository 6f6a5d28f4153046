/** A rules desk that holds nothing and takes nothing: for tests of what stands around it. */

import { RulesDesk } from '../../src/rules/desk.ts';
import { systemClock } from '../../src/time/clock.ts';

export function rulesWithoutStore(): RulesDesk {
  const silent = () => {};
  const log = { info: silent, warn: silent, error: silent };
  return new RulesDesk({ store: undefined, rules: [], clock: systemClock, audit: { record: silent }, log });
}
