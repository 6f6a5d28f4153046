import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../../test/support/process.ts';
import { chooseLanguage, LANGUAGES } from './languages.ts';
import { commonView, MESSAGES, type Page } from './pages.ts';
import { samples } from './sample-views.ts';
import { loadTemplates, shippedPages } from './templates.ts';

const common = commonView(
  {
    languages: LANGUAGES,
    operator: { name: undefined, contact: undefined },
    portal: { url: 'https://optout.isp.example/' },
  },
  'ja',
);

/** A folder with the shipped text of a page, altered. */
function altered(file: string, alter: (text: string) => string): string {
  const folder = temporaryFolder('pages');
  mkdirSync(join(folder, 'ja'));
  writeFileSync(join(folder, file), alter(readFileSync(join(shippedPages(), file), 'utf8')));
  return folder;
}

const problemsOf = async (file: string, alter: (text: string) => string) => {
  const folder = altered(file, alter);
  const { problems, templates } = await loadTemplates(folder, ['ja', 'en']);
  expect(templates === undefined).toBe(problems.length > 0);
  return problems.map(
    ({ file: where, line, column, message }) => `${where.replace(`${folder}/`, '')}:${line}:${column}: ${message}`,
  );
};

test('the texts that come along are in order, in every language', async () => {
  const { problems, templates } = await loadTemplates(undefined, LANGUAGES, { shippedToo: true });
  expect(problems).toEqual([]);
  for (const language of LANGUAGES)
    for (const { page, view } of samples()) {
      const text = templates!.render(page, language, common, view as never);
      expect(text).toMatch(/^<!doctype html>\n<html lang="(ja|en)">/);
      expect(/<title>([^<]+)<\/title>/.exec(text)?.[1]).toMatch(/\S{4}/);
      expect(text).not.toContain('{{');
    }
});

test('every message has a text of its own in every language', async () => {
  const { templates } = await loadTemplates(undefined, LANGUAGES);
  for (const language of LANGUAGES) {
    const texts = MESSAGES.map((message) =>
      templates!.render('message', language, common, { [message]: true, linkOffered: false }),
    );
    expect(new Set(texts).size).toBe(MESSAGES.length);
  }
});

describe('a page is refused', () => {
  test.each<[string, string, (text: string) => string, RegExp]>([
    ['without its explanation', 'ja/blocked.html', (text) => text.replace('id="why"', 'id="reason"'), /no explanation/],
    [
      'with one that is empty',
      'ja/blocked.html',
      (text) => text.replace(/(id="why">)[\s\S]*?(<\/section>)/, '$1$2'),
      /no explanation/,
    ],
    [
      'with one that is hidden',
      'ja/blocked.html',
      (text) => text.replace('id="why"', 'id="why" hidden'),
      /no explanation/,
    ],
    [
      'that explains one category alone',
      'ja/blocked.html',
      (text) =>
        text
          .replace('{{#malware}}\n<p>', '{{#c2}}\n<p>')
          .replace('</p>\n{{/malware}}', '</p>\n{{/c2}}')
          .replace(/<p>この対策は.*<\/p>/, ''),
      /as blocked-malware: has no explanation/,
    ],
    ['without the name', 'ja/blocked.html', (text) => text.replace('{{name}}', ''), /does not say what was blocked/],
    ['without the opt-out', 'ja/blocked.html', (text) => text.replace('id="opt-out"', ''), /no way to opt out/],
    [
      'with an opt-out that leads elsewhere',
      'ja/blocked.html',
      (text) => text.replace('{{portal}}', 'https://isp.example/faq'),
      /no way to opt out/,
    ],
    [
      'with an opt-out that nobody can see',
      'ja/blocked.html',
      (text) => text.replace('<a class', '<a hidden class'),
      /no way to opt out/,
    ],
    ['that is silent on the terms', 'ja/blocked.html', (text) => text.replace('id="terms"', ''), /no terms change/],
    ['without the way back in', 'ja/elsewhere.html', (text) => text.replace('id="opt-in"', ''), /no way to opt in/],
    [
      'whose opt-out form goes by GET',
      'ja/portal.html',
      (text) => text.replace('method="post"', 'method="get"'),
      /as portal-contract: has no working form to opt out of c2/,
    ],
    [
      'whose form lacks its ticket',
      'ja/portal.html',
      (text) => text.replaceAll('name="form"', 'name="from"'),
      /no working form to opt in to malware-warning/,
    ],
    [
      'whose button is disabled',
      'ja/portal.html',
      (text) => text.replace('value="opt-out"', 'value="opt-out" disabled'),
      /no working form to opt out/,
    ],
    [
      'without the opt-in',
      'ja/portal.html',
      (text) => text.replace('{{#canOptIn}}', '{{#unknown}}').replace('{{/canOptIn}}', '{{/unknown}}'),
      /as portal-opted-out: has no working form to opt in/,
    ],
    ['without a heading', 'ja/message.html', (text) => text.replaceAll('h1', 'h2'), /no <h1>/],
    [
      'with a script',
      'ja/frame.html',
      (text) => text.replace('</head>', '<script src="/x.js"></script></head>'),
      /^ja\/frame\.html:9:1: <script>: is not for a notice page/m,
    ],
    [
      'with a picture from elsewhere',
      'ja/portal.html',
      (text) => `${text}<img alt="" src="https://tracker.example/x.gif">`,
      /<img>: src: loads something/,
    ],
    [
      'with a handler',
      'ja/blocked.html',
      (text) => text.replace('<h1>', '<h1 onclick="x()">'),
      /^ja\/blocked\.html:1:1: <h1>: onclick: runs a script/m,
    ],
    [
      'with a javascript: link',
      'ja/blocked.html',
      (text) => text.replace('{{portal}}', ' JavaScript:alert(1)'),
      /<a>: href: leads to/,
    ],
    [
      'with a form to elsewhere',
      'ja/portal.html',
      (text) => text.replace('action="/consent"', 'action="https://evil.example/"'),
      /forms go to/,
    ],
    [
      'with a refresh',
      'ja/frame.html',
      (text) => text.replace('<meta charset', '<meta http-equiv="refresh" content="0"><meta charset'),
      /http-equiv/,
    ],
    [
      'with something unescaped',
      'ja/blocked.html',
      (text) => text.replace('{{name}}', '{{&name}}'),
      /^ja\/blocked\.html:2:\d+: '\{\{\{name\}\}\}' would not be escaped/m,
    ],
    [
      'with a misspelt name',
      'ja/portal.html',
      (text) => text.replace('{{subscriber}}', '{{subscribr}}'),
      /'subscribr': unknown name; did you mean 'subscriber'/,
    ],
    [
      'with a section that does not end',
      'ja/blocked.html',
      (text) => text.replace('{{/malware}}</h1>', '</h1>'),
      /^ja\/blocked\.html:\d+:\d+: template: un/m,
    ],
    ['with a tag that does not end', 'ja/blocked.html', (text) => `${text}{{name`, /template: unclosed tag/],
    [
      'without a place for the page',
      'ja/frame.html',
      (text) => text.replace('{{{content}}}', ''),
      /lacks \{\{\{content\}\}\}/,
    ],
    [
      'with a style from elsewhere',
      'style.css',
      (text) => `@import "https://fonts.example/x.css";\n${text}`,
      /^style\.css:1:1: loads something/,
    ],
    ['that is too long', 'ja/blocked.html', (text) => text + ' '.repeat(300_000), /too long/],
  ])('%s', async (_, file, alter, message) => {
    expect((await problemsOf(file, alter)).join('\n')).toMatch(message);
  });

  test('where the folder or the encoding is wrong', async () => {
    const { problems } = await loadTemplates('/nowhere/at/all', ['ja']);
    expect(problems).toMatchObject([{ file: '/nowhere/at/all', message: 'there is no such folder' }]);
    const folder = altered('ja/blocked.html', (text) => text);
    writeFileSync(join(folder, 'ja', 'blocked.html'), Buffer.from([0x83, 0x7d, 0x83, 0x8b]));
    expect((await loadTemplates(folder, ['ja'])).problems).toMatchObject([{ message: 'is not UTF-8 text' }]);
  });
});

test('a logo, other words and other styles are the operator’s', async () => {
  const folder = temporaryFolder('pages');
  cpSync(shippedPages(), folder, { recursive: true });
  const file = join(folder, 'ja', 'frame.html');
  const logo = '<img alt="ISP" src="data:image/svg+xml;base64,PHN2Zy8+">';
  writeFileSync(file, readFileSync(file, 'utf8').replace('<main>', `${logo}<main>`));
  expect((await loadTemplates(folder, LANGUAGES)).problems).toEqual([]);
});

test('whatever a view holds is escaped', async () => {
  const { templates } = await loadTemplates(undefined, LANGUAGES);
  const pages: Page[] = ['blocked', 'elsewhere'];
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('<', '>', '"', "'", '&', '{', '}', 'a', '/') }), (name) => {
      for (const page of pages) {
        const view = { name: `<x>${name}`, c2: true, malware: false, notListed: true, notInspected: false };
        const text = templates!.render(page, 'ja', { ...common, operator: `<y>${name}` }, view);
        expect(text).not.toMatch(/<[xy]>/);
      }
    }),
    { numRuns: 200 },
  );
});

test.each([
  [undefined, '', 'ja'],
  [undefined, undefined, 'ja'],
  [undefined, 'en-US,en;q=0.9', 'en'],
  [undefined, 'de, ja;q=0.3, en;q=0.2', 'ja'],
  [undefined, 'ja;q=0, *;q=0.5', 'en'],
  ['en', 'ja', 'en'],
  ['xx', 'en', 'en'],
])('of ?lang=%s and Accept-Language %s, the page is in %s', (chosen, header, expected) => {
  expect(chooseLanguage(LANGUAGES, chosen, header)).toBe(expected);
});

test('a header of Accept-Language that is too long says nothing', () => {
  expect(chooseLanguage(LANGUAGES, undefined, `${'xx,'.repeat(1000)}en`)).toBe('ja');
});
