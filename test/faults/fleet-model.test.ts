/** The protocol of fleets against its model, over seeded histories of toggles and faults. `npm run soak -- fleet` runs many more. */
import { describe, expect, it } from 'vitest';
import { historyOf, minimised, run } from '../support/fleet/history.ts';

const HISTORIES = 40;
const LENGTH = 120;

describe('the promise of a fleet', () => {
  it('holds over histories of kills, pauses, partitions and crashes of the engine', async () => {
    let [acknowledged, inspected] = [0, 0];
    for (let seed = 1; seed <= HISTORIES; seed++) {
      const steps = historyOf(seed, LENGTH);
      const outcome = await run(steps, seed);
      if (outcome.violation !== undefined) {
        const shortest = await minimised(steps, seed);
        expect.fail(`seed ${seed}: ${outcome.violation}; shortest: ${JSON.stringify(shortest)}`);
      }
      acknowledged += outcome.acknowledged;
      inspected += outcome.inspected;
    }
    // Else nothing was shown.
    expect(acknowledged).toBeGreaterThan(HISTORIES * 20);
    expect(inspected).toBeGreaterThan(HISTORIES * 1000);
  });
});
