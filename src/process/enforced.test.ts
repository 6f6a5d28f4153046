import { expect, it } from 'vitest';
import { parseConfig } from '../config/load.ts';
import { definePlugin, type Plugin, z } from '../contract/plugin.ts';
import { changesDetail, enforced, enforcedChanges, shownEnforced } from '../process/enforced.ts';

async function configured(text: string) {
  const options = z.strictObject({
    webhook: z.string().optional(),
    password: z.string().optional(),
    'key-file': z.string().optional(),
    rules: z.array(z.strictObject({ name: z.string(), evidence: z.string() })).default([]),
  });
  const loaded = await parseConfig(
    text,
    { source: 'x.yaml', file: undefined, baseFolder: '/' },
    {
      resolvePlugin: async (name) => definePlugin({ name, stage: 'guard', summary: '', options }) as unknown as Plugin,
      systemResolvers: () => ['192.0.2.53'],
    },
  );
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return enforced(loaded.config);
}
const LIST = 'category: c2, format: domains';

it('names each value that changed under its path, and nothing that stayed', async () => {
  const before = await configured(
    `server: { access: ["127.0.0.0/8"] }\nlists: [{ name: a, ${LIST}, tier: suspected, file: /a }]\nplugins: { own: { rules: [{ name: one, evidence: x }] } }`,
  );
  const after = await configured(
    `server: { access: ["127.0.0.0/8", "192.0.2.0/24"] }\nlists: [{ name: b, ${LIST}, tier: suspected, file: /b }, { name: a, ${LIST}, tier: confirmed, file: /a }]\nplugins: { own: { rules: [{ name: zero, evidence: y }, { name: one, evidence: x }] } }`,
  );
  const changes = enforcedChanges(before, after);
  expect(changes.filter(({ what }) => !what.startsWith('lists.b.'))).toEqual([
    { what: 'lists.a.tier', from: '"suspected"', to: '"confirmed"' },
    { what: 'lists.order', from: '["a"]', to: '["b","a"]' },
    { what: 'plugins.own.options.rules.zero.evidence', from: null, to: '"y"' },
    { what: 'plugins.own.options.rules.zero.name', from: null, to: '"zero"' },
    { what: 'server.access', from: '["127.0.0.0/8"]', to: '["127.0.0.0/8","192.0.2.0/24"]' },
  ]);
  expect(changes.find(({ what }) => what === 'lists.b.source')).toEqual({
    what: 'lists.b.source',
    from: null,
    to: '"/b"',
  });
  expect(enforcedChanges(after, after)).toEqual([]);
});

it('names what a view takes away or sends elsewhere', async () => {
  const of = (view: string) =>
    configured(`lists: [{ name: a, ${LIST}, tier: confirmed, file: /a }]\nplugins: { own: {} }\n${view}`);
  const before = await of('');
  const after = await of(
    'views: [{ name: one, clients: ["10.0.0.0/8"], lists: [], plugins: { own: off }, upstream: ["192.0.2.9"] }]',
  );
  const changes = enforcedChanges(before, after).map(({ what, to }) => [what, to]);
  expect(changes).toEqual(
    expect.arrayContaining([
      ['views.order', '["one"]'],
      ['views.one.clients', '["10.0.0.0/8"]'],
      ['views.one.lists', '[]'],
      ['views.one.plugins.own', '"off"'],
      ['views.one.upstream', '["192.0.2.9:53"]'],
    ]),
  );
  // Nothing of what it shares with the top level.
  expect(changes.length).toBeLessThan(15);
});

it('tells that a secret changed, and never the secret', async () => {
  const of = (secret: string) =>
    configured(
      `lists: [{ name: a, ${LIST}, tier: confirmed, url: "https://user:${secret}@feed.example/list?apikey=${secret}" }]\nplugins: { own: { password: ${secret}, webhook: "https://u:${secret}@hook.example/?token=${secret}", key-file: /etc/key } }`,
    );
  const [before, after] = [await of('hunter1'), await of('hunter2')];
  const changes = enforcedChanges(before, after);
  expect(changes.map(({ what }) => what)).toEqual(
    expect.arrayContaining(['lists.a.source', 'plugins.own.options.password', 'plugins.own.options.webhook']),
  );
  for (const shown of [changes, [...shownEnforced(before)], changesDetail(changes)])
    expect(JSON.stringify(shown)).not.toContain('hunter');
  expect(shownEnforced(after).get('plugins.own.options.key-file')).toBe('"/etc/key"');
  expect(shownEnforced(after).get('plugins.own.options.webhook')).toContain('hook.example');
});

it('is bounded, however much changed', () => {
  const many = new Map(Array.from({ length: 1000 }, (_, i) => [`lists.l${i}.tier`, 'x'.repeat(5000)]));
  const detail = changesDetail(enforcedChanges(new Map(), many));
  expect(detail['changed']).toHaveLength(200);
  expect(detail['notNamed']).toBe(800);
  expect(JSON.stringify(detail).length).toBeLessThan(100_000);
});
