import { describe, expect, it } from 'vitest';
import { collectEntries } from './collect-entries.ts';

const HEAD = '$TTL 60\n@ SOA ns.invalid. root.invalid. 7 1h 15m 30d 2h\n NS localhost.\n';
const ZONE = { zone: 'rpz.example' };
const rpz = (text: string, options = ZONE) => {
  const result = collectEntries('rpz', HEAD + text, options);
  return {
    ...result,
    rules: result.rules.map((rule) => rule.replace(/^\d+ /, '')),
    bad: result.bad.map((bad) => bad.replace(/^\d+:\d+ /, '')),
  };
};

describe('rpz: the older form of PASSTHRU', () => {
  it.each([
    ['ok.example CNAME ok.example.', '=ok.example passthru'],
    ['OK.example CNAME ok.EXAMPLE.', '=ok.example passthru'],
    ['*.ok.example CNAME *.ok.example.', '*ok.example passthru'],
    ['24.0.2.0.192.rpz-ip CNAME 24.0.2.0.192.', 'IP 192.0.2.0/24 passthru'],
    ['24.0.2.0.192.rpz-ip CNAME 24.0.2.0.192.rpz-ip.', 'IP 192.0.2.0/24 passthru'],
    ['32.1.2.0.192.rpz-client-ip CNAME 32.1.2.0.192.', 'CLIENT_IP 192.0.2.1/32 passthru'],
    ['32.1.2.0.192.rpz-nsip CNAME 32.1.2.0.192.', 'NSIP 192.0.2.1/32 passthru'],
    ['ns.ok.example.rpz-nsdname CNAME ns.ok.example.', 'NSDNAME =ns.ok.example passthru'],
    ['*.ok.example.rpz-nsdname CNAME *.ok.example.', 'NSDNAME *ok.example passthru'],
  ])('%s', (line, rule) => {
    expect(rpz(`${line}\n`)).toMatchObject({ bad: [], rules: [rule] });
  });

  it('is not what leads elsewhere', () => {
    const { rules } = rpz('*.ok.example CNAME ok.example.\n24.0.2.0.192.rpz-ip CNAME 24.0.3.0.192.\n');
    expect(rules.map((rule) => rule.split(' ').find((word) => word.includes('-') || word === 'passthru'))).toEqual([
      'local-data',
      'local-data',
    ]);
  });
});

it('rpz: DNAME is local data', () => {
  expect(rpz('a.example DNAME b.example.\n')).toMatchObject({
    bad: [],
    rules: ['=a.example local-data DNAME 60 0162076578616d706c6500'],
  });
});

describe('rpz: actions and QNAME triggers', () => {
  it('knows every action', () => {
    const { rules, bad } = rpz(
      [
        'a.example CNAME .',
        '*.a.example CNAME *.',
        'b.example IN CNAME rpz-passthru.',
        'c.example 300 IN CNAME rpz-drop.',
        'd.example IN 300 CNAME RPZ-TCP-Only.',
        'E.Example.rpz.example. cname e.example.',
        'f.example CNAME garden.example.net.',
        '*.f.example 1h30m CNAME *.garden.example.net.',
      ].join('\n'),
    );
    expect(bad).toEqual([]);
    expect(rules).toEqual([
      '=a.example nxdomain',
      '*a.example nodata',
      '=b.example passthru',
      '=c.example drop',
      '=d.example tcp-only',
      '=e.example passthru',
      '=f.example local-data CNAME 60 0667617264656e076578616d706c65036e657400',
      '*f.example local-data CNAME 5400 012a0667617264656e076578616d706c65036e657400',
    ]);
  });

  it('reads local data', () => {
    const { rules, bad } = rpz(
      [
        'a.example A 192.0.2.1',
        ' A 192.0.2.2',
        '\tAAAA 2001:db8::1',
        ' TXT "two; (words)" plain "\\"\\065"',
        ' MX 10 mail',
        ' SRV 0 5 443 srv.example.',
        ' CAA 0 issue ";"',
        ' TYPE65280 \\# 3 01 02ff',
        ' TYPE1 \\# 4 C0000203',
      ].join('\n'),
    );
    expect(bad).toEqual([]);
    expect(rules.map((rule) => rule.replace('=a.example local-data ', ''))).toEqual([
      'A 60 c0000201',
      'A 60 c0000202',
      'AAAA 60 20010db8000000000000000000000001',
      `TXT 60 0c${Buffer.from('two; (words)').toString('hex')}05${Buffer.from('plain').toString('hex')}022241`,
      'MX 60 000a046d61696c0372707a076578616d706c6500',
      'SRV 60 0000000501bb03737276076578616d706c6500',
      'CAA 60 000569737375653b',
      'TYPE65280 60 0102ff',
      'A 60 c0000203',
    ]);
  });

  it('follows $ORIGIN, $TTL, @ and records over several lines', () => {
    const { rules, bad, zone } = rpz(
      [
        '$ORIGIN sub.rpz.example.',
        'a.example CNAME .',
        '$ORIGIN rpz.example.',
        '$TTL 1d',
        'b.example ( ; a comment with ) in it',
        '   A ; why',
        '   192.0.2.9 )',
        'c\\.d.example CNAME .',
        'x\\042y.example CNAME .',
      ].join('\r\n'),
    );
    expect(bad).toEqual([]);
    expect(rules).toEqual([
      '=a.example.sub nxdomain',
      '=b.example local-data A 86400 c0000209',
      '=c\\.d.example nxdomain',
      '=x*y.example nxdomain',
    ]);
    expect(zone?.soa).toMatchObject({
      serial: 7,
      refreshSeconds: 3600,
      retrySeconds: 900,
      expireSeconds: 2_592_000,
      minimumSeconds: 7200,
      ttl: 60,
    });
  });

  it('takes the zone from the file where the configuration does not say it', () => {
    const soa = 'SOA a. b. 1 1 1 1 1\n';
    const read = (text: string) => {
      const { names, bad } = collectEntries('rpz', text);
      return { names, bad };
    };
    const expected = { names: ['a.example'], bad: [] };
    expect(read(`@ ${soa}a.example CNAME .\n`)).toEqual(expected);
    expect(read(`rpz.test. ${soa}a.example.rpz.test. CNAME .\n`)).toEqual(expected);
    expect(read(`$ORIGIN rpz.test.\n@ ${soa}a.example CNAME .\na.example.rpz.test. CNAME .\n`)).toEqual(expected);
    expect(read('a.example CNAME .\n')).toEqual(expected);
  });

  it('refuses a file that holds another zone than the one configured', () => {
    const { refusal } = collectEntries('rpz', 'other.test. SOA a. b. 1 1 1 1 1\nx.other.test. CNAME .\n', ZONE);
    expect(refusal).toMatchObject({
      reason: 'bad-zone',
      message: 'the file holds the zone other.test, not rpz.example',
    });
  });

  it('skips what signs a zone', () => {
    const { rules, bad, skipped } = rpz(
      '@ DNSKEY 256 3 13 abc=\na.example CNAME .\n RRSIG CNAME 13 4 60 ( 2026 2025 1 rpz.example.\n abc= )\n NSEC b.example CNAME\n',
    );
    expect(bad).toEqual([]);
    expect(rules).toEqual(['=a.example nxdomain']);
    expect(skipped).toBe(5);
  });

  it.each([
    ['out.of.zone. CNAME .', 'out-of-zone'],
    ['aarpz.example. CNAME .', 'out-of-zone'],
    ['* CNAME .', 'root'],
    ['com CNAME .', 'single-label'],
    ['*.com CNAME .', 'single-label'],
    ['192.0.2.1 CNAME .', 'address'],
    ['a..example CNAME .', 'empty-label'],
    [`${'a'.repeat(64)}.example CNAME .`, 'label-too-long'],
    [`${'a.'.repeat(124)}example CNAME .`, 'name-too-long'],
    ['a\\999.example CNAME .', 'bad-escape'],
    ['a.example CNAME rpz-nonsense.', 'reserved-action'],
    ['a.example CNAME x.rpz-drop.', 'reserved-action'],
    ['a.example CNAME', 'bad-rdata'],
    ['a.example CNAME a. b.', 'bad-rdata'],
    ['a.example A 192.0.2', 'bad-rdata'],
    ['a.example A 2001:db8::1', 'bad-rdata'],
    ['a.example AAAA 192.0.2.1', 'bad-rdata'],
    ['a.example MX x mail', 'bad-rdata'],
    ['a.example TYPE65280 \\# 3 0102', 'bad-rdata'],
    ['a.example CH TXT x', 'bad-class'],
    ['a.example NONSENSE x', 'bad-type'],
    ['a.example', 'bad-type'],
    ['a.example 99999999999 CNAME .', 'bad-ttl'],
    ['a.example 60 60 CNAME .', 'bad-ttl'],
    ['a.example NS b.example.', 'unsupported-type'],
    ['$INCLUDE /etc/passwd', 'directive'],
    ['$GENERATE 1-9 a$ CNAME .', 'directive'],
    ['a.example TXT "open', 'bad-quoting'],
    ['a.example CNAME . )', 'parentheses'],
    ['x.rpz-future CNAME .', 'reserved-trigger'],
    ['rpz-nsdname CNAME .', 'root'],
  ])('rejects %s as %s and takes the next record', (line, reason) => {
    const { rules, bad } = rpz(`${line}\nnext.example CNAME .\n`);
    expect(bad).toEqual([reason]);
    expect(rules).toEqual(['=next.example nxdomain']);
  });

  it('does not give records below a broken owner to the owner above it', () => {
    const { rules, bad } = rpz(
      'a.example A 192.0.2.1\nb..example A 192.0.2.2\n A 192.0.2.3\nc.example ) A 192.0.2.4\n A 192.0.2.5\n',
    );
    expect(rules).toEqual(['=a.example local-data A 60 c0000201']);
    expect(bad).toEqual(['empty-label', 'owner-missing', 'parentheses', 'owner-missing']);
  });

  it('ends with parentheses still open: the record is lost, nothing else', () => {
    const { rules, bad } = rpz('a.example CNAME .\nb.example ( A\n192.0.2.1\n');
    expect(rules).toEqual(['=a.example nxdomain']);
    expect(bad).toEqual(['parentheses']);
  });

  it('bounds a record whose parentheses never close', () => {
    const { rules, bad } = rpz(`b.example ( TXT\n${' x\n'.repeat(200_000)})\nnext.example CNAME .\n`);
    expect(bad.slice(0, 1)).toEqual(['line-too-long']);
    expect(rules).toEqual(['=next.example nxdomain']);
  });
});

describe('rpz: other triggers', () => {
  it('decodes networks and name servers', () => {
    const { rules, bad } = rpz(
      [
        '32.1.2.0.192.rpz-client-ip CNAME rpz-drop.',
        '24.0.2.0.192.rpz-ip CNAME .',
        '128.1.zz.db8.2001.rpz-ip CNAME *.',
        '48.zz.1.db8.2001.rpz-nsip CNAME rpz-passthru.',
        '128.8.7.6.5.4.3.2.1.RPZ-IP A 192.0.2.1',
        '64.zz.2.0.0.db8.2001.rpz-client-ip CNAME .',
        '128.zz.rpz-ip CNAME .',
        'ns.bad.example.rpz-nsdname CNAME .',
        '*.bad.example.rpz-nsdname CNAME *.',
      ].join('\n'),
    );
    expect(rules).toEqual([
      'CLIENT_IP 192.0.2.1/32 drop',
      'IP 192.0.2.0/24 nxdomain',
      'IP 2001:db8::1/128 nodata',
      'NSIP 2001:db8:1::/48 passthru',
      'IP 1:2:3:4:5:6:7:8/128 local-data A 60 c0000201',
      'IP ::/128 nxdomain',
      'NSDNAME =ns.bad.example nxdomain',
      'NSDNAME *bad.example nodata',
    ]);
    // 2001:db8:0:0:2::/64 has bits beyond its 64.
    expect(bad).toEqual(['bad-prefix']);
  });

  it.each([
    '24.1.2.0.192',
    '33.1.2.0.192',
    '0.0.0.0.0',
    '024.0.2.0.192',
    '24.0.2.0.256',
    '24.0.2.192',
    '24',
    '129.1.zz.db8.2001',
    '128.1.zz.zz.2001',
    '128.1.2.3.4.5.6.7',
    '128.g.zz.2001',
    '128.00001.zz.2001',
    '*.zz.2001',
  ])('rejects %s as a network', (owner) => {
    expect(rpz(`${owner}.rpz-ip CNAME .\n`).bad).toEqual(['bad-prefix']);
  });
});
