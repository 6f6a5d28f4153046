import type { Answer } from 'dns-packet';
import { describe, expect, test } from 'vitest';
import {
  ANSWER_SECTION,
  addRecord,
  beginReply,
  CACHE_NOT_ASKED,
  COMPLETE,
  CONTINUE,
  definePlugin,
  EDE,
  type Query,
  RCODE,
  TYPE,
  textToName,
  z,
} from '../contract/plugin.ts';
import { type MountOptions, mount } from '../testing/testing.ts';

const TEXT = new TextEncoder().encode('sent elsewhere');

/** Sends `bad.example` to `target`, from the hook named. */
const redirect = definePlugin({
  name: 'redirect',
  stage: 'policy',
  summary: 'sends one name to another',
  options: z.strictObject({ by: z.enum(['query', 'answer']), target: z.string() }),
  data({ options: { by, target } }) {
    const name = textToName('bad.example');
    const data = textToName(target);
    const act = (query: Query) => {
      if (query.question.nameLength !== name.length || name.some((byte, i) => byte !== query.question.name[i]))
        return CONTINUE;
      beginReply(query, RCODE.NOERROR);
      query.ede = EDE.FORGED_ANSWER;
      query.edeText = TEXT;
      addRecord(query, ANSWER_SECTION, TYPE.CNAME, 60, data);
      return COMPLETE;
    };
    return by === 'query'
      ? { query: act }
      : { answer: (query) => (query.cacheResult === CACHE_NOT_ASKED ? CONTINUE : act(query)) };
  },
});

const a = (name: string, data: string): Answer => ({ name, type: 'A', ttl: 300, data });

function mounted(by: 'query' | 'answer', upstream: MountOptions['upstream'], target = 'good.example') {
  const asked: string[] = [];
  const plugin = mount(
    redirect,
    { by, target },
    {
      upstream: (name, type) => {
        asked.push(name);
        return upstream?.(name, type);
      },
    },
  );
  return { ...plugin, asked };
}

describe.each(['query', 'answer'] as const)('a reply that a %s hook ends in a CNAME', (by) => {
  test("gets the target's records, fetched and from the cache, and keeps what the plugin said", async () => {
    const plugin = mounted(by, (name) => [a(name, '192.0.2.7'), a(name, '192.0.2.8')]);
    for (const transport of ['udp', 'tcp', 'udp'] as const) {
      expect(await plugin.ask({ name: 'BAD.example', transport })).toMatchObject({
        rcode: 'NOERROR',
        ede: EDE.FORGED_ANSWER,
        authenticData: false,
        answers: [
          { name: 'BAD.example', type: 'CNAME', ttl: 60, data: 'good.example' },
          { name: 'good.example', type: 'A', ttl: 300, data: '192.0.2.7' },
          { name: 'good.example', type: 'A', ttl: 300, data: '192.0.2.8' },
        ],
      });
    }
    expect(plugin.asked.filter((name) => name === 'good.example')).toHaveLength(1);
  });

  test('follows what the upstream says about the target, and its names come out whole', async () => {
    const plugin = mounted(by, (name) =>
      name === 'good.example'
        ? [
            { name, type: 'CNAME', ttl: 5, data: 'cdn.good.example' },
            {
              name: 'cdn.good.example',
              type: 'MX',
              ttl: 5,
              data: { preference: 7, exchange: 'mail.cdn.good.example' },
            },
          ]
        : [],
    );
    for (const _ of ['fetched', 'cached']) {
      expect((await plugin.ask({ name: 'bad.example', type: 'MX' })).answers).toMatchObject([
        { name: 'bad.example', data: 'good.example' },
        { name: 'good.example', type: 'CNAME', data: 'cdn.good.example' },
        { name: 'cdn.good.example', type: 'MX', data: { preference: 7, exchange: 'mail.cdn.good.example' } },
      ]);
    }
  });

  test('a target that does not exist gives its rcode and SOA', async () => {
    const data = { mname: 'ns.example', rname: 'a.example', serial: 9, refresh: 1, retry: 1, expire: 1, minimum: 30 };
    const plugin = mounted(by, (name) =>
      name === 'good.example' ? { rcode: 3, authorities: [{ name: 'example', type: 'SOA', ttl: 30, data }] } : [],
    );
    for (const _ of ['fetched', 'cached']) {
      expect(await plugin.ask({ name: 'bad.example' })).toMatchObject({
        rcode: 'NXDOMAIN',
        answers: [{ type: 'CNAME' }],
        authorities: [
          { name: 'example', type: 'SOA', ttl: 30, data: { mname: 'ns.example', rname: 'a.example', serial: 9 } },
        ],
      });
    }
  });

  test('a target that is not available makes it SERVFAIL; an expired answer is better than that', async () => {
    let up = false;
    const plugin = mounted(by, (name) => (up || name !== 'good.example' ? [a(name, '192.0.2.7')] : undefined));
    expect(await plugin.ask({ name: 'bad.example' })).toMatchObject({
      rcode: 'SERVFAIL',
      ede: EDE.NETWORK_ERROR,
      answers: [],
    });
    up = true;
    await plugin.ask({ name: 'good.example' });
    up = false;
    plugin.advance(301_000);
    expect(await plugin.ask({ name: 'bad.example' })).toMatchObject({
      rcode: 'NOERROR',
      answers: [{ type: 'CNAME' }, { name: 'good.example', data: '192.0.2.7' }],
    });
  });

  test('what is too long for UDP is cut there, and whole over TCP', async () => {
    const many = Array.from({ length: 90 }, (_, i) => `192.0.2.${i}`);
    const plugin = mounted(by, (name) => many.map((data) => a(name, data)));
    for (const _ of ['fetched', 'cached']) {
      expect(await plugin.ask({ name: 'bad.example' })).toMatchObject({ truncated: true, answers: [] });
      expect((await plugin.ask({ name: 'bad.example', transport: 'tcp' })).answers).toHaveLength(91);
    }
  });

  test('a target that leads back is completed once and goes no further', async () => {
    const plugin = mounted(by, (name) => [
      { name, type: 'CNAME', ttl: 5, data: 'bad.example' },
      { name: 'bad.example', type: 'CNAME', ttl: 5, data: 'good.example' },
    ]);
    const reply = await plugin.ask({ name: 'bad.example', type: 'A' });
    expect(reply.answers.length).toBeLessThan(5);
    expect(plugin.asked.length).toBeLessThan(3);
  });
});

test('a target that is never to be had leaves no query waiting', async () => {
  const plugin = mounted('query', () => undefined, 'good.example');
  for (let i = 0; i < 200; i++) expect((await plugin.ask({ name: 'bad.example' })).rcode).toBe('SERVFAIL');
  // 64 can wait at once (testing.ts): a place that was not given back would show.
  expect((await plugin.ask({ name: 'other.example' })).ede).toBe(EDE.NETWORK_ERROR);
});
