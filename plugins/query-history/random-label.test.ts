import { expect, test } from 'vitest';
import { textToName } from '../../src/contract/plugin.ts';
import { looksRandom } from './random-label.ts';

const random = (label: string) => looksRandom(textToName(label), 0);

test.each(['k3j9x2v7q1', 'xkcdqzptrw', 'a1b2c3d4', '4f9a0c77e2d1b8', 'qwrtzpsdfg', 'zx81kq02mm'])(
  '%s looks random',
  (label) => {
    expect(random(label)).toBe(true);
  },
);

test.each([
  'www',
  'login',
  'images',
  'portal',
  'autodiscover',
  'mail2',
  'static-cdn',
  'yokohama',
  'fonts',
  'x7',
  '20240117',
])('%s does not', (label) => {
  expect(random(label)).toBe(false);
});
