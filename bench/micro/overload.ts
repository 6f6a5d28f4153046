/** What shares of clients cost (src/overload/): each packet while a worker sheds, each query that has to wait, and quiet. */

import { Metrics } from '../../src/metrics/registry.ts';
import { PendingShares } from '../../src/overload/pending-shares.ts';
import { Shedder } from '../../src/overload/shedder.ts';
import { systemClock } from '../../src/time/clock.ts';
import { Query } from '../../src/wire/query.ts';
import { type Case, compare } from './timing.ts';

const CLIENTS = 4096;
const key = [0x1234567, 0x89abcde] as const;
const queries = Array.from({ length: CLIENTS }, (_, i) => {
  const query = new Query();
  query.clientWords.set([0, 0, 0xffff, 0x0a000000 + i * 77]);
  return query;
});

/** `age`: how long packets wait in its queue. */
function shedder(age: number): Shedder {
  const gauge = { ageMs: age, fill: 0, read: () => {} };
  const metrics = new Metrics();
  return new Shedder({
    targetMs: 50,
    limitMs: 500,
    dryRun: false,
    sockets: 1,
    key,
    clock: systemClock,
    metrics,
    gauge,
  });
}

function quiet(name: string, full: boolean): Case {
  const one = shedder(0);
  return {
    name,
    run(iterations) {
      let sum = 0;
      for (let i = 0; i < iterations; i++) if (one.batch(0, 0, full, 1000)) sum++;
      return sum;
    },
  };
}

function shedding(): Case {
  const one = shedder(100);
  for (let now = 0; now < 1000; now++) {
    if (one.batch(0, 0, true, now)) for (const query of queries.slice(0, 64)) one.sheds(query);
  }
  return {
    name: 'a packet while shedding',
    run(iterations) {
      let sum = 0;
      for (let i = 0; i < iterations; i++) if (one.sheds(queries[i & (CLIENTS - 1)]!)) sum++;
      return sum;
    },
  };
}

function waiting(): Case {
  const shares = new PendingShares({
    tokens: 1024,
    key,
    room: () => 1024,
    dryRun: false,
    metrics: new Metrics(),
  });
  return {
    name: 'a query that has to wait, taken and given back',
    run(iterations) {
      let sum = 0;
      for (let i = 0; i < iterations; i++) {
        if (shares.take(i & 1023, queries[i & (CLIENTS - 1)]!, 1024)) sum++;
        shares.release(i & 1023);
      }
      return sum;
    },
  };
}

compare('overload/: shares of clients', [
  quiet('quiet, a batch that is not full', false),
  quiet('quiet, a full batch (without the system calls)', true),
  shedding(),
  waiting(),
]);
