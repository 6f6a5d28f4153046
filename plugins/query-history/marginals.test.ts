/**
 * Nobody's look-ups are recorded: what is kept of names does not depend on who asked, and what is kept of sources does not
 * depend on what they asked. Shown byte by byte, for any stream of queries.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { observed, testRecorder } from '../../test/support/history-queries.ts';

const name = fc.constantFrom(
  'www.example.com',
  'a.b.example.co.jp',
  'example.org',
  'x7k2q9zt4.victim.example',
  'localhost',
);
const client = fc.oneof(
  fc.ipV4().filter((text) => !text.startsWith('0.')),
  fc.constantFrom('192.0.2.1', '2001:db8::1', '2001:db8:1:200::7'),
);
const outcome = fc.record({
  type: fc.constantFrom('A', 'AAAA', 'TXT'),
  rcode: fc.constantFrom(0, 2, 3, 5),
  cacheResult: fc.constantFrom(0, 1, 2),
  replyLength: fc.constantFrom(0, 40, 1200),
});

function memoryAfter(queries: readonly Parameters<typeof observed>[0][]) {
  const { recorders, memories } = testRecorder();
  for (const query of queries) recorders[0]!.observe(observed(query));
  return { names: new Int32Array(memories[0]!.names), sources: new Int32Array(memories[0]!.sources) };
}

const stream = fc.array(fc.tuple(name, client, client, name, outcome), { minLength: 1, maxLength: 60 });

test('whoever asks, the memory about names is the same to the byte', () => {
  fc.assert(
    fc.property(stream, (queries) => {
      const one = memoryAfter(queries.map(([name, client, , , outcome]) => ({ name, client, ...outcome })));
      const other = memoryAfter(queries.map(([name, , client, , outcome]) => ({ name, client, ...outcome })));
      expect(one.names.every((word, i) => word === other.names[i])).toBe(true);
    }),
    { numRuns: 25 },
  );
});

test('whatever is asked, the memory about sources is the same to the byte', () => {
  fc.assert(
    fc.property(stream, (queries) => {
      const one = memoryAfter(queries.map(([name, client, , , outcome]) => ({ name, client, ...outcome })));
      const other = memoryAfter(queries.map(([, client, , name, outcome]) => ({ name, client, ...outcome })));
      expect(one.sources.every((word, i) => word === other.sources[i])).toBe(true);
    }),
    { numRuns: 25 },
  );
});

test('the comparison would notice: another name changes the names, another client the sources', () => {
  const base = memoryAfter([{ name: 'www.example.com', client: '192.0.2.1' }]);
  const otherName = memoryAfter([{ name: 'www.example.net', client: '192.0.2.1' }]);
  const otherClient = memoryAfter([{ name: 'www.example.com', client: '198.51.100.1' }]);
  expect(base.names.some((word, i) => word !== otherName.names[i])).toBe(true);
  expect(base.sources.some((word, i) => word !== otherClient.sources[i])).toBe(true);
});
