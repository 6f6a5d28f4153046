/**
 * `npm run bench -- incidents`: the diagnosis against the truth, over many seeds, through recorder, desk and archive by a clock that
 * is turned. Rules that are offered are applied to the very events. bench/README.md has the figures and says what they mean.
 */
import { parseArgs } from 'node:util';
import type { CauseName } from '../../plugins/query-history/cause.ts';
import { RCODE } from '../../src/contract/plugin.ts';
import { Replay, type ReplaySettings } from '../../test/scenarios/replay.ts';
import { SCENARIOS, type Scenario } from '../../test/scenarios/scenarios.ts';
import { type Score, scored } from '../../test/scenarios/score.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '5' },
    /** Other ones than those of the tests. */
    from: { type: 'string', default: '5001' },
    scenario: { type: 'string', default: '' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(
    'npm run bench -- incidents [--seeds N] [--from SEED] [--scenario WORDS]\n\nSingle incidents in five variations, double ones, and innocent surges; what comes out wrong is told as it is.\n',
  );
  process.exit(0);
}

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
/** Nobody is to blame for these, and nobody is to be limited. */
const INNOCENT: readonly CauseName[] = ['nothing-unusual', 'popular-event', 'shared-address', 'more-of-everything'];
/** These say that somebody is. */
const ACCUSING: readonly CauseName[] = [
  ...(['random-subdomain', 'rotating-subdomains', 'amplification', 'broken-client', 'tunnel'] as const),
  ...(['generated-domains', 'failing-authority', 'tcp-flood'] as const),
];
const PAIRS: readonly [CauseName, CauseName][] = [
  ['random-subdomain', 'amplification'],
  ['random-subdomain', 'broken-client'],
  ['amplification', 'popular-event'],
  ['broken-client', 'retry-storm'],
  ['popular-event', 'failing-authority'],
  ['tunnel', 'popular-event'],
];

const say = (text: string) => void process.stdout.write(`${text}\n`);
const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => Number(values.from) + i);
const singles: (Score & { readonly truth: CauseName })[] = [];
for (const seed of seeds)
  for (const { what, strength, ...settings } of VARIATIONS)
    for (const [i, scenario] of SCENARIOS.entries()) {
      if (!scenario.name.includes(values.scenario)) continue;
      const replay = new Replay(seed * 1000 + i, { worldSeed: seed, ...settings });
      if (strength) replay.world.strength = strength;
      const score = { truth: scenario.truth, ...(await scored(replay, scenario)) };
      singles.push(score);
      const faults = [!score.right && 'WRONG', isShort(score) && 'RULE', isAccused(score) && 'ACCUSED'].filter(Boolean);
      if (faults.length > 0)
        say(
          `${faults.join(' ')}: ${what}, seed ${seed}, ${scenario.name}: ${score.removes}, ${score.hits}: ${score.said}\n`,
        );
    }

let [pairs, first, both] = [0, 0, 0];
for (const seed of values.scenario === '' ? seeds : [])
  for (const [i, [one, other]] of PAIRS.entries()) {
    const replay = new Replay(seed * 1000 + 500 + i, { worldSeed: seed });
    replay.world.strength = [1.5, 2.5];
    const { report } = await scored(replay, pairOf(one, other));
    const named = report.causes.map(({ cause }) => cause);
    const told = new Set([...named, ...report.incidents.map(({ cause }) => cause.cause)]);
    pairs++;
    if (named[0] === one || named[0] === other) first++;
    if (told.has(one) && told.has(other)) both++;
    else say(`PAIR: seed ${seed}, ${one} and ${other}: ${[...told].join(', ')}\n`);
  }

function pairOf(one: CauseName, other: CauseName): Scenario {
  const named = (truth: CauseName) => SCENARIOS.find((scenario) => scenario.truth === truth) as Scenario;
  return {
    name: `${one} and ${other}`,
    truth: one,
    prepare(world, rate) {
      const withOrdinary = named(one).prepare(world, rate);
      const another = named(other).prepare(world, rate);
      return function* () {
        yield* withOrdinary();
        // Of the other what is on top: its part, or where it has none what fails.
        for (const event of another()) if (event.part !== undefined || event.rcode === RCODE.SERVFAIL) yield event;
      };
    },
  };
}

function isShort({ removes, hits = 0 }: Score): boolean {
  return removes !== undefined && (removes < 0.9 || hits > 0.01);
}

function isAccused({ truth, report }: Score & { readonly truth: CauseName }): boolean {
  const [cause] = report.causes;
  return (
    INNOCENT.includes(truth) && (report.proposals.length > 0 || (cause !== undefined && ACCUSING.includes(cause.cause)))
  );
}

const share = (part: number, of: number) => `${part} of ${of} (${of === 0 ? '–' : ((100 * part) / of).toFixed(1)} %)`;
const ruled = singles.filter(({ removes }) => removes !== undefined);
const innocent = singles.filter(({ truth }) => INNOCENT.includes(truth));
say(
  `single: right cause first                   ${share(singles.filter(({ right }) => right).length, singles.length)}`,
);
say(`double: one of the two first                ${share(first, pairs)}`);
say(`double: both told                           ${share(both, pairs)}`);
say(`innocent surges accused                     ${share(innocent.filter(isAccused).length, innocent.length)}`);
say(
  `first rule removes >= 90 %, touches <= 1 %  ${share(ruled.filter((score) => !isShort(score)).length, ruled.length)}`,
);
