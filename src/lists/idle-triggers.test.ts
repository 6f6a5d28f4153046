import { describe, expect, it } from 'vitest';
import { createListParser } from './formats/parser.ts';
import { countingSink, idleTriggersText, TriggerCounter } from './idle-triggers.ts';

const ZONE = [
  '$TTL 60',
  '@ SOA ns.z.example. a.z.example. 1 1 1 1 1',
  'bad.example CNAME .',
  '24.0.2.0.192.rpz-ip CNAME .',
  '24.0.3.0.192.rpz-ip CNAME .',
  '32.1.0.2.192.rpz-client-ip CNAME .',
  'ns.bad.example.rpz-nsdname CNAME .',
  '32.1.0.2.192.rpz-nsip CNAME .',
].join('\n');

function countsOf(text: string) {
  const counter = new TriggerCounter();
  const parser = createListParser('rpz', {}, countingSink(counter));
  parser.feed(new TextEncoder().encode(text));
  parser.end();
  return counter.counts;
}

describe('rules that nothing carries out', () => {
  it('are those on anything but the name, by trigger', () => {
    expect(countsOf(ZONE)).toEqual({ 'rpz-ip': 2, 'rpz-client-ip': 1, 'rpz-nsdname': 1, 'rpz-nsip': 1 });
    for (const category of ['c2', 'malware'] as const)
      expect(idleTriggersText({ category }, countsOf(ZONE))).toContain(
        `rules that cannot act: rpz-ip 2, rpz-client-ip 1, rpz-nsdname 1, rpz-nsip 1; lists of category ${category} act on names alone`,
      );
  });

  it('are none in a list of policy, nor where all rules are on names', () => {
    expect(idleTriggersText({ category: 'policy' }, countsOf(ZONE))).toBeUndefined();
    expect(idleTriggersText({ category: 'c2' }, countsOf('bad.example CNAME .\n'))).toBeUndefined();
  });
});
