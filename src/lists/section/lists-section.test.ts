import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { NEXT_REVIEW } from '../../../test/support/dates.ts';
import { type LoadResult, parseConfig } from '../../config/load.ts';
import { definePlugin, type Plugin, z } from '../../contract/plugin.ts';
import { problemText } from '../../settings/yaml-source.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sekisho-lists-'));
  await writeFile(join(folder, 'c2.txt'), 'bad.example\n');
  await writeFile(join(folder, 'keys'), 'vendor:hmac-sha256:MDEyMzQ1Njc4OWFiY2RlZg==\n');
});
afterAll(() => rm(folder, { recursive: true }));

const load = (text: string): Promise<LoadResult> =>
  parseConfig(
    text,
    { source: 'x.yaml', file: join(folder, 'x.yaml'), baseFolder: folder },
    {
      resolvePlugin: async (name) =>
        definePlugin({ name, stage: 'guard', summary: '', options: z.strictObject({}) }) as unknown as Plugin,
      systemResolvers: () => ['192.0.2.53'],
    },
  );

async function problems(text: string): Promise<string[]> {
  const result = await load(text);
  return result.ok ? [] : result.problems.map(problemText);
}

const GROUND = `ground: { kind: legitimate-business, purpose: keep the network up, necessity: no milder way, proportionality: single names, approver: sato, review: ${NEXT_REVIEW} }`;
const C2 = '{ name: c2, category: c2, tier: confirmed, format: domains, file: c2.txt }';

describe('lists in the configuration', () => {
  it('are taken with every source, in the order in which they stand', async () => {
    const result = await load(`transfer: { keys-file: keys, notify: "127.0.0.1:5354" }
lists:
  - ${C2}
  - { name: web, category: malware, tier: suspected, format: hosts, url: "https://user:pw@feeds.example/hosts?key=1" }
  - { name: plain, category: c2, tier: suspected, format: csv, source: ./c2.txt, columns: { name: domain } }
  - { name: vendor, category: policy, format: rpz, source: "axfr://[2001:db8::1]:5353/rpz.vendor.example?key=Vendor.", ${GROUND} }
  - { name: own, category: policy, format: domains, file: c2.txt, override: cname walled.Garden.example, dry-run: true, ${GROUND} }
`);
    if (!result.ok) throw new Error(result.problems.map(problemText).join('\n'));
    const { lists, transfer } = result.config;
    expect(transfer).toEqual({ keysFile: join(folder, 'keys'), notify: { address: '127.0.0.1', port: 5354 } });
    expect(lists.map(({ source }) => source)).toEqual([
      { kind: 'file', path: join(folder, 'c2.txt') },
      { kind: 'http', url: 'https://user:pw@feeds.example/hosts?key=1' },
      { kind: 'file', path: join(folder, 'c2.txt') },
      { kind: 'transfer', host: '2001:db8::1', port: 5353, zone: 'rpz.vendor.example', key: 'vendor' },
      { kind: 'file', path: join(folder, 'c2.txt') },
    ]);
    expect(lists[4]).toMatchObject({ dryRun: true, override: { action: 'cname' }, tier: 'confirmed' });
    // They go to the workers as they are.
    expect(structuredClone(lists)).toEqual(lists);
  });

  it('warn where a file is not there: the last good version may serve', async () => {
    const result = await load('lists: [{ name: c2, category: c2, tier: confirmed, format: domains, file: gone.txt }]');
    expect(result.ok && result.config.warnings).toEqual([expect.stringContaining("gone.txt' is not there")]);
  });

  it.each([
    [
      `{ name: a, category: phishing, tier: confirmed, format: domains, file: c2.txt }`,
      /no ground covers the category 'phishing'/,
    ],
    [
      `{ name: a, category: adult, tier: confirmed, format: domains, file: c2.txt }`,
      /no ground covers the category 'adult'/,
    ],
    [
      `{ name: a, category: piracy, tier: confirmed, format: domains, file: c2.txt }`,
      /no ground covers the category 'piracy'/,
    ],
    [
      `{ name: a, category: c3, tier: confirmed, format: domains, file: c2.txt }`,
      /no ground is known for the category 'c3'; known are c2, malware, policy/,
    ],
    [`{ name: a, category: c2, format: domains, file: c2.txt }`, /needs a tier/],
    [
      `{ name: a, category: c2, tier: sure, format: domains, file: c2.txt }`,
      /expected 'confirmed' or 'suspected', found 'sure'/,
    ],
    [
      `{ name: a, category: c2, tier: confirmed, format: domains, file: c2.txt, ${GROUND} }`,
      /acts on the consent of the subscriber/,
    ],
    [
      `{ name: a, category: c2, tier: confirmed, format: domains, file: c2.txt, override: nxdomain }`,
      /only policy lists have an override/,
    ],
    [`{ name: a, category: policy, format: rpz, file: c2.txt }`, /needs a ground stated in full/],
    [`{ name: a, category: policy, tier: confirmed, format: rpz, file: c2.txt, ${GROUND} }`, /a policy list has none/],
    [`{ name: a, category: policy, format: domains, file: c2.txt, ${GROUND} }`, /names no action: say with override/],
    [
      `{ name: a, category: policy, format: rpz, file: c2.txt, override: block, ${GROUND} }`,
      /expected given, disabled, passthru/,
    ],
    [`{ name: a, category: policy, format: rpz, file: c2.txt, override: cname a..b, ${GROUND} }`, /has an empty label/],
    [`{ name: a, category: c2, tier: confirmed, format: domains }`, /needs exactly one of file, url and source/],
    [
      `{ name: a, category: c2, tier: confirmed, format: domains, file: c2.txt, url: "https://x.example/" }`,
      /not file and url/,
    ],
    [
      `{ name: a, category: c2, tier: confirmed, format: domains, url: ftp://x.example/ }`,
      /'ftp:' is no way to fetch a list/,
    ],
    [`{ name: a, category: c2, tier: confirmed, format: domains, url: c2.txt }`, /is no address/],
    [
      `{ name: a, category: c2, tier: confirmed, format: domains, source: "axfr://192.0.2.1/x.example" }`,
      /is of format rpz/,
    ],
    [
      `{ name: a, category: c2, tier: confirmed, format: rpz, source: "axfr://192.0.2.1/x.example?key=other" }`,
      /holds no key 'other'/,
    ],
    [`{ name: a, category: c2, tier: confirmed, format: rpz, source: "axfr://192.0.2.1" }`, /is not of the form axfr:/],
    [
      `{ name: a, category: c2, tier: confirmed, format: domains, file: c2.txt, zone: rpz.example }`,
      /only lists of format rpz have a zone/,
    ],
    [`{ name: "../a", category: c2, tier: confirmed, format: domains, file: c2.txt }`, /a list is named with/],
    [`${C2}, ${C2}`, /number 1 has this name already/],
    [`{ name: a, category: c2, tier: confirmed, format: domain, file: c2.txt }`, /did you mean 'domains'/],
  ])('%s is refused', async (list, message) => {
    const text = `transfer: { keys-file: keys }\nlists: [${list}]\n`;
    expect(parse(text)).toBeDefined();
    const found = await problems(text);
    expect(found.join('\n')).toMatch(message);
    expect(found[0]).toMatch(/^x\.yaml:2:\d+: lists/);
  });

  it('never show a secret in a problem', async () => {
    const found = await problems(
      'lists: [{ name: a, category: c2, tier: confirmed, format: hosts, url: "https://u:pw@[x/" }]',
    );
    expect(found.join()).toMatch(/no address that could be asked/);
    expect(found.join()).not.toContain('pw');
  });

  it('are warned of where the ground has ended, and refused where its review is overdue', async () => {
    const ended = GROUND.replace('legitimate-business', 'self-defence').replace(
      /purpose.*single names/,
      'effect: floods our resolver, evidence: ticket 4711',
    );
    const result = await load(`lists:
  - { name: one, category: policy, format: rpz, file: c2.txt, ${ended.replace(`review: ${NEXT_REVIEW}`, 'expires: 2020-01-01')} }
`);
    expect(result.ok ? result.config.warnings : result.problems).toEqual([
      expect.stringContaining("has passed: the list 'one' does not act"),
    ]);
    const overdue = `lists: [{ name: two, category: policy, format: rpz, file: c2.txt, ${GROUND.replace(NEXT_REVIEW, '2020-12-31')} }]`;
    expect(await problems(overdue)).toEqual([
      expect.stringMatching(/lists\[0\]\.ground\.review: lies in the past: the review is overdue/),
    ]);
  });
});
