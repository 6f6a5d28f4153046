/**
 * Answers a discard address (通信破棄用のIPアドレス) for a name that an attack looks up, so that other names on the same
 * address stay reachable (guideline Art. 5(1)1イ(オ), R1). Options, metrics and an example: README.md.
 */
import { getPublicSuffix } from 'tldts';
import { expiryMs, GROUND_TERMS, ground } from '../../src/grounds/ground.ts';
import { AddressError, addressWords, isMapped } from '../../src/net/address.ts';
import {
  ANSWER,
  ANSWER_SECTION,
  addRecord,
  addSoa,
  beginReply,
  type Clock,
  CONTINUE,
  definePlugin,
  EDE,
  NameError,
  type Problem,
  type Query,
  RCODE,
  TYPE,
  textToName,
  z,
} from '../../src/plugin.ts';
import { Rules } from './rules.ts';

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
    .default([])
    .describe('Names under attack.'),
});

export default definePlugin({
  name: 'sinkhole',
  stage: 'policy',
  summary: 'answers a discard address for names under attack',
  options,
  check({ ipv6, rules }) {
    const problems: Problem[] = [];
    if (ipv6 !== undefined && !isIPv6(ipv6)) problems.push({ path: ['ipv6'], message: `'${ipv6}' is no IPv6 address` });
    const seen = new Map<string, number>();
    rules.forEach(({ name }, i) => {
      const path = ['rules', i, 'name'];
      try {
        const key = textToName(name).join();
        const first = seen.get(key);
        if (first !== undefined) problems.push({ path, message: `'${name}' has a rule already (number ${first + 1})` });
        seen.set(key, i);
      } catch (error) {
        if (!(error instanceof NameError)) throw error;
        problems.push({ path, message: `'${name}' ${error.message}` });
        return;
      }
      // A rule on a public suffix would discard what belongs to many who are not attacked (R1).
      const bare = name.replace(/\.$/, '').toLowerCase();
      if (bare === '' || getPublicSuffix(bare, { allowPrivateDomains: true }) === bare) {
        problems.push({
          path,
          message: `'${name}' is a public suffix: names of many owners lie below it, so no rule may name it`,
        });
      }
    });
    return problems;
  },
  data({ options, clock, hashKey, counter, counters }) {
    const v4 = options.ipv4 === undefined ? undefined : addressBytes(options.ipv4).subarray(12);
    const v6 = options.ipv6 === undefined ? undefined : addressBytes(options.ipv6);
    const text = new TextEncoder().encode('discarded: name under attack');
    const rules = new Rules(
      options.rules.map(({ name, ground, 'dry-run': dryRun }, i) => ({
        name: textToName(name),
        text: name,
        endsMs: monotonicMs(expiryMs(ground), clock),
        dryRun,
        hits: counter('hits', 'Queries that a rule matched, by its place in the configuration.', {
          rule: String(i + 1),
          dry_run: String(dryRun),
        }),
      })),
      hashKey,
    );

    return {
      query(query) {
        const rule = rules.find(query.question);
        if (rule === undefined || query.nowMs >= rule.endsMs) return CONTINUE;
        counters[rule.hits]! += 1;
        if (rule.dryRun) return CONTINUE;
        discard(query);
        return ANSWER;
      },
      explain(query) {
        const rule = rules.find(query.question);
        if (!rule) return { verdict: CONTINUE, reason: 'no rule names exactly this name' };
        const stated = options.rules.find(({ name }) => name === rule.text)?.ground;
        const why = stated
          ? `ground ${stated.kind} (${GROUND_TERMS[stated.kind]}), approved by ${stated.approver}`
          : '';
        if (clock.nowMs() >= rule.endsMs)
          return { verdict: CONTINUE, reason: `rule '${rule.text}' has expired; ${why}` };
        if (rule.dryRun) return { verdict: CONTINUE, reason: `rule '${rule.text}' matches but is a dry run; ${why}` };
        return { verdict: ANSWER, reason: `rule '${rule.text}' discards this name; ${why}` };
      },
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

/** Wall-clock expiry as an instant of the monotonic clock: a step of the wall clock later does not move it. */
function monotonicMs(wallMs: number | undefined, clock: Clock): number {
  return wallMs === undefined ? Number.POSITIVE_INFINITY : clock.nowMs() + wallMs - clock.wallMs();
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
