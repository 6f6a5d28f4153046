/**
 * Response policy zones (draft-vixie-dnsop-dns-rpz-04): the lists of category `policy`. What they are, what a forwarder can
 * see of an answer, metrics and an example: README.md.
 *
 *   query   client and name: decided at once, unless a list that stands earlier could decide by the answer
 *   answer  all triggers along the answer's chain of CNAMEs, on what cache or source gave
 *
 * What the cache holds is never altered: policy is applied to the reply that is being served.
 */

import {
  ADDRESS_TRIGGER,
  CACHE_NOT_ASKED,
  CLASS,
  CONTINUE,
  definePlugin,
  durationSeconds,
  FAIL,
  type LoadedLists,
  mayHoldAlias,
  type Query,
  TYPE,
  type Verdict,
  z,
} from '../../src/contract/plugin.ts';
import { explain, explainAnswer } from './explain.ts';
import { Matcher } from './matcher.ts';
import { Policies } from './policies.ts';
import { ReplyView } from './reply-view.ts';
import { Responder } from './respond.ts';

export default definePlugin({
  name: 'rpz',
  stage: 'policy',
  summary: 'response policy zones: the lists of category policy',
  listCategories: ['policy'],
  options: z.strictObject({
    'max-policy-ttl': durationSeconds({ min: '1s', max: '7d' })
      .prefault('1d')
      .describe(
        'Longest TTL of what a rule answers, negative answers included: a rule that is lifted is gone from caches after that. (BIND: `max-policy-ttl`, 5 seconds unless told.)',
      ),
  }),
  data({ options, lists: inForce, clock, counter, counters }) {
    const policies = new Policies(inForce.facts, clock, counter);
    const view = new ReplyView();
    const matcher = new Matcher(policies, view);
    const responder = new Responder(matcher, view, options['max-policy-ttl']);
    let known: LoadedLists | undefined;
    /** Lists that have triggers on answers. */
    let answerHolders = 0;

    return {
      query(query) {
        const lists = ready(query);
        if (lists === undefined) return CONTINUE;
        matcher.begin(0);
        const decides = matcher.matchQuestion(query, lists, policies.inForce & decidedAtOnce(query));
        countPassed();
        return decides ? carryOut(query, 0, lists) : CONTINUE;
      },
      answer(query) {
        // Neither cache nor source: a plugin wrote it, or the server itself. That is not to be rewritten.
        if (query.cacheResult === CACHE_NOT_ASKED) return CONTINUE;
        const lists = ready(query);
        if (lists === undefined || isTruncated(query)) return CONTINUE;
        const byAnswer = (answerHolders & policies.inForce) !== 0;
        const byAlias = mayHoldAlias(query);
        if (!byAnswer && !byAlias) return CONTINUE;
        matcher.begin(decidedEarly());
        if (!view.read(query, byAlias)) return FAIL;
        for (let position = 0; position <= view.last; position++) {
          if (!matcher.matchAt(position, query, lists, policies.inForce)) continue;
          // §5.1: one rule decides, also where it is PASSTHRU, or TCP-Only over TCP: the query hook has been here.
          if (matcher.wasEarly) return CONTINUE;
          countPassed();
          return carryOut(query, position, lists);
        }
        countPassed();
        return CONTINUE;
      },
      explain: (query, hook, verdict) => {
        const { current } = inForce;
        if (current) learn(current);
        policies.narrow(query.lists);
        const parts = { policies, matcher, view, answerHolders, clock };
        return hook === 'answer' ? explainAnswer(verdict, parts) : explain(query, current, parts);
      },
    };

    /** The lists, where any is in force for this query. */
    function ready(query: Query): LoadedLists | undefined {
      const lists = inForce.current;
      if (lists === undefined) return undefined;
      // Looked at here: handed to a function on each packet, the time would be boxed.
      if (query.nowMs >= policies.nextLookMs) policies.look();
      policies.narrow(query.lists);
      // Policy speaks about class IN alone.
      if (policies.inForce === 0 || query.question.class !== CLASS.IN) return undefined;
      if (lists !== known) learn(lists);
      return lists;
    }

    function learn(lists: LoadedLists): void {
      known = lists;
      answerHolders = 0;
      const { networks, nameServers } = lists;
      if (networks) answerHolders |= networks.holders(ADDRESS_TRIGGER.IP) | networks.holders(ADDRESS_TRIGGER.NSIP);
      nameServers?.memory.lists.forEach(({ names }, list) => {
        if (names > 0) answerHolders |= 1 << list;
      });
    }

    /**
     * Lists of which client and name decide before the answer is known: all up to the first one that acts by the answer.
     * In that list itself they outrank the answer (§5.4).
     */
    function decidedEarly(): number {
      const waits = answerHolders & policies.acting;
      const first = waits & -waits;
      return first === 0 ? -1 : first | (first - 1);
    }

    /** ANY is answered by the server itself (RFC 8482): there is no answer whose rules would have to be waited for. */
    function decidedAtOnce({ question }: Query): number {
      return question.type === TYPE.ANY ? -1 : decidedEarly();
    }

    function countPassed(): void {
      for (let i = 0; i < matcher.passedCount; i++) counters[matcher.passed[i]!]! += 1;
    }

    function carryOut(query: Query, position: number, lists: LoadedLists): Verdict {
      const { policy, trigger, action } = matcher;
      if (policy === undefined) return CONTINUE;
      if (!query.dryRun) counters[policies.hit(policy, trigger, action)]! += 1;
      return responder.carryOut(query, position, lists.zones[policy.list]);
    }
  },
});

/** The client comes back over TCP, where there is more to look at. */
function isTruncated({ reply, replyStart }: Query): boolean {
  return (reply[replyStart + 2]! & 2) !== 0;
}
