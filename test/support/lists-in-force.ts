/** For tests: lists in force from text, by the real parsers and the real compiler. */
import { ListsBuilder, zoneFacts } from '../../src/lists/compile.ts';
import { createListParser, type ListFormat } from '../../src/lists/formats/parser.ts';
import { type CompiledLists, type ListFacts, ListsInForce } from '../../src/lists/in-force.ts';

export interface TestList extends Partial<ListFacts> {
  /** Default `rpz`. */
  readonly format?: ListFormat;
  readonly text: string;
}

const KEY = [11, -22, 33, -44] as const;

/** Default: lists named `list1`, …, of category policy, confirmed, as given, on a ground without an end. */
export function listsInForce(...lists: readonly TestList[]): ListsInForce {
  const inForce = new ListsInForce(lists.map(factsOf));
  inForce.take(compileForTests(lists, 1));
  return inForce;
}

/** Throws where a line is rejected or a list refused: a test means what it writes. */
export function compileForTests(lists: readonly TestList[], version: number): CompiledLists {
  const builder = new ListsBuilder({ key: KEY, version });
  for (const [i, { format = 'rpz', text, category = 'policy' }] of lists.entries()) {
    const rewrites = category === 'policy';
    const parser = createListParser(format, { rewrites }, builder.sink(i, format === 'rpz' ? {} : undefined));
    parser.feed(new TextEncoder().encode(text));
    const summary = parser.end();
    const [bad] = summary.rejectedLines;
    if (bad) throw new Error(`list ${i + 1}, line ${bad.line}: ${bad.reason}`);
    if (summary.refusal) throw new Error(`list ${i + 1}: ${summary.refusal.reason}`);
    if (format === 'adblock') builder.adblock(i);
    const zone = zoneFacts(summary);
    if (zone) builder.zone(i, zone);
  }
  return builder.build();
}

function factsOf({ format: _format, text: _text, ...facts }: TestList, i: number): ListFacts {
  return {
    name: `list${i + 1}`,
    category: 'policy',
    tier: 'confirmed',
    dryRun: false,
    override: { action: 'given' },
    ground: {
      kind: 'legitimate-business',
      purpose: 'keeps the service usable',
      necessity: 'nothing else reaches this',
      proportionality: 'names on the list alone',
      approver: 'head of network operations',
      review: '2099-01-01',
    },
    ...facts,
  };
}
