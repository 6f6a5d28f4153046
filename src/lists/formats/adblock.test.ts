import { describe, expect, it } from 'vitest';
import { collectEntries } from './collect-entries.ts';

describe('adblock', () => {
  it('takes rules on whole names', () => {
    const { rules, bad } = collectEntries(
      'adblock',
      [
        '[Adblock Plus 2.0]',
        '! Title: a list',
        '# a comment as AdGuard writes them',
        '####################',
        '||a.example^',
        '||b.example^|',
        '||c.example',
        '||D.example^$all',
        '||e.example^$all,document',
        '||f.example$all',
        '||*.g.example^',
        '  ||h.example^  ',
      ].join('\r\n'),
    );
    expect(bad).toEqual([]);
    expect(rules).toEqual([
      '5 +a.example listed',
      '6 +b.example listed',
      '7 +c.example listed',
      '8 +d.example listed',
      '9 +e.example listed',
      '10 +f.example listed',
      '11 *g.example listed',
      '12 +h.example listed',
    ]);
  });

  it('turns exceptions into PASSTHRU of the same list', () => {
    expect(collectEntries('adblock', '@@||good.bad.example^\n@@||*.x.example^$all\n').rules).toEqual([
      '1 +good.bad.example passthru',
      '2 *x.example passthru',
    ]);
  });

  it.each([
    ['||a.example/path', 'page-rule'],
    ['||a.example^path', 'page-rule'],
    ['||a*b.example^', 'page-rule'],
    ['||a.example:8080^', 'page-rule'],
    ['|http://a.example/', 'page-rule'],
    ['/banner\\d+/', 'page-rule'],
    ['@@/x', 'page-rule'],
    ['a.example##.ad', 'cosmetic'],
    ['##.ad', 'cosmetic'],
    ['a.example#@#.ad', 'cosmetic'],
    ['a.example#?#.ad:has(b)', 'cosmetic'],
    ['||a.example^$third-party', 'option'],
    ['||a.example^$all,domain=b.example', 'option'],
    ['||a.example^$client=127.0.0.1', 'option-client'],
    ["||a.example^$important,client='Kids'", 'option-client'],
    ['||a.example^$ctag=device_pc', 'option-ctag'],
    ['||a.example^$dnsrewrite=192.0.2.1', 'option-dnsrewrite'],
    ['@@||a.example^$dnsrewrite', 'option-dnsrewrite'],
    ['||a.example^$dnstype=NONSENSE', 'option'],
    ['||a.example^$denyallow=*.b.example', 'option'],
    ['||a.example^$important=1', 'option'],
    ['||192.0.2.1^', 'address'],
    ['||com^', 'single-label'],
    ['||^', 'empty-name'],
  ])('rejects %s as %s', (line, reason) => {
    const { bad, rules } = collectEntries('adblock', `! x\n${line}\n||next.example^\n`);
    expect(bad.map((text) => text.split(' ')[1])).toEqual([reason]);
    expect(rules).toEqual(['3 +next.example listed']);
  });
});
