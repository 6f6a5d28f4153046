/** A measures desk that holds nothing and takes nothing: for tests of what stands around it. */

import { MeasureDesk } from '../../src/rules/desk.ts';
import { systemClock } from '../../src/time/clock.ts';

export function measuresWithoutStore(): MeasureDesk {
  const silent = () => {};
  const log = { info: silent, warn: silent, error: silent };
  return new MeasureDesk({ store: undefined, clock: systemClock, audit: { record: silent }, log });
}
