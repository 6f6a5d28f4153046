import { describe, expect, it } from 'vitest';
import { collectEntries } from './collect-entries.ts';

describe('hosts', () => {
  it('takes every address that leads nowhere, and several names a line', () => {
    const { rules, bad } = collectEntries(
      'hosts',
      '0.0.0.0 a.example\n127.0.0.1\tb.example  c.example # two\n:: d.example\n::1 e.example\n127.9.9.9 f.example\n0 g.example\n',
    );
    expect(rules).toEqual([
      '1 =a.example listed',
      '2 =b.example listed',
      '2 =c.example listed',
      '3 =d.example listed',
      '4 =e.example listed',
      '5 =f.example listed',
      '6 =g.example listed',
    ]);
    expect(bad).toEqual([]);
  });

  it('skips and counts the names that every hosts file has', () => {
    const { rules, bad, skipped } = collectEntries(
      'hosts',
      [
        '127.0.0.1 localhost LOCALHOST.localdomain local',
        '255.255.255.255 broadcasthost',
        '::1 ip6-localhost ip6-loopback localhost6.localdomain6',
        'fe80::1%lo0 localhost',
        'ff02::2 ip6-allrouters',
        '0.0.0.0 lovely.example localhost.example',
      ].join('\n'),
    );
    expect(skipped).toBe(9);
    expect(rules).toEqual(['6 =lovely.example listed', '6 =localhost.example listed']);
    expect(bad).toEqual([]);
  });

  it.each([
    ['192.0.2.7 a.example', 'other-address'],
    ['2001:db8::7 a.example', 'other-address'],
    ['a.example', 'no-address'],
    ['a.example b.example', 'no-address'],
    ['0.0.0.0', 'empty-name'],
    ['192.0.2.7 # nothing', 'empty-name'],
    ['0.0.0.0 0.0.0.0', 'address'],
    ['0.0.0.0 com', 'single-label'],
    ['127.0.0.999 a.example', 'no-address'],
  ])('rejects %s as %s', (line, reason) => {
    const { bad, rules } = collectEntries('hosts', `${line}\n0.0.0.0 next.example\n`);
    expect(bad.map((text) => text.split(' ')[1])).toEqual([reason]);
    expect(rules).toEqual(['2 =next.example listed']);
  });

  it('skips one bad name of a line, not the others', () => {
    const { names, bad } = collectEntries('hosts', '0.0.0.0 a.example b..example c.example\n');
    expect(names).toEqual(['a.example', 'c.example']);
    expect(bad).toEqual(['1:21 empty-label']);
  });
});
