/** Rules and exceptions as AdGuard's documentation of DNS filtering syntax has them. */
import { describe, expect, it } from 'vitest';
import { listsInForce, type TestList } from '../../test/support/lists-in-force.ts';
import { TYPE } from '../contract/plugin.ts';
import { MessageName } from '../wire/message-name.ts';
import { textToName } from '../wire/name.ts';

const list = (text: string, more: Partial<TestList> = {}): TestList => ({
  format: 'adblock',
  text,
  category: 'c2',
  ...more,
});

function named(text: string): MessageName {
  const name = new MessageName();
  name.set(textToName(text));
  return name;
}

/** Which lists (from 1) block the name, and where the chain leads on, the last name of it. */
function blocking(lists: readonly TestList[], chain: string, type: number = TYPE.A): number[] {
  const { names } = listsInForce(...lists).current!;
  let found = 0;
  for (const [i, text] of chain.split(' → ').entries()) {
    const { bytes, labelStarts, labelCount } = named(text);
    found =
      i === 0
        ? names.lookupName(bytes, labelStarts, labelCount, -1, type)
        : names.lookupAlias(bytes, labelStarts, labelCount, -1, type);
  }
  return lists.flatMap((_, i) => ((found & (1 << i)) !== 0 && names.matchOf(i) ? [i + 1] : []));
}

describe('in one list', () => {
  it.each([
    ['||a.example^', 'a.example', true],
    ['||a.example^', 'x.a.example', true],
    ['|a.example^', 'a.example', true],
    ['|a.example^', 'x.a.example', false],
    ['a.example', 'a.example', true],
    ['a.example', 'x.a.example', false],
    ['0.0.0.0 a.example b.example', 'b.example', true],
    ['||a.example^ @@||a.example^', 'a.example', false],
    ['@@||a.example^ ||a.example^', 'a.example', false],
    // However near the rule is to the name.
    ['@@||example^$important ||a.example^', 'a.example', false],
    ['@@||a.example^ ||x.a.example^', 'x.a.example', false],
    ['||a.example^ @@||x.a.example^', 'a.example', true],
    ['||a.example^ @@||x.a.example^', 'y.x.a.example', false],
    ['||a.example^$important @@||a.example^', 'a.example', true],
    ['||a.example^$important @@||x.a.example^', 'x.a.example', true],
    ['||a.example^$important @@||a.example^$important', 'a.example', false],
    ['||a.example^ ||a.example^$badfilter', 'a.example', false],
    ['||a.example^$badfilter ||a.example^', 'a.example', false],
    ['||a.example^ ||a.example^$badfilter', 'x.a.example', false],
    ['||a.example^ ||x.a.example^$badfilter', 'x.a.example', true],
    ['||a.example^$important ||a.example^$badfilter', 'a.example', true],
    ['||a.example^$important ||a.example^$important,badfilter', 'a.example', false],
    ['||a.example^ @@||a.example^ @@||a.example^$badfilter', 'a.example', true],
    ['||a.example^$dnstype=AAAA ||a.example^$dnstype=A,badfilter', 'a.example', false],
    ['||a.example^$dnstype=A|TXT ||a.example^$dnstype=TXT|A,badfilter', 'a.example', false],
    ['||a.example^$dnstype=A', 'a.example', true],
    ['||a.example^$dnstype=a|txt', 'a.example', true],
    ['||a.example^$dnstype=AAAA', 'a.example', false],
    ['||a.example^$dnstype=~A', 'a.example', false],
    ['||a.example^$dnstype=~AAAA|~TXT', 'a.example', true],
    ['||a.example^ @@||a.example^$dnstype=A', 'a.example', false],
    ['||a.example^ @@||a.example^$dnstype=HTTPS', 'a.example', true],
    ['||a.example^$denyallow=x.a.example|z.a.example', 'a.example', true],
    ['||a.example^$denyallow=x.a.example|z.a.example', 'y.x.a.example', false],
    ['||a.example^$denyallow=x.a.example|z.a.example', 'z.a.example', false],
    ['||a.example^$denyallow=x.a.example ||x.a.example^', 'x.a.example', true],
    ['||a.example^$denyallow=x.a.example', 'ax.a.example', true],
  ])('%s, asked for %s: %s', (rules, name, blocked) => {
    const text = rules.startsWith('0.0.0.0') ? rules : rules.replaceAll(/ (?=@|\|)/g, '\n');
    const singles = text.replace('@@||example^', '@@||a.example^');
    expect(blocking([list(singles)], name)).toEqual(blocked ? [1] : []);
  });
});

describe('between lists', () => {
  const blocks = list('||a.example^');
  it.each([
    ['an exception reaches the others', [blocks, list('@@||a.example^')], []],
    ['but not what is important', [list('||a.example^$important'), list('@@||a.example^')], [1]],
    ['unless it is itself', [list('||a.example^$important'), list('@@||a.example^$important')], []],
    ['$badfilter reaches the others', [blocks, list('||a.example^$badfilter')], []],
    ['a dry run lifts nothing', [blocks, list('@@||a.example^', { dryRun: true })], [1]],
    ['a dry run is lifted', [{ ...blocks, dryRun: true }, list('@@||a.example^')], []],
    ['what is suspected lifts nothing that is confirmed', [blocks, list('@@||a.example^', { tier: 'suspected' })], [1]],
    ['another category neither', [blocks, list('@@||a.example^', { category: 'malware' })], [1]],
    [
      'nor does it reach a list of another form',
      [{ ...blocks, format: 'domains', text: 'a.example\n' }, list('@@||a.example^')],
      [1],
    ],
    ['a policy zone excepts for itself', [blocks, { text: 'a.example CNAME rpz-passthru.\n', category: 'c2' }], [1, 2]],
  ] as const)('%s', (_, lists, expected) => {
    expect(blocking(lists, 'a.example')).toEqual(expected);
  });
});

describe('along aliases', () => {
  const target = '||bad.example^';
  it.each([
    ['a target is blocked', [target], 'www.example → bad.example', [1]],
    [
      'an exception for the name asked for holds for all it leads to',
      [`${target}\n@@||www.example^`],
      'www.example → bad.example',
      [],
    ],
    ['from another list too', [target, '@@||www.example^'], 'www.example → x.example → bad.example', []],
    [
      'but not over what is important',
      [`${target.replace('^', '^$important')}\n@@||www.example^`],
      'www.example → bad.example',
      [1],
    ],
    [
      'an exception on the way is for that name alone',
      [`${target}\n@@||x.example^`],
      'www.example → x.example → bad.example',
      [1],
    ],
    ['an exception for the target', [`${target}\n@@||bad.example^`], 'www.example → bad.example', []],
    ['is of the next question no more', [`${target}\n@@||www.example^`], 'other.example → bad.example', [1]],
  ])('%s', (_, texts, chain, expected) => {
    expect(
      blocking(
        texts.map((text) => list(text)),
        chain,
      ),
    ).toEqual(expected);
  });
});
