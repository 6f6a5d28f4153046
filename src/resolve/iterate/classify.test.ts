import { describe, expect, it } from 'vitest';
import { RCODE, TYPE } from '../../wire/constants.ts';
import { textToName } from '../../wire/name.ts';
import { classify } from './classify.ts';
import type { Delegation } from './delegation.ts';
import { nameFromBytes, type WireName } from './name-text.ts';
import type { Reply, RRset } from './reply.ts';

const NOW = 1_000_000;
const DAY = 86_400;

function wire(text: string): WireName {
  const bytes = textToName(text);
  return nameFromBytes(bytes, bytes.length);
}

function set(owner: string, type: number, ttl: number, ...data: string[]): RRset {
  const bytes = data.map((each) => (type === TYPE.A ? Uint8Array.from(each.split('.'), Number) : textToName(each)));
  return { owner: wire(owner), type, ttl, data: bytes, signatures: [] };
}

function reply(
  sections: Partial<Pick<Reply, 'answer' | 'authority' | 'additional'>>,
  flags: Partial<Reply> = {},
): Reply {
  const { answer = [], authority = [], additional = [] } = sections;
  return {
    rcode: 0,
    authoritative: true,
    truncated: false,
    edns: true,
    ede: -1,
    answer,
    authority,
    additional,
    ...flags,
  };
}

function zone(name: string, leftSeconds = DAY): Delegation {
  return { zone: wire(name), servers: [], expiresMs: NOW + leftSeconds * 1000 };
}

const ask = (from: Reply, at: Delegation, name: string, type: number = TYPE.A) =>
  classify(from, at, wire(name), type, NOW, DAY);
const soa = (owner: string): RRset => ({ ...set(owner, TYPE.SOA, 300, '.'), data: [new Uint8Array(22)] });

describe('bailiwick', () => {
  it('takes no alias target from a server that cannot speak for it, however complete the answer looks', () => {
    const said = reply({
      answer: [set('www.evil.test', TYPE.CNAME, 60, 'www.bank.test'), set('www.bank.test', TYPE.A, 60, '192.0.2.66')],
    });
    const verdict = ask(said, zone('evil.test'), 'www.evil.test');
    expect(verdict).toMatchObject({ kind: 'alias', found: { end: wire('www.bank.test') } });
    expect('found' in verdict && verdict.found.answer.map(({ owner }) => owner)).toEqual([wire('www.evil.test')]);
  });

  it('does not believe that a name of others does not exist', () => {
    const said = reply(
      { answer: [set('www.evil.test', TYPE.CNAME, 60, 'www.bank.test')], authority: [soa('test')] },
      { rcode: RCODE.NXDOMAIN },
    );
    expect(ask(said, zone('evil.test'), 'www.evil.test').kind).toBe('alias');
  });

  it('takes glue for names of the referral, inside the bailiwick of who speaks, and for nothing else', () => {
    const said = reply(
      {
        authority: [set('child.test', TYPE.NS, 300, 'ns.child.test', 'ns.elsewhere.example')],
        additional: [
          set('ns.child.test', TYPE.A, 300, '192.0.2.1'),
          set('ns.elsewhere.example', TYPE.A, 300, '192.0.2.66'),
          set('www.bank.test', TYPE.A, 300, '192.0.2.66'),
        ],
      },
      { authoritative: false },
    );
    const verdict = ask(said, zone('test'), 'www.child.test');
    expect(verdict.kind).toBe('referral');
    if (verdict.kind !== 'referral') return;
    expect(verdict.delegation.servers.map(({ glue }) => glue.length)).toEqual([1, 0]);
  });

  it.each([
    ['upwards', set('.', TYPE.NS, 300, 'ns.evil.test')],
    ['sideways', set('test', TYPE.NS, 300, 'ns.evil.test')],
    ['to the zone itself', set('evil.test', TYPE.NS, 300, 'ns.evil.test')],
    ['to a zone that the name is not in', set('other.evil.test', TYPE.NS, 300, 'ns.evil.test')],
  ])('follows no referral %s', (_, ns) => {
    const said = reply({ authority: [ns] }, { authoritative: false });
    expect(ask(said, zone('evil.test'), 'www.evil.test').kind).toBe('lame');
  });
});

describe('delegations', () => {
  const refer = (ttl: number) =>
    reply({ authority: [set('child.test', TYPE.NS, ttl, 'ns.child.test')] }, { authoritative: false });

  it('never outlive the delegation above them, whatever their own TTL says (ghost and phoenix domains)', () => {
    const verdict = ask(refer(DAY), zone('test', 600), 'www.child.test');
    expect(verdict.kind === 'referral' && verdict.delegation.expiresMs).toBe(NOW + 600_000);
  });

  it('end after their own TTL where that is shorter', () => {
    const verdict = ask(refer(60), zone('test', 600), 'www.child.test');
    expect(verdict.kind === 'referral' && verdict.delegation.expiresMs).toBe(NOW + 60_000);
  });

  it('are not replaced by what the child says of its own servers', () => {
    const said = reply({
      answer: [set('www.child.test', TYPE.A, 60, '192.0.2.1')],
      authority: [set('child.test', TYPE.NS, DAY, 'ns.ghost.test')],
    });
    expect(ask(said, zone('child.test'), 'www.child.test').kind).toBe('answer');
  });

  it('keep 16 name servers of a referral to hundreds (NXNS)', () => {
    const names = Array.from({ length: 200 }, (_, i) => `n${i}.victim.test`);
    const said = reply({ authority: [set('child.test', TYPE.NS, 300, ...names)] }, { authoritative: false });
    const verdict = ask(said, zone('test'), 'www.child.test');
    expect(verdict.kind === 'referral' && verdict.delegation.servers.length).toBe(16);
  });
});

describe('what is said of a name', () => {
  it('is NODATA with the SOA of the zone, NXDOMAIN by its rcode', () => {
    expect(ask(reply({ authority: [soa('a.test')] }), zone('a.test'), 'www.a.test').kind).toBe('nodata');
    const nxdomain = reply({ authority: [soa('a.test')] }, { rcode: RCODE.NXDOMAIN });
    expect(ask(nxdomain, zone('a.test'), 'www.a.test').kind).toBe('nxdomain');
  });

  it('is a loop where aliases lead back', () => {
    const said = reply({
      answer: [set('a.test', TYPE.CNAME, 60, 'b.test'), set('b.test', TYPE.CNAME, 60, 'a.test')],
    });
    expect(ask(said, zone('test'), 'a.test').kind).toBe('loop');
  });

  it('follows a DNAME, and makes the CNAME itself', () => {
    const said = reply({
      answer: [set('d.test', TYPE.DNAME, 60, 'e.test'), set('www.d.test', TYPE.CNAME, 60, 'www.forged.test')],
    });
    expect(ask(said, zone('test'), 'www.d.test')).toMatchObject({ found: { end: wire('www.e.test') } });
  });

  it('is a failure by any other rcode', () => {
    expect(ask(reply({}, { rcode: RCODE.REFUSED }), zone('test'), 'www.test').kind).toBe('failure');
  });
});
