/**
 * What people read says it as the field does. Turns of phrase that crept in once are kept out here, in messages, comments, pages and
 * documents alike; a number and its noun agree; Japanese words have one spelling each.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { repositoryRoot } from '../support/root.ts';

const root = repositoryRoot();
const files = execFileSync('git', ['ls-files', '-z', 'src', 'plugins', 'console', 'demo', 'docs', 'pages', '*.md'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\0')
  .filter((file) => /\.(?:ts|md|html)$/.test(file) && file !== 'CHANGELOG.md' && !file.startsWith('bench/'));
const lines = files.flatMap((file) =>
  readFileSync(join(root, file), 'utf8')
    .split('\n')
    .map((text, i) => ({ file, text, at: `${file}:${i + 1}` })),
);

/** Where a line matches, as `file:line: what matched`. */
function found(pattern: RegExp, skip: RegExp = /$^/): string[] {
  return lines.flatMap(({ file, text, at }) => {
    const match = skip.test(file) ? null : pattern.exec(text);
    return match ? [`${at}: ${match[0]}`] : [];
  });
}

describe('English', () => {
  it.each([
    ['available, not "to be had"', /\b(?:is|are|was|were) (?:not )?to be had\b|cannot be had\b/],
    ['starts over, not "begins anew"', /\bbeg[aiu]ns? anew\b/],
    ['again, not "anew"', /(?<![-\w])(?:written|read|asked|made|stated|fetched|opened|judged|decided) anew\b/],
    ['restored, not "taken up again"', /taken up again/],
    ['alert when, not "worth a page"', /worth a page/],
    ['duplicate, not "stands here twice"', /stands here twice/],
    ['unexpected argument, not "one word too many"', /one word too many/],
    ['a valid token, not one "known here"', /token that is known/],
    ['Confidence, not "Sure of it"', /Sure of it/],
    ['is not a …, in a message', /['`] is no (?:record type|plugin name|IPv6 address|day of)/],
    ['1 problem, 2 problems: not "problem(s)"', /\b(?:problem|row|entr(?:y|ie)|name|line|hit|one|proposal)\(s\)/],
  ])('says %s', (_, pattern) => {
    expect(found(pattern, /^(?:src\/resolve|plugins\/query-history|plugins\/random-subdomain)\//)).toEqual([]);
  });

  it('lets a number and its noun agree on the command line', () => {
    // `${count} hits` reads "1 hits" for one: `counted(count, 'hit')`.
    const nouns = 'hits|names|lines|rows|entries|problems|answers|queries|records|bytes|addresses|subscribers';
    const plural = new RegExp(
      `\\$\\{(?:numberText\\([^}]*\\)|[\\w.?]*(?:[Cc]ount|length|entries|rows))\\} (?:${nouns})\\b(?!/)`,
    );
    const commandLine = /\/cli\//;
    expect(
      lines
        .filter(({ file, text }) => commandLine.test(file) && !file.endsWith('.test.ts') && plural.test(text))
        .map(({ at, text }) => `${at}: ${text.trim()}`),
    ).toEqual([]);
    expect(
      found(/(?<![\d.,–-] ?)\b1 (?:hits|names|lines|rows|entries|problems|answers|queries|records)\b/, /\.test\.ts$/),
    ).toEqual([]);
  });

  it('begins no log line with a capital word that shouts at what is no loss', () => {
    const shouted = found(/log\.(?:info|debug)\([^)]*'[A-Z]{3,} [A-Z]{2,}/);
    expect(shouted).toEqual([]);
  });
});

describe('日本語', () => {
  it.each([
    ['サーバ', /サーバー/],
    ['ルータ', /ルーター/],
    ['ブラウザ', /ブラウザー/],
    ['リゾルバ', /リゾルバー/],
    ['フォルダ', /フォルダー/],
    ['クイックスタート', /クイック[・ ]スタート/],
  ])('%s と書く', (_, other) => {
    expect(found(other, /\.test\.ts$/)).toEqual([]);
  });
});

it('no document has somebody run a package of that name from the registry', () => {
  const fetched = /\b(?:npx|npm (?:install|i)(?: -g)?|npm exec|pnpm dlx|yarn dlx|bunx) (?:--?[\w-]+ )*sekisho\b/;
  expect(lines.filter(({ file, text }) => file.endsWith('.md') && fetched.test(text)).map(({ at }) => at)).toEqual([]);
});
