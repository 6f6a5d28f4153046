import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LOOK_UP } from '../../src/contract/plugin.ts';
import { type MountOptions, mount, type UpstreamSays } from '../../src/testing/testing.ts';
import dns64 from './index.ts';
import { PREFIX_LENGTHS, Translation } from './translation.ts';

const SOA = {
  name: 'example',
  type: 'SOA' as const,
  ttl: 120,
  data: { mname: 'ns.example', rname: 'h.example', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 120 },
};
const a = (name: string, data: string) => ({ name, type: 'A' as const, ttl: 300, data });
const aaaa = (name: string, data: string) => ({ name, type: 'AAAA' as const, ttl: 300, data });

/** An internet of a few names; everything else has neither. */
const NAMES: Readonly<Record<string, UpstreamSays>> = {
  'v4.example A': [a('v4.example', '192.0.7.1'), a('v4.example', '8.8.8.8')],
  'both.example A': [a('both.example', '8.8.4.4')],
  'both.example AAAA': [aaaa('both.example', '2001:db8::1')],
  'mapped.example A': [a('mapped.example', '8.8.4.4')],
  'mapped.example AAAA': [aaaa('mapped.example', '::ffff:8.8.4.4')],
  'inside.example A': [a('inside.example', '10.0.0.1')],
  'alias.example A': [
    { name: 'alias.example', type: 'CNAME', ttl: 50, data: 'v4.example' },
    a('v4.example', '8.8.8.8'),
  ],
  'alias.example AAAA': {
    answers: [{ name: 'alias.example', type: 'CNAME', ttl: 50, data: 'v4.example' }],
    authorities: [SOA],
  },
  'broken.example A': [a('broken.example', '8.8.4.4')],
  'broken.example AAAA': 'servfail',
  'half.example A': 'servfail',
  'gone.example A': 'nxdomain',
  'gone.example AAAA': 'nxdomain',
  '8.8.8.8.in-addr.arpa PTR': [{ name: '8.8.8.8.in-addr.arpa', type: 'PTR', ttl: 300, data: 'dns.example' }],
};

function mounted(options: Parameters<typeof mount<typeof dns64.options>>[1] = {}, more: MountOptions = {}) {
  const asked: string[] = [];
  const plugin = mount(dns64, options, {
    upstream: (name, type) => {
      asked.push(`${name} ${type}`);
      return NAMES[`${name} ${type}`] ?? { answers: [], authorities: [SOA] };
    },
    ...more,
  });
  const data = async (name: string, type = 'AAAA', client = '2001:db8::99') => {
    const { rcode, answers } = await plugin.ask({ name, type, client });
    return [rcode, ...answers.map((record) => `${record.name} ${'data' in record ? String(record.data) : ''}`)];
  };
  return { ...plugin, data, asked };
}

describe('dns64', () => {
  it('makes AAAA of A where there is no AAAA, for no longer than the lack of AAAA is known to hold', async () => {
    const plugin = mounted();
    const { rcode, answers, authorities } = await plugin.ask({ name: 'v4.example', type: 'AAAA' });
    expect(rcode).toBe('NOERROR');
    expect(answers).toMatchObject([
      { name: 'v4.example', type: 'AAAA', ttl: 120, data: '64:ff9b::c000:701' },
      { name: 'v4.example', type: 'AAAA', ttl: 120, data: '64:ff9b::808:808' },
    ]);
    expect(authorities).toEqual([]);
    expect(plugin.counter('sekisho_dns64_synthesized_total')).toBe(1);
    // Both answers lie in the cache as they came; what is made up is made for each client.
    await plugin.data('v4.example');
    expect(await plugin.data('v4.example', 'A')).toEqual(['NOERROR', 'v4.example 192.0.7.1', 'v4.example 8.8.8.8']);
    expect(plugin.asked).toEqual(['v4.example AAAA', 'v4.example A']);
  });

  it('leaves what has an IPv6 address, what does not exist, and what has no address at all', async () => {
    const plugin = mounted();
    expect(await plugin.data('both.example')).toEqual(['NOERROR', 'both.example 2001:db8::1']);
    expect(await plugin.data('gone.example')).toEqual(['NXDOMAIN']);
    expect(await plugin.data('half.example')).toEqual(['NOERROR']);
    const empty = await plugin.ask({ name: 'empty.example', type: 'AAAA' });
    expect([empty.rcode, empty.answers, empty.authorities.length]).toEqual(['NOERROR', [], 1]);
    expect(await plugin.data('v4.example', 'MX')).toEqual(['NOERROR']);
    expect(plugin.asked).not.toContain('both.example A');
    expect(plugin.asked).not.toContain('gone.example A');
    expect(plugin.counter('sekisho_dns64_unavailable_total')).toBe(1);
  });

  it('keeps aliases, and makes an answer where that for AAAA failed (RFC 6147 §5.1.2)', async () => {
    const plugin = mounted();
    expect(await plugin.data('alias.example')).toEqual([
      'NOERROR',
      'alias.example v4.example',
      'v4.example 64:ff9b::808:808',
    ]);
    const { rcode, ede, answers } = await plugin.ask({ name: 'broken.example', type: 'AAAA' });
    expect([rcode, ede, answers.length]).toEqual(['NOERROR', -1, 1]);
  });

  it('takes excluded IPv6 addresses for none, and translates no address that is not global with the well-known prefix', async () => {
    const plugin = mounted();
    expect(await plugin.data('mapped.example')).toEqual(['NOERROR', 'mapped.example 64:ff9b::808:404']);
    expect(await plugin.data('inside.example')).toEqual(['NOERROR']);
    const own = mounted({ prefix: '2001:db8:64::/96', 'exclude-ipv4': ['8.8.8.0/24'] });
    expect(await own.data('inside.example')).toEqual(['NOERROR', 'inside.example 2001:db8:64::a00:1']);
    expect(await own.data('v4.example')).toEqual(['NOERROR', 'v4.example 2001:db8:64::c000:701']);
  });

  it('serves the clients it is for, and no name that is excepted', async () => {
    const plugin = mounted({ clients: ['2001:db8::/32'], 'exclude-names': ['v4.example'] });
    expect(await plugin.data('broken.example', 'AAAA', '192.0.2.1')).toEqual(['SERVFAIL']);
    expect((await plugin.data('mapped.example')).length).toBe(2);
    expect(await plugin.data('v4.example')).toEqual(['NOERROR']);
    expect(await plugin.data('www.v4.example')).toEqual(['NOERROR']);
    expect(await plugin.data('xv4.example')).toEqual(['NOERROR']);
    expect(await plugin.data('ipv4only.arpa', 'AAAA', '192.0.2.1')).toEqual(['NOERROR']);
  });

  it('makes nothing up for a client that validates by itself', async () => {
    const plugin = mounted();
    const query = (flags: number) => ({
      bytes: Uint8Array.from([
        ...[0, 1, 1, flags, 0, 1, 0, 0, 0, 0, 0, 1],
        ...[2, 0x76, 0x34, 7, 0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0, 0, 28, 0, 1],
        ...[0, 0, 41, 4, 0xd0, 0, 0, 0x80, 0, 0, 0],
      ]),
      name: 'v4.example',
    });
    expect((await plugin.ask(query(0x10))).answers).toEqual([]);
    expect((await plugin.ask(query(0))).answers.length).toBe(2);
  });

  it('says AD only of what was validated twice: that there is no AAAA, and A', async () => {
    const validated = (a: boolean, aaaa: boolean) =>
      mounted(
        {},
        {
          upstream: (name, type) =>
            type === 'A'
              ? { answers: [{ name, type: 'A', ttl: 300, data: '8.8.8.8' }], authenticData: a }
              : { answers: [], authorities: [SOA], authenticData: aaaa },
        },
      );
    for (const [a, aaaa] of [
      [true, true],
      [true, false],
      [false, true],
    ] as const) {
      const { answers, authenticData } = await validated(a, aaaa).ask({
        name: 'x.example',
        type: 'AAAA',
        dnssecOk: true,
      });
      expect([answers.length, authenticData]).toEqual([1, a && aaaa]);
    }
  });

  it('leads the reverse name of a made-up address to that of the IPv4 address', async () => {
    const plugin = mounted();
    const reverse = `${'8.0.8.0.8.0.8.0'}.${'0.'.repeat(16)}b.9.f.f.4.6.0.0.ip6.arpa`;
    expect(await plugin.data(reverse, 'PTR')).toEqual([
      'NOERROR',
      `${reverse} 8.8.8.8.in-addr.arpa`,
      '8.8.8.8.in-addr.arpa dns.example',
    ]);
    const other = reverse.replace('b.9.f.f', '8.b.d.0');
    expect(await plugin.data(other, 'PTR')).toEqual(['NOERROR']);
    expect(plugin.asked).toEqual(['8.8.8.8.in-addr.arpa PTR', `${other} PTR`]);
  });

  it('speaks for ipv4only.arpa itself, all but DS, and asks nobody (RFC 8880)', async () => {
    const plugin = mounted({ prefix: '2001:db8:64::/96' });
    expect(await plugin.data('ipv4only.arpa')).toEqual([
      'NOERROR',
      'ipv4only.arpa 2001:db8:64::c000:aa',
      'ipv4only.arpa 2001:db8:64::c000:ab',
    ]);
    expect(await plugin.data('ipv4only.arpa', 'A')).toEqual([
      'NOERROR',
      'ipv4only.arpa 192.0.0.170',
      'ipv4only.arpa 192.0.0.171',
    ]);
    expect(await plugin.data('ipv4only.arpa', 'NS')).toEqual(['NOERROR']);
    expect(await plugin.data('a.ipv4only.arpa')).toEqual(['NXDOMAIN']);
    expect(plugin.asked).toEqual([]);
    await plugin.data('ipv4only.arpa', 'DS');
    expect(plugin.asked).toEqual(['ipv4only.arpa DS']);
  });

  it('puts addresses where RFC 6052 §2.4 shows them, and takes them out again', () => {
    const address = Uint8Array.of(192, 0, 2, 33);
    const out = new Uint8Array(16);
    const text = (prefix: string) => {
      new Translation(prefix).embed(address, 0, out);
      return Buffer.from(out)
        .toString('hex')
        .replace(/(.{4})(?=.)/g, '$1:');
    };
    expect(text('2001:db8::/32')).toBe('2001:0db8:c000:0221:0000:0000:0000:0000');
    expect(text('2001:db8:100::/40')).toBe('2001:0db8:01c0:0002:0021:0000:0000:0000');
    expect(text('2001:db8:122::/48')).toBe('2001:0db8:0122:c000:0002:2100:0000:0000');
    expect(text('2001:db8:122:300::/56')).toBe('2001:0db8:0122:03c0:0000:0221:0000:0000');
    expect(text('2001:db8:122:344::/64')).toBe('2001:0db8:0122:0344:00c0:0002:2100:0000');
    expect(text('2001:db8:122:344::/96')).toBe('2001:0db8:0122:0344:0000:0000:c000:0221');
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 4, maxLength: 4 }),
        fc.constantFrom(...PREFIX_LENGTHS),
        (bytes, length) => {
          const translation = new Translation(`2001:db8::/${length}`);
          const back = new Uint8Array(4);
          translation.embed(bytes, 0, out);
          expect(translation.extract(out, back)).toBe(true);
          expect(back).toEqual(bytes);
        },
      ),
    );
  });

  it('refuses prefixes that no translator has, and networks of the wrong kind', () => {
    const refused = (options: object) => () => mount(dns64, options);
    expect(refused({ prefix: '2001:db8::/33' })).toThrow(/prefix: .*32, 40, 48, 56, 64 or 96 bits/);
    expect(refused({ prefix: '10.0.0.0/8' })).toThrow(/must be an IPv6 prefix/);
    expect(refused({ prefix: '2001:db8:0:0:100::/96' })).toThrow(/bits 64 to 71/);
    expect(refused({ exclude: ['192.0.2.0/24'] })).toThrow(/exclude.0: .*IPv6/);
    expect(refused({ 'exclude-ipv4': ['2001:db8::/32'] })).toThrow(/exclude-ipv4.0: .*IPv4/);
    expect(refused({ clients: ['nonsense'] })).toThrow(/clients.0/);
    expect(refused({ 'exclude-names': ['a..b'] })).toThrow(/exclude-names.0: is not a name/);
  });

  it('explains itself', async () => {
    const plugin = mounted();
    await plugin.data('v4.example');
    const { reason, verdict } = plugin.explain({ name: 'v4.example', type: 'AAAA' })!;
    expect([verdict, reason]).toEqual([LOOK_UP, expect.stringContaining('64:ff9b::/96')]);
    expect(plugin.explain({ name: 'ipv4only.arpa', type: 'AAAA' })?.reason).toContain('RFC 8880');
  });
});
