/** What amplification shaping costs an answer (plugins/amp-shaper): ordinary, charged, over budget, a table of a million networks. */
import ampShaper from '../../plugins/amp-shaper/index.ts';
import type { Hooks } from '../../src/contract/plugin.ts';
import { ListsInForce } from '../../src/lists/in-force.ts';
import { mountPlugin } from '../../src/loading/plugins.ts';
import { Metrics } from '../../src/metrics/registry.ts';
import { SubscribersInForce } from '../../src/subscribers/in-force.ts';
import { systemClock } from '../../src/time/clock.ts';
import type { Query } from '../../src/wire/query.ts';
import { readQuery } from '../../src/wire/reader.ts';
import { KEY0, KEY1, queryOver, queryPacket } from './packets.ts';
import { type Case, compare } from './timing.ts';

function hooks(options: object): Hooks {
  const parsed = ampShaper.options.parse(options);
  return mountPlugin(ampShaper, parsed, undefined, {
    lists: new ListsInForce([]),
    subscribers: new SubscribersInForce(),
    server: { access: ['0.0.0.0/0'], workers: 1, notice: {} },
    worker: 0,
    clock: systemClock,
    hashKey: [KEY0, KEY1],
    random32: () => 0xffffffff,
    metrics: new Metrics(),
    defer: () => undefined,
    resume: () => false,
    refresh: () => {},
  });
}

/** A query with a reply of so many bytes. */
function answered(bytes: number): Query {
  const query = queryOver(queryPacket('www.example.net', { edns: true }));
  query.reset();
  readQuery(query, KEY0, KEY1);
  query.clientWords.set([0, 0, 0xffff, 0x0a000001]);
  query.nowMs = 1_000_000;
  query.replyLength = bytes;
  query.reply[7] = 1;
  return query;
}

/** `networks`: how many clients take turns, each in a /24 of its own. */
function answering(name: string, options: object, bytes: number, networks: number): Case {
  const { answer } = hooks(options);
  const query = answered(bytes);
  return {
    name,
    run(iterations) {
      let sum = 0;
      for (let i = 0; i < iterations; i++) {
        query.clientWords[3] = (0x0a000000 + Math.imul(i % networks, 256 * 7919)) | 0;
        // As time passes in a worker: 100 000 answers a second.
        query.nowMs += 0.01;
        sum += answer!(query);
      }
      return sum;
    },
  };
}

const LARGE = {
  ipv4: [
    { prefix: 32, budget: '64MiB' },
    { prefix: 24, budget: '64MiB' },
  ],
};
const verified = answered(1000);
verified.verified = true;
const { answer: hook } = hooks({});
compare('plugins/amp-shaper: its hook, one answer', [
  answering('ordinary answer (quiet)', {}, 120, 10_000),
  {
    name: 'verified source',
    run: (n) => {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += hook!(verified);
      return sum;
    },
  },
  answering('charged at two levels, 10 000 networks', LARGE, 1000, 10_000),
  answering('charged at two levels, 1 000 000 networks', LARGE, 1000, 1_000_000),
  answering('over budget, 100 networks', { ipv4: [{ prefix: 32, budget: '1KiB' }] }, 1000, 100),
]);
