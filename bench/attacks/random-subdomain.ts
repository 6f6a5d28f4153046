/** Random-subdomain floods while the zone's authority is slow or silent: what other names and the zone's own names get. */
import { quantile, runDnsperf } from '../../test/support/dnsperf.ts';
import { flood } from '../../test/support/flooder.ts';
import { queryFile } from '../load/queries.ts';
import type { VictimState } from './authority.ts';
import { startAuthority } from './authority-process.ts';
import { RANDOM_SUBDOMAIN } from './servers.ts';

const FLOOD_RATE = 20_000;
/** Each in a network of its own, so that none asks more than 40 questions a second. */
const BOTS = Array.from({ length: 500 }, (_, i) => `127.${100 + (i >> 8)}.${i & 255}.2`);
const OTHER_RATE = 500;
const KNOWN_RATE = 100;
const KNOWN_NAMES = 200;
const SERVER_CORE = 0;
const LOAD_CORE = 1;

export interface RandomSubdomainRow {
  server: string;
  defence: string;
  authority: VictimState;
  /** Shares of the questions that were answered with an address. */
  others: number;
  known: number;
  /** Latency of other names: in the attack, and before it. */
  p99Ms: number;
  quietP99Ms: number;
  /** … and while the same flood goes to another server of the same kind on the same core: what the machine makes of both. */
  elsewhereP99Ms: number;
  /** Datagrams to the victim's authority in the first second of the flood, in which it has to be found out … */
  firstSecond: number;
  /** … and a second from then on. */
  upstreamPerSecond: number;
}

export async function randomSubdomain(
  seconds: number,
  only: readonly string[],
  measured: (row: RandomSubdomainRow) => void,
): Promise<void> {
  for (const contender of RANDOM_SUBDOMAIN.filter(({ name }) => only.length === 0 || only.includes(name))) {
    for (const state of ['slow', 'silent'] as const) {
      const authority = await startAuthority();
      const target = await contender.start({ port: authority.port, probeName: 'probe.other.bench', core: SERVER_CORE });
      try {
        authority.tell({ state: 'well' });
        const { port } = target;
        const known = queryFile('known', KNOWN_NAMES, (i) => `k${i}.victim.bench A`);
        // Clients of three networks have seen the names that exist.
        for (let run = 0; run < 3; run++) {
          await runDnsperf({
            port,
            queryFile: known,
            runs: 1,
            outstanding: 20,
            core: LOAD_CORE,
            from: `127.0.${run}.1`,
          });
          await new Promise((resolve) => setTimeout(resolve, 2100));
        }
        let serial = 0;
        const others = () => {
          serial += 1_000_000;
          const first = serial;
          return queryFile(
            `others-${first}`,
            OTHER_RATE * seconds * 2,
            (i) => `n${first + i}.z${i % 50}.other.bench A`,
          );
        };
        const ordinary = { port, rate: OTHER_RATE, seconds, latencies: true, outstanding: 2000, core: LOAD_CORE };
        const quiet = await runDnsperf({ ...ordinary, queryFile: others() });
        const floodOf = (port: number) =>
          flood({
            port,
            seconds: seconds + 2,
            rate: FLOOD_RATE,
            name: 'victim.bench',
            newNames: true,
            from: BOTS,
            core: LOAD_CORE,
          });
        const bystander = await besideAnother(contender, state, floodOf, () =>
          runDnsperf({ ...ordinary, queryFile: others() }),
        );
        authority.tell({ state });
        await authority.counts();
        const flooding = floodOf(port);
        await new Promise((resolve) => setTimeout(resolve, 1000));
        const firstSecond = (await authority.counts()).victim;
        const begun = performance.now();
        const [attacked, names] = await Promise.all([
          runDnsperf({ ...ordinary, queryFile: others() }),
          runDnsperf({ port, queryFile: known, rate: KNOWN_RATE, seconds, outstanding: 2000, core: LOAD_CORE }),
        ]);
        const { victim } = await authority.counts();
        const lasted = (performance.now() - begun) / 1000;
        await flooding;
        measured({
          server: contender.name,
          defence: contender.defence,
          authority: state,
          others: (attacked.rcodes['NOERROR'] ?? 0) / attacked.sent,
          known: (names.rcodes['NOERROR'] ?? 0) / names.sent,
          p99Ms: quantile(attacked.latenciesMs, 0.99),
          quietP99Ms: quantile(quiet.latenciesMs, 0.99),
          elsewhereP99Ms: quantile(bystander.latenciesMs, 0.99),
          firstSecond,
          upstreamPerSecond: victim / lasted,
        });
      } finally {
        await target.stop();
        authority.stop();
      }
    }
  }
}

/** `measure` while another server of the kind is flooded, a second after it began. */
async function besideAnother<Result>(
  contender: (typeof RANDOM_SUBDOMAIN)[number],
  state: VictimState,
  floodOf: (port: number) => Promise<number>,
  measure: () => Promise<Result>,
): Promise<Result> {
  const authority = await startAuthority();
  const other = await contender.start({ port: authority.port, probeName: 'probe.other.bench', core: SERVER_CORE });
  try {
    authority.tell({ state });
    await authority.counts();
    const flooding = floodOf(other.port);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const result = await measure();
    await flooding;
    return result;
  } finally {
    await other.stop();
    authority.stop();
  }
}
