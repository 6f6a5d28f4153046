/** One gate for all transports: who may ask at all. Options, metrics and an example: README.md. */
import {
  addressText,
  CONTINUE,
  DROP,
  definePlugin,
  PrefixSet,
  parsePrefix,
  type Query,
  REFUSE,
  type Verdict,
  z,
} from '../../src/contract/plugin.ts';
import { UNDECIDED, ViewAccess } from './view-access.ts';

export default definePlugin({
  name: 'access',
  stage: 'guard',
  sameInAllViews: 'is the gate: a view says who may ask with its own key access',
  summary: 'answers only networks of server.access, on every transport',
  options: z.strictObject({
    outsiders: z
      .enum(['refuse', 'drop'])
      .default('refuse')
      .describe(
        'What a client outside `server.access`, or outside what its view allows, gets: `refuse` answers REFUSED, `drop` nothing at all.',
      ),
  }),
  data({ options, server, counter, counters }) {
    const networks = new PrefixSet(server.access.map(parsePrefix));
    const refused = counter('outsiders', 'Queries of clients that may not ask.');
    const outsider: Verdict = options.outsiders === 'drop' ? DROP : REFUSE;
    const views = (server.views ?? []).map(({ access }) => access && new ViewAccess(access, outsider));
    return {
      packet(query) {
        const verdict = decide(query);
        if (verdict !== CONTINUE) counters[refused]! += 1;
        return verdict;
      },
      explain(query) {
        const client = addressText(query.clientWords);
        if (ofView(query) === UNDECIDED)
          return networks.has(query.clientWords)
            ? { reason: `${client} is inside server.access` }
            : { reason: `${client} is outside server.access (${server.access.join(', ')})` };
        const view = server.views?.[query.view - 1]?.name;
        const may = decide(query) === CONTINUE ? 'may ask' : 'may not ask';
        return { reason: `${client} ${may} by access of view ${view}` };
      },
    };

    function decide(query: Query): Verdict {
      const said = query.view === 0 ? UNDECIDED : ofView(query);
      if (said !== UNDECIDED) return said as Verdict;
      return networks.has(query.clientWords) ? CONTINUE : outsider;
    }

    /** The view's own verdict, or UNDECIDED. */
    function ofView(query: Query): number {
      return views[query.view - 1]?.decide(query.clientWords) ?? UNDECIDED;
    }
  },
});
