import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { resolvePlugin } from '../loading/plugins.ts';
import { problemText } from '../settings/yaml-source.ts';
import { loadConfig } from './load.ts';

const folder = mkdtempSync(join(tmpdir(), 'sekisho-views-'));
writeFileSync(join(folder, 'lab.zone'), 'www A 192.0.2.1\n');
writeFileSync(join(folder, 'broken.zone'), 'www A 192.0.2.1\nwww2 A 192.0.2\n');
writeFileSync(join(folder, 'c2.txt'), 'c2.example\n');
const HEAD = `server: { listen: ["127.0.0.1:53", "127.0.0.1:5302"] }
upstream: { servers: ["192.0.2.53"], groups: { wholesale: ["192.0.2.1", { address: "192.0.2.2:5300", trusted: true }] } }
lists: [{ name: feed, category: c2, tier: confirmed, format: domains, file: ./c2.txt }]
`;

async function load(text: string) {
  const path = join(folder, 'x.yaml');
  writeFileSync(path, `${HEAD}${text}`);
  return loadConfig({ path, resolvePlugin });
}

const view = (text: string) => `views:\n  - { name: one, clients: ["10.0.0.0/8"], ${text} }\n`;

test('views stand in their order, with what is different in each', async () => {
  const result = await load(`views:
  - name: wholesale
    clients: ["10.1.0.0/16", "2001:db8::/32"]
    listeners: ["127.0.0.1:5302"]
    upstream: wholesale
    lists: [feed]
    plugins: { amp-shaper: dry-run, sinkhole: off }
    zones: [{ zone: lab.example, records: ./lab.zone }, { zone: Invalid, forward: wholesale }]
    cache: { serve-stale: false, max-ttl: 1m }
  - { name: rest, access: { allow: ["10.0.0.0/8"], refuse: ["10.9.0.0/16"] } }
`);
  const { views = [], partitions = [], warnings = [] } = result.ok ? result.config : {};
  expect(views).toEqual([
    {
      name: 'wholesale',
      clients: ['10.1.0.0/16', '2001:db8::/32'],
      listeners: [1],
      lists: 1,
      plugins: { 'amp-shaper': 'dry-run', sinkhole: 'off' },
      serveStale: false,
      maxTtlSeconds: 60,
      partition: 1,
    },
    {
      name: 'rest',
      clients: [],
      listeners: [],
      access: { allow: ['10.0.0.0/8'], refuse: ['10.9.0.0/16'], drop: [] },
      lists: -1,
      plugins: {},
      serveStale: true,
      partition: 0,
    },
  ]);
  expect(partitions).toHaveLength(1);
  expect(partitions[0]?.servers?.map(({ address }) => address)).toEqual(['192.0.2.1', '192.0.2.2']);
  const zones = partitions[0]?.zones.map(({ zone }) => zone) ?? [];
  expect(zones.slice(0, 2)).toEqual(['lab.example', 'invalid']);
  // What the top level has besides: its special-use names, each once.
  expect(zones).toContain('onion');
  expect(zones.filter((zone) => zone === 'invalid')).toHaveLength(1);
  expect(warnings.filter((text) => text.includes('views[0].plugins.amp-shaper'))).toHaveLength(1);
});

test('a zone may name a group, too', async () => {
  const result = await load('zones: [{ zone: corp.example, forward: wholesale }]\n');
  expect(result.ok && result.config.zones[0]?.way).toMatchObject({
    kind: 'forward',
    servers: [{ address: '192.0.2.1' }, {}],
  });
  const unknown = await load('zones: [{ zone: corp.example, forward: nobody }]\n');
  expect(unknown.ok ? [] : unknown.problems.map(problemText)).toEqual([
    expect.stringMatching(/x\.yaml:4:\d+: zones\[0\]\.forward: 'nobody' is none of upstream\.groups; known: wholesale/),
  ]);
});

test('the servers of the top level, named once more, are no partition of their own', async () => {
  const result = await load(view('upstream: ["192.0.2.53"]'));
  expect(result.ok && result.config.partitions).toEqual([]);
});

test.each<[string, RegExp]>([
  [
    view('upstream: wholesail'),
    /x\.yaml:5:\d+: views\[0\]\.upstream: 'wholesail' is none of upstream\.groups; did you mean 'wholesale'\?/,
  ],
  [
    view('upstream: ["127.0.0.1:53"]'),
    /x\.yaml:5:\d+: views\[0\]\.upstream\[0\]: 127\.0\.0\.1:53 is this server itself/,
  ],
  [view('lists: [fed]'), /x\.yaml:5:\d+: views\[0\]\.lists\[0\]: there is no list 'fed'; did you mean 'feed'\?/],
  [
    view('listeners: ["127.0.0.1:5303"]'),
    /x\.yaml:5:\d+: views\[0\]\.listeners\[0\]: 127\.0\.0\.1:5303 is no address of server\.listen \(127\.0\.0\.1:53, 127\.0\.0\.1:5302\)/,
  ],
  [
    view('plugins: { rpz: off }'),
    /x\.yaml:5:\d+: views\[0\]\.plugins\.rpz: no plugin 'rpz' runs here; known: access, amp-shaper, sinkhole/,
  ],
  [view('plugins: { access: off }'), /views\[0\]\.plugins\.access: access is the gate/],
  [view('plugins: { sinkhole: on }'), /views\[0\]\.plugins\.sinkhole: expected/],
  [
    view('access: { allow: ["10.1.0.0/16"], drop: ["10.1.0.0/16"] }'),
    /views\[0\]\.access\.drop\[0\]: 10\.1\.0\.0\/16 stands in allow, too/,
  ],
  [view('access: { allow: [] }'), /views\[0\]\.access\.allow/],
  [view('zones: [{ zone: a.example }]'), /x\.yaml:5:\d+: views\[0\]\.zones\[0\]: needs one of forward, stub, records/],
  [
    view('zones: [{ zone: a.example, records: ./broken.zone }]'),
    /broken\.zone:2:\d+: views\[0\]\.zones\[0\]\.records: /,
  ],
  [view('cache: { max-tll: 1m }'), /views\[0\]\.cache\.max-tll: unknown key; did you mean 'max-ttl'\?/],
  [
    'views:\n  - { name: a }\n  - { name: b, clients: ["10.0.0.0/8"] }\n',
    /x\.yaml:6:\d+: views\[1\]\.clients\[0\]: no client of this network comes to it: 'a' stands before it and takes them all/,
  ],
  [
    'views:\n  - { name: a, clients: ["10.0.0.0/9"] }\n  - { name: b, clients: ["10.128.0.0/9"] }\n  - { name: c, clients: ["10.0.0.0/8"] }\n',
    /x\.yaml:7:\d+: views\[2\]\.clients\[0\]: .*'a', 'b' stands before/,
  ],
  [
    'views:\n  - { name: a, clients: ["10.0.0.0/8"] }\n  - { name: a, clients: ["192.0.2.0/24"] }\n',
    /views\[1\]\.name: 'a' is listed twice/,
  ],
  ['views:\n  - { name: a }\n  - { name: b }\n', /x\.yaml:6:\d+: views\[1\]: no client comes to this view/],
  [`upstream: {}\n`, /duplicate key/],
])('%s is refused', async (text, message) => {
  const result = await load(text);
  expect(result.ok).toBe(false);
  expect(result.ok ? [] : result.problems.map(problemText)).toContainEqual(expect.stringMatching(message));
});

test('a later view may hold more than an earlier one, and one listener of it', async () => {
  const result = await load(`views:
  - { name: a, clients: ["10.1.0.0/16"], listeners: ["127.0.0.1:5302"] }
  - { name: b, clients: ["10.1.0.0/16"] }
  - { name: c, clients: ["10.0.0.0/8"], listeners: ["127.0.0.1:53"] }
  - { name: d, clients: ["10.0.0.0/8"] }
`);
  expect(result.ok ? [] : result.problems).toEqual([]);
});

test('a group that is this server itself is refused where it stands', async () => {
  const path = join(folder, 'y.yaml');
  writeFileSync(
    path,
    'server: { listen: ["127.0.0.1:53"] }\nupstream:\n  servers: ["192.0.2.53"]\n  groups: { own: ["127.0.0.1"] }\n',
  );
  const result = await loadConfig({ path, resolvePlugin });
  expect(result.ok ? [] : result.problems.map(problemText)).toEqual([
    expect.stringMatching(/y\.yaml:4:\d+: upstream\.groups\.own\[0\]: 127\.0\.0\.1:53 is this server itself/),
  ]);
});
