/**
 * What policy lists cost a cached query (plugins/rpz/): where no rule matches, and where one does. Each case is a chain of
 * its own with the same cache; the first has no rpz plugin. Run after a build: `npm run bench -- rpz [names in the list]`.
 */
import { ListsBuilder, zoneFacts } from '../../src/lists/compile.ts';
import { createListParser } from '../../src/lists/formats/parser.ts';
import { ListsInForce } from '../../src/lists/in-force.ts';
import { cachedChain, hitLoop } from './cached-chain.ts';
import { compare } from './timing.ts';

const LISTED = Number(process.argv[2] ?? 1_000_000);
const names = Array.from({ length: 64 }, (_, i) => `host${i}.zone${i % 7}.example.net`);
const encoder = new TextEncoder();

/** One policy zone: `rules`, and as many names that nobody asks for as make up the size. */
function policyZone(size: number, rules: readonly string[]): ListsInForce {
  const lists = new ListsInForce([
    { name: 'bench', category: 'policy', tier: 'confirmed', dryRun: false, override: { action: 'given' } },
  ]);
  const builder = new ListsBuilder({ key: [1, 2, 3, 4], version: 1 });
  const parser = createListParser('rpz', {}, builder.sink(0));
  parser.feed(encoder.encode('$ORIGIN rpz.bench.\n$TTL 60\n@ SOA a.bench. b.bench. 1 60 60 60 60\n'));
  for (let from = 0; from < size; from += 1000) {
    let text = '';
    for (let i = from; i < Math.min(size, from + 1000); i++) text += `w${i}.d${i % 9973}.listed.example CNAME .\n`;
    parser.feed(encoder.encode(text));
  }
  parser.feed(encoder.encode(`${rules.join('\n')}\n`));
  const zone = zoneFacts(parser.end());
  if (zone) builder.zone(0, zone);
  lists.take(builder.build());
  return lists;
}

const forAll = (data: string) => names.map((name) => `${name} ${data}`);
const networks = Array.from({ length: 1000 }, (_, i) => `${24 + (i % 9)}.0.${i & 255}.${i >> 8}.10.rpz-ip CNAME .`);
const scenes: [string, ListsInForce | undefined][] = [
  ['no rpz plugin', undefined],
  ['rpz, no list of category policy', new ListsInForce([])],
  [`miss: ${LISTED} names`, policyZone(LISTED, [])],
  [`miss: ${LISTED} names, 1000 networks of answers in 9 lengths`, policyZone(LISTED, networks)],
  ['hit: name, NXDOMAIN', policyZone(LISTED, forAll('CNAME .'))],
  ['hit: name, local data', policyZone(LISTED, forAll('A 192.0.2.80'))],
  ['hit: name, CNAME completed from the cache', policyZone(LISTED, forAll('CNAME garden.example.net.'))],
  ['hit: address in the answer, NXDOMAIN', policyZone(LISTED, ['24.0.2.0.192.rpz-ip CNAME .'])],
];

const cases = [];
for (const [name, lists] of scenes) {
  const chain = await cachedChain([...names, 'garden.example.net'], lists);
  cases.push({ name, run: hitLoop(chain, names) });
}
compare('plugins/rpz: one cached query through the chain', cases);
