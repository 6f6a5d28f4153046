/** One gate for all transports: who may ask at all. Options, metrics and an example: README.md. */
import {
  addressText,
  CONTINUE,
  DROP,
  definePlugin,
  PrefixSet,
  parsePrefix,
  REFUSE,
  type Verdict,
  z,
} from '../../src/contract/plugin.ts';

export default definePlugin({
  name: 'access',
  stage: 'guard',
  summary: 'answers only networks of server.access, on every transport',
  options: z.strictObject({
    outsiders: z
      .enum(['refuse', 'drop'])
      .default('refuse')
      .describe('What a client outside `server.access` gets: `refuse` answers REFUSED, `drop` nothing at all.'),
  }),
  data({ options, server, counter, counters }) {
    const networks = new PrefixSet(server.access.map(parsePrefix));
    const refused = counter('outsiders', 'Queries from outside server.access.');
    const verdict: Verdict = options.outsiders === 'drop' ? DROP : REFUSE;
    return {
      packet(query) {
        if (networks.has(query.clientWords)) return CONTINUE;
        counters[refused]! += 1;
        return verdict;
      },
      explain(query) {
        const client = addressText(query.clientWords);
        return networks.has(query.clientWords)
          ? { reason: `${client} is inside server.access` }
          : { reason: `${client} is outside server.access (${server.access.join(', ')})` };
      },
    };
  },
});
