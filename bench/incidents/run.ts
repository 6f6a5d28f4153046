/**
 * `npm run bench -- incidents`: the diagnosis against the truth, over many seeds, through recorder, desk and archive by a clock that
 * is turned. Rules that are offered are applied to the very events. bench/README.md has the figures and says what they mean.
 */
import { parseArgs } from 'node:util';
import { Replay, type ReplaySettings } from '../../test/scenarios/replay.ts';
import { SCENARIOS } from '../../test/scenarios/scenarios.ts';
import { type Score, scored } from '../../test/scenarios/score.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '5' },
    from: { type: 'string', default: '5001' },
    scenario: { type: 'string', default: '' },
    verbose: { type: 'boolean', default: false },
  },
});

interface Variation extends ReplaySettings {
  readonly what: string;
  readonly strength?: readonly [number, number];
}

const VARIATIONS: readonly Variation[] = [
  { what: 'evening' },
  { what: 'four in the morning', hoursLater: 10 },
  { what: 'four times the size', peak: 400, hoursLater: -2 },
  { what: '1.3 times the load', peak: 300, strength: [0.3, 0.31] },
  { what: 'ten times the load', strength: [9, 10] },
];

const chosen = SCENARIOS.filter(({ name }) => name.includes(values.scenario));
const scores: (Score & { readonly what: string; readonly truth: string })[] = [];
for (let seed = Number(values.from); seed < Number(values.from) + Number(values.seeds); seed++)
  for (const { what, strength, ...settings } of VARIATIONS)
    for (const [i, scenario] of chosen.entries()) {
      const replay = new Replay(seed * 1000 + i, { worldSeed: seed, ...settings });
      if (strength) replay.world.strength = strength;
      const score = await scored(replay, scenario);
      scores.push({ what: `${what}, seed ${seed}`, truth: scenario.truth, ...score });
      const accused = score.removes === undefined && score.report.proposals.length > 0;
      if (!score.right || short(score) || accused || values.verbose)
        process.stdout.write(
          `${accused ? 'INNOCENT ' : ''}${score.right ? '' : 'WRONG '}${short(score) ? 'RULE ' : ''}${what}, seed ${seed}, ${scenario.name}: removes ${score.removes?.toFixed(3)}, hits ${score.hits?.toFixed(4)}: ${score.said}\n\n`,
        );
    }

function short({ removes, hits = 0 }: Score): boolean {
  return removes !== undefined && (removes < 0.9 || hits > 0.01);
}

const share = (part: number, of: number) => `${part} of ${of} (${of === 0 ? '–' : ((100 * part) / of).toFixed(1)} %)`;
const ruled = scores.filter(({ removes }) => removes !== undefined);
process.stdout.write(
  [
    `right cause first      ${share(scores.filter(({ right }) => right).length, scores.length)}`,
    `rules as they should   ${share(ruled.filter((score) => !short(score)).length, ruled.length)}`,
    `innocent, with a rule  ${share(scores.filter(({ removes, report }) => removes === undefined && report.proposals.length > 0).length, scores.length - ruled.length)}`,
    '',
  ].join('\n'),
);
