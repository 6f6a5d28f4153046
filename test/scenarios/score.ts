/** One scenario played and diagnosed, compared with the truth. */
import type { Match } from '../../plugins/query-history/proposals.ts';
import type { DiagnosisReport } from '../../plugins/query-history/report-shapes.ts';
import { liesIn } from '../../plugins/query-history/rise.ts';
import type { Replay } from './replay.ts';
import type { Scenario } from './scenarios.ts';
import type { Event } from './traffic.ts';

/** What is known of single addresses is what they asked just before. */
const BEFORE_SECONDS = 30;
const SECONDS = 30;

export interface Score {
  readonly scenario: string;
  readonly right: boolean;
  /** Share of what was on top that the first rule matches, and of the ordinary; undefined where no rule helps. */
  readonly removes: number | undefined;
  readonly hits: number | undefined;
  /** For the message of a test that fails. */
  readonly said: string;
  readonly report: DiagnosisReport;
}

/** What a rule means, applied to the events themselves. */
export function matches({ name, pattern, domain, type, source }: Match, event: Event): boolean {
  return (
    (name === undefined || event.name === name) &&
    (pattern === undefined || (event.name.endsWith(pattern.slice(1)) && event.name !== pattern.slice(2))) &&
    (domain === undefined || liesIn(event.name, domain)) &&
    (type === undefined || event.type === type) &&
    (source === undefined || event.client === source)
  );
}

/** Play `scenario` on top of a past, and diagnose it. */
export async function scored(replay: Replay, scenario: Scenario): Promise<Score> {
  const rate = replay.rate();
  await replay.incident(BEFORE_SECONDS, () => replay.world.second(rate));
  scenario.happens?.(replay.desk);
  const events = await replay.incident(
    SECONDS,
    scenario.prepare(replay.world, rate),
    scenario.surroundings && ((second) => scenario.surroundings!(second, rate)),
  );
  const report = await replay.reading.diagnose(
    { who: 'test', role: 'operator' },
    { reason: 'scored against the truth' },
  );
  await replay.desk.close();
  const [first] = report.causes;
  const rule = report.proposals[0]?.match;
  const share = (list: Event[]) => (rule ? list.filter((event) => matches(rule, event)).length / list.length : 0);
  const rates = `${report.window.why} ${Math.round(report.window.seconds)} s, ${report.doubts.join('; ')}`;
  const causes = report.causes.map(({ cause, score }) => `${cause} ${score.toFixed(2)}`).join(', ');
  return {
    scenario: scenario.name,
    right: first?.cause === scenario.truth,
    removes: scenario.part && share(events.filter(({ part }) => part === scenario.part)),
    hits: scenario.part && share(events.filter(({ part }) => part === undefined)),
    said: `${causes}: ${first?.text} rule ${JSON.stringify(rule)}, rise ${JSON.stringify(report.rate)} ${rates}`,
    report,
  } as Score;
}
