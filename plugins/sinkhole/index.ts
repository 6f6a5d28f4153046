/**
 * Answers a discard address (通信破棄用のIPアドレス) for a name that an attack looks up, so that other names on the same
 * address stay reachable (guideline Art. 5(1)1イ(オ)). Options, metrics and an example: README.md.
 */

import {
  AddressError,
  ANSWER,
  ANSWER_SECTION,
  aboutGround,
  addRecord,
  addressWords,
  addSoa,
  beginReply,
  CONTINUE,
  definePlugin,
  EDE,
  type Explanation,
  expiryMs,
  ground,
  isMapped,
  nameToText,
  type Problem,
  type Query,
  type Question,
  RCODE,
  TYPE,
  z,
} from '../../src/contract/plugin.ts';
import { type ConfigurationRule, RuleNameError, ruleName } from './rule-name.ts';
import { compileTable, MAX_RULES, RuleTable, type SharedHits, type TableMemory } from './table.ts';

const options = z.strictObject({
  ipv4: z.ipv4().optional().describe('Discard address given as A. Without it, A is answered NODATA.'),
  ipv6: z.string().optional().describe('Discard address given as AAAA. Without it, AAAA is answered NODATA.'),
  ttl: z
    .int()
    .min(1)
    .max(300)
    .default(30)
    .describe('TTL of the answers in seconds; short, so that lifting a rule acts soon.'),
  rules: z
    .array(
      z.strictObject({
        name: z.string().describe('The attacked name. Exactly this name is discarded, none below it.'),
        ground: ground.describe('On which ground this is done, stated in full; one of the three kinds below.'),
        'dry-run': z.boolean().default(false).describe('Only count what the rule would hit.'),
      }),
    )
    .max(MAX_RULES)
    .default([])
    .describe('Names under attack; those of the desk (`sekisho sinkhole add`) come on top.'),
});

export default definePlugin({
  name: 'sinkhole',
  commands: {
    sinkhole: async () => (await import('./cli/sinkhole-command.ts')).sinkholeCommand,
  },
  stage: 'policy',
  carriesMeasures: true,
  summary: 'answers a discard address for names under attack',
  options,
  check({ ipv6, rules }) {
    const problems: Problem[] = [];
    if (ipv6 !== undefined && !isIPv6(ipv6))
      problems.push({ path: ['ipv6'], message: `'${ipv6}' is not an IPv6 address` });
    const seen = new Map<string, number>();
    rules.forEach(({ name }, i) => {
      const path = ['rules', i, 'name'];
      try {
        const { text } = ruleName(name);
        const first = seen.get(text);
        if (first !== undefined) problems.push({ path, message: `'${name}' has a rule already (number ${first + 1})` });
        seen.set(text, i);
      } catch (error) {
        if (!(error instanceof RuleNameError)) throw error;
        problems.push({ path, message: `'${name}' ${error.message}` });
      }
    });
    return problems;
  },
  // Loaded only where it runs: routes have no business in the packet threads.
  control: async (context) => (await import('./control.ts')).control(context, configuredRules(context.options.rules)),
  data({ options, clock, hashKey, shared, worker, counter, counters }) {
    const v4 = options.ipv4 === undefined ? undefined : addressBytes(options.ipv4).subarray(12);
    const v6 = options.ipv6 === undefined ? undefined : addressBytes(options.ipv6);
    const text = new TextEncoder().encode('discarded: name under attack');
    // Hits of a rehearsal are none.
    const slots = shared === undefined || worker < 0 ? undefined : new Int32Array((shared as SharedHits).hits);
    const declare = (rule: string, dryRun: boolean) =>
      counter('hits', 'Queries that a rule matched, by its place in the configuration, or `desk`.', {
        rule,
        dry_run: String(dryRun),
      });
    /** Two for each place, enforced and dry run; place 0 is the desk. */
    const hits = [declare('desk', false), declare('desk', true)];
    options.rules.forEach(({ 'dry-run': dryRun }, i) => {
      const index = declare(String(i + 1), dryRun);
      hits.push(index, index);
    });
    // Until the control half hands over all rules: those of the configuration alone.
    const configured = configuredRules(options.rules).map(({ name, ground: stated, dryRun, place }) => {
      const endsAtMs = expiryMs(stated) ?? Number.POSITIVE_INFINITY;
      // What has an end rests while nobody knows how late it is.
      const known = Number.isFinite(clock.termMs()) || endsAtMs === Number.POSITIVE_INFINITY;
      const endsMs = known ? clock.nowMs() + endsAtMs - clock.wallMs() : Number.NEGATIVE_INFINITY;
      const about = new TextEncoder().encode(aboutGround(stated));
      return { name: name.wire, subtree: false, dryRun, endsMs, slot: -1, place, about };
    });
    let table = new RuleTable(compileTable(configured, hashKey), hashKey);

    return {
      query(query) {
        const found = table.find(query.question);
        // The most specific rule first. One that has ended, or only counts, leaves the decision to the next.
        for (let i = found - 1; i >= 0; i--) {
          const rule = table.matches[i]!;
          if (query.nowMs >= table.endsMs(rule)) continue;
          const dryRun = table.isDryRun(rule);
          counters[hits[2 * table.place(rule) + (dryRun ? 1 : 0)]!]! += 1;
          const slot = table.slot(rule);
          // The first of two counters: queries that it matched.
          if (slots !== undefined && slot >= 0) Atomics.add(slots, 2 * slot, 1);
          if (dryRun) continue;
          discard(query);
          return ANSWER;
        }
        return CONTINUE;
      },
      update(value) {
        table = new RuleTable(value as TableMemory, hashKey);
      },
      explain: (query) => explain(table, query.question, clock.nowMs()),
    };

    function discard(query: Query): void {
      beginReply(query, RCODE.NOERROR);
      // RFC 8914 §4.5: Forged Answer.
      query.ede = EDE.FORGED_ANSWER;
      query.edeText = text;
      const address = query.question.type === TYPE.A ? v4 : query.question.type === TYPE.AAAA ? v6 : undefined;
      if (address) addRecord(query, ANSWER_SECTION, query.question.type, options.ttl, address);
      // HTTPS, SVCB and all else: the name is there, without data (RFC 9460 §3 lets clients fall back to A and AAAA).
      else addSoa(query, options.ttl);
    }
  },
});

function configuredRules(rules: z.infer<typeof options>['rules']): ConfigurationRule[] {
  return rules.map(({ name, ground, 'dry-run': dryRun }, i) => ({
    name: ruleName(name),
    ground,
    dryRun,
    place: i + 1,
  }));
}

/** What the rules say to a name, the most specific one first, also why one does not apply. */
function explain(table: RuleTable, question: Question, nowMs: number): Explanation {
  const passed: string[] = [];
  for (let i = table.find(question) - 1; i >= 0; i--) {
    const rule = table.matches[i]!;
    const reach = table.isSubtree(rule) ? ' and all below it' : '';
    const from = table.place(rule) === 0 ? 'of the desk' : `${table.place(rule)} of the configuration`;
    const words = `'${nameToText(table.name(rule))}'${reach}`;
    const about = `${table.about(rule)} (rule ${from})`;
    if (nowMs >= table.endsMs(rule)) passed.push(`rule ${words} has expired; ${about}`);
    else if (table.isDryRun(rule)) passed.push(`rule ${words} matches but is a dry run; ${about}`);
    else return { reason: [...passed, `rule ${words} discards this name; ${about}`].join('; ') };
  }
  const above = table.exactAbove(question);
  if (above >= 0)
    passed.push(`rule '${nameToText(table.name(above))}' is on that name alone: its subtree was not asked for`);
  if (passed.length === 0) passed.push('no rule names exactly this name, and none reaches down to it');
  return { reason: passed.join('; ') };
}

function addressBytes(text: string): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  addressWords(text).forEach((word, i) => {
    view.setInt32(i * 4, word);
  });
  return new Uint8Array(view.buffer);
}

function isIPv6(text: string): boolean {
  try {
    return !isMapped(addressWords(text));
  } catch (error) {
    if (error instanceof AddressError) return false;
    throw error;
  }
}
