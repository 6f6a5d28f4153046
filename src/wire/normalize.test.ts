import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Answer as DnsRecord, decode, encode, type Packet } from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Answer, FAILURE, NODATA, NXDOMAIN, POSITIVE } from './answer.ts';
import { CLASS, EDE, RCODE, TYPE } from './constants.ts';
import { textToName } from './name.ts';
import { Normalizer } from './normalize.ts';
import { Question } from './question.ts';
import { RecordCursor } from './records.ts';

const normalizer = new Normalizer();

interface Normalized {
  ok: boolean;
  answer: Answer;
  message: ReturnType<typeof decode>;
}

describe('what is kept', () => {
  it('answers, compressed against the lower-cased question', () => {
    const { answer, message } = normalized('www.example.com', 'A', {
      questions: [{ type: 'A', name: 'wWw.ExAmple.cOm' }],
      answers: [
        { type: 'A', name: 'wWw.ExAmple.cOm', ttl: 300, data: '192.0.2.1' },
        { type: 'A', name: 'WWW.example.com', ttl: 300, data: '192.0.2.2' },
      ],
    });
    expect(answer.kind).toBe(POSITIVE);
    expect(answer.ttl).toBe(300);
    expect(message.questions?.[0]?.name).toBe('www.example.com');
    expect(texts(message.answers)).toEqual(['www.example.com A 192.0.2.1', 'www.example.com A 192.0.2.2']);
    // Header, question, and two records whose owner is a pointer to byte 12.
    expect(answer.length).toBe(12 + 17 + 4 + 2 * 16);
    expect([answer.bytes[33], answer.bytes[34]]).toEqual([0xc0, 12]);
    expect(Buffer.from(answer.bytes.subarray(0, 12)).toString('hex')).toBe('000000000001000200000000');
    for (let i = 0; i < answer.ttlCount; i++) expect(ttlAt(answer, i)).toBe(300);
    expect(answer.ttlCount).toBe(2);
  });

  it('the CNAME chain up to the name that has the type asked, not records of other names', () => {
    const { answer, message } = normalized('a.example', 'A', {
      answers: [
        { type: 'CNAME', name: 'a.example', ttl: 60, data: 'b.example' },
        { type: 'A', name: 'stray.example', ttl: 1, data: '192.0.2.66' },
        { type: 'CNAME', name: 'b.example', ttl: 50, data: 'c.other' },
        { type: 'A', name: 'c.other', ttl: 40, data: '192.0.2.1' },
        { type: 'AAAA', name: 'c.other', ttl: 2, data: '2001:db8::1' },
        { type: 'A', name: 'b.example', ttl: 3, data: '192.0.2.67' },
      ],
    });
    expect(answer.kind).toBe(POSITIVE);
    expect(texts(message.answers)).toEqual(['a.example CNAME b.example', 'b.example A 192.0.2.67']);
    expect(answer.ttl).toBe(3);
  });

  it('a chain whose end is followed over several names', () => {
    const { answer, message } = normalized('a.example', 'A', {
      answers: [
        { type: 'A', name: 'c.other', ttl: 40, data: '192.0.2.1' },
        { type: 'CNAME', name: 'b.example', ttl: 50, data: 'c.other' },
        { type: 'CNAME', name: 'a.example', ttl: 60, data: 'b.example' },
      ],
    });
    expect(answer.ttl).toBe(40);
    expect(texts(message.answers).sort()).toEqual([
      'a.example CNAME b.example',
      'b.example CNAME c.other',
      'c.other A 192.0.2.1',
    ]);
  });

  it('nothing of an answer that is about another name', () => {
    expect(
      normalize('a.example', 'A', { answers: [{ type: 'A', name: 'b.example', ttl: 1, data: '192.0.2.1' }] }).ok,
    ).toBe(false);
  });

  it('a CNAME loop once', () => {
    const { answer, message } = normalized('a.example', 'A', {
      answers: [
        { type: 'CNAME', name: 'a.example', ttl: 60, data: 'b.example' },
        { type: 'CNAME', name: 'b.example', ttl: 60, data: 'a.example' },
      ],
    });
    expect([answer.kind, answer.rcode]).toEqual([FAILURE, RCODE.SERVFAIL]);
    expect(message.answers).toEqual([]);
  });

  it.each([
    ['a CNAME to itself', [['a.example', 'a.example']]],
    [
      'one that comes back to its middle',
      [
        ['a.example', 'b.example'],
        ['b.example', 'c.example'],
        ['c.example', 'b.example'],
      ],
    ],
    [
      'more CNAMEs than anybody follows',
      Array.from({ length: 17 }, (_, i) => [i === 0 ? 'a.example' : `n${i}.example`, `n${i + 1}.example`]),
    ],
  ])('%s is a failure, whatever the rcode', (_, aliases) => {
    const answers = aliases.map(([name, data]) => ({ type: 'CNAME' as const, name: name!, ttl: 60, data: data! }));
    for (const flags of [0, 3]) {
      const { answer } = normalized('a.example', 'A', { flags, answers });
      expect([answer.kind, answer.rcode]).toEqual([FAILURE, RCODE.SERVFAIL]);
    }
    expect(normalized('a.example', 'CNAME', { answers }).answer.kind).toBe(POSITIVE);
  });

  it('is written in its order, signatures with it, whatever the order of the upstream', () => {
    const records: DnsRecord[] = [
      { type: 'A', name: 'c.new.example', ttl: 60, data: '192.0.2.1' },
      rrsig('c.new.example', 'A'),
      { type: 'CNAME', name: 'b.new.example', ttl: 60, data: 'c.new.example' },
      { type: 'CNAME', name: 'b.old.example', ttl: 60, data: 'b.new.example' },
      { type: 'DNAME', name: 'old.example', ttl: 60, data: 'new.example' } as unknown as DnsRecord,
      { type: 'CNAME', name: 'a.example', ttl: 60, data: 'b.old.example' },
      rrsig('a.example', 'CNAME'),
    ];
    for (const answers of [records, [...records].reverse(), [...records.slice(3), ...records.slice(0, 3)]]) {
      const { message } = normalized('a.example', 'A', { answers }, true);
      const order = message.answers!.filter(({ type }) => type !== 'RRSIG').map(({ type, name }) => `${name} ${type}`);
      expect(order).toEqual([
        'a.example CNAME',
        'old.example DNAME',
        'b.old.example CNAME',
        'b.new.example CNAME',
        'c.new.example A',
      ]);
      expect(message.answers).toHaveLength(7);
    }
  });

  it('without its target is incomplete and not kept; with an SOA its target has no records', () => {
    const answers: DnsRecord[] = [{ type: 'CNAME', name: 'a.example', ttl: 60, data: 'b.other' }];
    const cut = normalized('a.example', 'A', { answers }).answer;
    expect([cut.kind, cut.incomplete, cut.ttl]).toEqual([POSITIVE, true, -1]);
    for (const packet of [
      { flags: 3, answers },
      { answers: [...answers, { type: 'A' as const, name: 'b.other', ttl: 5, data: '192.0.2.1' }] },
    ]) {
      expect(normalized('a.example', 'A', packet).answer.incomplete).toBe(false);
    }
    expect(normalized('a.example', 'CNAME', { answers }).answer).toMatchObject({
      kind: POSITIVE,
      incomplete: false,
      ttl: 60,
    });
  });

  it('YXDOMAIN passes with its DNAME (RFC 6672 §2.2), and is a failure without', () => {
    const answers = [{ type: 'DNAME', name: 'old.example', ttl: 60, data: 'new.example' } as unknown as DnsRecord];
    const { answer, message } = normalized('x.old.example', 'A', { flags: 6, answers });
    expect([answer.kind, answer.rcode, answer.ttl]).toEqual([NXDOMAIN, RCODE.YXDOMAIN, 60]);
    expect(message.answers).toMatchObject([{ type: 'DNAME', name: 'old.example' }]);
    expect(normalized('x.old.example', 'A', { flags: 6 }).answer.kind).toBe(FAILURE);
    const stray = [{ type: 'DNAME', name: 'other', ttl: 60, data: 'new.example' } as unknown as DnsRecord];
    expect(normalized('x.old.example', 'A', { flags: 6, answers: stray }).answer.kind).toBe(FAILURE);
  });

  it('a DNAME above the name, with the CNAME made from it in lower case', () => {
    const { answer, message } = normalized('www.old.example', 'A', {
      questions: [{ type: 'A', name: 'WwW.old.example' }],
      answers: [
        { type: 'DNAME', name: 'old.example', ttl: 60, data: 'new.example' },
        { type: 'CNAME', name: 'WwW.old.example', ttl: 60, data: 'WwW.new.example' },
        { type: 'A', name: 'WwW.new.example', ttl: 60, data: '192.0.2.1' },
      ],
    });
    expect(answer.kind).toBe(POSITIVE);
    expect(texts(message.answers)).toEqual([
      'old.example DNAME new.example',
      'www.old.example CNAME www.new.example',
      'www.new.example A 192.0.2.1',
    ]);
  });

  it('the lowest TTL for the whole RRset (RFC 2181 §5.2)', () => {
    const { answer } = normalized('example', 'A', {
      answers: [
        { type: 'A', name: 'example', ttl: 300, data: '192.0.2.1' },
        { type: 'A', name: 'example', ttl: 7, data: '192.0.2.2' },
      ],
    });
    expect([ttlAt(answer, 0), ttlAt(answer, 1), answer.ttl]).toEqual([7, 7, 7]);
  });

  it('name servers of zones above the name where a policy looks at them, but of no top-level domain', () => {
    const keeping = new Normalizer({ nameServers: true });
    const packet: Packet = {
      answers: [{ type: 'A', name: 'www.sub.zone.example', ttl: 9, data: '192.0.2.1' }],
      authorities: ['example', 'zone.example', 'sub.zone.example', 'other.example'].map((name) => ({
        type: 'NS' as const,
        name,
        ttl: 9,
        data: `ns.${name}`,
      })),
    };
    const answer = new Answer();
    const bytes = response('www.sub.zone.example', 'A', packet);
    expect(keeping.normalize(bytes, 0, bytes.length, question('www.sub.zone.example', 'A', false), answer)).toBe(true);
    const { authorities } = decode(Buffer.from(answer.bytes.subarray(0, answer.length)));
    expect(texts(authorities)).toEqual(['zone.example NS ns.zone.example', 'sub.zone.example NS ns.sub.zone.example']);
  });

  it('in the authority section no name servers, whosever they are; in the additional section addresses of names that occur', () => {
    const { message } = normalized('www.example', 'A', {
      answers: [{ type: 'A', name: 'www.example', ttl: 9, data: '192.0.2.1' }],
      authorities: [
        { type: 'NS', name: 'example', ttl: 9, data: 'ns.example' },
        { type: 'NS', name: 'other', ttl: 9, data: 'ns.other' },
        { type: 'TXT', name: 'example', ttl: 9, data: 'x' },
      ],
      additionals: [
        { type: 'A', name: 'ns.example', ttl: 9, data: '192.0.2.53' },
        { type: 'TXT', name: 'ns.example', ttl: 9, data: 'x' },
        { type: 'A', name: 'ns.other', ttl: 9, data: '192.0.2.54' },
        { type: 'AAAA', name: 'www.example', ttl: 9, data: '2001:db8::1' },
      ],
    });
    expect(texts(message.authorities)).toEqual([]);
    expect(texts(message.additionals)).toEqual(['www.example AAAA 2001:db8::1']);
  });

  it('names far behind, where no pointer reaches, are written out and read back the same', () => {
    const mx = (name: string): DnsRecord => ({
      type: 'MX',
      name: 'example',
      ttl: 9,
      data: { preference: 1, exchange: name },
    });
    const text = (n: number): DnsRecord => ({
      type: 'TXT',
      name: 'example',
      ttl: 9,
      data: Array(40).fill(`${n}`.repeat(250)),
    });
    const { answer, message } = normalized('example', 'ANY', {
      questions: [{ type: 'ANY' as 'A', name: 'example' }],
      answers: [text(1), text(2), mx('a.far.test'), mx('b.far.test'), mx('b.far.test')],
    });
    expect(answer.length).toBeGreaterThan(20_000);
    const exchanges = message
      .answers!.slice(2)
      .map((record) => (record as { data: { exchange: string } }).data.exchange);
    expect(exchanges).toEqual(['a.far.test', 'b.far.test', 'b.far.test']);
  });

  it('no trace of the case that the question was sent with, also where the upstream points into the question', () => {
    const head = response('wWw.ExAmple', 'SRV', {});
    head[7] = 1;
    const bytes = Uint8Array.from([
      ...head,
      0xc0,
      12,
      0,
      TYPE.SRV,
      0,
      1,
      0,
      0,
      0,
      9,
      0,
      10,
      0,
      1,
      0,
      2,
      0,
      3,
      1,
      72,
      0xc0,
      16,
    ]);
    const { ok, message } = normalize('www.example', 'SRV', {}, false, bytes);
    expect(ok).toBe(true);
    expect(texts(message.answers)[0]).toContain('"target":"H.example"');
  });

  it('signatures of what is kept, denials only where they were asked for', () => {
    const packet: Packet = {
      answers: [
        { type: 'A', name: 'example', ttl: 9, data: '192.0.2.1' },
        rrsig('example', 'A'),
        rrsig('example', 'AAAA'),
      ],
      authorities: [
        { type: 'NSEC', name: 'x.example', ttl: 9, data: { nextDomain: 'Y.example', rrtypes: ['A'] } },
        rrsig('x.example', 'NSEC'),
      ],
    };
    const plain = normalized('example', 'A', packet);
    // RFC 4035 §3.2.1: without DO none of DNSSEC's records, unless they are what is asked for.
    expect(plain.message.answers?.map(({ type }) => type)).toEqual(['A']);
    expect(plain.message.authorities).toEqual([]);
    const withDo = normalized('example', 'A', packet, true);
    expect(withDo.message.authorities?.map(({ type }) => type)).toEqual(['NSEC', 'RRSIG']);
    // The case of the next name is signed (RFC 6840 §5.1).
    expect(JSON.stringify(withDo.message.authorities)).toContain('Y.example');
  });

  it('neither OPT nor records of other classes', () => {
    const { answer, message } = normalized('example', 'A', {
      answers: [
        { type: 'A', name: 'example', ttl: 9, data: '192.0.2.1' },
        { type: 'A', name: 'example', ttl: 9, class: 'CH', data: '192.0.2.2' },
      ],
      additionals: [opt(0)],
    });
    expect(message.answers).toHaveLength(1);
    expect(message.additionals).toEqual([]);
    expect(answer.ede).toBe(EDE.NONE);
    expect(normalizer.hasEdns).toBe(true);
  });

  it('names in the data of SRV and MX, compressed or not, so that both can be read', () => {
    const { answer, message } = normalized('_sip.example', 'SRV', {
      answers: [
        {
          type: 'SRV',
          name: '_sip.example',
          ttl: 9,
          data: { priority: 1, weight: 2, port: 3, target: 'host.example' },
        },
      ],
      additionals: [{ type: 'A', name: 'host.example', ttl: 9, data: '192.0.2.1' }],
    });
    expect(JSON.stringify(message.answers)).toContain('"target":"host.example"');
    expect(texts(message.additionals)).toEqual(['host.example A 192.0.2.1']);
    // RFC 3597 §4: not compressed by us: 6 + 1+4 + 1+7 + 1 bytes of data.
    expect((answer.bytes[12 + 14 + 4 + 10]! << 8) | answer.bytes[12 + 14 + 4 + 11]!).toBe(20);
    const mail = normalized('example', 'MX', {
      answers: [{ type: 'MX', name: 'example', ttl: 9, data: { preference: 1, exchange: 'mx.example' } }],
    });
    expect(mail.answer.length).toBe(12 + 9 + 4 + 12 + 2 + 3 + 2);
  });
});

describe('what kind of answer it is', () => {
  const soa = (ttl: number, minimum: number): DnsRecord => ({
    type: 'SOA',
    name: 'example',
    ttl,
    data: { mname: 'ns.example', rname: 'root.example', serial: 1, refresh: 2, retry: 3, expire: 4, minimum },
  });

  it('NXDOMAIN, for the lower of the SOA record TTL and MINIMUM (RFC 2308 §5)', () => {
    const { answer, message } = normalized('x.example', 'A', { flags: 3, authorities: [soa(900, 60)] });
    expect([answer.kind, answer.rcode, answer.ttl]).toEqual([NXDOMAIN, RCODE.NXDOMAIN, 60]);
    expect(texts(message.authorities)).toHaveLength(1);
    expect(normalized('x.example', 'A', { flags: 3, authorities: [soa(30, 60)] }).answer.ttl).toBe(30);
  });

  it('NODATA, not to be kept without SOA', () => {
    expect(pick(normalized('example', 'AAAA', { authorities: [soa(900, 60)] }).answer)).toEqual([NODATA, 0, 60]);
    expect(pick(normalized('example', 'AAAA', {}).answer)).toEqual([NODATA, 0, -1]);
  });

  it('a CNAME to nothing is negative, bounded by the CNAME', () => {
    const { answer } = normalized('a.other', 'A', {
      flags: 3,
      answers: [{ type: 'CNAME', name: 'a.other', ttl: 5, data: 'gone.example' }],
      authorities: [soa(900, 60)],
    });
    expect(pick(answer)).toEqual([NXDOMAIN, RCODE.NXDOMAIN, 5]);
  });

  it('an SOA of a zone that the name is not in says nothing', () => {
    expect(pick(normalized('x.other', 'A', { authorities: [soa(900, 60)] }).answer)).toEqual([NODATA, 0, -1]);
  });

  it('a referral is a failure, not an empty answer', () => {
    const referral: Packet = { authorities: [{ type: 'NS', name: 'example', ttl: 9, data: 'ns.example' }] };
    const { answer, message } = normalized('www.example', 'A', referral);
    expect([answer.kind, answer.rcode]).toEqual([FAILURE, RCODE.SERVFAIL]);
    expect(message.authorities).toEqual([]);
    expect(normalized('www.example', 'A', { ...referral, flags: 0x400 }).answer.kind).toBe(NODATA);
  });

  it('SERVFAIL, with the extended error, without records', () => {
    const { answer, message } = normalized('example', 'A', {
      flags: 2,
      answers: [{ type: 'A', name: 'example', ttl: 9, data: '192.0.2.1' }],
      additionals: [opt(0, 6)],
    });
    expect([answer.kind, answer.rcode, answer.ede]).toEqual([FAILURE, RCODE.SERVFAIL, EDE.DNSSEC_BOGUS]);
    expect(message.answers).toEqual([]);
    expect(answer.ttlCount).toBe(0);
  });

  it('the upper bits of the rcode come from OPT', () => {
    expect(normalized('example', 'A', { additionals: [opt(1)] }).answer.rcode).toBe(RCODE.BADVERS);
  });

  it('ANY is answered by whatever there is', () => {
    const { answer, message } = normalized('example', 'ANY', {
      questions: [{ type: 'ANY' as 'A', name: 'example' }],
      answers: [
        { type: 'CNAME', name: 'example', ttl: 9, data: 'other' },
        { type: 'TXT', name: 'example', ttl: 8, data: 'x' },
      ],
    });
    expect(pick(answer)).toEqual([POSITIVE, 0, 8]);
    expect(message.answers).toHaveLength(2);
  });
});

describe('what is refused', () => {
  const good = response('www.example', 'A', {
    answers: [{ type: 'CNAME', name: 'www.example', ttl: 9, data: 'a.example' }],
  });

  it('another question, none, or two', () => {
    expect(normalize('www.example', 'AAAA', {}, false, response('www.example', 'A', {})).ok).toBe(false);
    expect(normalize('wwx.example', 'A', {}, false, good).ok).toBe(false);
    for (const count of [0, 2]) {
      const changed = Uint8Array.from(good);
      changed[5] = count;
      expect(normalize('www.example', 'A', {}, false, changed).ok).toBe(false);
    }
  });

  it('every message cut short', () => {
    for (let length = 0; length < good.length; length++) {
      expect(normalize('www.example', 'A', {}, false, good.subarray(0, length)).ok, `at ${length}`).toBe(false);
    }
  });

  it('pointers forwards, to themselves, into the header', () => {
    const owner = 12 + 13 + 4;
    for (const target of [owner, owner + 2, 2, 0x3fff]) {
      const changed = Uint8Array.from(good);
      changed[owner] = 0xc0 | (target >>> 8);
      changed[owner + 1] = target & 255;
      // dns-packet writes the owner in full; what follows is cut so that the record still parses.
      const shorter = Uint8Array.from([...changed.subarray(0, owner + 2), ...changed.subarray(owner + 13)]);
      expect(normalize('www.example', 'A', {}, false, shorter).ok, `to ${target}`).toBe(false);
    }
  });

  it('names in data that point forwards, or run past the end of their data', () => {
    const head = response('example', 'NS', {});
    head[7] = 2;
    const at = head.length;
    const ns = (...data: number[]): number[] => [0xc0, 12, 0, TYPE.NS, 0, 1, 0, 0, 0, 9, 0, data.length, ...data];
    const behind = at + 14 + 12;
    const forwards = Uint8Array.from([...head, ...ns(0xc0, behind), ...ns(1, 97, 0)]);
    expect(normalize('example', 'NS', {}, false, forwards).ok).toBe(false);
    const backwards = Uint8Array.from([...head, ...ns(1, 97, 0), ...ns(0xc0, at + 12)]);
    expect(texts(normalize('example', 'NS', {}, false, backwards).message.answers)).toEqual([
      'example NS a',
      'example NS a',
    ]);

    const signature = [0, TYPE.NS, 8, 1, 0, 0, 0, 9, 0, 0, 0, 2, 0, 0, 0, 1, 0, 7, 40];
    const record = [0xc0, 12, 0, TYPE.RRSIG, 0, 1, 0, 0, 0, 9, 0, signature.length, ...signature];
    const overrun = Uint8Array.from([...head, ...record, ...new Array<number>(40).fill(97), 0]);
    overrun[7] = 1;
    expect(normalize('example', 'NS', {}, true, overrun).ok).toBe(false);
  });

  it('two OPT records, addresses of the wrong size, data with a byte too many', () => {
    expect(normalize('example', 'A', { additionals: [opt(0), opt(0)] }).ok).toBe(false);
    const raw = (type: number, data: Uint8Array): DnsRecord =>
      ({ type: `UNKNOWN_${type}`, name: 'example', ttl: 9, data: Buffer.from(data) }) as unknown as DnsRecord;
    expect(normalize('example', 'A', { answers: [raw(TYPE.A, new Uint8Array(5))] }).ok).toBe(false);
    expect(normalize('example', 'AAAA', { answers: [raw(TYPE.AAAA, new Uint8Array(4))] }).ok).toBe(false);
    expect(normalize('example', 'NS', { answers: [raw(TYPE.NS, Uint8Array.of(1, 97, 0, 0))] }).ok).toBe(false);
    expect(normalize('example', 'MX', { answers: [raw(TYPE.MX, Uint8Array.of(1))] }).ok).toBe(false);
    expect(normalize('example', 'NAPTR', { answers: [raw(TYPE.NAPTR, Uint8Array.of(0, 1, 0, 1, 200))] }).ok).toBe(
      false,
    );
  });

  it('a message that would not fit once its names are written out', () => {
    const long = Array.from({ length: 4 }, () => 'x'.repeat(60)).join('.');
    const bytes: number[] = [0, 0, 0x80, 0, 0, 1, 1, 0, 0, 0, 0, 0, ...textToName(long), 0, TYPE.SRV, 0, 1];
    for (let i = 0; i < 256; i++) bytes.push(0xc0, 12, 0, TYPE.SRV, 0, 1, 0, 0, 0, 9, 0, 8, 0, i, 0, 0, 0, 0, 0xc0, 12);
    expect(normalize(long, 'SRV', {}, false, Uint8Array.from(bytes)).ok).toBe(false);
  });
});

describe('whatever comes', () => {
  const name = fc
    .array(fc.stringMatching(/^[a-zA-Z0-9-]{1,12}$/), { minLength: 1, maxLength: 4 })
    .map((labels) => labels.join('.'));
  const owner = fc.oneof({ weight: 3, arbitrary: fc.constant('www.Example.test') }, name);
  const ttl = fc.integer({ min: 0, max: 86400 });
  const record: fc.Arbitrary<DnsRecord> = fc.oneof(
    fc.record({ type: fc.constant('A' as const), name: owner, ttl, data: fc.ipV4() }),
    fc.record({ type: fc.constant('CNAME' as const), name: owner, ttl, data: owner }),
    fc.record({ type: fc.constant('NS' as const), name: owner, ttl, data: owner }),
    fc.record({ type: fc.constant('TXT' as const), name: owner, ttl, data: fc.constant('text') }),
    fc.record({
      type: fc.constant('MX' as const),
      name: owner,
      ttl,
      data: fc.record({ preference: fc.nat(65535), exchange: owner }),
    }),
    fc.record({
      type: fc.constant('SOA' as const),
      name: owner,
      ttl,
      data: fc.record({
        mname: owner,
        rname: owner,
        serial: ttl,
        refresh: ttl,
        retry: ttl,
        expire: ttl,
        minimum: ttl,
      }),
    }),
    fc.record({
      type: fc.constant('SRV' as const),
      name: owner,
      ttl,
      data: fc.record({ priority: fc.nat(65535), weight: fc.constant(0), port: fc.constant(5), target: owner }),
    }),
  );
  const message = fc
    .record({
      type: fc.constantFrom('A', 'MX', 'SRV', 'TXT', 'NS', 'ANY'),
      flags: fc.constantFrom(0, 3, 0x400),
      answers: fc.array(record, { maxLength: 6 }),
      authorities: fc.array(record, { maxLength: 4 }),
      additionals: fc.array(record, { maxLength: 4 }),
    })
    .map(({ type, ...packet }) => ({ type, bytes: response('wWw.exaMple.test', type, packet) }));

  it('an honest message comes out as one that dns-packet reads, with a subset of its records', () => {
    fc.assert(
      fc.property(message, ({ type, bytes }) => {
        const { ok, answer } = normalize('www.example.test', type, {}, false, bytes);
        const before = decode(Buffer.from(bytes));
        if (!ok) {
          // Only an answer section without anything on the question is refused here.
          expect(before.authorities).toEqual([]);
          return;
        }
        const after = decode(Buffer.from(answer.bytes.subarray(0, answer.length)));
        checkInvariants(answer);
        for (const section of ['answers', 'authorities', 'additionals'] as const) {
          const known = new Set(texts(before[section]).map((text) => text.toLowerCase()));
          for (const text of texts(after[section])) expect(known).toContain(text.toLowerCase());
        }
      }),
      { numRuns: 1500 },
    );
  });

  it('normalising twice changes nothing', () => {
    const again = new Answer();
    fc.assert(
      fc.property(message, ({ type, bytes }) => {
        const { ok, answer } = normalize('www.example.test', type, {}, false, bytes);
        if (!ok || answer.kind === FAILURE) return;
        const asReply = answer.bytes.slice(0, answer.length);
        asReply[2] = bytes[2]!;
        expect(normalizer.normalize(asReply, 0, asReply.length, question('www.example.test', type, false), again)).toBe(
          true,
        );
        expect([...again.bytes.subarray(4, again.length)]).toEqual([...answer.bytes.subarray(4, answer.length)]);
        expect([again.ttl, again.kind]).toEqual([answer.ttl, answer.kind]);
      }),
      { numRuns: 500 },
    );
  });

  it('flipped bytes never yield a message that does not parse', () => {
    const flips = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 8 });
    const before = new Uint8Array(40).fill(0xee);
    fc.assert(
      fc.property(message, flips, ({ type, bytes }, changes) => {
        const broken = Uint8Array.from([...before, ...bytes, ...before]);
        for (const [at, value] of changes) broken[before.length + (at % bytes.length)] = value;
        const answer = new Answer();
        const asked = question('www.example.test', type, true);
        if (normalizer.normalize(broken, before.length, bytes.length, asked, answer)) checkInvariants(answer);
      }),
      { numRuns: 3000 },
    );
  });

  it('random bytes behind a good question', () => {
    const head = response('www.example.test', 'A', {});
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ minLength: 6, maxLength: 6 }), (rest, counts) => {
        const bytes = Uint8Array.from([...head, ...rest]);
        for (let i = 0; i < 6; i++) bytes[6 + i] = counts[i]! & ((i & 1) === 0 ? 0 : 7);
        const { ok, answer } = normalize('www.example.test', 'A', {}, true, bytes);
        if (ok) checkInvariants(answer);
      }),
      { numRuns: 2000 },
    );
  });

  it('labels made to fill the table end in a refusal, and the next message is none the worse', () => {
    const bytes: number[] = [...response('example', 'PTR', {})];
    let records = 0;
    // Each PTR record brings 80 labels that no other has.
    for (let n = 0; bytes.length < 64000; records++) {
      const labels: number[] = [];
      for (let i = 0; i < 80; i++, n++) labels.push(2, n & 255, n >>> 8);
      bytes.push(0xc0, 12, 0, TYPE.PTR, 0, 1, 0, 0, 0, 9, 0, labels.length + 1, ...labels, 0);
    }
    bytes[6] = records >>> 8;
    bytes[7] = records & 255;
    expect(normalize('example', 'PTR', {}, false, Uint8Array.from(bytes)).ok).toBe(false);
    expect(normalize('example', 'A', { answers: [{ type: 'A', name: 'example', ttl: 1, data: '192.0.2.1' }] }).ok).toBe(
      true,
    );
  });

  const folder = process.env['SEKISHO_DATA'];
  const captured = folder === undefined ? '' : join(folder, 'packets', 'real-dns-messages.lp');
  it.runIf(captured !== '' && existsSync(captured))('captured messages', () => {
    const bytes = new Uint8Array(readFileSync(captured));
    let accepted = 0;
    let responses = 0;
    for (let at = 0; at + 2 < bytes.length; ) {
      const length = (bytes[at]! << 8) | bytes[at + 1]!;
      const asked = questionOf(bytes, at + 2, length);
      if (asked) {
        responses++;
        const answer = new Answer();
        if (normalizer.normalize(bytes, at + 2, length, asked, answer)) {
          accepted++;
          checkInvariants(answer);
        }
      }
      at += 2 + length;
    }
    expect(responses).toBeGreaterThan(50);
    expect(accepted / responses).toBeGreaterThan(0.8);
  });
});

function checkInvariants(answer: Answer): void {
  const cursor = new RecordCursor();
  expect(cursor.open(answer.bytes, 0, answer.length)).toBe(true);
  let records = 0;
  while (cursor.next()) {
    expect(cursor.class).toBe(CLASS.IN);
    expect(cursor.ttlAt).toBe(answer.ttlOffsets[records]);
    records++;
  }
  expect(cursor.broken).toBe(false);
  expect(cursor.position).toBe(answer.length);
  expect(records).toBe(answer.ttlCount);
  // Below 0: a negative answer without an SOA.
  expect(answer.ttl).toBeGreaterThanOrEqual(
    answer.kind === NODATA || answer.kind === NXDOMAIN || answer.incomplete ? -1 : 0,
  );
}

function question(name: string, type: string, dnssecOk: boolean): Question {
  const asked = new Question();
  const wire = textToName(name);
  asked.name.set(wire);
  asked.nameLength = wire.length;
  asked.type = (TYPE as Record<string, number>)[type]!;
  asked.class = CLASS.IN;
  asked.dnssecOk = dnssecOk;
  return asked;
}

/** The question of a captured response whose name is plain, or undefined. */
function questionOf(bytes: Uint8Array, start: number, length: number): Question | undefined {
  if (length < 17 || (bytes[start + 2]! & 0x80) === 0 || bytes[start + 5] !== 1) return undefined;
  const asked = new Question();
  let at = start + 12;
  while (bytes[at]! !== 0) {
    if (bytes[at]! > 63 || at - start > 260) return undefined;
    at += bytes[at]! + 1;
  }
  asked.nameLength = at + 1 - start - 12;
  for (let i = 0; i < asked.nameLength; i++) {
    const byte = bytes[start + 12 + i]!;
    asked.name[i] = byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
  }
  asked.type = (bytes[at + 1]! << 8) | bytes[at + 2]!;
  asked.class = (bytes[at + 3]! << 8) | bytes[at + 4]!;
  asked.dnssecOk = true;
  return asked.class === CLASS.IN ? asked : undefined;
}

function response(name: string, type: string, packet: Packet): Uint8Array {
  const asked = [{ type: type as 'A', name }];
  return new Uint8Array(encode({ type: 'response', id: 1, questions: asked, ...packet } as Packet));
}

function normalize(
  name: string,
  type: string,
  packet: Packet,
  dnssecOk = false,
  bytes = response(name, type, packet),
): Normalized {
  const answer = new Answer();
  const ok = normalizer.normalize(bytes, 0, bytes.length, question(name, type, dnssecOk), answer);
  return {
    ok,
    answer,
    message: ok ? decode(Buffer.from(answer.bytes.subarray(0, answer.length))) : decode(encode({})),
  };
}

function normalized(name: string, type: string, packet: Packet, dnssecOk = false): Normalized {
  const result = normalize(name, type, packet, dnssecOk);
  expect(result.ok).toBe(true);
  checkInvariants(result.answer);
  return result;
}

function texts(records: DnsRecord[] | undefined): string[] {
  return (records ?? []).map((record) => {
    const data = 'data' in record ? record.data : '';
    return `${record.name} ${record.type} ${typeof data === 'string' ? data : JSON.stringify(data)}`;
  });
}

function pick(answer: Answer): number[] {
  return [answer.kind, answer.rcode, answer.ttl];
}

function ttlAt(answer: Answer, i: number): number {
  return new DataView(answer.bytes.buffer).getUint32(answer.ttlOffsets[i]!);
}

function opt(extendedRcode: number, ede?: number): DnsRecord {
  const options = ede === undefined ? [] : [{ code: 15, data: Buffer.from([ede >>> 8, ede & 255]) }];
  return {
    type: 'OPT',
    name: '.',
    udpPayloadSize: 1232,
    extendedRcode,
    ednsVersion: 0,
    flags: 0,
    options,
  } as unknown as DnsRecord;
}

function rrsig(name: string, typeCovered: string): DnsRecord {
  return {
    type: 'RRSIG',
    name,
    ttl: 9,
    data: {
      typeCovered: typeCovered as 'A',
      algorithm: 13,
      labels: 1,
      originalTTL: 9,
      expiration: 2,
      inception: 1,
      keyTag: 7,
      signersName: 'example',
      signature: Buffer.from('signature'),
    },
  };
}
