import { Replay } from '../../test/scenarios/replay.ts';
import { SCENARIOS } from '../../test/scenarios/scenarios.ts';
import { scored } from '../../test/scenarios/score.ts';

for (const [i, scenario] of SCENARIOS.entries()) {
  const began = performance.now();
  const replay = new Replay(11_000 + i, { worldSeed: 11 });
  const made = performance.now();
  const { right } = await scored(replay, scenario);
  process.stdout.write(
    `${scenario.name} ${right} ${Math.round(made - began)} ${Math.round(performance.now() - made)}\n`,
  );
}
