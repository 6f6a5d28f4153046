import fc from 'fast-check';
import { getDomain } from 'tldts';
import { describe, expect, test } from 'vitest';
import { nameToText, textToName } from '../../src/contract/plugin.ts';
import { Question } from '../../src/wire/question.ts';
import { registeredDomain, ZoneFinder } from './zone-finder.ts';
import { createZoneMemory, ZoneTable } from './zone-table.ts';

function asked(text: string): Question {
  const question = new Question();
  const wire = textToName(text);
  question.name.set(wire);
  question.nameLength = wire.length;
  question.labelCount = 0;
  for (let at = 0; wire[at] !== 0; at += wire[at]! + 1) question.labelStarts[question.labelCount++] = at;
  return question;
}

function rig() {
  const memory = createZoneMemory(1024);
  const zones = new ZoneTable(memory, { limit: 1, outstanding: 1, least: 1, slowMs: 1 }, [1, 2]);
  const turns: (() => void)[] = [];
  const finder = new ZoneFinder(
    zones,
    () => 0,
    (work) => turns.push(work),
  );
  const zoneOf = (text: string): string | undefined => {
    const question = asked(text);
    const located = zones.locate(question);
    finder.passed(question, located);
    return located ? text.split('.').slice(-zones.registeredLabels).join('.') : undefined;
  };
  return {
    finder,
    turns,
    zoneOf,
    turn: () => {
      for (const work of turns.splice(0)) work();
    },
  };
}

test('a domain is found from the turn after the first name below it, whatever stands in front', () => {
  const { zoneOf, turn, turns } = rig();
  expect(zoneOf('www.example.co.jp')).toBeUndefined();
  expect(turns).toHaveLength(1);
  turn();
  expect(zoneOf('x8f3k.example.co.jp')).toBe('example.co.jp');
  expect(zoneOf('a.b.c.d.e.f.g.h.example.co.jp')).toBe('example.co.jp');
  expect(zoneOf('example.co.jp')).toBe('example.co.jp');
});

test('no public suffix ever becomes a zone', () => {
  const { zoneOf, turn } = rig();
  for (const name of ['co.jp', 'www.co.jp', 'com', 'github.io', 'someone.github.io', 'city.kawasaki.jp', 'kobe.jp'])
    zoneOf(name);
  turn();
  expect(zoneOf('other.co.jp')).toBeUndefined();
  expect(zoneOf('other.github.io')).toBeUndefined();
  expect(zoneOf('com')).toBeUndefined();
  expect(zoneOf('x.someone.github.io')).toBe('someone.github.io');
  expect(zoneOf('x.city.kawasaki.jp')).toBe('city.kawasaki.jp');
});

test('domains below a domain come apart: a public suffix may lie below what somebody registered', () => {
  const { zoneOf, turn } = rig();
  zoneOf('www.amazonaws.com');
  turn();
  // Found, at first, as what it lies below …
  for (let i = 0; i < 100; i++) zoneOf('bucket.s3.amazonaws.com');
  turn();
  // … and looked at again now and then.
  expect(zoneOf('bucket.s3.amazonaws.com')).toBe('bucket.s3.amazonaws.com');
  expect(zoneOf('www.amazonaws.com')).toBe('amazonaws.com');
});

test('reverse zones are a network’s own: an IPv4 /16, an IPv6 /32', () => {
  const { zoneOf, turn } = rig();
  const v6 = (text: string) => `${[...text].join('.')}.ip6.arpa`;
  const one = v6('1000000000000000000000008bd01002');
  for (const name of ['7.2.0.192.in-addr.arpa', one, '192.in-addr.arpa', 'in-addr.arpa', '8.bd0.ip6.arpa'])
    zoneOf(name);
  turn();
  expect(zoneOf('9.3.0.192.in-addr.arpa')).toBe('0.192.in-addr.arpa');
  expect(zoneOf('9.3.1.192.in-addr.arpa')).toBeUndefined();
  expect(zoneOf(one)).toBe(v6('8bd01002'));
  expect(zoneOf(v6('1000000000000000000000009bd01002'))).toBeUndefined();
});

test('few names wait, however many come', () => {
  const { turns, finder } = rig();
  for (let i = 0; i < 10_000; i++) finder.passed(asked(`www.domain-${i}.example`), false);
  expect(turns).toHaveLength(1);
});

describe('the registered domain', () => {
  const text = (name: string) => {
    const domain = registeredDomain(textToName(name));
    return domain && nameToText(domain.name);
  };

  test('keeps every byte as it is, also those that text escapes', () => {
    expect(text('a\\.b.ex\\000mple.com')).toBe('ex\\000mple.com');
    expect(text('_dmarc.xn--eckwd4c7cu47r2wf.jp')).toBe('xn--eckwd4c7cu47r2wf.jp');
    expect(text('.')).toBeUndefined();
  });

  test('is what the public suffix list says', () => {
    const label = fc.stringMatching(/^[a-z0-9]{1,12}$/);
    const suffix = fc.constantFrom(
      'com',
      'co.jp',
      'github.io',
      'ck',
      'www.ck',
      'kawasaki.jp',
      's3.amazonaws.com',
      'test',
    );
    fc.assert(
      fc.property(fc.array(label, { maxLength: 4 }), suffix, (labels, end) => {
        const name = [...labels, end].join('.');
        return (text(name) ?? null) === getDomain(name, { allowPrivateDomains: true, detectIp: false });
      }),
    );
  });
});
