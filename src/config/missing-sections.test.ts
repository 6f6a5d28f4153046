import { expect, test } from 'vitest';
import { TO_CONFIGURE_LISTS } from '../lists/errors.ts';
import { resolvePlugin } from '../loading/plugins.ts';
import { TO_CONFIGURE_SUBSCRIBERS } from '../subscribers/errors.ts';
import { parseConfig } from './load.ts';

test.each([
  ['subscribers', TO_CONFIGURE_SUBSCRIBERS],
  ['lists', TO_CONFIGURE_LISTS],
] as const)('the lines that bring %s are a configuration that is taken', async (section, lines) => {
  const loaded = await parseConfig(
    lines,
    { source: 'x.yaml', file: undefined, baseFolder: '/' },
    { resolvePlugin, systemResolvers: () => ['192.0.2.53'] },
  );
  expect(loaded).toMatchObject({ ok: true, config: { [section]: expect.anything() } });
});
