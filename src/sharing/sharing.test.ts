import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ListConfig } from '../lists/list-config.ts';
import { ownList, shareableIndicators } from './indicators.ts';
import { shareable } from './statistics.ts';
import { bundleSchema, nameInPattern, stixBundle } from './stix.ts';

// biome-ignore lint/suspicious/noExplicitAny: bundles are spoilt here on purpose
type Bundle = any;

const NOW = Date.parse('2026-11-28T10:00:00Z');
const folder = mkdtempSync(join(tmpdir(), 'sharing-'));
const why = 'on the list own (c2, confirmed)';

function list(text: string, source: object = {}): ListConfig {
  const path = join(folder, 'own.txt');
  writeFileSync(path, text);
  return {
    name: 'own',
    category: 'c2',
    tier: 'confirmed',
    format: 'domains',
    source: { kind: 'file', path },
    match: 'exact',
    ...source,
  } as never;
}

test('indicators are a STIX 2.1 bundle, and its names come back out of it', () => {
  const indicators = [
    { name: 'c2.example', below: false, why },
    { name: 'bots.example', below: true, why },
  ];
  const bundle = stixBundle(indicators, { by: 'ISP A', nowMs: NOW, untilMs: NOW + 86_400_000 });
  expect(bundleSchema.safeParse(bundle).error?.issues ?? []).toEqual([]);
  const [identity, first, second] = bundle.objects as Record<string, string>[];
  expect(identity).toMatchObject({ type: 'identity', name: 'ISP A', identity_class: 'organization' });
  expect(first).toMatchObject({
    created_by_ref: identity!['id'],
    pattern_type: 'stix',
    pattern: "[domain-name:value = 'c2.example']",
    valid_until: '2026-11-29T10:00:00.000Z',
  });
  expect([first, second].map((each) => nameInPattern(each!['pattern']!))).toEqual(
    indicators.map(({ name, below }) => ({ name, below })),
  );
});

test.each([
  ['no object', (b: Bundle) => ({ ...b, objects: [] })],
  [
    'another version',
    (b: Bundle) => ({ ...b, objects: b.objects.map((o: Bundle) => ({ ...o, spec_version: '2.0' })) }),
  ],
  [
    'an id of another type',
    (b: Bundle) => ({
      ...b,
      objects: b.objects.map((o: Bundle) => ({ ...o, id: o.id.replace('indicator', 'malware') })),
    }),
  ],
  ['no pattern', (b: Bundle) => ({ ...b, objects: b.objects.map(({ pattern: _, ...o }: Bundle) => o) })],
  [
    'an end before its beginning',
    (b: Bundle) => ({ ...b, objects: b.objects.map((o: Bundle) => ({ ...o, valid_until: '2020-01-01T00:00:00Z' })) }),
  ],
  [
    'a time without a zone',
    (b: Bundle) => ({ ...b, objects: b.objects.map((o: Bundle) => ({ ...o, created: '2026-11-28T10:00:00' })) }),
  ],
])('a bundle with %s is none', (_, change) => {
  const bundle = stixBundle([{ name: 'c2.example', below: false, why }], {
    by: 'ISP A',
    nowMs: NOW,
    untilMs: NOW + 1000,
  });
  expect(bundleSchema.safeParse(change(bundle)).success).toBe(false);
});

test('patterns about something else, or about more, are no names', () => {
  for (const pattern of [
    "[ipv4-addr:value = '192.0.2.1']",
    "[domain-name:value = 'a.example' AND url:value = 'x']",
    "[domain-name:value LIKE '%.example']",
    'x',
  ])
    expect(nameInPattern(pattern)).toBeUndefined();
});

test('own lists alone are shared, and no address in them', async () => {
  const own = await ownList(list('c2.example\n*.bots.example\n7.2.0.192.in-addr.arpa\nc2.example\n'));
  const { indicators, leftOut } = shareableIndicators(own);
  expect(indicators.map(({ name, below }) => [name, below])).toEqual([
    ['c2.example', false],
    ['bots.example', true],
  ]);
  expect(leftOut).toEqual([{ why: 'is an address, or the reverse name of one', rows: 1 }]);
  await expect(ownList(list('', { source: { kind: 'http', url: 'https://feed.example/' } }))).rejects.toThrow(
    'comes from somebody else',
  );
});

test('statistics hold nothing small, no address and nothing that names a rule; what was left out is said', () => {
  const { counts, leftOut } = shareable([
    { name: 'sekisho_responses_total', labels: { rcode: 'NXDOMAIN' }, count: 4711 },
    { name: 'sekisho_responses_total', labels: { rcode: 'YXDOMAIN' }, count: 9 },
    { name: 'sekisho_sinkhole_hits_total', labels: { rule: 'rare.example' }, count: 4711 },
    { name: 'sekisho_upstream_queries_total', labels: { server: '192.0.2.53:53' }, count: 4711 },
    { name: 'sekisho_x_total', labels: { kind: '192.0.2.53' }, count: 4711 },
  ]);
  expect(counts).toEqual([{ name: 'sekisho_responses_total', labels: { rcode: 'NXDOMAIN' }, count: 4711 }]);
  expect(leftOut.map(({ rows }) => rows)).toEqual([1, 2, 1]);
  expect(JSON.stringify({ counts, leftOut })).not.toMatch(/rare\.example|192\.0\.2/);
});
