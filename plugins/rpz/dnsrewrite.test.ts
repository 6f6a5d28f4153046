/** `$dnsrewrite` in adblock lists of category policy, as AdGuard's documentation of DNS filtering syntax has it. */
import { describe, expect, it } from 'vitest';
import { collectEntries } from '../../src/lists/formats/collect-entries.ts';
import { mount } from '../../src/testing/testing.ts';
import { listsInForce, type TestList } from '../../test/support/lists-in-force.ts';
import rpz from './index.ts';

const list = (text: string, more: Partial<TestList> = {}): TestList => ({ format: 'adblock', text, ...more });

/** What the client gets: rcode and answers in short; `asked` where the rules leave the name alone. */
async function told(lists: readonly TestList[], name: string, type = 'A'): Promise<string> {
  const mounted = mount(
    rpz,
    {},
    {
      lists: listsInForce(...lists),
      upstream: (asked, askedType) => {
        if (asked === 'net.example' && askedType === 'A')
          return [{ name: asked, type: 'A', ttl: 300, data: '198.51.100.1' }];
        return askedType === 'A' ? [{ name: asked, type: 'A', ttl: 300, data: '203.0.113.99' }] : [];
      },
    },
  );
  const { rcode, answers } = await mounted.ask({ name, type });
  const shown = answers.map((one) => {
    const data = 'data' in one ? one.data : '';
    return `${one.type} ${typeof data === 'string' ? data : Buffer.isBuffer(data) ? data.toString('hex') : Array.isArray(data) ? data.map(String).join(' ') : JSON.stringify(data)}`;
  });
  return [rcode, ...shown].join('; ').replace('NOERROR; A 203.0.113.99', 'asked');
}

describe('one rule', () => {
  it.each([
    ['||a.example^$dnsrewrite=192.0.2.1', 'a.example', 'A', 'NOERROR; A 192.0.2.1'],
    ['||a.example^$dnsrewrite=192.0.2.1', 'x.a.example', 'A', 'NOERROR; A 192.0.2.1'],
    // The name has no other records then.
    ['||a.example^$dnsrewrite=192.0.2.1', 'a.example', 'AAAA', 'NOERROR'],
    ['||a.example^$dnsrewrite=2001:db8::1', 'a.example', 'AAAA', 'NOERROR; AAAA 2001:db8::1'],
    ['||a.example^$dnsrewrite=net.example', 'a.example', 'A', 'NOERROR; CNAME net.example; A 198.51.100.1'],
    [
      '||a.example^$dnsrewrite=NOERROR;CNAME;net.example',
      'a.example',
      'A',
      'NOERROR; CNAME net.example; A 198.51.100.1',
    ],
    ['||a.example^$dnsrewrite=NOERROR;A;192.0.2.1', 'a.example', 'A', 'NOERROR; A 192.0.2.1'],
    ['||a.example^$dnsrewrite=REFUSED', 'a.example', 'A', 'REFUSED'],
    ['||a.example^$dnsrewrite=REFUSED;;', 'a.example', 'A', 'REFUSED'],
    ['||a.example^$dnsrewrite=SERVFAIL', 'a.example', 'A', 'SERVFAIL'],
    ['||a.example^$dnsrewrite=NXDOMAIN;;', 'a.example', 'A', 'NXDOMAIN'],
    ['||a.example^$dnsrewrite=NXDOMAIN;A;192.0.2.1', 'a.example', 'A', 'NXDOMAIN'],
    ['||a.example^$dnsrewrite=NOERROR', 'a.example', 'A', 'NOERROR'],
    ['||a.example^$dnsrewrite=NOERROR;;', 'a.example', 'A', 'NOERROR'],
    [
      '||4.3.2.1.in-addr.arpa^$dnsrewrite=NOERROR;PTR;net.example.',
      '4.3.2.1.in-addr.arpa',
      'PTR',
      'NOERROR; PTR net.example',
    ],
    ['||a.example^$dnsrewrite=NOERROR;TXT;hello_world', 'a.example', 'TXT', 'NOERROR; TXT hello_world'],
    ['||a.example^$dnsrewrite=NOERROR;TXT;one\\, two', 'a.example', 'TXT', 'NOERROR; TXT one, two'],
    [
      '||a.example^$dnsrewrite=NOERROR;MX;32 example.mail',
      'a.example',
      'MX',
      'NOERROR; MX {"preference":32,"exchange":"example.mail"}',
    ],
    [
      '||_x._tcp.a.example^$dnsrewrite=NOERROR;SRV;10 60 8080 net.example',
      '_x._tcp.a.example',
      'SRV',
      'NOERROR; SRV {"priority":10,"weight":60,"port":8080,"target":"net.example"}',
    ],
    ['||a.example^$dnstype=AAAA,denyallow=b.a.example,dnsrewrite=NOERROR;;', 'a.example', 'AAAA', 'NOERROR'],
    ['||a.example^$dnstype=AAAA,dnsrewrite=NOERROR;;', 'a.example', 'A', 'asked'],
    ['||a.example^$denyallow=b.a.example,dnsrewrite=REFUSED', 'b.a.example', 'A', 'asked'],
  ])('%s: %s %s', async (text, name, type, expected) => {
    expect(await told([list(text)], name, type)).toBe(expected);
  });

  it.each([
    ['1 . alpn=h3', '0001' + '00' + '0001' + '0003' + '026833'],
    [
      '32 example.com alpn=h3 port=8443',
      '0020' + '076578616d706c6503636f6d00' + '0001' + '0003' + '026833' + '0003' + '0002' + '20fb',
    ],
    // Keys come in their order, whatever the text has (RFC 9460 §2.2).
    ['1 . ipv4hint=127.0.0.1 alpn=h2', '0001' + '00' + '0001' + '0003' + '026832' + '0004' + '0004' + '7f000001'],
    ['0 net.example', '0000' + '036e6574076578616d706c6500'],
  ])('HTTPS %s', async (value, hex) => {
    const { rules, bad } = collectEntries('adblock', `||a.example^$dnsrewrite=NOERROR;HTTPS;${value}\n`, {
      rewrites: true,
    });
    expect(bad).toEqual([]);
    // flags, no types, no names, NOERROR, type 65, TTL 30, data
    expect(rules).toEqual([`1 +a.example adblock ${'080000' + '00' + '0041' + '0000001e'}${hex}`]);
  });

  it.each([
    '||a.example^$dnsrewrite',
    '||a.example^$dnsrewrite=',
    '||a.example^$dnsrewrite=A:NOERROR:127.0.0.1',
    '||a.example^$dnsrewrite=NOTIMP;;',
    '||a.example^$dnsrewrite=NOERROR;A;2001:db8::1',
    '||a.example^$dnsrewrite=NOERROR;A',
    '||a.example^$dnsrewrite=NOERROR;NAPTR;x',
    '||a.example^$dnsrewrite=NOERROR;MX;mail.example',
    '||a.example^$dnsrewrite=NOERROR;HTTPS;1 . ipv4hint="127.0.0.1"',
    '||a.example^$dnsrewrite=NOERROR;HTTPS;1 . alpn=h2 alpn=h3',
  ])('%s is counted under its reason', (text) => {
    const { bad, rules } = collectEntries('adblock', `${text}\n`, { rewrites: true });
    expect([bad.map((one) => one.split(' ')[1]), rules]).toEqual([['option-dnsrewrite'], []]);
  });

  it('in a list that acts on consent is counted, not done', () => {
    const { bad } = collectEntries('adblock', '||a.example^$dnsrewrite=192.0.2.1\n');
    expect(bad.map((one) => one.split(' ')[1])).toEqual(['option-dnsrewrite']);
  });
});

describe('several', () => {
  it.each<[string, string, string]>([
    // All records make one answer.
    [
      '||a.example^$dnsrewrite=192.0.2.1 ||a.example^$dnsrewrite=NOERROR;A;192.0.2.2',
      'A',
      'NOERROR; A 192.0.2.1; A 192.0.2.2',
    ],
    // A response code comes before a CNAME, and that before records.
    [
      '||a.example^$dnsrewrite=192.0.2.1 ||a.example^$dnsrewrite=net.example',
      'A',
      'NOERROR; CNAME net.example; A 198.51.100.1',
    ],
    ['||a.example^$dnsrewrite=net.example ||a.example^$dnsrewrite=REFUSED', 'A', 'REFUSED'],
    // Before other rules, whatever these say; a plain exception does not reach them.
    ['||a.example^ ||a.example^$dnsrewrite=192.0.2.1', 'A', 'NOERROR; A 192.0.2.1'],
    ['@@||a.example^ ||a.example^$dnsrewrite=192.0.2.1', 'A', 'NOERROR; A 192.0.2.1'],
    ['@@||a.example^$important ||a.example^$dnsrewrite=192.0.2.1', 'A', 'NOERROR; A 192.0.2.1'],
    // Exceptions of their kind take out all, or one.
    ['@@||a.example^$dnsrewrite ||a.example^$dnsrewrite=192.0.2.1', 'A', 'asked'],
    [
      '@@||a.example^$dnsrewrite=192.0.2.1 ||a.example^$dnsrewrite=192.0.2.1 ||a.example^$dnsrewrite=192.0.2.2',
      'A',
      'NOERROR; A 192.0.2.2',
    ],
    ['@@||a.example^$dnsrewrite=NOERROR;A;192.0.2.1 ||a.example^$dnsrewrite=192.0.2.1', 'A', 'asked'],
    ['@@||a.example^$dnsrewrite=192.0.2.9 ||a.example^$dnsrewrite=192.0.2.1', 'A', 'NOERROR; A 192.0.2.1'],
    // $important, $badfilter.
    ['@@||a.example^$dnsrewrite ||a.example^$dnsrewrite=192.0.2.1,important', 'A', 'NOERROR; A 192.0.2.1'],
    ['@@||a.example^$dnsrewrite,important ||a.example^$dnsrewrite=192.0.2.1,important', 'A', 'asked'],
    ['||a.example^$dnsrewrite=192.0.2.1 ||a.example^$dnsrewrite=192.0.2.1,badfilter', 'A', 'asked'],
    ['||a.example^$dnsrewrite=192.0.2.1 ||a.example^$dnsrewrite=192.0.2.2,badfilter', 'A', 'NOERROR; A 192.0.2.1'],
  ])('%s', async (rules, type, expected) => {
    expect(await told([list(rules.replaceAll(/ (?=@@|\|\|)/g, '\n'))], 'a.example', type)).toBe(expected);
  });

  it('lists: the first one that answers counts, and exceptions reach as those of other rules do', async () => {
    const first = list('||a.example^$dnsrewrite=192.0.2.1');
    const second = list('||a.example^$dnsrewrite=192.0.2.2');
    expect(await told([first, second], 'a.example')).toBe('NOERROR; A 192.0.2.1');
    expect(await told([second, first], 'a.example')).toBe('NOERROR; A 192.0.2.2');
    expect(await told([first, list('@@||a.example^$dnsrewrite')], 'a.example')).toBe('asked');
    expect(await told([list('||a.example^$dnsrewrite=192.0.2.1', { dryRun: true }), second], 'a.example')).toBe(
      'NOERROR; A 192.0.2.2',
    );
  });

  it('the override of the list is what its other rules get; a list that is to do nothing does nothing', async () => {
    const text = '||a.example^$dnsrewrite=192.0.2.1\n||b.example^';
    const nxdomain = list(text, { override: { action: 'nxdomain' } });
    expect(await told([nxdomain], 'a.example')).toBe('NOERROR; A 192.0.2.1');
    expect(await told([nxdomain], 'b.example')).toBe('NXDOMAIN');
    for (const action of ['passthru', 'disabled'] as const)
      expect(await told([list(text, { override: { action } })], 'a.example'), action).toBe('asked');
  });

  it('nothing is rewritten at the end of an alias, which nobody asked for', async () => {
    const mounted = mount(
      rpz,
      {},
      {
        lists: listsInForce(list('||a.example^$dnsrewrite=192.0.2.1')),
        upstream: (name) => [
          { name, type: 'CNAME', ttl: 300, data: 'a.example' },
          { name: 'a.example', type: 'A', ttl: 300, data: '203.0.113.99' },
        ],
      },
    );
    const reply = await mounted.ask({ name: 'alias.example' });
    expect(reply.answers.map((one) => ('data' in one ? one.data : ''))).toEqual(['a.example', '203.0.113.99']);
  });

  it('explain names the list, the rule and what it comes to', () => {
    const mounted = mount(rpz, {}, { lists: listsInForce(list('||a.example^$dnsrewrite=REFUSED')) });
    const explained = mounted.explain({ name: 'x.a.example' });
    expect(explained?.reason).toMatch(/^list 'list1': qname rule '\*\.a\.example', action refused/);
  });
});
