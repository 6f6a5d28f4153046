import { decode } from 'dns-packet';
import { describe, expect, test } from 'vitest';
import { ANSWER, COMPLETE, CONTINUE } from '../contract/plugin.ts';
import { queryMessage } from '../testing/testing.ts';
import { ManualClock } from '../time/clock.ts';
import { RCODE } from '../wire/constants.ts';
import { textToName } from '../wire/name.ts';
import { Query, TCP } from '../wire/query.ts';
import { readQuery } from '../wire/reader.ts';
import { specialUseZones } from './special-use.ts';
import { type ServerGroup, Ways } from './ways.ts';
import type { ZoneConfig } from './zone-config.ts';
import { readZoneFile } from './zone-file.ts';

const FILE = `$TTL 300
@ IN SOA ns.lab.example. admin.lab.example. ( 7 3600 600 86400 60 )
  NS ns
ns A 192.0.2.53
www A 192.0.2.80
www A 192.0.2.81
    AAAA 2001:db8::80
alias CNAME www
out CNAME www.other.example.
a.b.c.deep A 192.0.2.7
*.wild A 192.0.2.9
named.wild TXT "not the wildcard"
*.sub.wild CNAME www
loop1 CNAME loop2
loop2 CNAME loop1
inner A 192.0.2.66
`;

const forward = (zone: string, ...addresses: string[]): ZoneConfig => ({
  zone,
  apex: textToName(zone),
  way: { kind: 'forward', servers: addresses.map((address) => ({ address, port: 53, trusted: false })) },
});
const records = (zone: string, text: string): ZoneConfig => {
  const read = readZoneFile(new TextEncoder().encode(text), zone);
  expect(read.problems).toEqual([]);
  return {
    zone,
    apex: textToName(zone),
    way: { kind: 'records', specialUse: false, dsAbove: false, records: read.records },
  };
};

function queryOf(name: string, type = 'A', transport = TCP): Query {
  const query = new Query();
  query.transport = transport;
  query.message = queryMessage({ name, type });
  query.length = query.message.length;
  const memory = new ArrayBuffer(65_536);
  query.reply = new Uint8Array(memory);
  query.replyWords = new Int32Array(memory);
  query.replyCapacity = 65_535;
  query.nowMs = new ManualClock().nowMs();
  query.reset();
  readQuery(query, 1, 2);
  return query;
}

/** What comes of it, in short. */
function told(ways: Ways, name: string, type = 'A'): string {
  const query = queryOf(name, type);
  const verdict = ways.decide(query);
  if (verdict === CONTINUE) return 'continue';
  const message = decode(Buffer.from(query.reply.subarray(0, query.replyLength)));
  const shown = (message.answers ?? []).map(
    (one) => `${one.name} ${one.type} ${'data' in one ? String(one.data) : ''}`,
  );
  const soa = (message.authorities ?? []).map((one) => `${one.type} of ${one.name}, ${'ttl' in one ? one.ttl : ''} s`);
  const rcode = Object.entries(RCODE).find(([, code]) => code === query.rcode)?.[0];
  return [verdict === COMPLETE ? 'to be completed' : rcode, ...shown, ...soa].join('; ');
}

describe('records of a zone file', () => {
  const ways = new Ways([records('lab.example', FILE), forward('inner.lab.example', '192.0.2.1')]);

  test.each([
    ['www.lab.example', 'A', 'NOERROR; www.lab.example A 192.0.2.80; www.lab.example A 192.0.2.81'],
    ['WWW.Lab.Example', 'AAAA', 'NOERROR; WWW.Lab.Example AAAA 2001:db8::80'],
    ['www.lab.example', 'MX', 'NOERROR; SOA of lab.example, 60 s'],
    ['lab.example', 'NS', 'NOERROR; lab.example NS ns.lab.example'],
    ['none.lab.example', 'A', 'NXDOMAIN; SOA of lab.example, 60 s'],
    [
      'alias.lab.example',
      'A',
      'NOERROR; alias.lab.example CNAME www.lab.example; www.lab.example A 192.0.2.80; www.lab.example A 192.0.2.81',
    ],
    ['alias.lab.example', 'CNAME', 'NOERROR; alias.lab.example CNAME www.lab.example'],
    ['alias.lab.example', 'MX', 'NOERROR; alias.lab.example CNAME www.lab.example; SOA of lab.example, 60 s'],
    ['out.lab.example', 'A', 'to be completed; out.lab.example CNAME www.other.example'],
    // RFC 4592 §2.2.2: a name above another exists, empty.
    ['c.deep.lab.example', 'A', 'NOERROR; SOA of lab.example, 60 s'],
    ['x.c.deep.lab.example', 'A', 'NXDOMAIN; SOA of lab.example, 60 s'],
    ['any.wild.lab.example', 'A', 'NOERROR; any.wild.lab.example A 192.0.2.9'],
    ['a.b.wild.lab.example', 'A', 'NOERROR; a.b.wild.lab.example A 192.0.2.9'],
    ['any.wild.lab.example', 'TXT', 'NOERROR; SOA of lab.example, 60 s'],
    // §3.3.1: what exists between stops the wildcard.
    ['named.wild.lab.example', 'A', 'NOERROR; SOA of lab.example, 60 s'],
    ['x.named.wild.lab.example', 'A', 'NXDOMAIN; SOA of lab.example, 60 s'],
    ['sub.wild.lab.example', 'A', 'NOERROR; SOA of lab.example, 60 s'],
    [
      'x.sub.wild.lab.example',
      'A',
      'NOERROR; x.sub.wild.lab.example CNAME www.lab.example; www.lab.example A 192.0.2.80; www.lab.example A 192.0.2.81',
    ],
    ['loop1.lab.example', 'A', 'SERVFAIL'],
    // Below another zone nothing of this one counts.
    ['inner.lab.example', 'A', 'continue'],
    ['x.inner.lab.example', 'A', 'continue'],
    ['lab.example.other', 'A', 'continue'],
    ['xlab.example', 'A', 'continue'],
    ['example', 'A', 'continue'],
  ])('%s %s', (name, type, expected) => {
    expect(told(ways, name, type)).toBe(expected);
  });

  test('an answer is authoritative, and kept by nobody else', () => {
    const query = queryOf('www.lab.example');
    expect(ways.decide(query)).toBe(ANSWER);
    expect(query.reply[2]! & 4).toBe(4);
  });
});

describe('special-use names', () => {
  const ways = new Ways(specialUseZones({}, new Set()));

  test.each([
    ['localhost', 'A', 'NOERROR; localhost A 127.0.0.1'],
    ['a.b.localhost', 'AAAA', 'NOERROR; a.b.localhost AAAA ::1'],
    ['localhost', 'MX', 'NOERROR; SOA of localhost, 10800 s'],
    ['x.invalid', 'A', 'NXDOMAIN; SOA of invalid, 10800 s'],
    ['duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.onion', 'A', 'NXDOMAIN; SOA of onion, 10800 s'],
    ['printer.home.arpa', 'A', 'NXDOMAIN; SOA of home.arpa, 10800 s'],
    ['home.arpa', 'A', 'NOERROR; SOA of home.arpa, 10800 s'],
    // RFC 8375 §4, RFC 4035 §3.1.4.1: the delegation's proof is the parent's.
    ['home.arpa', 'DS', 'continue'],
    ['_dns.resolver.arpa', 'SVCB', 'NOERROR; SOA of resolver.arpa, 10800 s'],
    ['5.0.0.10.in-addr.arpa', 'PTR', 'NXDOMAIN; SOA of 10.in-addr.arpa, 10800 s'],
    ['9.8.31.172.in-addr.arpa', 'PTR', 'NXDOMAIN; SOA of 31.172.in-addr.arpa, 10800 s'],
    ['9.8.32.172.in-addr.arpa', 'PTR', 'continue'],
    ['9.8.100.100.in-addr.arpa', 'PTR', 'NXDOMAIN; SOA of 100.100.in-addr.arpa, 10800 s'],
    ['1.0.0.127.in-addr.arpa', 'PTR', 'NOERROR; 1.0.0.127.in-addr.arpa PTR localhost'],
    [`1.${'0.'.repeat(31)}ip6.arpa`, 'PTR', /NOERROR; .* PTR localhost/],
    [`1.${'0.'.repeat(28)}0.8.e.f.ip6.arpa`, 'PTR', /NXDOMAIN; SOA of 8.e.f.ip6.arpa/],
    ['www.test', 'A', 'continue'],
    ['printer.local', 'A', 'continue'],
    ['www.example.com', 'A', 'continue'],
  ])('%s %s', (name, type, expected) => {
    expect(told(ways, name, type)).toEqual(typeof expected === 'string' ? expected : expect.stringMatching(expected));
  });

  test('each can be switched on and off, a set or one of its zones', () => {
    const switched = new Ways(
      specialUseZones(
        { onion: false, test: true, local: true, 'private-reverse': false, '10.in-addr.arpa': true },
        new Set(['home.arpa']),
      ),
    );
    expect(told(switched, 'x.onion')).toBe('continue');
    expect(told(switched, 'x.home.arpa')).toBe('continue');
    expect(told(switched, 'x.test')).toBe('NXDOMAIN; SOA of test, 10800 s');
    expect(told(switched, 'x.local')).toBe('NXDOMAIN; SOA of local, 10800 s');
    expect(told(switched, '1.168.192.in-addr.arpa', 'PTR')).toBe('continue');
    expect(told(switched, '1.10.in-addr.arpa', 'PTR')).toMatch(/^NXDOMAIN/);
    expect(told(switched, 'localhost')).toMatch(/^NOERROR/);
  });
});

describe('groups of servers', () => {
  const groups: ServerGroup[] = [];
  const ways = new Ways(
    [
      forward('corp.example', '192.0.2.1'),
      forward('b.corp.example', '192.0.2.2'),
      forward('other.example', '192.0.2.1'),
    ],
    groups,
  );
  const group = (name: string, type?: string) => ways.groupOf(queryOf(name, type).question);

  test('the closest zone counts; zones with the same servers share them', () => {
    expect(groups.map(({ zone }) => zone)).toEqual(['corp.example', 'b.corp.example']);
    expect(
      ['a.corp.example', 'x.b.corp.example', 'b.corp.example', 'other.example', 'example', '.'].map((one) =>
        group(one),
      ),
    ).toEqual([1, 2, 2, 1, 0, 0]);
  });

  test('DS is asked of the zone above (RFC 4035 §3.1.4.1)', () => {
    expect([group('b.corp.example', 'DS'), group('corp.example', 'DS'), group('x.b.corp.example', 'DS')]).toEqual([
      1, 0, 2,
    ]);
  });
});
