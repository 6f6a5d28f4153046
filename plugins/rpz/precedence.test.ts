/**
 * Random small zones and random answers before the plugin, and before a reference that tries every rule of every list
 * against every part of the answer, in strings, as the draft's §5 reads.
 */
import type { Answer } from 'dns-packet';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mount, type UpstreamReply } from '../../src/testing/testing.ts';
import { listsInForce } from '../../test/support/lists-in-force.ts';
import rpz from './index.ts';

/** One rule leads to one address, so that the answer tells which one decided. */
interface Rule {
  readonly trigger: 'client-ip' | 'qname' | 'ip' | 'nsdname' | 'nsip';
  /** A name with or without `*.`, or a network `a.b.c.d/n`. */
  readonly on: string;
  readonly passthru: boolean;
}
interface Zone {
  readonly rules: readonly Rule[];
  readonly counts: boolean;
}
interface Scene {
  readonly zones: readonly Zone[];
  readonly client: string;
  /** Names of the chain, the question's first. */
  readonly chain: readonly string[];
  readonly addresses: readonly string[];
  readonly servers: readonly { readonly zone: string; readonly name: string; readonly address: string }[];
}

const TRIGGERS = ['client-ip', 'qname', 'ip', 'nsdname', 'nsip'] as const;

// ── the reference ─────────────────────────────────────────────────────────────────────────────────────────────────────

const labels = (name: string): string[] => name.split('.');
const below = (name: string, of: string): boolean => name.endsWith(`.${of}`);
const number = (address: string): number => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);

/** RFC 4592 §2.2, §3.3.1: names that exist, those between included, and the one wildcard that may speak for another. */
function nameRules(rules: readonly Rule[], name: string): Rule[] {
  const owners = rules.map(({ on }) => on);
  const exists = (one: string): boolean => owners.some((owner) => owner === one || below(owner, one));
  if (exists(name)) return rules.filter(({ on }) => on === name);
  let encloser = labels(name).slice(1);
  while (encloser.length > 0 && !exists(encloser.join('.'))) encloser = encloser.slice(1);
  return rules.filter(({ on }) => on === `*.${encloser.join('.')}`);
}

function matchesNetwork(on: string, address: string): boolean {
  const [network = '', bits = ''] = on.split('/');
  const size = 2 ** (32 - Number(bits));
  return Math.floor(number(network) / size) === Math.floor(number(address) / size);
}

/** RFC 4034 §6.1, for names of lower-case letters. */
function canonical(name: string): string {
  return labels(name.replace('*.', '')).reverse().join('\0');
}

/** Of all rules of one list and trigger that match, the one that counts. */
function closest(rules: readonly Rule[], facts: readonly string[]): Rule | undefined {
  const onNames = rules.filter(({ on }) => !on.includes('/'));
  const names = facts.flatMap((fact) => nameRules(onNames, fact));
  const byName = names.sort((one, other) => {
    const wildcards = Number(one.on.startsWith('*')) - Number(other.on.startsWith('*'));
    if (wildcards !== 0) return wildcards;
    const longer = labels(other.on).length - labels(one.on).length;
    if (one.on.startsWith('*') && longer !== 0) return longer;
    return canonical(one.on) < canonical(other.on) ? -1 : 1;
  });
  const networks = rules.flatMap((rule) =>
    rule.on.includes('/') ? facts.filter((fact) => matchesNetwork(rule.on, fact)).map((fact) => ({ rule, fact })) : [],
  );
  networks.sort((one, other) => {
    const bits = Number(other.rule.on.split('/')[1]) - Number(one.rule.on.split('/')[1]);
    return bits !== 0 ? bits : number(one.fact) - number(other.fact);
  });
  return byName[0] ?? networks[0]?.rule;
}

const looksAtAnswers = ({ rules }: Zone): boolean =>
  rules.some(({ trigger }) => trigger !== 'client-ip' && trigger !== 'qname');

/** The list and rule that decide, the position, and how often lists that only count would have. */
function reference({ zones, client, chain, addresses, servers }: Scene) {
  const counted = new Set<number>();
  /** Of these, those that client or name of the question would have hit. */
  const early = new Set<number>();
  for (const [position, name] of chain.entries()) {
    // §9.3: min-ns-dots is 1.
    const shown = servers.filter(({ zone }) => zone.includes('.') && (name === zone || below(name, zone)));
    const facts = {
      'client-ip': position === 0 ? [client] : [],
      qname: [name],
      ip: position === chain.length - 1 ? addresses : [],
      nsdname: shown.map((server) => server.name),
      nsip: shown.map(({ address }) => address),
    };
    for (const [list, zone] of zones.entries()) {
      if (zone.counts && counted.has(list)) continue;
      for (const trigger of TRIGGERS) {
        const rule = closest(
          zone.rules.filter((one) => one.trigger === trigger),
          facts[trigger],
        );
        if (!rule) continue;
        const isEarly = position === 0 && (trigger === 'client-ip' || trigger === 'qname');
        if (!zone.counts) {
          // Decided before anybody was asked: nobody knows what a dry run would have made of the answer.
          const atOnce = isEarly && !zones.slice(0, list).some((one) => !one.counts && looksAtAnswers(one));
          return { list, rule, position, counted: (atOnce ? early : counted).size };
        }
        counted.add(list);
        if (isEarly) early.add(list);
        break;
      }
    }
  }
  return { list: -1, rule: undefined, position: 0, counted: counted.size };
}

// ── scenes: few names and addresses, so that much matches ─────────────────────────────────────────────────────────────

const host = fc.constantFrom('a.x.test', 'b.x.test', 'a.b.x.test', 'c.y.test', 'a.c.y.test', 'x.test');
const server = fc.constantFrom('a.ns.test', 'b.ns.test', 'b.a.ns.test', 'z.mm.test');
const address = fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.1.1', '10.1.0.1', '200.0.0.1');
const wild = (name: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.tuple(name, fc.integer({ min: 0, max: 2 })).map(([text, up]) => {
    const above = labels(text).slice(up).join('.');
    return up === 0 || !above.includes('.') ? text : `*.${above}`;
  });
const networkOf = fc.tuple(address, fc.constantFrom(8, 16, 24, 31, 32)).map(([text, bits]) => {
  const size = 2 ** (32 - bits);
  const base = Math.floor(number(text) / size) * size;
  return `${[24, 16, 8, 0].map((shift) => Math.floor(base / 2 ** shift) % 256).join('.')}/${bits}`;
});
const rule: fc.Arbitrary<Rule> = fc.constantFrom(...TRIGGERS).chain((trigger) =>
  fc.record({
    trigger: fc.constant(trigger),
    on: trigger === 'qname' ? wild(host) : trigger === 'nsdname' ? wild(server) : networkOf,
    passthru: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
  }),
);
const zone: fc.Arbitrary<Zone> = fc.record({
  rules: fc.uniqueArray(rule, { maxLength: 5, selector: ({ trigger, on }) => `${trigger} ${on}` }),
  counts: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
});
const scene: fc.Arbitrary<Scene> = fc.record({
  zones: fc.array(zone, { minLength: 1, maxLength: 4 }),
  client: address,
  chain: fc.uniqueArray(host, { minLength: 1, maxLength: 3 }),
  addresses: fc.uniqueArray(address, { minLength: 1, maxLength: 3 }),
  servers: fc.uniqueArray(
    fc.record({ zone: fc.constantFrom('test', 'x.test', 'y.test', 'c.y.test'), name: server, address }),
    {
      maxLength: 3,
      selector: ({ name }) => name,
    },
  ),
});

/** Rule `n` of list `l` is answered with 192.0.l.n. */
function zoneText({ rules }: Zone, list: number): string {
  const lines = rules.map(({ trigger, on, passthru }, n) => {
    const [network = '', bits] = on.split('/');
    const reversed = network.split('.').reverse().join('.');
    const owner = bits === undefined ? on : `${bits}.${reversed}`;
    const suffix = trigger === 'qname' ? '' : `.rpz-${trigger}`;
    return `${owner}${suffix} ${passthru ? 'CNAME rpz-passthru.' : `A 192.0.${list}.${n}`}`;
  });
  return `$ORIGIN rpz.test.\n${lines.join('\n')}\n`;
}

function answerOf({ chain, addresses, servers }: Scene): UpstreamReply {
  const last = chain.at(-1) ?? '';
  const aliases = chain
    .slice(1)
    .map((name, i): Answer => ({ name: chain[i] ?? '', type: 'CNAME', ttl: 9, data: name }));
  return {
    answers: [...aliases, ...addresses.map((data): Answer => ({ name: last, type: 'A', ttl: 9, data }))],
    authorities: servers.map(({ zone: name, name: data }): Answer => ({ name, type: 'NS', ttl: 9, data })),
    additionals: servers.map(({ name, address: data }): Answer => ({ name, type: 'A', ttl: 9, data })),
  };
}

test('the rule that decides is the one of the draft', async () => {
  let decided = 0;
  let waited = 0;
  await fc.assert(
    fc.asyncProperty(scene, async (given) => {
      // What the normaliser leaves of the authority section is what stands at or above a name of the chain.
      const expected = reference(given);
      const lists = listsInForce(
        ...given.zones.map((one, i) => ({ text: zoneText(one, i), dryRun: one.counts, name: `list${i}` })),
      );
      const plugin = mount(rpz, {}, { lists, upstream: () => answerOf(given) });
      for (let times = 1; times <= 2; times++) {
        const reply = await plugin.ask({ name: given.chain[0] ?? '', client: given.client });
        const addresses = reply.answers.filter(({ type }) => type === 'A').map((one) => 'data' in one && one.data);
        const { rule: by, list, position } = expected;
        if (by === undefined || by.passthru) expect(addresses).toEqual(given.addresses);
        else {
          expect(addresses).toEqual([`192.0.${list}.${given.zones[list]?.rules.indexOf(by)}`]);
          expect(reply.answers.slice(0, -1).map((one) => 'data' in one && one.data)).toEqual(
            given.chain.slice(1, position + 1),
          );
        }
        const hits = (labels: Record<string, string>) => plugin.counter('sekisho_rpz_hits_total', labels);
        expect(hits({ dry_run: 'false' })).toBe(by === undefined ? 0 : times);
        if (by) expect(hits({ list: `list${list}`, trigger: by.trigger })).toBe(times);
        expect(hits({ dry_run: 'true' })).toBe(expected.counted * times);
      }
      if (expected.rule) decided++;
      if (expected.rule && expected.position > 0) waited++;
    }),
    // On a machine that is busy with other things, fewer scenes are better than none.
    { numRuns: 1000, interruptAfterTimeLimit: 15_000 },
  );
  expect(decided).toBeGreaterThan(20);
  expect(waited).toBeGreaterThan(0);
}, 120_000);
