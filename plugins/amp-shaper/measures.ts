/**
 * Measures of the operator that this plugin carries: what is over such a limit may be forged, so it is asked to show
 * who it is. Ahead of everything that costs something.
 */
import {
  CONTINUE,
  type DataContext,
  type PluginMeasures,
  type Query,
  REFUSE,
  TRUNCATE,
  type Verdict,
} from '../../src/contract/plugin.ts';

/** The query hook. */
export function measureHook(
  measures: PluginMeasures,
  counter: DataContext<unknown>['counter'],
  counters: Float64Array,
): (query: Query) => Verdict {
  const help = 'Queries over the limit of a measure of the operator.';
  const truncated = counter('measure_limited', help, { result: 'truncated' });
  const refused = counter('measure_limited', help, { result: 'refused' });
  return (query) => {
    if (measures.count === 0) return CONTINUE;
    const measure = measures.overLimit(query, false);
    if (measure < 0) return CONTINUE;
    if (!query.verified) {
      counters[truncated]! += 1;
      return TRUNCATE;
    }
    // A verified source is never shaped, unless the measure is about that very client: a loop is one over TCP as well.
    if (!measures.isOnSource(measure)) return CONTINUE;
    counters[refused]! += 1;
    return REFUSE;
  };
}
