import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { resolvePlugin } from '../loading/plugins.ts';
import { loadConfig } from './load.ts';

const folder = mkdtempSync(join(tmpdir(), 'sekisho-resolve-'));
writeFileSync(
  join(folder, 'root.hints'),
  [
    '; in the form of named.root',
    '.                        3600000      NS    A.ROOT-SERVERS.NET.',
    'A.ROOT-SERVERS.NET.      3600000      A     198.41.0.4',
    'A.ROOT-SERVERS.NET.      3600000      AAAA  2001:503:ba3e::2:30',
    '.                        3600000      NS    B.ROOT-SERVERS.NET.',
    'B.ROOT-SERVERS.NET.      3600000      A     170.247.170.2',
    '',
  ].join('\n'),
);
writeFileSync(join(folder, 'nameless.hints'), '. 3600000 NS a.root-servers.net.\n');
writeFileSync(join(folder, 'empty.hints'), '; nothing\n');
writeFileSync(
  join(folder, 'broken.hints'),
  '. 3600000 NS a.root-servers.net.\na.root-servers.net. 3600000 A 198.41.0\n',
);

async function load(text: string) {
  const path = join(folder, 'x.yaml');
  writeFileSync(path, text);
  return loadConfig({ path, resolvePlugin, systemResolvers: () => [] });
}
async function problems(text: string) {
  const result = await load(text);
  return result.ok ? [] : result.problems.map(({ line, column, path, message }) => ({ line, column, path, message }));
}

describe('section `resolve`', () => {
  it('needs nothing but to be there: the root is built in, and no upstream is asked of the system', async () => {
    const result = await load('resolve: {}\n');
    expect(result.ok && result.config.upstream.servers).toEqual([]);
    expect(result.ok && result.config.resolve?.hints.length).toBe(13);
  });

  it('is absent where the server forwards', async () => {
    const result = await load('upstream: { servers: ["192.0.2.53"] }\n');
    expect(result.ok && result.config.resolve).toBeUndefined();
  });

  it('does not stand beside servers to forward to, and says where', async () => {
    const found = await problems('upstream: { servers: ["192.0.2.53"] }\nresolve: {}\n');
    expect(found).toMatchObject([{ line: 2, column: 1, path: 'resolve' }]);
    expect(found[0]?.message).toContain('remove one of the two');
  });

  it('leaves the other keys of `upstream` to be said', async () => {
    const result = await load('upstream: { mixed-case: false }\nresolve: {}\n');
    expect(result.ok && result.config.upstream.mixedCase).toBe(false);
  });

  it('reads root hints in the form of named.root', async () => {
    const result = await load('resolve: { hints: root.hints }\n');
    expect(result.ok && result.config.resolve?.hints).toEqual([
      { name: 'a.root-servers.net', addresses: ['198.41.0.4', '2001:503:ba3e::2:30'] },
      { name: 'b.root-servers.net', addresses: ['170.247.170.2'] },
    ]);
  });

  it.each([
    ['missing.hints', 'cannot be read'],
    ['empty.hints', 'holds no record'],
    ['nameless.hints', 'names no server of the root'],
    ['broken.hints', ''],
  ])('refuses %s', async (file, message) => {
    const found = await problems(`resolve: { hints: ${file} }\n`);
    expect(found.length).toBeGreaterThan(0);
    expect(found.map((each) => each.message).join()).toContain(message);
  });

  it('refuses a budget out of bounds, networks that are none, and to have no way out', async () => {
    const found = await problems('resolve: { budget: { queries: 1 }, never-ask: ["x"], ipv4: false, ipv6: false }\n');
    expect(found.map(({ path }) => path)).toEqual(['resolve.budget.queries', 'resolve.never-ask[0]']);
    const none = await problems('resolve: { ipv4: false, ipv6: false }\n');
    expect(none.map(({ path }) => path)).toEqual(['resolve.ipv4']);
  });
});
