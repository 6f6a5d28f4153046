import { describe, expect, test } from 'vitest';
import { EDE } from '../../src/plugin.ts';
import { ManualClock, mount } from '../../src/testing.ts';
import sinkhole from './index.ts';

const ground = {
  kind: 'self-defence',
  effect: 'floods the web servers of the member portal',
  evidence: 'ticket 4711, traffic graph of the border routers',
  approver: 'NOC shift lead',
  expires: '2027-01-01',
} as const;
const options = { ipv4: '192.0.2.1', ipv6: '2001:db8::1', rules: [{ name: 'attacked.example', ground }] };

describe('a name under attack', () => {
  test.each([
    ['A', '192.0.2.1'],
    ['AAAA', '2001:db8::1'],
  ])('%s is answered the discard address, with a short TTL and Forged Answer', async (type, data) => {
    const reply = await mount(sinkhole, options).ask({ name: 'ATTACKED.example', type });
    expect(reply).toMatchObject({
      rcode: 'NOERROR',
      ede: EDE.FORGED_ANSWER,
      answers: [{ name: 'ATTACKED.example', type, ttl: 30, data }],
    });
  });

  test.each(['HTTPS', 'SVCB', 'TXT', 'MX', 'NS'])(
    '%s is there without data, with an SOA so that clients keep it',
    async (type) => {
      const bytes = Uint8Array.from([
        ...[0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 8, ...Buffer.from('attacked'), 7, ...Buffer.from('example'), 0],
        ...[0, { HTTPS: 65, SVCB: 64, TXT: 16, MX: 15, NS: 2 }[type]!, 0, 1],
      ]);
      const reply = await mount(sinkhole, options).ask({ name: 'attacked.example', bytes });
      expect(reply).toMatchObject({
        rcode: 'NOERROR',
        ede: EDE.FORGED_ANSWER,
        answers: [],
        authorities: [{ type: 'SOA', ttl: 30 }],
      });
    },
  );

  test('names below it and above it are not touched', async () => {
    const mounted = mount(sinkhole, options);
    for (const name of ['www.attacked.example', 'example', 'xattacked.example']) {
      expect((await mounted.ask({ name })).answers, name).toMatchObject([{ data: '192.0.2.99' }]);
    }
    expect(mounted.counter('sekisho_sinkhole_hits_total')).toBe(0);
  });

  test('without a discard address of a family, that family is NODATA', async () => {
    const reply = await mount(sinkhole, { ...options, ipv6: undefined }).ask({
      name: 'attacked.example',
      type: 'AAAA',
    });
    expect(reply).toMatchObject({ rcode: 'NOERROR', answers: [] });
  });

  test('hits are counted by the number of the rule, never by its name', async () => {
    const mounted = mount(sinkhole, options);
    await mounted.ask({ name: 'attacked.example' });
    await mounted.ask({ name: 'attacked.example', type: 'AAAA' });
    expect(mounted.counter('sekisho_sinkhole_hits_total', { rule: '1', dry_run: 'false' })).toBe(2);
  });
});

test('a dry run counts what it would hit and answers the truth', async () => {
  const mounted = mount(sinkhole, { ...options, rules: [{ name: 'attacked.example', ground, 'dry-run': true }] });
  expect((await mounted.ask({ name: 'attacked.example' })).answers).toMatchObject([{ data: '192.0.2.99' }]);
  expect(mounted.counter('sekisho_sinkhole_hits_total', { dry_run: 'true' })).toBe(1);
});

test('a rule ends by itself when its ground expires', async () => {
  const clock = new ManualClock();
  const expires = new Date(clock.wallMs() + 3600_000).toISOString().replace(/\.\d+Z$/, 'Z');
  const mounted = mount(
    sinkhole,
    { ...options, rules: [{ name: 'attacked.example', ground: { ...ground, expires } }] },
    { clock },
  );
  expect((await mounted.ask({ name: 'attacked.example' })).answers).toMatchObject([{ data: '192.0.2.1' }]);
  clock.advance(3600_000);
  expect((await mounted.ask({ name: 'attacked.example' })).answers).toMatchObject([{ data: '192.0.2.99' }]);
  expect(mounted.explain({ name: 'attacked.example' })).toMatchObject({ reason: expect.stringContaining('expired') });
});

describe('refuses', () => {
  const rule = (name: string, over: object = {}) => ({ ...options, rules: [{ name, ground: { ...ground, ...over } }] });
  test.each([
    ['a top-level domain', rule('com'), /public suffix/],
    ['a public suffix', rule('co.jp.'), /public suffix/],
    ['a private suffix that many share', rule('github.io'), /public suffix/],
    ['the root', rule('.'), /public suffix/],
    ['a name that is none', rule('a..b'), /empty label/],
    [
      'the same name twice',
      {
        ...options,
        rules: [
          { name: 'a.example', ground },
          { name: 'A.example.', ground },
        ],
      },
      /number 1/,
    ],
    ['an IPv4 address where an IPv6 one should be', { ...options, ipv6: '192.0.2.1' }, /no IPv6 address/],
    ['a rule without an expiry', rule('a.example', { expires: undefined }), /expires/],
    ['a date that does not exist', rule('a.example', { expires: '2026-02-30' }), /no such date/],
    ['a rule without evidence', rule('a.example', { evidence: '' }), /evidence/],
    ['a rule without an approver', rule('a.example', { approver: ' ' }), /approver/],
    ['a rule without a ground', { ...options, rules: [{ name: 'a.example' }] }, /ground/],
  ])('%s', (_what, given, message) => {
    expect(() => mount(sinkhole, given as typeof options)).toThrow(message);
  });
});

test('explain names rule and ground, and counts nothing', () => {
  const mounted = mount(sinkhole, options);
  expect(mounted.explain({ name: 'attacked.example' })).toMatchObject({
    verdict: 1,
    reason: expect.stringContaining('正当防衛'),
  });
  expect(mounted.explain({ name: 'other.example' })).toMatchObject({ verdict: 0 });
  expect(mounted.counter('sekisho_sinkhole_hits_total')).toBe(0);
});
