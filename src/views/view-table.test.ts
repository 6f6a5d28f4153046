import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addressWords, parsePrefix, prefixContains } from '../address/address.ts';
import { Metrics } from '../metrics/registry.ts';
import { Query } from '../wire/query.ts';
import { unreachable } from './reachable.ts';
import type { ViewConfig } from './view-config.ts';
import { ViewTable } from './view-table.ts';

const LISTENERS = 3;
/** Few networks that nest, so that views meet. */
const network = fc.constantFrom(
  '0.0.0.0/0',
  '10.0.0.0/8',
  '10.1.0.0/16',
  '10.1.0.0/17',
  '10.1.128.0/17',
  '10.1.2.0/24',
  '10.1.2.3/32',
  '192.0.2.0/24',
  '::/0',
  '2001:db8::/32',
  '2001:db8:0:1::/64',
);
const CLIENTS = [
  '10.1.2.3',
  '10.1.2.4',
  '10.1.200.1',
  '10.2.0.1',
  '192.0.2.1',
  '203.0.113.1',
  '2001:db8::1',
  '2001:db8:0:1::1',
  'fe80::1',
];
const view = fc.record({
  clients: fc.uniqueArray(network, { maxLength: 3 }),
  listeners: fc.uniqueArray(fc.nat(LISTENERS - 1), { maxLength: LISTENERS }),
});
const views = fc
  .array(view, { maxLength: 6 })
  .map((list) => list.map((one, i): ViewConfig => ({ ...plain, ...one, name: `v${i}` })));
const plain = { lists: -1, plugins: {}, serveStale: true, partition: 0 };

function asked(client: string, listener: number): Query {
  const query = new Query();
  query.clientWords.set(addressWords(client));
  query.listener = listener;
  return query;
}

/** As the documentation says it. */
function naive(configs: readonly ViewConfig[], client: string, listener: number): number {
  const words = addressWords(client);
  const at = configs.findIndex(
    ({ clients, listeners }) =>
      (clients.length === 0 || clients.some((text) => prefixContains(parsePrefix(text), words))) &&
      (listeners.length === 0 || listeners.includes(listener)),
  );
  return at + 1;
}

test('the first view that holds client and listener counts, as comparing with each of them finds', () => {
  fc.assert(
    fc.property(views, fc.constantFrom(...CLIENTS), fc.nat(LISTENERS - 1), (configs, client, listener) => {
      const table = new ViewTable(configs, [], new Metrics());
      expect(table.find(asked(client, listener))).toBe(naive(configs, client, listener));
    }),
    { numRuns: 2000, seed: 11 },
  );
});

test('a network that is found unreachable gets no client, and one that is not gets some', () => {
  const all = Array.from({ length: LISTENERS }, (_, i) => i);
  fc.assert(
    fc.property(views, (configs) => {
      const found = unreachable(configs, LISTENERS);
      for (const [i, { clients }] of configs.entries()) {
        for (const [k, text] of clients.entries()) {
          // First and last address of each half down to a host tell of networks as few and as plain as these.
          const alone = configs.map((one, j) => (j === i ? { ...one, clients: [text] } : one)).slice(0, i + 1);
          const reached = samples(text).some((client) => all.some((place) => naive(alone, client, place) === i + 1));
          expect(
            found.some((one) => one.view === i && one.client === k),
            `${text} of view ${i}`,
          ).toBe(!reached);
        }
      }
    }),
    { numRuns: 1000, seed: 12 },
  );
});

test('entering a view sets what is different, and only that', () => {
  const configs: ViewConfig[] = [
    {
      ...plain,
      name: 'one',
      clients: ['10.0.0.0/8'],
      listeners: [],
      lists: 5,
      serveStale: false,
      maxTtlSeconds: 60,
      partition: 1,
    },
    { ...plain, name: 'two', clients: [], listeners: [1] },
  ];
  const table = new ViewTable(configs, [42], new Metrics());
  const entered = (client: string, listener: number) => {
    const query = asked(client, listener);
    query.reset();
    table.enter(query);
    return [query.view, query.lists, query.mayBeStale, query.question.partition, table.maxTtl(query)];
  };
  expect(entered('10.0.0.1', 1)).toEqual([1, 5, false, 42, 60]);
  expect(entered('192.0.2.1', 1)).toEqual([2, -1, true, 0, Number.POSITIVE_INFINITY]);
  expect(entered('192.0.2.1', 0)).toEqual([0, -1, true, 0, Number.POSITIVE_INFINITY]);
});

/** Addresses inside the network, one beside each of the others that may stand inside it. */
function samples(text: string): string[] {
  const network = parsePrefix(text);
  return [
    ...CLIENTS,
    '0.0.0.1',
    '11.0.0.1',
    '10.1.3.1',
    '10.1.128.1',
    '10.1.0.1',
    '192.0.2.9',
    '2001:db8:0:2::1',
    '1::',
  ].filter((client) => prefixContains(network, addressWords(client)));
}
