import { encode, type Packet } from 'dns-packet';
import { expect, test } from 'vitest';
import { Answer } from './answer.ts';
import { zoneShown } from './answer-zone.ts';
import { TYPE } from './constants.ts';
import { nameToText, textToName } from './name.ts';
import { Normalizer } from './normalize.ts';
import { Question } from './question.ts';

const SOA = { mname: 'ns.example', rname: 'root.example', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 60 };

function shown(name: string, type: 'A' | 'NS', reply: Partial<Packet>, rcode = 0): string | undefined {
  const question = new Question();
  const wire = textToName(name);
  question.name.set(wire);
  question.nameLength = wire.length;
  for (let at = 0; wire[at] !== 0; at += wire[at]! + 1) question.labelStarts[question.labelCount++] = at;
  question.type = TYPE[type];
  question.class = 1;
  const message = encode({ type: 'response', flags: 0x8180 | rcode, questions: [{ name, type }], ...reply });
  const answer = new Answer();
  expect(new Normalizer({ nameServers: true }).normalize(message, 0, message.length, question, answer)).toBe(true);
  const at = zoneShown(answer, question);
  return at < 0 ? undefined : nameToText(question.name, at);
}
const soa = (name: string) => ({ name, type: 'SOA' as const, ttl: 60, data: SOA });

test('a negative answer shows its zone by the owner of the SOA', () => {
  expect(shown('x.broken.customer.cdn.example', 'A', { authorities: [soa('customer.cdn.example')] }, 3)).toBe(
    'customer.cdn.example',
  );
  expect(shown('sub.example', 'A', { authorities: [soa('sub.example')] })).toBe('sub.example');
  expect(shown('x.example', 'A', { authorities: [soa('.')] }, 3)).toBeUndefined();
});

test('an alias may lead elsewhere: what is shown is a zone of the question', () => {
  const alias = { name: 'www.here.example', type: 'CNAME' as const, ttl: 60, data: 'x.there.test' };
  expect(shown('www.here.example', 'A', { answers: [alias], authorities: [soa('there.test')] }, 3)).toBeUndefined();
});

test('name servers do so where they come along, and their own question does', () => {
  const a = { name: 'www.sub.example', type: 'A' as const, ttl: 60, data: '192.0.2.1' };
  const ns = (name: string) => ({ name, type: 'NS' as const, ttl: 60, data: 'ns.sub.example' });
  expect(shown('www.sub.example', 'A', { answers: [a], authorities: [ns('sub.example')] })).toBe('sub.example');
  expect(shown('www.sub.example', 'A', { answers: [a] })).toBeUndefined();
  expect(shown('sub.example', 'NS', { answers: [ns('sub.example')] })).toBe('sub.example');
});
