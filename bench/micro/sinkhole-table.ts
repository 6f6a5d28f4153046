/** What a query costs the sinkhole's table (plugins/sinkhole/table.ts), by rules; and making the table anew at each change. */
import { compileTable, RuleTable, type TableRule } from '../../plugins/sinkhole/table.ts';
import { queryMessage } from '../../src/testing/testing.ts';
import { textToName } from '../../src/wire/name.ts';
import { Query } from '../../src/wire/query.ts';
import { readQuery } from '../../src/wire/reader.ts';
import { KEY0, KEY1 } from './packets.ts';
import { type Case, compare } from './timing.ts';

const KEY = [KEY0, KEY1] as const;
const about = new Uint8Array(80);

function rules(count: number, subtree: (i: number) => boolean): TableRule[] {
  return Array.from({ length: count }, (_, i) => ({
    name: textToName(`host${i}.zone${i % 97}.example.net`),
    subtree: subtree(i),
    dryRun: false,
    endsMs: Number.POSITIVE_INFINITY,
    slot: i,
    place: 0,
    about,
  }));
}

function questionOf(name: string) {
  const query = new Query();
  query.message = queryMessage({ name });
  query.length = query.message.length;
  readQuery(query, KEY[0], KEY[1]);
  return query.question;
}

function looking(name: string, held: TableRule[], asked: string): Case {
  const table = new RuleTable(compileTable(held, KEY), KEY);
  const question = questionOf(asked);
  return {
    name,
    run(iterations) {
      let found = 0;
      for (let i = 0; i < iterations; i++) found += table.find(question);
      return found;
    },
  };
}

const MISS = 'www.shop.example.org';
const none = () => false;
const all = () => true;
compare('plugins/sinkhole/table.ts: find, a name of four labels', [
  looking('no rules', [], MISS),
  looking('10 exact rules, miss', rules(10, none), MISS),
  looking('10 000 exact rules, miss', rules(10_000, none), MISS),
  looking('10 000 exact rules, hit', rules(10_000, none), 'host4711.zone55.example.net'),
  looking('10 000 subtree rules, miss', rules(10_000, all), MISS),
  looking('10 000 subtree rules, hit', rules(10_000, all), 'host4711.zone55.example.net'),
]);

compare(
  'plugins/sinkhole/table.ts: compileTable, once a change',
  [10, 1000, 10_000].map((count): Case => {
    const held = rules(count, (i) => i % 4 === 0);
    return {
      name: `${count} rules`,
      run(iterations) {
        let bytes = 0;
        for (let i = 0; i < iterations; i++) bytes += compileTable(held, KEY).bytes;
        return bytes;
      },
    };
  }),
);
