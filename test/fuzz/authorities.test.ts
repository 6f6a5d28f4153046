/** Answers of authorities, mutated: whatever comes, nothing throws, and nothing of another zone is taken. */
import { encode, type Answer as Record } from 'dns-packet';
import { describe, expect, it } from 'vitest';
import { assemble } from '../../src/resolve/iterate/assemble.ts';
import { classify } from '../../src/resolve/iterate/classify.ts';
import type { Delegation } from '../../src/resolve/iterate/delegation.ts';
import { isAtOrBelow, isBelow, nameFromBytes } from '../../src/resolve/iterate/name-text.ts';
import { readReply } from '../../src/resolve/iterate/reply.ts';
import { Answer } from '../../src/wire/answer.ts';
import { CLASS, TYPE } from '../../src/wire/constants.ts';
import { textToName } from '../../src/wire/name.ts';
import { Normalizer } from '../../src/wire/normalize.ts';
import { Question } from '../../src/wire/question.ts';
import { mutant, Seeded } from './mutate.ts';

const ROUNDS = 200_000;
const name = (text: string) => {
  const bytes = textToName(text);
  return nameFromBytes(bytes, bytes.length);
};
const ZONE: Delegation = { zone: name('zone.test'), servers: [], expiresMs: 1e9 };
const ASKED = name('www.zone.test');

function message(answers: Record[], authorities: Record[], additionals: Record[], flags = 0x8400): Buffer {
  const questions = [{ name: 'www.zone.test', type: 'A' as const }];
  return encode({ type: 'response', id: 1, flags: flags & 0x7fff, questions, answers, authorities, additionals });
}

const a = (owner: string, data: string): Record => ({ name: owner, type: 'A', ttl: 300, data });
const ns = (owner: string, data: string): Record => ({ name: owner, type: 'NS', ttl: 300, data });
const cname = (owner: string, data: string): Record => ({ name: owner, type: 'CNAME', ttl: 300, data });
const soa = (owner: string): Record => ({
  name: owner,
  type: 'SOA',
  ttl: 300,
  data: { mname: 'ns.zone.test', rname: 'h.zone.test', serial: 1, refresh: 2, retry: 3, expire: 4, minimum: 5 },
});

const honest = [
  message([a('www.zone.test', '192.0.2.1'), a('www.zone.test', '192.0.2.2')], [ns('zone.test', 'ns.zone.test')], []),
  message([cname('www.zone.test', 'x.zone.test'), a('x.zone.test', '192.0.2.1')], [], []),
  message([cname('www.zone.test', 'www.other.test'), a('www.other.test', '192.0.2.66')], [], []),
  message([{ name: 'zone.test', type: 'DNAME', ttl: 5, data: 'y.test' } as Record], [], []),
  message([], [soa('zone.test')], []),
  message(
    [],
    [ns('www.zone.test', 'ns.www.zone.test'), ns('www.zone.test', 'ns.other.test')],
    [a('ns.www.zone.test', '192.0.2.3'), a('ns.other.test', '192.0.2.66')],
    0,
  ),
  message([{ name: 'www.zone.test', type: 'MX', ttl: 1, data: { exchange: 'm.zone.test', preference: 1 } }], [], []),
];

describe('answers of authorities', () => {
  it(`${ROUNDS} mutated ones throw nothing, and nothing outside the zone is taken`, () => {
    const random = new Seeded(20_261_128);
    const normalizer = new Normalizer();
    const answer = new Answer();
    const question = new Question();
    question.nameLength = textToName('www.zone.test').length;
    question.name.set(textToName('www.zone.test'));
    question.type = TYPE.A;
    question.class = CLASS.IN;
    question.dnssecOk = true;
    const seen = new Map<string, number>();
    for (let round = 0; round < ROUNDS; round++) {
      const bytes = mutant(random, honest);
      if (bytes.length < 12) continue;
      const reply = readReply(bytes, 0, bytes.length);
      const kind = reply === undefined ? 'malformed' : take(reply);
      seen.set(kind, (seen.get(kind) ?? 0) + 1);
    }
    function take(reply: NonNullable<ReturnType<typeof readReply>>): string {
      const verdict = classify(reply, ZONE, ASKED, TYPE.A, 0, 86_400);
      if (verdict.kind === 'referral') {
        const { zone, servers } = verdict.delegation;
        if (!isBelow(zone, ZONE.zone)) throw new Error('a delegation that is not below the zone');
        for (const server of servers)
          if (server.glue.length > 0 && !isAtOrBelow(server.name, ZONE.zone)) throw new Error('glue of others');
      }
      if ('found' in verdict) {
        for (const { owner } of [...verdict.found.answer, ...verdict.found.authority])
          if (!isAtOrBelow(owner, ZONE.zone)) throw new Error('a record of another zone');
        assemble({ rcode: reply.rcode & 15, ...verdict.found }, question, normalizer, answer);
      }
      return verdict.kind;
    }
    // Each way was gone.
    for (const kind of ['answer', 'alias', 'nodata', 'nxdomain', 'referral', 'lame', 'failure', 'malformed'])
      expect([kind, (seen.get(kind) ?? 0) > 0]).toEqual([kind, true]);
  });
});
