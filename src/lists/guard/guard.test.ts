import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createListParser, type ListFormat } from '../formats/parser.ts';
import type { HashedSink } from '../formats/sink.ts';
import { type GuardOptions, guardSchema } from './options.ts';
import { PopularNames } from './popular-names.ts';
import { publicSuffixRules } from './public-suffix-rules.ts';
import { GuardScan, type ListScan } from './scan.ts';
import { SuspectNames } from './suspect-names.ts';
import { judge, type NewVersion, OverrideError, overridden, type Verdict } from './verdict.ts';

const NOTHING: HashedSink = { hashedEntry() {}, hashedNameServer() {}, network() {} };
const KEY = [1, 2, 3, 4] as const;
const RULES = publicSuffixRules();
const POPULAR = PopularNames.parse('# popular\nportal.example\nwww.bank.co.jp\nbig.test # why\n').names;

function version(
  format: ListFormat,
  text: string | Uint8Array,
  settings: { options?: object; popular?: PopularNames; zone?: string } = {},
): NewVersion {
  const options = guardSchema.parse(settings.options ?? {});
  const { popular = POPULAR } = settings;
  const suspects = new SuspectNames(KEY, popular, RULES);
  const scan = new GuardScan(NOTHING, { options, popular, suspects, key: KEY });
  const parser = createListParser(format, { zone: settings.zone }, scan);
  parser.feed(typeof text === 'string' ? new TextEncoder().encode(text) : text);
  return { parsed: parser.end(), scan: scan.finish() };
}

const names = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, i) => `n${from + i}.example\n`).join('');
const listed = (from: number, to: number): NewVersion => version('domains', names(from, to));
const reasons = (verdict: Verdict): string[] => verdict.findings.map(({ reason }) => reason);
const defaults: GuardOptions = guardSchema.parse({});
const judged = (before: ListScan | undefined, next: NewVersion, options: object = {}): Verdict =>
  judge(before, next, guardSchema.parse(options));

describe('the guard on size', () => {
  const before = listed(0, 10_000).scan;

  it('accepts a first version and an ordinary update', () => {
    expect(judged(undefined, listed(0, 10)).accepted).toBe(true);
    const verdict = judged(before, listed(500, 11_000));
    expect(verdict).toMatchObject({ accepted: true, findings: [], namesBefore: 10_000, names: 10_500 });
    expect(verdict.overlap!.kept).toBeGreaterThan(0.93);
    expect(verdict.overlap!.kept).toBeLessThan(0.97);
  });

  it('refuses a version that shrank or grew beyond its bound, and says by how much', () => {
    const shrunk = judged(before, listed(0, 6_999));
    expect(shrunk.accepted).toBe(false);
    expect(shrunk.findings).toEqual([
      {
        reason: 'shrank',
        message: 'The list shrank from 10000 to 6999 names (-30.0 %); 30 % or 500 names is the most.',
        names: [],
      },
    ]);
    expect(judged(before, listed(0, 7_000)).accepted).toBe(true);
    expect(judged(before, listed(0, 13_000)).accepted).toBe(true);
    expect(reasons(judged(before, listed(0, 13_001)))).toEqual(['grew']);
    expect(judged(before, listed(0, 6_999), { 'max-shrink': 50 }).accepted).toBe(true);
  });

  it('lets small lists change by large percentages, within the slack', () => {
    const small = listed(0, 100).scan;
    expect(judged(small, listed(200, 250)).accepted).toBe(true);
    expect(judged(small, listed(0, 600)).accepted).toBe(true);
    expect(reasons(judged(small, listed(0, 601)))).toEqual(['grew']);
    expect(reasons(judged(small, listed(200, 250), { slack: 0 }))).toEqual(['shrank', 'overlap-too-small']);
  });

  it('refuses another list of the same size', () => {
    const verdict = judged(before, listed(20_000, 30_000));
    expect(reasons(verdict)).toEqual(['overlap-too-small']);
    expect(verdict.findings[0]?.message).toMatch(
      /^Only 0\.0 ± 0\.[12] % of the 10000 names in force are in the new version \(about 10000 are gone\); 50 % is the least\.$/,
    );
    expect(reasons(judged(before, listed(7_000, 17_000)))).toEqual(['overlap-too-small']);
    expect(judged(before, listed(3_000, 13_000)).accepted).toBe(true);
  });

  it('compares only sketches of one key', () => {
    const other = { ...before, sketch: { ...before.sketch, key: [9, 9, 9, 9] as const } };
    expect(judged(other, listed(20_000, 30_000)).overlap).toBeUndefined();
  });

  it('keeps what it needs to know as plain data', () => {
    const kept = JSON.parse(JSON.stringify(before)) as ListScan;
    expect(judged(kept, listed(0, 10_000))).toEqual(judged(before, listed(0, 10_000)));
    expect(JSON.stringify(before).length).toBeLessThan(25_000);
  });
});

describe('the guard on what is no list', () => {
  it.each([
    ['an empty file', 'domains', '', 'not-a-list', 'Line 1: the file is empty.'],
    ['comments only', 'domains', '# nothing today\n', 'empty', 'The list holds no name.'],
    ['the root', 'domains', '.\n', 'empty', 'The list holds no name: 1 rejected, root 1.'],
    ['com', 'domains', 'com\n', 'empty', 'The list holds no name: 1 rejected, single-label 1.'],
    ['addresses', 'hosts', '0.0.0.0 192.0.2.1\n', 'empty', 'The list holds no name: 1 rejected, address 1.'],
    ['a zone with no rules', 'rpz', '@ SOA a. b. 1 1 1 1 1\n', 'empty', 'The list holds no name.'],
    [
      'a captive portal',
      'domains',
      '<html>',
      'not-a-list',
      'Line 1: HTML or XML came instead of a list: a login page, an error page or a wrong address.',
    ],
    [
      'prose',
      'domains',
      'Please log in first\nto see this list\na.example\n',
      'not-a-list',
      '2 lines of 3 make no sense as domains (2 rejected, extra-text 2): this is no such list.',
    ],
    [
      'another format',
      'rpz',
      'a.example\nb.example\n',
      'not-a-list',
      '2 lines of 2 make no sense as rpz (2 rejected, bad-type 2): this is no such list.',
    ],
  ] as const)('refuses %s', (_, format, text, reason, message) => {
    const before = listed(0, 10_000).scan;
    const verdict = judged(before, version(format, text));
    expect(verdict.accepted).toBe(false);
    expect(verdict.findings).toEqual([{ reason, message, names: [] }]);
  });

  it('does not hold addresses among the names against a list', () => {
    expect(judged(undefined, version('domains', `${'192.0.2.1\n'.repeat(1000)}a.example\n`)).accepted).toBe(true);
  });
});

describe('the guard on names that no list should hold', () => {
  it('refuses popular names, with www and without, and rules that cover them', () => {
    const text = '||portal.example^\n||bank.co.jp^\n||harmless.test^\n||www.big.test^\n||sub.portal.example^\n';
    const verdict = judged(undefined, version('adblock', text));
    expect(reasons(verdict)).toEqual(['popular-name']);
    expect(verdict.findings[0]?.names).toEqual([
      'portal.example (line 1)',
      'bank.co.jp (line 2, takes www.bank.co.jp)',
      'www.big.test (line 4)',
    ]);
  });

  it('lets an exact rule on a parent and names beside a popular one pass', () => {
    expect(judged(undefined, version('domains', 'bank.co.jp\nx.portal.example\nportal.example.test\n')).accepted).toBe(
      true,
    );
  });

  it('refuses public suffixes; those of companies only where what is below is covered', () => {
    const exact = judged(undefined, version('domains', 'co.jp\ngithub.io\nx.github.io\n'));
    expect(exact.findings.map(({ message }) => message)).toEqual([
      'The new version takes 1 public suffix: co.jp (line 1).',
    ]);
    const covering = version('domains', '*.co.jp\n.github.io\n*.x.github.io\n', { popular: new PopularNames([]) });
    expect(judged(undefined, covering).findings[0]?.names).toEqual(['*.co.jp (line 1)', 'github.io (line 2)']);
    // Each name below `*.compute-1.amazonaws.com` is a suffix of its own: one customer's machine.
    expect(judged(undefined, version('domains', '.ec2-1.compute-1.amazonaws.com\n')).accepted).toBe(true);
    expect(judged(undefined, version('domains', '.city.ck\n')).accepted).toBe(false);
    const loose = version('domains', '.github.io\n', { options: { 'private-suffixes': false } });
    expect(judged(undefined, loose).accepted).toBe(true);
  });

  it('passes over names that the operator has looked at, and rules that let pass', () => {
    const options = { 'allow-names': ['Portal.example.', 'co.jp'] };
    expect(judged(undefined, version('domains', 'portal.example\nco.jp\n', { options })).accepted).toBe(true);
    expect(
      judged(undefined, version('rpz', 'portal.example CNAME rpz-passthru.\n*.co.jp CNAME rpz-passthru.\n')).accepted,
    ).toBe(true);
    const off = { 'popular-names': 'allow', 'public-suffixes': 'allow' };
    expect(judged(undefined, version('domains', 'portal.example\nco.jp\n', { options: off })).accepted).toBe(true);
  });

  it('refuses networks that are a large part of the Internet', () => {
    const text = '1.0.0.0.128.rpz-ip CNAME .\n8.0.0.0.10.rpz-ip CNAME .\n8.zz.2000.rpz-client-ip CNAME .\n';
    const verdict = judged(undefined, version('rpz', text));
    expect(verdict.findings[0]).toMatchObject({
      reason: 'wide-network',
      names: ['128.0.0.0/1 (line 1)', '2000::/8 (line 3)'],
    });
  });

  it('says the first 20 and counts the rest, keeps all, safe for a terminal', () => {
    const many = PopularNames.parse(names(0, 50)).names;
    const verdict = judged(undefined, version('domains', names(0, 50), { popular: many }));
    // All for whoever has to decide; a sentence says the first.
    expect(verdict.findings[0]?.names).toHaveLength(50);
    expect(verdict.findings[0]?.message).toMatch(
      /^The new version takes 50 popular names: n0\.example \(line 1\), .* and 30 more\.$/,
    );
    const odd = version('rpz', '\\<b\\>.big.test CNAME .\n*.\\027[31m.co.jp CNAME .\n', { popular: many });
    expect(JSON.stringify(judged(undefined, odd))).not.toMatch(/[<>\u001b]/);
  });
});

describe('popular names', () => {
  it('tells which lines of the file hold no name', () => {
    const { names: found, badLines } = PopularNames.parse('\uFEFFa.example\r\n\n192.0.2.1\ncom\n日本.example\n');
    expect(found.size).toBe(2);
    expect(badLines).toEqual([3, 4]);
  });

  it('works with the sample that ships in lists/', () => {
    const { names: sample, badLines } = PopularNames.parse(
      readFileSync(join(import.meta.dirname, '../../../lists/popular.txt'), 'utf8'),
    );
    expect(badLines).toEqual([]);
    expect(sample.size).toBeGreaterThan(200);
    expect(reasons(judged(undefined, version('domains', 'www.wikipedia.org\n', { popular: sample })))).toEqual([
      'popular-name',
    ]);
  });
});

describe('an override', () => {
  const override = { approver: 'desk', reason: 'the feed was cleaned up', atMs: 5 };
  const refused = judge(listed(0, 10_000).scan, listed(0, 10), defaults);

  it('accepts what was refused and is part of the record', () => {
    expect(overridden(refused, override)).toEqual({ ...refused, accepted: true, override });
  });

  it('needs somebody, a reason, and something to override', () => {
    expect(() => overridden(refused, { ...override, approver: ' ' })).toThrow(OverrideError);
    expect(() => overridden(refused, { ...override, reason: '' })).toThrow(OverrideError);
    expect(() => overridden(judged(undefined, listed(0, 10)), override)).toThrow('did not refuse');
    expect(() => overridden(judged(undefined, version('domains', '<html>')), override)).toThrow('no list');
  });
});

describe('the options', () => {
  it('describe every key and refuse unknown ones', () => {
    for (const [key, schema] of Object.entries(guardSchema.shape)) expect(schema.description, key).toBeTruthy();
    expect(guardSchema.safeParse({ shrink: 1 }).success).toBe(false);
    expect(guardSchema.safeParse({ 'allow-names': ['a..b'] }).success).toBe(false);
  });
});

const folder = process.env['SEKISHO_DATA'] ?? '';
describe.skipIf(folder === '' || !existsSync(folder))('real lists (SEKISHO_DATA names their folder)', () => {
  it('are taken at first, and one in place of the other is not', () => {
    const read = (file: string, format: ListFormat): NewVersion =>
      version(format, readFileSync(join(folder, 'lists', file)));
    const plain = read('malicious-domains-195k.txt', 'domains');
    const hosts = read('urlhaus-2022/urlhaus-filter-hosts.txt', 'hosts');
    const adblock = read('urlhaus-2022/urlhaus-filter-ag.txt', 'adblock');
    expect(judged(undefined, adblock).findings).toEqual([]);
    expect(judged(undefined, plain).findings).toEqual([]);
    expect(judged(undefined, hosts).findings).toEqual([]);
    expect(reasons(judged(plain.scan, hosts))).toEqual(['shrank', 'overlap-too-small']);
    expect(reasons(judged(hosts.scan, plain))).toEqual(['grew', 'overlap-too-small']);
    expect(judged(hosts.scan, read('urlhaus-2022/urlhaus-filter-domains.txt', 'domains')).overlap?.kept).toBe(1);
  });
});
