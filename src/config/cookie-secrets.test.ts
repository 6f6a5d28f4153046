import { expect, test } from 'vitest';
import { parseCookieSecrets } from './cookie-secrets.ts';

const ONE = 'e5e973e5a6b2a43f48e7dc849e37bfcf';
const TWO = 'DD3BDF9344B678B185A6F5CB60FCA715';

test('reads one secret a line, in order, comments and blank lines aside', () => {
  const text = `# made 2026-11-01\n${ONE}\n\n  ${TWO} # until 2026-12-01\r\n`;
  expect(parseCookieSecrets(text, 'f')).toEqual({ data: [ONE, TWO.toLowerCase()] });
});

test('names the line that is wrong, and quotes no secret', () => {
  const { problems } = parseCookieSecrets(`${ONE}\nshort\n${ONE}\n`, 'f');
  expect(problems?.map(({ line, message }) => [line, message])).toEqual([
    [2, 'expected 32 hexadecimal digits (openssl rand -hex 16)'],
    [3, 'the same secret stands above'],
  ]);
  expect(JSON.stringify(problems)).not.toContain(ONE);
});

test.each([
  ['none', '# nothing\n'],
  ['more than four', [0, 1, 2, 3, 4].map((i) => ONE.slice(1) + i).join('\n')],
])('%s are refused', (_, text) => {
  expect(parseCookieSecrets(text, 'f').problems).toHaveLength(1);
});
