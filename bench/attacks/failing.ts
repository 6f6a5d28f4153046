/**
 * What does not answer, where it is not one zone: thousands of silent zones, and a silent delegation inside a domain that is
 * well. What the upstream is sent, and what everybody else gets.
 */
import { runDnsperf } from '../../test/support/dnsperf.ts';
import { queryFile } from '../load/queries.ts';
import { startAuthority } from './authority-process.ts';
import { RANDOM_SUBDOMAIN } from './servers.ts';

const SERVER_CORE = 0;
const LOAD_CORE = 1;
const ORDINARY_RATE = 500;
const SILENT_ZONES = 20_000;
/** Networks that the attack comes from, and others. */
const BOTS = 5;

export interface FailingRow {
  server: string;
  defence: string;
  attack: string;
  /** Queries of the attack a second. */
  rate: number;
  /** Share of the ordinary questions that was answered: of zones that have been asked before … */
  ordinary: number;
  /** … and of zones that nobody has asked about (silent zones only). */
  newZones: number | undefined;
  /** Datagrams to the upstream a second: for what does not answer, and for the rest. */
  vainPerSecond: number;
  othersPerSecond: number;
}

interface Attack {
  readonly name: string;
  readonly rates: readonly number[];
  /** The i-th name of the attack. */
  attacked(i: number): string;
  /** The i-th ordinary name. */
  ordinary(i: number): string;
  /** The i-th name of a zone that is new and well. */
  fresh?(i: number): string;
}

const ATTACKS: readonly Attack[] = [
  {
    name: 'a silent delegation of a content network',
    rates: [30, 150, 2000],
    attacked: (i) => `x${i}.broken.customer.cdn.bench`,
    ordinary: (i) => `img${i}.cdn.bench`,
  },
  {
    name: '20 000 silent zones',
    rates: [2000, 8000],
    attacked: (i) => `www.quiet${i % SILENT_ZONES}.bench`,
    ordinary: (i) => `n${i}.shop${i % 50}.bench`,
    fresh: (i) => `www.new${i}.bench`,
  },
];

export async function failing(
  seconds: number,
  only: readonly string[],
  measured: (row: FailingRow) => void,
): Promise<void> {
  for (const contender of RANDOM_SUBDOMAIN.filter(({ name }) => only.length === 0 || only.includes(name))) {
    for (const { name, rates, attacked, ordinary, fresh } of ATTACKS) {
      for (const rate of rates) {
        const authority = await startAuthority();
        const target = await contender.start({
          port: authority.port,
          probeName: 'probe.other.bench',
          core: SERVER_CORE,
        });
        try {
          const load = { port: target.port, seconds, outstanding: 20_000, core: LOAD_CORE, timeoutSeconds: 6 };
          let first = 0;
          const names = (make: (i: number) => string, count: number) => {
            first += 1_000_000;
            const from = first;
            return queryFile(`names-${from}`, count, (i) => `${make(from + i)} A`);
          };
          const ordinaryLoad = (more: { seconds: number }) =>
            runDnsperf({
              ...load,
              ...more,
              queryFile: names(ordinary, ORDINARY_RATE * more.seconds),
              rate: ORDINARY_RATE,
              from: '127.50.0.1',
            });
          await ordinaryLoad({ seconds: 3 });
          await authority.counts();
          const begun = performance.now();
          const bots = Array.from({ length: BOTS }, (_, bot) =>
            runDnsperf({
              ...load,
              seconds: seconds + 1,
              queryFile: names((i) => attacked(i * BOTS + bot), Math.ceil((rate * (seconds + 1)) / BOTS)),
              rate: rate / BOTS,
              from: `127.60.${bot}.1`,
            }),
          );
          const counting = new Promise<Awaited<ReturnType<typeof authority.counts>>>((resolve) =>
            setTimeout(() => resolve(authority.counts()), seconds * 1000),
          );
          const [usual, fresher] = await Promise.all([
            ordinaryLoad({ seconds }),
            fresh && runDnsperf({ ...load, queryFile: names(fresh, 20 * seconds), rate: 20, from: '127.51.0.1' }),
          ]);
          const { victim, others } = await counting;
          await Promise.all(bots);
          measured({
            server: contender.name,
            defence: contender.defence,
            attack: name,
            rate,
            ordinary: (usual.rcodes['NOERROR'] ?? 0) / usual.sent,
            newZones: fresher && (fresher.rcodes['NOERROR'] ?? 0) / fresher.sent,
            vainPerSecond: victim / seconds,
            othersPerSecond: others / seconds,
          });
          console.error(`${((performance.now() - begun) / 1000).toFixed(1)} s`);
        } finally {
          await target.stop();
          authority.stop();
        }
      }
    }
  }
}
